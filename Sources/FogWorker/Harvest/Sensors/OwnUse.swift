import FogSandbox
import Glibc

/// The processor time of this agent and its tasks: by the agent's control groups, v1 or v2; without any, by its
/// descendants in /proc.
struct OwnUse {
    static let maxProcesses = 4096

    private let proc: String
    private let layout: CgroupLayout
    private let pid: pid_t
    private var groups: [String] = []

    init(_ roots: SensorRoots, pid: pid_t = getpid()) {
        proc = roots.proc
        self.pid = pid
        layout = CgroupLayout.detect(procRoot: roots.proc)
        refresh()
    }

    /// Looks for the agent's groups: an agent makes `fog-PID-…` when it starts, and may be several in one process.
    mutating func refresh() {
        // In one hierarchy only: a task is in each of them.
        let usable = layout.hierarchies.filter { $0.isV2 || $0.controllers.contains("cpuacct") }
        for hierarchy in usable.sorted(by: { !$0.isV2 && $1.isV2 }) {
            // Where the agent has a group to itself, it has moved into a leaf of its tree.
            let tree = hierarchy.path.firstRange(of: "/fog-\(pid)-")
            let path = tree.map { String(hierarchy.path[..<$0.lowerBound]) } ?? hierarchy.path
            groups = SensorFile.names(path, prefix: "fog-\(pid)-", max: 64).map { path + "/" + $0 }
                .filter { Self.usage($0) != nil }
            if !groups.isEmpty { return }
        }
    }

    /// Nanoseconds. Only differences mean something.
    mutating func read() -> Int64 {
        if groups.isEmpty { refresh() }
        let used = groups.compactMap(Self.usage)
        guard used.count == groups.count, !groups.isEmpty else {
            groups = []
            return LoadSensor.nanoseconds(ticks: descendants())
        }
        let agent = groups.contains { SensorFile.exists($0 + "/agent") } ? 0 : LoadSensor.nanoseconds(ticks: ticks(pid))
        return used.reduce(0, +) + agent
    }

    private static func usage(_ group: String) -> Int64? {
        if let nanoseconds = SensorFile.number(group + "/cpuacct.usage") { return nanoseconds }
        guard let text = SensorFile.text(group + "/cpu.stat") else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("usage_usec ") {
            return Int64(line.dropFirst("usage_usec ".count)).map { $0 * 1000 }
        }
        return nil
    }

    // MARK: - By processes

    /// Fields 14 to 17 of /proc/PID/stat: its own time and that of children that it waited for.
    private func ticks(_ pid: pid_t) -> Int64 {
        guard let text = SensorFile.text("\(proc)/\(pid)/stat"), let end = text.lastIndex(of: ")") else { return 0 }
        // Behind the name, which may hold anything, come fields 3 and on.
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 14 else { return 0 }
        return fields[11...14].reduce(0) { $0 + (Int64($1) ?? 0) }
    }

    private func descendants() -> Int64 {
        var sum: Int64 = 0
        var waiting = [pid]
        var seen = 0
        while let next = waiting.popLast(), seen < Self.maxProcesses {
            seen += 1
            sum += ticks(next)
            for thread in SensorFile.names("\(proc)/\(next)/task", max: 1024) {
                let text = SensorFile.text("\(proc)/\(next)/task/\(thread)/children", limit: 64 << 10) ?? ""
                waiting += text.split(separator: " ").compactMap { pid_t($0) }
            }
        }
        return sum
    }
}
