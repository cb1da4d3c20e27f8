internal import FogCore

/// The tasks of a window as a batch for the search, a gene a task, over the nodes that may take any of them now.
struct JointBatch {
    struct Entry {
        var shape: Int
        var tasks: Range<UInt32>
        /// Of the problem's waiting ranges.
        var range: Int
    }

    struct Answer {
        /// The batch's node of each gene; -1 = none.
        var assignment: [Int32]
        var front: PlacementFront
        var chosen: Int
        var weights: ObjectiveWeights?
        /// The search's own problem, to tell what a node is worth at its prices.
        var data: SearchData
    }

    /// Placements kept, fewer where there are few tasks, and generations, of a search in a tick.
    static let populations = 8...24, generations = 40
    /// Pairs of task and node looked at: so many for each there is, and at most so many in all.
    static let workPerPair = 60, maxWork = 30_000_000

    let entries: [Entry]
    /// Index in the pool of each of the batch's nodes.
    let nodes: [Int32]
    private let instance: BatchInstance
    private let candidates: [[Int32]]
    private let seeds: [[Int32]]
    /// The first gene of each shape.
    private let firstGene: [Int: Int]

    init(_ entries: [Entry], _ tick: inout PlacementTick) {
        self.entries = entries
        let shapes = Set(entries.map(\.shape)).sorted()
        var open: [Int: [Int32]] = [:], isNeeded = [Bool](repeating: false, count: tick.pool.count)
        for shape in shapes {
            open[shape] = tick.open(shape)
            for node in open[shape] ?? [] { isNeeded[Int(node)] = true }
        }
        let nodes = isNeeded.indices.filter { isNeeded[$0] }.map { Int32($0) }
        self.nodes = nodes
        var place = [Int32](repeating: -1, count: tick.pool.count)
        for (index, node) in nodes.enumerated() { place[Int(node)] = Int32(index) }
        let scale = JointScale(shapes.map { tick.problem.shapes[$0] })
        var jobs: [BatchInstance.Job] = [], lists: [[Int32]] = [], first: [Int: Int] = [:]
        var start: [Int32] = [], given: [Int: Int] = [:]
        for entry in entries {
            let shape = tick.problem.shapes[entry.shape], job = scale.job(of: shape)
            let bars = tick.pool.bars(tick.problem.waiting[entry.range].avoiding)
            let list = (open[entry.shape] ?? []).filter { bars.admit(Int($0), in: tick.pool, for: shape) }
                .map { place[Int($0)] }
            let before = tick.problem.memory?.starts[shape.id] ?? []
            for _ in entry.tasks {
                if first[entry.shape] == nil { first[entry.shape] = jobs.count }
                jobs.append(job)
                lists.append(list)
                let turn = given[entry.shape, default: 0]
                given[entry.shape] = turn + 1
                let node = turn < before.count ? tick.pool.index(of: before[turn]) : nil
                start.append(node.map { place[$0] } ?? -1)
            }
        }
        let pool = tick.pool
        instance = BatchInstance(name: "", nodes: nodes.map { scale.node($0, pool) }, jobs: jobs)
        candidates = lists
        firstGene = first
        seeds = start.contains { $0 >= 0 } ? [start] : []
    }

    private var jobCount: Int { instance.jobs.count }

    /// Nil when nothing can be placed.
    func search(_ problem: PlacementProblem, _ ends: @Sendable () -> Bool) -> Answer? {
        let batch = BatchProblem(instance, candidates: candidates)
        guard batch.placeableCount > 0 else { return nil }
        var settings = FrontSettings()
        settings.population = min(max(Self.populations.lowerBound, jobCount / 16), Self.populations.upperBound)
        settings.generations = Self.generations
        settings.seed = problem.seed
        settings.workers = problem.workers
        settings.work = min(Self.maxWork, batch.candidates.count * Self.workPerPair)
        settings.polishing = (settings.polishing.ofJob, (settings.work ?? 0) / 20, 0)
        let front = FrontSearch.run(batch, settings, seeds: seeds, ends: ends)
        let weights = wish(problem), chosen = front.choice(by: weights)
        return Answer(
            assignment: front.solutions[chosen].assignment, front: front, chosen: chosen, weights: weights,
            data: SearchData(batch))
    }

    /// What the steps of the window ask for, each counted by its tasks and their service class; nil where none asks.
    private func wish(_ problem: PlacementProblem) -> ObjectiveWeights? {
        var sum = SIMD8<Double>.zero, isAsked = false
        for entry in entries {
            let shape = problem.shapes[entry.shape], count = Double(entry.tasks.count * shape.sla.weight)
            if shape.wish != nil { isAsked = true }
            sum += count * (shape.wish ?? .even).vector
        }
        return isAsked ? ObjectiveWeights((0..<5).map { sum[$0] / max(sum.sum(), 1e-12) }) : nil
    }

    /// What a task of a shape counts on a node of the pool at the prices of the answer: its part of the weighted sum, and
    /// what the node's capacity is worth to the others.
    func adjusted(_ shape: Int, _ node: Int32, _ answer: Answer) -> Double {
        let solution = answer.front.solutions[answer.chosen]
        guard let gene = firstGene[shape], let place = nodes.firstIndex(of: node), !solution.prices.isEmpty else {
            return 0
        }
        let direction = Direction(solution.weights, ranges: answer.front.ranges, answer.data)
        let exact = answer.data.problem.exact, weight = Double(instance.jobs[gene].sla.weight)
        let plain =
            weight * Double(direction.response) * exact.response(gene, place)
            + weight * Double(direction.distrust) * (1 - instance.nodes[place].trust)
            + Double(direction.cost) * exact.cost(gene, place) + Double(direction.price) * exact.price(gene, place)
        let capacity = (answer.data.demands[gene] * solution.prices[place]).sum()
        return (plain + Double(capacity)) * Double(answer.data.problem.placeableCount)
    }
}

/// Shapes and nodes in the units of a batch.
struct JointScale {
    /// Whether any of the shapes wants devices: else their place in the amounts counts slots.
    private let wantsDevices: Bool
    /// GiB a core of three kinds of shapes: the price of a core-hour with its memory differs by it.
    private let ratios: [Double]
    private let meanSeconds: Double

    init(_ shapes: [TaskShape]) {
        wantsDevices = shapes.contains { $0.demand.gpu > 0 }
        let sorted = shapes.map(Self.ratio).sorted()
        ratios = [0, 1, 2].map { sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, sorted.count * (2 * $0 + 1) / 6)] }
        let seconds = shapes.reduce(0) { $0 + ($1.expectedTime ?? $1.demand.time).seconds }
        meanSeconds = seconds / Double(max(1, shapes.count))
    }

    private static func ratio(_ shape: TaskShape) -> Double {
        Double(shape.demand.memory.bytes) / 0x1p30 / max(0.001, Double(shape.demand.cpu.count) / 1000)
    }

    private static func whole(_ value: Int64) -> Int32 { Int32(clamping: max(0, value)) }

    func job(of shape: TaskShape) -> BatchInstance.Job {
        let mebibyte: Int64 = 1 << 20, demand = Amounts(shape.demand)
        var job = BatchInstance.Job(
            request: SIMD4(
                max(1, Self.whole(demand.cpu)), Self.whole((demand.memory + mebibyte - 1) / mebibyte),
                Self.whole((demand.disk + mebibyte - 1) / mebibyte), wantsDevices ? Self.whole(demand.gpu) : 1))
        job.sla = shape.sla
        let ratio = Self.ratio(shape)
        let nearest = ratios.indices.min { abs(ratios[$0] - ratio) < abs(ratios[$1] - ratio) } ?? 0
        job.bid = BatchInstance.Bid.allCases[nearest]
        let seconds = max(0.001, (shape.expectedTime ?? shape.demand.time).seconds)
        job.workCoreSeconds = seconds * Double(job.request[0]) / 1000
        job.inputMebibytes = Double(max(0, shape.inputBytes.bytes)) / 0x1p20
        return job
    }

    func node(_ index: Int32, _ pool: NodePool) -> BatchInstance.Node {
        let record = pool.nodes[Int(index)], whole = pool.capacities[Int(index)], free = pool.free[Int(index)]
        func four(_ amounts: Amounts) -> SIMD4<Int32> {
            SIMD4(
                Self.whole(amounts.cpu), Self.whole(amounts.memory >> 20), Self.whole(amounts.disk >> 20),
                Self.whole(wantsDevices ? amounts.gpu : amounts.slots))
        }
        let capacity = four(whole)
        var node = BatchInstance.Node(capacity: capacity, used: capacity &- pointwiseMin(capacity, four(free)))
        node.speed = record.speed.isFinite && record.speed > 0 ? record.speed : 1
        let queued = Double(max(0, record.queueDepth)) / Double(max(1, record.allowance.slots)) * meanSeconds
        node.latencyMilliseconds = ((record.latency?.seconds ?? 1) + queued / node.speed) * 1000
        node.megabitsPerSecond = Double(max(1, record.bandwidth ?? 1_000_000)) / 1e6
        let earned = wantsDevices ? record.trustOnGPU ?? record.trust : record.trust
        node.trust = record.isTrusted ? 1 : earned.isFinite ? max(0, min(1, earned)) : 0
        node.coreCost = Double(record.runningCosts.core.micro)
        node.memoryCost = Double(record.runningCosts.gibibyte.micro)
        for (place, ratio) in ratios.enumerated() {
            node.asks[place] = Double(record.asks.core.micro) + ratio * Double(record.asks.gibibyte.micro)
        }
        return node
    }
}

extension PlacementTick {
    /// The decision on one of a window's shapes, before anything is given out.
    func draft(_ index: Int, _ batch: JointBatch, _ answer: JointBatch.Answer) -> DecisionDraft {
        var tick = self
        let valuation = Valuation(problem.shapes[index], demands[index], on: tick.open(index), pool)
        var draft = DecisionDraft(.search, answer.weights, valuation, pool) { place, _ in
            batch.adjusted(index, valuation.nodes[place], answer)
        }
        draft.together = Set(batch.entries.map(\.shape)).count
        draft.front = answer.front.solutions.map(\.objectives)
        draft.chosen = answer.chosen
        return draft
    }
}
