/// The share of packets that arrive, as far as the last few hundred tell.
package struct LossEstimate: Hashable, Sendable {
    /// Packets after which one weighs 1/e: so that a mix that dies is seen within seconds.
    private static let memory = 200.0
    /// What is never left when nothing arrives, or everything: the sender divides by it.
    private static let range = 0.05...0.995

    private var arrivals: Double
    private var trials: Double

    /// - Parameter arriving: what is believed at first, with the weight of eight packets.
    package init(arriving: Double = 0.8) {
        trials = 8
        arrivals = 8 * arriving
    }

    package mutating func count(arrived: Bool) {
        let keep = 1 - 1 / Self.memory
        trials = trials * keep + 1
        arrivals = arrivals * keep + (arrived ? 1 : 0)
    }

    package var arriving: Double { min(max(arrivals / trials, Self.range.lowerBound), Self.range.upperBound) }
}
