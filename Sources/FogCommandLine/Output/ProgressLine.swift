package import FogCore

/// How far a number of equal things is, with rate and time left: `[####......] 412/1000 done 3 failed 36/s ETA 16s`.
package struct ProgressLine: Sendable {
    /// How the amounts read.
    package enum Unit: Sendable {
        case things
        case bytes
    }

    /// The rate is that of the last so long: it follows a change, and does not jump with every batch.
    private static let window = TimeSpan.seconds(15)
    private static let maxSamples = 256
    private static let barColumns = 24

    package var total: Int64
    private let unit: Unit
    private var samples: [(at: TimeSpan, done: Int64)] = []
    private var done: Int64 = 0
    private var failed: Int64 = 0

    package init(total: Int64, unit: Unit = .things) {
        self.total = max(0, total)
        self.unit = unit
    }

    /// - Parameter done: finished in any way, the failed among them.
    /// - Parameter now: by a clock that never goes back.
    package mutating func update(done: Int64, failed: Int64 = 0, at now: TimeSpan) {
        self.done = max(0, min(done, total))
        self.failed = failed
        samples.append((now, self.done))
        while samples.count > 2, samples[0].at < now - Self.window || samples.count > Self.maxSamples {
            samples.removeFirst()
        }
    }

    /// Things a second over the window; nil until two moments are known.
    package var rate: Double? {
        guard let first = samples.first, let last = samples.last, last.at > first.at else { return nil }
        return Double(last.done - first.done) / (last.at - first.at).seconds
    }

    package var timeLeft: TimeSpan? {
        guard let rate, rate > 0, done < total else { return nil }
        return .seconds(Int64((Double(total - done) / rate).rounded(.up)))
    }

    /// - Parameter width: columns of the terminal; the bar gives way first, then what stands last.
    package func text(width: Int) -> String {
        var words = amounts
        if let rate, rate > 0 {
            words += unit == .bytes ? " \(ByteCount(Int64(rate)).brief)/s" : " \(Human.rate(rate))/s"
        }
        if let timeLeft { words += " ETA \(timeLeft.brief)" }
        let room = min(Self.barColumns, width - DisplayText.width(words) - 4)
        guard room >= 4 else { return DisplayText.clipped(words, to: max(1, width - 1)) }
        let filled = total == 0 ? room : Int(Double(room) * Double(done) / Double(total))
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: room - filled)
        return "[\(bar)] \(words)"
    }

    /// Without bar, rate and what changes by itself: for a log.
    package var plain: String { amounts }

    private var amounts: String {
        switch unit {
        case .bytes: return "\(ByteCount(done).brief)/\(ByteCount(total).brief)"
        case .things:
            let failures = failed > 0 ? " \(failed) failed" : ""
            return "\(done)/\(total) done\(failures)"
        }
    }
}
