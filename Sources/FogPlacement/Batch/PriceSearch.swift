/// A placement in one direction: shadow prices on what nodes have, a placement at these prices, and local improvement.
///
/// The prices are multipliers of the Lagrangian relaxation of the nodes' capacities (Fisher 1981): a node that more jobs
/// want than fit grows dear until enough of them go elsewhere. Each job looks at its few best nodes only, chosen at the
/// prices known so far; that makes a step some ten times shorter and costs nothing that could be measured.
struct PriceSearch {
    let data: SearchData
    /// Candidates that a job keeps.
    let width: Int
    private(set) var direction: Direction
    var bench: Workbench
    /// Of cpu, memory, disk and devices of each node.
    var prices: [SIMD4<Float>]
    /// The utilisation that is expected of each node.
    var uses: [Float] { didSet { press(uses) } }
    /// What use of a node's cpu and memory costs through the variance.
    private var pressures: [SIMD4<Float>]
    /// Per node and bid: what the factors of a job are multiplied with; the last three are prices.
    private var vectors: [SIMD8<Float>]
    var lists: [Int32]
    var costs: [Float]
    var counts: [Int32]
    /// How much work was done, in pairs of job and node looked at.
    var work = 0

    init(_ data: SearchData, _ direction: Direction, width: Int = 24) {
        self.data = data
        self.width = width
        self.direction = direction
        bench = Workbench(data)
        prices = Array(repeating: .zero, count: data.nodeCount)
        uses = data.nodes.map(\.use)
        pressures = prices
        vectors = Array(repeating: .zero, count: 3 * data.nodeCount)
        lists = Array(repeating: -1, count: width * data.jobs.count)
        costs = Array(repeating: 0, count: width * data.jobs.count)
        counts = Array(repeating: 0, count: data.jobs.count)
        press(uses)
    }

    /// Another direction, or other prices; the lists stay as they are until ``choose()``.
    mutating func turn(to direction: Direction) {
        self.direction = direction
        rebuild()
    }

    private mutating func rebuild() {
        for node in 0..<data.nodeCount {
            let line = data.nodes[node], price = prices[node] + pressures[node], hours = line.inverse * (1 / 3600)
            let fixed = direction.response * line.latency + direction.distrust * line.distrust
            let way = direction.response * line.transfer, run = direction.response * line.inverse
            let memory = direction.cost * line.memoryCost * hours
            for bid in 0..<3 {
                let core = (direction.cost * line.coreCost + direction.price * line.asks[bid]) * hours
                vectors[3 * node + bid] = SIMD8(fixed, way, run, core, memory, price[0], price[1], price[2])
            }
        }
    }

    /// What leaving a job out costs.
    @inline(__always) func penalty(_ job: Int) -> Float {
        let line = data.jobs[job]
        return direction.response * line.weight * line.responsePenalty + direction.left * line.weight
            + direction.cost * line.costPenalty + direction.price * line.pricePenalty
    }

    /// The cost of a job on a node but for what the variance and the prices make of it.
    @inline(__always) func plainCost(_ job: Int, _ node: Int) -> Float {
        let product = data.jobs[job].factors * vectors[3 * node + Int(data.jobs[job].bid)]
        let half = product.lowHalf
        return (half[0] + half[1]) + (half[2] + half[3]) + product[4]
    }

    // MARK: Candidates

    /// Lets each job keep its best nodes at the present prices, in no order.
    ///
    /// Half of a search's time is spent here, so it reads and writes memory directly: all indexes are below the counts
    /// that the arrays were made with.
    mutating func choose() {
        rebuild()
        let data = data, problem = data.problem
        let most = (0..<data.jobs.count).reduce(0) { max($0, problem.starts[$1 + 1] - problem.starts[$1]) }
        let buckets = CostBuckets(capacity: max(1, most), width: width)
        defer { buckets.deallocate() }
        vectors.withUnsafeBufferPointer { vectors in
            problem.candidates.withUnsafeBufferPointer { candidates in
                for entry in problem.order {
                    let job = Int(entry), line = data.jobs[job], devices = data.demands[job][3]
                    let start = problem.starts[job], count = problem.starts[job + 1] - start
                    guard let nodes = candidates.baseAddress.map({ $0 + start }),
                        let table = vectors.baseAddress.map({ $0 + Int(line.bid) })
                    else { continue }
                    let low = line.factors.lowHalf, high = line.factors.highHalf
                    for place in 0..<count {
                        let vector = table[3 &* Int(nodes[place])]
                        let first = low * vector.lowHalf, second = high * vector.highHalf
                        let own = (first[0] + first[1]) + (first[2] + first[3]) + second[0]
                        buckets.plain[place] = own
                        buckets.priced[place] = own + (second[1] + (second[2] + second[3]))
                    }
                    if devices > 0 {
                        for place in 0..<count { buckets.priced[place] += devices * prices[Int(nodes[place])][3] }
                    }
                    let kept = buckets.select(count), base = job * width
                    for place in 0..<kept {
                        let chosen = Int(buckets.chosen[place])
                        lists[base + place] = nodes[chosen]
                        costs[base + place] = buckets.plain[chosen]
                    }
                    counts[job] = Int32(kept)
                    work += count
                }
            }
        }
    }

    /// The plain costs of the lists anew, after a turn.
    mutating func recost() {
        for entry in data.problem.order {
            let job = Int(entry), base = job * width
            for place in base..<base + Int(counts[job]) { costs[place] = plainCost(job, Int(lists[place])) }
            work += Int(counts[job])
        }
    }

    // MARK: Prices

    /// Raises the prices of nodes that more is asked of than they have, lowers those of the others, step by step.
    ///
    /// Subgradient steps toward a target a little above the best bound reached (Brannlund 1993), along a direction that
    /// remembers the last ones (Camerini, Fratta and Maffioli 1975).
    mutating func settle(_ steps: Int, pace: Float) {
        let problem = data.problem, nodes = data.nodeCount
        var asked = [SIMD4<Float>](repeating: .zero, count: nodes)
        var total = asked, heading = asked, kept = prices
        var smooth = uses
        var best = -Double.infinity, ahead = 0.0, stalled = 0
        for step in 0..<steps {
            for node in 0..<nodes {
                total[node] = prices[node] + pressures[node]
                asked[node] = .zero
            }
            var bound = 0.0
            for entry in problem.order {
                let job = Int(entry), base = job * width, demand = data.demands[job]
                var least = penalty(job), chosen = -1
                for place in base..<base + Int(counts[job]) {
                    let node = Int(lists[place]), product = demand * total[node]
                    let cost = costs[place] + ((product[0] + product[1]) + (product[2] + product[3]))
                    if cost < least { (least, chosen) = (cost, node) }
                }
                if chosen >= 0 { asked[chosen] += demand }
                bound += Double(least)
                work += Int(counts[job])
            }
            for node in 0..<nodes { bound -= Double((prices[node] / data.rooms[node]).sum()) }
            if step == 0 { ahead = abs(bound) * 0.05 * Double(pace) }
            if bound > best {
                if bound > best + 0.5 * ahead, step > 0 { ahead *= 1.5 }
                best = bound
                kept = prices
                stalled = 0
            } else {
                stalled += 1
                if stalled > 6 { (ahead, stalled) = (ahead * 0.6, 0) }
            }
            let blend = max(0.1, 1 / Float(step + 3))
            var square = 0.0
            for node in 0..<nodes {
                let line = data.nodes[node]
                let taken = line.use + asked[node][0] * line.cpuShare + asked[node][1] * line.memoryShare
                smooth[node] += blend * (min(taken, 1.5) - smooth[node])
                var excess = asked[node] * data.rooms[node] - 1
                // A price cannot fall below nothing: no step wants it to.
                excess.replace(with: 0, where: (prices[node] .<= 0) .& (excess .< 0))
                heading[node] = excess + 0.6 * heading[node]
                square += Double((excess * excess).sum())
            }
            let length = Float((best + ahead - bound) / max(square, 1e-9)) * 0.6
            for node in 0..<nodes {
                prices[node] = pointwiseMax(.zero, prices[node] + length * heading[node] * data.rooms[node])
            }
            press(smooth)
        }
        uses = smooth
        prices = kept
        rebuild()
    }

    /// Sets what use costs through the variance: its slope, at the use that is expected of each node.
    private mutating func press(_ uses: [Float]) {
        let mean = uses.reduce(0, +) / Float(max(1, uses.count))
        for node in uses.indices {
            let line = data.nodes[node], slope = 2 * direction.variance * (uses[node] - mean)
            pressures[node] = SIMD4(slope * line.cpuShare, slope * line.memoryShare, 0, 0)
        }
    }

    // MARK: Placing

    /// Places all jobs at the prices: those first that lose most when they come late.
    mutating func place() {
        bench.clear()
        var queue: [(regret: Float, job: Int32)] = []
        queue.reserveCapacity(data.problem.placeableCount)
        for entry in data.problem.order {
            let job = Int(entry), base = job * width, demand = data.demands[job]
            var first = Float.infinity, second = penalty(job)
            for place in base..<base + Int(counts[job]) {
                let node = Int(lists[place]), product = demand * (prices[node] + pressures[node])
                let cost = costs[place] + ((product[0] + product[1]) + (product[2] + product[3]))
                if cost < first {
                    second = min(second, first)
                    first = cost
                } else if cost < second {
                    second = cost
                }
            }
            queue.append((second - first, entry))
        }
        queue.sort { ($0.regret, $1.job) > ($1.regret, $0.job) }
        for (_, entry) in queue { home(Int(entry)) }
    }

    /// Puts a job on the cheapest of its nodes that has room: of its list, else of all its candidates.
    mutating func home(_ job: Int) {
        let base = job * width, demand = data.demands[job]
        var least = Float.infinity, chosen = -1
        for place in base..<base + Int(counts[job]) {
            let node = Int(lists[place])
            guard bench.fits(job, on: node) else { continue }
            let product = demand * (prices[node] + pressures[node])
            let cost = costs[place] + ((product[0] + product[1]) + (product[2] + product[3]))
            if cost < least { (least, chosen) = (cost, node) }
        }
        if chosen < 0 {
            for place in data.problem.starts[job]..<data.problem.starts[job + 1] {
                let node = Int(data.problem.candidates[place])
                guard bench.fits(job, on: node) else { continue }
                let product = demand * (prices[node] + pressures[node])
                let cost = plainCost(job, node) + ((product[0] + product[1]) + (product[2] + product[3]))
                if cost < least { (least, chosen) = (cost, node) }
            }
            work += data.problem.starts[job + 1] - data.problem.starts[job]
        }
        if chosen >= 0 { bench.put(job, on: chosen) }
    }
}
