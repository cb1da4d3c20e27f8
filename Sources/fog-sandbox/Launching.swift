import CFog
import FogSandboxPlan
import Glibc

/// Starts tasks, each in a sandbox of its own.
struct TaskStarter {
    enum Started {
        case started(pid_t, pidfd: Int32)
        case failed(fog_step, Int32)
    }

    let template: Template
    /// The agent's.
    let socket: Int32

    /// Starts a task with the descriptors that came for it; what is opened besides is added to them.
    /// - Parameter prepared: a sandbox that waits, which is used up.
    func start(
        _ view: LaunchView, _ packet: UnsafeRawBufferPointer, _ descriptors: inout [Int32],
        in prepared: inout PreparedSandbox?
    ) -> Started {
        guard descriptors.count >= 3, view.mounts.allSatisfy({ Int($0.descriptor) < descriptors.count }) else {
            return .failed(FOG_STEP_PLAN, EBADF)
        }
        guard template.isolated else { return startPlain(view, descriptors) }
        let step = template.openSources(view, &descriptors)
        guard step == 0 else { return .failed(fog_step(UInt32(step)), errno) }
        // One that waited may have been killed meanwhile, when the machine ran out of memory: once more, with another.
        for _ in 0..<2 {
            guard let sandbox = prepared ?? template.prepare(socket: socket) else { break }
            prepared = nil
            if sandbox.start(packet, descriptors: descriptors, sequence: view.sequence) {
                close(sandbox.channel)
                return .started(sandbox.pid, pidfd: sandbox.pidfd)
            }
            let error = errno
            sandbox.bury()
            errno = error
        }
        return .failed(FOG_STEP_CLONE, errno)
    }

    private func startPlain(_ view: LaunchView, _ descriptors: [Int32]) -> Started {
        var pidfd: Int32 = -1
        let pid = view.withLaunch(template, standard: (descriptors[0], descriptors[1], descriptors[2]), socket) {
            fog_launch_plain($0, &pidfd)
        }
        return pid > 0 ? .started(pid, pidfd: pidfd) : .failed(FOG_STEP_CLONE, errno)
    }
}

extension LaunchView {
    /// What C needs of a launch, with the pointers in it valid during the call; no mounts.
    func withLaunch<Result>(
        _ template: Template, standard: (Int32, Int32, Int32), _ socket: Int32,
        _ body: (UnsafeMutablePointer<fog_launch>) -> Result
    ) -> Result {
        let limits = limits.map { fog_limit(resource: Int32($0.resource), pad: 0, soft: $0.soft, hard: $0.hard) }
        var plan = fog_launch()
        plan.sequence = sequence
        plan.niceness = Int32(niceness)
        plan.idle = isIdle ? 1 : 0
        plan.socket = socket
        plan.standard = standard
        plan.folder = folder
        plan.path = path
        return limits.withUnsafeBufferPointer { limits in
            processors.withUnsafeBufferPointer { processors in
                template.filter.withUnsafeBytes { filter in
                    arguments.withUnsafeBufferPointer { arguments in
                        environment.withUnsafeBufferPointer { environment in
                            plan.limits = limits.baseAddress
                            plan.limit_count = Int32(limits.count)
                            plan.processors = processors.baseAddress
                            plan.processor_count = Int32(processors.count)
                            plan.filter = filter.baseAddress
                            plan.filter_length = UInt32(filter.count / 8)
                            plan.arguments = arguments.baseAddress
                            plan.environment = environment.baseAddress
                            return body(&plan)
                        }
                    }
                }
            }
        }
    }
}

extension MountView {
    /// Whether it takes a descriptor: see `is_bind` in template.c.
    var isBind: Bool {
        switch PlanMount.Kind(rawValue: kind) {
        case .readOnly, .device, .hostProcesses, .writable: true
        default: false
        }
    }
}
