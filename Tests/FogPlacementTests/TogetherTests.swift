import FogCore
import Testing

@testable import FogPlacement

/// Nodes that differ in everything an objective looks at.
private func mixedNodes(_ count: Int, seed: UInt64, slots: Int = 8) -> [NodeRecord] {
    var generator = SeededGenerator(seed: seed)
    func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    return (0..<count).map { index in
        makeNode(index, cores: Int64(number(2...16)), slots: slots) { node in
            node.speed = Double(number(5...20)) / 10
            node.trust = Double(number(10...100)) / 100
            node.latency = .milliseconds(Int64(number(1...400)))
            node.bandwidth = Int64(number(1...100)) * 1_000_000
            node.asks = HourlyRates(
                core: Credits(micro: Int64(number(1...20)) * 100_000), gibibyte: Credits(micro: 50_000))
            node.runningCosts = HourlyRates(core: Credits(micro: Int64(number(1...9)) * 10_000))
            node.free.cpu = Millicores(Int64(number(1...Int(node.report.cpu.count / 1000))) * 1000)
        }
    }
}

/// The weighted sum of a spread, reckoned task by task in another way: cheapest single additions over plain arrays.
private func spreadByHand(
    _ shape: TaskShape, _ weights: ObjectiveWeights, _ nodes: [NodeRecord], count: Int
) -> [Int: Int] {
    let pool = NodePool(nodes, for: [shape]), demand = Amounts(shape.demand)
    let open = (0..<nodes.count).filter { pool.fit($0, demand) > 0 }.map { Int32($0) }
    let valuation = Valuation(shape, demand, on: open, pool), factors = valuation.factors(weights.vector)
    var given: [Int: Int] = [:]
    for _ in 0..<count {
        var best: (cost: Double, node: Int)?
        for (place, entry) in open.enumerated() {
            let node = Int(entry), had = given[node] ?? 0
            guard had < pool.fit(node, demand) else { continue }
            var row = valuation.fixed[place]
            let use = Valuation.use(of: node, pool) + Double(had) * valuation.shares[place]
            row[1] = valuation.shares[place] * (2 * (use - valuation.mean) + valuation.shares[place])
            let cost = (row * factors).sum()
            if best.map({ cost < $0.cost - 1e-9 }) ?? true { best = (cost, node) }
        }
        guard let best else { break }
        given[best.node, default: 0] += 1
    }
    return given
}

@Suite("Placement by all objectives")
private struct TogetherTests {
    @Test("like tasks are spread as the cheapest additions one by one", arguments: 0..<30 as Range<UInt64>)
    func spread(_ seed: UInt64) {
        let weights = ObjectiveWeights(
            [[3, 1, 1, 1, 1], [1, 4, 1, 0.5, 0.5], [0, 1, 0, 0, 3], [1, 1, 5, 1, 1]][Int(seed % 4)])
        let shape = makeShape { $0.weights = weights }
        let nodes = mixedNodes(9, seed: seed)
        let outcome = place([shape], [WaitingRange(shape: 0, tasks: 0..<20)], on: nodes, seed: seed)
        #expect(outcome.load == spreadByHand(shape, weights, nodes, count: 20))
    }

    @Test("the knee of one task is the candidate nearest to the best in everything")
    func knee() {
        func node(_ number: Int, trust: Double, price: Int64) -> NodeRecord {
            makeNode(number) { node in
                node.trust = trust
                node.asks = HourlyRates(core: Credits(micro: price))
            }
        }
        // Dearest and best, cheapest and worst, and one nearly as good as either.
        let nodes = [node(1, trust: 1, price: 1000), node(2, trust: 0.9, price: 200), node(3, trust: 0.1, price: 100)]
        #expect(place([makeShape()], [WaitingRange(shape: 0, tasks: 0..<1)], on: nodes).load == [2: 1])
        let cheap = makeShape { $0.weights = ObjectiveWeights(price: 1) }
        #expect(place([cheap], [WaitingRange(shape: 0, tasks: 0..<1)], on: nodes).load == [3: 1])
        let safe = makeShape { $0.weights = ObjectiveWeights(trust: 1) }
        #expect(place([safe], [WaitingRange(shape: 0, tasks: 0..<1)], on: nodes).load == [1: 1])
    }

    @Test("an urgent job weighs time and trust by itself, another only when it says so")
    func wishes() {
        #expect(makeShape { $0.sla = .b }.wish == nil)
        #expect((makeShape { $0.sla = .s }.wish?.latency ?? 0) > (makeShape { $0.sla = .a }.wish?.latency ?? 0))
        let own = ObjectiveWeights(price: 1)
        #expect(makeShape { shape in (shape.sla, shape.weights) = (.s, own) }.wish == own)
    }

    /// Twelve steps of different sizes, three tasks each.
    private func mixedShapes(_ seed: UInt64) -> [TaskShape] {
        var generator = SeededGenerator(seed: seed)
        return (0..<12).map { index in
            makeShape { shape in
                shape.id.step = "s\(index)"
                shape.demand.cpu = .cores(Int64.random(in: 1...4, using: &generator))
                shape.demand.memory = .gibibytes(Int64.random(in: 1...4, using: &generator))
                shape.demand.time = .minutes(Int64.random(in: 10...90, using: &generator))
                shape.inputBytes = .mebibytes(Int64.random(in: 1...500, using: &generator))
            }
        }
    }

    private func problem(_ seed: UInt64, workers: Int = 1) -> PlacementProblem {
        let shapes = mixedShapes(seed)
        let waiting = shapes.indices.map { WaitingRange(shape: $0, tasks: 0..<3) }
        var problem = PlacementProblem(
            now: testNow, seed: seed, shapes: shapes, waiting: waiting, nodes: mixedNodes(15, seed: seed, slots: 4))
        problem.workers = workers
        problem.recorded = Set(shapes.indices)
        return problem
    }

    @Test("steps that differ are searched together, and none is worse off than one by one in all five")
    func together() throws {
        for seed in 1..<3 as Range<UInt64> {
            let problem = problem(seed)
            #expect(Placement.needsSearch(problem))
            let outcome = Placement.place(problem, clock: StillClock())
            #expect(
                outcome.assignments.reduce(0) { $0 + $1.tasks.count } + outcome.unplaced.reduce(0) { $0 + $1.count }
                    == 36)
            let decision = try #require(outcome.decisions.first)
            #expect(decision.method == .search && decision.together == 12)
            let chosen = decision.front[decision.chosen]
            for point in decision.front { #expect(Dominance.compare(point, chosen) != .first) }
        }
    }

    @Test("equal seeds give equal placements on one thread and on two")
    func threads() {
        let one = Placement.place(problem(7), clock: StillClock())
        let two = Placement.place(problem(7, workers: 2), clock: StillClock())
        #expect(one.assignments == two.assignments)
        #expect(one.decisions == two.decisions)
    }

    @Test("a search that has no time at all still places everything that fits")
    func noTime() {
        struct LateClock: FogClock {
            let readings = Readings()
            var now: Timestamp { testNow }
            var sinceBoot: TimeSpan { readings.next() }
        }
        final class Readings: @unchecked Sendable {
            private var count = 0
            func next() -> TimeSpan {
                count += 1
                return .seconds(Int64(count))
            }
        }
        let shapes = mixedShapes(3)
        let waiting = shapes.indices.map { WaitingRange(shape: $0, tasks: 0..<3) }
        let nodes = mixedNodes(60, seed: 3)
        let problem = PlacementProblem(now: testNow, seed: 1, shapes: shapes, waiting: waiting, nodes: nodes)
        let outcome = Placement.place(problem, clock: LateClock())
        #expect(outcome.assignments.reduce(0) { $0 + $1.tasks.count } == 36)
    }

    @Test("max_parallel holds in a search, and what it keeps back says so")
    func parallel() {
        var problem = problem(4)
        for index in problem.shapes.indices { problem.shapes[index].maxParallelLeft = index % 2 == 0 ? 1 : nil }
        let outcome = Placement.place(problem, clock: StillClock())
        for index in problem.shapes.indices where index % 2 == 0 {
            #expect(outcome.assignments.filter { $0.shape == index }.reduce(0) { $0 + $1.tasks.count } <= 1)
            let held = outcome.unplaced.filter { $0.shape == index }
            #expect(held.contains { $0.reasons.contains { $0.clause == .maxParallel } })
        }
    }

    @Test("the next search starts where the last one put the tasks")
    func warm() {
        let first = Placement.place(problem(9), clock: StillClock())
        #expect(!first.memory.starts.isEmpty)
        var again = problem(9)
        again.memory = first.memory
        let second = Placement.place(again, clock: StillClock())
        let best = { (outcome: PlacementOutcome) in outcome.decisions[0].front[outcome.decisions[0].chosen] }
        #expect(Dominance.compare(best(first), best(second)) != .first)
    }
}

@Suite("Placement decisions")
private struct DecisionTests {
    @Test("a decision names the best nodes with their objectives, and what the taken one cost more")
    func offers() throws {
        var problem = PlacementProblem(
            now: testNow, seed: 1, shapes: [makeShape()], waiting: [WaitingRange(shape: 0, tasks: 0..<4)],
            nodes: mixedNodes(12, seed: 5))
        problem.recorded = [0]
        let outcome = Placement.place(problem, clock: StillClock())
        let decision = try #require(outcome.decisions.first)
        #expect(decision.method == .spread && decision.placed == 4 && decision.unplaced == 0)
        #expect(decision.offers.count == PlacementDecision.maxOffers)
        #expect(decision.offers.map(\.adjusted) == decision.offers.map(\.adjusted).sorted())
        #expect(decision.shares.reduce(0) { $0 + $1.tasks } == 4)
        // The first task went to the best; later ones may have gone elsewhere.
        #expect(decision.shares.contains { $0.node == decision.offers[0].node })
        let taken = try #require(decision.offers.first { $0.node == decision.shares[0].node })
        #expect(abs(taken.regret) < 1e-12)
        #expect(decision.offers.allSatisfy { abs($0.regret - (taken.adjusted - $0.adjusted)) < 1e-12 })
    }

    @Test("only wanted decisions are written, of shapes that got something")
    func wanted() {
        var problem = PlacementProblem(
            now: testNow, seed: 1,
            shapes: [
                makeShape(), makeShape { $0.id.step = "b" },
                makeShape { shape in
                    shape.id.step = "c"
                    shape.constraints.region = "mars"
                },
            ],
            waiting: (0..<3).map { WaitingRange(shape: $0, tasks: 0..<1) }, nodes: mixedNodes(5, seed: 5))
        problem.recorded = [1, 2]
        #expect(Placement.place(problem, clock: StillClock()).decisions.map(\.shape.step) == ["b"])
    }
}
