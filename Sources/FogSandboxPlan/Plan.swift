/// One entry of a root file system. Targets are relative to the root being built.
package struct PlanMount: Hashable, Sendable {
    /// The numbers are those of `fog_mount_kind` in CFog.
    package enum Kind: UInt8, Sendable {
        case readOnly = 1
        case device = 2
        case temporary = 3
        case processes = 4
        case link = 5
        case folder = 6
        case text = 7
        case hostProcesses = 8
        case writable = 9
        case secret = 10
        case terminals = 11
        case mask = 12
        case fixed = 13
    }

    package let kind: Kind
    /// Place of the detached mount among the packet's descriptors; -1: opened by the server from `source`.
    package let descriptor: Int32
    package let source: String
    package let target: String
    package let options: String

    package init(_ kind: Kind, _ target: String, source: String = "", options: String = "", descriptor: Int32 = -1) {
        self.kind = kind
        self.descriptor = descriptor
        self.source = source
        self.target = target
        self.options = options
    }
}

/// A resource limit of setrlimit(2).
package struct PlanLimit: Hashable, Sendable {
    package let resource: UInt8
    package let soft: UInt64
    package let hard: UInt64

    package init(resource: UInt8, soft: UInt64, hard: UInt64) {
        self.resource = resource
        self.soft = soft
        self.hard = hard
    }
}

/// A Landlock rule: what is allowed beneath a path.
package struct PlanRule: Hashable, Sendable {
    package enum Access: UInt8, Sendable {
        case readAndExecute = 0
        case everything = 1
        case writeFiles = 2
    }

    package let access: Access
    package let path: String
    /// What stands at the path comes with the task.
    package let isLate: Bool

    package init(_ access: Access, _ path: String, isLate: Bool = false) {
        self.access = access
        self.path = path
        self.isLate = isLate
    }
}

/// What a server does once: namespaces, root, host id, and the filter and rules its tasks share.
package struct TemplatePlan: Hashable, Sendable {
    /// False: tasks run with no isolation at all (profile `none`).
    package var isolated = true
    package var loopback = true
    package var landlock = true
    /// The task's uid and gid within the sandbox.
    package var insideID: UInt32 = 1000
    /// Its uid and gid on the host, used when the server starts as root.
    package var hostID: UInt32 = 65534
    package var hostname = "fog"
    package var mounts: [PlanMount] = []
    /// What each task has of its own, whatever it is; made before the task is known.
    package var taskMounts: [PlanMount] = []
    /// Whether the next sandbox is made ready as soon as the last is gone, and waits for its task.
    package var preparesAhead = true
    package var rules: [PlanRule] = []
    /// The seccomp program that each task puts on: `struct sock_filter` after another, 8 bytes each; empty = none.
    package var filter: [UInt8] = []
    /// One that the server puts on itself, for all that it starts; empty = none.
    package var sharedFilter: [UInt8] = []

    package init() {}

    package func encoded() throws(PlanFailure) -> [UInt8] {
        var writer = PlanWriter(kind: .template, sequence: 0)
        let flags: UInt8 = (isolated ? 1 : 0) | (loopback ? 2 : 0) | (landlock ? 4 : 0) | (preparesAhead ? 8 : 0)
        writer.integer(flags)
        writer.integer(insideID)
        writer.integer(hostID)
        writer.text(hostname)
        writer.mounts(mounts)
        writer.mounts(taskMounts)
        writer.count(rules.count, max: PlanLimits.rules)
        for rule in rules {
            writer.integer(rule.access.rawValue)
            writer.integer(UInt8(rule.isLate ? 1 : 0))
            writer.text(rule.path)
        }
        writer.raw(filter)
        writer.raw(sharedFilter)
        return try writer.finish()
    }
}

/// What a task adds to its server's template.
package struct LaunchPlan: Hashable, Sendable {
    package var sequence: UInt32 = 0
    /// After those of ``TemplatePlan/taskMounts``.
    package var mounts: [PlanMount] = []
    package var limits: [PlanLimit] = []
    package var arguments: [String] = []
    package var environment: [String] = []
    /// The working folder, as the task sees it.
    package var folder = "/work"
    /// Where programs without a slash are looked for.
    package var path = "/usr/bin"
    package var niceness: Int8 = 0
    /// Only when nobody else wants the processor or the disk: SCHED_IDLE of sched(7), the idle class of ioprio_set(2).
    package var isIdle = false
    /// Processors the task may run on; empty = all of the server's.
    package var processors: [UInt16] = []

    package init() {}

    package func encoded() throws(PlanFailure) -> [UInt8] {
        var writer = PlanWriter(kind: .launch, sequence: sequence)
        writer.integer(niceness)
        writer.integer(UInt8(isIdle ? 1 : 0))
        writer.text(folder)
        writer.text(path)
        writer.mounts(mounts)
        writer.count(limits.count, max: PlanLimits.limits)
        for limit in limits {
            writer.integer(limit.resource)
            writer.integer(limit.soft)
            writer.integer(limit.hard)
        }
        writer.count(processors.count, max: PlanLimits.processors)
        for processor in processors { writer.integer(processor) }
        writer.count(arguments.count, max: PlanLimits.arguments)
        for argument in arguments { writer.text(argument) }
        writer.count(environment.count, max: PlanLimits.variables)
        for variable in environment { writer.text(variable) }
        return try writer.finish()
    }
}

/// Asks for the listening socket that is the only way out of a task's network.
package struct ListenPlan: Hashable, Sendable {
    /// The port to have if it is free; else the kernel chooses one.
    package let port: UInt16

    package init(port: UInt16) { self.port = port }

    package func encoded() throws(PlanFailure) -> [UInt8] {
        var writer = PlanWriter(kind: .listen, sequence: 0)
        writer.integer(port)
        return try writer.finish()
    }
}

/// An order to the running task (``PlanOrder``), which says to which one it goes: a late order must not hit the next.
package struct OrderPlan: Hashable, Sendable {
    package let order: PlanOrder
    package let sequence: UInt32

    package init(_ order: PlanOrder, sequence: UInt32) {
        self.order = order
        self.sequence = sequence
    }

    package func encoded() throws(PlanFailure) -> [UInt8] {
        var writer = PlanWriter(kind: .order, sequence: sequence)
        writer.integer(order.rawValue)
        return try writer.finish()
    }
}

extension PlanWriter {
    fileprivate mutating func mounts(_ mounts: [PlanMount]) {
        count(mounts.count, max: PlanLimits.mounts)
        for mount in mounts {
            integer(mount.kind.rawValue)
            integer(mount.descriptor)
            text(mount.source)
            text(mount.target)
            text(mount.options)
        }
    }
}
