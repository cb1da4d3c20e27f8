import CFog
import FogSandboxPlan
import Glibc

/// A single-threaded fork server: one template, then one task at a time.
///
/// Single-threaded so that a child between clone and execve sees no lock held by another thread.
struct Server {
    private let socket: Int32
    private let packet = UnsafeMutableRawPointer.allocate(byteCount: PlanLimits.bytes, alignment: 16)
    private var descriptors: [Int32] = []
    private var template = Template()
    private var task: RunningTask?
    /// The sandbox of the next task.
    private var prepared: PreparedSandbox?

    init(socket: Int32) { self.socket = socket }

    /// Serves until the agent closes its end; the exit code of the process.
    mutating func run() -> Int32 {
        while true {
            var ready: [Int32] = [0, 0]
            let waited = [socket, task?.pidfd ?? socket]
            guard fog_wait_readable(waited, task == nil ? 1 : 2, &ready) >= 0 else { return 70 }
            if task != nil, ready[1] != 0 { reap() }
            if ready[0] != 0, !receive() { return 0 }
        }
    }

    /// False when the agent is gone, or speaks another language.
    private mutating func receive() -> Bool {
        var received = [Int32](repeating: -1, count: Int(FOG_DESCRIPTORS_PER_MESSAGE))
        var count: Int32 = 0
        let length = fog_receive(socket, packet, PlanLimits.bytes, &received, Int32(received.count), &count, 0)
        guard length > 0 else { return false }
        descriptors += received.prefix(Int(count))
        guard descriptors.count <= PlanLimits.descriptors else { return false }
        do throws(PlanFailure) {
            var reader = try PlanReader(UnsafeRawBufferPointer(start: packet, count: length))
            switch PlanKind(rawValue: reader.kind) {
            case .template: return enter(try TemplateView(&reader))
            case .launch: launch(try LaunchView(&reader), UnsafeRawBufferPointer(start: packet, count: length))
            case .descriptors: return true
            case .order: try pass(&reader)
            case .listen: try listen(&reader)
            case nil: return false
            }
        } catch {
            send(kind: FOG_REPORT_ENDED, sequence: 0, step: FOG_STEP_PLAN, error: EINVAL)
            complain("fog-sandbox: not a plan: \(error)\n")
            return false
        }
        for descriptor in descriptors where descriptor >= 0 { close(descriptor) }
        descriptors.removeAll(keepingCapacity: true)
        return true
    }

    private mutating func enter(_ view: TemplateView) -> Bool {
        let step = template.enter(view)
        let error = step == 0 ? 0 : errno
        if template.preparesAhead { SandboxInit.rehearse(template) }
        send(
            kind: FOG_REPORT_READY, sequence: 0, step: fog_step(UInt32(step)), error: error,
            status: fog_landlock_abi(), flag: template.privileged ? 1 : 0)
        if step == 0 { prepareAhead() }
        return step == 0
    }

    private mutating func launch(_ view: LaunchView, _ packet: UnsafeRawBufferPointer) {
        guard task == nil else {
            return send(kind: FOG_REPORT_ENDED, sequence: view.sequence, step: FOG_STEP_PLAN, error: EBUSY)
        }
        let starter = TaskStarter(template: template, socket: socket)
        switch starter.start(view, packet, &descriptors, in: &prepared) {
        case .started(let pid, let pidfd):
            task = RunningTask(pid: pid, pidfd: pidfd, sequence: view.sequence, isolated: template.isolated)
        case .failed(let step, let error):
            send(kind: FOG_REPORT_ENDED, sequence: view.sequence, step: step, error: error)
            send(kind: FOG_REPORT_FREED, sequence: view.sequence)
        }
    }

    /// The next task finds its sandbox ready. What fails here is tried again, and told, when there is a task.
    private mutating func prepareAhead() {
        if template.preparesAhead, prepared == nil { prepared = template.prepare(socket: socket) }
    }

    /// The socket is the agent's alone: kept here, it would listen on when the agent is done with it.
    private func listen(_ reader: inout PlanReader) throws(PlanFailure) {
        var port: UInt16 = try reader.integer()
        try reader.end()
        var report = fog_report()
        fog_report_init(&report, Int32(FOG_REPORT_LISTENING.rawValue), 0)
        // Without a network namespace of its own the launcher's loopback is the host's.
        var socket: Int32 = -1
        errno = EPERM
        if template.isolated { socket = fog_listen(&port) }
        guard socket >= 0 else {
            report.error = errno
            fog_send(self.socket, &report, MemoryLayout<fog_report>.size, nil, 0)
            return
        }
        report.status = Int32(port)
        fog_send(self.socket, &report, MemoryLayout<fog_report>.size, &socket, 1)
        close(socket)
    }

    private func pass(_ reader: inout PlanReader) throws(PlanFailure) {
        let order: Int32 = try reader.integer()
        try reader.end()
        guard let task, task.sequence == reader.sequence else { return }
        if task.isolated {
            kill(task.pid, order)
        } else {
            let signals = [PlanOrder.terminate.rawValue: SIGTERM, PlanOrder.kill.rawValue: SIGKILL]
            let signal = signals[order] ?? (order == PlanOrder.stop.rawValue ? SIGSTOP : SIGCONT)
            kill(-task.pid, signal)
        }
    }

    /// The slot is free only now: a sandbox's last processes and memory are gone with its init.
    private mutating func reap() {
        guard let task else { return }
        var usage = rusage()
        var status: Int32 = 0
        guard wait4(task.pid, &status, WNOHANG, &usage) == task.pid else { return }
        if !task.isolated {
            kill(-task.pid, SIGKILL)
            sendPlainEnd(task, status, usage)
        }
        send(kind: FOG_REPORT_FREED, sequence: task.sequence, status: status)
        close(task.pidfd)
        self.task = nil
        prepareAhead()
    }

    private func sendPlainEnd(_ task: RunningTask, _ status: Int32, _ usage: rusage) {
        var report = fog_report()
        fog_report_init(&report, Int32(FOG_REPORT_ENDED.rawValue), task.sequence)
        report.status = status
        report.user_microseconds = Int64(usage.ru_utime.tv_sec) * 1_000_000 + Int64(usage.ru_utime.tv_usec)
        report.system_microseconds = Int64(usage.ru_stime.tv_sec) * 1_000_000 + Int64(usage.ru_stime.tv_usec)
        report.peak_kibibytes = Int64(usage.ru_maxrss)
        report.wall_nanoseconds = fog_boot_nanoseconds() - task.started
        fog_send(socket, &report, MemoryLayout<fog_report>.size, nil, 0)
    }

    private func send(
        kind: fog_report_kind, sequence: UInt32, step: fog_step = FOG_STEP_NONE, error: Int32 = 0, status: Int32 = 0,
        flag: UInt8 = 0
    ) {
        var report = fog_report()
        fog_report_init(&report, Int32(kind.rawValue), sequence)
        report.step = Int32(step.rawValue)
        report.error = error
        report.status = status
        report.pad = flag
        fog_send(socket, &report, MemoryLayout<fog_report>.size, nil, 0)
    }
}

/// The init of the task that runs, or the task itself where nothing is isolated.
struct RunningTask {
    let pid: pid_t
    let pidfd: Int32
    let sequence: UInt32
    let isolated: Bool
    let started = fog_boot_nanoseconds()
}
