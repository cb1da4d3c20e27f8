/// A batch as the search reads it: flat arrays, 64 bytes a node and a job.
final class SearchData: Sendable {
    let problem: BatchProblem
    let nodes: [NodeLine]
    let jobs: [JobLine]
    let requests: [SIMD4<Int32>]
    /// The same as numbers to reckon prices with.
    let demands: [SIMD4<Float>]
    /// 1 / what a node has left, at least 1.
    let rooms: [SIMD4<Float>]
    let startSums: ObjectiveSums

    var nodeCount: Int { nodes.count }

    init(_ problem: BatchProblem) {
        self.problem = problem
        nodes = problem.instance.nodes.map(NodeLine.init)
        jobs = zip(problem.instance.jobs, problem.exact.penalties).map(JobLine.init)
        requests = problem.instance.jobs.map(\.request)
        demands = requests.map { SIMD4<Float>($0) }
        rooms = problem.free.map { free in 1 / SIMD4<Float>(pointwiseMax(free, SIMD4(repeating: 1))) }
        var sums = ObjectiveSums()
        for node in nodes {
            sums.use += Double(node.use)
            sums.square += Double(node.use) * Double(node.use)
        }
        startSums = sums
    }

    /// The objectives of sums, in the order of ``BatchProblem/objectives``.
    func objectives(_ sums: ObjectiveSums) -> SIMD8<Double> {
        sums.objectives(nodeCount, problem.weightSum, problem.placeableCount)
    }
}

/// What a unit of each objective counts: the weights of a search direction over the ranges of the objectives.
struct Direction: Sendable {
    /// Of the five objectives; they sum to 1.
    let weights: SIMD8<Double>
    /// A second of weighted response, a weight of distrust, a credit of cost and of price, and what one left out counts.
    let response: Float
    let distrust: Float
    let cost: Float
    let price: Float
    let left: Float
    /// Of the square of a node's utilisation.
    let variance: Float

    init(_ weights: SIMD8<Double>, ranges: SIMD8<Double>, _ data: SearchData) {
        var weights = weights
        for place in 5..<8 { weights[place] = 0 }
        weights /= max(weights.sum(), 1e-12)
        self.weights = weights
        let problem = data.problem
        let weightSum = max(problem.weightSum, 1), count = Double(max(problem.placeableCount, 1))
        response = Float(weights[0] / ranges[0] / weightSum)
        variance = Float(weights[1] / ranges[1] / Double(data.nodeCount))
        distrust = Float(weights[2] / ranges[2] / weightSum)
        cost = Float(weights[3] / ranges[3] / count)
        price = Float(weights[4] / ranges[4] / count)
        left = Float((weights[1] / ranges[1] + weights[2] / ranges[2]) / weightSum)
    }
}
