internal import FogCore

/// How a node is chosen among those that may run a task. Equal nodes are taken in the order of their ids.
package enum Strategy: String, Hashable, Sendable, Codable, CaseIterable {
    /// Each node in turn, going on where the last tick stopped.
    case roundRobin = "round-robin"
    /// Where the fullest of cpu, memory and slots is least full afterwards.
    case leastLoaded = "least-loaded"
    /// The soonest result: latency, transfer of what is not cached, queue, work at the node's speed.
    case latencyFirst = "latency-first"
    /// The lowest bound price, then the higher trust.
    case costOptimize = "cost-optimize"
    /// The highest trust, then the lower price.
    case trustFirst = "trust-first"
    /// Most of the inputs cached, then the soonest result.
    case affinity
    /// The submitter's region, then the lowest latency.
    case proximity
    /// In turn over an order drawn from the seed.
    case random

    /// What a job gets that names none.
    package static let standard = Strategy.leastLoaded

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
