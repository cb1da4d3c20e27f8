package import FogCore

/// What a search needs of a problem: genomes, how they vary, what they are worth.
package protocol SearchProblem: Sendable {
    associatedtype Gene: Sendable

    var objectiveCount: Int { get }

    func makeGenome(using generator: inout SeededGenerator) -> [Gene]

    /// Turns two copies of parents into two children.
    func vary(
        _ first: inout [Gene], _ second: inout [Gene], _ settings: EvolutionSettings,
        using generator: inout SeededGenerator)

    /// Writes the objectives, all to be small, and returns by how much constraints are violated: 0 for feasible.
    func evaluate(_ genome: [Gene], into objectives: inout [Double]) -> Double
}

/// How a search runs.
package struct EvolutionSettings: Sendable, Equatable {
    package var population = 50
    package var generations = 100
    /// Chance of a gene to mutate.
    package var mutation = 0.1
    /// Chance of a pair to cross.
    package var crossover = 0.8
    /// How many are drawn for each parent; the best of them is it.
    package var tournament = 3
    package var survival = Survival.crowding
    package var convergence: Convergence?
    package var seed: UInt64 = 1
    package var workers = 1

    package static let maxPopulation = 10_000, maxGenerations = 1_000_000

    package init() {}
}

/// The search ends once its front's hypervolume rests.
package struct Convergence: Sendable, Equatable {
    /// Of the volume reached.
    package var leastGain = 0.001
    /// Generations in which at least that much must be gained.
    package var window = 10

    package init() {}
}

/// NSGA-II (Deb, Pratap, Agarwal and Meyarivan 2002): parents and children compete, whole fronts survive, and the front
/// that does not fit is thinned by the ``Survival`` chosen.
///
/// Equal problem, settings and seed give an equal result on any number of threads: each pair of children has a generator
/// of its own.
package struct Evolution<Problem: SearchProblem> {
    package struct Individual: Sendable {
        package var genome: [Problem.Gene]
        package var objectives: [Double]
        package var violation: Double
    }

    package struct Outcome: Sendable {
        /// The last population, the best front first.
        package var population: [Individual]
        /// How many of them are of the first front.
        package var frontCount: Int
        package var evaluations: Int
        package var generations: Int
        package var hasConverged: Bool
    }

    private let problem: Problem
    private let settings: EvolutionSettings
    private var population: [Individual] = []
    private var ranks: [Int] = []
    private var merits: [Double] = []
    private let directions: [[Double]]
    private var watch: VolumeWatch?

    private init(_ problem: Problem, _ settings: EvolutionSettings) {
        self.problem = problem
        self.settings = settings
        directions =
            settings.survival == .reference
            ? ReferenceDirections.simplex(objectives: problem.objectiveCount, atMost: settings.population) : []
        watch = settings.convergence.map(VolumeWatch.init)
    }

    /// - Parameters:
    ///   - seeds: genomes to start from; the rest is made by the problem.
    ///   - ends: asked before each generation.
    package static func run(
        _ problem: Problem, _ settings: EvolutionSettings, seeds: [[Problem.Gene]] = [], ends: () -> Bool = { false }
    ) -> Outcome {
        var search = Evolution(problem, settings)
        search.start(seeds)
        var outcome = Outcome(
            population: [], frontCount: 0, evaluations: search.population.count, generations: 0, hasConverged: false)
        while outcome.generations < settings.generations, !ends() {
            search.step(outcome.generations)
            outcome.generations += 1
            outcome.evaluations += settings.population
            if search.hasConverged(outcome.generations) {
                outcome.hasConverged = true
                break
            }
        }
        outcome.population = search.population
        outcome.frontCount = search.ranks.count { $0 == 0 }
        return outcome
    }

    private func generator(_ generation: Int, _ index: Int) -> SeededGenerator {
        SeededGenerator(seed: SeedMix.mix(settings.seed, UInt64(generation), UInt64(index)))
    }

    private mutating func start(_ seeds: [[Problem.Gene]]) {
        let given = Array(seeds.prefix(settings.population))
        let made = Parallel.map(settings.population, workers: settings.workers) { [self] index in
            var generator = generator(0, index)
            return judged(index < given.count ? given[index] : problem.makeGenome(using: &generator))
        }
        keep(made)
    }

    private mutating func step(_ generation: Int) {
        let pairs = (settings.population + 1) / 2
        let children = Parallel.map(pairs, workers: settings.workers) { [self] index in
            var generator = generator(generation + 1, index)
            var first = population[parent(using: &generator)].genome
            var second = population[parent(using: &generator)].genome
            problem.vary(&first, &second, settings, using: &generator)
            return (judged(first), judged(second))
        }
        var all = population
        all.reserveCapacity(2 * settings.population + 1)
        for (first, second) in children {
            all.append(first)
            if all.count < 2 * settings.population { all.append(second) }
        }
        keep(all)
    }

    private func judged(_ genome: [Problem.Gene]) -> Individual {
        var objectives = [Double](repeating: 0, count: problem.objectiveCount)
        let violation = problem.evaluate(genome, into: &objectives)
        return Individual(genome: genome, objectives: objectives, violation: violation)
    }

    private func parent(using generator: inout SeededGenerator) -> Int {
        var best = generator.below(population.count)
        for _ in 1..<max(1, settings.tournament) {
            let other = generator.below(population.count)
            if ranks[other] < ranks[best] || ranks[other] == ranks[best] && merits[other] > merits[best] {
                best = other
            }
        }
        return best
    }

    /// Twins add nothing to a front and crowd out others: the first of equal points is kept, the others only where there
    /// are too few.
    private mutating func keep(_ all: [Individual]) {
        var table = ObjectiveTable(width: problem.objectiveCount)
        table.reserve(all.count)
        var unique: [Int] = [], twins: [Int] = []
        var seen: Set<[UInt64]> = []
        for index in all.indices {
            let isNew = seen.insert(all[index].objectives.map(\.bitPattern)).inserted
            if isNew { unique.append(index) } else { twins.append(index) }
        }
        if unique.count < settings.population { unique += twins.prefix(settings.population - unique.count) }
        for index in unique { table.append(all[index].objectives) }
        let violations = unique.map { all[$0].violation }
        let chosen = settings.survival.choose(
            min(settings.population, unique.count), of: table, violations: violations, directions: directions)
        population = chosen.rows.map { all[unique[$0]] }
        ranks = chosen.ranks
        merits = chosen.merits
    }

    private mutating func hasConverged(_ generation: Int) -> Bool {
        guard watch != nil, population[0].violation <= 0 else { return false }
        let front = population.indices.filter { ranks[$0] == 0 }
        var table = ObjectiveTable(width: problem.objectiveCount)
        for index in front { table.append(population[index].objectives) }
        return watch?.rests(after: generation, table) ?? false
    }
}

/// Looks every few generations how much hypervolume was gained, in the frame of the first front seen.
struct VolumeWatch {
    private let settings: Convergence
    private var reference: [Double] = []
    private var volume = 0.0

    init(_ settings: Convergence) { self.settings = settings }

    mutating func rests(after generation: Int, _ front: ObjectiveTable) -> Bool {
        guard front.count > 0, generation.isMultiple(of: max(1, settings.window)) else { return false }
        if reference.isEmpty {
            let bounds = front.bounds
            reference = zip(bounds.low, bounds.high).map { $1 + 0.1 * max($1 - $0, abs($1) * 1e-6) }
        }
        let reached = Hypervolume.of(front, reference: reference)
        defer { volume = reached }
        return volume > 0 && reached - volume < settings.leastGain * volume
    }
}
