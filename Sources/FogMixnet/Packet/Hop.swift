internal import FogCore

/// A node on a route: its index in the epoch's consensus, and its public mix key of that epoch.
package struct Hop: Hashable, Sendable {
    package let index: UInt16
    package let publicKey: [UInt8]

    /// - Throws: `bad_route` for a key that has not 32 bytes, and for the index that marks the last hop.
    package init(index: UInt16, publicKey: [UInt8]) throws(MixnetFailure) {
        guard publicKey.count == MixKey.byteCount else {
            throw MixnetFailure("bad_route", "a mix key has \(MixKey.byteCount) bytes, found \(publicKey.count)")
        }
        guard index != PacketSuite.finalIndex else {
            throw MixnetFailure("bad_route", "the index \(index) marks the end of a route, so it names no node")
        }
        self.index = index
        self.publicKey = publicKey
    }
}

/// The random bytes of one header. Only tests choose them.
package struct HeaderSecrets: Sendable {
    /// X25519 secrets: one in s176, one a hop in k400.
    package let ephemerals: [[UInt8]]
    /// Fills the slots that the route does not need: random, since zeros would tell the last node the route's length
    /// (Kuhn et al. 2020).
    package let pad: [UInt8]

    package init(suite: PacketSuite, hops: Int) {
        ephemerals = (0..<(suite == .s176 ? 1 : hops)).map { _ in SecureRandom.bytes(32) }
        pad = SecureRandom.bytes(suite.slotsBytes)
    }

    /// - Throws: `bad_route` when the counts do not fit.
    package init(suite: PacketSuite, hops: Int, ephemerals: [[UInt8]], pad: [UInt8]) throws(MixnetFailure) {
        guard ephemerals.count == (suite == .s176 ? 1 : hops), ephemerals.allSatisfy({ $0.count == 32 }),
            pad.count == suite.slotsBytes
        else { throw MixnetFailure("bad_route", "the chosen bytes do not fit \(suite) and \(hops) hops") }
        self.ephemerals = ephemerals
        self.pad = pad
    }
}

/// What the sender knows of each hop, in the order of the route.
package struct HopKnowledge: Hashable, Sendable {
    /// By which the node knows the packet; a loop's sender reckons the node's delay from it.
    package let tag: ReplayTag
    package let delaySeed: [UInt8]
    let payloadKey: [UInt8]
}
