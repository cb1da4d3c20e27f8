package import FogCore
internal import Glibc

/// When a machine was lent and when it was taken away, by hour of the week (UTC): what tells how long it will stay.
///
/// Departures are a Poisson process whose rate is that of the hour: exponential stays, by the hour in which they are
/// (intermittence as in Javadi, Kondo, Vincent and Anderson 2009, who found hour and day to matter most). An hour of which
/// little is known borrows from the machine's mean.
package struct StayRecord: Hashable, Sendable, Codable {
    /// Seconds lent.
    private var lent: [Int64]
    /// How often the owner took it away, or it was lost.
    private var departures: [Int64]

    package static let hours = 168
    private static let hour: Int64 = 3600
    /// After so many seconds in all, everything counts half.
    private static let memory: Int64 = 8 * 168 * hour
    /// An hour's own rate weighs as much as the mean once so many seconds of it are known.
    private static let borrowed = 1800.0

    package init() { (lent, departures) = ([], []) }

    package var isEmpty: Bool { lent.isEmpty }

    /// The machine was lent from one moment to another; of more than a week the last one counts.
    package mutating func add(from: Timestamp, to: Timestamp) {
        let end = to.microseconds / 1_000_000
        var start = max(from.microseconds / 1_000_000, end - Int64(Self.hours) * Self.hour)
        guard start < end, start >= 0 else { return }
        grow()
        while start < end {
            let next = min(end, (start / Self.hour + 1) * Self.hour)
            lent[Self.cell(start)] += next - start
            start = next
        }
        guard lent.reduce(0, +) > Self.memory else { return }
        for cell in lent.indices { (lent[cell], departures[cell]) = (lent[cell] / 2, departures[cell] / 2) }
    }

    /// It was taken away.
    package mutating func leave(at moment: Timestamp) {
        grow()
        departures[Self.cell(max(0, moment.microseconds / 1_000_000))] += 1
    }

    /// How long it will stay from now on, on average; nil where it never left, or would stay longer than a week.
    package func expected(from now: Timestamp) -> TimeSpan? {
        let left = departures.reduce(0, +), time = lent.reduce(0, +)
        guard left > 0, time > 0 else { return nil }
        let mean = Double(left) / Double(time)
        var second = max(0, now.microseconds / 1_000_000)
        var (survives, stay) = (1.0, 0.0)
        for _ in 0..<Self.hours {
            let cell = Self.cell(second), next = (second / Self.hour + 1) * Self.hour
            let rate =
                (Double(departures[cell]) + mean * Self.borrowed) / (Double(lent[cell]) + Self.borrowed)
            let kept = exp(-rate * Double(next - second))
            stay += survives * (1 - kept) / rate
            survives *= kept
            second = next
            if survives < 1e-4 { break }
        }
        stay += survives / mean
        return stay < Double(Int64(Self.hours) * Self.hour) ? .milliseconds(Int64(stay * 1000)) : nil
    }

    private mutating func grow() {
        guard lent.isEmpty else { return }
        lent = [Int64](repeating: 0, count: Self.hours)
        departures = lent
    }

    /// The epoch began on a Thursday.
    private static func cell(_ second: Int64) -> Int { Int((second / hour + 72) % Int64(hours)) }

    // MARK: - As text

    /// `HOUR:SECONDS:DEPARTURES` of each hour that is known, by commas.
    package var text: String {
        lent.indices.filter { lent[$0] > 0 || departures[$0] > 0 }
            .map { "\($0):\(lent[$0]):\(departures[$0])" }.joined(separator: ",")
    }

    /// Nil for what ``text`` does not write.
    package init?(text: String) {
        self.init()
        for part in text.split(separator: ",", omittingEmptySubsequences: !text.contains(",")) {
            let fields = part.split(separator: ":", omittingEmptySubsequences: false).map { Int64($0) }
            guard fields.count == 3, let hour = fields[0], let seconds = fields[1], let count = fields[2],
                (0..<Int64(Self.hours)).contains(hour), (0...Self.memory).contains(seconds),
                (0...1 << 40).contains(count)
            else { return nil }
            grow()
            (lent[Int(hour)], departures[Int(hour)]) = (seconds, count)
        }
    }
}
