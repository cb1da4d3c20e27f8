/// Crowding distance (Deb et al. 2002, section III-B): how far a point's neighbours lie apart, objective by objective.
package enum Crowding {
    /// In the order of the rows given; infinite at the ends of an objective.
    package static func distances(_ table: ObjectiveTable, _ rows: [Int]) -> [Double] {
        Neighbours(table, rows).distances
    }

    /// The rows that stay, and how far they then stand apart.
    ///
    /// The most crowded goes first and its neighbours are measured again before the next goes (Kukkonen and Deb 2006):
    /// removing all at once would tear holes where many stood close together.
    package static func thinned(_ table: ObjectiveTable, _ rows: [Int], to count: Int) -> (
        rows: [Int], distances: [Double]
    ) {
        var neighbours = Neighbours(table, rows)
        var left = rows.count
        while left > max(0, count) {
            neighbours.remove(neighbours.mostCrowded)
            left -= 1
        }
        let kept = rows.indices.filter { !neighbours.isGone[$0] }
        return (kept.map { rows[$0] }, kept.map { neighbours.distances[$0] })
    }
}

/// The points of a front in a chain for each objective, so that one can be taken out.
private struct Neighbours {
    private let width: Int
    private let count: Int
    /// Scaled to the front's own range.
    private var values: [Double]
    /// The neighbour of position p in the chain of objective k at `k * count + p`; -1 at an end.
    private var before: [Int32]
    private var after: [Int32]
    private(set) var distances: [Double]
    private(set) var isGone: [Bool]

    init(_ table: ObjectiveTable, _ rows: [Int]) {
        width = table.width
        count = rows.count
        values = []
        before = Array(repeating: -1, count: width * count)
        after = before
        distances = Array(repeating: 0, count: count)
        isGone = Array(repeating: false, count: count)
        for objective in 0..<width {
            let column = rows.map { table[$0, objective] }
            let low = column.min() ?? 0, high = column.max() ?? 0
            let scale = high > low ? 1 / (high - low) : 0
            values += column.map { ($0 - low) * scale }
            let order = column.indices.sorted { (column[$0], rows[$0]) < (column[$1], rows[$1]) }
            for (left, right) in zip(order, order.dropFirst()) {
                after[objective * count + left] = Int32(right)
                before[objective * count + right] = Int32(left)
            }
        }
        for place in 0..<count { distances[place] = distance(place) }
    }

    private func distance(_ place: Int) -> Double {
        var sum = 0.0
        for objective in 0..<width {
            let base = objective * count, left = before[base + place], right = after[base + place]
            if left < 0 || right < 0 { return .infinity }
            sum += values[base + Int(right)] - values[base + Int(left)]
        }
        return sum
    }

    var mostCrowded: Int {
        var least = -1
        for place in 0..<count where !isGone[place] && (least < 0 || distances[place] < distances[least]) {
            least = place
        }
        return least
    }

    mutating func remove(_ place: Int) {
        isGone[place] = true
        for objective in 0..<width {
            let base = objective * count, left = before[base + place], right = after[base + place]
            if left >= 0 { after[base + Int(left)] = right }
            if right >= 0 { before[base + Int(right)] = left }
        }
        for objective in 0..<width {
            for other in [before[objective * count + place], after[objective * count + place]] where other >= 0 {
                distances[Int(other)] = distance(Int(other))
            }
        }
    }
}
