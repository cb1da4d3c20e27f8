import FogAPI
import FogCore
import FogHTTP
import FogJobs
import FogNet
import Synchronization
import Testing

@Suite("Authentication", .timeLimit(.minutes(10)))
struct AuthenticationTests {
    private let coordinator: SigningKey
    private let key: SigningKey
    private let clock = StillClock()
    private let principals = Principals()
    private let window: NonceWindow
    private let authentication: Authentication

    init() throws {
        coordinator = try SigningKey(seed: [UInt8](repeating: 2, count: 32))
        key = try SigningKey(seed: [UInt8](repeating: 1, count: 32))
        window = NonceWindow(start: clock.now - .minutes(5))
        let principals = principals
        authentication = Authentication(key: coordinator, window: window, clock: clock, openRequests: 4) {
            principals[$0]
        }
        principals.enroll(key, roles: [.client], at: clock.now)
    }

    private func signed(_ method: String = "GET", _ target: String = "/v1/jobs", by key: SigningKey? = nil) throws
        -> CarrierRequest
    {
        try RequestSigner(key: key ?? self.key, coordinator: coordinator.publicKey.id)
            .sign(CarrierRequest(method: method, target: target), at: clock.now)
    }

    private func problem(_ request: CarrierRequest) -> Problem? {
        do throws(Problem) {
            _ = try authentication.authenticate(request)
            return nil
        } catch {
            return error
        }
    }

    @Test("a signed request has its principal, and its evidence")
    func accepted() throws {
        let request = try signed()
        let authenticated = try authentication.authenticate(request)
        #expect(authenticated.principal.key == key.publicKey)
        let signature = try #require(authenticated.signature)
        #expect(key.publicKey.verifies(signature.signature, of: signature.base))
    }

    @Test("a revoked key is told so when it proves itself, and only then")
    func revoked() throws {
        let stranger = SigningKey.generate()
        let asStranger = try #require(problem(try signed(by: stranger)))
        #expect(asStranger.status == 401 && asStranger.code == "unknown_key")
        principals.enroll(stranger, roles: [.admin], at: clock.now)
        #expect(problem(try signed(by: stranger)) == nil)
        principals.revoke(stranger, at: clock.now)
        let told = try #require(problem(try signed(by: stranger)))
        #expect(told.status == 401 && told.code == "key_revoked")
        var forged = try signed(by: stranger)
        forged.target = "/v1/other"
        #expect(problem(forged)?.code == "bad_signature")
    }

    @Test("a replay is refused, one after the other and all at once")
    func replay() async throws {
        let request = try signed("POST")
        #expect(problem(request) == nil)
        #expect(problem(request)?.code == "replayed")
        let again = try signed("POST")
        let served = Tally()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    _ = await authentication.answer(again) { _ in
                        served.increment()
                        return CarrierResponse(status: 200)
                    }
                }
            }
        }
        #expect(served.count == 1)
    }

    @Test("a refused request does not use up its nonce")
    func refusedKeepsNonce() throws {
        var request = try signed("POST")
        request.body = [1]
        #expect(problem(request)?.code == "digest_mismatch")
        request.body = []
        #expect(problem(request) == nil)
    }

    @Test("whose clock is wrong is told the coordinator's time in the document")
    func skew() throws {
        let signer = RequestSigner(key: key, coordinator: coordinator.publicKey.id)
        let request = try signer.sign(CarrierRequest(method: "GET", target: "/"), at: clock.now + .seconds(95))
        let refused = try #require(problem(request))
        #expect(refused.status == 401 && refused.code == "clock_skew" && refused.serverTime == clock.now)
        #expect(refused.detail == "your clock is 95 s ahead of the coordinator's")
    }

    @Test("answers to what may change something are signed, refusals by the handler too; reads are not")
    func signedAnswers() async throws {
        let verifier = ResponseVerifier(key: coordinator.publicKey)
        let request = try signed("POST")
        let answer = await authentication.answer(request) { _ in CarrierResponse(status: 201, body: [1, 2]) }
        try verifier.verify(answer, to: request)
        let second = try signed("DELETE")
        let refused = await authentication.answer(second) { _ throws(Problem) in
            throw Problem(409, "stale_lease", "late")
        }
        #expect(refused.status == 409)
        try verifier.verify(refused, to: second)
        let read = await authentication.answer(try signed()) { _ in CarrierResponse(status: 200) }
        #expect(read.headers["signature"] == nil)
    }

    @Test("one principal has so many requests open and no more; another is not concerned")
    func openRequests() async throws {
        let (gate, opener) = AsyncStream<Void>.makeStream()
        let started = Tally()
        let other = SigningKey.generate()
        principals.enroll(other, roles: [.client], at: clock.now)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                let request = try signed()
                group.addTask {
                    _ = await authentication.answer(request) { _ in
                        started.increment()
                        for await _ in gate {}
                        return CarrierResponse(status: 200)
                    }
                }
            }
            while started.count < 4 { await Task.yield() }
            #expect(authentication.openRequests == 4)
            let fifth = await authentication.answer(try signed()) { _ in CarrierResponse(status: 200) }
            #expect(fifth.status == 429 && fifth.headers["retry-after"] == "1")
            let others = await authentication.answer(try signed(by: other)) { _ in CarrierResponse(status: 200) }
            #expect(others.status == 200)
            opener.finish()
            try await group.waitForAll()
        }
        #expect(authentication.openRequests == 0)
        let after = await authentication.answer(try signed()) { _ in CarrierResponse(status: 200) }
        #expect(after.status == 200)
    }

    @Test("a newcomer is verified with the key it brings, and takes no room in the window")
    func newcomer() throws {
        let stranger = SigningKey.generate()
        let request = try signed("POST", "/v1/join", by: stranger)
        #expect(try authentication.verify(request, by: stranger.publicKey).key == stranger.publicKey)
        #expect(throws: Problem.self) { try authentication.verify(request, by: key.publicKey) }
        #expect(window.count == 0)
    }

    @Test("roles: one of those wanted is enough, none is 403 missing_role")
    func roles() throws {
        let request = try authentication.authenticate(signed())
        try request.require(.admin, .client)
        let problem = #expect(throws: Problem.self) { try request.require(.admin, .auditor) }
        #expect(problem?.status == 403 && problem?.code == "missing_role")
    }
}

private struct StillClock: FogClock {
    let now = Timestamp(seconds: 1_795_000_000)
    let sinceBoot = TimeSpan.hours(1)
}

private final class Tally: Sendable {
    private let value = Atomic<Int>(0)

    var count: Int { value.load(ordering: .relaxed) }
    func increment() { value.add(1, ordering: .relaxed) }
}

private final class Principals: Sendable {
    private let rows = Mutex<[KeyID: Principal]>([:])

    subscript(_ id: KeyID) -> Principal? { rows.withLock { $0[id] } }

    func enroll(_ key: SigningKey, roles: Set<Role>, at time: Timestamp) {
        let principal = Principal(
            key: key.publicKey, name: "ada", roles: roles, account: AccountID(high: 1, low: 2), enrolledAt: time)
        rows.withLock { $0[key.publicKey.id] = principal }
    }

    func revoke(_ key: SigningKey, at time: Timestamp) {
        rows.withLock { $0[key.publicKey.id]?.revokedAt = time }
    }
}
