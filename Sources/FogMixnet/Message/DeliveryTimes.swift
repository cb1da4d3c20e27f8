package import FogCore

#if canImport(Glibc)
    internal import Glibc
#endif

/// How long packets are under way: what timers are set by.
///
/// Each mix holds a packet for an exponential time, so the sum over h of them is Erlang's distribution, and a timer
/// stands at one of its quantiles rather than at a guess.
package struct DeliveryTimes: Hashable, Sendable {
    /// The time that nearly no packet takes one way (99 %).
    package let oneWay: TimeSpan
    /// The time that nearly no packet and the answer to it take (99.9 %).
    package let roundTrip: TimeSpan

    /// - Parameters:
    ///   - hops: of a route one way.
    ///   - meanDelay: of one mix.
    ///   - transit: of all links of a route together, one way.
    package init(hops: Int, meanDelay: TimeSpan, transit: TimeSpan = .milliseconds(200)) {
        let mean = meanDelay.seconds
        let way = Self.erlangQuantile(0.99, stages: hops) * mean
        let both = Self.erlangQuantile(0.999, stages: 2 * hops) * mean
        oneWay = transit + TimeSpan(milliseconds: Int64((way * 1000).rounded(.up)))
        roundTrip = transit + transit + TimeSpan(milliseconds: Int64((both * 1000).rounded(.up)))
    }

    /// The quantile of the sum of independent exponential times of mean 1, found by bisection.
    package static func erlangQuantile(_ probability: Double, stages: Int) -> Double {
        precondition((0..<1).contains(probability) && stages >= 1, "a quantile is below 1, of at least one stage")
        var (low, high) = (0.0, Double(stages) * 50)
        for _ in 0..<60 {
            let middle = (low + high) / 2
            if erlangShare(below: middle, stages: stages) < probability { low = middle } else { high = middle }
        }
        return high
    }

    private static func erlangShare(below time: Double, stages: Int) -> Double {
        var (term, sum) = (1.0, 1.0)
        for stage in 1..<max(stages, 1) {
            term *= time / Double(stage)
            sum += term
        }
        return 1 - exp(-time) * sum
    }
}
