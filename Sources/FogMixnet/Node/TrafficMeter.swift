package import FogCore

/// What a node tells of its traffic: packets a second over the last whole epoch, as a power of two, so that it tells little.
package struct TrafficMeter: Sendable {
    private var epoch: UInt64?
    private var begin = (at: Timestamp.zero, count: 0)
    /// Of the last epoch that was measured for at least half of it; 0 before there is one.
    package private(set) var told: UInt32 = 0

    package init() {}

    /// Notes how many packets were mixed so far; to be called often.
    package mutating func note(_ count: Int, at now: Timestamp, schedule: EpochSchedule) {
        let current = schedule.epoch(at: now)
        guard epoch != current else { return }
        let span = now - begin.at
        if epoch != nil, span * 2 >= schedule.length {
            told = Self.rounded(Double(count - begin.count) / span.seconds)
        }
        (epoch, begin) = (current, (now, count))
    }

    /// Down to a power of two; less than one a second is 0.
    static func rounded(_ rate: Double) -> UInt32 {
        guard rate >= 1 else { return 0 }
        return 1 << UInt32(min(31, rate.exponent))
    }
}
