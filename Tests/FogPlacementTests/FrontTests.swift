import FogCore
import Testing

@testable import FogPlacement

private func search(
    _ problem: BatchProblem, seed: UInt64 = 1, workers: Int = 1, population: Int = 12, generations: Int = 3,
    seeds: [[Int32]] = [], ends: @Sendable () -> Bool = { false }
) -> PlacementFront {
    var settings = FrontSettings()
    (settings.seed, settings.workers) = (seed, workers)
    (settings.population, settings.generations) = (population, generations)
    return FrontSearch.run(problem, settings, seeds: seeds, ends: ends)
}

private func table(_ front: PlacementFront) -> ObjectiveTable { ObjectiveTable(front.solutions.map(\.objectives)) }

@Test("a front is feasible, of the size asked, without one that another dominates", arguments: 0..<5 as Range<UInt64>)
func frontIsSound(_ seed: UInt64) {
    let problem = BatchProblem(randomBatch(seed, jobs: 40, nodes: 10))
    let front = search(problem, seed: seed)
    #expect((1...12).contains(front.solutions.count) && front.solutions.indices.contains(front.chosen))
    for solution in front.solutions {
        #expect(problem.isFeasible(solution.assignment))
        #expect(problem.evaluate(solution.assignment) == solution.objectives)
        for job in problem.reasons.keys { #expect(solution.assignment[job] == -1) }
    }
    // Objectives of the search are single floats: what it holds for incomparable may differ in the last digits.
    let objectives = table(front)
    #expect(NonDominatedSort.firstFront(objectives).count >= objectives.count - 1)
}

@Test("equal seeds give equal fronts on one thread and on three")
func frontIsDeterministic() {
    let problem = BatchProblem(randomBatch(3, jobs: 30, nodes: 8))
    func assignments(_ seed: UInt64, _ workers: Int) -> [[Int32]] {
        search(problem, seed: seed, workers: workers).solutions.map(\.assignment)
    }
    let one = assignments(7, 1)
    #expect(assignments(7, 3) == one)
    #expect(assignments(8, 1) != one)
}

@Test("the front is better than that of the plain search, and than greedy placements in as many directions")
func frontBeatsPlain() {
    let problem = BatchProblem(randomBatch(11, jobs: 50, nodes: 14)), data = SearchData(problem)
    var settings = EvolutionSettings()
    (settings.population, settings.generations, settings.survival) = (12, 3, .indicator)
    let plain = PlacementFront(problem, Evolution.run(BatchGenome(problem), settings))
    let front = search(problem)
    var rows = table(front).rows + table(plain).rows
    let ranges = SIMD8<Double>(
        rows.reduce(into: [Double](repeating: 0, count: 8)) { high, row in
            for place in row.indices { high[place] = max(high[place], row[place]) }
        }.map { max($0, 1e-9) })
    let greedy = Directions.spread(12, seed: 1).map { weights in
        var search = PriceSearch(data, Direction(weights, ranges: ranges, data))
        search.choose()
        search.place()
        return problem.evaluate(search.bench.assignment)
    }
    rows += greedy
    let reference = (0..<5).map { place in rows.map { $0[place] }.max().map { $0 * 1.01 } ?? 1 }
    func volume(_ rows: [[Double]]) -> Double { Hypervolume.of(ObjectiveTable(rows), reference: reference) }
    #expect(volume(table(front).rows) > volume(table(plain).rows))
    #expect(volume(table(front).rows) > volume(greedy))
}

@Test("a search that is ended at once still has a front, and one with nothing to place is done")
func frontEndsEarly() {
    let problem = BatchProblem(randomBatch(5, jobs: 30, nodes: 8))
    let front = search(problem) { true }
    #expect(!front.solutions.isEmpty && front.generations == 0)
    for solution in front.solutions { #expect(problem.isFeasible(solution.assignment)) }
    var batch = randomBatch(6, jobs: 4, nodes: 3)
    for job in batch.jobs.indices { batch.jobs[job].request[3] = 50 }
    let nothing = search(BatchProblem(batch))
    #expect(nothing.solutions.map(\.assignment) == [[-1, -1, -1, -1]])
}

@Test("a warm start is never lost unless something dominates it")
func warmStartIsKept() {
    let problem = BatchProblem(randomBatch(9, jobs: 40, nodes: 10))
    let first = search(problem, population: 24)
    let again = search(problem, seed: 2, population: 24, generations: 0, seeds: first.solutions.map(\.assignment))
    let all = table(first).rows + table(again).rows
    let reference = (0..<5).map { place in all.map { $0[place] }.max().map { $0 * 1.1 } ?? 1 }
    let before = Hypervolume.of(table(first), reference: reference)
    #expect(Hypervolume.of(table(again), reference: reference) > 0.9 * before)
    for axis in 0..<5 {
        let old = first.solutions.map { $0.objectives[axis] }.min() ?? 0
        let new = again.solutions.map { $0.objectives[axis] }.min() ?? 0
        #expect(new <= old * (1 + 1e-5))
    }
}

@Test("what an archive covers never shrinks, nor its hypervolume while it has room", arguments: 0..<12 as Range<UInt64>)
func archiveNeverShrinks(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let bound = seed.isMultiple(of: 2) ? 10 : 1000
    var archive = FrontArchive(
        CoverSamples(count: 512), low: SIMD8(repeating: 0), high: SIMD8(repeating: 1), bound: bound)
    var covered = archive.volume, volume = 0.0
    for step in 0..<64 {
        // Along a sphere, nearer and nearer: most are dominated by none.
        var point = SIMD8<Double>(repeating: 0)
        for place in 0..<5 { point[place] = generator.unit() }
        point = 1 - point / (point * point).sum().squareRoot() * (0.3 + 0.01 * Double(step))
        for place in 5..<8 { point[place] = 0 }
        archive.insert(
            FrontArchive.Member(assignment: [], objectives: point, weights: point, prices: [], uses: []))
        #expect(archive.volume >= covered && archive.members.count <= bound)
        covered = archive.volume
        if bound == 1000, step % 16 == 15 {
            var rows = ObjectiveTable(width: 5)
            for member in archive.members { rows.append((0..<5).map { member.objectives[$0] }) }
            let reached = Hypervolume.of(rows, reference: [Double](repeating: 1.1, count: 5))
            #expect(reached >= volume - 1e-12)
            volume = reached
            for one in archive.members.indices {
                for other in archive.members.indices where one != other {
                    #expect(Dominance.compare(rows[one], rows[other]) == .neither)
                }
            }
        }
    }
}

@Test("covered samples estimate the volume")
func samplesEstimate() {
    let samples = CoverSamples(count: 16384)
    let point = SIMD8<Float>(0.2, 0.1, 0.3, 0.4, 0.25, 0, 0, 0)
    let share = Double(Cover.count(samples.cover(point))) / 16384
    #expect(abs(share - 0.8 * 0.9 * 0.7 * 0.6 * 0.75) < 0.01)
    #expect(Cover.count(samples.cover(SIMD8(1, 0, 0, 0, 0, 0, 0, 0))) == 0)
}

@Test("prices lead jobs away from where more is asked than there is", arguments: 0..<6 as Range<UInt64>)
func pricesLead(_ seed: UInt64) {
    let problem = BatchProblem(randomBatch(seed, jobs: 60, nodes: 16)), data = SearchData(problem)
    let weights = SIMD8<Double>(0.001, 0.001, 1, 0.001, 0.001, 0, 0, 0)
    var search = PriceSearch(data, Direction(weights, ranges: SIMD8(repeating: 1), data), width: 16)
    search.choose()
    /// By how much nodes are asked for more than they have, were each job to take its cheapest.
    func excess() -> Double {
        var asked = [SIMD4<Int32>](repeating: .zero, count: problem.nodeCount)
        for entry in problem.order {
            let job = Int(entry), base = job * search.width
            let cheapest = (base..<base + Int(search.counts[job])).min { first, second in
                func cost(_ place: Int) -> Float {
                    search.costs[place] + (data.demands[job] * search.prices[Int(search.lists[place])]).sum()
                }
                return cost(first) < cost(second)
            }
            if let cheapest { asked[Int(search.lists[cheapest])] &+= data.requests[job] }
        }
        return asked.indices.reduce(0) { sum, node in
            let over = pointwiseMax(.zero, asked[node] &- problem.free[node])
            return sum + Double((SIMD4<Float>(over) * data.rooms[node]).sum())
        }
    }
    let before = excess()
    search.settle(80, pace: 1)
    #expect(excess() < 0.7 * before)
    for price in search.prices { #expect(all(price .>= 0)) }
}

@Test("improving never makes a placement worse in its direction", arguments: 0..<8 as Range<UInt64>)
func improvingImproves(_ seed: UInt64) {
    let problem = BatchProblem(randomBatch(seed, jobs: 50, nodes: 10)), data = SearchData(problem)
    var generator = SeededGenerator(seed: seed)
    let weights = Directions.spread(6, seed: seed)[Int(seed) % 6]
    let start = Repair.random(data, using: &generator)
    var search = PriceSearch(data, Direction(weights, ranges: start.objectives + 1e-6, data))
    search.choose()
    search.bench.load(start.assignment)
    let before = search.value
    search.improve(rounds: 5, reach: (10, 10))
    let after = search.value
    #expect(after < before && problem.isFeasible(search.bench.assignment))
    search.polish(work: 40_000, heat: 0.5, reach: (10, 10), { false }, using: &generator)
    #expect(search.value <= after + 1e-6 * abs(after) && problem.isFeasible(search.bench.assignment))
}

@Test("children of operators that pay are made more often, of the others now and then")
func creditsLearn() {
    var credits = OperatorCredits()
    for _ in 0..<6 {
        for kind in ChildKind.usual { credits.reward(kind, kind == .mixed ? 10 : 0) }
        credits.settle()
    }
    var generator = SeededGenerator(seed: 1), drawn = [ChildKind: Int]()
    for _ in 0..<1000 { drawn[credits.draw(using: &generator), default: 0] += 1 }
    #expect(drawn[.mixed, default: 0] > 700)
    #expect(drawn[.fresh, default: 0] > 50 && drawn[.refined, default: 0] > 50)
}
