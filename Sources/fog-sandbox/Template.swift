import CFog
import FogSandboxPlan
import Glibc

/// What all tasks of one launcher share, copied out of the packet that brought it.
struct Template {
    private(set) var isolated = true
    private(set) var privileged = false
    private var insideID: UInt32 = 1000
    private var outsideID: UInt32 = 0
    private var landlock: Int32 = 0
    /// The mount namespace of the host, for an ordinary user's launcher; -1 otherwise.
    private var mirror: Int32 = -1
    private var rules: [fog_rule] = []
    private var filter: [UInt64] = []

    enum Launched {
        case started(pid_t, pidfd: Int32)
        case failed(fog_step, Int32)
    }

    /// 0 or the step that failed, with errno set.
    mutating func enter(_ view: TemplateView) -> Int32 {
        isolated = view.isolated
        // Asked once: within the namespace of an ordinary user the id is 0 as well.
        privileged = geteuid() == 0
        insideID = view.insideID
        outsideID = privileged ? view.hostID : 0
        landlock = view.landlock ? max(0, fog_landlock_abi()) : 0
        // The packet's memory is used again, so what lasts is copied.
        rules = view.rules.map { fog_rule(access: Int32($0.access), pad: 0, path: UnsafePointer(strdup($0.path))) }
        filter = [UInt64](repeating: 0, count: view.filter.count / 8)
        filter.withUnsafeMutableBytes { $0.copyMemory(from: view.filter) }
        guard isolated else { return 0 }
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

    /// Starts a task with the descriptors that came for it.
    func launch(_ view: LaunchView, descriptors: inout [Int32], socket: Int32) -> Launched {
        guard descriptors.count >= 3 else { return .failed(FOG_STEP_PLAN, EBADF) }
        var mounts: [fog_mount] = []
        for mount in view.mounts {
            let place = Int(mount.descriptor)
            guard place < descriptors.count else { return .failed(FOG_STEP_PLAN, EBADF) }
            mounts.append(mount.entry(descriptor: place < 0 ? -1 : descriptors[place]))
        }
        let step = fog_open_sources(mirror, &mounts, Int32(mounts.count))
        // Opened here, closed by the caller with the others.
        for (mount, entry) in zip(view.mounts, mounts) where mount.descriptor < 0 {
            descriptors.append(entry.descriptor)
        }
        guard step == 0 else { return .failed(fog_step(UInt32(step)), errno) }
        var pidfd: Int32 = -1
        let pid = start(view, mounts, descriptors, socket, &pidfd)
        return pid > 0 ? .started(pid, pidfd: pidfd) : .failed(FOG_STEP_CLONE, errno)
    }

    private func start(
        _ view: LaunchView, _ mounts: [fog_mount], _ descriptors: [Int32], _ socket: Int32, _ pidfd: inout Int32
    ) -> pid_t {
        let limits = view.limits.map {
            fog_limit(resource: Int32($0.resource), pad: 0, soft: $0.soft, hard: $0.hard)
        }
        var plan = fog_launch()
        plan.sequence = view.sequence
        plan.inside_id = insideID
        plan.outside_id = outsideID
        plan.isolated = isolated ? 1 : 0
        plan.landlock = landlock
        plan.niceness = Int32(view.niceness)
        plan.idle = view.isIdle ? 1 : 0
        plan.socket = socket
        plan.standard = (descriptors[0], descriptors[1], descriptors[2])
        plan.folder = view.folder
        plan.path = view.path
        return mounts.withUnsafeBufferPointer { mounts in
            limits.withUnsafeBufferPointer { limits in
                rules.withUnsafeBufferPointer { rules in
                    view.processors.withUnsafeBufferPointer { processors in
                        filter.withUnsafeBytes { filter in
                            view.arguments.withUnsafeBufferPointer { arguments in
                                view.environment.withUnsafeBufferPointer { environment in
                                    plan.mounts = mounts.baseAddress
                                    plan.mount_count = Int32(mounts.count)
                                    plan.limits = limits.baseAddress
                                    plan.limit_count = Int32(limits.count)
                                    plan.rules = rules.baseAddress
                                    plan.rule_count = Int32(rules.count)
                                    plan.processors = processors.baseAddress
                                    plan.processor_count = Int32(processors.count)
                                    plan.filter = filter.baseAddress
                                    plan.filter_length = UInt32(filter.count / 8)
                                    plan.arguments = arguments.baseAddress
                                    plan.environment = environment.baseAddress
                                    return fog_launch(&plan, &pidfd)
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

extension MountView {
    func entry(descriptor: Int32) -> fog_mount {
        fog_mount(kind: Int32(kind), descriptor: descriptor, source: source, target: target, options: options)
    }
}
