/// Sorting into fronts: nothing in a front dominates another of it, and each point of a later front is dominated by one
/// of the front before.
///
/// Two objectives: a sweep in O(n log n) (Jensen 2003). More: efficient non-dominated sorting with sequential search
/// (Zhang, Tian, Cheng and Jin 2015): points in lexicographic order can only be dominated by points that came before.
package enum NonDominatedSort {
    /// The rows of each front, the best front first; within a front in lexicographic order.
    ///
    /// Constraint domination (Deb et al. 2002, section VI): a violation of 0 is feasible and comes before all others,
    /// which come by how much they violate, equal ones together.
    package static func fronts(_ table: ObjectiveTable, violations: [Double] = []) -> [[Int]] {
        var feasible: [Int32] = [], rest: [Int] = []
        for row in 0..<table.count {
            if violations.isEmpty || violations[row] <= 0 { feasible.append(Int32(row)) } else { rest.append(row) }
        }
        var fronts = sorted(feasible, table)
        rest.sort { (violations[$0], $0) < (violations[$1], $1) }
        var last = 0.0
        for row in rest {
            if violations[row] == last, !fronts.isEmpty {
                fronts[fronts.count - 1].append(row)
            } else {
                fronts.append([row])
            }
            last = violations[row]
        }
        return fronts
    }

    /// The rows that nothing dominates; of equal rows the first alone.
    package static func firstFront(_ table: ObjectiveTable) -> [Int] {
        guard let front = fronts(table).first else { return [] }
        var kept: [Int] = []
        for row in front {
            if let last = kept.last, table[last] == table[row] { continue }
            kept.append(row)
        }
        return kept
    }

    private static func sorted(_ rows: [Int32], _ table: ObjectiveTable) -> [[Int]] {
        let width = table.width
        return table.values.withUnsafeBufferPointer { values in
            let order = rows.sorted { first, second in
                let left = Int(first) * width, right = Int(second) * width
                for objective in 0..<width where values[left + objective] != values[right + objective] {
                    return values[left + objective] < values[right + objective]
                }
                return first < second
            }
            return width == 2 ? swept(order, values) : searched(order, values, width)
        }
    }

    /// The last of a front has its least second objective, and these rise from front to front.
    private static func swept(_ order: [Int32], _ values: UnsafeBufferPointer<Double>) -> [[Int]] {
        var fronts: [[Int]] = []
        for row in order {
            let first = values[2 * Int(row)], second = values[2 * Int(row) + 1]
            var low = 0, high = fronts.count
            while low < high {
                let middle = (low + high) / 2, front = fronts[middle], last = front[front.count - 1]
                let dominated =
                    values[2 * last + 1] < second || values[2 * last + 1] == second && values[2 * last] < first
                if dominated { low = middle + 1 } else { high = middle }
            }
            if low == fronts.count { fronts.append([]) }
            fronts[low].append(Int(row))
        }
        return fronts
    }

    private static func searched(
        _ order: [Int32], _ values: UnsafeBufferPointer<Double>, _ width: Int
    ) -> [[Int]] {
        var fronts: [[Int32]] = []
        for row in order {
            let start = Int(row) * width
            var place = 0
            search: while place < fronts.count {
                // The nearest in the order is the likeliest to dominate.
                for other in fronts[place].reversed() {
                    let base = Int(other) * width
                    var objective = 0, smaller = false
                    while objective < width {
                        let left = values[base + objective], right = values[start + objective]
                        if left > right { break }
                        if left < right { smaller = true }
                        objective += 1
                    }
                    if objective == width, smaller {
                        place += 1
                        continue search
                    }
                }
                break
            }
            if place == fronts.count { fronts.append([]) }
            fronts[place].append(row)
        }
        return fronts.map { $0.map(Int.init) }
    }
}
