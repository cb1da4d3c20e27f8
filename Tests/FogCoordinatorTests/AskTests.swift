import FogCore
import FogJobs
import FogLedger
import FogPlacement
import FogStore
import Testing

@testable import FogCoordinator

@Suite("What owners ask")
struct AskTests {
    /// Seven tenths of a core for an hour, and 2 GiB.
    private static func demand(_ step: inout StepSpec) {
        step.resources = ResourceRequest(
            cpu: Millicores(700), memory: .gibibytes(2), disk: step.resources.disk, time: .hours(1))
        step.verify = .none
    }

    @Test("Placement weighs the ask, the grant binds it, the ledger charges it, also when it rises meanwhile")
    func charged() async throws {
        var bench = try Bench()
        let (dear, _) = try bench.addStranger("dear"), (cheap, owner) = try bench.addStranger("cheap")
        try bench.core.ask(dear, core: .credits(5), gibibyte: nil, by: bench.client, at: bench.now)
        try bench.core.ask(
            cheap, core: Credits(micro: 500_000), gibibyte: Credits(micro: 30_000), by: bench.client, at: bench.now)
        bench.commit()
        let id = try bench.submit {
            Self.demand(&$0.steps[0])
            $0.placement.strategy = "cost-optimize"
        }
        for node in [dear, cheap] { bench.core.nodes[node]?.want = 1 }
        let problem = bench.core.placementProblem(at: bench.now)
        let planned = try #require(Placement.place(problem, clock: bench.clock).assignments.first)
        #expect(planned.node == cheap)
        let lease = try #require(bench.poll(cheap).first)
        // 0.7 core-hours at 0.5 and 2 GiB-hours at 0.03.
        #expect(lease.priceBound == Credits(micro: 410_000) && planned.boundPrice == lease.priceBound)
        try bench.core.ask(cheap, core: .credits(9), gibibyte: .credits(9), by: bench.client, at: bench.now)
        bench.commit()
        try await bench.restart()
        try bench.hello("cheap", holding: [lease.attempt])
        bench.pass(.minutes(30))
        bench.finish(lease, on: cheap, cpu: .minutes(30))
        // Half an hour: 0.35 core-hours (no more than was granted) and one GiB-hour.
        let balance = try #require(bench.core.ledger.account(owner)).balance
        #expect(balance == Credits(micro: 175_000 + 30_000))
        #expect(try await bench.job(id).progress.spent == balance)
        #expect(try await bench.audit().ok)
    }

    @Test("What passes the job's max_price gets nothing, also when it was planned before the ask rose")
    func limit() throws {
        var bench = try Bench()
        let node = try bench.addStranger("box").node
        _ = try bench.submit {
            Self.demand(&$0.steps[0])
            $0.placement.maxPrice = .credits(2)
        }
        bench.core.nodes[node]?.want = 1
        bench.core.placementWanted = true
        _ = bench.core.place(at: bench.now, clock: bench.clock)
        #expect(bench.core.nodes[node]?.plan.count == 1)
        bench.core.nodes[node]?.row.coreAsk = .credits(3)
        #expect(bench.core.grant(to: node, at: bench.now).isEmpty)
        #expect(bench.poll(node).isEmpty)
        try bench.core.ask(node, core: .credits(2), gibibyte: nil, by: bench.client, at: bench.now)
        #expect(bench.poll(node).count == 1)
    }

    @Test("Where the economy is off nothing costs, whatever is asked")
    func free() throws {
        var rules = Bench.rules
        rules.economy = false
        var bench = try Bench(rules: rules, credits: .zero)
        let (node, owner) = try bench.addStranger("box")
        try bench.core.ask(node, core: .credits(5), gibibyte: .credits(5), by: bench.client, at: bench.now)
        _ = try bench.submit { Self.demand(&$0.steps[0]) }
        let lease = try #require(bench.poll(node).first)
        bench.pass(.minutes(30))
        bench.finish(lease, on: node, cpu: .minutes(30))
        #expect(lease.priceBound == .zero && bench.core.ledger.account(owner)?.balance == .zero)
    }

    @Test("Only the owner and operators ask, within bounds; one event a change")
    func owners() async throws {
        var bench = try Bench()
        let (node, _) = try bench.addStranger("box")
        let eve = try bench.core.enrol(
            key: SigningKey.generate().publicKey, name: "eve", roles: [.client], account: nil, at: bench.now)
        let failure = #expect(throws: CoordinatorFailure.self) {
            try bench.core.ask(node, core: .zero, gibibyte: nil, by: eve, at: bench.now)
        }
        #expect(failure?.code == "not_found")
        for wrong in [Credits(micro: -1), .credits(1001)] {
            let failure = #expect(throws: CoordinatorFailure.self) {
                try bench.core.ask(node, core: nil, gibibyte: wrong, by: bench.client, at: bench.now)
            }
            #expect(failure?.code == "bad_ask")
        }
        try bench.core.ask(node, core: .credits(2), gibibyte: nil, by: bench.client, at: bench.now)
        bench.commit()
        let events = try await bench.store.events(after: 0, job: nil, limit: 100).filter { $0.kind == "node_asks" }
        #expect(events.map(\.detail) == [["core": "2", "gibibyte": "0.1"]])
    }

    @Test("Prices are those of the machines that take work, by region")
    func prices() throws {
        var bench = try Bench()
        for (number, ask) in [3, 1, 2].enumerated() {
            let node = try bench.addStranger("n\(number)").node
            try bench.core.ask(node, core: .credits(Int64(ask)), gibibyte: nil, by: bench.client, at: bench.now)
        }
        let away = try bench.addStranger("away").node
        bench.core.nodes[away]?.row.standing = .cordoned
        _ = try bench.submit { Self.demand(&$0.steps[0]) }
        #expect(
            bench.poll(try #require(bench.core.nodes.values.first { $0.row.coreAsk == .credits(1) }).row.id).count == 1)
        let prices = bench.core.marketPrices(at: bench.now)
        let region = try #require(prices.regions.first)
        #expect(prices.regions.count == 1 && prices.usual.core == .credits(1) && region.machines == 3)
        #expect(region.lowest == .credits(1) && region.median == .credits(2) && region.highest == .credits(3))
        #expect(region.cores == .cores(12) && region.booked == Millicores(700))
    }
}
