internal import FogCore

/// One epoch's network as an end of exchanges uses it: which packets it makes, and along which routes.
struct MixPaths: Sendable {
    let consensus: Consensus
    let view: MixNetworkView
    let epoch: UInt64
    private let chooser: RouteChooser
    private let maker: PacketMaker

    init(_ consensus: Consensus, at now: Timestamp) throws(MixnetFailure) {
        self.consensus = consensus
        view = try MixNetworkView(consensus)
        epoch = view.epoch(at: now)
        chooser = RouteChooser(consensus)
        maker = PacketMaker(suite: view.suite, epoch: epoch)
    }

    /// When its keys open nothing new any more.
    var end: Timestamp { view.start(of: epoch + 1) }

    /// A route to a node for what comes from nobody in particular: a service's cover.
    func route(hops: Int, to last: Int?, at now: Timestamp) throws(MixnetFailure) -> [Int] {
        var generator = SystemRandomNumberGenerator()
        return try chooser.route(hops: hops, last: last, at: now, using: &generator)
    }

    func packet(_ body: [UInt8], along route: [Int]) throws(MixnetFailure) -> MadePacket {
        try maker.forward(body, along: hops(route))
    }

    func surb(along route: [Int], id: [UInt8]) throws(MixnetFailure) -> (surb: SURB, secrets: SURBSecrets) {
        let hops = try hops(route)
        return try maker.surb(
            along: hops, id: id, key: SecureRandom.bytes(32),
            secrets: HeaderSecrets(suite: view.suite, hops: hops.count))
    }

    private func hops(_ route: [Int]) throws(MixnetFailure) -> [Hop] {
        var hops: [Hop] = []
        for place in route {
            guard let node = view.nodes[UInt16(place)], let key = node.mixKeys[epoch] else {
                throw MixnetFailure("no_route", "a node of the route has no key for epoch \(epoch)")
            }
            hops.append(try Hop(index: node.index, publicKey: key))
        }
        return hops
    }
}
