import FogCore
import Glibc
import Testing

@testable import FogPlacement

/// Known answers of the formulas, from an independent program.
private func vectors(_ member: String, file: String = #filePath) throws -> JSON {
    let folder = file.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    let path = "\(folder)/Vectors/market_reputation.json"
    let stream = try #require(fopen(path, "r"), "no \(path)")
    defer { fclose(stream) }
    var bytes: [UInt8] = [], chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = fread(&chunk, 1, chunk.count, stream)
        if count == 0 { break }
        bytes += chunk.prefix(count)
    }
    return try #require(try JSON(parsing: bytes)[member])
}

private func list(_ member: String) throws -> [JSON] { try #require(try vectors(member).array) }

private func number(_ json: JSON, _ name: String) throws -> Double { try #require(json[name]?.number) }

private func near(_ found: Double, _ wanted: Double) -> Bool { abs(found - wanted) <= 1e-9 * max(1, abs(wanted)) }

@Test("trust is that of the vectors")
func trustVectors() throws {
    for vector in try list("trust") {
        let evidence = Evidence(good: try number(vector, "r"), bad: try number(vector, "s"))
        #expect(near(evidence.expectation, try number(vector, "expectation")))
        #expect(near(evidence.trust, try number(vector, "wilson")))
    }
    for vector in try list("decay") {
        let old = Evidence(good: try number(vector, "r"), bad: try number(vector, "s"))
        let left = old.faded(over: .seconds(Int64(try number(vector, "dt"))))
        let wanted = try #require(vector["result"]?.array).compactMap(\.number)
        #expect(near(left.good, wanted[0]) && near(left.bad, wanted[1]))
    }
}

@Test("good results raise trust, bad ones lower it more, and an owner who wants the machine back changes nothing")
func verdictsCount() {
    var evidence = Evidence(good: 10, bad: 1)
    let before = evidence
    evidence.add(.preempted)
    evidence.add(.unjudged)
    #expect(evidence == before)
    for verdict in Evidence.Verdict.allCases where verdict != .preempted && verdict != .unjudged {
        var after = before
        after.add(verdict)
        #expect((after.trust > before.trust) == (verdict == .valid || verdict == .audited), "\(verdict)")
    }
    // A node of which nothing is known stands below one with any record that still gets work.
    #expect(Evidence().trust < Evidence(good: 1).trust)
    evidence.add(.valid)
    let gained = evidence.trust - before.trust
    evidence.add(.invalid)
    #expect(before.trust - evidence.trust > 2 * gained)
}

@Test("opinions merge as in the vectors, and those who praise only each other get nothing")
func peerTrustVectors() throws {
    let vector = try vectors("eigentrust")
    let opinions = try #require(vector["local"]?.array).map { ($0.array ?? []).compactMap(\.number) }
    let anchors = try #require(vector["pretrusted"]?.array).compactMap(\.number)
    let wanted = try #require(vector["trust"]?.array).compactMap(\.number)
    #expect(vector["a"]?.number == PeerTrust.anchor)
    let (trust, steps) = PeerTrust.settle(opinions: opinions, anchors: anchors)
    #expect(zip(trust, wanted).allSatisfy { near($0, $1) } && trust.count == wanted.count)
    #expect(steps == Int(vector["iterations"]?.integer ?? 0))
}

@Test("copies, chances and stakes are those of the vectors")
func replicationVectors() throws {
    for vector in try list("replication") {
        let sla = try #require(SLAClass(rawValue: vector["sla"]?.string ?? ""))
        let trusts = try #require(vector["trusts"]?.array).compactMap(\.number)
        let related = vector["related"]?.bool == true, wanted = vector["k"]?.integer.map(Int.init)
        let found = Replication.copies(sla, trusts: trusts, areRelated: related)
        let left = try number(vector, "p")
        #expect(found.count == wanted && near(found.error, left))
    }
    for vector in try list("boinc") {
        let chance = Replication.chance(validInARow: Int(try number(vector, "cv")))
        #expect(near(chance, try number(vector, "replicate")))
    }
    for vector in try list("min_stake") {
        let stake = Replication.leastStake(
            gain: try number(vector, "gain"), detection: try number(vector, "detect"))
        #expect(near(stake, try number(vector, "stake")))
    }
}

@Test("the index price moves as in the vectors, within its bounds")
func indexVectors() throws {
    for vector in try list("base_price") {
        let next = IndexPrice.next(
            Credits(micro: Int64(try number(vector, "price"))), utilisation: try number(vector, "utilisation"))
        #expect(next.micro == vector["next"]?.integer)
    }
    #expect(IndexPrice.next(.zero, utilisation: 0) == IndexPrice.floor)
    #expect(IndexPrice.next(IndexPrice.ceiling, utilisation: 1) == IndexPrice.ceiling)
    #expect(IndexPrice.next(Credits(micro: .max), utilisation: .infinity) == IndexPrice.ceiling)
}

private func orders(_ json: JSON?) throws -> [CallMarket.Order] {
    try #require(json?.array).map { row in
        let cells = try #require(row.array)
        return CallMarket.Order(
            id: cells[0].string ?? "", limit: Credits(micro: cells[1].integer ?? 0),
            quantity: Int(cells[2].integer ?? 0))
    }
}

@Test("markets clear as in the vectors")
func marketVectors() throws {
    for vector in try list("markets") {
        let bids = try orders(vector["bids"]), asks = try orders(vector["asks"])
        for (member, rule) in [("mcafee", CallMarket.Rule.mcAfee), ("k_half", .half)] {
            let found = CallMarket.clear(bids: bids, asks: asks, rule: rule)
            let wanted = try #require(vector[member])
            #expect(found.units == wanted["trades"]?.integer.map(Int.init))
            #expect(found.buyerPrice?.micro == wanted["buyer_price"]?.integer)
            #expect(found.sellerPrice?.micro == wanted["seller_price"]?.integer)
            #expect(found.surplus.micro == wanted["surplus"]?.integer)
            let pairs = found.trades.flatMap { Array(repeating: [$0.bid, $0.ask], count: $0.quantity) }
            #expect(pairs == (wanted["pairs"]?.array ?? []).map { ($0.array ?? []).compactMap(\.string) })
        }
    }
    for vector in try list("vickrey") {
        let asks = try #require(vector["asks"]?.array).map { row in
            (node: row.array?[0].string ?? "", ask: Credits(micro: row.array?[1].integer ?? 0))
        }
        let award = ReverseAuction.award(asks: asks, limit: Credits(micro: vector["limit"]?.integer ?? 0))
        #expect(award?.winner == vector["result"]?["winner"]?.string)
        #expect(award?.pays.micro == vector["result"]?["pays"]?.integer)
    }
}

@Test("forecasts are those of the vectors")
func forecastVectors() throws {
    for vector in try list("holt") {
        let series = try #require(vector["series"]?.array).compactMap(\.number)
        let forecast = try #require(PriceForecast(series))
        let found = forecast.ahead(Int(try number(vector, "h")))
        #expect(near(found.price, try number(vector, "forecast")))
        #expect(near(found.low, try number(vector, "low")))
        #expect(near(found.high, try number(vector, "high")))
        #expect(near(forecast.level, try number(vector, "level")))
        #expect(near(forecast.trend, try number(vector, "trend")))
    }
    #expect(PriceForecast([]) == nil && PriceForecast([1, 0]) == nil)
}

/// Orders of one unit, limits close together so that ties are frequent.
private func randomOrders(_ mark: String, _ count: Int, using generator: inout SeededGenerator) -> [CallMarket.Order] {
    (0..<count).map {
        CallMarket.Order(id: "\(mark)\($0)", limit: Credits(micro: .random(in: 0...25, using: &generator)))
    }
}

@Test(
    "a market pays out no more than it takes, and nobody trades beyond the limit")
func marketBalances() {
    for seed in 0..<3000 as Range<UInt64> { balance(seed) }
}

private func balance(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    func orders(_ mark: String) -> [CallMarket.Order] {
        (0..<Int.random(in: 0...9, using: &generator)).map { place in
            CallMarket.Order(
                id: "\(mark)\(place)", limit: Credits(micro: .random(in: 0...40, using: &generator)),
                quantity: .random(in: 0...4, using: &generator))
        }
    }
    let bids = orders("b"), asks = orders("a")
    for rule in CallMarket.Rule.allCases {
        let found = CallMarket.clear(bids: bids, asks: asks, rule: rule)
        #expect(found.trades.reduce(0) { $0 + $1.quantity } == found.units)
        guard let buyer = found.buyerPrice, let seller = found.sellerPrice else {
            #expect(found.units == 0 && found.surplus == .zero)
            continue
        }
        #expect(found.surplus >= .zero && found.surplus.micro == (buyer.micro - seller.micro) * Int64(found.units))
        for trade in found.trades {
            #expect(bids.contains { $0.id == trade.bid && $0.limit >= buyer })
            #expect(asks.contains { $0.id == trade.ask && $0.limit <= seller })
        }
        for order in bids + asks {
            let traded = found.trades.filter { $0.bid == order.id || $0.ask == order.id }.reduce(0) { $0 + $1.quantity }
            #expect(traded <= order.quantity)
        }
    }
}

@Test("nobody who wants or has one unit gains by naming another limit", arguments: [CallMarket.Rule.mcAfee, .open])
func marketIsTruthful(_ rule: CallMarket.Rule) {
    for seed in 0..<1500 as Range<UInt64> { tryLies(seed, rule) }
}

/// Each trader of one random market names every other limit in turn.
private func tryLies(_ seed: UInt64, _ rule: CallMarket.Rule) {
    var generator = SeededGenerator(seed: seed)
    let bids = randomOrders("b", .random(in: 1...7, using: &generator), using: &generator)
    let asks = randomOrders("a", .random(in: 1...7, using: &generator), using: &generator)
    func gain(_ id: String, _ truth: Credits, _ bids: [CallMarket.Order], _ asks: [CallMarket.Order]) -> Int64 {
        let found = CallMarket.clear(bids: bids, asks: asks, rule: rule)
        guard let buyer = found.buyerPrice, let seller = found.sellerPrice else { return 0 }
        if found.trades.contains(where: { $0.bid == id }) { return truth.micro - buyer.micro }
        if found.trades.contains(where: { $0.ask == id }) { return seller.micro - truth.micro }
        return 0
    }
    for lie in 0...26 {
        for place in bids.indices {
            var lied = bids
            lied[place] = CallMarket.Order(id: bids[place].id, limit: Credits(micro: Int64(lie)))
            let truth = bids[place].limit
            #expect(gain(bids[place].id, truth, lied, asks) <= gain(bids[place].id, truth, bids, asks))
        }
        for place in asks.indices {
            var lied = asks
            lied[place] = CallMarket.Order(id: asks[place].id, limit: Credits(micro: Int64(lie)))
            let truth = asks[place].limit
            #expect(gain(asks[place].id, truth, bids, lied) <= gain(asks[place].id, truth, bids, asks))
        }
    }
}
