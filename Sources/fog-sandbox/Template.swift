import CFog
import FogSandboxPlan
import Glibc

/// What all tasks of one launcher share, copied out of the packet that brought it.
struct Template {
    private(set) var isolated = true
    private(set) var privileged = false
    private(set) var preparesAhead = false
    private(set) var filter: [UInt64] = []
    private var landlock: Int32 = 0
    private var rules: [fog_rule] = []
    private var insideID: UInt32 = 1000
    private var outsideID: UInt32 = 0
    /// The mount namespace of the host, for an ordinary user's launcher; -1 otherwise.
    private var mirror: Int32 = -1
    private var taskMounts: [fog_mount] = []

    /// 0 or the step that failed, with errno set.
    mutating func enter(_ view: TemplateView) -> Int32 {
        isolated = view.isolated
        preparesAhead = view.isolated && view.preparesAhead
        // Asked once: within the namespace of an ordinary user the id is 0 as well.
        privileged = geteuid() == 0
        insideID = view.insideID
        outsideID = privileged ? view.hostID : 0
        landlock = view.landlock ? max(0, fog_landlock_abi()) : 0
        // The packet's memory is used again, so what lasts is copied.
        rules = view.rules.map {
            fog_rule(access: Int32($0.access), late: $0.isLate ? 1 : 0, path: UnsafePointer(strdup($0.path)))
        }
        taskMounts = view.taskMounts.map { $0.lastingEntry }
        filter = [UInt64](repeating: 0, count: view.filter.count / 8)
        filter.withUnsafeMutableBytes { $0.copyMemory(from: view.filter) }
        guard isolated else { return 0 }
        let step = enterRoot(view)
        guard step == 0, !view.sharedFilter.isEmpty else { return step }
        // From here on the server is held to it as well: what it allows besides, each task's own takes away.
        return fog_filter(view.sharedFilter.baseAddress, UInt32(view.sharedFilter.count / 8)) == 0
            ? 0 : Int32(FOG_STEP_FILTER.rawValue)
    }

    private mutating func enterRoot(_ view: TemplateView) -> Int32 {
        let mounts = view.mounts.map { $0.entry(descriptor: -1) }
        return mounts.withUnsafeBufferPointer { mounts in
            var plan = fog_template()
            plan.inside_id = insideID
            plan.host_id = view.hostID
            plan.privileged = privileged ? 1 : 0
            plan.loopback = view.loopback ? 1 : 0
            plan.mount_count = Int32(mounts.count)
            plan.hostname = view.hostname
            plan.mounts = mounts.baseAddress
            return fog_template_enter(&plan, &mirror)
        }
    }

    /// Opens what a launch names by its path on the host, and adds it to the descriptors in the order of the mounts. 0
    /// or the step that failed, with errno set.
    func openSources(_ view: LaunchView, _ descriptors: inout [Int32]) -> Int32 {
        guard view.mounts.contains(where: { $0.descriptor < 0 }) else { return 0 }
        var mounts = view.mounts.map { $0.entry(descriptor: $0.descriptor) }
        let step = fog_open_sources(mirror, &mounts, Int32(mounts.count))
        for (mount, entry) in zip(view.mounts, mounts) where mount.descriptor < 0 && entry.descriptor >= 0 {
            descriptors.append(entry.descriptor)
        }
        return step
    }

    /// A sandbox that waits for its task; nil with errno. Returns in the server alone.
    /// - Parameter socket: the agent's, on which the sandbox's init reports.
    func prepare(socket: Int32) -> PreparedSandbox? {
        var pair: [Int32] = [-1, -1]
        guard fog_packet_pair(&pair) == 0 else { return nil }
        var pidfd: Int32 = -1
        let pid = withBase { fog_prepare($0, &pidfd) }
        let error = errno
        if pid == 0 {
            close(pair[0])
            SandboxInit(template: self, channel: pair[1], socket: socket).run()
        }
        close(pair[1])
        if pid < 0 { close(pair[0]) }
        errno = error
        return pid < 0 ? nil : PreparedSandbox(pid: pid, pidfd: pidfd, channel: pair[0])
    }

    /// What every sandbox begins with, with the pointers in it valid during the call.
    func withBase<Result>(_ body: (UnsafePointer<fog_base>) -> Result) -> Result {
        taskMounts.withUnsafeBufferPointer { mounts in
            rules.withUnsafeBufferPointer { rules in
                var base = fog_base()
                base.inside_id = insideID
                base.outside_id = outsideID
                base.landlock = landlock
                base.mount_count = Int32(mounts.count)
                base.mounts = mounts.baseAddress
                base.rule_count = Int32(rules.count)
                base.rules = rules.baseAddress
                return body(&base)
            }
        }
    }
}

extension MountView {
    func entry(descriptor: Int32) -> fog_mount {
        fog_mount(kind: Int32(kind), descriptor: descriptor, source: source, target: target, options: options)
    }

    /// Its texts outlive the packet; they are never freed.
    fileprivate var lastingEntry: fog_mount {
        fog_mount(
            kind: Int32(kind), descriptor: -1, source: UnsafePointer(strdup(source)),
            target: UnsafePointer(strdup(target)), options: UnsafePointer(strdup(options)))
    }
}
