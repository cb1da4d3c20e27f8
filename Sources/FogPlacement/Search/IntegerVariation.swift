package import FogCore

/// Variation of genomes of whole numbers, each gene a choice among its own few.
package enum IntegerVariation {
    /// Uniform crossover with a bias that is drawn anew for each pair, so that children are sometimes nearer to one parent:
    /// between 0.1 and 0.9; 0.5 always when not biased.
    package static func cross(
        _ first: inout [Int32], _ second: inout [Int32], isBiased: Bool, using generator: inout SeededGenerator
    ) {
        let bias = isBiased ? 0.1 + 0.8 * generator.unit() : 0.5
        let threshold = UInt32(bias * 4_294_967_295)
        for gene in first.indices where UInt32(truncatingIfNeeded: generator.next() >> 32) >= threshold {
            (first[gene], second[gene]) = (second[gene], first[gene])
        }
    }

    /// Calls the body for each gene that mutates: about that share of them.
    package static func mutate(
        _ count: Int, chance: Double, using generator: inout SeededGenerator,
        _ body: (Int, inout SeededGenerator) -> Void
    ) {
        guard count > 0, chance > 0 else { return }
        let expected = min(chance, 1) * Double(count)
        var times = Int(expected)
        if generator.unit() < expected - Double(times) { times += 1 }
        for _ in 0..<times { body(generator.below(count), &generator) }
    }
}
