package import FogCore

/// What a node says of itself for the next epoch, under its own signature.
package struct MixDescriptor: Hashable, Sendable {
    package enum Role: UInt8, Sendable, CaseIterable {
        /// Takes packets for others, in one of the layers.
        case mix = 1
        /// The end of routes: a coordinator's face in the network.
        case service = 2
    }

    package static let familyLimit = 64
    package static let addressesLimit = 4
    package static let addressLimit = 128
    package static let proofLimit = 160
    /// The epoch's key and those of the two after it.
    package static let mixKeys = 3

    package var network: Digest
    /// The epoch that it is handed in for.
    package var epoch: UInt64
    package var identity: PublicKey
    package var role: Role
    /// Nodes of one operator say the same word, and are never in one route; empty = the node is its own family.
    package var family: String
    /// `host:port`.
    package var addresses: [String]
    /// X25519, of the links.
    package var linkKey: [UInt8]
    /// X25519, of the packets of this epoch and the two after it.
    package var mixKeys: [[UInt8]]
    /// Of the delays.
    package var vrfKey: [UInt8]
    /// The VRF's output and proof for the delays of the epoch two before this one; empty when the node had no part in it.
    package var delayProof: [UInt8]
    /// Packets a second that the node claims to take.
    package var bandwidth: UInt32
    /// Packets a second that arrived in the last epoch, on average, rounded down to a power of two; 0 when it is new.
    package var traffic: UInt32

    package init(
        network: Digest, epoch: UInt64, identity: PublicKey, role: Role, family: String = "", addresses: [String],
        linkKey: [UInt8], mixKeys: [[UInt8]], vrfKey: [UInt8], delayProof: [UInt8] = [], bandwidth: UInt32,
        traffic: UInt32 = 0
    ) throws(MixnetFailure) {
        self.network = network
        self.epoch = epoch
        self.identity = identity
        self.role = role
        self.family = family
        self.addresses = addresses
        self.linkKey = linkKey
        self.mixKeys = mixKeys
        self.vrfKey = vrfKey
        self.delayProof = delayProof
        self.bandwidth = bandwidth
        self.traffic = traffic
        try check()
    }

    /// What no two nodes of a route may have in common.
    package var familyName: String { family.isEmpty ? identity.description : family }

    private func check() throws(MixnetFailure) {
        guard family.utf8.count <= Self.familyLimit else {
            throw Self.bad("family has \(family.utf8.count) bytes, at most \(Self.familyLimit)")
        }
        guard (1...Self.addressesLimit).contains(addresses.count) else {
            throw Self.bad("1 to \(Self.addressesLimit) addresses, found \(addresses.count)")
        }
        for address in addresses {
            guard address.utf8.count <= Self.addressLimit, let colon = address.utf8.lastIndex(of: UInt8(ascii: ":")),
                colon > address.startIndex, address.utf8.allSatisfy({ (0x21...0x7e).contains($0) }),
                let port = UInt16(address[address.index(after: colon)...]), port > 0
            else { throw Self.bad("an address reads `host:port`, found `\(address.prefix(80))`") }
        }
        guard linkKey.count == 32, vrfKey.count == 32, mixKeys.count == Self.mixKeys,
            mixKeys.allSatisfy({ $0.count == 32 })
        else { throw Self.bad("a link key, a VRF key and three mix keys of 32 bytes each") }
        guard Set(mixKeys).count == Self.mixKeys else { throw Self.bad("a mix key is for one epoch only") }
        guard delayProof.count <= Self.proofLimit else {
            throw Self.bad("a delay proof of \(delayProof.count) bytes, at most \(Self.proofLimit)")
        }
        guard bandwidth > 0 else { throw Self.bad("a node that takes no packets is no node") }
        guard traffic & (traffic &- 1) == 0 else {
            throw Self.bad("traffic is told as a power of two, so that it tells little: found \(traffic)")
        }
    }

    private static func bad(_ message: String) -> MixnetFailure { MixnetFailure("bad_descriptor", message) }

    // MARK: - Bytes

    package var canonicalBytes: [UInt8] {
        var writer = CanonicalWriter(reserving: 512)
        writer.write("fog-mix-descriptor-v1")
        writer.write(network)
        writer.write(epoch)
        writer.write(raw: identity.bytes)
        writer.write(role.rawValue)
        writer.write(family)
        writer.write(UInt8(addresses.count))
        for address in addresses { writer.write(address) }
        writer.write(raw: linkKey)
        for key in mixKeys { writer.write(raw: key) }
        writer.write(raw: vrfKey)
        writer.write(delayProof)
        writer.write(bandwidth)
        writer.write(traffic)
        return writer.bytes
    }

    init(from reader: inout CanonicalReader) throws(MixnetFailure) {
        do {
            guard try reader.readString(limit: 32) == "fog-mix-descriptor-v1" else {
                throw Self.bad("these bytes are no descriptor")
            }
            let network = try reader.readDigest()
            let epoch: UInt64 = try reader.read()
            let identity = try PublicKey(bytes: reader.read(raw: 32))
            let roleByte: UInt8 = try reader.read()
            guard let role = Role(rawValue: roleByte) else { throw Self.bad("role \(roleByte) is not known") }
            let family = try reader.readString(limit: Self.familyLimit)
            let count: UInt8 = try reader.read()
            guard count <= Self.addressesLimit else { throw Self.bad("\(count) addresses") }
            var addresses: [String] = []
            for _ in 0..<count { addresses.append(try reader.readString(limit: Self.addressLimit)) }
            let linkKey = try reader.read(raw: 32)
            var mixKeys: [[UInt8]] = []
            for _ in 0..<Self.mixKeys { mixKeys.append(try reader.read(raw: 32)) }
            let vrfKey = try reader.read(raw: 32)
            let delayProof = try reader.readBytes(limit: Self.proofLimit)
            try self.init(
                network: network, epoch: epoch, identity: identity, role: role, family: family, addresses: addresses,
                linkKey: linkKey, mixKeys: mixKeys, vrfKey: vrfKey, delayProof: delayProof,
                bandwidth: try reader.read(), traffic: try reader.read())
        } catch {
            throw MixnetFailure.wrapping(error)
        }
    }
}

/// A descriptor under its node's signature: how it travels, and what votes carry.
package struct SignedDescriptor: Hashable, Sendable {
    package static let byteLimit = 4096

    package let descriptor: MixDescriptor
    package let signature: Signature

    package init(_ descriptor: MixDescriptor, signedWith key: SigningKey) {
        precondition(key.publicKey == descriptor.identity, "a descriptor is signed by its own node")
        self.descriptor = descriptor
        signature = key.sign(descriptor.canonicalBytes)
    }

    /// Of the descriptor and its signature: what authorities vote on.
    package var digest: Digest { .blake2b(bytes) }

    package var bytes: [UInt8] { descriptor.canonicalBytes + signature.bytes }

    /// - Throws: `bad_descriptor` unless the bytes are a descriptor that its node signed, in its one form.
    package init(bytes: [UInt8]) throws(MixnetFailure) {
        do {
            guard bytes.count <= Self.byteLimit else {
                throw MixnetFailure(
                    "bad_descriptor", "a descriptor has at most \(Self.byteLimit) bytes, found \(bytes.count)")
            }
            var reader = CanonicalReader(bytes)
            descriptor = try MixDescriptor(from: &reader)
            signature = try Signature(bytes: reader.read(raw: 64))
            try reader.end()
        } catch {
            throw MixnetFailure.wrapping(error)
        }
        guard descriptor.identity.verifies(signature, of: descriptor.canonicalBytes) else {
            throw MixnetFailure("bad_descriptor", "the descriptor of \(descriptor.identity) is not signed by it")
        }
    }
}
