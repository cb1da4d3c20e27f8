package import FogCore

/// Where a price is going, and how far such forecasts have been off: by the damped trend, unless saying "as it is now"
/// has been the better forecast.
package struct MarketForecast: Hashable, Sendable {
    package struct Point: Hashable, Sendable {
        package var price: Credits
        /// One deviation around it.
        package var low: Credits
        package var high: Credits
    }

    /// Mean absolute error one step ahead, as a share of that of "as it is now" (Hyndman and Koehler 2006: MASE): above 1
    /// the trend is not worth following. Nil while no price has ever moved.
    package let error: Double?
    /// Mean absolute error one step ahead of what is used, in micro-credits.
    package let meanError: Double
    /// Whether the trend is followed.
    package let followsTrend: Bool
    private let trend: PriceForecast
    private let last: Double

    /// - Parameter prices: of a core-hour, one an epoch, oldest first, all above 0; nil for fewer than two.
    package init?(_ prices: [Double]) {
        guard prices.count >= 2, let last = prices.last, let trend = PriceForecast(prices) else { return nil }
        var ofTrend = 0.0, ofRest = 0.0
        var growing = PriceForecast([prices[0]])
        for place in prices.indices.dropFirst() {
            let expected = growing?.ahead(1).price ?? prices[place - 1]
            ofTrend += abs(prices[place] - expected)
            ofRest += abs(prices[place] - prices[place - 1])
            growing?.take(prices[place])
        }
        let steps = Double(prices.count - 1)
        error = ofRest > 0 ? ofTrend / ofRest : nil
        followsTrend = error.map { $0 <= 1 } ?? false
        meanError = (followsTrend ? ofTrend : ofRest) / steps
        self.trend = trend
        self.last = last
    }

    /// So many epochs from now.
    package func ahead(_ steps: Int) -> Point {
        let point = trend.ahead(max(1, steps))
        guard !followsTrend else { return Point(price(point.price), price(point.low), price(point.high)) }
        let ratio = point.price > 0 ? last / point.price : 1
        return Point(price(last), price(point.low * ratio), price(point.high * ratio))
    }

    private func price(_ value: Double) -> Credits {
        guard value.isFinite else { return CallMarket.maxLimit }
        return Credits(micro: Int64(max(0, min(Double(CallMarket.maxLimit.micro), value.rounded()))))
    }
}

extension MarketForecast.Point {
    fileprivate init(_ price: Credits, _ low: Credits, _ high: Credits) {
        self.init(price: price, low: low, high: high)
    }
}
