package import FogCore

/// What has a price of its own: one class of capability in one region.
package struct MarketSegment: Hashable, Sendable, Comparable, Codable {
    /// "" where machines name none.
    package var region: String
    package var capability: CapabilityClass

    package init(region: String, capability: CapabilityClass) {
        self.region = region
        self.capability = capability
    }

    package static func < (first: MarketSegment, second: MarketSegment) -> Bool {
        (first.region, first.capability) < (second.region, second.capability)
    }
}

/// How the price of a segment went in one epoch. Prices are of a core-hour.
package struct MarketEpoch: Hashable, Sendable, Codable {
    package var segment: MarketSegment
    /// When it ended: from then on `close` holds.
    package var at: Timestamp
    package var open: Credits
    /// Of the index and of what the call market traded at.
    package var high: Credits
    package var low: Credits
    package var close: Credits
    /// Core-milliseconds that were booked: thousandths of a core times seconds.
    package var volume: Int64
    /// The smoothed share of capacity that was booked, 0...1.
    package var utilisation: Double

    package init(
        segment: MarketSegment, at: Timestamp, open: Credits, high: Credits, low: Credits, close: Credits,
        volume: Int64, utilisation: Double
    ) {
        self.segment = segment
        self.at = at
        (self.open, self.high, self.low, self.close) = (open, high, low, close)
        self.volume = volume
        self.utilisation = utilisation
    }
}

/// The index prices of a pool, moved once an epoch by how much of each segment was booked. A value: time and use come in.
package struct MarketBook: Hashable, Sendable {
    /// How long a price holds.
    package static let epoch = TimeSpan.seconds(60)
    /// How much the newest epoch counts in the smoothed use.
    package static let useRate = 0.3
    /// Around the operator's price, in percent of it.
    package static let floorPercent: Int64 = 25, ceilingPercent: Int64 = 400
    /// Segments that have a price of their own; all others have the operator's.
    package static let maxSegments = 128
    /// Epochs that a forecast is made from.
    package static let remembered = 240
    /// How long epochs are kept in the store.
    package static let kept = TimeSpan.days(7)

    /// Of epochs in which nothing happened one in so many is kept, so that the price outlives ``kept``.
    package static let mostQuiet = 60

    package struct Line: Hashable, Sendable {
        package fileprivate(set) var price: Credits
        /// Nil before the first epoch has ended.
        package fileprivate(set) var utilisation: Double?
        /// Closing prices, oldest first.
        package fileprivate(set) var closes: [Double] = []
        fileprivate var low: Credits
        fileprivate var high: Credits
        fileprivate var booked: Int64 = 0
        fileprivate var offered: Int64 = 0
        fileprivate var samples: Int64 = 0
        /// Epochs since the last that was kept.
        fileprivate var quiet = 0

        fileprivate init(_ price: Credits) { (self.price, low, high) = (price, price, price) }
    }

    package private(set) var lines: [MarketSegment: Line] = [:]
    /// When the present epoch ends; nil before the first sample.
    package private(set) var ends: Timestamp?

    package init() {}

    /// Goes on where the stored epochs ended.
    /// - Parameter epochs: oldest first.
    package init(_ epochs: [MarketEpoch]) {
        for epoch in epochs {
            guard var line = line(epoch.segment, epoch.close) else { continue }
            line.price = epoch.close
            (line.low, line.high) = (epoch.close, epoch.close)
            line.utilisation = epoch.utilisation
            line.remember(epoch.close)
            lines[epoch.segment] = line
        }
    }

    private func line(_ segment: MarketSegment, _ usual: Credits) -> Line? {
        lines[segment] ?? (lines.count < Self.maxSegments ? Line(usual) : nil)
    }

    /// A core-hour where the owner asks nothing.
    /// - Parameter usual: the operator's price.
    package func price(_ segment: MarketSegment, usual: Credits) -> Credits {
        guard let line = lines[segment] else { return usual }
        return Self.clamp(line.price, usual)
    }

    package static func floor(_ usual: Credits) -> Credits { part(usual, floorPercent) }
    package static func ceiling(_ usual: Credits) -> Credits { part(usual, ceilingPercent) }

    private static func part(_ usual: Credits, _ percent: Int64) -> Credits {
        Credits(micro: Int64(clamping: Int128(usual.micro) * Int128(percent) / 100))
    }

    /// The operator may have set another price since.
    private static func clamp(_ price: Credits, _ usual: Credits) -> Credits {
        max(floor(usual), min(ceiling(usual), price))
    }

    /// What is booked and what there is, at one moment.
    package mutating func sample(_ segment: MarketSegment, booked: Millicores, of offered: Millicores, usual: Credits) {
        guard var line = line(segment, usual) else { return }
        line.booked += max(0, min(booked.count, offered.count))
        line.offered += max(0, offered.count)
        line.samples += 1
        lines[segment] = line
    }

    /// A price at which the call market traded.
    package mutating func traded(_ segment: MarketSegment, at price: Credits) {
        guard var line = lines[segment] else { return }
        line.low = min(line.low, price)
        line.high = max(line.high, price)
        lines[segment] = line
    }

    /// Ends the epoch if its time is over: every price takes one step, however long the coordinator was away.
    ///
    /// Epochs end at whole multiples of ``epoch``. Without a sample a price rests.
    /// - Returns: what there is to keep: epochs in which anything was booked or a price moved.
    package mutating func advance(to now: Timestamp, usual: Credits) -> [MarketEpoch] {
        guard let due = ends else {
            ends = Self.end(after: now)
            return []
        }
        // A clock that was set back must not stop prices for long.
        guard now >= due || due - now > Self.epoch else { return [] }
        ends = Self.end(after: now)
        var ended: [MarketEpoch] = []
        for segment in lines.keys.sorted() {
            guard var line = lines[segment], line.samples > 0 else { continue }
            let use = line.offered > 0 ? Double(line.booked) / Double(line.offered) : 0
            let smooth = line.utilisation.map { $0 + Self.useRate * (use - $0) } ?? use
            let open = Self.clamp(line.price, usual)
            let close = Self.clamp(IndexPrice.next(open, utilisation: smooth, within: .zero...ceilingOfAll), usual)
            let volume = line.booked / line.samples * (Self.epoch.milliseconds / 1000)
            line.quiet += 1
            if volume > 0 || close != open || line.closes.isEmpty || line.quiet >= Self.mostQuiet {
                line.quiet = 0
                ended.append(
                    MarketEpoch(
                        segment: segment, at: now, open: open, high: max(line.high, open, close),
                        low: min(line.low, open, close), close: close, volume: volume, utilisation: smooth))
            }
            (line.price, line.low, line.high, line.utilisation) = (close, close, close, smooth)
            (line.booked, line.offered, line.samples) = (0, 0, 0)
            line.remember(close)
            lines[segment] = line
        }
        return ended
    }

    private var ceilingOfAll: Credits { CallMarket.maxLimit }

    private static func end(after now: Timestamp) -> Timestamp {
        let whole = epoch.milliseconds * 1000
        return Timestamp(microseconds: (now.microseconds / whole + 1) * whole)
    }

    /// Where the price is going; nil before two epochs have ended.
    package func forecast(_ segment: MarketSegment) -> MarketForecast? {
        lines[segment].flatMap { MarketForecast($0.closes) }
    }
}

extension MarketBook.Line {
    fileprivate mutating func remember(_ close: Credits) {
        if closes.count >= MarketBook.remembered { closes.removeFirst() }
        closes.append(Double(max(1, close.micro)))
    }
}
