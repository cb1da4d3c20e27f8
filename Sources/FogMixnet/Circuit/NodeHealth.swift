package import FogCore

#if canImport(Glibc)
    internal import Glibc
#endif

/// Finds the nodes that lose what is sent through them, from what became of packets over many routes.
///
/// A lost packet blames every node of its route a little, an arrived one clears them: a cumulative sum of log-likelihood
/// ratios for each node, *dead* against *as good as all* (Page 1954). Losses rise the sums of the dead node's neighbours as
/// well, so only the one with the highest sum is blamed, when it is well ahead; then the losses are explained, and all
/// begin anew. A blamed node still gets a packet now and then: the first that arrives clears it, so that a wrong verdict
/// does no lasting harm.
package struct NodeHealth: Sendable {
    /// Where a node is blamed: about sixteen losses in a row at the share of losses of five bad links.
    private static let limit = 12.0
    /// How far ahead of the next it has to be: odds of 150 to 1.
    private static let lead = 5.0
    /// What still gets through a node that is as good as dead.
    private static let deadShare = 0.02
    /// What a blamed node is still chosen with, against 1.
    package static let blamedWeight = 0.03
    /// A node is as good as any other after this: it may have been started anew.
    package static let sentence = TimeSpan.minutes(5)

    private var sums: [Int: Double] = [:]
    private var blamed: [Int: Timestamp] = [:]

    package init() {}

    /// - Parameters:
    ///   - route: the nodes that the packet was to pass, by their index in the consensus.
    ///   - arriving: the share of packets that arrive over all routes.
    package mutating func count(_ route: [Int], hasArrived: Bool, arriving: Double, at now: Timestamp) {
        let share = max(arriving, 4 * Self.deadShare)
        guard !hasArrived else {
            let step = log(Self.deadShare / share)
            for node in route {
                blamed[node] = nil
                sums[node] = sums[node].map { max(0, $0 + step) }
            }
            return
        }
        // A loss that a blamed node explains says nothing about the others.
        guard !route.contains(where: { isBlamed($0, at: now) }) else { return }
        let step = log((1 - Self.deadShare) / max(1 - share, 0.01))
        for node in route { sums[node, default: 0] += step }
        judge(at: now)
    }

    private mutating func judge(at now: Timestamp) {
        // By their number where sums are equal: the order of a dictionary is another one each time.
        let ranked = sums.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        guard let first = ranked.first, first.value > Self.limit else { return }
        guard ranked.count == 1 || first.value - ranked[1].value >= Self.lead else { return }
        blamed[first.key] = now
        sums = [:]
    }

    /// Goes on under the numbers that nodes have in another consensus; what is known of those without one goes.
    package mutating func renumber(_ number: (Int) -> Int?) {
        func moved<Value>(_ old: [Int: Value]) -> [Int: Value] {
            Dictionary(old.compactMap { key, value in number(key).map { ($0, value) } }) { first, _ in first }
        }
        (sums, blamed) = (moved(sums), moved(blamed))
    }

    package func isBlamed(_ node: Int, at now: Timestamp) -> Bool {
        blamed[node].map { now < $0 + Self.sentence } ?? false
    }

    /// What the node is to be chosen with, against 1 for a node without blame.
    package func weight(of node: Int, at now: Timestamp) -> Double { isBlamed(node, at: now) ? Self.blamedWeight : 1 }

    /// The nodes that are blamed now, in their order.
    package func blamed(at now: Timestamp) -> [Int] { blamed.keys.filter { isBlamed($0, at: now) }.sorted() }
}
