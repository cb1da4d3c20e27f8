internal import Synchronization

/// Counters, gauges and histograms, and their page in Prometheus' text format 0.0.4.
///
/// Names are snake_case and end in unit and kind: `fog_job_wait_seconds`, `fog_leases_expired_total`. A job id is never a
/// label: each new label value is a new series, and those are bounded.
package final class MetricsRegistry: Sendable {
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"
    /// Series of one name; what comes after is counted in one series labelled `overflow="true"`.
    package static let seriesLimit = 256

    fileprivate enum Kind: String, Sendable { case counter, gauge, histogram }

    private struct Family {
        let help: String
        let kind: Kind
        var series: [String: Series] = [:]
    }

    private let families = Mutex<[String: Family]>([:])

    package init() {}

    /// The counter of that name and labels; the same one at each call. The name ends in `_total`.
    package func counter(_ name: String, help: String, labels: [String: String] = [:]) -> Counter {
        precondition(name.hasSuffix("_total"), "the counter `\(name)` ends in `_total`")
        return Counter(series: series(name, help, .counter, labels, bounds: []))
    }

    package func gauge(_ name: String, help: String, labels: [String: String] = [:]) -> Gauge {
        Gauge(series: series(name, help, .gauge, labels, bounds: []))
    }

    /// - Parameter buckets: their upper bounds, rising; `+Inf` is added.
    package func histogram(
        _ name: String, help: String, labels: [String: String] = [:], buckets: [Double] = Histogram.seconds
    ) -> Histogram {
        precondition(!buckets.isEmpty && zip(buckets, buckets.dropFirst()).allSatisfy(<), "`\(name)`'s buckets rise")
        return Histogram(series: series(name, help, .histogram, labels, bounds: buckets))
    }

    private func series(
        _ name: String, _ help: String, _ kind: Kind, _ labels: [String: String], bounds: [Double]
    ) -> Series {
        precondition(Self.isName(name), "`\(name)` is no metric name")
        precondition(
            labels.keys.allSatisfy { Self.isName($0) && !$0.contains(":") && $0 != "le" }, "labels of `\(name)`")
        let text = Self.text(labels)
        return families.withLock { families in
            var family = families[name] ?? Family(help: help, kind: kind)
            precondition(family.kind == kind, "`\(name)` is a \(family.kind.rawValue), not a \(kind.rawValue)")
            let isFull = family.series.count >= Self.seriesLimit && family.series[text] == nil
            let key = isFull ? #"overflow="true""# : text
            let found = family.series[key] ?? Series(bounds: bounds)
            family.series[key] = found
            families[name] = family
            return found
        }
    }

    private static func isName(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return name.utf8.allSatisfy {
            (0x61...0x7a).contains($0) || (0x41...0x5a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5f
                || $0 == 0x3a
        }
    }

    private static func text(_ labels: [String: String]) -> String {
        labels.sorted { $0.key < $1.key }.map { #"\#($0.key)="\#(escaped($0.value, quotes: true))""# }
            .joined(separator: ",")
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var out = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\"" where quotes: out += "\\\""
            default: out.unicodeScalars.append(character)
            }
        }
        return out
    }
}

// MARK: - The page

extension MetricsRegistry {
    /// All metrics, names and series in order.
    package func page() -> String {
        let families = families.withLock { $0 }
        var out = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            out += "# HELP \(name) \(Self.escaped(family.help, quotes: false))\n"
            out += "# TYPE \(name) \(family.kind.rawValue)\n"
            for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
                out += Self.lines(name, labels, series.snapshot(), isHistogram: family.kind == .histogram)
            }
        }
        return out
    }

    private static func lines(_ name: String, _ labels: String, _ values: Series.Snapshot, isHistogram: Bool) -> String
    {
        func line(_ suffix: String, _ extra: String, _ value: String) -> String {
            let all = [labels, extra].filter { !$0.isEmpty }.joined(separator: ",")
            return name + suffix + (all.isEmpty ? "" : "{\(all)}") + " " + value + "\n"
        }
        guard isHistogram else { return line("", "", number(values.sum)) }
        var out = ""
        var count: UInt64 = 0
        for (bound, inBucket) in zip(values.bounds + [.infinity], values.counts) {
            count += inBucket
            out += line("_bucket", #"le="\#(number(bound))""#, String(count))
        }
        return out + line("_sum", "", number(values.sum)) + line("_count", "", String(count))
    }

    /// Whole numbers without a fraction; infinity as the format writes it.
    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: value).map(String.init) ?? value.description
    }
}

// MARK: - Instruments

/// Counts what happened.
package struct Counter: Sendable {
    fileprivate let series: Series

    /// - Parameter amount: not below zero.
    /// For what is counted elsewhere.
    package func set(total: Double) { series.set(total) }

    package func increment(by amount: Double = 1) {
        precondition(amount >= 0, "a counter only rises")
        series.add(amount)
    }
}

/// Shows how much there is.
package struct Gauge: Sendable {
    fileprivate let series: Series

    package func set(_ value: Double) { series.set(value) }
    package func add(_ amount: Double) { series.add(amount) }
}

/// Sorts observations into buckets.
package struct Histogram: Sendable {
    /// From 1 ms to 5 min.
    package static let seconds: [Double] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
    ]

    fileprivate let series: Series

    package func observe(_ value: Double) { series.observe(value) }
}

/// One line of a gauge or counter, or the lines of one histogram.
private final class Series: Sendable {
    struct Snapshot: Sendable {
        let bounds: [Double]
        var counts: [UInt64]
        var sum: Double
    }

    private let state: Mutex<Snapshot>

    init(bounds: [Double]) {
        let counts = [UInt64](repeating: 0, count: bounds.isEmpty ? 0 : bounds.count + 1)
        state = Mutex(Snapshot(bounds: bounds, counts: counts, sum: 0))
    }

    func snapshot() -> Snapshot { state.withLock { $0 } }
    func add(_ amount: Double) { state.withLock { $0.sum += amount } }
    func set(_ value: Double) { state.withLock { $0.sum = value } }

    func observe(_ value: Double) {
        state.withLock { state in
            let bucket = state.bounds.firstIndex { value <= $0 } ?? state.bounds.count
            state.counts[bucket] += 1
            state.sum += value
        }
    }
}
