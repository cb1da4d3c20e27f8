import FogAPI
import FogCore
import FogNet
import Synchronization
import Testing

@Suite("The nonce window")
struct NonceWindowTests {
    private static let start = Fixture.now - .minutes(10)

    @Test("a request is admitted once; its replay is refused for as long as it would be valid")
    func replay() throws {
        let window = NonceWindow(start: Self.start)
        let signature = try Fixture().verified(Fixture().signed())
        #expect(window.admit(signature, at: Fixture.now) == nil)
        for seconds in [0, 1, 60, 120] as [Int64] {
            #expect(window.admit(signature, at: Fixture.now + .seconds(seconds))?.code == "replayed")
        }
    }

    @Test("of a hundred replays at once exactly one is admitted")
    func concurrentReplay() async throws {
        let window = NonceWindow(start: Self.start)
        let signature = try Fixture().verified(Fixture().signed())
        let admitted = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<100 { group.addTask { window.admit(signature, at: Fixture.now) == nil } }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(admitted == 1)
    }

    @Test("the same nonce of another key is another nonce")
    func keysApart() throws {
        let window = NonceWindow(start: Self.start)
        let fixture = try Fixture()
        let other = RequestSigner(key: fixture.coordinator, coordinator: fixture.coordinator.publicKey.id)
        let signed = try other.sign(fixture.request, at: Fixture.now, nonce: [UInt8](repeating: 7, count: 16))
        let verdict = fixture.verifier.verify(signed, at: Fixture.now) { _ in fixture.coordinator.publicKey }
        guard case .verified(let second) = verdict else { return #expect(Bool(false), "\(verdict)") }
        #expect(window.admit(try fixture.verified(fixture.signed()), at: Fixture.now) == nil)
        #expect(window.admit(second, at: Fixture.now) == nil)
    }

    @Test("one nonce under two expiry times is one nonce")
    func oneNonceTwoTimes() throws {
        let window = NonceWindow(start: Self.start)
        let fixture = try Fixture()
        let nonce = [UInt8](repeating: 3, count: 16)
        let short = try fixture.signer(lifetime: .seconds(30)).sign(fixture.request, at: Fixture.now, nonce: nonce)
        let long = try fixture.signer(lifetime: .seconds(300)).sign(fixture.request, at: Fixture.now, nonce: nonce)
        #expect(window.admit(try fixture.verified(short), at: Fixture.now) == nil)
        #expect(window.admit(try fixture.verified(long), at: Fixture.now)?.code == "replayed")
    }

    @Test("what has expired is forgotten, and a clock set back does not bring it to life")
    func forgets() throws {
        let window = NonceWindow(start: Self.start)
        let fixture = try Fixture()
        let first = try fixture.verified(fixture.signed(1))
        #expect(window.admit(first, at: Fixture.now) == nil)
        let later = Fixture.now + .minutes(10)
        let second = try fixture.verified(fixture.signer().sign(fixture.request, at: later), at: later)
        #expect(window.admit(second, at: later) == nil)
        #expect(window.count == 1)
        #expect(window.admit(first, at: Fixture.now)?.code == "signature_expired")
    }

    @Test("a clock that leaps ahead for a moment locks nobody out")
    func leap() throws {
        let window = NonceWindow(start: Self.start)
        let fixture = try Fixture()
        let year = Fixture.now + .days(365)
        let ahead = try fixture.verified(fixture.signer().sign(fixture.request, at: year), at: year)
        #expect(window.admit(try fixture.verified(fixture.signed(1)), at: Fixture.now) == nil)
        #expect(window.admit(ahead, at: year) == nil)
        let soon = Fixture.now + .minutes(6)
        let next = try fixture.verified(fixture.signer().sign(fixture.request, at: soon), at: soon)
        #expect(window.admit(next, at: soon) == nil)
    }

    @Test("no more is kept than there is room for, and nothing that is kept is given up")
    func capacity() throws {
        let fixture = try Fixture()
        let window = NonceWindow(start: Self.start, capacity: .init(perKey: 3, total: 100))
        let signatures = try (0..<4).map { try fixture.verified(fixture.signed($0)) }
        for signature in signatures.prefix(3) { #expect(window.admit(signature, at: Fixture.now) == nil) }
        #expect(window.admit(signatures[3], at: Fixture.now)?.code == "too_many_requests")
        #expect(window.admit(signatures[0], at: Fixture.now)?.code == "replayed")
        #expect(window.count == 3)
        let full = NonceWindow(start: Self.start, capacity: .init(perKey: 3, total: 1))
        #expect(full.admit(signatures[0], at: Fixture.now) == nil)
        #expect(full.admit(signatures[1], at: Fixture.now)?.code == "too_many_requests")
    }

    @Test("after a restart a request from before is signed_before_start; signed by the time it is told, it is admitted")
    func restart() throws {
        let fixture = try Fixture()
        let start = Fixture.now + .milliseconds(400)
        let window = NonceWindow(start: start)
        let now = start + .milliseconds(100)
        let old = try fixture.verified(fixture.signed())
        let refusal = try #require(window.admit(old, at: now))
        #expect(refusal.code == "signed_before_start")
        let time = try #require(refusal.serverTime)
        #expect(time >= now)
        let again = try fixture.signer().sign(fixture.request, at: time)
        #expect(window.admit(try fixture.verified(again, at: now), at: now) == nil)
    }

    @Test("with the mark of the process before, a request signed ahead of our clock does not come back either")
    func restartWithMark() throws {
        let fixture = try Fixture()
        let before = NonceWindow(start: Self.start)
        let ahead = try fixture.verified(fixture.signer().sign(fixture.request, at: Fixture.now + .seconds(50)))
        #expect(before.admit(ahead, at: Fixture.now) == nil)
        #expect(before.admittedThrough == Fixture.now + .seconds(50))
        let restart = Fixture.now + .seconds(10)
        let after = NonceWindow(start: restart, admittedBefore: before.admittedThrough)
        #expect(after.admit(ahead, at: restart + .seconds(45))?.code == "signed_before_start")
        // The sender of a refused request is told a time that is admitted.
        let time = try #require(after.admit(ahead, at: restart)?.serverTime)
        let again = try fixture.verified(fixture.signer().sign(fixture.request, at: time), at: restart)
        #expect(after.admit(again, at: restart) == nil)
    }

    @Test("a mark is kept before a request of a clock ahead is admitted, beyond it, and seldom; without it none is")
    func marks() throws {
        let fixture = try Fixture()
        let marks = Mutex<[Timestamp]>([])
        let canKeep = Mutex(true)
        let window = NonceWindow(start: Self.start) { mark in
            guard canKeep.withLock({ $0 }) else { return false }
            marks.withLock { $0.append(mark) }
            return true
        }
        func admit(_ ahead: Int64) throws -> String? {
            let signed = try fixture.signer().sign(fixture.request, at: Fixture.now + .seconds(ahead))
            return window.admit(try fixture.verified(signed), at: Fixture.now)?.code
        }
        for ahead in [-30, 0] as [Int64] { #expect(try admit(ahead) == nil) }
        #expect(marks.withLock { $0.isEmpty })
        for ahead in [3, 4, 13] as [Int64] { #expect(try admit(ahead) == nil) }
        #expect(marks.withLock { $0 } == [Fixture.now + .seconds(13)])
        // No further than anybody may be ahead.
        #expect(try admit(58) == nil)
        #expect(marks.withLock { $0.last } == Fixture.now + .seconds(60))
        canKeep.withLock { $0 = false }
        #expect(try admit(59) == nil)
        let other = NonceWindow(start: Self.start) { _ in false }
        let ahead = try fixture.verified(fixture.signer().sign(fixture.request, at: Fixture.now + .seconds(1)))
        #expect(other.admit(ahead, at: Fixture.now)?.code == "clock_skew")
        #expect(other.count == 0)
    }

    @Test("forty starts half a second apart, after a clock that was ahead: a sender who follows is let in")
    func quickRestarts() throws {
        let fixture = try Fixture()
        let mark = Mutex(Timestamp.zero)
        var (now, admitted) = (Fixture.now + .milliseconds(300), [VerifiedSignature]())
        for start in 0..<40 {
            let window = NonceWindow(start: now, admittedBefore: mark.withLock { $0 }) { new in
                mark.withLock { $0 = new }
                return true
            }
            for old in admitted { #expect(window.admit(old, at: now)?.code == "signed_before_start") }
            var at = start == 0 ? now + .seconds(5) : now
            for attempt in 0..<2 {
                let signed = try fixture.verified(fixture.signer().sign(fixture.request, at: at), at: now)
                guard let refusal = window.admit(signed, at: now) else {
                    admitted.append(signed)
                    break
                }
                #expect(attempt == 0, "start \(start): \(refusal.message)")
                at = try #require(refusal.serverTime)
            }
            now = now + .milliseconds(500)
        }
        #expect(admitted.count == 40)
        // One second for each start, less the time that went by, and what the clock ahead left.
        #expect(mark.withLock { $0 } - now < .seconds(40))
    }

    @Test("2,000 steps of 50 keys: each request admitted once, and the count is exact", arguments: [5] as [UInt64])
    func model(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let window = NonceWindow(start: Self.start)
        let keys = (0..<50).map { _ in SigningKey.generate() }
        let coordinator = keys[0].publicKey.id
        let verifier = RequestVerifier(coordinator: coordinator)
        var known: [VerifiedSignature] = []
        var expiries: [Int64] = []
        var now = Fixture.now
        for step in 0..<2000 {
            now = now + .milliseconds(Int64.random(in: 0...600, using: &generator))
            if let old = known.randomElement(using: &generator), step % 3 == 0 {
                #expect(window.admit(old, at: now) != nil, "seed \(seed), step \(step)")
                continue
            }
            let key = keys[Int.random(in: 0..<keys.count, using: &generator)]
            let signer = RequestSigner(
                key: key, coordinator: coordinator, lifetime: .seconds(Int64.random(in: 1...300, using: &generator)))
            let signed = try signer.sign(CarrierRequest(method: "GET", target: "/"), at: now)
            guard case .verified(let signature) = verifier.verify(signed, at: now, key: { _ in key.publicKey }) else {
                return #expect(Bool(false), "not verified")
            }
            #expect(window.admit(signature, at: now) == nil, "seed \(seed), step \(step)")
            known.append(signature)
            expiries.append(signature.expires.seconds)
        }
        let group: Int64 = 300 / 8
        #expect(window.count == expiries.count { $0 / group >= now.seconds / group })
    }
}
