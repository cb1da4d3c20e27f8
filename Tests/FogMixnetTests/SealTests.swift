import FogCore
import FogMixnet
import Testing

@Suite("Seals of frames")
struct SealTests {
    private static let now = Timestamp(seconds: 1_000_000)

    private static func frame(_ exchange: UInt64 = 7) -> MessageFrame {
        var frame = MessageFrame(.data, isAnswer: false, exchange: ExchangeID(exchange))
        (frame.length, frame.count, frame.sequence) = (900, 1, 3)
        frame.content =
            (0..<900).map { UInt8(truncatingIfNeeded: $0) }
            + [UInt8](repeating: 0, count: MessageFrame.contentBytes - 900)
        return frame
    }

    @Test("the service opens what was sealed to it; a seal fills a body, and no two are alike")
    func roundTrip() throws {
        var ring = try ServiceKeyRing(lasting: SecureRandom.bytes(32))
        let short = try ring.current(at: Self.now)
        let lasting = try ServiceKey.lasting(ring.publicKey)
        let (first, second) = (try FrameSeal.seal(Self.frame(), to: short), try FrameSeal.seal(Self.frame(), to: short))
        #expect(first.count == PacketSuite.bodyBytes)
        // Nothing of the frame is to be seen, and nothing but the key's id is in both.
        #expect(first[4...] != second[4...] && first[4..<36] != second[4..<36])
        let came = ring.open(first, at: Self.now)
        let opened = try #require(came)
        #expect(opened.frame == Self.frame() && !opened.isLasting)
        let question = ring.open(try FrameSeal.seal(Self.frame(), to: lasting), at: Self.now)
        let asked = try #require(question)
        #expect(asked.frame == Self.frame() && asked.isLasting)
    }

    @Test("a changed bit anywhere, another key or another length opens to nothing")
    func refusals() throws {
        var ring = try ServiceKeyRing(lasting: SecureRandom.bytes(32))
        let short = try ring.current(at: Self.now)
        let body = try FrameSeal.seal(Self.frame(), to: short)
        for place in stride(from: 0, to: body.count, by: 7) {
            var changed = body
            changed[place] ^= 1 << UInt8(place % 8)
            // X25519 ignores the highest bit of an element; the key of the seal does not.
            #expect(ring.open(changed, at: Self.now) == nil, "byte \(place)")
        }
        var high = body
        high[35] ^= 0x80
        #expect(ring.open(high, at: Self.now) == nil)
        #expect(ring.open(Array(body.dropLast()), at: Self.now) == nil)
        #expect(ring.open(body + [0], at: Self.now) == nil)
        #expect(ring.open([UInt8](repeating: 0, count: PacketSuite.bodyBytes), at: Self.now) == nil)
        var other = try ServiceKeyRing(lasting: SecureRandom.bytes(32))
        _ = try other.current(at: Self.now)
        #expect(other.open(body, at: Self.now) == nil)
        #expect(throws: MixnetFailure.self) {
            try FrameSeal.seal(Self.frame(), to: .lasting([UInt8](repeating: 0, count: 32)))
        }
        #expect(throws: MixnetFailure.self) { try ServiceKey.lasting([1, 2, 3]) }
    }

    @Test("a short key is handed out for ten minutes, opens for thirty, and then nothing opens what was sealed to it")
    func erasure() throws {
        var ring = try ServiceKeyRing(lasting: SecureRandom.bytes(32))
        let first = try ring.current(at: Self.now)
        let body = try FrameSeal.seal(Self.frame(), to: first)
        #expect(try ring.current(at: Self.now + .minutes(10) - .milliseconds(1)) == first)
        let second = try ring.current(at: Self.now + .minutes(10))
        #expect(second.id != first.id && second.publicKey != first.publicKey)
        #expect(first.until == Self.now + .minutes(20))
        #expect(ring.open(body, at: Self.now + .minutes(30) - .milliseconds(1)) != nil)
        #expect(ring.open(body, at: Self.now + .minutes(30)) == nil && ring.shortKeys == 1)
    }

    @Test("frames of an exchange that is over open to nothing as long as a key is there that would open them")
    func replays() throws {
        var ring = try ServiceKeyRing(lasting: SecureRandom.bytes(32))
        let first = try ring.current(at: Self.now)
        let body = try FrameSeal.seal(Self.frame(7), to: first)
        let later = try FrameSeal.seal(Self.frame(8), to: first)
        _ = try ring.current(at: Self.now + .minutes(11))
        ring.end(ExchangeID(7))
        #expect(ring.open(body, at: Self.now + .minutes(12)) == nil)
        #expect(ring.open(later, at: Self.now + .minutes(12)) != nil)
        // The first key is gone by now; the second still knows.
        #expect(ring.open(body, at: Self.now + .minutes(35)) == nil && ring.isOver(ExchangeID(7)))
        ring.expire(at: Self.now + .minutes(41))
        #expect(!ring.isOver(ExchangeID(7)) && ring.shortKeys == 0)
    }

    @Test("keys and remembered exchanges have a bound: a flood makes new keys, and old ones go before their time")
    func bounds() throws {
        var ring = try ServiceKeyRing(lasting: SecureRandom.bytes(32))
        var (number, ids) = (UInt64(0), Set<UInt32>())
        for _ in 0..<ServiceKeyRing.keysLimit + 2 {
            ids.insert(try ring.current(at: Self.now).id)
            for _ in 0..<ServiceKeyRing.exchangesLimit {
                number += 1
                ring.end(ExchangeID(number))
            }
        }
        #expect(ids.count == ServiceKeyRing.keysLimit + 2 && ring.shortKeys == ServiceKeyRing.keysLimit)
        #expect(!ring.isOver(ExchangeID(1)) && ring.isOver(ExchangeID(number)))
    }
}
