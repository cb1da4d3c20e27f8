import FogCore
import Glibc
import Synchronization

/// Looks, again and again, at what a running task takes and no limit of the kernel bounds: its work folder, and its
/// memory where there is no control group for it.
final class TaskWatch: Sendable {
    /// The last count of something, and what the machine had left of it then.
    private struct Count {
        var nanoseconds: Int64?
        var free: Int64 = 0
        var taken: Int64 = 0

        /// Whether to count again: it is long ago, or some time ago and the machine has lost something since, or more than
        /// the task has left. Others take from it too, so this never says that something was exceeded.
        func isDue(_ now: Int64, free: Int64, limit: Int64) -> Bool {
            guard let nanoseconds else { return true }
            let lost = self.free - free, age = now - nanoseconds
            return age >= TaskWatch.restNanoseconds || (lost > 0 && age >= TaskWatch.countNanoseconds)
                || taken + lost > limit
        }
    }

    private struct State {
        var bytes = Count()
        var entries = Count()
        var memory = Count()
        /// Processes that could not be looked into the last time.
        var hidden: Set<pid_t> = []
    }

    private let folder: String
    private let disk: Int64
    private let files: Int64
    /// Nil where a control group bounds it.
    private let memory: Int64?
    private let launcher: pid_t
    private let state = Mutex(State())

    /// What grows is counted this often; what does not, at least so often: somebody else may have given back meanwhile
    /// what the task took.
    private static let countNanoseconds: Int64 = 500_000_000
    private static let restNanoseconds: Int64 = 2_000_000_000

    init(folder: String, disk: Int64, files: Int64, memory: Int64?, launcher: pid_t) {
        (self.folder, self.disk, self.files) = (folder, disk, files)
        (self.memory, self.launcher) = (memory, launcher)
    }

    /// Why the task is to be ended, if so. Called ten times a second: most of them cost two system calls.
    func look(_ now: Int64) -> Ending? {
        isMemoryExceeded(now) ? .outOfMemory : isDiskExceeded(now) ? .diskExceeded : nil
    }

    private func isDiskExceeded(_ now: Int64) -> Bool {
        var space = statvfs()
        let isKnown = statvfs(folder, &space) == 0
        let free = Int64(clamping: UInt64(space.f_bfree) * UInt64(space.f_frsize))
        let freeFiles = Int64(clamping: UInt64(space.f_ffree))
        let isDue = state.withLock { state in
            state.bytes.isDue(now, free: free, limit: disk) || state.entries.isDue(now, free: freeFiles, limit: files)
        }
        guard isDue || !isKnown else { return false }
        let measure = FolderMeasure(folder, limit: disk, maxEntries: files)
        // A file without a name takes its blocks all the same, until its last descriptor is closed.
        let unnamed = measure.exceeds ? 0 : TaskCensus.unnamedBytes(on: folder, launcher: launcher)
        state.withLock { state in
            state.bytes = Count(nanoseconds: now, free: free, taken: measure.bytes + unnamed)
            state.entries = Count(nanoseconds: now, free: freeFiles, taken: measure.entries)
        }
        return measure.exceeds || measure.bytes + unnamed > disk
    }

    private func isMemoryExceeded(_ now: Int64) -> Bool {
        guard memory != nil || !Privilege.isRoot else { return false }
        let free = TaskCensus.kibibytes(["MemAvailable:"], in: "/proc/meminfo")
        let limit = memory ?? .max
        guard state.withLock({ $0.memory.isDue(now, free: free, limit: limit) }) else { return false }
        let taken = memory == nil ? 0 : TaskCensus.memory(below: launcher, limit: limit)
        // Root sees into every process.
        let hidden = Privilege.isRoot ? [] : TaskCensus.hidden(below: launcher)
        return state.withLock { state in
            // Between clone and execve each process is like that for a moment; twice is on purpose.
            let isHiding = !state.hidden.isDisjoint(with: hidden)
            state.hidden = hidden
            state.memory = Count(nanoseconds: now, free: free, taken: taken)
            return isHiding || taken > limit
        }
    }
}
