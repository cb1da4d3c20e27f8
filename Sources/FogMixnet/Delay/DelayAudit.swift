package import FogCore

/// Finds mixes that do not delay packets as their VRF says.
///
/// Clients send loops to themselves: they know each hop's tag, when the packet went and when it came. Once the proofs of
/// the epoch are out, each hop's delay is known too. Time on the way = a constant + the sum of slope times predicted delay
/// of each hop + noise; a node that keeps to its delays has the slope 1, one that has others, or none, has 0.
package struct DelayAudit: Sendable {
    /// A loop that came back.
    package struct Loop: Hashable, Sendable {
        /// What each node should have taken, in nanoseconds. A node twice on a route has the sum.
        package let predicted: [PublicKey: Int64]
        /// From sending to coming back, in nanoseconds.
        package let measured: Int64

        package init(predicted: [PublicKey: Int64], measured: Int64) {
            self.predicted = predicted
            self.measured = measured
        }
    }

    package enum Verdict: Hashable, Sendable {
        case honest
        /// The node's delays are not those that it owes.
        case cheats
        /// Too few loops, or too much noise, to say.
        case unclear
    }

    package struct Finding: Hashable, Sendable {
        package let verdict: Verdict
        package let loops: Int
        package let slope: Double
        /// Standard deviation of the slope.
        package let error: Double
    }

    /// Fewer loops through a node say nothing about it.
    package static let leastLoops = 20
    /// So far below 1 a slope has to be.
    package static let tolerance = 0.25
    /// And so many of its standard deviations: an honest node is accused once in 10,000 epochs at most.
    package static let deviations = 4.5

    private let nodes: [PublicKey]
    private let loops: [Loop]

    package init(_ loops: [Loop]) {
        self.loops = loops
        nodes = Set(loops.flatMap { $0.predicted.keys }).sorted()
    }

    /// The verdict on every node that a loop went through.
    package func findings() -> [PublicKey: Finding] {
        let places = Dictionary(uniqueKeysWithValues: nodes.enumerated().map { ($1, $0) })
        // (node, delay) of each loop; in milliseconds, which keeps the sums of squares small.
        let delays = loops.map { loop in
            loop.predicted.compactMap { key, value in places[key].map { ($0, Double(value) / 1e6) } }
                .sorted { $0.0 < $1.0 }
        }
        let fit = LinearFit(rows: delays, values: loops.map { Double($0.measured) / 1e6 }, unknowns: nodes.count)
        var found: [PublicKey: Finding] = [:]
        for (place, node) in nodes.enumerated() {
            let (slope, error, count) = (fit.slopes[place], fit.errors[place], fit.counts[place])
            let verdict: Verdict
            if count < Self.leastLoops || !(error * Self.deviations < 1 - Self.tolerance) {
                verdict = .unclear
            } else {
                verdict = 1 - slope > max(Self.tolerance, Self.deviations * error) ? .cheats : .honest
            }
            found[node] = Finding(verdict: verdict, loops: count, slope: slope, error: error)
        }
        return found
    }
}

/// Least squares with a constant, one unknown after the other until they rest: each row has few of the unknowns, which are
/// drawn independently, so a handful of rounds is enough (Buja, Hastie, Tibshirani 1989, "backfitting").
struct LinearFit {
    private(set) var slopes: [Double]
    private(set) var errors: [Double]
    /// Rows that hold the unknown.
    private(set) var counts: [Int]

    private static let rounds = 100
    private static let rest = 1e-6

    init(rows: [[(Int, Double)]], values: [Double], unknowns: Int) {
        slopes = [Double](repeating: 1, count: unknowns)
        errors = [Double](repeating: .infinity, count: unknowns)
        counts = [Int](repeating: 0, count: unknowns)
        var members = [[(row: Int, value: Double)]](repeating: [], count: unknowns)
        for (row, entries) in rows.enumerated() {
            for (place, value) in entries { members[place].append((row, value)) }
        }
        counts = members.map(\.count)
        // A robust start: what a cheat leaves out is in the rest of its rows, for all nodes of the row alike.
        var rest = values
        for (row, entries) in rows.enumerated() { for (_, value) in entries { rest[row] -= value } }
        var constant = Self.mean(rest)
        for row in rest.indices { rest[row] -= constant }
        for _ in 0..<Self.rounds {
            var moved = 0.0
            for place in 0..<unknowns where members[place].count > 1 {
                let change = Self.slope(members[place], rest)
                slopes[place] += change
                moved = max(moved, abs(change))
                for (row, value) in members[place] { rest[row] -= change * value }
            }
            let shift = Self.mean(rest)
            constant += shift
            for row in rest.indices { rest[row] -= shift }
            if moved < Self.rest { break }
        }
        let free = Double(max(1, rows.count - unknowns - 1))
        let variance = rest.reduce(0) { $0 + $1 * $1 } / free
        for place in 0..<unknowns {
            let mean = Self.mean(members[place].map(\.value))
            let spread = members[place].reduce(0) { $0 + ($1.value - mean) * ($1.value - mean) }
            if spread > 0 { errors[place] = (variance / spread).squareRoot() }
        }
    }

    /// Of the rest of a node's rows on its delays.
    private static func slope(_ members: [(row: Int, value: Double)], _ rest: [Double]) -> Double {
        let (meanDelay, meanRest) = (mean(members.map(\.value)), mean(members.map { rest[$0.row] }))
        var (both, own) = (0.0, 0.0)
        for (row, value) in members {
            both += (value - meanDelay) * (rest[row] - meanRest)
            own += (value - meanDelay) * (value - meanDelay)
        }
        return own > 0 ? both / own : 0
    }

    private static func mean(_ values: [Double]) -> Double {
        values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
    }
}
