/// How two points stand to each other when every objective is to be small.
package enum Dominance: Sendable {
    /// The first is nowhere worse and somewhere better.
    case first
    case second
    /// Equal, or each better somewhere.
    case neither

    /// Pareto dominance: a strict partial order.
    package static func compare(_ first: some Collection<Double>, _ second: some Collection<Double>) -> Dominance {
        var better = false, worse = false
        for (left, right) in zip(first, second) {
            if left < right { better = true } else if left > right { worse = true }
            if better, worse { return .neither }
        }
        return better == worse ? .neither : better ? .first : .second
    }
}

/// Objective values of many points, row after row in one array.
package struct ObjectiveTable: Sendable, Equatable {
    /// Objectives a point.
    package let width: Int
    package private(set) var values: [Double] = []

    package init(width: Int) {
        precondition(width > 0, "a point has at least one objective")
        self.width = width
    }

    package init(_ rows: [[Double]]) {
        self.init(width: rows.first?.count ?? 1)
        for row in rows { append(row) }
    }

    package var count: Int { values.count / width }

    package var rows: [[Double]] { (0..<count).map { Array(self[$0]) } }

    package subscript(row: Int) -> ArraySlice<Double> { values[row * width..<(row + 1) * width] }

    package subscript(row: Int, objective: Int) -> Double { values[row * width + objective] }

    package mutating func append(_ row: some Collection<Double>) {
        precondition(row.count == width, "a row has as many values as the table is wide")
        values.append(contentsOf: row)
    }

    package mutating func reserve(_ rows: Int) { values.reserveCapacity(rows * width) }

    package func selecting(_ rows: some Sequence<Int>) -> ObjectiveTable {
        var table = ObjectiveTable(width: width)
        for row in rows { table.append(self[row]) }
        return table
    }

    /// The least and the greatest value of each objective; empty for no rows.
    package var bounds: (low: [Double], high: [Double]) {
        guard count > 0 else { return ([], []) }
        var low = Array(self[0]), high = low
        for row in 1..<max(1, count) {
            for objective in 0..<width {
                let value = self[row, objective]
                low[objective] = min(low[objective], value)
                high[objective] = max(high[objective], value)
            }
        }
        return (low, high)
    }
}
