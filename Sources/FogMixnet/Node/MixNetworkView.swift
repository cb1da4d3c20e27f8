package import FogCore

/// What a node, or a client, knows of the network now.
package struct MixNetworkView: Sendable {
    /// A node as others reach it.
    package struct Node: Sendable, Hashable {
        package let index: UInt16
        /// From 0; none for a node that is only the end of routes.
        package let layer: Int?
        package let identity: PublicKey
        package let linkKey: [UInt8]
        package let host: String
        package let port: Int
        package let mixKeys: [UInt64: [UInt8]]

        package init(
            index: UInt16, layer: Int?, identity: PublicKey, linkKey: [UInt8], host: String, port: Int,
            mixKeys: [UInt64: [UInt8]]
        ) {
            self.index = index
            self.layer = layer
            self.identity = identity
            self.linkKey = linkKey
            self.host = host
            self.port = port
            self.mixKeys = mixKeys
        }
    }

    package let network: Digest
    /// A test network gives no anonymity, and says so.
    package let isTest: Bool
    package let suite: PacketSuite
    package let layers: Int
    package let epochLength: TimeSpan
    /// At each node, in nanoseconds.
    package let meanDelay: Int64
    /// Between two loops of a mix, in nanoseconds; 0 for none.
    package let mixLoopMean: Int64
    /// Frames a second that a client's link may bring: all its streams, and a fifth more.
    package let clientRate: Int64
    /// Of an epoch; nil for one that the view says nothing of: its packets are not opened.
    package let randomness: @Sendable (_ epoch: UInt64) -> Digest?
    package let nodes: [UInt16: Node]

    package init(
        network: Digest, isTest: Bool, suite: PacketSuite, layers: Int, epochLength: TimeSpan, meanDelay: Int64,
        mixLoopMean: Int64, clientRate: Int64, nodes: [Node], randomness: @escaping @Sendable (UInt64) -> Digest?
    ) throws(MixnetFailure) {
        guard (1...PacketSuite.slots).contains(layers) else {
            throw MixnetFailure("bad_network", "layers: 1 to \(PacketSuite.slots) are wanted, found \(layers)")
        }
        guard meanDelay >= 0, meanDelay <= 60_000_000_000, epochLength.milliseconds > 0, mixLoopMean >= 0,
            clientRate > 0
        else {
            throw MixnetFailure("bad_network", "delay, epoch and rates: positive ones are wanted, delays up to 60 s")
        }
        self.network = network
        self.isTest = isTest
        self.suite = suite
        self.layers = layers
        self.epochLength = epochLength
        self.meanDelay = meanDelay
        self.mixLoopMean = mixLoopMean
        self.clientRate = clientRate
        self.randomness = randomness
        var found: [UInt16: Node] = [:]
        for node in nodes {
            guard node.layer.map((0..<layers).contains) ?? true, found.updateValue(node, forKey: node.index) == nil,
                node.index != PacketSuite.finalIndex, node.linkKey.count == 32
            else {
                throw MixnetFailure(
                    "bad_network", "nodes: node \(node.index) has an index that is taken, a layer or a key that is none"
                )
            }
        }
        self.nodes = found
    }

    /// The node with a link key.
    package func node(_ linkKey: [UInt8]) -> Node? { nodes.values.first { $0.linkKey == linkKey } }

    /// The epoch of a time.
    package func epoch(at time: Timestamp) -> UInt64 {
        UInt64(max(0, time.microseconds)) / UInt64(max(1, epochLength.milliseconds) * 1000)
    }

    package func start(of epoch: UInt64) -> Timestamp {
        let (span, over) = Int64(clamping: epoch).multipliedReportingOverflow(by: epochLength.milliseconds * 1000)
        return Timestamp(microseconds: over ? .max : span)
    }

    /// A route of a mix's own loop: a node of each layer behind its own, from the first layer on again, and itself.
    package func loop(
        of node: Node, epoch: UInt64, choose: ([Node]) -> Node? = { $0.randomElement() }
    ) -> [Hop]? {
        var route: [Hop] = []
        guard let first = node.layer else { return nil }
        for step in 1...layers {
            let layer = (first + step) % layers
            let next =
                step == layers ? node : choose(nodes.values.filter { $0.layer == layer }.sorted { $0.index < $1.index })
            guard let next, let key = next.mixKeys[epoch], let hop = try? Hop(index: next.index, publicKey: key) else {
                return nil
            }
            route.append(hop)
        }
        return route
    }
}
