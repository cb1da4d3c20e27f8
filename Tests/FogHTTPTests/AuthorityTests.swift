import FogAPI
import FogCore
import FogJobs
import FogNet
import Testing

@testable import FogHTTP

/// Who may not, may not: every route, every role, every way to pretend.
@Suite("Who may do what", .timeLimit(.minutes(10)))
struct AuthorityTests {
    @Test("a role does what the capability table gives it, and nothing else")
    func roles() async throws {
        try await Pool.with { pool in
            let things = try await Things.make(in: pool)
            let cases = try RouteTable.cases(things)
            for item in cases {
                for role in Role.allCases where !item.roles.contains(role) {
                    let answer = try await pool.ask(item.method, item.target, by: role.rawValue, body: item.body)
                    expectRefusal(answer, [403, 404], "\(role) at \(item.route)")
                }
            }
            // Refused so far, so nothing has happened; now those who may.
            for item in cases {
                for role in item.roles.sorted() {
                    let answer = try await pool.ask(item.method, item.target, by: role.rawValue, body: item.body)
                    let text = String(decoding: answer.body.prefix(200), as: UTF8.self)
                    #expect(
                        answer.status < 500 && ![401, 403].contains(answer.status),
                        "\(role) at \(item.route): \(answer.status) \(text)")
                }
            }
            try await pool.isUnharmed()
        }
    }

    @Test("another owner's job and a job that never was are answered with the same bytes")
    func foreignJobs() async throws {
        try await Pool.with { pool in
            let things = try await Things.make(in: pool)
            let never = JobID(high: 77, low: 78)
            let unknown = Things(
                job: never, attempt: AttemptID(task: TaskID(job: never, number: 0), token: 1),
                blob: .blake2b([9, 9, 9]), node: things.node, account: AccountID(high: 1, low: 2))
            let foreign = try RouteTable.cases(things)
            let absent = try RouteTable.cases(unknown)
            var asked = 0
            for (one, other) in zip(foreign, absent) where one.target != other.target && one.method != "PUT" {
                guard !one.route.hasPrefix("POST /v1/worker") else { continue }
                let first = try await pool.ask(one.method, one.target, by: "eve", body: one.body)
                let second = try await pool.ask(other.method, other.target, by: "eve", body: other.body)
                expectRefusal(first, [404], code: "not_found", "eve at \(one.route)")
                #expect(first.body == second.body && first.status == second.status, "\(one.route)")
                asked += 1
            }
            #expect(asked >= 16)
            try await pool.isUnharmed()
        }
    }

    @Test("a name or the beginning of an id does not find another owner's job either")
    func foreignNames() async throws {
        try await Pool.with { pool in
            let job = try await pool.submit("secret-name")
            for reference in ["secret-name", String(job.description.prefix(8)), job.description.uppercased()] {
                let answer = try await pool.ask("GET", "/v1/jobs/\(reference)", by: "eve")
                expectRefusal(answer, [404], code: "not_found", reference)
            }
        }
    }

    // MARK: - Signatures

    @Test("every route but the open ones wants a signature")
    func unsigned() async throws {
        try await Pool.with(packages: ["fog.deb": [1, 2, 3]]) { pool in
            let things = try await Things.make(in: pool)
            for item in try RouteTable.cases(things) {
                let answer = try await pool.send(
                    CarrierRequest(method: item.method, target: item.target, body: item.body))
                expectRefusal(answer, [401], code: "signature_missing", item.route)
            }
            for pattern in Routes.openRoutes where pattern.method == "GET" {
                let target = pattern.text.replacing("{package}", with: "fog.deb")
                    .replacing("{level}/{number}/{width}", with: "0/000.p/1").replacing(
                        "{level}/{number}", with: "0/000")
                let answer = try await pool.send(CarrierRequest(method: "GET", target: target))
                // So short a log has no full tile, and nobody witnessed it.
                let isNone = ["/log/tile/0/000", "/log/cosigned"].contains(target)
                #expect(answer.status == (isNone ? 404 : 200), "\(pattern.text)")
            }
            try await pool.isUnharmed()
        }
    }

    /// What is done to a request that was signed well, and what is said to it.
    struct Forgery: Sendable, CustomTestStringConvertible {
        let name: String
        let code: String
        let change: @Sendable (inout CarrierRequest) -> Void

        var testDescription: String { name }
    }

    private static let forgeries: [Forgery] = [
        Forgery(name: "another body", code: "digest_mismatch") { $0.body.append(0x20) },
        Forgery(name: "another target", code: "bad_signature") { $0.target = "/v1/jobs?limit=2" },
        Forgery(name: "a query after it", code: "bad_signature") { $0.target += "?dry_run=1" },
        Forgery(name: "another method", code: "bad_signature") { $0.method = "GET" },
        Forgery(name: "the same path otherwise written", code: "bad_signature") { $0.target = "//v1/jobs" },
        Forgery(name: "an idempotency key that is not covered", code: "signature_coverage") {
            $0.headers["fog-idempotency-key"] = "1"
        },
        Forgery(name: "another coordinator", code: "wrong_coordinator") {
            $0.headers["fog-coordinator"] = SigningKey.generate().publicKey.id.description
        },
        Forgery(name: "no coordinator", code: "wrong_coordinator") { $0.headers["fog-coordinator"] = nil },
        Forgery(name: "no digest", code: "signature_coverage") { $0.headers["content-digest"] = nil },
        Forgery(name: "no signature", code: "signature_missing") { $0.headers["signature"] = nil },
        Forgery(name: "an empty signature", code: "signature_malformed") { $0.headers["signature"] = "" },
        Forgery(name: "a short signature", code: "signature_malformed") { $0.headers["signature"] = "fog=:AAAA:" },
        Forgery(name: "a signature of zeros", code: "bad_signature") {
            $0.headers["signature"] = "fog=:\(Base64.encode([UInt8](repeating: 0, count: 64))):"
        },
        Forgery(name: "input of garbage", code: "signature_malformed") {
            $0.headers["signature-input"] = "fog=((((((((("
        },
        Forgery(name: "input of another label", code: "signature_missing") {
            $0.headers["signature-input"] = $0.headers["signature-input"].map { "x" + $0 }
        },
        Forgery(name: "the path not covered", code: "signature_coverage") { uncover("@path", in: &$0) },
        Forgery(name: "the method not covered", code: "signature_coverage") { uncover("@method", in: &$0) },
        Forgery(name: "the query not covered", code: "signature_coverage") { uncover("@query", in: &$0) },
        Forgery(name: "the digest not covered", code: "signature_coverage") { uncover("content-digest", in: &$0) },
        Forgery(name: "the coordinator not covered", code: "signature_coverage") {
            uncover("fog-coordinator", in: &$0)
        },
        Forgery(name: "a parameter more", code: "signature_malformed") {
            $0.headers["signature-input"] = $0.headers["signature-input"].map { $0 + ";extra=1" }
        },
        Forgery(name: "a huge list of components", code: "signature_malformed") {
            let many = (0..<2000).map { "\"x\($0)\"" }.joined(separator: " ")
            $0.headers["signature-input"] = "fog=(\(many));created=1"
        },
    ]

    private static func uncover(_ component: String, in request: inout CarrierRequest) {
        let input = request.headers["signature-input"] ?? ""
        guard let end = input.firstIndex(of: ")") else { return }
        let items = input[..<end].drop { $0 != "(" }.dropFirst().split(separator: " ")
        let left = items.filter { $0 != "\"\(component)\"" }.joined(separator: " ")
        request.headers["signature-input"] = "fog=(\(left)\(input[end...])"
    }

    @Test("what was signed and then altered is refused, and nothing comes of it")
    func forged() async throws {
        try await Pool.with { pool in
            for forgery in Self.forgeries {
                var request = try pool.signed("POST", "/v1/jobs", by: "ada", body: Pool.document("forged"))
                forgery.change(&request)
                expectRefusal(try await pool.send(request), [401], code: forgery.code, forgery.name)
            }
            let jobs = try await pool.ask("GET", "/v1/jobs", by: "ada")
            #expect(try Wire.decode(JobListBody.self, from: jobs.body).jobs.isEmpty)
            try await pool.isUnharmed()
        }
    }

    @Test("another's key, a stranger's key, a replay, an old and an early request")
    func pretended() async throws {
        try await Pool.with { pool in
            let body = Pool.document()
            // Eve's signature under ada's name.
            let ada = try pool.person("ada").key.publicKey.id.description
            var stolen = try pool.signed("POST", "/v1/jobs", by: "eve", body: body)
            let eve = try pool.person("eve").key.publicKey.id.description
            let input = stolen.headers["signature-input"] ?? ""
            stolen.headers["signature-input"] = input.split(separator: eve).joined(separator: ada)
            expectRefusal(try await pool.send(stolen), [401], code: "bad_signature", "eve as ada")

            let stranger = try RequestSigner(key: SigningKey.generate(), coordinator: pool.key.publicKey.id)
                .sign(CarrierRequest(method: "POST", target: "/v1/jobs", body: body), at: SystemClock().now)
            expectRefusal(try await pool.send(stranger), [401], code: "unknown_key", "a stranger")

            let once = try pool.signed("POST", "/v1/jobs", by: "ada", body: body)
            #expect(try await pool.send(once).status == 201)
            expectRefusal(try await pool.send(once), [401], code: "replayed", "the same again")

            // Far from every bound, so that it may take its time on the way: that much the number is off.
            for (seconds, side) in [(250, "ahead"), (-250, "behind")] as [(Int64, String)] {
                let time = SystemClock().now + .seconds(seconds)
                let answer = try await pool.send(try pool.signed("POST", "/v1/jobs", by: "ada", body: body, at: time))
                let problem = expectRefusal(answer, [401], code: "clock_skew", side)
                let words = (problem?.detail ?? "").split(separator: " ")
                let told = words.firstIndex { $0.hasPrefix(side) }.flatMap { $0 >= 2 ? Int(words[$0 - 2]) : nil }
                #expect((200..<300).contains(try #require(told)), "\(problem?.detail ?? "")")
                #expect(problem?.serverTime != nil)
            }

            let brief = try RequestSigner(
                key: pool.person("ada").key, coordinator: pool.key.publicKey.id, lifetime: .seconds(1)
            ).sign(CarrierRequest(method: "POST", target: "/v1/jobs", body: body), at: SystemClock().now - .seconds(10))
            expectRefusal(try await pool.send(brief), [401], code: "signature_expired", "an expired signature")
            try await pool.isUnharmed()
        }
    }
}
