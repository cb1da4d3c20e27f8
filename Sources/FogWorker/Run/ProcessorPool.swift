import Synchronization

/// Which processors a task may run on, so that `nproc` in it says what it was given.
final class ProcessorPool: Sendable {
    private let processors: [UInt16]
    /// Tasks a processor has, in the order of `processors`.
    private let load: Mutex<[Int]>

    init(processors: [UInt16]) {
        self.processors = processors
        load = Mutex([Int](repeating: 0, count: processors.count))
    }

    /// The processors this process may use itself, as the kernel writes them: `0-3,8`.
    convenience init() {
        let status = Disk.text("/proc/self/status") ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") } ?? ""
        self.init(processors: Self.parse(line.dropFirst("Cpus_allowed_list:".count)))
    }

    static func parse(_ list: Substring) -> [UInt16] {
        var out: [UInt16] = []
        for part in list.split(separator: ",") {
            let ends = part.split(separator: "-").compactMap { end in UInt16(end.filter { !$0.isWhitespace }) }
            guard let first = ends.first, let last = ends.last, first <= last else { continue }
            out += Array(first...last)
        }
        return out
    }

    var count: Int { processors.count }

    /// The least used ones; empty = all of the machine, which needs no choice.
    func take(_ wanted: Int) -> [UInt16] {
        guard wanted < processors.count else { return [] }
        return load.withLock { load in
            let chosen = load.indices.sorted { (load[$0], $0) < (load[$1], $1) }.prefix(max(1, wanted))
            for index in chosen { load[index] += 1 }
            return chosen.map { processors[$0] }.sorted()
        }
    }

    func giveBack(_ taken: [UInt16]) {
        load.withLock { load in
            for processor in taken {
                if let index = processors.firstIndex(of: processor) { load[index] -= 1 }
            }
        }
    }
}
