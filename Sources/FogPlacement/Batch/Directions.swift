internal import FogCore
internal import Glibc

/// Weights of the five objectives, spread over all that they can be.
enum Directions {
    /// The middle, and then points that favour a few objectives over others: Dirichlet with shape 0.7.
    static func spread(_ count: Int, seed: UInt64) -> [SIMD8<Double>] {
        var generator = SeededGenerator(seed: SeedMix.mix(seed, 3))
        var all = [SIMD8<Double>(0.2, 0.2, 0.2, 0.2, 0.2, 0, 0, 0)]
        while all.count < count {
            // Of several drawn, the one farthest from all so far (Mitchell 1991).
            var best = SIMD8<Double>(repeating: 0), farthest = -1.0
            for _ in 0..<8 {
                let weights = draw(using: &generator)
                let distance = all.reduce(Double.infinity) { least, other in
                    let gap = weights - other
                    return min(least, (gap * gap).sum())
                }
                if distance > farthest { (farthest, best) = (distance, weights) }
            }
            all.append(best)
        }
        return all
    }

    private static func draw(using generator: inout SeededGenerator) -> SIMD8<Double> {
        var weights = SIMD8<Double>(repeating: 0)
        for axis in 0..<5 {
            // A gamma variate of shape 0.7 by Ahrens and Dieter's GS (1974).
            let shape = 0.7, edge = 1 + shape / M_E
            while true {
                let share = edge * generator.unit()
                if share <= 1 {
                    let value = pow(share, 1 / shape)
                    if generator.unit() <= exp(-value) {
                        weights[axis] = value
                        break
                    }
                } else {
                    let value = -log((edge - share) / shape)
                    if generator.unit() <= pow(value, shape - 1) {
                        weights[axis] = value
                        break
                    }
                }
            }
        }
        return weights / max(weights.sum(), 1e-12)
    }
}
