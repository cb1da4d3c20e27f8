/// How good a front is, against a reference front or by itself.
package enum FrontMetrics {
    /// Mean distance from each point of the reference to what the front lacks to reach it (Ishibuchi et al. 2015, IGD+).
    package static func igdPlus(_ front: ObjectiveTable, reference: ObjectiveTable) -> Double? {
        guard front.count > 0, reference.count > 0 else { return nil }
        var sum = 0.0
        for row in 0..<reference.count {
            var least = Double.infinity
            for other in 0..<front.count {
                var square = 0.0
                for objective in 0..<front.width {
                    let lack = max(0, front[other, objective] - reference[row, objective])
                    square += lack * lack
                }
                least = min(least, square)
            }
            sum += least.squareRoot()
        }
        return sum / Double(reference.count)
    }

    /// Schott's spacing (1995): the deviation of the distances to the nearest neighbour, in the sum of absolute
    /// differences; nil for fewer than two points.
    package static func spacing(_ front: ObjectiveTable) -> Double? {
        guard front.count > 1 else { return nil }
        let nearest = (0..<front.count).map { row in
            (0..<front.count).filter { $0 != row }.map { other in
                zip(front[row], front[other]).reduce(0) { $0 + abs($1.0 - $1.1) }
            }.min() ?? 0
        }
        let mean = nearest.reduce(0, +) / Double(nearest.count)
        let squares = nearest.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return (squares / Double(nearest.count - 1)).squareRoot()
    }
}
