internal import FogCore

/// How a node is chosen among those that may run a task. Equal nodes are taken in the order of their ids.
package enum Strategy: String, Hashable, Sendable, Codable, CaseIterable {
    /// All five objectives at once: what waits together is searched together, like tasks are spread exactly, and the point
    /// is taken by weights or service class, the knee by default.
    case nsga2
    /// Each node in turn, going on where the last tick stopped.
    case roundRobin = "round-robin"
    /// Where the fullest of cpu, memory and slots is least full afterwards.
    case leastLoaded = "least-loaded"
    /// The soonest result: latency, transfer of what is not cached, queue, work at the node's speed.
    case latencyFirst = "latency-first"
    /// Where the nodes' utilisation stays most even.
    case loadBalance = "load-balance"
    /// The lowest bound price, then the higher trust.
    case costOptimize = "cost-optimize"
    /// The highest trust, then the lower price.
    case trustFirst = "trust-first"
    /// Most of the inputs cached, then the soonest result.
    case affinity
    /// The submitter's region, then the lowest latency.
    case proximity
    /// The submitter's own nodes, then those that the operator trusts, then the higher trust: the fewest strangers see it.
    case privacyAware = "privacy-aware"
    /// In turn over an order drawn from the seed.
    case random

    /// What a job gets that names none.
    package static let standard = Strategy.nsga2

    /// - Throws: `unknown_strategy`, with the nearest name or all of them.
    package init(named name: String) throws(PlacementFailure) {
        guard let known = Strategy(rawValue: name) else {
            let names = Strategy.allCases.map(\.rawValue)
            let advice = nearest(to: name, among: names).map { "did you mean `\($0)`?" }
            throw PlacementFailure(
                "unknown_strategy",
                "no placement strategy `\(name.prefix(40))`: "
                    + (advice ?? "there are " + names.joined(separator: ", ")))
        }
        self = known
    }
}
