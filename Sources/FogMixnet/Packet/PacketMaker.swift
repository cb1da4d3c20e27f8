internal import CSodium
internal import FogCore

/// Makes packets, and single-use blocks for replies, for one suite and epoch.
package struct PacketMaker: Sendable {
    package let suite: PacketSuite
    package let epoch: UInt64

    package init(suite: PacketSuite, epoch: UInt64) {
        self.suite = suite
        self.epoch = epoch
    }

    private var header: HeaderMaker { HeaderMaker(suite: suite, epoch: epoch) }

    /// A packet along a route.
    /// - Parameter body: 1,008 bytes.
    /// - Throws: `bad_route`, `bad_key`, `bad_body`.
    package func forward(_ body: [UInt8], along route: [Hop]) throws(MixnetFailure) -> MadePacket {
        try forward(body, along: route, secrets: HeaderSecrets(suite: suite, hops: route.count))
    }

    /// With chosen random bytes, for known answers.
    package func forward(
        _ body: [UInt8], along route: [Hop], secrets: HeaderSecrets
    ) throws(MixnetFailure) -> MadePacket {
        let zeros = [UInt8](repeating: 0, count: PacketSuite.surbIDBytes)
        let (bytes, hops) = try header.header(route: route, finalID: zeros, secrets: secrets)
        var payload = try Payload.proved(body)
        for hop in hops.reversed() { Payload.encrypt(&payload, hop.payloadKey) }
        return MadePacket(first: route[0].index, bytes: bytes + payload, hops: hops)
    }

    /// A block with which somebody may send one reply along a route that ends here, without knowing it.
    package func surb(along route: [Hop]) throws(MixnetFailure) -> (surb: SURB, secrets: SURBSecrets) {
        // An id of zeros would make the reply a forward packet; once in 2^128.
        try surb(
            along: route, id: SecureRandom.bytes(PacketSuite.surbIDBytes), key: SecureRandom.bytes(32),
            secrets: HeaderSecrets(suite: suite, hops: route.count))
    }

    package func surb(
        along route: [Hop], id: [UInt8], key: [UInt8], secrets: HeaderSecrets
    ) throws(MixnetFailure) -> (surb: SURB, secrets: SURBSecrets) {
        guard id.count == PacketSuite.surbIDBytes, key.count == 32 else {
            throw MixnetFailure("bad_surb", "a SURB has an id of 16 bytes and a key of 32")
        }
        let (bytes, hops) = try header.header(route: route, finalID: id, secrets: secrets)
        return (
            SURB(suite: suite, header: bytes, first: route[0].index, key: key),
            SURBSecrets(id: id, epoch: epoch, key: key, hops: hops)
        )
    }
}

/// A packet as its sender has it.
package struct MadePacket: Sendable {
    /// Index of the node that it goes to first.
    package let first: UInt16
    package let bytes: [UInt8]
    package let hops: [HopKnowledge]
}

/// The payload between both ends.
package enum Payload {
    /// 16 zero bytes and the body.
    /// - Throws: `bad_body` unless the body has 1,008 bytes.
    static func proved(_ body: [UInt8]) throws(MixnetFailure) -> [UInt8] {
        guard body.count == PacketSuite.bodyBytes else {
            throw MixnetFailure("bad_body", "a body has \(PacketSuite.bodyBytes) bytes, found \(body.count)")
        }
        return [UInt8](repeating: 0, count: PacketSuite.proofBytes) + body
    }

    /// The body of a payload that came as it was sent; nil when a bit of it was changed on the way.
    package static func body(of payload: some Collection<UInt8>) -> [UInt8]? {
        guard payload.count == PacketSuite.payloadBytes else { return nil }
        let bytes = Array(payload)
        guard sodium_is_zero(bytes, PacketSuite.proofBytes) == 1 else { return nil }
        return Array(bytes.dropFirst(PacketSuite.proofBytes))
    }

    static func encrypt(_ payload: inout [UInt8], _ key: [UInt8]) {
        payload.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return }
            Lioness.encrypt(start, buffer.count, key: key)
        }
    }

    static func decrypt(_ payload: inout [UInt8], _ key: [UInt8]) {
        payload.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return }
            Lioness.decrypt(start, buffer.count, key: key)
        }
    }
}
