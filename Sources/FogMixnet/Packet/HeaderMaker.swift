internal import CSodium
internal import FogCore

/// Makes headers; the sender's half of both suites (research: Danezis, Goldberg 2009, section 3.2).
struct HeaderMaker {
    let suite: PacketSuite
    let epoch: UInt64

    /// The header of a route, and what its hops will find in it.
    /// - Throws: `bad_route` for no hop, more than seven, or a key of small order.
    func header(
        route: [Hop], finalID: [UInt8], secrets: HeaderSecrets
    ) throws(MixnetFailure) -> (bytes: [UInt8], hops: [HopKnowledge]) {
        guard (1...PacketSuite.slots).contains(route.count) else {
            throw MixnetFailure("bad_route", "a route has 1 to \(PacketSuite.slots) hops, found \(route.count)")
        }
        let keys = try hopKeys(route, secrets)
        let prefix = [suite.rawValue, UInt8(truncatingIfNeeded: epoch)]
        var slots = lastSlots(route.count, finalID, secrets.pad, keys)
        var mac = Self.mac(keys[route.count - 1].macKey, prefix + keys[route.count - 1].element + slots)
        for hop in (0..<route.count - 1).reversed() {
            var plain = Self.bigEndian(route[hop + 1].index) + mac
            if suite == .k400 { plain += keys[hop + 1].element }
            plain += slots.prefix(suite.slotsBytes - suite.slotBytes)
            slots = Self.mixed(plain, keys[hop].stream)
            mac = Self.mac(keys[hop].macKey, prefix + keys[hop].element + slots)
        }
        let known = keys.map { HopKnowledge(tag: $0.tag, delaySeed: $0.delaySeed, payloadKey: $0.payloadKey) }
        return (prefix + keys[0].element + mac + slots, known)
    }

    /// What the last node finds, the unused slots, and what the nodes before it will have shifted in.
    private func lastSlots(_ count: Int, _ finalID: [UInt8], _ pad: [UInt8], _ keys: [Keys]) -> [UInt8] {
        let (slot, all) = (suite.slotBytes, suite.slotsBytes)
        var filler: [UInt8] = []
        for hop in 0..<count - 1 {
            filler = Self.mixed(
                filler + [UInt8](repeating: 0, count: slot), keys[hop].stream.suffix((hop + 1) * slot))
        }
        let body =
            Self.bigEndian(PacketSuite.finalIndex) + finalID
            + pad.prefix(slot - 18 + all - slot * count)
        return Self.mixed(body, keys[count - 1].stream) + filler
    }

    // MARK: - Keys

    private struct Keys {
        let element: [UInt8]
        let tag: ReplayTag
        let macKey: [UInt8]
        /// As long as the slots and one more.
        let stream: [UInt8]
        let payloadKey: [UInt8]
        let delaySeed: [UInt8]
        let blind: [UInt8]
    }

    private func hopKeys(_ route: [Hop], _ secrets: HeaderSecrets) throws(MixnetFailure) -> [Keys] {
        var keys: [Keys] = []
        switch suite {
        case .k400:
            for (hop, ephemeral) in zip(route, secrets.ephemerals) {
                let element = Curve25519.base(ephemeral)
                keys.append(try derive(Curve25519.shared(ephemeral, hop.publicKey), element, hop.publicKey))
            }
        case .s176:
            // All blinds so far are in one scalar, so that a hop costs two multiplications and not its number plus one.
            var product = Curve25519.clamped(secrets.ephemerals[0])
            var element = Curve25519.base(secrets.ephemerals[0])
            for hop in route {
                let shared = try Curve25519.shared(Curve25519.representative(product), hop.publicKey)
                let found = try derive(shared, element, hop.publicKey)
                keys.append(found)
                element = try Curve25519.shared(found.blind, element)
                product = Curve25519.product(product, Curve25519.clamped(found.blind))
            }
        }
        return keys
    }

    private func derive(_ shared: [UInt8], _ element: [UInt8], _ publicKey: [UInt8]) throws(MixnetFailure) -> Keys {
        let secrets = HopSecrets()
        secrets.shared.update(from: shared, count: 32)
        secrets.derive(suite: suite, epoch: epoch, element: element, publicKey: publicKey)
        func copy(_ start: UnsafePointer<UInt8>, _ count: Int) -> [UInt8] {
            Array(UnsafeBufferPointer(start: start, count: count))
        }
        var stream = [UInt8](repeating: 0, count: suite.slotsBytes + suite.slotBytes)
        crypto_stream_chacha20(&stream, UInt64(stream.count), ZeroNonce.pointer, secrets.streamKey)
        return Keys(
            element: element, tag: ReplayTag(secrets.tag), macKey: copy(secrets.macKey, 32), stream: stream,
            payloadKey: copy(secrets.payloadKey, Lioness.keyBytes), delaySeed: copy(secrets.delaySeed, 32),
            blind: copy(secrets.blind, 32))
    }

    // MARK: - Bytes

    private static func bigEndian(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xFF)] }

    /// The bytes XOR as many of the stream.
    private static func mixed(_ bytes: [UInt8], _ stream: some Sequence<UInt8>) -> [UInt8] {
        zip(bytes, stream).map { $0 ^ $1 }
    }

    private static func mac(_ key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: PacketSuite.macBytes)
        crypto_onetimeauth(&out, bytes, UInt64(bytes.count), key)
        return out
    }
}
