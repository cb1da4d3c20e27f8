internal import FogCore

/// What one task of a shape is worth on each of its candidates, in the five objectives of the search.
struct Valuation {
    let nodes: [Int32]
    /// Response in seconds, 0, distrust, running cost and price in micro-credits: what does not depend on how many come.
    let fixed: [SIMD8<Double>]
    /// What one task adds to a node's utilisation.
    let shares: [Double]
    /// Of all nodes' utilisation before.
    let mean: Double
    /// The range of each objective over the candidates; 0 where all are alike.
    let ranges: SIMD8<Double>
    let low: SIMD8<Double>

    init(_ shape: TaskShape, _ demand: Amounts, on nodes: [Int32], _ pool: NodePool) {
        self.nodes = nodes
        let mean = Self.meanUse(pool)
        var fixed: [SIMD8<Double>] = [], shares: [Double] = []
        fixed.reserveCapacity(nodes.count)
        shares.reserveCapacity(nodes.count)
        var low = SIMD8<Double>(repeating: .infinity), high = SIMD8<Double>(repeating: -.infinity)
        pool.nodes.withUnsafeBufferPointer { records in
            for entry in nodes {
                let node = Int(entry), share = Self.share(of: demand, pool.capacities[node])
                let row = Self.row(of: shape, on: records[node])
                fixed.append(row)
                shares.append(share)
                var whole = row
                whole[1] = Self.uneven(share, at: Self.use(of: node, pool), mean)
                low = pointwiseMin(low, whole)
                high = pointwiseMax(high, whole)
            }
        }
        self.fixed = fixed
        self.shares = shares
        self.mean = mean
        self.low = low
        ranges = nodes.isEmpty ? .zero : high - low
    }

    /// Weights as factors: each objective in the range of the candidates.
    func factors(_ weights: SIMD8<Double>) -> SIMD8<Double> {
        var factors = SIMD8<Double>.zero
        for place in 0..<5 where ranges[place] > 1e-12 { factors[place] = weights[place] / ranges[place] }
        return factors
    }

    /// All five objectives of one more task on a candidate as it is now.
    func objectives(_ place: Int, _ pool: NodePool) -> SIMD8<Double> {
        var row = fixed[place]
        row[1] = Self.uneven(shares[place], at: Self.use(of: Int(nodes[place]), pool), mean)
        return row
    }

    /// What one more task adds to the sum of squared distances of the nodes' utilisation from their mean.
    @inline(__always) static func uneven(_ share: Double, at use: Double, _ mean: Double) -> Double {
        share * (2 * (use - mean) + share)
    }

    /// Half cpu, half memory, as in ``BatchProblem``.
    @inline(__always) static func share(of amounts: Amounts, _ capacity: Amounts) -> Double {
        0.5
            * (Double(amounts.cpu) / Double(max(1, capacity.cpu))
                + Double(amounts.memory) / Double(max(1, capacity.memory)))
    }

    @inline(__always) static func use(of node: Int, _ pool: NodePool) -> Double {
        let capacity = pool.capacities[node]
        return capacity.cpu == 0 || capacity.memory == 0 ? 1 : 1 - share(of: pool.free[node], capacity)
    }

    private static func meanUse(_ pool: NodePool) -> Double {
        var sum = 0.0
        for node in 0..<pool.count { sum += use(of: node, pool) }
        return sum / Double(max(1, pool.count))
    }

    private static func row(of shape: TaskShape, on node: NodeRecord) -> SIMD8<Double> {
        let earned = node.trust(for: shape.demand), trust = earned.isFinite ? max(0, min(1, earned)) : 0
        let hours = hours(of: shape, on: node)
        return SIMD8(
            Double(Ranking.response(shape, node)) / 1000, 0, shape.trusts(node) ? 0 : 1 - trust,
            rate(shape.demand, node.runningCosts) * hours, rate(shape.demand, shape.rates(on: node)) * hours, 0, 0, 0)
    }

    static func hours(of shape: TaskShape, on node: NodeRecord) -> Double {
        let speed = node.speed.isFinite && node.speed > 0 ? node.speed : 1
        return (shape.expectedTime ?? shape.demand.time).seconds / speed / 3600
    }

    /// Micro-credits an hour.
    static func rate(_ demand: ResourceRequest, _ rates: HourlyRates) -> Double {
        Double(rates.core.micro) * Double(demand.cpu.count) / 1000
            + Double(rates.gibibyte.micro) * Double(demand.memory.bytes) / 0x1p30
    }
}
