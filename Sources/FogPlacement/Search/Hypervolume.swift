/// The volume that a front dominates, up to a reference point: exact.
///
/// Two objectives by a sweep; more by WFG (While, Bradstreet and Barone 2012): each point's own share is its box less
/// the volume of the later points limited to that box.
package enum Hypervolume {
    /// Points that are not better than the reference in every objective add nothing.
    package static func of(_ table: ObjectiveTable, reference: [Double]) -> Double {
        precondition(reference.count == table.width, "the reference has as many objectives as the points")
        let inside = (0..<table.count).filter { row in zip(table[row], reference).allSatisfy { $0 < $1 } }
        let width = table.width
        // Lengths to the reference: larger is better from here on.
        var points = inside.map { row in (0..<width).map { reference[$0] - table[row, $0] } }
        if width == 1 { return points.map { $0[0] }.max() ?? 0 }
        points = nonDominated(points)
        return volume(points, width)
    }

    private static func volume(_ points: [[Double]], _ width: Int) -> Double {
        switch points.count {
        case 0: return 0
        case 1: return points[0].prefix(width).reduce(1, *)
        default: break
        }
        if width == 2 { return swept(points) }
        // In the order of the last objective each limited set has it in common, so it is one dimension less.
        let order = points.sorted { $0[width - 1] > $1[width - 1] }
        var sum = 0.0
        for place in order.indices {
            let point = order[place]
            var own = 1.0
            for objective in 0..<width - 1 { own *= point[objective] }
            let limited = order[..<place].map { other in
                (0..<width - 1).map { min(other[$0], point[$0]) }
            }
            sum += point[width - 1] * (own - volume(nonDominated(limited), width - 1))
        }
        return sum
    }

    private static func swept(_ points: [[Double]]) -> Double {
        var sum = 0.0, reached = 0.0
        for point in points.sorted(by: { ($0[0], $0[1]) > ($1[0], $1[1]) }) where point[1] > reached {
            sum += point[0] * (point[1] - reached)
            reached = point[1]
        }
        return sum
    }

    /// Those that no other is at least as large as, in every objective; of equal ones one.
    private static func nonDominated(_ points: [[Double]]) -> [[Double]] {
        guard points.count > 1 else { return points }
        var kept: [[Double]] = []
        for point in points.sorted(by: { $1.lexicographicallyPrecedes($0) }) {
            // Only a lexicographically larger one can cover it.
            let isCovered = kept.contains { other in
                for objective in point.indices where other[objective] < point[objective] { return false }
                return true
            }
            if !isCovered { kept.append(point) }
        }
        return kept
    }
}
