internal import FogCore

/// Times of a Poisson process: the gaps are exponential, so when something was sent says nothing about when the next is.
///
/// Rates come from the consensus, never from a node's own traffic: cover that follows the traffic shows it.
package struct PoissonStream: Sendable {
    /// Nanoseconds between two, on average.
    package let mean: Int64
    private(set) package var next: Int64

    /// - Parameter unit: a number in [0, 1) for each draw; from the kernel unless a test chooses.
    package init(mean: Int64, at now: Int64, unit: () -> Double = PoissonStream.chance) {
        self.mean = max(1, mean)
        next = now
        advance(from: now, unit)
    }

    /// How many are due; the stream goes on behind them.
    /// - Parameter limit: a process that was asleep does not make up for it at once.
    package mutating func due(at now: Int64, limit: Int = 8, unit: () -> Double = PoissonStream.chance) -> Int {
        var count = 0
        while next <= now, count < limit {
            count += 1
            advance(from: next, unit)
        }
        if next <= now { advance(from: now, unit) }
        return count
    }

    private mutating func advance(from time: Int64, _ unit: () -> Double) {
        let (sum, over) = time.addingReportingOverflow(Int64(-Logarithm.natural(1 - unit()) * Double(mean)))
        next = over ? .max : sum
    }

    package static func chance() -> Double {
        let bytes = SecureRandom.bytes(8)
        return Double(bytes.reduce(0) { $0 << 8 | UInt64($1) } >> 11) * 0x1p-53
    }
}
