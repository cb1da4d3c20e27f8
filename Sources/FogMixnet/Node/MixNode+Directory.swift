package import FogCore

extension MixNetworkView {
    /// The network as a consensus has it. A packet names nodes by their places in it.
    /// - Throws: `bad_network` for an address that is none.
    package init(_ consensus: Consensus) throws(MixnetFailure) {
        let parameters = consensus.parameters
        var nodes: [Node] = []
        for (place, entry) in consensus.nodes.enumerated() {
            let descriptor = entry.descriptor
            guard let index = UInt16(exactly: place), let address = descriptor.addresses.first,
                let colon = address.lastIndex(of: ":"), let port = Int(address[address.index(after: colon)...])
            else { throw MixnetFailure("bad_network", "nodes[\(place)]: an address reads HOST:PORT") }
            let epochs = (0..<UInt64(descriptor.mixKeys.count)).map { descriptor.epoch &+ $0 }
            nodes.append(
                Node(
                    index: index, layer: entry.layer, identity: descriptor.identity, linkKey: descriptor.linkKey,
                    host: String(address[..<colon]), port: port,
                    mixKeys: Dictionary(zip(epochs, descriptor.mixKeys)) { first, _ in first }))
        }
        let (random, first) = (consensus.random, consensus.epoch)
        try self.init(parameters, nodes: nodes) { epoch in
            // Without a consensus of its own an epoch goes by the last one, for as long as that is good.
            epoch >= first && epoch - first < EpochSchedule.validEpochs ? random : nil
        }
    }

    /// A network of which nothing but its parameters is known: nothing is sent in it, and nothing opened.
    package init(_ parameters: NetworkParameters) throws(MixnetFailure) {
        try self.init(parameters, nodes: []) { _ in nil }
    }

    private init(
        _ parameters: NetworkParameters, nodes: [Node], randomness: @escaping @Sendable (UInt64) -> Digest?
    ) throws(MixnetFailure) {
        // All streams of a client, and a fifth more; nothing of it follows the traffic.
        let second = 1000.0
        let rate =
            second / Double(parameters.payloadInterval.milliseconds) + second
            / Double(parameters.loopInterval.milliseconds)
        try self.init(
            network: parameters.networkID, isTest: parameters.kind == .test, suite: parameters.suite,
            layers: parameters.layers, epochLength: parameters.epochLength,
            meanDelay: parameters.meanDelay.milliseconds * 1_000_000,
            mixLoopMean: parameters.mixLoopInterval.milliseconds * 1_000_000,
            clientRate: Int64((rate * 1.2).rounded(.up)), nodes: nodes, randomness: randomness)
    }
}

extension MixKeyStore {
    /// What a node says of itself for an epoch, under its signature.
    /// - Parameters:
    ///   - proof: of the delays that it owed two epochs before; ``MixNode/delayProof(of:)``.
    ///   - bandwidth: packets a second that it claims to take.
    ///   - traffic: packets a second that it mixed, as ``TrafficMeter`` tells them.
    /// - Throws: `key_burnt` when a key of the next epochs was erased before its time, and what a descriptor is refused for.
    package func descriptor(
        network: Digest, epoch: UInt64, role: MixDescriptor.Role = .mix, family: String = "", address: String,
        proof: [UInt8]?, bandwidth: UInt32, traffic: UInt32 = 0
    ) throws(MixnetFailure) -> SignedDescriptor {
        let keys = try announced(from: epoch).sorted { $0.key < $1.key }.map(\.value)
        guard keys.count == MixDescriptor.mixKeys else {
            throw MixnetFailure(
                "key_burnt", "a key of the epochs from \(epoch) on was erased, so they cannot be announced")
        }
        let descriptor = try MixDescriptor(
            network: network, epoch: epoch, identity: identity.publicKey, role: role, family: family,
            addresses: [address], linkKey: link.publicKey, mixKeys: keys, vrfKey: vrf.publicKey.bytes,
            delayProof: proof ?? [], bandwidth: bandwidth, traffic: traffic)
        return SignedDescriptor(descriptor, signedWith: identity)
    }
}
