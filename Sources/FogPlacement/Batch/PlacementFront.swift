/// A front of placements over five objectives.
package struct PlacementFront: Sendable {
    package struct Solution: Sendable {
        package var assignment: [Int32]
        /// In the order of ``BatchProblem/objectives``.
        package var objectives: [Double]
        /// The direction it was found in, and what nodes' capacity was worth there. Empty where no search by prices was.
        var weights = SIMD8<Double>.zero
        var prices: [SIMD4<Float>] = []

        package init(assignment: [Int32], objectives: [Double]) {
            self.assignment = assignment
            self.objectives = objectives
        }
    }

    package var solutions: [Solution]
    /// The solution nearest to the best of all five at once.
    package var chosen: Int
    package var evaluations: Int
    package var generations: Int
    package var hasConverged: Bool
    /// From the best to the worst of the best placements in each objective.
    var ranges = SIMD8<Double>(repeating: 1)
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

    /// The solution with the least weighted sum, each objective in the range of the front; nil = the knee.
    package func choice(by weights: ObjectiveWeights?) -> Int {
        guard let weights else { return Self.knee(solutions) }
        let table = ObjectiveTable(solutions.map(\.objectives)), bounds = table.bounds, vector = weights.vector
        var best = 0, least = Double.infinity
        for row in 0..<table.count {
            var sum = 0.0
            for axis in 0..<table.width where bounds.high[axis] > bounds.low[axis] {
                sum += vector[axis] * (table[row, axis] - bounds.low[axis]) / (bounds.high[axis] - bounds.low[axis])
            }
            if sum < least { (least, best) = (sum, row) }
        }
        return best
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
            var solution = PlacementFront.Solution(assignment: assignment, objectives: problem.evaluate(assignment))
            solution.weights = pool[index].weights
            solution.prices = pool[index].prices
            return solution
        }
        var front = PlacementFront(
            solutions: solutions, chosen: PlacementFront.knee(solutions), evaluations: evaluations,
            generations: generations, hasConverged: hasConverged)
        front.ranges = archive.ranges
        return front
    }
}
