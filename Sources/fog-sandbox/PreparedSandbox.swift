import CFog
import FogSandboxPlan
import Glibc

/// A sandbox that is whole but for its task: namespaces, ids, mounts, and an init that waits for what it is to run.
struct PreparedSandbox {
    let pid: pid_t
    let pidfd: Int32
    /// The server's end of the line to its init.
    let channel: Int32

    /// Hands a launch over as it came from the agent. False: the sandbox has died meanwhile.
    func start(_ launch: UnsafeRawBufferPointer, descriptors: [Int32], sequence: UInt32) -> Bool {
        let perPacket = Int(FOG_DESCRIPTORS_PER_MESSAGE)
        var rest = descriptors[...]
        while rest.count > perPacket {
            let more = PlanWriter(kind: .descriptors, sequence: sequence).bytes
            guard fog_send(channel, more, more.count, Array(rest.prefix(perPacket)), FOG_DESCRIPTORS_PER_MESSAGE) > 0
            else { return false }
            rest = rest.dropFirst(perPacket)
        }
        return fog_send(channel, launch.baseAddress, launch.count, Array(rest), Int32(rest.count)) > 0
    }

    /// Waits for the end of one that has died.
    func bury() {
        var status: Int32 = 0
        kill(pid, SIGKILL)
        _ = fog_wait_status(pid, &status, 0)
        close(pidfd)
        close(channel)
    }
}

/// The init of a sandbox before its task. Everything the server held open is here as well, until the task's own
/// descriptors are in place.
struct SandboxInit {
    let template: Template
    let channel: Int32
    /// The agent's.
    let socket: Int32

    /// Waits for the launch and becomes its init; ends when the server is gone.
    func run() -> Never {
        let packet = UnsafeMutableRawPointer.allocate(byteCount: PlanLimits.bytes, alignment: 16)
        var descriptors: [Int32] = []
        while true {
            var received = [Int32](repeating: -1, count: Int(FOG_DESCRIPTORS_PER_MESSAGE))
            var count: Int32 = 0
            let length = fog_receive(
                channel, packet, PlanLimits.bytes, &received, Int32(received.count), &count, 0)
            guard length > 0 else { _exit(0) }
            descriptors += received.prefix(Int(count))
            do throws(PlanFailure) {
                var reader = try PlanReader(UnsafeRawBufferPointer(start: packet, count: length))
                guard reader.kind == PlanKind.launch.rawValue else { continue }
                start(try LaunchView(&reader), descriptors)
            } catch {
                // The server has read the same bytes before.
                _exit(125)
            }
        }
    }

    private func start(_ view: LaunchView, _ descriptors: [Int32]) -> Never {
        withPlan(view, descriptors) { plan in template.withBase { base -> Void in fog_become_init(base, plan) } }
        _exit(125)
    }

    private func withPlan(
        _ view: LaunchView, _ descriptors: [Int32], _ body: (UnsafeMutablePointer<fog_launch>) -> Void
    ) {
        // Those that the server opened stand last.
        var opened = descriptors.count - view.mounts.count { $0.descriptor < 0 && $0.isBind }
        let mounts = view.mounts.map { mount in
            guard mount.isBind else { return mount.entry(descriptor: -1) }
            if mount.descriptor >= 0 { return mount.entry(descriptor: descriptors[Int(mount.descriptor)]) }
            opened += 1
            return mount.entry(descriptor: descriptors[opened - 1])
        }
        mounts.withUnsafeBufferPointer { mounts in
            view.withLaunch(template, standard: (descriptors[0], descriptors[1], descriptors[2]), socket) { plan in
                plan.pointee.mounts = mounts.baseAddress
                plan.pointee.mount_count = Int32(mounts.count)
                body(plan)
            }
        }
    }

    /// Goes once through what each sandbox does with its launch, without starting anything: what Swift finds out about
    /// its types the first time, all of them inherit then, and need not find out again.
    static func rehearse(_ template: Template) {
        var plan = LaunchPlan()
        plan.arguments = ["x"]
        plan.mounts = [.init(.writable, "x", descriptor: 0), .init(.writable, "x", source: "x")]
        plan.limits = [.init(resource: 0, soft: 0, hard: 0)]
        plan.processors = [0]
        guard let bytes = try? plan.encoded() else { return }
        bytes.withUnsafeBytes { bytes in
            guard var reader = try? PlanReader(bytes), let view = try? LaunchView(&reader) else { return }
            let sandbox = SandboxInit(template: template, channel: -1, socket: -1)
            sandbox.withPlan(view, [-1, -1, -1, -1]) { _ in }
            template.withBase { _ in }
        }
    }
}
