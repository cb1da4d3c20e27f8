package import FogCore

/// One node and one step: what the node fails, or how it stands among those that fail nothing.
package struct NodeJudgement: Hashable, Sendable {
    package var failed: [FailedCheck]
    /// The least that would have to change for this node.
    package var advice: Advice
    /// Among the candidates, 1 = the best; nil where it is none.
    package var rank: Int?
    package var candidates: Int
    package var offer: PlacementDecision.Offer?
    /// The best of the candidates; nil where there is none.
    package var best: PlacementDecision.Offer?

    /// Nil for a node that is not among them.
    package static func of(
        _ shape: TaskShape, node: NodeID, among nodes: [NodeRecord], now: Timestamp
    ) -> NodeJudgement? {
        guard let record = nodes.first(where: { $0.id == node }) else { return nil }
        let alone = Explanation.of(shape, nodes: [record], now: now, detail: 1)
        let pool = NodePool(nodes, for: [shape])
        var classes = ShapeClasses()
        let demand = Amounts(shape.demand)
        let open = classes.candidates(for: shape, pool).filter { pool.fit(Int($0), demand) > 0 }
        let valuation = Valuation(shape, demand, on: open, pool), measure = Measure(shape.wish, valuation)
        let ranked = open.indices.map { place in
            (place: place, row: valuation.objectives(place, pool), node: pool.nodes[Int(open[place])])
        }
        .map { ($0.node, $0.row, measure.cost($0.row)) }
        .sorted { ($0.2, $0.0.id) < ($1.2, $1.0.id) }
        func offer(_ entry: (NodeRecord, SIMD8<Double>, Double)) -> PlacementDecision.Offer {
            PlacementDecision.Offer(
                node: entry.0.id, name: entry.0.name, objectives: DecisionDraft.five(entry.1), adjusted: entry.2,
                regret: entry.2 - (ranked.first?.2 ?? entry.2))
        }
        let rank = ranked.firstIndex { $0.0.id == node }
        return NodeJudgement(
            failed: alone.nodes.first?.failed ?? [], advice: alone.advice, rank: rank.map { $0 + 1 },
            candidates: ranked.count, offer: rank.map { offer(ranked[$0]) }, best: ranked.first.map(offer))
    }
}
