internal import CSodium
internal import FogCore

/// Why a node did not take a packet. The sender is told nothing of it.
package enum PacketRefusal: Sendable, Hashable, CaseIterable {
    /// Another suite, or an epoch whose key this node does not hold.
    case badPrefix
    /// The element is a point of small order: anybody would know the shared secret.
    case badElement
    /// The header was changed, or made for another node.
    case badMAC
}

/// What a node is to do with a packet that it has opened.
package enum HopOutcome: Sendable, Hashable {
    /// To the node of this index; the packet's bytes are already those to be sent.
    case forward(UInt16)
    /// This node is the last: the payload is as the sender made it, or is a reply to the SURB ``HopProcessor/surbID``.
    case final
}

/// Opens packets in place, one after another, without allocating anything.
///
/// Two steps, so that the replay set can be asked in between: ``open(_:with:)`` finds the keys and proves the header,
/// ``strip(_:)`` makes the packet what the next node gets. An attacker cannot fill the replay set with packets that no
/// sender made, nor make the node spend the second step on them.
///
/// One thread uses a processor at a time.
package final class HopProcessor {
    package let suite: PacketSuite
    private let secrets = HopSecrets()
    /// Prefix 2 | element 32 | slots | room for one slot more: what the MAC covers, in one piece.
    private let work: UnsafeMutablePointer<UInt8>

    package init(suite: PacketSuite) {
        Sodium.start()
        self.suite = suite
        work = .allocate(capacity: Self.workBytes)
        work.initialize(repeating: 0, count: Self.workBytes)
    }

    deinit {
        sodium_memzero(work, Self.workBytes)
        work.deallocate()
    }

    private static let workBytes = 512
    private static let prefix = PacketSuite.prefixBytes
    private static let element = PacketSuite.elementBytes
    private static let covered = prefix + element
    private static let mac = PacketSuite.macBytes

    /// The packet's replay tag, the two halves of its 16 bytes: of the packet that was opened last.
    package var tag: ReplayTag { ReplayTag(secrets.tag) }

    /// 32 bytes that the sender knows as well: of the packet that was opened last.
    package var delaySeed: [UInt8] { Array(UnsafeBufferPointer(start: secrets.delaySeed, count: 32)) }

    /// Of the packet that was stripped last, when this node was its end; all zero in a forward packet.
    package var surbID: [UInt8] {
        Array(UnsafeBufferPointer(start: work + Self.covered + 2, count: PacketSuite.surbIDBytes))
    }

    package func copySURBID(to place: UnsafeMutablePointer<UInt8>) {
        place.update(from: work + Self.covered + 2, count: PacketSuite.surbIDBytes)
    }

    /// Finds the keys of the packet's hop and proves its header; the packet stays as it is.
    /// - Parameter packet: `suite.packetBytes` bytes.
    package func open(_ packet: UnsafeMutablePointer<UInt8>, with key: MixKey) -> PacketRefusal? {
        guard packet[0] == suite.rawValue, packet[1] == UInt8(truncatingIfNeeded: key.epoch) else { return .badPrefix }
        let point = packet + Self.prefix
        guard crypto_scalarmult_curve25519(secrets.shared, key.secret, point) == 0 else { return .badElement }
        secrets.derive(suite: suite, epoch: key.epoch, element: point, publicKey: key.publicBytes)
        let slots = suite.slotsBytes
        work.update(from: packet, count: Self.covered)
        (work + Self.covered).update(from: packet + PacketSuite.fixedBytes, count: slots)
        // Compares in a time that does not depend on the bytes.
        let verdict = crypto_onetimeauth_verify(
            packet + Self.covered, work, UInt64(Self.covered + slots), secrets.macKey)
        return verdict == 0 ? nil : .badMAC
    }

    /// Makes the packet what comes out at this hop. Only right after ``open(_:with:)`` has taken it.
    package func strip(_ packet: UnsafeMutablePointer<UInt8>) -> HopOutcome {
        let (slot, slots) = (suite.slotBytes, suite.slotsBytes)
        let open = work + Self.covered
        (open + slots).update(repeating: 0, count: slot)
        crypto_stream_chacha20_xor(open, open, UInt64(slots + slot), ZeroNonce.pointer, secrets.streamKey)
        Lioness.decrypt(packet + suite.headerBytes, PacketSuite.payloadBytes, key: secrets.payloadKey)
        let index = UInt16(open[0]) << 8 | UInt16(open[1])
        guard index != PacketSuite.finalIndex else { return .final }
        let point = packet + Self.prefix
        switch suite {
        case .s176:
            // Zero would be refused by the next node; a clamped blind and a point that passed above do not give it.
            _ = crypto_scalarmult_curve25519(work, secrets.blind, point)
            point.update(from: work, count: Self.element)
        case .k400: point.update(from: open + 2 + Self.mac, count: Self.element)
        }
        (packet + Self.covered).update(from: open + 2, count: Self.mac)
        (packet + PacketSuite.fixedBytes).update(from: open + slot, count: slots)
        return .forward(index)
    }

    /// Both steps, for whoever keeps no replay set.
    package func process(_ packet: UnsafeMutablePointer<UInt8>, with key: MixKey) -> Result<HopOutcome, PacketRefusal> {
        if let refusal = open(packet, with: key) { return .failure(refusal) }
        return .success(strip(packet))
    }
}

extension PacketRefusal: Error {}

/// What makes a packet known again at one node: 16 bytes that only its sender and this node can compute.
package struct ReplayTag: Hashable, Sendable {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    init(_ bytes: UnsafePointer<UInt8>) {
        let raw = UnsafeRawPointer(bytes)
        high = UInt64(bigEndian: raw.loadUnaligned(as: UInt64.self))
        low = UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }

    package var bytes: [UInt8] {
        withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { Array($0) }
    }
}
