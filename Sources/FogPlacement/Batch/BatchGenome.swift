package import FogCore

/// Placements as genomes of the plain search: a gene a job, its node; kept feasible by repair.
///
/// What NSGA-II does by itself, with nothing known of prices: the measure of what ``FrontSearch`` adds.
package struct BatchGenome: SearchProblem {
    private let data: SearchData

    package init(_ problem: BatchProblem) { data = SearchData(problem) }

    package var objectiveCount: Int { BatchProblem.objectives.count }

    package func makeGenome(using generator: inout SeededGenerator) -> [Int32] {
        Repair.random(data, using: &generator).assignment
    }

    package func vary(
        _ first: inout [Int32], _ second: inout [Int32], _ settings: EvolutionSettings,
        using generator: inout SeededGenerator
    ) {
        if generator.unit() < settings.crossover {
            IntegerVariation.cross(&first, &second, isBiased: false, using: &generator)
        }
        mutate(&first, settings.mutation, using: &generator)
        mutate(&second, settings.mutation, using: &generator)
    }

    private func mutate(_ genome: inout [Int32], _ chance: Double, using generator: inout SeededGenerator) {
        let problem = data.problem
        IntegerVariation.mutate(genome.count, chance: chance, using: &generator) { job, generator in
            let start = problem.starts[job], count = problem.starts[job + 1] - start
            if count > 0 { genome[job] = problem.candidates[start + generator.below(count)] }
        }
        genome = Repair.bench(genome, data, using: &generator).assignment
    }

    package func evaluate(_ genome: [Int32], into objectives: inout [Double]) -> Double {
        var bench = Workbench(data)
        bench.load(genome)
        let found = data.objectives(bench.sums)
        for place in objectives.indices { objectives[place] = found[place] }
        return 0
    }
}
