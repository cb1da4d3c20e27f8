internal import Glibc

/// Where a price is going: damped exponential smoothing of its logarithm (Holt 1957; Gardner and McKenzie 1985).
package struct PriceForecast: Hashable, Sendable {
    package static let levelRate = 0.3, trendRate = 0.1, damping = 0.9
    /// How fast the band forgets old errors.
    package static let errorRate = 0.1

    /// Of the logarithm.
    package private(set) var level: Double
    package private(set) var trend = 0.0
    private var variance = 0.0

    /// - Parameter prices: oldest first, all above 0; nil for none.
    package init?(_ prices: [Double]) {
        guard let first = prices.first, prices.allSatisfy({ $0 > 0 && $0.isFinite }) else { return nil }
        level = log(first)
        for price in prices.dropFirst() { take(price) }
    }

    mutating func take(_ price: Double) {
        let expected = level + Self.damping * trend, value = log(price), error = value - expected
        variance = (1 - Self.errorRate) * variance + Self.errorRate * error * error
        let reached = Self.levelRate * value + (1 - Self.levelRate) * expected
        trend = Self.trendRate * (reached - level) + (1 - Self.trendRate) * Self.damping * trend
        level = reached
    }

    /// What the price will be so many steps ahead, and a band of one deviation around it.
    package func ahead(_ steps: Int) -> (price: Double, low: Double, high: Double) {
        precondition(steps > 0, "a forecast is of a later time")
        var factor = 0.0, power = 1.0
        for _ in 0..<steps {
            power *= Self.damping
            factor += power
        }
        let middle = level + factor * trend, band = (variance * Double(steps)).squareRoot()
        return (exp(middle), exp(middle - band), exp(middle + band))
    }
}
