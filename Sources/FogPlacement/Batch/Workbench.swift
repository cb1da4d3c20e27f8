/// One placement in the making: which job is where, what is left of each node, and the five objectives as sums.
///
/// A move costs a few steps whatever the size of the batch. Nothing here ever puts a job where it does not fit.
struct Workbench {
    let data: SearchData
    private(set) var assignment: [Int32]
    private(set) var free: [SIMD4<Int32>]
    private(set) var use: [Float]
    private(set) var sums: ObjectiveSums
    /// The jobs of a node as a chain: its head by node, then by job; -1 ends it.
    private(set) var head: [Int32]
    private(set) var next: [Int32]

    init(_ data: SearchData) {
        self.data = data
        assignment = Array(repeating: -1, count: data.jobs.count)
        free = data.problem.free
        use = data.nodes.map(\.use)
        sums = data.startSums
        head = Array(repeating: -1, count: data.nodeCount)
        next = Array(repeating: -1, count: data.jobs.count)
        for job in data.problem.order { addPenalty(Int(job), 1) }
    }

    mutating func clear() { self = Workbench(data) }

    /// Starts from a placement that is feasible.
    mutating func load(_ placement: [Int32]) {
        clear()
        for job in data.problem.order where placement[Int(job)] >= 0 { put(Int(job), on: Int(placement[Int(job)])) }
    }

    @inline(__always) func fits(_ job: Int, on node: Int) -> Bool { all(data.requests[job] .<= free[node]) }

    /// What a job adds to a node's utilisation.
    @inline(__always) func share(_ job: Int, on node: Int) -> Float {
        data.demands[job][0] * data.nodes[node].cpuShare + data.demands[job][1] * data.nodes[node].memoryShare
    }

    /// Of a job that is not placed, on a node where it fits.
    @inline(__always) mutating func put(_ job: Int, on node: Int) {
        free[node] &-= data.requests[job]
        assignment[job] = Int32(node)
        next[job] = head[node]
        head[node] = Int32(job)
        addPenalty(job, -1)
        addShare(share(job, on: node), node)
        addTerms(job, node, 1)
    }

    @inline(__always) mutating func take(_ job: Int) {
        let node = Int(assignment[job])
        free[node] &+= data.requests[job]
        assignment[job] = -1
        if head[node] == Int32(job) {
            head[node] = next[job]
        } else {
            var walk = Int(head[node])
            while next[walk] != Int32(job) { walk = Int(next[walk]) }
            next[walk] = next[job]
        }
        addPenalty(job, 1)
        addShare(-share(job, on: node), node)
        addTerms(job, node, -1)
    }

    @inline(__always) private mutating func addShare(_ share: Float, _ node: Int) {
        let before = Double(use[node])
        use[node] += share
        let after = Double(use[node])
        sums.use += after - before
        sums.square += after * after - before * before
    }

    @inline(__always) private mutating func addTerms(_ job: Int, _ node: Int, _ sign: Double) {
        let line = data.jobs[job], place = data.nodes[node]
        let span = line.span * place.inverse
        let response = place.latency * line.factors[0] + line.factors[1] * place.transfer + line.factors[0] * span
        let hours = place.inverse * (1 / 3600)
        sums.response += sign * Double(response)
        sums.distrust += sign * Double(line.weight * place.distrust)
        sums.cost += sign * Double((place.coreCost * line.factors[3] + place.memoryCost * line.factors[4]) * hours)
        sums.price += sign * Double(place.asks[Int(line.bid)] * line.factors[3] * hours)
    }

    @inline(__always) private mutating func addPenalty(_ job: Int, _ sign: Double) {
        let line = data.jobs[job], weight = Double(line.weight)
        sums.response += sign * weight * Double(line.responsePenalty)
        sums.cost += sign * Double(line.costPenalty)
        sums.price += sign * Double(line.pricePenalty)
        sums.left += sign * weight
    }
}
