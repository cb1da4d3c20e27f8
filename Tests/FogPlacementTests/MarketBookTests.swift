import FogCore
import Testing

@testable import FogPlacement

private let east = MarketSegment(region: "east", capability: .cpu)

/// Epochs in which a share of ten cores was booked.
private func run(_ book: inout MarketBook, _ shares: [Double], from start: Int64 = 0) -> [MarketEpoch] {
    var epochs: [MarketEpoch] = []
    for (place, share) in shares.enumerated() {
        let begin = (start + Int64(place)) * 60
        _ = book.advance(to: Timestamp(seconds: begin + 1), usual: .credits(1))
        book.sample(
            east, booked: Millicores(Int64(share * 10_000)), of: Millicores(10_000), usual: .credits(1))
        epochs += book.advance(to: Timestamp(seconds: begin + 61), usual: .credits(1))
    }
    return epochs
}

@Test("an index price rises while more than seven tenths are booked, falls below, and stays within its bounds")
func bookMoves() {
    var book = MarketBook()
    #expect(book.price(east, usual: .credits(1)) == .credits(1))
    let busy = run(&book, Array(repeating: 1, count: 40))
    #expect(busy.count == 40 && zip(busy, busy.dropFirst()).allSatisfy { $0.close == $1.open && $0.close <= $1.close })
    #expect(busy[0].close.micro == 1_055_032 && busy[0].volume == 600_000)
    #expect(busy.last?.close == MarketBook.ceiling(.credits(1)))
    let idle = run(&book, Array(repeating: 0, count: 60), from: 40)
    #expect(idle.last?.close == MarketBook.floor(.credits(1)))
    // At the floor and idle nothing moves: no row, but one in an hour.
    #expect(run(&book, Array(repeating: 0, count: 120), from: 100).count == 2)
    // Another segment is not touched, and another price of the operator's is a bound at once.
    #expect(book.price(MarketSegment(region: "west", capability: .cpu), usual: .credits(1)) == .credits(1))
    #expect(book.price(east, usual: .credits(8)) == .credits(2))
}

@Test("one step an epoch, however long nobody looked, and the price goes on from what was kept")
func bookRestarts() throws {
    var book = MarketBook()
    let epochs = run(&book, [1, 1, 0.2, 0.9])
    var again = MarketBook(epochs)
    #expect(again.price(east, usual: .credits(1)) == book.price(east, usual: .credits(1)))
    _ = again.advance(to: Timestamp(seconds: 1_000_000), usual: .credits(1))
    again.sample(east, booked: Millicores(5000), of: Millicores(10_000), usual: .credits(1))
    let next = again.advance(to: Timestamp(seconds: 9_000_000), usual: .credits(1))
    let (open, close) = (try #require(next.first).open.micro, try #require(next.first).close.micro)
    #expect(next.count == 1 && abs(close - open) <= open * 13325 / 100_000)
    // A clock that was set back stops nothing.
    again.sample(east, booked: Millicores(5000), of: Millicores(10_000), usual: .credits(1))
    #expect(again.advance(to: Timestamp(seconds: 60), usual: .credits(1)).count == 1)
    for number in 0..<1000 {
        again.sample(
            MarketSegment(region: "r\(number)", capability: .cpu), booked: .zero, of: .cores(1), usual: .credits(1))
    }
    #expect(again.lines.count == MarketBook.maxSegments)
}

@Test("a forecast follows the trend only where that has been nearer than the last price, and says how far it was off")
func marketForecasts() throws {
    #expect(MarketForecast([5]) == nil)
    // Up and down around a level: the level is nearer than the last price.
    let noisy = try #require(MarketForecast((0..<40).map { $0.isMultiple(of: 2) ? 900 : 1100 }))
    let error = try #require(noisy.error), ahead = noisy.ahead(5)
    #expect(noisy.followsTrend && error < 1 && noisy.meanError > 50 && noisy.meanError < 200)
    #expect((940...1060).contains(ahead.price.micro) && ahead.low < ahead.price && ahead.price < ahead.high)
    let rest = try #require(MarketForecast([1000, 1000, 1000]))
    #expect(rest.error == nil && rest.ahead(3).price == Credits(micro: 1000) && rest.meanError == 0)
    // A step, then rest: following a trend that has ended is worse.
    let stepped = try #require(MarketForecast(Array(repeating: 1000, count: 20) + Array(repeating: 4000, count: 20)))
    #expect(!stepped.followsTrend && stepped.ahead(9).price == Credits(micro: 4000))
}

@Test("memory that is asked dearly counts as the cores it is worth, and no sale pays an owner less than is asked")
func coreEquivalents() {
    var generator = SeededGenerator(seed: 4)
    for _ in 0..<2000 {
        func some(_ most: Int64) -> Credits { Credits(micro: .random(in: 0...most, using: &generator)) }
        let usual = HourlyRates(core: some(3_000_000), gibibyte: some(300_000))
        let ask = HourlyRates(core: some(5_000_000), gibibyte: some(900_000))
        let worth = ask.coreEquivalent(in: usual), rates = HourlyRates(core: worth, in: usual)
        #expect(rates.core >= ask.core)
        if usual.core > .zero, usual.gibibyte > .zero { #expect(rates.gibibyte >= ask.gibibyte) }
    }
}

/// One unit each, and a price at which anybody may buy beside the market, as the coordinator holds it.
@Test("where bids count for no more than a price at which all may buy, nobody gains by lying, or pays more than it")
func counterIsTruthful() {
    var generator = SeededGenerator(seed: 77)
    for _ in 0..<3000 {
        let price = Credits(micro: .random(in: 0...25, using: &generator))
        func orders(_ mark: String) -> [CallMarket.Order] {
            (0..<Int.random(in: 0...6, using: &generator)).map {
                CallMarket.Order(id: "\(mark)\($0)", limit: Credits(micro: .random(in: 0...25, using: &generator)))
            }
        }
        let bids = orders("b"), asks = orders("a")
        func clear(_ bids: [CallMarket.Order], _ asks: [CallMarket.Order]) -> CallMarket.Clearing {
            let bounded = bids.map { CallMarket.Order(id: $0.id, limit: min($0.limit, price)) }
            return CallMarket.clear(bids: bounded, asks: asks, rule: .open)
        }
        func gain(ofBid place: Int, _ truth: Credits, _ bids: [CallMarket.Order]) -> Int64 {
            let found = clear(bids, asks), bid = bids[place]
            if let pays = found.buyerPrice, found.trades.contains(where: { $0.bid == bid.id }) {
                #expect(pays <= price)
                return truth.micro - pays.micro
            }
            return bid.limit >= price ? truth.micro - price.micro : 0
        }
        func gain(ofAsk place: Int, _ truth: Credits, _ asks: [CallMarket.Order]) -> Int64 {
            let found = clear(bids, asks)
            guard let gets = found.sellerPrice, found.trades.contains(where: { $0.ask == asks[place].id }) else {
                return 0
            }
            return gets.micro - truth.micro
        }
        let lie = Credits(micro: .random(in: 0...27, using: &generator))
        for place in bids.indices {
            var lied = bids
            lied[place] = CallMarket.Order(id: bids[place].id, limit: lie)
            let truth = bids[place].limit
            #expect(gain(ofBid: place, truth, lied) <= gain(ofBid: place, truth, bids))
        }
        for place in asks.indices {
            var lied = asks
            lied[place] = CallMarket.Order(id: asks[place].id, limit: lie)
            let truth = asks[place].limit
            #expect(gain(ofAsk: place, truth, lied) <= gain(ofAsk: place, truth, asks))
        }
    }
}

@Test("in an auction nobody gains by asking other than it costs")
func auctionIsTruthful() {
    var generator = SeededGenerator(seed: 5)
    for _ in 0..<3000 {
        let limit = Credits(micro: .random(in: 0...25, using: &generator))
        let asks = (0..<Int.random(in: 1...6, using: &generator)).map {
            (node: "n\($0)", ask: Credits(micro: .random(in: 0...25, using: &generator)))
        }
        func gain(_ place: Int, _ asks: [(node: String, ask: Credits)], _ truth: Credits) -> Int64 {
            guard let award = ReverseAuction.award(asks: asks, limit: limit), award.winner == "n\(place)" else {
                return 0
            }
            #expect(award.pays <= limit)
            return award.pays.micro - truth.micro
        }
        for place in asks.indices {
            var lied = asks
            lied[place].ask = Credits(micro: .random(in: 0...27, using: &generator))
            let truth = asks[place].ask
            #expect(gain(place, lied, truth) <= gain(place, asks, truth) && gain(place, asks, truth) >= 0)
        }
    }
}
