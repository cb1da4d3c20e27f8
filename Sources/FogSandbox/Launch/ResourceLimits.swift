import FogCore
import FogSandboxPlan

/// What setrlimit(2) holds each process of a task to: pure.
enum ResourceLimits {
    /// RLIMIT_* of asm-generic/resource.h: Swift sees them as different types on different systems.
    private enum Resource {
        static let cpu: UInt8 = 0
        static let fileSize: UInt8 = 1
        static let data: UInt8 = 2
        static let core: UInt8 = 4
        static let processes: UInt8 = 6
        static let files: UInt8 = 7
        static let lockedMemory: UInt8 = 8
        static let signals: UInt8 = 11
        static let messageQueues: UInt8 = 12
        static let nice: UInt8 = 13
        static let realTime: UInt8 = 14
    }

    /// Less than a page, so no file is written; and where core dumps are piped into a program of the host's root, which
    /// 0 does not prevent, 1 byte is the one value that does (fs/coredump.c, "core limits are irrelevant to pipes").
    private static let noCore: UInt64 = 1
    private static let lockedBytes: UInt64 = 8 << 20
    private static let queuedSignals: UInt64 = 4096
    /// CPU seconds granted beyond the limit before the kernel kills outright.
    private static let cpuGraceSeconds: UInt64 = 5

    /// - Parameters:
    ///   - isMemoryLimited: by the slot's control group.
    ///   - areProcessesLimited: by the slot's control group.
    static func all(
        _ task: SandboxTask, _ profile: SandboxProfile, isMemoryLimited: Bool, areProcessesLimited: Bool
    ) -> [PlanLimit] {
        func both(_ resource: UInt8, _ value: UInt64) -> PlanLimit {
            .init(resource: resource, soft: value, hard: value)
        }
        let seconds = UInt64(
            max(1, (task.wallLimit.milliseconds * max(1, task.resources.cpu.count) + 999_999) / 1_000_000))
        var limits = [
            both(Resource.files, UInt64(profile.limits.descriptors)), both(Resource.core, noCore),
            both(Resource.messageQueues, 0), both(Resource.fileSize, UInt64(max(0, task.resources.disk.bytes))),
            .init(resource: Resource.cpu, soft: seconds, hard: seconds &+ cpuGraceSeconds),
            both(Resource.lockedMemory, lockedBytes), both(Resource.signals, queuedSignals),
            // A workstation's user may have been given real-time priorities, for sound; a task has none.
            both(Resource.nice, 0), both(Resource.realTime, 0),
        ]
        guard profile.isolated else { return limits }
        if !areProcessesLimited {
            // Counted within the task's user namespace, init included.
            limits.append(both(Resource.processes, UInt64(task.resources.pids ?? profile.limits.pids) + 1))
        }
        if !isMemoryLimited {
            limits.append(both(Resource.data, UInt64(max(0, task.resources.memory.bytes))))
        }
        return limits
    }
}
