import FogAPI
import FogCore
import FogJobs
import FogNet
import Testing

@testable import FogHTTP

/// One request a route that would do something if the right person sent it, and who that is.
struct RouteCase: Sendable, CustomTestStringConvertible {
    let method: String
    /// `GET /v1/jobs/{job}`
    let route: String
    let target: String
    let body: [UInt8]
    let roles: Set<Role>

    var testDescription: String { route }
}

/// The things that requests are about.
struct Things: Sendable {
    var job: JobID
    var attempt: AttemptID
    var blob: Digest
    var node: NodeID
    var account: AccountID
    /// Of the attempt, when there is one.
    var lease: Lease?

    /// All of ada's, whom nobody here is; the node is the worker's.
    static func make(in pool: Pool) async throws -> Things {
        let content = Array("ada's own".utf8)
        let blob = Digest.blake2b(content)
        let sent = try await pool.ask(
            "PUT", "/v1/blobs/\(blob)?total=\(content.count)", by: "ada", body: content)
        #expect(sent.status == 200)
        let hello = try await pool.ask("POST", "/v1/worker/hello", by: "worker", body: RouteTable.hello())
        let job = try await pool.submit()
        return Things(
            job: job, attempt: AttemptID(task: TaskID(job: job, number: 0), token: 1), blob: blob,
            node: try Wire.decode(WorkerTerms.self, from: hello.body).node,
            account: try pool.person("ada").principal.account)
    }
}

/// Who may do what: the capability table, written down a second time.
enum RouteTable {
    private static let everybody = Set(Role.allCases)
    private static let submitters: Set<Role> = [.client, .admin]

    private static let capabilities: [String: Set<Role>] = [
        "POST /v1/jobs": submitters, "GET /v1/jobs": everybody,
        "GET /v1/jobs/{job}": [.admin, .auditor], "GET /v1/jobs/{job}/document": [.admin],
        "GET /v1/jobs/{job}/tasks": [.admin, .auditor], "GET /v1/jobs/{job}/attempts": [.admin, .auditor],
        "GET /v1/jobs/{job}/events": [.admin, .auditor], "GET /v1/jobs/{job}/explain": [.admin, .auditor],
        "GET /v1/jobs/{job}/decisions": [.admin, .auditor], "GET /v1/jobs/{job}/nodes/{node}": [.admin, .auditor],
        "GET /v1/jobs/{job}/logs": [.admin], "GET /v1/events": [.admin, .auditor],
        "POST /v1/jobs/{job}/cancel": [.admin], "POST /v1/jobs/{job}/hold": [.admin],
        "POST /v1/jobs/{job}/release": [.admin], "POST /v1/jobs/{job}/fund": [.admin],
        "POST /v1/jobs/{job}/retry": [.admin], "POST /v1/jobs/{job}/keep": [.admin],
        "POST /v1/jobs/{job}/keys": [.admin], "POST /v1/candidates": submitters,
        "POST /v1/blobs/missing": [.client, .worker, .admin], "PUT /v1/blobs/{digest}": [.client, .worker, .admin],
        "GET /v1/blobs/{digest}": [],
        "POST /v1/worker/hello": [.worker], "POST /v1/worker/poll": [.worker], "POST /v1/worker/heartbeat": [.worker],
        "POST /v1/worker/link": [.worker],
        "POST /v1/worker/complete": [.worker], "POST /v1/worker/checkpoint": [.worker],
        "POST /v1/worker/logs": [.worker], "POST /v1/worker/leave": [.worker],
        "GET /v1/usage": everybody, "GET /v1/usage/all": [.admin, .auditor],
        "GET /v1/me": everybody, "GET /v1/nodes": everybody, "GET /v1/nodes/{node}": everybody,
        // Its owner, who is a worker here, and operators.
        "POST /v1/nodes/{node}/cordon": [.admin, .worker], "POST /v1/nodes/{node}/drain": [.admin, .worker],
        "POST /v1/nodes/{node}/resume": [.admin, .worker],
        "GET /v1/ledger/accounts/{account}": [.admin, .auditor],
        "GET /v1/ledger/accounts/{account}/history": [.admin, .auditor],
        "GET /v1/ledger/accounts/{account}/earnings": [.admin, .auditor],
        "GET /v1/ledger/accounts/{account}/statement": [.admin, .auditor],
        "GET /v1/ledger/jobs/{job}/history": [.admin, .auditor],
        "POST /v1/ledger/transfers": [.client, .worker, .admin], "POST /v1/ledger/rewards": [.admin],
        "GET /v1/ledger/rules": everybody, "POST /v1/ledger/rules": [.admin],
        "POST /v1/ledger/corrections": [.admin],
        "GET /v1/receipts/{attempt}": [.admin, .auditor], "GET /v1/receipts/{attempt}/proof": [.admin, .auditor],
        "GET /v1/ledger/entries/{bundle}": [.admin, .auditor], "POST /v1/ledger/grants": [.admin],
        "GET /v1/ledger/audit": [.admin, .auditor, .client], "POST /v1/enroll": [.admin],
        "GET /v1/enrolments": [.admin], "POST /v1/enrolments/{enrolment}/approve": [.admin],
        "POST /v1/enrolments/{enrolment}/revoke": [.admin], "GET /v1/identities": [.admin],
        "POST /v1/identities/{identity}/suspend": [.admin], "POST /v1/identities/{identity}/resume": [.admin],
        "POST /v1/identities/{identity}/revoke": [.admin], "POST /v1/identity/rotate": everybody,
        "POST /v1/housekeeping": [.admin], "GET /v1/overview": everybody,
        "POST /v1/nodes/{node}/labels": [.admin, .worker], "POST /v1/nodes/{node}/ask": [.admin, .worker],
        "GET /v1/market/prices": everybody, "GET /v1/market/history": everybody,
        "POST /v1/nodes/{node}/trust": [.admin], "POST /v1/nodes/{node}/distrust": [.admin],
    ]

    /// Every route that is served; one without a capability fails the test that asks.
    static func cases(_ things: Things) throws -> [RouteCase] {
        try Routes.routes.map { pattern, _ in
            let route = "\(pattern.method) \(pattern.text)"
            let roles = try #require(capabilities[route], "\(route) stands in no capability table")
            return RouteCase(
                method: pattern.method, route: route, target: target(pattern.text, things) + query(route, things),
                body: try body(route, things), roles: roles)
        }
    }

    static func target(_ path: String, _ things: Things) -> String {
        let values = [
            "{job}": things.job.description, "{attempt}": things.attempt.description,
            "{digest}": things.blob.description, "{node}": things.node.description,
            "{account}": things.account.description, "{enrolment}": "nobody", "{identity}": "nobody",
            "{bundle}": "0",
        ]
        return "/"
            + path.split(separator: "/").map { values[String($0)] ?? String($0) }.joined(separator: "/")
    }

    static func query(_ route: String, _ things: Things) -> String {
        switch route {
        case "PUT /v1/blobs/{digest}": "?total=9"
        case "POST /v1/worker/logs": "?attempt=\(things.attempt)&stream=stdout"
        default: ""
        }
    }

    /// - Parameter state: closed unless the worker is to get work.
    static func hello(_ state: Allowance.State = .closed) -> [UInt8] {
        let report = NodeReport(
            name: "n1", architecture: "x86_64", cpu: .cores(4), memory: .gibibytes(8), disk: .gibibytes(100))
        return encoded(WorkerHello(report: report, allowance: allowance(state), incarnation: "first", holding: []))
    }

    static func allowance(_ state: Allowance.State = .closed) -> Allowance {
        Allowance(state: state, reason: "a test", cpuCap: .cores(4), memoryCap: .gibibytes(8), slots: 4)
    }

    private static func sealedKeys() throws -> SealedKeys {
        let machine = SigningKey.generate().publicKey.id.description
        return try SealedKeys([machine: Base64Bytes([UInt8](repeating: 1, count: KeyWrap.byteCount))])
    }

    private static func encoded(_ value: some Encodable) -> [UInt8] { (try? Wire.encode(value)) ?? [] }

    static func body(_ route: String, _ things: Things) throws -> [UInt8] {
        let file = OutputFile(name: "a", size: 9, executable: false, digest: things.blob)
        return switch route {
        case "POST /v1/jobs": Pool.document()
        case "POST /v1/jobs/{job}/cancel", "POST /v1/jobs/{job}/hold": encoded(ReasonBody(reason: "because"))
        case "POST /v1/jobs/{job}/fund": encoded(FundBody(credits: .credits(1)))
        case "POST /v1/jobs/{job}/keys": encoded(ResealBody(keys: try sealedKeys()))
        case "POST /v1/candidates": encoded(CandidatesRequest(resources: ResourceRequest()))
        case "POST /v1/jobs/{job}/keep": encoded(KeepBody(span: .days(30)))
        case "POST /v1/jobs/{job}/retry": encoded(RetryBody(onlyFailed: true))
        case "POST /v1/blobs/missing": encoded(DigestListBody(digests: [things.blob]))
        case "PUT /v1/blobs/{digest}": Array("ada's own".utf8)
        case "POST /v1/worker/hello": hello()
        case "POST /v1/worker/link": encoded(LinkRequest(exchange: Base64Bytes(ExchangeKey.generate().publicBytes)))
        case "POST /v1/worker/poll": encoded(PollRequest(allowance: allowance(), want: 1, wait: .zero))
        case "POST /v1/worker/heartbeat":
            encoded(Heartbeat(allowance: allowance(), attempts: [.init(attempt: things.attempt, state: .running)]))
        case "POST /v1/worker/complete": encoded(CompletionRequest(reports: [report(things)]))
        case "POST /v1/worker/checkpoint": encoded(CheckpointReport(attempt: things.attempt, files: [file]))
        case "POST /v1/ledger/grants":
            encoded(GrantBody(account: things.account.description, credits: .credits(1), reason: "a gift"))
        case "POST /v1/ledger/transfers":
            encoded(TransferBody(kind: "transfer", to: "ada", credits: Credits(micro: 1), id: anyTransfer()))
        case "POST /v1/ledger/rewards":
            encoded(
                RewardBody(
                    rule: "governance", account: things.account.description, quantity: 1, quality: 3, complexity: 3,
                    evidence: .sha256([1]), reason: "a vote", id: anyTransfer()))
        case "POST /v1/ledger/rules": encoded(RuleChangeBody(rule: "governance"))
        case "POST /v1/ledger/corrections": encoded(CorrectionBody(transfer: anyTransfer(), reason: "a mistake"))
        case "POST /v1/nodes/{node}/labels": encoded(LabelBody(labels: ["room": "12"]))
        case "POST /v1/nodes/{node}/ask": encoded(AskBody(core: .credits(2), gibibyte: nil))
        case "POST /v1/housekeeping": encoded(HousekeepingRequest(dryRun: true))
        case "POST /v1/enroll":
            encoded(EnrollBody(roles: [.client], uses: 1, ttl: .hours(1), owner: nil, credits: .zero))
        case "POST /v1/enrolments/{enrolment}/revoke", "POST /v1/identities/{identity}/suspend",
            "POST /v1/identities/{identity}/revoke":
            encoded(ReasonBody(reason: "because"))
        case let other where other.hasPrefix("POST"): Array("{}".utf8)
        default: []
        }
    }

    private static func anyTransfer() -> TransferID {
        var random = SystemRandomNumberGenerator()
        return TransferID(at: SystemClock().now, using: &random)
    }

    /// A well made receipt of somebody who never had the lease.
    private static func report(_ things: Things) -> AttemptReport {
        let key = SigningKey.generate()
        let receipt = Receipt(
            coordinator: key.publicKey, attempt: things.attempt, node: key.publicKey, profileDigest: .zero,
            missingIsolation: [], inputDigest: .zero, outputDigest: .zero, stdoutDigest: .zero, stderrDigest: .zero,
            exitCode: 0, signal: nil, outcome: .success,
            usage: Usage(cpuNanoseconds: 1, wallNanoseconds: 1, peakBytes: 1, source: .cgroupV1),
            priceBound: .zero)
        return AttemptReport(
            receipt: SignedReceipt(receipt, signedWith: key),
            outputs: [OutputFile(name: "a", size: 1, executable: false, digest: things.blob)], contents: [nil],
            stdout: Base64Bytes([65]), stderr: nil, stdoutSize: 1, stderrSize: 0, detail: "none")
    }
}
