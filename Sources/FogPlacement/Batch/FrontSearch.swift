internal import FogCore

/// How a front of placements is searched.
package struct FrontSettings: Sendable {
    /// Placements of the front that is returned.
    package var population = 50
    package var generations = 100
    /// Chance of a child of two parents to be mixed from both.
    package var crossover = 0.8
    package var seed: UInt64 = 1
    package var workers = 1
    /// The search ends after the generation in which that many pairs of job and node were looked at. The same on every
    /// machine, which a time is not. Nil = four hundred times all there are, and at least some 1.5 seconds' worth, of
    /// small batches twice as much.
    package var work: Int?
    /// Pairs looked at when the best in one objective is polished: for each job, at most in all (some twenty
    /// milliseconds), and for each job even so.
    package var polishing = (ofJob: 60_000, most: 4_000_000, least: 4000)
    /// The search ends once its volume rests.
    package var convergence: Convergence? = Convergence()

    package init() {}
}

/// NSGA-II's frame (parents, children, elitist survival by dominance) around what makes it work for placements of
/// hundreds of jobs: parents that come from shadow prices in many directions, children that are improved in the direction
/// in which the front gains most, an archive that forgets nothing better, and survival by what covers the front.
package struct FrontSearch {
    let data: SearchData
    let settings: FrontSettings
    var archive: FrontArchive
    /// What has survived, of all that is in the archive: the parents.
    private var parents: [FrontArchive.Member] = []
    var credits = OperatorCredits()
    var evaluations = 0
    /// What was done so far, and what may be, in pairs of job and node looked at.
    private var work = 0
    private let mostWork: Int
    /// Axis by axis, the prices that the best placement in it was found at, per unit of that objective.
    private var axisPrices: [[SIMD4<Float>]] = []
    /// Whose turn it is to be a parent.
    private var turn = Turn()
    /// Children of one parent in a generation: they share the choice of candidates, which is most of the work.
    private static let litter = 3
    private static let leastWork = 400_000_000, smallBatch = 300
    private var axisUses: [[Float]] = []
    /// What the best in each objective was when it was polished last, and how often in vain since.
    private var polished: [(value: Double, vain: Int)] = []

    /// - Parameters:
    ///   - seeds: placements to start from beside its own; what does not fit is put elsewhere.
    ///   - ends: asked before each piece of work; a search that is ended returns what it has.
    package static func run(
        _ problem: BatchProblem, _ settings: FrontSettings, seeds: [[Int32]] = [],
        ends: @Sendable () -> Bool = { false }
    ) -> PlacementFront {
        guard problem.placeableCount > 0 else {
            let nothing = [Int32](repeating: -1, count: problem.jobCount)
            let solution = PlacementFront.Solution(assignment: nothing, objectives: problem.evaluate(nothing))
            return PlacementFront(solutions: [solution], chosen: 0, evaluations: 1, generations: 0, hasConverged: true)
        }
        var search = FrontSearch(SearchData(problem), settings, seeds, ends)
        var generation = 0, volumes = [search.archive.volume], frames = search.archive.frames, hasConverged = false
        while generation < settings.generations, !ends() {
            search.step(generation, ends)
            generation += 1
            // Volumes in another frame say nothing of the gain.
            if frames != search.archive.frames { (volumes, frames) = ([], search.archive.frames) }
            volumes.append(search.archive.volume)
            if search.work >= search.mostWork { break }
            if let convergence = settings.convergence, volumes.count > convergence.window {
                let reached = volumes[volumes.count - 1]
                let before = volumes[volumes.count - 1 - convergence.window]
                if reached - before < convergence.leastGain * reached {
                    hasConverged = true
                    break
                }
            }
        }
        return search.front(generation, hasConverged)
    }

    // MARK: Starting

    private init(
        _ data: SearchData, _ settings: FrontSettings, _ seeds: [[Int32]], _ ends: @Sendable () -> Bool
    ) {
        self.data = data
        self.settings = settings
        // Small batches have optima to be found exactly, not only to come near.
        let least = data.problem.placeableCount <= Self.smallBatch ? 2 * Self.leastWork : Self.leastWork
        mostWork = settings.work ?? max(least, 400 * data.problem.candidates.count)
        let random = Parallel.map(8, workers: settings.workers) { index in
            var generator = SeededGenerator(seed: SeedMix.mix(settings.seed, 1, UInt64(index)))
            return Repair.random(data, using: &generator)
        }
        let mean = random.reduce(SIMD8<Double>(repeating: 0)) { $0 + $1.objectives } / 8
        // How far each objective can fall is not known yet; a few in a hundred do not matter to the axes.
        var ranges = Repair.floor(data)
        ranges = pointwiseMax(mean - ranges, mean * 0.05)
        for place in 0..<8 where !(ranges[place] > 0) { ranges[place] = 1 }
        let first = ranges
        let litters = Parallel.map(5, workers: settings.workers) { axis in
            var weights = SIMD8<Double>(repeating: 0.0005)
            weights[axis] = 1
            let task = ChildTask(
                kinds: [.fresh], weights: weights, prices: [], uses: [],
                effort: data.problem.placeableCount > 2000 ? .wideAxis : .axis)
            return ChildMaker.make(task, data, ranges: first, crossover: 0, ends)
        }
        let axes = litters.flatMap(\.members)
        work = litters.reduce(0) { $0 + $1.work }
        var low = axes[0].objectives, high = mean
        for axis in axes {
            low = pointwiseMin(low, axis.objectives)
            high = pointwiseMax(high, axis.objectives)
        }
        archive = FrontArchive(
            CoverSamples(count: 4096), low: low, high: high, bound: max(64, 8 * settings.population))
        for axis in axes { archive.insert(axis) }
        for member in random { archive.insert(member) }
        for seed in seeds { archive.insert(Repair.member(seed, data)) }
        axisPrices = axes.enumerated().map { axis, member in
            // From a unit of the first guess of the range to one of the range.
            let factor = Float(first[axis] / archive.ranges[axis])
            return member.prices.map { $0 * factor }
        }
        axisUses = axes.map(\.uses)
        evaluations = axes.count + random.count + seeds.count
        spread(ends)
    }

    /// Placements in directions all over, at prices mixed from those of the axes.
    private mutating func spread(_ ends: @Sendable () -> Bool) {
        let directions = Directions.spread((settings.population + 1) / 2, seed: settings.seed)
        let tasks = directions.map { weights in
            ChildTask(
                kinds: [.fresh], weights: weights, prices: mixedPrices(weights), uses: mixedUses(weights), effort: .seed
            )
        }
        breed(tasks, generation: 0, ends)
    }

    func mixedPrices(_ weights: SIMD8<Double>) -> [SIMD4<Float>] {
        var mixed = [SIMD4<Float>](repeating: .zero, count: data.nodeCount)
        for axis in 0..<5 where weights[axis] > 0 {
            let share = Float(weights[axis] / max(weights.sum(), 1e-12))
            for node in mixed.indices { mixed[node] += share * axisPrices[axis][node] }
        }
        return mixed
    }

    private func mixedUses(_ weights: SIMD8<Double>) -> [Float] {
        var mixed = [Float](repeating: 0, count: data.nodeCount)
        for axis in 0..<5 where weights[axis] > 0 {
            let share = Float(weights[axis] / max(weights.sum(), 1e-12))
            for node in mixed.indices { mixed[node] += share * axisUses[axis][node] }
        }
        return mixed
    }

    // MARK: A generation

    private mutating func step(_ generation: Int, _ ends: @Sendable () -> Bool) {
        let pool = archive.pool
        parents = archive.best(settings.population, of: pool, pool.map(\.cover)).map { pool[$0] }
        var generator = SeededGenerator(seed: SeedMix.mix(settings.seed, 2, UInt64(generation)))
        let slopes = slopes()
        turn.shuffle(parents.count, using: &generator)
        var tasks: [ChildTask] = []
        var left = settings.population
        while left > 0 {
            let at = turn.next(), parent = parents[at]
            // Half way between where it was going and where the front gains most.
            var weights = parent.weights
            for axis in 0..<5 { weights[axis] = (max(weights[axis], 0.002) * slopes[at][axis]).squareRoot() }
            var task = ChildTask(
                weights: weights / weights.sum(), prices: parent.prices, uses: parent.uses, effort: .child)
            task.start = parent.assignment
            task.mate = parents[nearby(at, using: &generator)].assignment
            for _ in 0..<min(left, FrontSearch.litter) { task.kinds.append(credits.draw(using: &generator)) }
            task.seed = generator.next()
            left -= task.kinds.count
            tasks.append(task)
        }
        breed(tasks + polishing(generation, using: &generator), generation: generation + 1, ends)
    }

    /// Longer work on the best placement in each objective: in the generations 4, 8, 16, 24 and so on until it has been in
    /// vain a few times, and sooner when the work allowed is soon done.
    private mutating func polishing(_ generation: Int, using generator: inout SeededGenerator) -> [ChildTask] {
        let isSoonDone = polished.isEmpty && work >= mostWork / 10 * 6
        guard isSoonDone || generation == 3 || generation % 8 == 7 else { return [] }
        let ranges = archive.ranges
        if polished.isEmpty { polished = Array(repeating: (.infinity, 0), count: archive.champions.count) }
        var tasks: [ChildTask] = []
        // Small batches are soon polished, and stand on plateaus that another try gets off.
        let patience = data.problem.placeableCount <= Self.smallBatch ? 12 : 3
        for (axis, member) in archive.champions.enumerated() {
            let reached = member.objectives[axis]
            let pays = polished[axis].value - reached > 0.0005 * ranges[axis]
            polished[axis] = (reached, pays ? 0 : polished[axis].vain + 1)
            guard polished[axis].vain < patience else { continue }
            var weights = SIMD8<Double>(repeating: 0.0005)
            weights[axis] = 1
            var task = ChildTask(
                kinds: [.polished], weights: weights, prices: axisPrices[axis].map { $0 * 0.5 }, uses: member.uses,
                effort: .polish)
            task.start = member.assignment
            task.seed = generator.next()
            let jobs = data.problem.placeableCount, polishing = settings.polishing
            task.polishWork = min(max(polishing.most, jobs * polishing.least), jobs * polishing.ofJob)
            if jobs <= Self.smallBatch {
                // What a short annealing missed, a longer one may find, or one that strays less.
                task.polishWork *= 1 + polished[axis].vain
                if !polished[axis].vain.isMultiple(of: 2) { task.polishHeat = 0.15 }
            }
            tasks.append(task)
        }
        return tasks
    }

    /// For each parent, what it is worth to go down in each objective.
    private func slopes() -> [SIMD8<Double>] {
        var once = [UInt64](repeating: 0, count: archive.covered.count), twice = once
        for parent in parents {
            let cover = parent.cover
            for place in once.indices {
                twice[place] |= once[place] & cover[place]
                once[place] |= cover[place]
            }
        }
        let samples = archive.samples
        return parents.map { member in
            // What others cover: twice, or once and not by this one.
            let others = once.indices.map { twice[$0] | once[$0] & ~member.cover[$0] }
            var slope = samples.slope(archive.scaled(member.objectives), others: others, reach: 0.06)
            var sum = 0.0
            for axis in 0..<5 { sum += slope[axis] }
            for axis in 0..<5 { slope[axis] = (slope[axis] + 0.04 * sum + 1) / (1.2 * sum + 5) }
            return slope
        }
    }

    /// Another parent, the nearer the likelier: the best of three drawn.
    private func nearby(_ at: Int, using generator: inout SeededGenerator) -> Int {
        let point = archive.scaled(parents[at].objectives)
        var best = at, least = Float.infinity
        for _ in 0..<3 {
            let other = generator.below(parents.count)
            guard other != at else { continue }
            let gap = archive.scaled(parents[other].objectives) - point
            let distance = (gap * gap).sum()
            if distance < least { (least, best) = (distance, other) }
        }
        return best
    }

    /// Makes the children, and takes into the archive what is new; in the order of the tasks, whoever is done first.
    private mutating func breed(_ tasks: [ChildTask], generation: Int, _ ends: @Sendable () -> Bool) {
        let data = data, ranges = archive.ranges, crossover = settings.crossover
        let children = Parallel.map(tasks.count, workers: settings.workers) { index in
            ends() ? Litter() : ChildMaker.make(tasks[index], data, ranges: ranges, crossover: crossover, ends)
        }
        for (task, litter) in zip(tasks, children) {
            work += litter.work
            for (kind, child) in zip(task.kinds, litter.members) {
                evaluations += 1
                let gain = archive.insert(child) ?? 0
                if generation > 0 { credits.reward(kind, Double(gain)) }
            }
        }
        credits.settle()
        archive.reframe()
    }
}

/// Each in turn, in an order drawn anew when all have had theirs.
private struct Turn {
    private var order: [Int] = []
    private var position = 0

    mutating func shuffle(_ count: Int, using generator: inout SeededGenerator) {
        order = Array(0..<count)
        order.shuffle(using: &generator)
        position = 0
    }

    mutating func next() -> Int {
        defer { position = position + 1 == order.count ? 0 : position + 1 }
        return order[position]
    }
}
