internal import FogCore

/// The orders of the strategies that fill the best node first.
enum Ranking {
    /// The nodes, best first by the shape's strategy; equal ones by id.
    static func ordered(_ nodes: [Int32], for shape: TaskShape, _ pool: NodePool) -> [Int32] {
        nodes.map { node in (key: key(shape, pool.nodes[Int(node)]), node: node) }
            .sorted { ($0.key.0, $0.key.1, $0.node) < ($1.key.0, $1.key.1, $1.node) }
            .map(\.node)
    }

    /// Less is better.
    static func key(_ shape: TaskShape, _ node: NodeRecord) -> (Int64, Int64) {
        switch shape.strategy {
        case .latencyFirst: (response(shape, node), 0)
        case .costOptimize: (price(shape, node), distrust(node, shape))
        case .trustFirst: (distrust(node, shape), price(shape, node))
        case .affinity: (Int64(missing(shape, node)), response(shape, node))
        case .proximity:
            (shape.origin != nil && shape.origin == node.report.region ? 0 : 1, node.latency?.milliseconds ?? .max)
        case .privacyAware:
            (shape.submitter == node.owner ? 0 : node.isTrusted ? 1 : 2, distrust(node, shape))
        case .nsga2, .loadBalance, .roundRobin, .leastLoaded, .random: (0, 0)
        }
    }

    private static func price(_ shape: TaskShape, _ node: NodeRecord) -> Int64 {
        PriceBound.compute(demand: shape.demand, ask: shape.rates(on: node)).micro
    }

    /// In billionths.
    private static func distrust(_ node: NodeRecord, _ shape: TaskShape) -> Int64 {
        let earned = node.trust(for: shape.demand)
        let trust = earned.isFinite ? max(0, min(1, earned)) : 0
        return Int64((1 - trust) * 1e9)
    }

    /// Inputs that the node would have to fetch.
    private static func missing(_ shape: TaskShape, _ node: NodeRecord) -> Int {
        shape.affinity.prefix(TaskShape.maxAffinityDigests).reduce(0) { $0 + (node.cached.contains($1) ? 0 : 1) }
    }

    /// Milliseconds from the grant to the result, as far as can be told; at most 2^53.
    ///
    /// Latency + missing inputs / bandwidth + the tasks waiting there before it, spread over its slots, + the work at
    /// the node's speed. What is not measured is taken as far (1 s) and narrow (1 Mbit/s), so that a measured node wins.
    static func response(_ shape: TaskShape, _ node: NodeRecord) -> Int64 {
        let speed = node.speed.isFinite && node.speed > 0 ? node.speed : 1
        let work = (shape.expectedTime ?? shape.demand.time).seconds / speed
        let queued = Double(max(0, node.queueDepth)) / Double(max(1, node.allowance.slots)) * work
        let wanted = min(shape.affinity.count, TaskShape.maxAffinityDigests)
        let share = wanted == 0 || shape.inputBytes.bytes == 0 ? 1 : Double(missing(shape, node)) / Double(wanted)
        let bits = Double(max(0, shape.inputBytes.bytes)) * 8 * share
        let transfer = bits / Double(max(1, node.bandwidth ?? 1_000_000))
        let total = (node.latency?.seconds ?? 1) + transfer + queued + work
        return Int64(max(0, min(total * 1000, 0x1p53)))
    }
}
