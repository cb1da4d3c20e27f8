/// A front of placements over five objectives.
package struct PlacementFront: Sendable {
    package struct Solution: Sendable {
        package var assignment: [Int32]
        /// In the order of ``BatchProblem/objectives``.
        package var objectives: [Double]
    }

    package var solutions: [Solution]
    /// The solution nearest to the best of all five at once.
    package var chosen: Int
    package var evaluations: Int
    package var generations: Int
    package var hasConverged: Bool
}

extension PlacementFront {
    /// The first front of a plain search.
    package init(_ problem: BatchProblem, _ outcome: Evolution<BatchGenome>.Outcome) {
        solutions = outcome.population.prefix(outcome.frontCount).map {
            Solution(assignment: $0.genome, objectives: problem.evaluate($0.genome))
        }
        chosen = Self.knee(solutions)
        evaluations = outcome.evaluations
        generations = outcome.generations
        hasConverged = outcome.hasConverged
    }

    /// The solution nearest to the corner of the best, in the ranges of the front.
    static func knee(_ solutions: [Solution]) -> Int {
        let table = ObjectiveTable(solutions.map(\.objectives))
        let bounds = table.bounds
        var best = 0, least = Double.infinity
        for row in 0..<table.count {
            var square = 0.0
            for axis in 0..<table.width where bounds.high[axis] > bounds.low[axis] {
                let share = (table[row, axis] - bounds.low[axis]) / (bounds.high[axis] - bounds.low[axis])
                square += share * share
            }
            if square < least { (least, best) = (square, row) }
        }
        return best
    }
}

extension FrontSearch {
    func front(_ generations: Int, _ hasConverged: Bool) -> PlacementFront {
        let samples = CoverSamples(count: 16384), archive = archive, pool = archive.pool
        let covers = Parallel.map(pool.count, workers: settings.workers) { index in
            samples.cover(archive.scaled(pool[index].objectives))
        }
        let problem = data.problem
        let solutions = archive.best(settings.population, of: pool, covers).sorted().map { index in
            let assignment = pool[index].assignment
            return PlacementFront.Solution(assignment: assignment, objectives: problem.evaluate(assignment))
        }
        return PlacementFront(
            solutions: solutions, chosen: PlacementFront.knee(solutions), evaluations: evaluations,
            generations: generations,
            hasConverged: hasConverged)
    }
}
