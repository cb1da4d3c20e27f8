import FogCore
import FogMixnet
import Testing

@Suite("Packets")
struct PacketTests {
    @Test("a packet comes out at the end of its route as it went in", arguments: PacketSuite.allCases, 1...7)
    func forward(suite: PacketSuite, hops: Int) throws {
        let route = try TestRoute(suite: suite, hops: hops)
        let body = SecureRandom.bytes(PacketSuite.bodyBytes)
        let made = try route.maker.forward(body, along: route.hops)
        #expect(made.bytes.count == suite.packetBytes)
        #expect(made.first == route.hops[0].index)
        let end = try route.walk(made.bytes)
        #expect(end.tags == made.hops.map(\.tag))
        #expect(end.surbID == [UInt8](repeating: 0, count: 16))
        #expect(Payload.body(of: end.payload) == body)
    }

    @Test("a reply comes back to the maker of its SURB and opens once", arguments: PacketSuite.allCases, 1...7)
    func reply(suite: PacketSuite, hops: Int) throws {
        let route = try TestRoute(suite: suite, hops: hops)
        let (surb, secrets) = try route.maker.surb(along: route.hops)
        #expect(surb.bytes.count == suite.surbBytes)
        let read = try SURB(bytes: surb.bytes, suite: suite)
        #expect(read == surb)
        let body = SecureRandom.bytes(PacketSuite.bodyBytes)
        let packet = try read.packet(body)
        #expect(packet.count == suite.packetBytes)
        let end = try route.walk(packet)
        #expect(end.tags == secrets.hops.map(\.tag))
        var vault = SURBVault(limit: 1)
        let kept = [vault.keep(secrets), vault.keep(secrets)]
        #expect(kept == [true, false])
        let taken = [vault.take(end.surbID, end.payload), vault.take(end.surbID, end.payload)]
        #expect(taken == [body, nil])
    }

    @Test("a SURB is forgotten with its epoch")
    func expiry() throws {
        let route = try TestRoute(suite: .k400, hops: 3)
        var vault = SURBVault()
        let secrets = try route.maker.surb(along: route.hops).secrets
        let kept = vault.keep(secrets)
        #expect(kept)
        vault.expire(before: route.maker.epoch)
        #expect(vault.count == 1)
        vault.expire(before: route.maker.epoch + 1)
        #expect(vault.count == 0)
    }

    /// One bit of every byte of the header, at every hop of the longest route.
    @Test("a header with a changed bit is refused at the next hop", arguments: PacketSuite.allCases)
    func changedHeader(suite: PacketSuite) throws {
        let route = try TestRoute(suite: suite, hops: 7)
        let processor = HopProcessor(suite: suite)
        var packet = try route.maker.forward(SecureRandom.bytes(PacketSuite.bodyBytes), along: route.hops).bytes
        for key in route.keys {
            for place in 0..<suite.headerBytes {
                var changed = packet
                changed[place] ^= 1 << UInt8(place % 8)
                // X25519 ignores the top bit of an element (RFC 7748 section 5); the hash and the MAC do not.
                let refusal = changed.withPointer { processor.open($0, with: key) }
                #expect(refusal != nil, "byte \(place)")
            }
            _ = packet.withPointer { processor.process($0, with: key) }
        }
    }

    @Test("a payload with a changed bit comes out random, forward and reply", arguments: PacketSuite.allCases)
    func changedPayload(suite: PacketSuite) throws {
        let route = try TestRoute(suite: suite, hops: 3)
        let body = [UInt8](repeating: 0, count: PacketSuite.bodyBytes)
        let (surb, secrets) = try route.maker.surb(along: route.hops)
        let packets = (
            forward: try route.maker.forward(body, along: route.hops).bytes, reply: try surb.packet(body)
        )
        for place in stride(from: suite.headerBytes, to: suite.packetBytes, by: 61) {
            var changed = packets.forward
            changed[place] ^= 1 << UInt8(place % 8)
            let payload = try route.walk(changed).payload
            #expect(Payload.body(of: payload) == nil)
            // Some 4 of 1,024 random bytes are zero; 40 would be 18 deviations away.
            #expect(payload.count { $0 == 0 } < 40, "byte \(place)")
            changed = packets.reply
            changed[place] ^= 1 << UInt8(place % 8)
            #expect(secrets.open(try route.walk(changed).payload) == nil)
        }
    }

    @Test("an element of small order is refused", arguments: PacketSuite.allCases)
    func smallOrder(suite: PacketSuite) throws {
        let route = try TestRoute(suite: suite, hops: 1)
        var packet = try route.maker.forward(SecureRandom.bytes(PacketSuite.bodyBytes), along: route.hops).bytes
        for element in [[UInt8](repeating: 0, count: 32), [1] + [UInt8](repeating: 0, count: 31)] {
            packet.replaceSubrange(2..<34, with: element)
            let refusal = packet.withPointer { HopProcessor(suite: suite).open($0, with: route.keys[0]) }
            #expect(refusal == .badElement)
        }
        #expect(throws: MixnetFailure.self) {
            try route.maker.forward(
                SecureRandom.bytes(PacketSuite.bodyBytes),
                along: [Hop(index: 1, publicKey: [UInt8](repeating: 0, count: 32))])
        }
    }

    @Test("a packet of another epoch, suite or node is refused", arguments: PacketSuite.allCases)
    func others(suite: PacketSuite) throws {
        let route = try TestRoute(suite: suite, hops: 2)
        var packet = try route.maker.forward(SecureRandom.bytes(PacketSuite.bodyBytes), along: route.hops).bytes
        let processor = HopProcessor(suite: suite)
        let far = try MixKey(secret: route.secrets[0], epoch: route.maker.epoch + 1)
        func refusal(_ processor: HopProcessor, _ key: MixKey) -> PacketRefusal? {
            packet.withPointer { processor.open($0, with: key) }
        }
        #expect(refusal(processor, far) == .badPrefix)
        // 256 epochs on, the byte in front is the same; the whole epoch is in the keys.
        let same = try MixKey(secret: route.secrets[0], epoch: route.maker.epoch + 256)
        #expect(refusal(processor, same) == .badMAC)
        #expect(refusal(processor, route.keys[1]) == .badMAC)
        let other = HopProcessor(suite: suite == .k400 ? .s176 : .k400)
        #expect(refusal(other, route.keys[0]) == .badPrefix)
    }

    @Test("a route of no hop or of eight, and a body of another size are refused", arguments: PacketSuite.allCases)
    func bounds(suite: PacketSuite) throws {
        let route = try TestRoute(suite: suite, hops: 7)
        let body = SecureRandom.bytes(PacketSuite.bodyBytes)
        #expect(throws: MixnetFailure.self) { try route.maker.forward(body, along: []) }
        #expect(throws: MixnetFailure.self) { try route.maker.forward(body, along: route.hops + [route.hops[0]]) }
        #expect(throws: MixnetFailure.self) { try route.maker.forward(body + [0], along: route.hops) }
        #expect(throws: MixnetFailure.self) { try Hop(index: 0xFFFF, publicKey: route.hops[0].publicKey) }
        let surb = try route.maker.surb(along: route.hops).surb
        #expect(throws: MixnetFailure.self) { try SURB(bytes: surb.bytes + [0], suite: suite) }
        #expect(throws: MixnetFailure.self) { try surb.packet([]) }
    }

    /// Levels differ in their hops alone; each byte position of each level is uniform, but suite and epoch.
    @Test("packets of 1, 3, 5 and 7 hops and replies look alike", arguments: PacketSuite.allCases)
    func alike(suite: PacketSuite) throws {
        let count = 1024
        let route = try TestRoute(suite: suite, hops: 7)
        let body = [UInt8](repeating: 0, count: PacketSuite.bodyBytes)
        for hops in [1, 3, 5, 7] {
            var seen = [[Int]](repeating: [Int](repeating: 0, count: 16), count: suite.packetBytes * 2)
            for number in 0..<count {
                let part = Array(route.hops.prefix(hops))
                let packet =
                    number % 2 == 0
                    ? try route.maker.forward(body, along: part).bytes
                    : try route.maker.surb(along: part).surb.packet(body)
                #expect(packet.count == suite.packetBytes)
                for (place, byte) in packet.enumerated() {
                    seen[place * 2][Int(byte >> 4)] += 1
                    seen[place * 2 + 1][Int(byte & 15)] += 1
                }
            }
            for (place, counts) in seen.enumerated() where place >= 4 {
                // The top bit of an X25519 element is always zero.
                let values = place == 66 ? 8 : 16
                let expected = Double(count) / Double(values)
                let square = counts.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
                // 15 degrees: 80 has a chance of 7e-11; some 21,000 nibbles of all levels are looked at. The other half
                // of an impossible nibble (8 counts of zero) adds its whole expectation.
                #expect(square - (values == 8 ? expected * 8 : 0) < 80, "\(hops) hops, nibble \(place): \(square)")
            }
        }
    }

    /// The last node sees the unused slots in clear.
    @Test("unused slots and ephemeral keys are random", arguments: PacketSuite.allCases)
    func secrets(suite: PacketSuite) {
        let secrets = (0..<8).map { _ in HeaderSecrets(suite: suite, hops: 3) }
        #expect(
            Set(secrets.map(\.pad)).count == 8 && Set(secrets.flatMap(\.ephemerals)).count == (suite == .k400 ? 24 : 8))
        #expect(
            secrets.allSatisfy { secret in secret.pad.count { $0 == 0 } < 20 && secret.pad.count == suite.slotsBytes })
    }

    @Test("a pool gives each buffer once, and no more than its limit")
    func pool() {
        let pool = PacketPool(limit: 2 * PacketPool.slab)
        var out: Set<PacketBuffer> = []
        while let buffer = pool.take() { #expect(out.insert(buffer).inserted) }
        #expect(out.count == 2 * PacketPool.slab && pool.used == out.count)
        let places = Set(out.map { UInt(bitPattern: pool.bytes(of: $0)) })
        #expect(places.count == out.count && places.allSatisfy { $0 % 4096 == 0 })
        for buffer in out { pool.give(back: buffer) }
        #expect(pool.used == 0 && pool.take() != nil)
    }
}

/// A route over nodes whose keys the test holds.
struct TestRoute {
    let maker: PacketMaker
    let secrets: [[UInt8]]
    let keys: [MixKey]
    let hops: [Hop]

    init(suite: PacketSuite, hops count: Int, epoch: UInt64 = 0x01_0203_0405) throws {
        maker = PacketMaker(suite: suite, epoch: epoch)
        secrets = (0..<count).map { _ in SecureRandom.bytes(32) }
        keys = try secrets.map { try MixKey(secret: $0, epoch: epoch) }
        hops = try keys.enumerated().map { try Hop(index: UInt16($0 * 7 + 3), publicKey: $1.publicKey) }
    }

    struct End {
        var tags: [ReplayTag] = []
        var surbID: [UInt8] = []
        var payload: [UInt8] = []
    }

    /// Takes a packet through all nodes, each of which must find the next.
    func walk(_ packet: [UInt8]) throws -> End {
        var (packet, end) = (packet, End())
        let processor = HopProcessor(suite: maker.suite)
        for (place, key) in keys.enumerated() {
            let outcome = try packet.withPointer { processor.process($0, with: key) }.get()
            end.tags.append(processor.tag)
            if place + 1 < keys.count {
                #expect(outcome == .forward(hops[place + 1].index))
            } else {
                #expect(outcome == .final)
            }
        }
        end.surbID = processor.surbID
        end.payload = Array(packet.dropFirst(maker.suite.headerBytes))
        return end
    }
}

extension [UInt8] {
    mutating func withPointer<Result>(_ body: (UnsafeMutablePointer<UInt8>) throws -> Result) rethrows -> Result {
        try withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress else { preconditionFailure("an empty packet") }
            return try body(start)
        }
    }
}
