import FogCore
import Glibc
import Synchronization

/// The control group of one slot, in which its launcher and every task of it live. Limits are rewritten per task:
/// making a group for each task costs a third of the launch rate.
package final class CgroupSlot: Sendable {
    package enum Freezer: Sendable { case v2, v1 }

    struct Places: Sendable {
        /// Controller to folder.
        var v1: [String: String] = [:]
        var v2: String?
        var v2Controllers: Set<String> = []
    }

    package struct Limits: Hashable, Sendable {
        package var memory: Int64
        package var millicores: Int64
        package var pids: Int64

        package init(memory: Int64, millicores: Int64, pids: Int64) {
            (self.memory, self.millicores, self.pids) = (memory, millicores, pids)
        }
    }

    /// Counters before a task, to be subtracted after it.
    struct Baseline: Sendable {
        fileprivate var cpuNanoseconds: Int64 = 0
        fileprivate var memoryBytes: Int64 = 0
        fileprivate var kills: Int64 = 0
        /// False where the kernel keeps the maximum of all time (v2 before Linux 6.12): no figure for one task.
        fileprivate var hasPeak = false
    }

    struct Measured: Sendable {
        let cpuNanoseconds: Int64?
        let peakBytes: Int64?
        let killedForMemory: Bool
        let source: SandboxUsage.Source?
    }

    private let places: Places
    let folders: [String]
    let freezer: Freezer?
    private let memoryV2: Bool
    private let cpuV2: Bool
    // Open for the life of the slot; -1 where the file is missing.
    private let memoryLimit, swapLimit, pidsLimit, cpuLimit: Int32
    private let cpuUsage, memoryUsage, memoryPeak, memoryEvents: Int32
    private let applied = Mutex(Applied())

    private struct Applied {
        var limits: Limits?
        /// The processor quota is off for a moment.
        var isLifted = false
    }

    private static let cpuPeriodMicroseconds: Int64 = 100_000

    init(_ places: Places, folders: [String], freezer wanted: Freezer?) {
        func file(_ controller: String, _ v1: String, _ v2: String, _ flags: Int32) -> Int32 {
            if places.v2Controllers.contains(controller), let folder = places.v2 {
                return open(folder + "/" + v2, flags | O_CLOEXEC)
            }
            return places.v1[controller].map { open($0 + "/" + v1, flags | O_CLOEXEC) } ?? -1
        }
        self.places = places
        self.folders = folders
        memoryV2 = places.v2Controllers.contains("memory")
        cpuV2 = places.v2Controllers.contains("cpu")
        memoryLimit = file("memory", "memory.limit_in_bytes", "memory.max", O_WRONLY)
        swapLimit = file("memory", "memory.memsw.limit_in_bytes", "memory.swap.max", O_WRONLY)
        pidsLimit = file("pids", "pids.max", "pids.max", O_WRONLY)
        cpuLimit = file("cpu", "cpu.cfs_quota_us", "cpu.max", O_WRONLY)
        // cpu.stat is there in v2 without the controller, but only the controller makes the slot comparable to v1.
        cpuUsage =
            places.v2Controllers.contains("cpu")
            ? file("cpu", "", "cpu.stat", O_RDONLY) : file("cpuacct", "cpuacct.usage", "cpu.stat", O_RDONLY)
        memoryUsage = file("memory", "memory.usage_in_bytes", "memory.current", O_RDONLY)
        memoryPeak = file("memory", "memory.max_usage_in_bytes", "memory.peak", O_RDWR)
        memoryEvents = file("memory", "memory.oom_control", "memory.events", O_RDONLY)
        freezer = wanted ?? (places.v2 != nil ? .v2 : places.v1["freezer"] != nil ? .v1 : nil)
        if memoryV2 {
            if swapLimit >= 0 { _ = Self.write(swapLimit, "0") }
        } else if let folder = places.v1["memory"] {
            _ = Files.write(folder + "/memory.swappiness", "0")
        }
    }

    deinit {
        for descriptor in [
            memoryLimit, swapLimit, pidsLimit, cpuLimit, cpuUsage, memoryUsage, memoryPeak, memoryEvents,
        ] where descriptor >= 0 { close(descriptor) }
    }

    var limitsMemory: Bool { memoryLimit >= 0 }
    var limitsProcesses: Bool { pidsLimit >= 0 }

    /// Puts a launcher into the group; its tasks are born there.
    package func add(_ pid: pid_t) throws(SandboxFailure) {
        for folder in folders {
            let error = Files.write(folder + "/cgroup.procs", String(pid))
            guard error == 0 else {
                throw SandboxFailure("cgroup_failed", "cannot enter \(folder): \(Files.words(error))")
            }
        }
    }

    /// Writes what differs from the task before.
    package func apply(_ limits: Limits) throws(SandboxFailure) {
        let (before, wasLifted) = applied.withLock { ($0.limits, $0.isLifted) }
        guard before != limits || wasLifted else { return }
        if before?.memory != limits.memory { try applyMemory(limits.memory) }
        // The launcher and the task's init count as well.
        if before?.pids != limits.pids { try put(pidsLimit, String(limits.pids + 2), "processes") }
        if before?.millicores != limits.millicores || wasLifted { try applyCPU(limits.millicores) }
        applied.withLock { $0 = Applied(limits: limits) }
    }

    /// Changes the running task's share of processor time.
    func applyCPU(_ millicores: Int64) throws(SandboxFailure) {
        // The kernel refuses a quota below 1 ms a period.
        let quota = max(1000, millicores * Self.cpuPeriodMicroseconds / 1000)
        try put(cpuLimit, cpuV2 ? "\(quota) \(Self.cpuPeriodMicroseconds)" : String(quota), "cpu")
        applied.withLock { applied in
            applied.limits?.millicores = millicores
            applied.isLifted = false
        }
    }

    /// Takes the processor quota away for a moment, or puts it back. A group that has used its quota up could neither
    /// freeze nor die before the next period.
    func setQuotaLifted(_ isLifted: Bool) {
        guard isLifted else {
            if let millicores = applied.withLock({ $0.limits?.millicores }) { try? applyCPU(millicores) }
            return
        }
        applied.withLock { $0.isLifted = true }
        if cpuLimit >= 0 { _ = Self.write(cpuLimit, cpuV2 ? "max" : "-1") }
    }

    private func applyMemory(_ bytes: Int64) throws(SandboxFailure) {
        guard memoryLimit >= 0 else { return }
        // v1 wants memory <= memory + swap at every moment, so the sum is lifted first and set last.
        if !memoryV2, swapLimit >= 0 { _ = Self.write(swapLimit, "-1") }
        try put(memoryLimit, String(bytes), "memory")
        if !memoryV2, swapLimit >= 0 { _ = Self.write(swapLimit, String(bytes)) }
    }

    private func put(_ descriptor: Int32, _ value: String, _ what: String) throws(SandboxFailure) {
        guard descriptor >= 0 else { return }
        let error = Self.write(descriptor, value)
        guard error == 0 else {
            throw SandboxFailure("cgroup_failed", "cannot limit \(what) to \(value): \(Files.words(error))")
        }
    }

    // MARK: - Usage

    func begin() -> Baseline {
        var baseline = Baseline()
        baseline.cpuNanoseconds = cpuNanoseconds() ?? 0
        baseline.memoryBytes = Self.number(memoryUsage) ?? 0
        baseline.kills = kills()
        baseline.hasPeak = memoryPeak >= 0 && Self.write(memoryPeak, "0") == 0
        return baseline
    }

    /// The peak is what the task added: page cache of the slot's former tasks may still be charged to the group.
    func end(_ baseline: Baseline) -> Measured {
        let peak = baseline.hasPeak ? Self.number(memoryPeak).map { max(0, $0 - baseline.memoryBytes) } : nil
        let cpu = cpuNanoseconds().map { max(0, $0 - baseline.cpuNanoseconds) }
        return Measured(
            cpuNanoseconds: cpu, peakBytes: peak, killedForMemory: kills() > baseline.kills,
            source: cpu == nil ? nil : cpuV2 ? .cgroupV2 : .cgroupV1)
    }

    private func cpuNanoseconds() -> Int64? {
        cpuV2 ? Self.field("usage_usec", of: cpuUsage).map { $0 * 1000 } : Self.number(cpuUsage)
    }

    private func kills() -> Int64 { Self.field("oom_kill", of: memoryEvents) ?? 0 }

    // MARK: - Freezing

    /// Asks the kernel to stop every process of the slot, its launcher included; see ``isFrozen``.
    func setFrozen(_ frozen: Bool) -> Bool {
        switch freezer {
        case .v2: return places.v2.map { Files.write($0 + "/cgroup.freeze", frozen ? "1" : "0") == 0 } ?? false
        case .v1:
            return places.v1["freezer"].map {
                Files.write($0 + "/freezer.state", frozen ? "FROZEN" : "THAWED") == 0
            } ?? false
        case nil: return false
        }
    }

    var isFrozen: Bool {
        switch freezer {
        case .v2: places.v2.flatMap { Files.text($0 + "/cgroup.events") }?.contains("frozen 1") ?? false
        case .v1: places.v1["freezer"].flatMap { Files.text($0 + "/freezer.state") }?.hasPrefix("FROZEN") ?? false
        case nil: false
        }
    }

    // MARK: - The end

    /// Kills whatever is left and removes the groups.
    package func remove() { Self.clear(folders) }

    /// Tries so often, in 0.7 s.
    private static let attempts = 100

    /// Empties and removes groups and those below them. Bounded: what cannot be removed now is swept at the next start.
    static func clear(_ folders: [String]) {
        var left = folders
        for folder in folders { clearBelow(folder) }
        // The processes of a namespace are gone a moment after their status has come.
        var pause: UInt32 = 100
        for _ in 0..<attempts {
            left.removeAll { rmdir($0) == 0 || errno == ENOENT }
            guard !left.isEmpty else { return }
            for folder in left { empty(folder) }
            usleep(pause)
            pause = min(2 * pause, 8000)
        }
    }

    private static func clearBelow(_ folder: String) {
        guard let stream = opendir(folder) else { return }
        let names = Folder.names(stream, max: 10_000)
        closedir(stream)
        for name in names {
            let path = folder + "/" + String(decoding: name, as: UTF8.self)
            var status = stat()
            if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { clear([path]) }
        }
    }

    private static func empty(_ folder: String) {
        if Files.write(folder + "/cgroup.kill", "1") != 0 {
            _ = Files.write(folder + "/freezer.state", "THAWED")
            for pid in (Files.text(folder + "/cgroup.procs") ?? "").split(separator: "\n").compactMap({ pid_t($0) })
            where pid != getpid() { kill(pid, SIGKILL) }
        }
        _ = Files.write(folder + "/cgroup.freeze", "0")
    }

    // MARK: - Values

    private static func write(_ descriptor: Int32, _ text: String) -> Int32 {
        pwrite(descriptor, text, text.utf8.count, 0) == text.utf8.count ? 0 : errno
    }

    private static func text(_ descriptor: Int32) -> String? {
        guard descriptor >= 0 else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: 2048, alignment: 1) { buffer in
            let length = pread(descriptor, buffer.baseAddress, buffer.count, 0)
            return length >= 0 ? String(decoding: buffer[..<length], as: UTF8.self) : nil
        }
    }

    private static func number(_ descriptor: Int32) -> Int64? {
        text(descriptor).flatMap { Int64($0.split(separator: "\n").first ?? "") }
    }

    private static func field(_ name: String, of descriptor: Int32) -> Int64? {
        guard let text = text(descriptor) else { return nil }
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ")
            if parts.count == 2, parts[0] == name { return Int64(parts[1]) }
        }
        return nil
    }
}
