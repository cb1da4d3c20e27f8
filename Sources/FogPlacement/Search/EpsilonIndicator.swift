internal import Glibc

/// Truncation by the additive epsilon indicator (Zitzler and Künzli 2004, IBEA): the point that the others make most
/// superfluous goes first.
///
/// With five objectives nearly all points are non-dominated and crowding distance rewards the far corners; the indicator
/// keeps what covers the front.
package enum EpsilonIndicator {
    /// Of IBEA: how sharply a small loss counts against a large one.
    static let kappa = 0.05

    /// The rows that stay, and their fitness: the higher, the less superfluous.
    package static func thinned(_ table: ObjectiveTable, _ rows: [Int], to count: Int) -> (
        rows: [Int], fitness: [Double]
    ) {
        let size = rows.count, width = table.width
        guard size > 1 else { return (count > 0 ? rows : [], count > 0 ? rows.map { _ in 0 } : []) }
        let bounds = table.selecting(rows).bounds
        var scaled: [Double] = []
        for row in rows {
            for objective in 0..<width {
                let range = bounds.high[objective] - bounds.low[objective]
                scaled.append(range > 0 ? (table[row, objective] - bounds.low[objective]) / range : 0)
            }
        }
        // loss[a * size + b]: by how much a must be moved to be nowhere worse than b.
        var loss = [Double](repeating: 0, count: size * size), largest = 1e-12
        for first in 0..<size {
            for second in 0..<size where first != second {
                var most = -Double.infinity
                for objective in 0..<width {
                    most = max(most, scaled[first * width + objective] - scaled[second * width + objective])
                }
                loss[first * size + second] = most
                largest = max(largest, abs(most))
            }
        }
        var fitness = [Double](repeating: 0, count: size)
        for first in 0..<size {
            for second in 0..<size where first != second {
                let weight = exp(-loss[first * size + second] / (largest * kappa))
                loss[first * size + second] = weight
                fitness[second] -= weight
            }
        }
        var standing = Array(0..<size)
        while standing.count > max(0, count) {
            var worst = 0
            for place in standing.indices where fitness[standing[place]] < fitness[standing[worst]] { worst = place }
            let gone = standing.remove(at: worst)
            for other in standing { fitness[other] += loss[gone * size + other] }
        }
        return (standing.map { rows[$0] }, standing.map { fitness[$0] })
    }
}
