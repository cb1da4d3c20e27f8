import FogAPI
import FogCore
import FogNet
import Testing

@Suite("Request signatures")
struct RequestSignatureTests {
    @Test("a signed request is verified: key, nonce, times, and a base that anyone can check")
    func accepted() throws {
        let fixture = try Fixture()
        let signature = try fixture.verified(fixture.signed())
        #expect(signature.keyID == fixture.key.publicKey.id)
        #expect(signature.nonce == [UInt8](repeating: 7, count: 16))
        #expect(signature.created == Fixture.now)
        #expect(signature.expires == Fixture.now + RequestSigner.defaultLifetime)
        #expect(fixture.key.publicKey.verifies(signature.signature, of: signature.base))
        let lines = String(decoding: signature.base, as: UTF8.self).split(separator: "\n")
        #expect(
            lines.map { $0.prefix { $0 != ":" } }.dropLast() == [
                "\"@method\"", "\"@path\"", "\"@query\"", "\"content-digest\"", "\"fog-coordinator\"",
                "\"fog-idempotency-key\"",
            ])
    }

    @Test(
        "methods, targets and bodies of all kinds are verified",
        arguments: ["GET", "DELETE"], ["/", "/v1/jobs", "/v1/jobs?a", "/v1/jobs?a=b&c=%3F?", "/v1//x;y"])
    func kinds(_ method: String, _ target: String) throws {
        let fixture = try Fixture()
        for body in [[], [0], [UInt8](repeating: 9, count: 70_000)] {
            let request = CarrierRequest(method: method, target: target, body: body)
            let signed = try fixture.signer().sign(request, at: Fixture.now)
            #expect(fixture.refusal(signed) == nil)
        }
    }

    @Test("two signatures of one request differ in their nonce")
    func freshNonce() throws {
        let fixture = try Fixture()
        let first = try fixture.verified(fixture.signer().sign(fixture.request, at: Fixture.now))
        let second = try fixture.verified(fixture.signer().sign(fixture.request, at: Fixture.now))
        #expect(first.nonce != second.nonce)
    }

    @Test("a request without either signature field, or with another's label, is signature_missing")
    func missing() throws {
        let fixture = try Fixture()
        #expect(fixture.refusal(fixture.request)?.code == "signature_missing")
        for name in ["signature", "signature-input"] {
            var request = try fixture.signed()
            request.headers[name] = nil
            #expect(fixture.refusal(request)?.code == "signature_missing")
            request = try fixture.signed()
            request.headers[name] = request.headers[name].map { "sig1" + $0.dropFirst(3) }
            #expect(fixture.refusal(request)?.code == "signature_missing")
        }
    }

    @Test("another signature beside Fog's does no harm")
    func foreignLabel() throws {
        let fixture = try Fixture()
        var request = try fixture.signed()
        request.headers["signature-input"]? += #", proxy=("@status");created=1"#
        request.headers["signature"]? += ", proxy=:AAEC:"
        #expect(fixture.refusal(request) == nil)
    }

    @Test(
        "a signature that leaves out a component is signature_coverage",
        arguments: ["@method", "@path", "@query", "content-digest", "fog-coordinator", "fog-idempotency-key"])
    func coverage(_ component: String) throws {
        let fixture = try Fixture()
        let request = try Craft(fixture).request { input in
            input.items.removeAll { $0 == .init(.string(component)) }
        }
        #expect(fixture.refusal(request)?.code == "signature_coverage")
    }

    @Test("a component that is not there, is derived from nothing known, or stands twice is signature_coverage")
    func oddComponents() throws {
        let fixture = try Fixture()
        let odd: [StructuredField.Item] = [
            .init(.string("x-none")), .init(.string("@target-uri")), .init(.string("@method")), .init(.integer(1)),
            .init(.string("signature"), parameters: [.init("req", .boolean(true))]),
            .init(.string("content-digest"), parameters: [.init("sf", .boolean(true))]),
        ]
        for item in odd {
            let request = try Craft(fixture).request { $0.items.append(item) }
            #expect(fixture.refusal(request)?.code == "signature_coverage", "\(item)")
        }
    }

    @Test("covering more than is asked is allowed, and binds")
    func moreCoverage() throws {
        let fixture = try Fixture()
        var craft = Craft(fixture)
        craft.headers["accept"] = "application/json"
        var request = try craft.request { $0.items.append(.init(.string("accept"))) }
        #expect(fixture.refusal(request) == nil)
        request.headers["accept"] = "text/plain"
        #expect(fixture.refusal(request)?.code == "bad_signature")
    }

    @Test("an idempotency key that was added later is signature_coverage; one that was taken away too")
    func idempotencyKey() throws {
        let fixture = try Fixture()
        var bare = fixture.request
        bare.headers["fog-idempotency-key"] = nil
        var added = try fixture.signer().sign(bare, at: Fixture.now)
        added.headers["fog-idempotency-key"] = "mine"
        #expect(fixture.refusal(added)?.code == "signature_coverage")
        var removed = try fixture.signed()
        removed.headers["fog-idempotency-key"] = nil
        #expect(fixture.refusal(removed)?.code == "signature_coverage")
    }

    @Test(
        "times: ahead, behind, expired, too long, backwards",
        arguments: [
            (60, 120, nil), (61, 120, "clock_skew"), (95, 120, "clock_skew"), (-60, 120, nil), (-62, 120, "clock_skew"),
            (-30, 30, nil), (-31, 30, "signature_expired"), (0, 300, nil), (0, 301, "signature_malformed"),
            (0, 0, "signature_malformed"), (0, -5, "signature_malformed"),
        ] as [(Int64, Int64, String?)])
    func times(_ offset: Int64, _ lifetime: Int64, _ code: String?) throws {
        let fixture = try Fixture()
        let created = Fixture.now.seconds + offset
        let request = try Craft(fixture).request { input in
            input.set("created", .integer(created))
            input.set("expires", .integer(created + lifetime))
        }
        #expect(fixture.refusal(request)?.code == code)
    }

    @Test("whose clock is wrong is told by how much, and what time it is")
    func skewMessage() throws {
        let fixture = try Fixture()
        let ahead = try fixture.signer().sign(fixture.request, at: Fixture.now + .seconds(95))
        #expect(fixture.refusal(ahead)?.message == "your clock is 95 s ahead of the coordinator's")
        #expect(fixture.refusal(ahead)?.serverTime == Fixture.now)
        let behind = try fixture.signer().sign(fixture.request, at: Fixture.now - .seconds(70))
        #expect(fixture.refusal(behind)?.message == "your clock is 70 s behind the coordinator's")
        let unset = try fixture.signer().sign(fixture.request, at: Fixture.now - .hours(30))
        #expect(fixture.refusal(unset)?.message == "your clock is 1d6h behind the coordinator's")
    }

    @Test("a slow upload is no slow clock")
    func slowUpload() throws {
        let fixture = try Fixture()
        let big = CarrierRequest(method: "PUT", target: "/v1/blobs", body: [UInt8](repeating: 0, count: 4 << 20))
        let signed = try fixture.signer(lifetime: .seconds(300)).sign(big, at: Fixture.now)
        #expect(fixture.refusal(signed, at: Fixture.now + .seconds(180)) == nil)
        #expect(fixture.refusal(signed, at: Fixture.now + .seconds(200))?.code == "clock_skew")
    }

    @Test("over a carrier that stores and forwards, a request may be a day old and no older")
    func storeAndForward() throws {
        let fixture = try Fixture()
        let verifier = RequestVerifier(coordinator: fixture.coordinator.publicKey.id, limits: .storeAndForward)
        let signed = try fixture.signer(lifetime: .hours(24)).sign(fixture.request, at: Fixture.now)
        func code(_ now: Timestamp) -> String? {
            let verdict = verifier.verify(signed, at: now) { _ in fixture.key.publicKey }
            guard case .refused(let refusal) = verdict else { return nil }
            return refusal.code
        }
        #expect(code(Fixture.now + .hours(24)) == nil)
        #expect(code(Fixture.now + .hours(24) + .seconds(1)) == "signature_expired")
        #expect(code(Fixture.now - .seconds(61)) == "clock_skew")
        #expect(fixture.refusal(signed)?.code == "signature_malformed")
    }

    @Test("a request for another coordinator is wrong_coordinator, whatever it signed")
    func wrongCoordinator() throws {
        let fixture = try Fixture()
        let other = RequestSigner(key: fixture.key, coordinator: fixture.key.publicKey.id)
        let request = try other.sign(fixture.request, at: Fixture.now)
        #expect(fixture.refusal(request)?.code == "wrong_coordinator")
        var swapped = request
        swapped.headers["fog-coordinator"] = fixture.coordinator.publicKey.id.description
        #expect(fixture.refusal(swapped)?.code == "bad_signature")
    }

    @Test("an unknown key is unknown_key, and so is a lookup that answers with another key")
    func unknownKey() throws {
        let fixture = try Fixture()
        let stranger = RequestSigner(key: .generate(), coordinator: fixture.coordinator.publicKey.id)
        #expect(fixture.refusal(try stranger.sign(fixture.request, at: Fixture.now))?.code == "unknown_key")
        let verdict = try fixture.verifier.verify(fixture.signed(), at: Fixture.now) { _ in
            fixture.coordinator.publicKey
        }
        guard case .refused(let refusal) = verdict else { return #expect(Bool(false), "accepted") }
        #expect(refusal.code == "unknown_key")
    }

    @Test("another body is digest_mismatch, with its own digest bad_signature")
    func body() throws {
        let fixture = try Fixture()
        var request = try fixture.signed()
        request.body[3] ^= 1
        #expect(fixture.refusal(request)?.code == "digest_mismatch")
        request.headers["content-digest"] = ContentDigest.field(of: request.body)
        #expect(fixture.refusal(request)?.code == "bad_signature")
    }

    @Test(
        "parameters that are missing, unknown or of the wrong kind are signature_malformed",
        arguments: ["created", "expires", "nonce", "keyid", "alg", "tag"])
    func parameters(_ name: String) throws {
        let fixture = try Fixture()
        let wrong: [StructuredField.Bare] = [.boolean(true), .string("x"), .integer(-1), .bytes([1])]
        for value in wrong {
            let request = try Craft(fixture).request { $0.set(name, value) }
            #expect(fixture.refusal(request)?.code == "signature_malformed", "\(name)=\(value)")
        }
        let request = try Craft(fixture).request { $0.parameters.removeAll { $0.name == name } }
        #expect(fixture.refusal(request)?.code == "signature_malformed", "without \(name)")
        let extra = try Craft(fixture).request { $0.parameters.append(.init("x", .integer(1))) }
        #expect(fixture.refusal(extra)?.code == "signature_malformed")
    }

    @Test("values that would be read as another are refused: white space around, line breaks, an empty query's `?`")
    func lookAlikes() throws {
        let fixture = try Fixture()
        for value in [" night-run-7", "night-run-7 ", "night-run-7\t", "night\nrun"] {
            var request = try fixture.signed()
            request.headers["fog-idempotency-key"] = value
            #expect(fixture.refusal(request)?.code == "signature_malformed", "\(value)")
            var unsigned = fixture.request
            unsigned.headers["fog-idempotency-key"] = value
            #expect(throws: SignatureRefusal.self) { try fixture.signer().sign(unsigned, at: Fixture.now) }
        }
        let plain = CarrierRequest(method: "GET", target: "/v1/jobs")
        var marked = try fixture.signer().sign(plain, at: Fixture.now)
        #expect(fixture.refusal(marked) == nil)
        marked.target += "?"
        #expect(fixture.refusal(marked)?.code == "signature_malformed")
    }

    @Test("of 2,000 mutations of a signed request none is accepted", arguments: [11, 12] as [UInt64])
    func fuzz(seed: UInt64) throws {
        let fixture = try Fixture()
        let signed = try fixture.signed()
        var generator = SeededGenerator(seed: seed)
        var tried = 0
        while tried < 2000 {
            let mutant = Mutation.of(signed, using: &generator)
            guard mutant != signed else { continue }
            tried += 1
            #expect(fixture.refusal(mutant) != nil, "seed \(seed), try \(tried): \(mutant)")
        }
    }
}

/// Signs what the signer would never write.
struct Craft {
    let fixture: Fixture
    var headers: CarrierHeaders = [:]

    init(_ fixture: Fixture) { self.fixture = fixture }

    func request(_ change: (inout StructuredField.InnerList) -> Void) throws -> CarrierRequest {
        var request = try fixture.signed()
        for (name, value) in headers { request.headers[name] = value }
        let field = try #require(request.headers["signature-input"])
        guard case .list(var input) = try #require(try StructuredField.dictionary(field).first).value else {
            throw CoreFailure("bad_test", "no inner list")
        }
        change(&input)
        // A base that the builder refuses is signed as nothing: the refusal comes before the signature is looked at.
        let base = (try? SignatureBase.bytes(input, of: .request(request))) ?? []
        request.headers["signature-input"] = StructuredField.serialize([.init("fog", .list(input))])
        let signature = StructuredField.Item(.bytes(fixture.key.sign(base).bytes))
        request.headers["signature"] = StructuredField.serialize([.init("fog", .item(signature))])
        return request
    }
}

extension StructuredField.InnerList {
    mutating func set(_ name: String, _ value: StructuredField.Bare) {
        guard let index = parameters.firstIndex(where: { $0.name == name }) else { return }
        parameters[index].value = value
    }
}

/// Changes one to three bytes of what a signature protects, or of the signature.
enum Mutation {
    private static let fields = [
        "signature", "signature-input", "content-digest", "fog-coordinator", "fog-idempotency-key",
    ]

    static func of(_ request: CarrierRequest, using generator: inout SeededGenerator) -> CarrierRequest {
        var mutant = request
        for _ in 0...Int.random(in: 0...2, using: &generator) {
            switch Int.random(in: 0..<8, using: &generator) {
            case 0: mutant.method = changed(mutant.method, &generator)
            case 1: mutant.target = changed(mutant.target, &generator)
            case 2: mutant.body = changed(mutant.body, &generator)
            default:
                let name = fields[Int.random(in: 0..<fields.count, using: &generator)]
                mutant.headers[name] = mutant.headers[name].map { changed($0, &generator) }
            }
        }
        return mutant
    }

    private static func changed(_ text: String, _ generator: inout SeededGenerator) -> String {
        String(decoding: changed(Array(text.utf8), &generator), as: UTF8.self)
    }

    private static func changed(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        guard !bytes.isEmpty else { return [UInt8.random(in: 0x20...0x7e, using: &generator)] }
        let at = Int.random(in: 0..<bytes.count, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<7, using: &generator)
        case 1: bytes.remove(at: at)
        case 2:
            bytes.insert(
                UInt8.random(in: 0x20...0x7e, using: &generator), at: Bool.random(using: &generator) ? at : bytes.count)
        default: bytes.swapAt(at, Int.random(in: 0..<bytes.count, using: &generator))
        }
        return bytes
    }
}
