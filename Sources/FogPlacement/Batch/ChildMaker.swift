internal import FogCore

/// How a child is made.
enum ChildKind: Int, CaseIterable, Sendable {
    /// Placed anew at prices.
    case fresh
    /// A parent, improved.
    case refined
    /// Two parents mixed, and improved.
    case mixed
    /// A parent that is the best in one objective, improved at length.
    case polished

    /// Those that compete for a place in a generation.
    static let usual = [ChildKind.fresh, .refined, .mixed]
}

/// How much work a child is worth.
struct ChildEffort: Sendable {
    var width: Int
    var steps: Int
    var rounds: Int
    /// How many nodes a job looks at to take another's place, and how many the other looks at.
    var reach: (own: Int, other: Int)

    static let axis = ChildEffort(width: 40, steps: 60, rounds: 4, reach: (20, 20))
    /// In large batches everybody's best few dozen nodes are the same.
    static let wideAxis = ChildEffort(width: 128, steps: 120, rounds: 6, reach: (32, 32))
    static let seed = ChildEffort(width: 24, steps: 12, rounds: 2, reach: (10, 12))
    static let polish = ChildEffort(width: 64, steps: 0, rounds: 0, reach: (64, 64))
    static let child = ChildEffort(width: 24, steps: 8, rounds: 2, reach: (10, 12))
}

struct ChildTask: Sendable {
    /// The children to make, one after another, from the same candidates.
    var kinds: [ChildKind] = []
    var weights: SIMD8<Double>
    /// To start from; none = 0.
    var prices: [SIMD4<Float>]
    /// How far nodes will be used, as a guess; none = as they are before.
    var uses: [Float]
    var effort: ChildEffort
    var start: [Int32] = []
    var mate: [Int32] = []
    var seed: UInt64 = 0
    /// Pairs looked at when a best one is polished.
    var polishWork = 0
    /// See ``PriceSearch/polish(work:heat:reach:_:using:)``.
    var polishHeat = 0.5
}

/// The children of one task.
struct Litter: Sendable {
    var members: [FrontArchive.Member] = []
    /// In pairs of job and node looked at.
    var work = 0
}

enum ChildMaker {
    static func make(
        _ task: ChildTask, _ data: SearchData, ranges: SIMD8<Double>, crossover: Double,
        _ ends: () -> Bool
    ) -> Litter {
        let direction = Direction(task.weights, ranges: ranges, data)
        var search = PriceSearch(data, direction, width: task.effort.width)
        if !task.prices.isEmpty { search.prices = task.prices }
        if !task.uses.isEmpty { search.uses = task.uses }
        search.choose()
        var generator = SeededGenerator(seed: task.seed)
        let members = task.kinds.enumerated().map { place, kind in
            if place > 0 {
                // Brothers go a little apart.
                var weights = task.weights
                for axis in 0..<5 { weights[axis] *= 0.6 + 0.8 * generator.unit() }
                search.turn(to: Direction(weights, ranges: ranges, data))
                search.recost()
            }
            make(kind, task, &search, crossover: crossover, ends, using: &generator)
            return FrontArchive.Member(
                assignment: search.bench.assignment, objectives: data.objectives(search.bench.sums),
                weights: search.direction.weights, prices: search.prices, uses: search.bench.use)
        }
        return Litter(members: members, work: search.work)
    }

    private static func make(
        _ kind: ChildKind, _ task: ChildTask, _ search: inout PriceSearch, crossover: Double,
        _ ends: () -> Bool, using generator: inout SeededGenerator
    ) {
        let effort = task.effort
        switch kind {
        case .fresh:
            search.settle(effort.steps, pace: 1)
            if task.prices.isEmpty {
                // The first lists were chosen without prices: everybody's were the same few nodes.
                search.choose()
                search.settle(effort.steps / 2, pace: 1)
                search.choose()
            }
            search.place()
        case .refined: search.bench.load(task.start)
        case .polished:
            search.bench.load(task.start)
            let jobs = search.data.problem.placeableCount
            // In large batches a job finds its place without looking so far.
            let reach = jobs > 2000 ? (own: 24, other: 24) : effort.reach
            return search.polish(
                work: task.polishWork, heat: task.polishHeat, reach: reach, ends, using: &generator)
        case .mixed:
            var first = task.start, second = task.mate
            if generator.unit() < crossover {
                IntegerVariation.cross(&first, &second, isBiased: true, using: &generator)
            }
            Repair.load(first, &search)
        }
        search.improve(rounds: effort.rounds, reach: effort.reach)
    }
}
