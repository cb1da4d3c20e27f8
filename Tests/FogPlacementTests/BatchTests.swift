import FogCore
import Testing

@testable import FogPlacement

/// A batch of unlike nodes and jobs, some of which nothing can take.
func randomBatch(_ seed: UInt64, jobs: Int, nodes: Int) -> BatchInstance {
    var generator = SeededGenerator(seed: seed)
    func whole(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    func unit() -> Double { generator.unit() }
    let places = (0..<nodes).map { _ in
        let cores = Int32(whole(2...16)), memory = Int32(whole(2...32)) * 1024
        var node = BatchInstance.Node(
            capacity: [cores * 1000, memory, Int32(whole(10...200)) * 1024, Int32(whole(0...1))],
            used: [Int32(unit() * 0.5 * Double(cores) * 1000), Int32(unit() * 0.5 * Double(memory)), 0, 0])
        node.region = whole(0...3)
        node.tier = whole(0...2)
        node.speed = 0.5 + unit()
        node.latencyMilliseconds = 5 + unit() * 150
        node.megabitsPerSecond = 10 + unit() * 500
        node.availabilitySeconds = 600 + unit() * 40_000
        node.trust = 0.4 + unit() * 0.6
        node.coreCost = 4000 + unit() * 12_000
        node.memoryCost = node.coreCost * 0.1
        node.asks = [node.coreCost * 0.6, node.coreCost * 1.3, unit() < 0.3 ? 0 : node.coreCost, 0]
        return node
    }
    let tasks = (0..<jobs).map { _ in
        var job = BatchInstance.Job(
            request: [
                Int32(whole(2...30)) * 100, Int32(whole(1...24)) * 128, Int32(whole(1...40)) * 64, unit() < 0.1 ? 1 : 0,
            ])
        job.sla = SLAClass.allCases[whole(0...2)]
        job.bid = BatchInstance.Bid.allCases[whole(0...2)]
        job.workCoreSeconds = 10 + unit() * 1500
        job.inputMebibytes = unit() * 400
        if unit() < 0.25 { job.regionMask = UInt64(whole(1...15)) }
        if unit() < 0.2 { job.minTier = whole(1...2) }
        if unit() < 0.3 { job.minTrust = 0.5 + unit() * 0.3 }
        if unit() < 0.2 { job.maxLatencyMilliseconds = 40 + unit() * 100 }
        if unit() < 0.3 { job.deadlineSeconds = 300 + unit() * 3000 }
        if unit() < 0.2 { job.maxCost = 500 + unit() * 8000 }
        if unit() < 0.2 { job.maxPrice = 6000 + unit() * 12_000 }
        if unit() < 0.2 { job.excluded = [whole(0...nodes - 1)] }
        if unit() < 0.05 { job.request[3] = 9 }
        return job
    }
    return BatchInstance(name: "\(jobs)x\(nodes)", nodes: places, jobs: tasks)
}

/// Two nodes and four jobs, as a stored document.
private let document = """
    {"format":"fog-placement-1","name":"tiny",
     "nodes":{"id":["a","b"],"region":[0,1],"tier":[1,2],"cpu_m":[4000,8000],"mem_mb":[8192,16384],
      "disk_mb":[10000,10000],"gpu":[0,1],"used_cpu_m":[1000,0],"used_mem_mb":[0,4096],"used_disk_mb":[0,0],
      "used_gpu":[0,0],"speed":[1.0,2.0],"net_ms":[10,50],"bw_mbps":[80,160],"avail_s":[1000,100000],
      "trust":[0.75,0.5],"cpu_cost":[3600,7200],"mem_cost":[360,720],"ask_spot":[1800,3600],
      "ask_ondemand":[3600,7200],"ask_reserved":[0,3600]},
     "jobs":{"id":["p","q","r","s"],"sla":["S","B","B","A"],"bid":["spot","ondemand","reserved","spot"],
      "cpu_m":[2000,1000,9000,1000],"mem_mb":[2048,1024,1024,1024],"disk_mb":[1,1,1,1],"gpu":[0,0,0,0],
      "work_core_s":[720,360,360,360],"input_mb":[10,20,0,0],"priority":[0,0,0,0],"region_mask":[0,0,0,2],
      "min_tier":[0,0,0,0],"min_trust":[0,0,0,0.6],"max_latency_ms":[0,0,0,0],"deadline_s":[0,0,0,0],
      "max_cost":[0,0,0,0],"max_price":[0,0,0,0],"excluded":[[],[],[],[]]}}
    """

@Test("a stored batch is read, and its objectives are those reckoned by hand")
func batchByHand() throws {
    let problem = BatchProblem(try BatchInstance(JSON(parsing: document)))
    #expect(problem.candidates(of: 0) == [0, 1])
    #expect(problem.candidates(of: 1) == [0, 1])
    // The third asks for more cores than there are; the fourth for a region and a trust that no node has both of.
    #expect(problem.reasons == [2: .cpu, 3: .combination])
    #expect(problem.placeableCount == 2 && problem.weightSum == 5)
    let placed = problem.evaluate([0, 1, -1, -1])
    // p on a: 0.01 + 1 + 360 s; q on b: 0.05 + 1 + 180 s.
    let first = 361.01, second = 181.05
    // a: 1000 + 2000 of 4000 and 2048 of 8192; b: 1000 of 8000 and 4096 + 1024 of 16384.
    let left = 0.5, right = 0.21875
    let half = (left - right) / 2, variance = half * half
    let cost = (792.0 + 396) / 2
    let price = (360.0 + 360) / 2
    let wanted: [Double] = [(4 * first + second) / 5, variance, 0.3, cost, price]
    for (found, wanted) in zip(placed, wanted) { #expect(abs(found - wanted) < 1e-9 * wanted, "\(placed)") }
    // Left out: q counts twice its worst, 1 of distrust, and its weight in the variance.
    let without = problem.evaluate([0, -1, -1, -1])
    #expect(abs(without[0] - (4 * first + 2 * 362.01) / 5) < 1e-9)
    #expect(abs(without[2] - 0.4) < 1e-12)
    #expect(problem.isFeasible([0, 1, -1, -1]) && !problem.isFeasible([0, 1, 1, -1]))
    #expect(!problem.isFeasible([0, 1, -1]) && !problem.isFeasible([0, 2, -1, -1]))
}

@Test(
    "a batch that is not one is refused at its place",
    arguments: [
        ("fog-placement-1", "fog-placement-9", "format"), ("\"speed\":[1.0,2.0]", "\"speed\":[1.0]", "nodes.speed"),
        ("\"speed\":[1.0,2.0]", "\"speed\":[1.0,0]", "nodes.speed[1]"),
        ("\"gpu\":[0,1]", "\"gpu\":[0,-1]", "nodes.gpu[1]"), ("\"B\",\"B\"", "\"B\",\"X\"", "jobs.sla[2]"),
        ("\"excluded\":[[],[]", "\"excluded\":[[],[7]", "jobs.excluded[1]"),
        ("\"cpu_m\":[2000,1000", "\"cpu_m\":[2000,0", "jobs.cpu_m[1]"),
        ("\"work_core_s\"", "\"work\"", "jobs.work_core_s"),
        ("\"id\":[\"a\",\"b\"]", "\"id\":[]", "nodes.id"),
    ])
func badBatches(_ found: String, _ written: String, _ path: String) throws {
    let parts = document.split(separator: found, maxSplits: 1)
    try #require(parts.count == 2)
    let json = try JSON(parsing: String(parts[0]) + written + String(parts[1]))
    let failure = #expect(throws: PlacementFailure.self) { try BatchInstance(json) }
    #expect(failure?.code == "bad_instance" && failure?.message.hasPrefix(path + ":") == true, "\(failure as Any)")
}

@Test("a batch of more pairs than memory is meant for is refused")
func batchSizeIsBounded() throws {
    try BatchInstance.checkSize(jobs: 10_000, nodes: 10_000)
    #expect(throws: PlacementFailure.self) { try BatchInstance.checkSize(jobs: 100_000, nodes: 20_000) }
    #expect(throws: PlacementFailure.self) { try BatchInstance.checkSize(jobs: .max, nodes: 2) }
}

@Test("candidates and reasons are those of checking all pairs", arguments: 0..<6 as Range<UInt64>)
func candidatesAreThoseAllowed(_ seed: UInt64) {
    let batch = randomBatch(seed, jobs: 60, nodes: 12)
    let problem = BatchProblem(batch, workers: 2)
    for (index, job) in batch.jobs.enumerated() {
        func checks(_ place: Int) -> [(BatchReason, Bool)] {
            let node = batch.nodes[place], left = node.capacity &- node.used
            let run = job.workCoreSeconds / (Double(job.request[0]) / 1000 * node.speed)
            let time = node.latencyMilliseconds / 1000 + job.inputMebibytes * 8 / node.megabitsPerSecond + run
            let ask = node.asks[job.bid.rawValue]
            return [
                (.cpu, job.request[0] <= left[0]), (.memory, job.request[1] <= left[1]),
                (.disk, job.request[2] <= left[2]), (.gpu, job.request[3] <= left[3]),
                (.region, job.regionMask == 0 || job.regionMask & (1 << UInt64(node.region)) != 0),
                (.tier, node.tier >= job.minTier), (.trust, node.trust >= job.minTrust),
                (.latency, job.maxLatencyMilliseconds == 0 || node.latencyMilliseconds <= job.maxLatencyMilliseconds),
                (.deadline, job.deadlineSeconds == 0 || time <= job.deadlineSeconds),
                (.availability, job.sla == .b || time <= node.availabilitySeconds),
                (.cost, job.maxCost == 0 || problem.exact.cost(index, place) <= job.maxCost),
                (.price, job.maxPrice == 0 || ask <= job.maxPrice), (.bid, ask > 0),
                (.excluded, !job.excluded.contains(place)),
            ]
        }
        let all = batch.nodes.indices.map(checks)
        let allowed = all.indices.filter { all[$0].allSatisfy(\.1) }
        #expect(problem.candidates(of: index).map(Int.init) == allowed)
        if allowed.isEmpty {
            let reason = BatchReason.allCases.first { reason in
                reason == .combination || !all.contains { $0.contains { $0.0 == reason && $0.1 } }
            }
            #expect(problem.reasons[index] == reason)
        } else {
            #expect(problem.reasons[index] == nil)
        }
    }
}

@Test("sums that moves change are those of the whole placement", arguments: 0..<6 as Range<UInt64>)
func movesKeepSums(_ seed: UInt64) {
    let problem = BatchProblem(randomBatch(seed, jobs: 50, nodes: 12)), data = SearchData(problem)
    var generator = SeededGenerator(seed: seed)
    var bench = Workbench(data)
    for _ in 0..<600 {
        let job = Int(problem.order[generator.below(problem.placeableCount)])
        if bench.assignment[job] >= 0 { bench.take(job) }
        let list = problem.candidates(of: job)
        let node = Int(list[list.startIndex + generator.below(list.count)])
        if generator.below(4) > 0, bench.fits(job, on: node) { bench.put(job, on: node) }
    }
    #expect(problem.isFeasible(bench.assignment))
    let exact = problem.evaluate(bench.assignment), found = data.objectives(bench.sums)
    for place in 0..<5 { #expect(abs(found[place] - exact[place]) < 1e-4 * exact[place]) }
    for node in 0..<problem.nodeCount {
        var chain: [Int] = [], walk = Int(bench.head[node])
        while walk >= 0 {
            chain.append(walk)
            walk = Int(bench.next[walk])
        }
        #expect(Set(chain) == Set(bench.assignment.indices.filter { bench.assignment[$0] == Int32(node) }))
    }
}

@Test("repair leaves nothing over capacity, whatever the genome", arguments: 0..<20 as Range<UInt64>)
func repairIsFeasible(_ seed: UInt64) {
    let problem = BatchProblem(randomBatch(seed, jobs: 80, nodes: 10)), data = SearchData(problem)
    var generator = SeededGenerator(seed: seed &+ 99)
    let genome = (0..<80).map { _ in Int32(generator.below(11)) - 1 }
    let plain = Repair.bench(genome, data, using: &generator)
    #expect(problem.isFeasible(plain.assignment) && problem.isFeasible(Repair.member(genome, data).assignment))
    // In the order of service classes: nobody less urgent may have taken the place that a more urgent one wanted.
    var left = problem.free
    for entry in problem.order {
        let job = Int(entry), node = Int(genome[job])
        guard node >= 0, problem.admits(job, node), all(data.requests[job] .<= left[node]) else { continue }
        left[node] &-= data.requests[job]
        #expect(plain.assignment[job] == genome[job])
    }
}

@Test("the least of many costs are found", arguments: 0..<30 as Range<UInt64>)
func bucketsFindLeast(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let count = 1 + generator.below(400), width = 1 + generator.below(40)
    let buckets = CostBuckets(capacity: count, width: width)
    defer { buckets.deallocate() }
    let values = (0..<count).map { _ in seed % 5 == 0 ? Float(1) : Float(generator.unit() * generator.unit()) }
    for (place, value) in values.enumerated() { buckets.priced[place] = value }
    let kept = buckets.select(count)
    let chosen = (0..<kept).map { Int(buckets.chosen[$0]) }
    #expect(kept == min(count, width) && Set(chosen).count == kept)
    // Within a bucket any will do: none may be worse than the best left out by more than a bucket.
    let worst = chosen.map { values[$0] }.max() ?? 0, least = values.min() ?? 0
    let mean = values.reduce(0, +) / Float(count)
    let others = (0..<count).filter { !chosen.contains($0) }.map { values[$0] }.min() ?? .infinity
    #expect(worst <= others + 2 * (mean - least) / 64 + 1e-5)
}

@Test("a single job goes where the whole problem says it is best", arguments: 0..<20 as Range<UInt64>)
func singleIsExact(_ seed: UInt64) {
    let batch = randomBatch(seed, jobs: 5, nodes: 30)
    for job in batch.jobs {
        let problem = BatchProblem(BatchInstance(name: "", nodes: batch.nodes, jobs: [job]))
        for axis in 0..<5 {
            var weights = [Double](repeating: 0, count: 5)
            weights[axis] = 1
            let found = SinglePlacement.best(job, on: batch.nodes, weights: weights, count: 3)
            let all = problem.candidates(of: 0).map { node in (problem.evaluate([node])[axis], Int(node)) }
            #expect(found.count == min(3, all.count))
            guard let best = all.map(\.0).min(), let first = found.first else { continue }
            #expect(abs(problem.evaluate([Int32(first.node)])[axis] - best) <= 1e-9 * max(1e-3, abs(best)))
            #expect(zip(found, found.dropFirst()).allSatisfy { $0.score <= $1.score } && first.score == 0)
        }
    }
}
