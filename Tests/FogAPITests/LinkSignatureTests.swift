import FogAPI
import FogCore
import FogNet
import Testing

@Suite("Worker link signatures")
struct LinkSignatureTests {
    private let fixture: Fixture
    private let worker: LinkSession
    /// The coordinator's.
    private let keys: LinkKeys

    init() throws {
        fixture = try Fixture()
        (worker, keys) = try Self.link(fixture)
    }

    private static func link(_ fixture: Fixture) throws -> (LinkSession, LinkKeys) {
        let (asking, answering) = (ExchangeKey.generate(), ExchangeKey.generate())
        let id = try LinkID(bytes: SecureRandom.bytes(16))
        let own = try LinkKeys(
            link: id, own: asking, answered: answering.publicBytes, worker: fixture.key.publicKey,
            coordinator: fixture.coordinator.publicKey)
        let other = try LinkKeys(
            link: id, own: answering, asked: asking.publicBytes, worker: fixture.key.publicKey,
            coordinator: fixture.coordinator.publicKey)
        return (LinkSession(own), other)
    }

    private let plain = CarrierRequest(
        method: "POST", target: "/v1/worker/logs?attempt=a.1.1&stream=stdout", body: Array("hello".utf8))

    private func refusal(
        _ request: CarrierRequest, at now: Timestamp = Fixture.now, keys: LinkKeys? = nil
    ) -> SignatureRefusal? {
        do throws(SignatureRefusal) {
            _ = try LinkVerifier.verify(request, at: now) { $0 == self.keys.link ? keys ?? self.keys : nil }
            return nil
        } catch {
            return error
        }
    }

    @Test("a request is verified, and each counts one further")
    func accepted() throws {
        for number in 1...3 as ClosedRange<UInt64> {
            let signed = try worker.sign(plain, at: Fixture.now)
            #expect(LinkVerifier.marks(signed))
            let verified = try LinkVerifier.verify(signed, at: Fixture.now) { $0 == keys.link ? keys : nil }
            #expect(verified.counter == number && verified.link == keys.link && verified.created == Fixture.now)
        }
        #expect(!LinkVerifier.marks(try fixture.signed()))
    }

    @Test("the signature is one of RFC 9421: a general parser and HMAC come to the same code")
    func isOrdinary() throws {
        let signed = try worker.sign(plain, at: Fixture.now)
        let field = try #require(signed.headers["signature-input"])
        let member = try #require(try StructuredField.dictionary(field).first)
        guard case .list(let input) = member.value else { return #expect(Bool(false), "no inner list") }
        let base = try SignatureBase.bytes(input, of: .request(signed))
        #expect(String(decoding: base, as: UTF8.self).hasPrefix("\"@method\": POST\n\"@path\": /v1/worker/logs\n"))
        #expect(input["alg"] == .string("hmac-sha256"))
        let own = try LinkVerifier.verify(signed, at: Fixture.now) { _ in keys }
        #expect(own.counter == 1)
        let answer = try LinkVerifier.sign(
            CarrierResponse(status: 200, body: [1]), to: signed, keys: keys, at: Fixture.now)
        let answered = try #require(try StructuredField.dictionary(answer.headers["signature-input"] ?? "").first)
        guard case .list(let list) = answered.value else { return #expect(Bool(false), "no inner list") }
        #expect(list.items.count == 3 && list["alg"] == .string("hmac-sha256"))
    }

    @Test("another method, path, query, body, digest, version, code or counter is refused")
    func altered() throws {
        let signed = try worker.sign(plain, at: Fixture.now)
        #expect(refusal(signed) == nil)
        let changes: [(String, (inout CarrierRequest) -> Void)] = [
            ("bad_signature", { $0.method = "PUT" }),
            ("bad_signature", { $0.target = "/v1/worker/poll?attempt=a.1.1&stream=stdout" }),
            ("bad_signature", { $0.target += "&offset=1" }),
            ("digest_mismatch", { $0.body.append(0) }),
            (
                "bad_signature",
                {
                    $0.body.append(0)
                    $0.headers["content-digest"] = ContentDigest.field(of: $0.body)
                }
            ),
            ("bad_signature", { $0.headers["fog-protocol"] = "1" }),
            ("signature_coverage", { $0.headers["fog-protocol"] = nil }),
            ("signature_coverage", { $0.headers["content-digest"] = nil }),
            ("signature_coverage", { $0.headers["fog-idempotency-key"] = "k" }),
            ("signature_malformed", { $0.headers["signature"] = nil }),
            ("signature_malformed", { $0.headers["signature"] = "fog=:AAAA:" }),
            ("bad_signature", { $0.headers["signature"] = "fog=:\(Base64.encode([UInt8](repeating: 0, count: 32))):" }),
            ("bad_signature", { $0.headers["signature-input"]?.replace("nonce=\"1\"", with: "nonce=\"2\"") }),
            ("signature_malformed", { $0.headers["signature-input"]?.replace("nonce=\"1\"", with: "nonce=\"01\"") }),
            ("signature_malformed", { $0.headers["signature-input"]?.replace("nonce=\"1\"", with: "nonce=\"0\"") }),
            ("signature_malformed", { $0.headers["signature-input"]?.replace("\"@path\" ", with: "") }),
        ]
        for (code, change) in changes {
            var request = signed
            change(&request)
            #expect(request != signed, "\(code)")
            #expect(refusal(request)?.code == code, "\(request)")
        }
    }

    @Test("a link that is not known, and one of other keys under its name, are told apart")
    func others() throws {
        let signed = try worker.sign(plain, at: Fixture.now)
        let (stranger, foreign) = try Self.link(fixture)
        #expect(refusal(try stranger.sign(plain, at: Fixture.now))?.code == "link_unknown")
        #expect(refusal(signed, keys: foreign)?.code == "bad_signature")
    }

    @Test("keys differ with the worker, the coordinator, the link and the direction")
    func bound() throws {
        let (asking, answering) = (ExchangeKey.generate(), ExchangeKey.generate())
        let id = try LinkID(bytes: [UInt8](repeating: 1, count: 16))
        let people = [fixture.key.publicKey, fixture.coordinator.publicKey]
        func session(_ link: LinkID, _ worker: PublicKey, _ coordinator: PublicKey) throws -> LinkSession {
            LinkSession(
                try LinkKeys(
                    link: link, own: asking, answered: answering.publicBytes, worker: worker, coordinator: coordinator))
        }
        let coordinators = try LinkKeys(
            link: id, own: answering, asked: asking.publicBytes, worker: people[0], coordinator: people[1])
        func holds(_ session: LinkSession) throws -> Bool {
            let signed = try session.sign(plain, at: Fixture.now)
            return (try? LinkVerifier.verify(signed, at: Fixture.now) { _ in coordinators }) != nil
        }
        #expect(try holds(session(id, people[0], people[1])))
        #expect(try !holds(session(id, people[1], people[1])))
        #expect(try !holds(session(id, people[0], people[0])))
        #expect(try !holds(session(try LinkID(bytes: [UInt8](repeating: 2, count: 16)), people[0], people[1])))
    }

    @Test("an exchange with a point of small order, or a half of another length, is refused")
    func smallOrder() throws {
        let key = ExchangeKey.generate()
        // RFC 7748 section 6.1 and libsodium's list: 0, 1, and a point of order 8.
        let order8 = try #require(Hex.decode("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"))
        let one = [1] + [UInt8](repeating: 0, count: 31)
        for half in [[UInt8](repeating: 0, count: 32), one, order8, [], one + [0]] {
            #expect(throws: CoreFailure.self) { try key.keys(withAsker: half) }
            #expect(throws: CoreFailure.self) { try key.keys(withAnswerer: half) }
        }
    }

    @Test("whose clock is wrong is told by how much in a link too")
    func skew() throws {
        let ahead = try worker.sign(plain, at: Fixture.now + .seconds(95))
        #expect(refusal(ahead)?.message == "your clock is 95 s ahead of the coordinator's")
        #expect(refusal(ahead)?.serverTime == Fixture.now)
        let behind = try worker.sign(plain, at: Fixture.now - .seconds(61))
        #expect(refusal(behind)?.code == "clock_skew")
        #expect(refusal(try worker.sign(plain, at: Fixture.now - .seconds(60))) == nil)
    }

    // MARK: - Answers

    @Test("an answer holds for its request alone, in its one form")
    func answers() throws {
        let request = try worker.sign(plain, at: Fixture.now)
        let other = try worker.sign(plain, at: Fixture.now)
        let answer = try LinkVerifier.sign(
            CarrierResponse(status: 200, body: [1, 2]), to: request, keys: keys, at: Fixture.now)
        func refusal(_ answer: CarrierResponse, to request: CarrierRequest) -> String? {
            do throws(SignatureRefusal) {
                try worker.verify(answer, to: request)
                return nil
            } catch {
                return error.code
            }
        }
        #expect(refusal(answer, to: request) == nil)
        #expect(refusal(answer, to: other) == "bad_signature")
        var changed = answer
        changed.status = 201
        #expect(refusal(changed, to: request) == "bad_signature")
        changed = answer
        changed.body = []
        #expect(refusal(changed, to: request) == "digest_mismatch")
        changed = answer
        changed.headers["signature"] = request.headers["signature"]
        #expect(refusal(changed, to: request) == "bad_signature")
        #expect(refusal(CarrierResponse(status: 200), to: request) == "signature_missing")
        let (_, foreign) = try Self.link(fixture)
        let stranger = try LinkVerifier.sign(answer, to: request, keys: foreign, at: Fixture.now)
        #expect(refusal(stranger, to: request) == "signature_malformed")
    }

    @Test("of 4,000 mutations of a signed request none is accepted", arguments: [31] as [UInt64])
    func fuzz(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let signed = try worker.sign(plain, at: Fixture.now)
        var tried = 0
        while tried < 4000 {
            let mutant = Mutation.of(signed, using: &generator)
            guard mutant != signed else { continue }
            tried += 1
            #expect(refusal(mutant) != nil, "seed \(seed), try \(tried): \(mutant)")
        }
    }
}

@Suite("The window of counters")
struct CounterWindowTests {
    @Test("each counter is new once; what the window has passed is too old, seen or not")
    func order() {
        var window = CounterWindow()
        #expect(window.admit(5) == .new)
        #expect(window.admit(5) == .replayed)
        #expect(window.admit(1) == .new)
        #expect(window.admit(1) == .replayed)
        #expect(window.admit(5 + CounterWindow.width) == .new)
        #expect(window.admit(5) == .tooOld)
        #expect(window.admit(6) == .new)
        #expect(window.admit(1 << 53) == .new)
        #expect(window.admit((1 << 53) - CounterWindow.width + 1) == .new)
        #expect(window.admit((1 << 53) - CounterWindow.width) == .tooOld)
        #expect(window.newest == 1 << 53)
    }

    @Test("it says what a list of all counters ever seen would say", arguments: [1, 2, 3] as [UInt64])
    func model(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var window = CounterWindow()
        var seen: Set<UInt64> = []
        var newest: UInt64 = 0
        for _ in 0..<20_000 {
            let back = UInt64.random(in: 0..<1200, using: &generator)
            let ahead =
                UInt64.random(in: 0..<3, using: &generator) == 0 ? UInt64.random(in: 1..<2000, using: &generator) : 1
            let counter = max(1, Bool.random(using: &generator) ? newest + ahead : newest - min(newest, back))
            let wanted: CounterWindow.Verdict =
                counter <= newest && newest - counter >= CounterWindow.width
                ? .tooOld : seen.contains(counter) ? .replayed : .new
            #expect(window.admit(counter) == wanted, "seed \(seed), counter \(counter), newest \(newest)")
            if wanted == .new { seen.insert(counter) }
            newest = max(newest, counter)
        }
    }
}
