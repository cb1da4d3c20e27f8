internal import FogCore

/// What a decision needs to know of the nodes before any task is given out.
struct DecisionDraft {
    var method: PlacementDecision.Method
    var weights: ObjectiveWeights?
    /// Best first: candidate, objectives, adjusted cost.
    var offers: [(node: Int32, row: SIMD8<Double>, adjusted: Double)]
    /// Adjusted costs of all candidates, to tell the regret of whichever node is taken.
    var costs: [Int32: Double]
    var candidates: Int
    var together = 1
    var front: [[Double]] = []
    var chosen = 0

    /// Any node's cost above this many candidates is looked up among the best alone.
    private static let maxCosts = 4096

    init(
        spreading count: Int, _ shape: TaskShape, _ demand: Amounts, _ valuation: Valuation, _ measure: Measure,
        _ pool: NodePool
    ) {
        self.init(.spread, shape.wish, valuation, pool) { _, row in measure.cost(row) }
        front = Spread.front(valuation, measure, demand, pool, count: count).map(Self.five)
    }

    init(directly shape: TaskShape, _ demand: Amounts, on nodes: [Int32], _ pool: NodePool) {
        let valuation = Valuation(shape, demand, on: nodes, pool), measure = Measure(shape.wish, valuation)
        self.init(.direct, nil, valuation, pool) { _, row in measure.cost(row) }
    }

    /// - Parameter cost: of a candidate (by its place in the valuation) with its objectives.
    init(
        _ method: PlacementDecision.Method, _ weights: ObjectiveWeights?, _ valuation: Valuation, _ pool: NodePool,
        cost: (Int, SIMD8<Double>) -> Double
    ) {
        self.method = method
        self.weights = weights
        candidates = valuation.nodes.count
        offers = []
        costs = [:]
        for (place, node) in valuation.nodes.enumerated() {
            let row = valuation.objectives(place, pool), adjusted = cost(place, row)
            if place < Self.maxCosts { costs[node] = adjusted }
            if offers.count == PlacementDecision.maxOffers, adjusted >= offers[offers.count - 1].adjusted { continue }
            let position = offers.firstIndex { adjusted < $0.adjusted } ?? offers.count
            offers.insert((node, row, adjusted), at: position)
            if offers.count > PlacementDecision.maxOffers { offers.removeLast() }
        }
    }

    static func five(_ row: SIMD8<Double>) -> [Double] { (0..<5).map { row[$0] } }
}

extension PlacementTick {
    /// The decisions that are to be written down, as far as anything was given out.
    func decisions(_ classes: inout ShapeClasses) -> [PlacementDecision] {
        guard !drafts.isEmpty else { return [] }
        var given: [Int: [Int: Int]] = [:], left: [Int: Int] = [:]
        for assignment in assignments where drafts[assignment.shape] != nil {
            guard let node = pool.index(of: assignment.node) else { continue }
            given[assignment.shape, default: [:]][node, default: 0] += assignment.tasks.count
        }
        for entry in pending where drafts[entry.shape] != nil { left[entry.shape, default: 0] += entry.tasks.count }
        return drafts.keys.sorted().compactMap { index in
            guard let draft = drafts[index], let nodes = given[index] else { return nil }
            let shape = problem.shapes[index]
            let shares = nodes.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            let taken = shares.first.flatMap { draft.costs[Int32($0.key)] } ?? draft.offers.first?.adjusted ?? 0
            return PlacementDecision(
                shape: shape.id, at: problem.now, strategy: shape.strategy, method: draft.method, seed: problem.seed,
                weights: draft.weights, placed: nodes.values.reduce(0, +), unplaced: left[index] ?? 0,
                shares: shares.prefix(PlacementDecision.maxShares).map {
                    .init(node: pool.nodes[$0.key].id, name: pool.nodes[$0.key].name, tasks: $0.value)
                },
                offers: draft.offers.map { node, row, adjusted in
                    let record = pool.nodes[Int(node)]
                    return .init(
                        node: record.id, name: record.name, objectives: DecisionDraft.five(row), adjusted: adjusted,
                        regret: taken - adjusted)
                },
                nodeCount: pool.count, candidates: draft.candidates,
                reasons: classes.reasons(for: shape, pool, barring: Bars()).filter { $0.permanence == .never },
                together: draft.together, front: Array(draft.front.prefix(PlacementDecision.maxPoints)),
                chosen: draft.chosen)
        }
    }
}
