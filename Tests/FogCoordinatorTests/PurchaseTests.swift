import FogCore
import FogJobs
import FogLedger
import FogPlacement
import FogStore
import Testing

@testable import FogCoordinator

@Suite("How capacity is bought")
struct PurchaseTests {
    private static func want(_ spec: inout JobSpec, _ purchase: Purchase, at most: Int64? = nil) {
        spec.steps[0].resources = ResourceRequest(
            cpu: .cores(1), memory: .gibibytes(1), disk: spec.steps[0].resources.disk, time: .hours(1))
        spec.steps[0].verify = .none
        spec.placement.purchase = purchase
        spec.placement.maxPrice = most.map { Credits(micro: $0) }
    }

    private static func stranger(_ bench: inout Bench, _ name: String, cores: Int64 = 1, asking: Int64? = nil) throws
        -> (node: NodeID, owner: AccountID)
    {
        let owner = try bench.core.enrol(
            key: SigningKey.generate().publicKey, name: "owner of \(name)", roles: [.client], account: nil,
            at: bench.now
        ).account
        let node = try bench.addNode(name, cores: cores, owner: owner)
        if let asking {
            try bench.core.ask(node, core: Credits(micro: asking), gibibyte: .zero, by: bench.client, at: bench.now)
        }
        bench.commit()
        return (node, owner)
    }

    @Test("The index rises while the pool is booked out; grants bind it, the ledger charges it, restarts keep it")
    func index() async throws {
        var bench = try Bench()
        let (node, owner) = try Self.stranger(&bench, "box", cores: 2)
        _ = try bench.submit("first") { Self.want(&$0, .onDemand) }
        _ = try bench.submit("second") { Self.want(&$0, .onDemand) }
        let early = bench.poll(node)
        #expect(early.map(\.priceBound) == Array(repeating: Credits(micro: 1_100_000), count: 2))
        bench.live(.minutes(10), beating: [node])
        let segment = MarketSegment(region: "", capability: .cpu)
        let risen = bench.core.indexRates(segment)
        #expect(risen.core > Credits(micro: 1_500_000) && risen.core < .credits(2))
        try await bench.restart()
        #expect(bench.core.indexRates(segment) == risen)
        try bench.hello("box", cores: 2, holding: early.map(\.attempt))
        for lease in early { bench.finish(lease, on: node, cpu: .minutes(6)) }
        let before = try #require(bench.core.ledger.account(owner)).balance
        // Two tenths of a core-hour and of a GiB-hour at what held when they were granted.
        #expect(before == Credits(micro: 2 * 110_000))
        let id = try bench.submit("third") { Self.want(&$0, .onDemand) }
        bench.core.nodes[node]?.want = 1
        let planned = try #require(
            Placement.place(bench.core.placementProblem(at: bench.now), clock: bench.clock).assignments.first)
        let lease = try #require(bench.poll(node, want: 1).first)
        #expect(lease.priceBound == planned.boundPrice)
        #expect(lease.priceBound.micro == risen.core.micro + risen.gibibyte.micro)
        bench.pass(.hours(1))
        bench.finish(lease, on: node, cpu: .hours(1))
        #expect(try await bench.job(id).progress.spent == lease.priceBound)
        #expect(try await bench.audit().ok)
    }

    @Test("Spot pays what the call market found, its seller gets what was found for sellers, the pool keeps the rest")
    func spot() async throws {
        var bench = try Bench()
        let (cheap, owner) = try Self.stranger(&bench, "cheap", asking: 400_000)
        let (dear, _) = try Self.stranger(&bench, "dear", asking: 600_000)
        let high = try bench.submit("high") { Self.want(&$0, .spot, at: 900_000) }
        let low = try bench.submit("low") { Self.want(&$0, .spot, at: 700_000) }
        for node in [cheap, dear] { bench.core.nodes[node]?.want = 1 }
        bench.core.placementWanted = true
        _ = bench.core.place(at: bench.now, clock: bench.clock)
        // Two would trade; the lesser pair is left out and names both prices.
        #expect(bench.core.nodes[dear]?.plan.isEmpty == true)
        let lease = try #require(bench.core.grant(to: cheap, at: bench.now).first)
        bench.commit()
        #expect(lease.attempt.task.job == high && lease.priceBound == Credits(micro: 770_000))
        let waiting = try #require(bench.core.jobs[low])
        let explanation = Explanation.of(
            bench.core.shape(of: waiting, step: 0, at: bench.now),
            nodes: [bench.core.nodeRecord(try #require(bench.core.nodes[dear]), at: bench.now)], now: bench.now.wall)
        let check = try #require(explanation.nodes.first?.failed.first)
        #expect(check.clause == .price && check.permanence == .notNow)
        #expect(check.found.hasPrefix("of spot traded at 0.7 a core-hour: a bid of 0.7 buys nothing"))
        #expect(explanation.advice.text.hasPrefix("a higher placement.max_price, or `placement.purchase: on-demand`"))
        bench.pass(.minutes(60))
        bench.finish(lease, on: cheap, cpu: .hours(1))
        let spent = try await bench.job(high).progress.spent
        #expect(spent == Credits(micro: 770_000))
        // Six sevenths are the seller's.
        #expect(bench.core.ledger.account(owner)?.balance == Credits(micro: 660_000))
        #expect(bench.core.ledger.account(.fees)?.balance == Credits(micro: 110_000))
        #expect(try await bench.audit().ok)
    }

    @Test("A spot bid of the index price always buys, for no more; one below it waits for those who ask less")
    func counter() throws {
        var bench = try Bench()
        let node = try Self.stranger(&bench, "box", cores: 2).node
        let first = try bench.submit("first") { Self.want(&$0, .spot, at: 3_000_000) }
        let lease = try #require(bench.poll(node, want: 1).first)
        #expect(lease.attempt.task.job == first && lease.priceBound == Credits(micro: 1_100_000))
        _ = try bench.submit("second") { Self.want(&$0, .spot, at: 999_999) }
        #expect(bench.poll(node, want: 1).isEmpty)
        // Whoever buys on demand comes before whoever bids, though later.
        let third = try bench.submit("third") { Self.want(&$0, .spot, at: 2_000_000) }
        let fourth = try bench.submit("fourth") { Self.want(&$0, .onDemand) }
        #expect(bench.poll(node, want: 1).map(\.attempt.task.job) == [fourth])
        #expect(bench.core.jobs[third]?.openAttempts == 0)
    }

    @Test("What was planned at a spot price is not granted when the owner asks more by then")
    func risen() throws {
        var bench = try Bench()
        let node = try Self.stranger(&bench, "box", cores: 2, asking: 500_000).node
        _ = try bench.submit { Self.want(&$0, .spot, at: 2_000_000) }
        bench.core.nodes[node]?.want = 1
        bench.core.placementWanted = true
        _ = bench.core.place(at: bench.now, clock: bench.clock)
        #expect(bench.core.nodes[node]?.plan.count == 1)
        bench.core.nodes[node]?.row.coreAsk = Credits(micro: 500_001)
        #expect(bench.core.grant(to: node, at: bench.now).isEmpty)
        #expect(bench.poll(node).first?.priceBound == Credits(micro: 550_001))
    }

    @Test("Reserved capacity is paid ahead, keeps its price while the index moves, and comes first")
    func reserved() async throws {
        var bench = try Bench()
        let (node, owner) = try Self.stranger(&bench, "box", cores: 1)
        _ = try bench.submit("other") { Self.want(&$0, .onDemand) }
        let start = try #require(bench.core.ledger.account(bench.client.account)).available
        let id = try bench.submit("mine") { Self.want(&$0, .reserved) }
        #expect(bench.core.jobs[id]?.record.reservedCore == Credits(micro: 750_000))
        let price = Credits(micro: 825_000)
        #expect(
            try #require(bench.core.ledger.account(bench.client.account)).available.micro == start.micro - price.micro)
        try await bench.restart()
        try bench.hello("box", cores: 1)
        let lease = try #require(bench.poll(node, want: 1).first)
        #expect(lease.attempt.task.job == id && lease.priceBound == price)
        bench.live(.minutes(10), beating: [node])
        #expect(bench.core.indexRates(MarketSegment(region: "", capability: .cpu)).core > .credits(1))
        bench.finish(lease, on: node, cpu: .minutes(6))
        #expect(bench.core.ledger.account(owner)?.balance == Credits(micro: 82_500))
        #expect(bench.core.jobs[id] == nil)
        #expect(try #require(bench.core.ledger.account(bench.client.account)).available.micro == start.micro - 82_500)
        #expect(try await bench.audit().ok)
        var poor = try Bench(credits: Credits(micro: 800_000))
        _ = try Self.stranger(&poor, "box")
        let failure = #expect(throws: CoordinatorFailure.self) {
            _ = try poor.submit { Self.want(&$0, .reserved) }
        }
        #expect(failure?.code == "insufficient_funds" && poor.core.jobs.isEmpty)
        let dear = #expect(throws: CoordinatorFailure.self) {
            _ = try bench.submit("dear") { Self.want(&$0, .reserved, at: 100_000) }
        }
        #expect(dear?.code == "price")
    }

    @Test("In an auction the least asker wins at what the next owner asks, not at his own second machine's ask")
    func auction() async throws {
        var bench = try Bench()
        let (best, owner) = try Self.stranger(&bench, "best", asking: 300_000)
        let second = try bench.addNode("second", cores: 1, owner: owner)
        try bench.core.ask(second, core: Credits(micro: 350_000), gibibyte: .zero, by: bench.client, at: bench.now)
        let other = try Self.stranger(&bench, "other", asking: 500_000).node
        let id = try bench.submit { Self.want(&$0, .auction, at: 900_000) }
        for node in [best, second, other] { bench.core.nodes[node]?.want = 1 }
        bench.core.placementWanted = true
        _ = bench.core.place(at: bench.now, clock: bench.clock)
        let lease = try #require(bench.core.grant(to: best, at: bench.now).first)
        bench.commit()
        #expect(lease.priceBound == Credits(micro: 550_000))
        bench.pass(.hours(1))
        bench.finish(lease, on: best, cpu: .hours(1))
        #expect(try await bench.job(id).progress.spent == lease.priceBound)
        #expect(bench.core.ledger.account(owner)?.balance == lease.priceBound)
        let late = try bench.submit("late") { Self.want(&$0, .auction, at: 299_999) }
        #expect(bench.poll(best).isEmpty)
        let terms = bench.core.terms(of: try #require(bench.core.jobs[late]), step: 0)
        #expect(terms.unsold == "of an auction: nobody who can take it asks at most 0.299999 a core-hour")
    }

    @Test("A quote offers each way to buy, prices have an index and a forecast, and epochs stand in the store")
    func offers() async throws {
        var bench = try Bench()
        let node = try Self.stranger(&bench, "box").node
        let id = try bench.submit { Self.want(&$0, .onDemand) }
        let spec = try #require(bench.core.jobs[id]).spec
        func totals() -> [Purchase: Int64] {
            Dictionary(uniqueKeysWithValues: bench.core.offers(for: spec).map { ($0.purchase, $0.total.micro) })
        }
        #expect(totals() == [.onDemand: 1_100_000, .spot: 1_100_000, .reserved: 825_000, .auction: 1_100_000])
        _ = bench.poll(node)
        bench.live(.minutes(10), beating: [node])
        let region = try #require(bench.core.marketPrices(at: bench.now).regions.first)
        #expect(region.index > .credits(1) && region.forecast?.error != nil && region.gpuIndex == nil)
        // A machine whose owner asks nothing asks the index price, and what is offered follows.
        #expect(region.highest == region.index)
        #expect(
            totals()[.spot] == region.index.micro
                + bench.core.indexRates(.init(region: "", capability: .cpu)).gibibyte.micro)
        let epochs = try await bench.store.marketEpochs(of: nil, since: Timestamp(microseconds: 0), limit: 100)
        #expect(epochs.last?.close == region.index && (9...10).contains(epochs.count))
        #expect(epochs.allSatisfy { $0.utilisation == 1 && $0.volume == 60_000 })
        bench.core.rules.economy = false
        #expect(bench.core.offers(for: spec).isEmpty)
    }
}
