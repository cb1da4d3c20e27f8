/// What the search knows of a node: one cache line of 64 bytes.
struct NodeLine: Sendable {
    var latency: Float
    /// Seconds a MiB.
    var transfer: Float
    /// Of the speed.
    var inverse: Float
    var distrust: Float
    var coreCost: Float
    var memoryCost: Float
    var asks: SIMD4<Float>
    /// Half of 1 / capacity: what a millicore and a MiB add to the utilisation.
    var cpuShare: Float
    var memoryShare: Float
    /// Utilisation before anything is placed.
    var use: Float
    private var padding: Float = 0

    init(_ node: BatchInstance.Node) {
        latency = Float(node.latencyMilliseconds / 1000)
        transfer = Float(8 / node.megabitsPerSecond)
        inverse = Float(1 / node.speed)
        distrust = Float(1 - node.trust)
        coreCost = Float(node.coreCost)
        memoryCost = Float(node.memoryCost)
        asks = SIMD4<Float>(node.asks)
        cpuShare = 0.5 / Float(max(1, node.capacity[0]))
        memoryShare = 0.5 / Float(max(1, node.capacity[1]))
        use = Float(node.used[0]) * cpuShare + Float(node.used[1]) * memoryShare
    }
}

/// What the search knows of a job: one cache line of 64 bytes.
struct JobLine: Sendable {
    /// The factors of what a job costs on a node under a direction; see ``Direction``.
    var factors: SIMD8<Float>
    var weight: Float
    /// Seconds on one core of speed 1, for as many cores as it asks.
    var span: Float
    var bid: Int32
    /// Rows of ``BatchExact/penalties``.
    var responsePenalty: Float
    var costPenalty: Float
    var pricePenalty: Float
    private var padding = SIMD2<Float>.zero

    init(_ job: BatchInstance.Job, _ penalty: BatchExact.Penalty) {
        let cores = Float(job.request[0]) / 1000, gibibytes = Float(job.request[1]) / 1024
        weight = Float(job.slaWeight)
        span = Float(job.workCoreSeconds) / cores
        bid = Int32(job.bid.rawValue)
        factors = SIMD8(
            weight, weight * Float(job.inputMebibytes), weight * span, span * cores, span * gibibytes,
            Float(job.request[0]), Float(job.request[1]), Float(job.request[2]))
        responsePenalty = Float(penalty.response)
        costPenalty = Float(penalty.cost)
        pricePenalty = Float(penalty.price)
    }
}

/// The five objectives as sums that one move changes in a few steps.
struct ObjectiveSums: Sendable {
    var response = 0.0
    var distrust = 0.0
    var cost = 0.0
    var price = 0.0
    /// Weight of what is not placed.
    var left = 0.0
    /// Of the nodes' utilisation.
    var use = 0.0
    var square = 0.0

    func objectives(_ nodes: Int, _ weightSum: Double, _ count: Int) -> SIMD8<Double> {
        let weights = max(weightSum, 1), jobs = Double(max(count, 1)), mean = use / Double(nodes)
        return SIMD8(
            response / weights, max(0, square / Double(nodes) - mean * mean) + left / weights,
            (distrust + left) / weights, cost / jobs, price / jobs, 0, 0, 0)
    }
}
