package import FogCore

/// The share of packets that each node lets through, from what became of loops over many routes.
///
/// A lost loop was lost at one hop, which nobody sees: the most likely shares are found by expectation and maximization
/// (Dempster, Laird, Rubin 1977), a lost loop counting for each hop by how likely it came so far and no farther.
package struct NodeShares: Sendable {
    package struct Share: Hashable, Sendable {
        package let loops: Int
        package let value: Double
        /// Standard deviation of the value.
        package let error: Double
        /// Well below what most nodes let through.
        package let isLossy: Bool
    }

    /// So many loops through a node, and as many that were not, are needed to tell its losses from those of the way to it.
    package static let leastLoops = 20
    /// How far below the others' median a share has to be, and by how many of its standard deviations.
    package static let tolerance = 0.1
    package static let deviations = 4.5
    private static let rounds = 200

    package let shares: [PublicKey: Share]

    package init(_ loops: [(route: [PublicKey], hasArrived: Bool)]) {
        let nodes = Set(loops.flatMap(\.route)).sorted()
        let places = Dictionary(uniqueKeysWithValues: nodes.enumerated().map { ($1, $0) })
        let routes = loops.map { ($0.route.compactMap { places[$0] }, $0.hasArrived) }
        var counts = [Int](repeating: 0, count: nodes.count)
        for (route, _) in routes { for node in Set(route) { counts[node] += 1 } }
        var values = [Double](repeating: 0.9, count: nodes.count)
        var trials = values
        for _ in 0..<Self.rounds { (values, trials) = Self.improved(values, routes) }
        let median = Self.median(values)
        var shares: [PublicKey: Share] = [:]
        for (place, node) in nodes.enumerated() {
            // One loss more than there was: none is no proof that there never is one.
            let (passed, all) = (values[place] * trials[place], trials[place])
            let careful = (passed + 1) / (all + 2)
            let error = (careful * (1 - careful) / max(1, all)).squareRoot()
            let isKnown = counts[place] >= Self.leastLoops && loops.count - counts[place] >= Self.leastLoops
            shares[node] = Share(
                loops: counts[place], value: values[place], error: error,
                isLossy: isKnown && median - values[place] > max(Self.tolerance, Self.deviations * error))
        }
        self.shares = shares
    }

    /// One round: how often each node passed a packet on, and how often it had one to pass.
    private static func improved(
        _ values: [Double], _ routes: [(nodes: [Int], hasArrived: Bool)]
    ) -> (values: [Double], trials: [Double]) {
        var passed = [Double](repeating: 0, count: values.count)
        var failed = passed
        for (nodes, hasArrived) in routes {
            guard !hasArrived else {
                for node in nodes { passed[node] += 1 }
                continue
            }
            let whole = 1 - nodes.reduce(1) { $0 * values[$1] }
            guard whole > 0 else { continue }
            var reached = 1.0
            // Lost at this hop, or, being lost later, passed by it.
            var later = 1.0
            for node in nodes {
                let here = reached * (1 - values[node]) / whole
                later -= here
                failed[node] += here
                passed[node] += max(0, later)
                reached *= values[node]
            }
        }
        let trials = zip(passed, failed).map { $0 + $1 }
        return (zip(passed, trials).map { $1 > 0 ? $0 / $1 : 1 }, trials)
    }

    private static func median(_ values: [Double]) -> Double {
        guard !values.isEmpty else { return 1 }
        return values.sorted()[values.count / 2]
    }
}
