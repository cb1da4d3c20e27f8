package import FogCore

/// What travels over a link: frames of one size, whatever is in them, so that who watches a link counts frames and learns
/// nothing else.
///
/// Encrypted: kind 1 | contents, filled up to the size of a packet; then a tag of 16.
package enum LinkFrame {
    package enum Kind: UInt8, Sendable {
        /// Says that the link is there.
        case dummy = 0
        case packet = 1
        /// From a client: count 2 | ids of SURBs 16 each, whose replies it awaits over this link.
        case register = 2
        /// To a client: id of the SURB 16 | payload 1,024.
        case delivery = 3
    }

    static let kindBytes = 1

    /// Bytes of a frame on the wire.
    package static func byteCount(_ suite: PacketSuite) -> Int { plainBytes(suite) + LinkCipher.tagBytes }
    static func plainBytes(_ suite: PacketSuite) -> Int { kindBytes + suite.packetBytes }
    /// Ids that one frame registers at most.
    package static func idsPerFrame(_ suite: PacketSuite) -> Int {
        (suite.packetBytes - 2) / PacketSuite.surbIDBytes
    }

    /// What both ends have to agree on before they talk: the network and its packets.
    package static func prologue(network: Digest, suite: PacketSuite) -> [UInt8] {
        Array("fog-link-v1".utf8) + network.bytes + [suite.rawValue]
    }

    /// The ids in a frame's contents; nil when the count does not fit.
    package static func registered(_ contents: UnsafeBufferPointer<UInt8>) -> [[UInt8]]? {
        guard contents.count >= 2 else { return nil }
        let count = Int(contents[0]) << 8 | Int(contents[1])
        guard 2 + count * PacketSuite.surbIDBytes <= contents.count else { return nil }
        return (0..<count).map { number in
            let start = 2 + number * PacketSuite.surbIDBytes
            return Array(contents[start..<start + PacketSuite.surbIDBytes])
        }
    }

    static func registration(_ ids: [[UInt8]]) -> [UInt8] {
        [UInt8(ids.count >> 8 & 0xFF), UInt8(ids.count & 0xFF)] + ids.joined()
    }
}
