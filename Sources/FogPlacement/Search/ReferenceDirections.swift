/// Survival by reference directions (Deb and Jain 2014, NSGA-III): each direction keeps the points nearest to it.
package enum ReferenceDirections {
    /// Points on the simplex in even steps (Das and Dennis 1998): the finest steps that give at most that many; where
    /// even two steps give more, the corners and the middle.
    package static func simplex(objectives: Int, atMost count: Int) -> [[Double]] {
        var chosen: [[Double]] = []
        var steps = 1
        while steps <= 512 {
            let next = lattice(objectives, steps, atMost: count)
            if next.isEmpty || next.count > count { break }
            chosen = next
            steps += 1
        }
        let middle = [Double](repeating: 1 / Double(objectives), count: objectives)
        if !chosen.contains(middle), chosen.count < count || chosen.isEmpty { chosen.append(middle) }
        return chosen
    }

    /// All ways to share the steps between the objectives; empty when they are more than the bound.
    private static func lattice(_ objectives: Int, _ steps: Int, atMost bound: Int) -> [[Double]] {
        var ways = 1
        for part in 1..<max(2, objectives) {
            ways = ways * (steps + part) / part
            if ways > bound { return [] }
        }
        var points: [[Double]] = []
        func extend(_ shares: [Int], _ left: Int) {
            if shares.count == objectives - 1 {
                points.append((shares + [left]).map { Double($0) / Double(steps) })
                return
            }
            for share in 0...left { extend(shares + [share], left - share) }
        }
        extend([], steps)
        return points
    }

    /// The rows that stay of the last front that does not fit whole, beside those that have been kept.
    static func niched(
        _ table: ObjectiveTable, kept: [Int], front: [Int], to count: Int, directions: [[Double]]
    ) -> [Int] {
        let all = kept + front
        let frame = Frame(table.selecting(all))
        var nearest: [(direction: Int, distance: Double)] = []
        for row in all { nearest.append(frame.nearest(table[row], directions)) }
        var niches = [Int](repeating: 0, count: directions.count)
        for place in kept.indices { niches[nearest[place].direction] += 1 }
        var waiting = Array(front.indices)
        var chosen: [Int] = []
        while chosen.count < count, !waiting.isEmpty {
            // The emptiest direction that still has a candidate takes its nearest; ties go by order, not by chance.
            var best = 0
            for place in waiting.indices.dropFirst() {
                let one = nearest[kept.count + waiting[place]], other = nearest[kept.count + waiting[best]]
                let first = (niches[one.direction], one.distance), second = (niches[other.direction], other.distance)
                if first < second { best = place }
            }
            let place = waiting.remove(at: best)
            niches[nearest[kept.count + place].direction] += 1
            chosen.append(front[place])
        }
        return chosen
    }
}

/// The range of the points, in which directions are compared.
private struct Frame {
    private let low: [Double]
    private let scale: [Double]

    init(_ table: ObjectiveTable) {
        let first = table.selecting(NonDominatedSort.firstFront(table)).bounds
        low = first.low
        scale = zip(first.low, first.high).map { $1 > $0 ? 1 / ($1 - $0) : 1 }
    }

    /// The direction with the least perpendicular distance.
    func nearest(_ row: ArraySlice<Double>, _ directions: [[Double]]) -> (direction: Int, distance: Double) {
        let point = row.enumerated().map { ($1 - low[$0]) * scale[$0] }
        var best = (direction: 0, distance: Double.infinity)
        for (place, direction) in directions.enumerated() {
            var product = 0.0, length = 0.0, square = 0.0
            for (value, share) in zip(point, direction) {
                product += value * share
                length += share * share
                square += value * value
            }
            let distance = max(0, square - product * product / length)
            if distance < best.distance { best = (place, distance) }
        }
        return best
    }
}
