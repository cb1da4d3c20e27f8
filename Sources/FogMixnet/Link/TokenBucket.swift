/// How much a link may bring: charged for every frame before anything is computed for it, since a scalar multiplication is
/// what a flood would buy. Integers throughout; time comes in as nanoseconds that only grow.
package struct TokenBucket: Sendable, Hashable {
    /// What a frame costs, in nanoseconds of the rate.
    private let cost: Int64
    private let depth: Int64
    private var level: Int64
    private var last: Int64

    /// - Parameters:
    ///   - rate: frames a second, from 1 to a thousand million.
    ///   - burst: frames at once.
    package init(rate: Int64, burst: Int64, at now: Int64) {
        cost = 1_000_000_000 / max(1, min(rate, 1_000_000_000))
        depth = cost * max(1, min(burst, 1_000_000))
        level = depth
        last = now
    }

    /// Whether a frame may pass; one that may not costs nothing and is not kept.
    package mutating func take(at now: Int64) -> Bool {
        if now > last {
            let (gained, over) = level.addingReportingOverflow(now - last)
            level = over ? depth : min(depth, gained)
            last = now
        }
        guard level >= cost else { return false }
        level -= cost
        return true
    }
}
