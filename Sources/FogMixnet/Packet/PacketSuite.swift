/// One of the two forms of a packet; a network speaks one of them, which its consensus names.
///
/// A packet is suite 1 | low byte of the epoch 1 | element 32 | MAC 16 | seven slots | payload 1,024. There are seven
/// slots however many hops a route has, so packets of all privacy levels look alike. Integers are big-endian.
package enum PacketSuite: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// Sphinx (Danezis, Goldberg 2009): one element, blinded at each hop. A header of 176 bytes, two scalar
    /// multiplications a hop.
    case s176 = 1
    /// A key of its own for each hop in its slot. A header of 400 bytes, one scalar multiplication a hop.
    case k400 = 2

    /// Hops that a header has room for.
    package static let slots = 7
    package static let payloadBytes = 1024
    /// Zero bytes in front of the body: what comes back as anything else was changed on its way.
    package static let proofBytes = 16
    package static let bodyBytes = payloadBytes - proofBytes
    package static let macBytes = 16
    package static let elementBytes = 32
    /// Of the id by which the maker of a SURB knows the reply; all zero in a forward packet.
    package static let surbIDBytes = 16
    /// In the place of a next node's index: this node is the last.
    package static let finalIndex: UInt16 = 0xFFFF
    /// Suite and epoch, which the MAC covers.
    static let prefixBytes = 2
    /// What precedes the slots: suite, epoch, element, MAC.
    static let fixedBytes = prefixBytes + elementBytes + macBytes

    /// The next node's index 2, its MAC 16 and, in k400, its element 32.
    package var slotBytes: Int { self == .s176 ? 18 : 50 }
    package var slotsBytes: Int { Self.slots * slotBytes }
    package var headerBytes: Int { Self.fixedBytes + slotsBytes }
    package var packetBytes: Int { headerBytes + Self.payloadBytes }
    package var surbBytes: Int { headerBytes + 2 + 32 }

    package init(name: some StringProtocol) throws(MixnetFailure) {
        guard let suite = Self.allCases.first(where: { $0.description == name }) else {
            throw MixnetFailure("bad_suite", "a packet suite is fog-k400 or fog-s176, found `\(name.prefix(40))`")
        }
        self = suite
    }

    package var description: String { self == .s176 ? "fog-s176" : "fog-k400" }
}
