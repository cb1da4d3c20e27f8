import FogCore
import Testing

@testable import FogPlacement

/// Points on a small grid, so that ties and twins are frequent.
private func randomTable(_ seed: UInt64, width: Int, steps: Int = 6, most: Int = 60) -> ObjectiveTable {
    var generator = SeededGenerator(seed: seed)
    var table = ObjectiveTable(width: width)
    for _ in 0..<Int.random(in: 1...most, using: &generator) {
        table.append((0..<width).map { _ in Double(Int.random(in: 0..<steps, using: &generator)) })
    }
    return table
}

@Test("dominance is a strict partial order", arguments: 0..<20 as Range<UInt64>)
func dominanceIsOrder(_ seed: UInt64) {
    let table = randomTable(seed, width: 1 + Int(seed % 5), steps: 3, most: 25)
    func dominates(_ first: Int, _ second: Int) -> Bool { Dominance.compare(table[first], table[second]) == .first }
    for a in 0..<table.count {
        #expect(!dominates(a, a))
        for b in 0..<table.count where dominates(a, b) {
            #expect(!dominates(b, a))
            #expect(Dominance.compare(table[b], table[a]) == .second)
            for c in 0..<table.count where dominates(b, c) { #expect(dominates(a, c)) }
        }
    }
}

/// Peels one front after another by comparing all with all.
private func naiveFronts(_ table: ObjectiveTable, _ violations: [Double]) -> [Set<Int>] {
    func dominates(_ a: Int, _ b: Int) -> Bool {
        if violations[a] != violations[b] { return violations[a] < violations[b] }
        return violations[a] == 0 && Dominance.compare(table[a], table[b]) == .first
    }
    var left = Set(0..<table.count), fronts: [Set<Int>] = []
    while !left.isEmpty {
        let front = left.filter { row in !left.contains { dominates($0, row) } }
        fronts.append(front)
        left.subtract(front)
    }
    return fronts
}

@Test("sorting equals the naive one", arguments: 0..<60 as Range<UInt64>)
func sortingEqualsNaive(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed &+ 1000)
    for width in 1...5 {
        let table = randomTable(seed &* 7 &+ UInt64(width), width: width)
        let free = [Double](repeating: 0, count: table.count)
        #expect(NonDominatedSort.fronts(table).map(Set.init) == naiveFronts(table, free))
        let violations = free.map { _ in Double(max(0, Int.random(in: -3...3, using: &generator))) }
        #expect(NonDominatedSort.fronts(table, violations: violations).map(Set.init) == naiveFronts(table, violations))
    }
}

@Test("the first front has each point once")
func firstFrontOnce() {
    let table = ObjectiveTable([[1, 2], [2, 1], [1, 2], [2, 2], [2, 1]])
    #expect(NonDominatedSort.firstFront(table).map { table.rows[$0] } == [[1, 2], [2, 1]])
}

@Test("hypervolume is the count of cells that are dominated", arguments: 0..<40 as Range<UInt64>)
func hypervolumeCounts(_ seed: UInt64) {
    for width in 1...5 {
        let steps = width < 4 ? 7 : 4
        let table = randomTable(seed &* 11 &+ UInt64(width), width: width, steps: steps + 1, most: 18)
        var cells = 0, cell = [Int](repeating: 0, count: width)
        counting: while true {
            if (0..<table.count).contains(where: { row in zip(table[row], cell).allSatisfy { $0 <= Double($1) } }) {
                cells += 1
            }
            var place = 0
            while true {
                if place == width { break counting }
                cell[place] += 1
                if cell[place] < steps { break }
                cell[place] = 0
                place += 1
            }
        }
        let reference = [Double](repeating: Double(steps), count: width)
        #expect(abs(Hypervolume.of(table, reference: reference) - Double(cells)) < 1e-9)
    }
}

@Test("thinning by crowding keeps the ends and spreads the rest")
func crowdingSpreads() {
    let dense = (0...50).map { Double($0) / 1000 } + [0.2, 0.4, 0.6, 0.8, 1]
    let table = ObjectiveTable(dense.map { [$0, 1 - $0] })
    let kept = Crowding.thinned(table, Array(0..<table.count), to: 6)
    #expect(kept.rows.map { table[$0, 0] }.contains(0))
    #expect(kept.rows.count { table[$0, 0] <= 0.05 } == 1)
    #expect(kept.rows.count == 6)
    let plain = Crowding.distances(ObjectiveTable([[0, 3], [1, 1], [3, 0]]), [0, 1, 2])
    #expect(plain == [.infinity, 2, .infinity])
}

@Test("survival keeps whole fronts first and the number asked", arguments: Survival.allCases)
func survivalKeeps(_ survival: Survival) {
    for seed in 0..<20 as Range<UInt64> {
        let table = randomTable(seed, width: 3, steps: 9)
        let count = 1 + table.count / 2
        let directions = ReferenceDirections.simplex(objectives: 3, atMost: count)
        let chosen = survival.choose(count, of: table, violations: [], directions: directions)
        #expect(Set(chosen.rows).count == count && chosen.merits.count == count)
        let fronts = NonDominatedSort.fronts(table)
        for (row, rank) in zip(chosen.rows, chosen.ranks) { #expect(fronts[rank].contains(row)) }
        let last = chosen.ranks.last ?? 0
        for front in fronts[..<last] { #expect(Set(front).isSubset(of: chosen.rows)) }
    }
}

@Test("reference directions lie on the simplex and are as many as fit")
func simplexDirections() {
    let directions = ReferenceDirections.simplex(objectives: 3, atMost: 91)
    #expect(directions.count == 91)
    for direction in directions { #expect(abs(direction.reduce(0, +) - 1) < 1e-12) }
    #expect(ReferenceDirections.simplex(objectives: 5, atMost: 50).count <= 50)
}

@Test("metrics of fronts that can be reckoned by hand")
func metricsByHand() {
    let front = ObjectiveTable([[0, 1], [1, 0]]), reference = ObjectiveTable([[0, 0], [1, 0]])
    #expect(FrontMetrics.igdPlus(front, reference: reference) == 0.5)
    #expect(FrontMetrics.spacing(ObjectiveTable([[0, 2], [1, 1], [2, 0]])) == 0)
    // Nearest: 1, 1 and 3; their mean 5/3, their variance 8/6.
    let spacing = FrontMetrics.spacing(ObjectiveTable([[0], [1], [4]])) ?? 0
    #expect(abs(spacing - (8.0 / 6).squareRoot()) < 1e-12)
    #expect(FrontMetrics.spacing(ObjectiveTable([[1, 1]])) == nil)
}

private func settings(_ population: Int, _ generations: Int, _ change: (inout EvolutionSettings) -> Void = { _ in })
    -> EvolutionSettings
{
    var settings = EvolutionSettings()
    (settings.population, settings.generations, settings.mutation) = (population, generations, 1.0 / 30)
    change(&settings)
    return settings
}

@Test("equal seeds give equal searches on one thread and on three", arguments: Survival.allCases)
func searchIsDeterministic(_ survival: Survival) throws {
    let problem = try #require(StandardProblem(named: "dtlz2-3"))
    func run(_ seed: UInt64, workers: Int) -> [[Double]] {
        let outcome = Evolution.run(
            problem,
            settings(21, 8) {
                $0.survival = survival
                $0.seed = seed
                $0.workers = workers
            })
        return outcome.population.map { $0.genome + $0.objectives }
    }
    let one = run(5, workers: 1)
    #expect(one.count == 21)
    #expect(run(5, workers: 3) == one)
    #expect(run(6, workers: 1) != one)
}

@Test("a search comes near to a known front, and its hypervolume gain ends it")
func searchConverges() throws {
    let problem = try #require(StandardProblem(named: "ZDT1"))
    var asked = 0
    let outcome = Evolution.run(
        problem,
        settings(40, 400) {
            $0.convergence = Convergence()
            $0.workers = 2
        },
        ends: {
            asked += 1
            return false
        })
    #expect(outcome.hasConverged && outcome.generations < 400 && outcome.generations == asked)
    #expect(outcome.evaluations == 40 * (1 + outcome.generations))
    for individual in outcome.population.prefix(outcome.frontCount) {
        let wanted = 1 - individual.objectives[0].squareRoot()
        #expect(individual.objectives[1] - wanted < 0.05)
        #expect(zip(individual.genome, problem.variation.low).allSatisfy { $0 >= $1 })
        #expect(zip(individual.genome, problem.variation.high).allSatisfy { $0 <= $1 })
    }
}

@Test("each standard problem has the value known for a point of it")
func standardValues() throws {
    let known: [(String, [Double], [Double])] = [
        ("SCH", [2], [4, 0]), ("FON", [0, 0, 0], [0.632_120_558_828_557_7, 0.632_120_558_828_557_7]),
        ("POL", [1, 2], [1, 25]), ("KUR", [0, 0, 0], [-20, 0]), ("ZDT1", [0.25] + zeros(29), [0.25, 0.5]),
        ("ZDT2", [0.5] + zeros(29), [0.5, 0.75]), ("ZDT3", [0.25] + zeros(29), [0.25, 0.25]),
        ("ZDT4", [0.25] + zeros(9), [0.25, 0.5]), ("ZDT6", zeros(10), [1, 0]),
        ("DTLZ2-3", zeros(2) + [Double](repeating: 0.5, count: 10), [1, 0, 0]),
        ("DTLZ2-5", zeros(4) + [Double](repeating: 0.5, count: 10), [1, 0, 0, 0, 0]),
    ]
    #expect(known.map(\.0) == StandardProblem.names)
    for (name, point, wanted) in known {
        let problem = try #require(StandardProblem(named: name))
        #expect(problem.variables == point.count)
        var found = [Double](repeating: 0, count: problem.objectiveCount)
        #expect(problem.evaluate(point, into: &found) == 0)
        for (left, right) in zip(found, wanted) { #expect(abs(left - right) < 1e-12, "\(name) \(found)") }
    }
    #expect(StandardProblem(named: "ZDT5") == nil)
    #expect(StandardProblem(named: "dtlz2")?.name == "DTLZ2-3")
}

private func zeros(_ count: Int) -> [Double] { [Double](repeating: 0, count: count) }

/// Least x and y with x + y >= 1: a search that starts where nothing is feasible.
private struct Bounded: SearchProblem {
    let objectiveCount = 2

    func makeGenome(using generator: inout SeededGenerator) -> [Int32] { [Int32(generator.below(40)), 0] }

    func vary(
        _ first: inout [Int32], _ second: inout [Int32], _ settings: EvolutionSettings,
        using generator: inout SeededGenerator
    ) {
        IntegerVariation.cross(&first, &second, isBiased: true, using: &generator)
        IntegerVariation.mutate(2, chance: 0.5, using: &generator) { first[$0] = Int32($1.below(101)) }
        IntegerVariation.mutate(2, chance: 0.5, using: &generator) { second[$0] = Int32($1.below(101)) }
    }

    func evaluate(_ genome: [Int32], into objectives: inout [Double]) -> Double {
        for place in 0..<2 { objectives[place] = Double(genome[place]) }
        return Double(max(0, 100 - genome[0] - genome[1]))
    }
}

@Test("constraint domination leads out of what is forbidden", arguments: Survival.allCases)
func constraintsLead(_ survival: Survival) {
    let outcome = Evolution.run(Bounded(), settings(30, 120) { $0.survival = survival })
    for individual in outcome.population {
        #expect(individual.violation == 0)
        #expect(individual.objectives[0] + individual.objectives[1] >= 100)
    }
    #expect(outcome.population.prefix(outcome.frontCount).contains { $0.objectives.reduce(0, +) <= 101 })
}
