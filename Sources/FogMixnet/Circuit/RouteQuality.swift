package import FogCore

/// What is known of the ways through the network: the share of packets that arrive, and the nodes that lose them.
///
/// Fed by loop packets, which tell by themselves whether they came back, and by fragments that were acknowledged. Packets
/// through a node that is blamed do not count for the share: they are no more sent that way.
package struct RouteQuality: Sendable {
    /// Packets that the share is taken from.
    private static let memory = 256
    /// What is believed before there are packets, with the weight of eight.
    private static let prior = (share: 0.9, weight: 8.0)
    private static let range = 0.05...0.995

    private var health = NodeHealth()
    /// What nodes are to be chosen with for what they did in epochs before, against 1: ``MixReputation/weights(in:)``.
    package var standing: [Int: Double] = [:]
    private var recent: [(route: [Int], hasArrived: Bool)] = []
    private var next = 0
    /// The share of packets that arrive over nodes without blame.
    package private(set) var arriving = Self.prior.share
    /// Counts the times that a node was blamed.
    package private(set) var verdicts = 0

    package init() {}

    /// - Parameter route: the nodes that the packet was to pass, by their index in the consensus.
    package mutating func count(_ route: [Int], hasArrived: Bool, at now: Timestamp) {
        if recent.count < Self.memory {
            recent.append((route, hasArrived))
        } else {
            recent[next] = (route, hasArrived)
            next = (next + 1) % Self.memory
        }
        let before = health.blamed(at: now)
        health.count(route, hasArrived: hasArrived, arriving: arriving, at: now)
        let after = health.blamed(at: now)
        if after.contains(where: { !before.contains($0) }) { verdicts += 1 }
        var (arrivals, trials) = (Self.prior.share * Self.prior.weight, Self.prior.weight)
        for packet in recent where !packet.route.contains(where: after.contains) {
            trials += 1
            if packet.hasArrived { arrivals += 1 }
        }
        arriving = min(max(arrivals / trials, Self.range.lowerBound), Self.range.upperBound)
    }

    /// Goes on with another consensus, in which nodes have other numbers. What was known of nodes that are gone is
    /// forgotten, and so are packets that went through them.
    /// - Parameter number: of a node that had the given one.
    package mutating func renumber(_ number: (Int) -> Int?) {
        health.renumber(number)
        standing = [:]
        // The oldest first: the next packets take their places.
        recent = (recent[next...] + recent[..<next]).compactMap { packet in
            let route = packet.route.compactMap(number)
            return route.count == packet.route.count ? (route, packet.hasArrived) : nil
        }
        next = 0
    }

    package func weight(of node: Int, at now: Timestamp) -> Double {
        health.weight(of: node, at: now) * (standing[node] ?? 1)
    }
    package func blamed(at now: Timestamp) -> [Int] { health.blamed(at: now) }
}
