package import FogCore
internal import Glibc

/// Variation of real genomes within bounds: simulated binary crossover (Deb and Agrawal 1995) and polynomial mutation
/// (Deb and Goyal 1996), in the bounded forms of the NSGA-II of 2002.
package struct RealVariation: Sendable {
    /// A bound below and above for each gene.
    package let low: [Double]
    package let high: [Double]
    /// The larger, the nearer children stay to their parents.
    package var crossoverIndex = 20.0
    package var mutationIndex = 20.0

    package init(low: [Double], high: [Double]) {
        precondition(low.count == high.count, "each gene has two bounds")
        self.low = low
        self.high = high
    }

    package func makeGenome(using generator: inout SeededGenerator) -> [Double] {
        low.indices.map { low[$0] + (high[$0] - low[$0]) * generator.unit() }
    }

    package func vary(
        _ first: inout [Double], _ second: inout [Double], crossover: Double, mutation: Double,
        using generator: inout SeededGenerator
    ) {
        if generator.unit() < crossover { cross(&first, &second, using: &generator) }
        mutate(&first, mutation, using: &generator)
        mutate(&second, mutation, using: &generator)
    }

    private func cross(_ first: inout [Double], _ second: inout [Double], using generator: inout SeededGenerator) {
        for gene in low.indices where generator.unit() < 0.5 {
            let lesser = min(first[gene], second[gene]), greater = max(first[gene], second[gene])
            guard greater - lesser > 1e-14 else { continue }
            let draw = generator.unit()
            let range = greater - lesser
            let below = spread(draw, 1 + 2 * (lesser - low[gene]) / range)
            let above = spread(draw, 1 + 2 * (high[gene] - greater) / range)
            var left = clamped(0.5 * (lesser + greater - below * range), gene)
            var right = clamped(0.5 * (lesser + greater + above * range), gene)
            if generator.next() & 1 == 0 { swap(&left, &right) }
            (first[gene], second[gene]) = (left, right)
        }
    }

    /// How far apart children stand, as a multiple of their parents' distance, when the bound is that far.
    private func spread(_ draw: Double, _ bound: Double) -> Double {
        let alpha = 2 - pow(bound, -(crossoverIndex + 1))
        let share = draw * alpha
        return pow(share <= 1 ? share : 1 / (2 - share), 1 / (crossoverIndex + 1))
    }

    private func mutate(_ genome: inout [Double], _ chance: Double, using generator: inout SeededGenerator) {
        for gene in low.indices where generator.unit() < chance {
            let range = high[gene] - low[gene]
            guard range > 0 else { continue }
            let draw = generator.unit(), power = mutationIndex + 1
            let step: Double
            if draw < 0.5 {
                let room = 1 - (genome[gene] - low[gene]) / range
                step = pow(2 * draw + (1 - 2 * draw) * pow(room, power), 1 / power) - 1
            } else {
                let room = 1 - (high[gene] - genome[gene]) / range
                step = 1 - pow(2 * (1 - draw) + (2 * draw - 1) * pow(room, power), 1 / power)
            }
            genome[gene] = clamped(genome[gene] + step * range, gene)
        }
    }

    private func clamped(_ value: Double, _ gene: Int) -> Double { min(high[gene], max(low[gene], value)) }
}
