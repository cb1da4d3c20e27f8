package import FogCore

/// The network in one epoch, as a majority of the authorities has it.
package struct Consensus: Hashable, Sendable {
    package static let byteLimit = 8 << 20

    package struct Node: Hashable, Sendable {
        package let descriptor: MixDescriptor
        /// Of a mix; a service has none.
        package let layer: Int?
        /// Packets a second: what it is chosen in proportion to.
        package let bandwidth: UInt32
        package let hasProvedDelays: Bool

        package init(descriptor: MixDescriptor, layer: Int?, bandwidth: UInt32, hasProvedDelays: Bool) {
            self.descriptor = descriptor
            self.layer = layer
            self.bandwidth = bandwidth
            self.hasProvedDelays = hasProvedDelays
        }
    }

    package let parameters: NetworkParameters
    package let epoch: UInt64
    /// Of the consensus before, as most votes have it.
    package let previous: Digest
    /// What nobody could choose: of all secrets that were bound to before any was known.
    package let random: Digest
    /// The authorities whose votes counted, in their order.
    package let voters: [PublicKey]
    /// In the order of their keys. A packet names a node by its place here.
    package let nodes: [Node]

    package init(
        parameters: NetworkParameters, epoch: UInt64, previous: Digest, random: Digest, voters: [PublicKey],
        nodes: [Node]
    ) {
        self.parameters = parameters
        self.epoch = epoch
        self.previous = previous
        self.random = random
        self.voters = voters
        self.nodes = nodes
    }

    package var digest: Digest { .blake2b(bytes) }

    /// The mixes of a layer by their place in ``nodes``.
    package func layer(_ number: Int) -> [Int] { nodes.indices.filter { nodes[$0].layer == number } }

    package func index(of identity: PublicKey) -> Int? {
        nodes.firstIndex { $0.descriptor.identity == identity }
    }

    package var bytes: [UInt8] {
        var writer = CanonicalWriter(reserving: 1024 + nodes.count * 600)
        writer.write("fog-mix-consensus-v1")
        parameters.write(to: &writer)
        writer.write(epoch)
        writer.write(previous)
        writer.write(random)
        writer.write(UInt8(voters.count))
        for voter in voters { writer.write(raw: voter.bytes) }
        writer.write(UInt32(nodes.count))
        for node in nodes {
            writer.write(node.descriptor.canonicalBytes)
            writer.write(node.layer.map { UInt8($0) } ?? Self.noLayer)
            writer.write(node.bandwidth)
            writer.write(node.hasProvedDelays ? 1 : 0 as UInt8)
        }
        return writer.bytes
    }

    private static let noLayer: UInt8 = 255

    /// - Throws: `bad_consensus` unless the bytes are a consensus in its one form.
    package init(bytes: [UInt8]) throws(MixnetFailure) {
        guard bytes.count <= Self.byteLimit else {
            throw Self.bad("a consensus has at most \(Self.byteLimit) bytes, found \(bytes.count)")
        }
        do {
            var reader = CanonicalReader(bytes)
            guard try reader.readString(limit: 32) == "fog-mix-consensus-v1" else {
                throw Self.bad("these bytes are no consensus")
            }
            parameters = try NetworkParameters(from: &reader)
            epoch = try reader.read()
            previous = try reader.readDigest()
            random = try reader.readDigest()
            let voterCount: UInt8 = try reader.read()
            var voters: [PublicKey] = []
            for _ in 0..<voterCount {
                let voter = try PublicKey(bytes: reader.read(raw: 32))
                if let last = voters.last, last >= voter { throw Self.bad("its voters are out of order") }
                voters.append(voter)
            }
            let count: UInt32 = try reader.read()
            guard count <= DirectoryVote.nodesLimit else { throw Self.bad("\(count) nodes") }
            var nodes: [Node] = []
            for _ in 0..<count {
                let node = try Self.node(from: &reader, layers: parameters.layers)
                if let last = nodes.last, last.descriptor.identity >= node.descriptor.identity {
                    throw Self.bad("its nodes are out of order")
                }
                guard node.descriptor.epoch == epoch, node.descriptor.network == parameters.networkID else {
                    throw Self.bad("the descriptor of \(node.descriptor.identity) is for another epoch or network")
                }
                nodes.append(node)
            }
            try reader.end()
            self.voters = voters
            self.nodes = nodes
        } catch {
            throw MixnetFailure.wrapping(error)
        }
    }

    private static func node(from reader: inout CanonicalReader, layers: Int) throws -> Node {
        let bytes = try reader.readBytes(limit: SignedDescriptor.byteLimit)
        var inner = CanonicalReader(bytes)
        let descriptor = try MixDescriptor(from: &inner)
        try inner.end()
        let layer: UInt8 = try reader.read()
        let bandwidth: UInt32 = try reader.read()
        let flag: UInt8 = try reader.read()
        guard flag <= 1 else { throw bad("a flag is 0 or 1, found \(flag)") }
        guard (descriptor.role == .mix) == (layer != noLayer), layer == noLayer || layer < layers else {
            throw bad("layer \(layer) for a node of role \(descriptor.role), of \(layers) layers")
        }
        return Node(
            descriptor: descriptor, layer: layer == noLayer ? nil : Int(layer), bandwidth: bandwidth,
            hasProvedDelays: flag == 1)
    }

    private static func bad(_ message: String) -> MixnetFailure { MixnetFailure("bad_consensus", message) }
}

/// A consensus and who stands for it, as it is served and kept.
///
/// Signatures are detached: all authorities sign the same bytes, and whoever has them can put more of them together.
package struct SignedConsensus: Hashable, Sendable {
    package let consensus: Consensus
    /// In the order of the authorities' keys, each once.
    package let signatures: [Statement]

    package init(_ consensus: Consensus, signatures: [Statement]) {
        self.consensus = consensus
        self.signatures = signatures.sorted { $0.authority < $1.authority }
    }

    /// How many of n authorities have to sign: with fewer than a third of them against it, no two documents get as many.
    package static func threshold(of authorities: Int) -> Int { 2 * authorities / 3 + 1 }

    package var bytes: [UInt8] {
        var writer = CanonicalWriter()
        writer.write(consensus.bytes)
        writer.write(UInt8(signatures.count))
        for signature in signatures { writer.write(raw: signature.bytes) }
        return writer.bytes
    }

    /// - Throws: `bad_consensus` unless the bytes are a consensus in its one form, each signature for it.
    package init(bytes: [UInt8]) throws(MixnetFailure) {
        do {
            var reader = CanonicalReader(bytes)
            let document = try reader.readBytes(limit: Consensus.byteLimit)
            let digest = Digest.blake2b(document)
            consensus = try Consensus(bytes: document)
            let count: UInt8 = try reader.read()
            var signatures: [Statement] = []
            for _ in 0..<count {
                let signature = try Statement(from: &reader)
                guard signature.kind == .consensus, signature.digest == digest, signature.epoch == consensus.epoch,
                    signature.network == consensus.parameters.networkID
                else { throw MixnetFailure("bad_consensus", "a signature is for another document") }
                if let last = signatures.last, last.authority >= signature.authority {
                    throw MixnetFailure("bad_consensus", "its signatures are out of order")
                }
                signatures.append(signature)
            }
            try reader.end()
            self.signatures = signatures
        } catch {
            throw MixnetFailure.wrapping(error)
        }
    }

    /// How many of these authorities signed it.
    package func count(of authorities: [PublicKey]) -> Int {
        signatures.count { authorities.contains($0.authority) }
    }
}
