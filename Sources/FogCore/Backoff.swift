/// How long to wait before the next try.
package struct Backoff: Hashable, Sendable, Codable {
    package enum Growth: String, Sendable, Codable, CaseIterable { case constant, exponential, fibonacci }
    package enum Jitter: String, Sendable, Codable, CaseIterable {
        case none
        /// Uniform between nothing and the full delay (Brooker, "Exponential Backoff and Jitter", 2015).
        case full
    }

    package var delay: TimeSpan
    package var maxDelay: TimeSpan
    package var growth: Growth
    package var jitter: Jitter

    package init(delay: TimeSpan, maxDelay: TimeSpan, growth: Growth = .exponential, jitter: Jitter = .full) {
        self.delay = delay
        self.maxDelay = maxDelay
        self.growth = growth
        self.jitter = jitter
    }

    /// The wait after the given number of failures (1 = the first), never above `maxDelay`.
    package func wait(afterFailures failures: Int, using generator: inout some RandomNumberGenerator) -> TimeSpan {
        let steps = max(1, min(failures, 62))
        let factor: Int64 =
            switch growth {
            case .constant: 1
            case .exponential: 1 << Int64(steps - 1)
            case .fibonacci: (1..<steps).reduce((Int64(1), Int64(1))) { pair, _ in (pair.1, pair.0 &+ pair.1) }.0
            }
        let full = min(delay * max(1, factor), maxDelay)
        guard jitter == .full, full.milliseconds > 0 else { return full }
        return TimeSpan(milliseconds: Int64.random(in: 0...full.milliseconds, using: &generator))
    }
}
