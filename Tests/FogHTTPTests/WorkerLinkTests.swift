import FogAPI
import FogCore
import FogHTTP
import FogJobs
import FogNet
import Synchronization
import Testing

/// A worker's link to a real coordinator over loopback: what it carries, what ends it, and that nothing is lost then.
@Suite("The worker link", .timeLimit(.minutes(10)))
struct WorkerLinkTests {
    /// What a worker says when it has nothing to do.
    private static let beat = Heartbeat(allowance: RouteTable.allowance(), attempts: [])

    private static func with(
        _ name: String = "worker", _ body: @escaping @Sendable (Pool, FogClient, Recording) async throws -> Void
    ) async throws {
        try await Pool.with { pool in
            try await withCarrier(pool.port) { carrier in
                let recording = Recording(carrier)
                let client = FogClient(
                    carrier: recording, key: try pool.person(name).key, coordinator: pool.key.publicKey
                ).withWorkerLink()
                try await body(pool, client, recording)
            }
        }
    }

    private static func hello(_ client: FogClient, _ state: Allowance.State = .closed) async throws {
        _ = try await client.hello(try Wire.decode(WorkerHello.self, from: RouteTable.hello(state)))
    }

    @Test("one request under the key opens it, all others go through it; each answer is the link's")
    func opensOnce() async throws {
        try await Self.with { pool, client, recording in
            try await Self.hello(client)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<60 { group.addTask { _ = try await client.heartbeat(Self.beat) } }
                try await group.waitForAll()
            }
            let sent = recording.exchanges
            let underKey = sent.filter { !LinkVerifier.marks($0.request) }.map(\.request.path)
            #expect(underKey == ["/v1/worker/hello", "/v1/worker/link"])
            #expect(sent.count == 62 && pool.authentication.links.count == 1)
            let algorithms = sent.map { $0.answer.headers["signature-input"]?.contains("hmac-sha256") }
            #expect(algorithms.filter { $0 == true }.count == 60)
            // What an eavesdropper has seen holds no key: both halves are public, and no two are alike.
            let opening = try #require(sent.first { $0.request.path == WorkerRoutes.link })
            let halves = [
                try Wire.decode(LinkRequest.self, from: opening.request.body).exchange,
                try Wire.decode(LinkAnswer.self, from: opening.answer.body).exchange,
            ]
            #expect(halves[0] != halves[1] && halves.allSatisfy { $0.bytes.count == 32 })
        }
    }

    @Test("a coordinator that has forgotten the link gets a new one at once, and the request is done")
    func forgotten() async throws {
        try await Self.with { pool, client, _ in
            try await Self.hello(client)
            _ = try await client.heartbeat(Self.beat)
            let first = await client.link?.current
            // What a restart does: the links are gone, the keys are not.
            pool.authentication.links.end(of: client.key.publicKey.id)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<20 { group.addTask { _ = try await client.heartbeat(Self.beat) } }
                try await group.waitForAll()
            }
            let second = await client.link?.current
            #expect(first != nil && second != nil && first != second)
            #expect(pool.authentication.links.count == 1)
        }
    }

    @Test("a request of the link is answered once, altered never, and elsewhere not at all")
    func refusals() async throws {
        try await Self.with { pool, client, recording in
            try await Self.hello(client)
            _ = try await client.heartbeat(Self.beat)
            let once = try #require(recording.exchanges.last).request
            expectRefusal(try await pool.send(once), [401], code: "replayed", "the same again")
            var altered = once
            altered.body.append(0x20)
            expectRefusal(try await pool.send(altered), [401], code: "digest_mismatch", "another body")
            altered = once
            altered.headers["signature-input"]?.replace("nonce=\"1\"", with: "nonce=\"7\"")
            expectRefusal(try await pool.send(altered), [401], code: "bad_signature", "another counter")
            altered = once
            altered.target = "/v1/worker/hello"
            expectRefusal(try await pool.send(altered), [401], code: "link_scope", "a hello")
            altered.target = "/v1/jobs"
            expectRefusal(try await pool.send(altered), [401], code: "link_scope", "a submission")
            _ = try await client.heartbeat(Self.beat)
            try await pool.isUnharmed()
        }
    }

    @Test("only a worker gets one, by its key's signature, with a half of its own")
    func opening() async throws {
        try await Pool.with { pool in
            let half = try Wire.encode(LinkRequest(exchange: Base64Bytes(ExchangeKey.generate().publicBytes)))
            expectRefusal(
                try await pool.ask("POST", WorkerRoutes.link, by: "ada", body: half), [403], code: "missing_role", "ada"
            )
            expectRefusal(
                try await pool.send(CarrierRequest(method: "POST", target: WorkerRoutes.link, body: half)), [401],
                code: "signature_missing", "nobody")
            let small = try Wire.encode(LinkRequest(exchange: Base64Bytes([UInt8](repeating: 0, count: 32))))
            expectRefusal(
                try await pool.ask("POST", WorkerRoutes.link, by: "worker", body: small), [400], code: "bad_key",
                "a point of small order")
            #expect(pool.authentication.links.count == 0)
            for _ in 0..<7 {
                let answer = try await pool.ask("POST", WorkerRoutes.link, by: "worker", body: half)
                #expect(answer.status == 201)
            }
            #expect(pool.authentication.links.count == WorkerLinks.Bounds().perKey)
        }
    }

    @Test("whoever stands between and answers for the coordinator is found out")
    func impostor() async throws {
        try await Self.with { pool, client, recording in
            try await Self.hello(client)
            // It opens a link of its own towards the worker, signed with what it has.
            recording.rewriteAnswers { request, answer in
                guard request.path == WorkerRoutes.link else { return answer }
                let forged = try? Wire.encode(
                    LinkAnswer(
                        link: LinkID(high: 1, low: 2), exchange: Base64Bytes(ExchangeKey.generate().publicBytes),
                        idle: .minutes(1)))
                return CarrierResponse(status: 201, headers: answer.headers, body: forged ?? [])
            }
            let opened = await #expect(throws: BadAnswer.self) { try await client.heartbeat(Self.beat) }
            #expect(opened?.message.contains("digest_mismatch") == true)
            recording.rewriteAnswers { request, answer in
                guard request.path == "/v1/worker/heartbeat" else { return answer }
                return CarrierResponse(status: 200, body: answer.body)
            }
            await #expect(throws: BadAnswer.self) { try await client.heartbeat(Self.beat) }
            recording.rewriteAnswers(nil)
            _ = try await client.heartbeat(Self.beat)
        }
    }

    // MARK: - Leases

    @Test("leases come with the coordinator's signature for this worker; altered ones are refused")
    func leases() async throws {
        try await Self.with { pool, client, recording in
            try await Self.hello(client, .open)
            let job = try await pool.submit()
            let wanted = PollRequest(allowance: RouteTable.allowance(.open), want: 1, wait: .seconds(10))
            let leases = try await client.poll(wanted).leases
            #expect(leases.map(\.attempt.task.job) == [job])
            let body = try #require(recording.exchanges.last).answer.body
            let granted = try #require(try Wire.decode(LeaseAnswer.self, from: body).granted)
            #expect(try granted.leases(of: client.key.publicKey, from: pool.key.publicKey) == leases)
            let refusals: [(SignedLeases) throws -> [Lease]] = [
                { try $0.leases(of: SigningKey.generate().publicKey, from: pool.key.publicKey) },
                { try $0.leases(of: client.key.publicKey, from: SigningKey.generate().publicKey) },
                {
                    var other = $0
                    other.document.replace("\"true\"", with: "\"false\"")
                    #expect(other != $0)
                    return try other.leases(of: client.key.publicKey, from: pool.key.publicKey)
                },
                {
                    var other = $0
                    other.grantedAt = other.grantedAt + .seconds(1)
                    return try other.leases(of: client.key.publicKey, from: pool.key.publicKey)
                },
            ]
            for refused in refusals {
                let failure = #expect(throws: CoreFailure.self) { try refused(granted) }
                #expect(failure?.code == "bad_lease")
            }
        }
    }

    // MARK: - Bounds, on a clock that is turned by hand

    private final class TurnedClock: FogClock {
        private let passed = Mutex(TimeSpan.zero)

        var now: Timestamp { Timestamp(seconds: 1_795_000_000) + sinceBoot }
        var sinceBoot: TimeSpan { passed.withLock { $0 } }
        func pass(_ span: TimeSpan) { passed.withLock { $0 = $0 + span } }
    }

    private final class Switch: Sendable {
        private let value = Mutex(false)

        var isOn: Bool {
            get { value.withLock { $0 } }
            set { value.withLock { $0 = newValue } }
        }
    }

    /// A link of a registry, opened as a worker does it.
    private static func open(_ links: WorkerLinks, _ key: SigningKey, _ coordinator: SigningKey) throws -> LinkSession {
        let half = ExchangeKey.generate()
        let answer = try links.open(LinkRequest(exchange: Base64Bytes(half.publicBytes)), for: key.publicKey)
        return LinkSession(
            try LinkKeys(
                link: answer.link, own: half, answered: answer.exchange.bytes, worker: key.publicKey,
                coordinator: coordinator.publicKey))
    }

    private static func authentication(
        _ coordinator: SigningKey, _ clock: TurnedClock, _ bounds: WorkerLinks.Bounds, revoked: Switch,
        _ worker: SigningKey
    ) -> Authentication {
        Authentication(key: coordinator, window: NonceWindow(start: .zero), clock: clock, links: bounds) { _ in
            var principal = Principal(
                key: worker.publicKey, name: "w", roles: [.worker], account: AccountID(high: 1, low: 2),
                enrolledAt: .zero)
            if revoked.isOn { principal.revokedAt = clock.now }
            return principal
        }
    }

    private static func code(
        _ session: LinkSession, at authentication: Authentication, _ clock: TurnedClock
    ) async throws -> String? {
        let request = try session.sign(CarrierRequest(method: "POST", target: "/v1/worker/poll"), at: clock.now)
        let answer = await authentication.answer(request, linked: true) { _ in CarrierResponse(status: 200) }
        guard let problem = Problem(answer) else {
            try session.verify(answer, to: request)
            return nil
        }
        return problem.code
    }

    @Test("an idle link is forgotten; a used one lives on; a revoked key's ends at once")
    func lifetime() async throws {
        let (coordinator, worker, clock) = (SigningKey.generate(), SigningKey.generate(), TurnedClock())
        let revoked = Switch()
        var bounds = WorkerLinks.Bounds()
        bounds.idle = .seconds(100)
        let authentication = Self.authentication(coordinator, clock, bounds, revoked: revoked, worker)
        let used = try Self.open(authentication.links, worker, coordinator)
        let idle = try Self.open(authentication.links, worker, coordinator)
        for _ in 0..<5 {
            clock.pass(.seconds(60))
            #expect(try await Self.code(used, at: authentication, clock) == nil)
        }
        #expect(try await Self.code(idle, at: authentication, clock) == "link_unknown")
        #expect(authentication.links.count == 1)
        revoked.isOn = true
        #expect(try await Self.code(used, at: authentication, clock) == "unknown_key")
        revoked.isOn = false
        #expect(try await Self.code(used, at: authentication, clock) == "link_unknown")
        #expect(authentication.links.count == 0)
    }

    @Test("a key's oldest link makes room for its next; when all room is taken, a newcomer waits for an idle one")
    func room() async throws {
        let (coordinator, worker, clock) = (SigningKey.generate(), SigningKey.generate(), TurnedClock())
        var bounds = WorkerLinks.Bounds()
        (bounds.perKey, bounds.total, bounds.idle) = (2, 3, .seconds(100))
        let authentication = Self.authentication(coordinator, clock, bounds, revoked: Switch(), worker)
        var sessions: [LinkSession] = []
        for _ in 0..<3 {
            sessions.append(try Self.open(authentication.links, worker, coordinator))
            clock.pass(.seconds(1))
        }
        #expect(try await Self.code(sessions[0], at: authentication, clock) == "link_unknown")
        #expect(try await Self.code(sessions[1], at: authentication, clock) == nil)
        #expect(try await Self.code(sessions[2], at: authentication, clock) == nil)
        _ = try Self.open(authentication.links, .generate(), coordinator)
        let full = #expect(throws: Problem.self) { try Self.open(authentication.links, .generate(), coordinator) }
        #expect(full?.status == 503 && full?.code == "too_many_links" && full?.retryAfterSeconds == 10)
        clock.pass(.seconds(101))
        _ = try Self.open(authentication.links, .generate(), coordinator)
        #expect(authentication.links.count == 1)
    }
}

/// A carrier that keeps what went over it, and may change what comes back.
private final class Recording: Carrier {
    private let carrier: any Carrier
    private let kept = Mutex<[(request: CarrierRequest, answer: CarrierResponse)]>([])
    private let rewriting = Mutex<(@Sendable (CarrierRequest, CarrierResponse) -> CarrierResponse)?>(nil)

    init(_ carrier: any Carrier) { self.carrier = carrier }

    var exchanges: [(request: CarrierRequest, answer: CarrierResponse)] { kept.withLock { $0 } }

    func rewriteAnswers(_ rewrite: (@Sendable (CarrierRequest, CarrierResponse) -> CarrierResponse)?) {
        rewriting.withLock { $0 = rewrite }
    }

    func send(_ request: CarrierRequest, deadline: TimeSpan) async throws(CarrierFailure) -> CarrierResponse {
        var answer = try await carrier.send(request, deadline: deadline)
        if let rewrite = rewriting.withLock({ $0 }) { answer = rewrite(request, answer) }
        kept.withLock { $0.append((request, answer)) }
        return answer
    }
}
