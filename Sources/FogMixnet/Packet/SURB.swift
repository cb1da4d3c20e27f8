internal import CSodium
internal import FogCore

/// A single-use reply block: a header made by who awaits the reply, and a key for its payload.
///
/// Used twice, both packets have one replay tag at the first node, which drops the second.
package struct SURB: Hashable, Sendable {
    package let suite: PacketSuite
    /// Index of the node that the reply goes to first.
    package let first: UInt16
    private let header: [UInt8]
    private let key: [UInt8]

    init(suite: PacketSuite, header: [UInt8], first: UInt16, key: [UInt8]) {
        self.suite = suite
        self.header = header
        self.first = first
        self.key = key
    }

    /// Header | index of the first node 2 | key 32.
    /// - Throws: `bad_surb` for another length or suite.
    package init(bytes: [UInt8], suite: PacketSuite) throws(MixnetFailure) {
        guard bytes.count == suite.surbBytes else {
            throw MixnetFailure("bad_surb", "a SURB of \(suite) has \(suite.surbBytes) bytes, found \(bytes.count)")
        }
        guard bytes[0] == suite.rawValue else {
            throw MixnetFailure("bad_surb", "a SURB of \(suite) begins with \(suite.rawValue), found \(bytes[0])")
        }
        let index = UInt16(bytes[suite.headerBytes]) << 8 | UInt16(bytes[suite.headerBytes + 1])
        guard index != PacketSuite.finalIndex else {
            throw MixnetFailure("bad_surb", "a SURB's first node has the index that marks the last hop")
        }
        self.suite = suite
        header = Array(bytes.prefix(suite.headerBytes))
        first = index
        key = Array(bytes.suffix(32))
    }

    package var bytes: [UInt8] { header + [UInt8(first >> 8), UInt8(first & 0xFF)] + key }

    /// The low byte of the epoch whose keys open it.
    package var epochByte: UInt8 { header[1] }

    /// The reply as a packet; on the wire nothing tells it from a forward one.
    /// - Throws: `bad_body` unless the body has 1,008 bytes.
    package consuming func packet(_ body: [UInt8]) throws(MixnetFailure) -> [UInt8] {
        var payload = try Payload.proved(body)
        Payload.encrypt(&payload, Self.payloadKey(key))
        return header + payload
    }

    /// The first 192 bytes of ChaCha20(BLAKE2b-256("fog-surb-v1" | key)).
    static func payloadKey(_ key: [UInt8]) -> [UInt8] {
        let root = Digest.blake2b(Array("fog-surb-v1".utf8) + key).bytes
        var out = [UInt8](repeating: 0, count: Lioness.keyBytes)
        crypto_stream_chacha20(&out, UInt64(out.count), ZeroNonce.pointer, root)
        return out
    }
}

/// What the maker of a SURB keeps to open its reply. Throw it away with the reply, or with the epoch.
package struct SURBSecrets: Hashable, Sendable {
    /// By which the last node's delivery names the SURB.
    package let id: [UInt8]
    /// The reply can come as long as the nodes keep this epoch's keys.
    package let epoch: UInt64
    private let key: [UInt8]
    package let hops: [HopKnowledge]

    init(id: [UInt8], epoch: UInt64, key: [UInt8], hops: [HopKnowledge]) {
        self.id = id
        self.epoch = epoch
        self.key = key
        self.hops = hops
    }

    /// The reply's body, or nil when a bit of it was changed on its way.
    ///
    /// Each node decrypted what was already secret; so their keys encrypt, the last node's first, and the SURB's decrypts.
    package func open(_ payload: [UInt8]) -> [UInt8]? {
        guard payload.count == PacketSuite.payloadBytes else { return nil }
        var copy = payload
        for hop in hops.reversed() { Payload.encrypt(&copy, hop.payloadKey) }
        Payload.decrypt(&copy, SURB.payloadKey(key))
        return Payload.body(of: copy)
    }
}

/// The SURBs that are out, each for one reply and until its epoch ends.
package struct SURBVault: Sendable {
    /// The bound on what is kept: a maker of more forgets none, it waits.
    package let limit: Int
    private var open: [[UInt8]: SURBSecrets] = [:]

    package init(limit: Int = 65_536) { self.limit = limit }

    package var count: Int { open.count }

    /// Whether there was room.
    package mutating func keep(_ secrets: SURBSecrets) -> Bool {
        guard open.count < limit else { return false }
        open[secrets.id] = secrets
        return true
    }

    /// The body of a reply; nil for an id that is not out (any more), and for a reply that was changed. Either way the
    /// SURB is used up.
    package mutating func take(_ id: [UInt8], _ payload: [UInt8]) -> [UInt8]? {
        open.removeValue(forKey: id)?.open(payload)
    }

    /// Forgets what no node can deliver any more.
    /// - Parameter epoch: the first whose keys are still there.
    package mutating func expire(before epoch: UInt64) { open = open.filter { $1.epoch >= epoch } }
}
