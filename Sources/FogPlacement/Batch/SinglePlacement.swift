/// One job on one of many nodes: all candidates are looked at, so the answer is exact.
package enum SinglePlacement {
    package struct Choice: Hashable, Sendable {
        package let node: Int
        /// Response in seconds, what the job adds to the sum of squared distances of the nodes' utilisation from their
        /// mean, distrust, cost and price.
        package let objectives: [Double]
        /// The weighted sum, each objective in the range of the candidates: 0 for the best in everything, 1 for the worst.
        package let score: Double
    }

    /// The best nodes, the very best first; among equals the first in the order of nodes. Empty when none may take it.
    ///
    /// - Parameters:
    ///   - weights: of the five objectives, none below 0.
    ///   - count: how many are wanted.
    package static func best(
        _ job: BatchInstance.Job, on nodes: [BatchInstance.Node], weights: [Double] = [1, 1, 1, 1, 1], count: Int = 5
    ) -> [Choice] {
        precondition(weights.count == BatchProblem.objectives.count, "each objective has a weight")
        let instance = BatchInstance(name: "", nodes: nodes, jobs: [job])
        let exact = BatchExact(instance), free = nodes.map { $0.capacity &- $0.used }
        let candidates = BatchChecks.candidates(of: 0, instance, exact, free)
        guard !candidates.isEmpty, count > 0 else { return [] }
        var mean = 0.0
        let shares = nodes.map { share(of: $0.used, $0) }
        for share in shares { mean += share / Double(nodes.count) }
        var table: [SIMD8<Double>] = []
        table.reserveCapacity(candidates.count)
        var low = SIMD8<Double>(repeating: .infinity), high = SIMD8<Double>(repeating: -.infinity)
        for candidate in candidates {
            let node = Int(candidate), more = share(of: job.request, nodes[node])
            let uneven = more * (2 * (shares[node] - mean) + more * (1 - 1 / Double(nodes.count)))
            let row = SIMD8(
                exact.response(0, node), uneven, 1 - nodes[node].trust, exact.cost(0, node), exact.price(0, node), 0, 0,
                0)
            table.append(row)
            low = pointwiseMin(low, row)
            high = pointwiseMax(high, row)
        }
        var scale = SIMD8<Double>(repeating: 0)
        let sum = weights.reduce(0, +)
        for place in weights.indices where high[place] > low[place] && sum > 0 {
            scale[place] = weights[place] / sum / (high[place] - low[place])
        }
        var best: [(score: Double, place: Int)] = []
        for place in table.indices {
            let score = ((table[place] - low) * scale).sum()
            if best.count == count, score >= best[count - 1].score { continue }
            let position = best.firstIndex { score < $0.score } ?? best.count
            best.insert((score, place), at: position)
            if best.count > count { best.removeLast() }
        }
        return best.map { score, place in
            Choice(node: Int(candidates[place]), objectives: (0..<5).map { table[place][$0] }, score: score)
        }
    }

    private static func share(of amounts: SIMD4<Int32>, _ node: BatchInstance.Node) -> Double {
        0.5
            * (Double(amounts[0]) / Double(max(1, node.capacity[0])) + Double(amounts[1])
                / Double(max(1, node.capacity[1])))
    }
}
