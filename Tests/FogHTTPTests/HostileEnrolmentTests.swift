import FogAPI
import FogCoordinator
import FogCore
import FogHTTP
import FogJobs
import FogNet
import Synchronization
import Testing

/// Getting in by what should let nobody in, over the wire.
@Suite("Hostile enrolments", .timeLimit(.minutes(10)))
struct HostileEnrolmentTests {
    private static func invite(_ pool: Pool, uses: Int) async throws -> JoinToken {
        let wanted = EnrollBody(roles: [.worker], uses: uses, ttl: .hours(1), owner: nil, credits: .zero)
        let answer = try await pool.ask("POST", "/v1/enroll", by: "admin", body: Wire.encode(wanted))
        return try JoinToken(try Wire.decode(EnrolledBody.self, from: answer.body).token)
    }

    private static func join(_ pool: Pool, _ token: JoinToken, _ key: SigningKey) async throws -> CarrierResponse {
        let body = JoinBody(secret: Base64Bytes(token.secret), key: key.publicKey, name: "newcomer")
        let plain = CarrierRequest(method: "POST", target: "/v1/join", body: try Wire.encode(body))
        let signer = RequestSigner(key: key, coordinator: pool.key.publicKey.id)
        return try await pool.send(try signer.sign(plain, at: SystemClock().now))
    }

    @Test("a token for one that many use at once lets one in; the others learn no more than of an unknown one")
    func race() async throws {
        try await Pool.with { pool in
            let token = try await Self.invite(pool, uses: 1)
            let answers = try await withThrowingTaskGroup(of: CarrierResponse.self) { group in
                for _ in 0..<30 { group.addTask { try await Self.join(pool, token, .generate()) } }
                return try await group.reduce(into: [CarrierResponse]()) { $0.append($1) }
            }
            #expect(answers.count { $0.status == 201 } == 1, "\(answers.map(\.status))")
            for answer in answers where answer.status != 201 { expectRefusal(answer, [400], code: "bad_token", "late") }
            let unknown = try JoinToken(
                url: token.url, coordinator: token.coordinator, secret: [UInt8](repeating: 1, count: 16))
            let refused = try await Self.join(pool, unknown, .generate())
            expectRefusal(refused, [400], code: "bad_token", "unknown")
            #expect(answers.first { $0.status == 400 }?.body == refused.body)
            #expect(await pool.coordinator.enrolments().invitations.isEmpty)
            try await pool.isUnharmed()
        }
    }

    @Test("a token lives as long as it may and not a moment longer")
    func longestLife() async throws {
        try await Pool.with { pool in
            for (ttl, status) in [
                (Invitation.longest, 201), (Invitation.longest + .milliseconds(1), 400), (.zero, 400),
                (.milliseconds(-1), 400), (.milliseconds(.max), 400),
            ] {
                let wanted = EnrollBody(roles: [.worker], uses: 1, ttl: ttl, owner: nil, credits: .zero)
                let answer = try await pool.ask("POST", "/v1/enroll", by: "admin", body: Wire.encode(wanted))
                #expect(answer.status == status, "\(ttl.milliseconds) ms")
            }
        }
    }

    /// The points of small order and their encodings that are not canonical (RFC 8032 section 5.1.3; the list of
    /// libsodium's `ge25519_has_small_order`), as 32 bytes in hexadecimal.
    private static let points = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ]

    @Test(
        "a key of small order gets in neither by a token nor in another's place", arguments: points, [false, true])
    func smallOrder(_ point: String, signBit: Bool) async throws {
        try await Pool.with { pool in
            let token = try await Self.invite(pool, uses: 1)
            var bytes = try #require(Hex.decode(point))
            if signBit { bytes[31] |= 0x80 }
            let text = "fogkey1" + Base32.encode(bytes)
            // With such a key a signature of zeros fits many messages, if a verifier lets it.
            let body = #"{"key":"\#(text)","name":"n","secret":"\#(Base64.encode(token.secret))"}"#
            let signed = try RequestSigner(key: .generate(), coordinator: pool.key.publicKey.id).sign(
                CarrierRequest(method: "POST", target: "/v1/join", body: Array(body.utf8)), at: SystemClock().now)
            for signature in [
                signed.headers["signature"], "fog=:\(Base64.encode([1] + [UInt8](repeating: 0, count: 63))):",
            ] {
                var request = signed
                request.headers["signature"] = signature
                let problem = expectRefusal(try await pool.send(request), [400], code: "bad_key", text)
                #expect(problem?.detail.contains("prime-order group") == true, "\(problem?.detail ?? "")")
            }
            let zeros = Base64.encode([UInt8](repeating: 0, count: 64))
            let rotation = #"{"key":"\#(text)","time":"\#(SystemClock().now)","signature":"\#(zeros)"}"#
            let answer = try await pool.ask("POST", "/v1/identity/rotate", by: "ada", body: Array(rotation.utf8))
            expectRefusal(answer, [400], code: "bad_key", text)
            // The token was not used up by it.
            #expect(try await Self.join(pool, token, .generate()).status == 201)
        }
    }

    @Test("a request is answered once, also by the coordinator that starts after it; a clock ahead is no way around")
    func replayOverRestart() async throws {
        let (key, person) = (SigningKey.generate(), SigningKey.generate())
        let principal = Principal(
            key: person.publicKey, name: "ada", roles: [.client], account: AccountID(high: 0, low: 1),
            enrolledAt: .zero)
        let marks = Marks()
        /// A door whose coordinator lives as long as the body.
        func door(
            _ body:
                @escaping @Sendable (_ ask: @escaping @Sendable (CarrierRequest) async throws -> CarrierResponse)
                async throws -> Void
        ) async throws {
            let clock = SystemClock()
            let window = NonceWindow(start: clock.now, admittedBefore: marks.last) { marks.keep($0) }
            let authentication = Authentication(key: key, window: window, clock: clock) {
                $0 == person.publicKey.id ? principal : nil
            }
            try await withServer(Door(authentication: authentication)) { port, _ in
                try await withCarrier(port) { carrier in
                    try await body { try await carrier.send($0, deadline: .minutes(5)) }
                }
            }
        }
        let signer = RequestSigner(key: person, coordinator: key.publicKey.id)
        let plain = CarrierRequest(method: "POST", target: "/v1/jobs", body: [1])
        let now = SystemClock().now
        // The first of these may lie in the second of the start.
        let requests = try [5, 20, 40].map { try signer.sign(plain, at: now + .seconds($0)) }
        try await door { ask in
            for request in requests {
                #expect(try await ask(request).status == 200)
                expectRefusal(try await ask(request), [401], code: "replayed", "the same again")
            }
        }
        try await door { ask in
            for request in requests {
                let problem = expectRefusal(
                    try await ask(request), [401], code: "signed_before_start", "after a restart")
                let told = try #require(problem?.serverTime)
                #expect(try await ask(try signer.sign(plain, at: told)).status == 200)
            }
        }
    }
}

/// Answers whoever proves himself.
private struct Door: CarrierEndpoint {
    let authentication: Authentication

    func handle(_ request: CarrierRequest) async -> CarrierResponse {
        await authentication.answer(request) { _ in CarrierResponse(status: 200) }
    }
}

/// What outlives a coordinator.
private final class Marks: Sendable {
    private let mark = Mutex(Timestamp.zero)

    var last: Timestamp { mark.withLock { $0 } }

    func keep(_ time: Timestamp) -> Bool {
        mark.withLock { $0 = time }
        return true
    }
}
