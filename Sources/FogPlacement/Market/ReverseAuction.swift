package import FogCore

/// One special job, many nodes: the lowest ask wins and is paid the second lowest (Vickrey 1961), so that nobody gains by
/// asking more than it costs.
package enum ReverseAuction {
    package struct Award: Hashable, Sendable {
        package let winner: String
        package let pays: Credits
    }

    /// - Parameter limit: the most that the job pays; what a lone node gets.
    /// - Returns: nil when nobody asks so little.
    package static func award(asks: [(node: String, ask: Credits)], limit: Credits) -> Award? {
        let within = asks.filter { $0.ask <= limit }.sorted { ($0.ask, $0.node) < ($1.ask, $1.node) }
        guard let first = within.first else { return nil }
        return Award(winner: first.node, pays: within.count > 1 ? min(limit, within[1].ask) : limit)
    }
}
