package import FogCore

/// Draws routes through one epoch's network.
///
/// A route goes from layer to layer, round and round, beginning with the guard's, so a mix does not tell from its layer
/// how far along it stands. Each node is drawn in proportion to its bandwidth, and to less when packets got lost there.
/// No node and no family is in a route twice: who has two nodes of a route might know both its ends.
package struct RouteChooser: Sendable {
    /// Draws before a route is said to be impossible.
    private static let tries = 64

    package let consensus: Consensus
    private let layers: [[Int]]
    private let families: [String]

    package init(_ consensus: Consensus) {
        self.consensus = consensus
        layers = (0..<consensus.parameters.layers).map { consensus.layer($0) }
        families = consensus.nodes.map(\.descriptor.familyName)
    }

    /// - Parameters:
    ///   - first: the guard, by its place in the consensus; nil = any mix of any layer.
    ///   - last: the end of the route, one of its hops: a service, or the guard, where replies come out. The route before a
    ///     mix leads to its layer. The guard may be both ends, of a loop. Nil = a mix as all the others.
    ///   - quality: what is known of nodes' losses.
    /// - Returns: places in the consensus, in the order of the way.
    /// - Throws: `no_route` when the network has not enough nodes of different families.
    package func route(
        hops: Int, first: Int? = nil, last: Int? = nil, quality: RouteQuality = RouteQuality(), at now: Timestamp,
        using generator: inout some RandomNumberGenerator
    ) throws(MixnetFailure) -> [Int] {
        precondition((1...PacketSuite.slots).contains(hops), "a route has 1 to \(PacketSuite.slots) hops")
        for _ in 0..<Self.tries {
            if let route = draw(hops, first, last, quality, now, &generator) { return route }
        }
        throw tooFew(hops)
    }

    /// The ways of a pinned circuit: a loop from the guard to itself is drawn, with the way out at its beginning and the way
    /// back at its end, so that probes meet all nodes, but for the first of seven that lead back.
    /// - Throws: `no_route` as well for a network whose layers do not come round to the guard within a packet's slots.
    package func pinned(
        hops: Int, entry: Int, service: Int, quality: RouteQuality, at now: Timestamp,
        using generator: inout some RandomNumberGenerator
    ) throws(MixnetFailure) -> Circuit.Routes {
        let rounds = (hops - 1 + layers.count - 1) / layers.count
        let mixes = min(rounds, (PacketSuite.slots - 1) / layers.count) * layers.count
        guard mixes >= hops - 1 else {
            throw MixnetFailure(
                "no_route",
                "\(layers.count) layers do not come round to the guard within \(PacketSuite.slots) hops of a loop")
        }
        for _ in 0..<Self.tries {
            let apart: Set<String> = [families[service]]
            guard let loop = draw(mixes + 1, entry, entry, quality, now, &generator, apart: apart) else { continue }
            var back = Array(loop.dropFirst().suffix(hops))
            if back.count < hops {
                let used = apart.union(loop.map { families[$0] })
                let candidates = layers.first { $0.contains(entry) }?.filter { !used.contains(families[$0]) } ?? []
                guard let first = weighted(candidates, quality, now, &generator) else { continue }
                back.insert(first, at: 0)
            }
            return Circuit.Routes(out: loop.prefix(hops - 1) + [service], back: back, loop: loop)
        }
        throw tooFew(mixes + 1)
    }

    private func tooFew(_ hops: Int) -> MixnetFailure {
        let mixes = layers.map { "\($0.count)" }.joined(separator: ", ")
        return MixnetFailure(
            "no_route",
            "\(hops) hops need as many families, layer by layer; epoch \(consensus.epoch) has \(mixes) mixes in its layers, "
                + "of \(Set(layers.joined().map { families[$0] }).count) families")
    }

    private func draw(
        _ hops: Int, _ first: Int?, _ last: Int?, _ quality: RouteQuality, _ now: Timestamp,
        _ generator: inout some RandomNumberGenerator, apart: Set<String> = []
    ) -> [Int]? {
        var route: [Int] = []
        var used = apart
        if let last { used.insert(families[last]) }
        let mixes = last == nil ? hops : hops - 1
        var layer = Int.random(in: 0..<layers.count, using: &generator)
        if let last, let end = consensus.nodes[last].layer {
            layer = ((end - mixes) % layers.count + layers.count) % layers.count
        }
        if let first {
            guard let own = consensus.nodes[first].layer,
                first == last || used.insert(families[first]).inserted
            else { return nil }
            if mixes > 0 { route.append(first) }
            layer = (own + 1) % layers.count
        }
        while route.count < mixes {
            let candidates = layers[layer].filter { !used.contains(families[$0]) }
            guard let node = weighted(candidates, quality, now, &generator) else { return nil }
            route.append(node)
            used.insert(families[node])
            layer = (layer + 1) % layers.count
        }
        return route + (last.map { [$0] } ?? [])
    }

    private func weighted(
        _ candidates: [Int], _ quality: RouteQuality, _ now: Timestamp, _ generator: inout some RandomNumberGenerator
    ) -> Int? {
        let weights = candidates.map { Double(consensus.nodes[$0].bandwidth) * quality.weight(of: $0, at: now) }
        var draw = Double.random(in: 0..<1, using: &generator) * weights.reduce(0, +)
        for (node, weight) in zip(candidates, weights) {
            draw -= weight
            if draw < 0 { return node }
        }
        return candidates.last
    }
}
