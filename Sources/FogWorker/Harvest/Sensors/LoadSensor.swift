import FogCore
import FogSandbox
import Glibc

/// How busy others keep this machine's processors: all time but idle, less that of Fog's own tasks.
struct LoadSensor {
    /// Two samples that are closer say too little: the kernel counts in ticks of 10 ms.
    static let shortest = TimeSpan.milliseconds(900)

    struct Sample: Hashable, Sendable {
        var at: TimeSpan
        /// Of all processors together, in nanoseconds since boot.
        var busy: Int64
        /// Of these, Fog's own; may fall when a process ends.
        var own: Int64
    }

    struct Load: Hashable, Sendable {
        var foreign: Millicores
        /// The share of all processors that was busy, 0 to 1, Fog's own tasks included.
        var busy: Double
    }

    private var last: Sample?
    private var load: Load?
    private let processors = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))

    /// The load between the last two samples; nil before the second.
    mutating func take(_ sample: Sample) -> Load? {
        guard let last else {
            self.last = sample
            return nil
        }
        let span = sample.at - last.at
        guard span >= Self.shortest else { return load }
        let busy = max(0, sample.busy - last.busy)
        let own = max(0, sample.own - last.own)
        let nanoseconds = Double(span.milliseconds) * 1_000_000
        load = Load(
            foreign: Millicores(Int64(Double(max(0, busy - own)) / nanoseconds * 1000)),
            busy: min(1, Double(busy) / nanoseconds / Double(processors)))
        self.last = sample
        return load
    }

    /// Time in which some processor was not idle, from the first line of /proc/stat (proc(5)), in nanoseconds. Time that
    /// the host of a virtual machine took (steal) is nobody's here; guests are counted in user already.
    static func busy(_ text: String) -> Int64? {
        let fields = text.prefix { $0 != "\n" }.split(separator: " ")
        guard fields.count >= 8, fields[0] == "cpu" else { return nil }
        // user, nice, system, (idle, iowait,) irq, softirq
        let ticks = [1, 2, 3, 6, 7].map { Int64(fields[$0]) }
        guard !ticks.contains(nil) else { return nil }
        return nanoseconds(ticks: ticks.compactMap { $0 }.reduce(0, +))
    }

    static func nanoseconds(ticks: Int64) -> Int64 {
        ticks * (1_000_000_000 / Int64(max(1, sysconf(Int32(_SC_CLK_TCK)))))
    }
}
