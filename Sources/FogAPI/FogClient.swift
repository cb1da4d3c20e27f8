package import FogCore
package import FogJobs
package import FogNet

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#endif

/// What a program says to a coordinator, over whatever carrier: one method a thing that can be asked.
///
/// Every request is signed; every method throws ``Problem`` for what the coordinator refused, ``BadAnswer`` for an answer
/// to a state change that it did not sign, and ``CarrierFailure`` for what never reached it. Safe to call again after a
/// failure: what changes something carries an idempotency key.
package struct FogClient: Sendable {
    package let carrier: any Carrier
    package let key: SigningKey
    /// The coordinator's pinned key: only its word counts.
    package let coordinatorKey: PublicKey
    package let clock: any FogClock
    /// How long an ordinary answer may take.
    package var deadline: TimeSpan = .seconds(30)
    /// Goes with every request: where it stands in a distributed trace (W3C Trace Context).
    package var traceparent: String?
    /// Names of private jobs; nil = they are called as the coordinator calls them.
    package var naming: (any JobNaming)?
    /// The way of a worker's frequent requests; nil = they are signed with the key like all others.
    package internal(set) var link: WorkerLink?

    package init(
        carrier: any Carrier, key: SigningKey, coordinator: PublicKey, clock: any FogClock = SystemClock()
    ) {
        self.carrier = carrier
        self.key = key
        coordinatorKey = coordinator
        self.clock = clock
    }

    package var coordinator: KeyID { coordinatorKey.id }

    /// What a coordinator says of itself, unsigned: its key is only as good as the way it came.
    package static func info(of carrier: any Carrier, deadline: TimeSpan = .seconds(10)) async throws -> InfoBody {
        let answer = try await carrier.send(CarrierRequest(method: "GET", target: "/v1/info"), deadline: deadline)
        if let problem = Problem(answer) { throw problem }
        return try Wire.decode(InfoBody.self, from: answer.body)
    }

    // MARK: Jobs

    package func submit(_ body: SubmitBody, idempotencyKey: String) async throws -> JobBody {
        named(try await call("POST", "/v1/jobs", body, idempotencyKey: idempotencyKey))
    }

    package func quote(_ body: SubmitBody) async throws -> QuoteBody {
        try await call("POST", "/v1/jobs?dry_run=1", body)
    }

    package func jobs(
        states: [JobState] = [], name: String? = nil, label: String? = nil, account: String? = nil,
        before: JobID? = nil, limit: Int = 100
    ) async throws -> JobListBody {
        var query = Query()
        query.add("state", states.map(\.rawValue).joined(separator: ","))
        query.add("name", name.map { naming?.told($0) ?? $0 })
        query.add("label", label)
        query.add("account", account)
        query.add("before", before?.description)
        query.add("limit", String(limit))
        var answer: JobListBody = try await call("GET", "/v1/jobs" + query.text)
        answer.jobs = answer.jobs.map(named)
        return answer
    }

    /// A job as this user calls it.
    private func named(_ job: JobBody) -> JobBody {
        var named = job
        named.seal = StandIn.id(inName: job.name)
        if named.seal != nil, let own = naming?.own(job.name) { named.name = own }
        return named
    }

    /// - Parameter reference: an id, a unique prefix of one, or a name.
    /// - Parameter wait: longest wait for the job's end.
    package func job(_ reference: String, wait: TimeSpan = .zero) async throws -> JobBody {
        var query = Query()
        query.add("wait", wait == .zero ? nil : wait.description)
        let told = naming?.told(reference) ?? reference
        return named(try await call("GET", "/v1/jobs/\(Query.escaped(told))" + query.text, patience: wait))
    }

    package func tasks(_ id: JobID, after: UInt32? = nil, states: [TaskState] = [], limit: Int = 200) async throws
        -> TaskListBody
    {
        var query = Query()
        query.add("after", after.map(String.init))
        query.add("state", states.map(\.rawValue).joined(separator: ","))
        query.add("limit", String(limit))
        return try await call("GET", "/v1/jobs/\(id)/tasks" + query.text)
    }

    package func attempts(_ id: JobID, task: UInt32? = nil, after: AttemptID? = nil, limit: Int = 200) async throws
        -> AttemptListBody
    {
        var query = Query()
        query.add("task", task.map(String.init))
        query.add("after", after?.description)
        query.add("limit", String(limit))
        return try await call("GET", "/v1/jobs/\(id)/attempts" + query.text)
    }

    /// Events after a cursor; with a wait, the answer comes with the first of them.
    package func events(_ id: JobID?, after: UInt64, wait: TimeSpan = .zero, limit: Int = 500) async throws
        -> EventListBody
    {
        var query = Query()
        query.add("after", String(after))
        query.add("wait", wait == .zero ? nil : wait.description)
        query.add("limit", String(limit))
        let path = id.map { "/v1/jobs/\($0)/events" } ?? "/v1/events"
        return try await call("GET", path + query.text, patience: wait)
    }

    package func explain(_ id: JobID) async throws -> JobExplanationBody {
        try await call("GET", "/v1/jobs/\(id)/explain")
    }

    package func decisions(of id: JobID) async throws -> DecisionListBody {
        try await call("GET", "/v1/jobs/\(id)/decisions")
    }

    /// - Parameter node: id, unique prefix or name.
    package func whyNot(_ id: JobID, node: String) async throws -> WhyNotBody {
        try await call("GET", "/v1/jobs/\(id)/nodes/\(Query.escaped(node))")
    }

    package func cancel(_ id: JobID, reason: String) async throws -> JobBody {
        named(
            try await call("POST", "/v1/jobs/\(id)/cancel", ReasonBody(reason: reason), idempotencyKey: Self.newKey()))
    }

    package func hold(_ id: JobID, reason: String) async throws -> JobBody {
        named(try await call("POST", "/v1/jobs/\(id)/hold", ReasonBody(reason: reason), idempotencyKey: Self.newKey()))
    }

    package func release(_ id: JobID) async throws -> JobBody {
        named(try await call("POST", "/v1/jobs/\(id)/release", EmptyBody(), idempotencyKey: Self.newKey()))
    }

    // MARK: Private jobs

    package func candidates(_ body: CandidatesRequest) async throws -> CandidatesBody {
        try await call("POST", "/v1/candidates", body)
    }

    package func reseal(_ id: JobID, adding keys: SealedKeys) async throws -> JobBody {
        named(try await call("POST", "/v1/jobs/\(id)/keys", ResealBody(keys: keys), idempotencyKey: Self.newKey()))
    }

    package func fund(_ id: JobID, adding credits: Credits) async throws -> JobBody {
        named(try await call("POST", "/v1/jobs/\(id)/fund", FundBody(credits: credits), idempotencyKey: Self.newKey()))
    }

    /// - Parameter span: from now on; zero takes an earlier wish back.
    package func keep(_ id: JobID, for span: TimeSpan) async throws -> JobBody {
        named(try await call("POST", "/v1/jobs/\(id)/keep", KeepBody(span: span), idempotencyKey: Self.newKey()))
    }

    package func retry(_ id: JobID, onlyFailed: Bool) async throws -> JobBody {
        named(
            try await call(
                "POST", "/v1/jobs/\(id)/retry", RetryBody(onlyFailed: onlyFailed), idempotencyKey: Self.newKey()))
    }

    /// A piece of a task's log.
    /// - Returns: the bytes, how many there are by now, whether that is all there will be, and how many are not shown
    ///   because the attempt was not paid.
    package func log(
        _ id: JobID, task: UInt32, token: UInt32? = nil, stream: String, offset: Int64, limit: Int = 1 << 20,
        wait: TimeSpan = .zero
    ) async throws -> (bytes: [UInt8], size: Int64, isComplete: Bool, withheld: Int64) {
        var query = Query()
        query.add("task", String(task))
        query.add("token", token.map(String.init))
        query.add("stream", stream)
        query.add("offset", String(offset))
        query.add("limit", String(limit))
        query.add("wait", wait == .zero ? nil : wait.description)
        let answer = try await raw("GET", "/v1/jobs/\(id)/logs" + query.text, patience: wait)
        return (
            answer.body, answer.headers["fog-log-size"].flatMap { Int64($0) } ?? 0,
            answer.headers["fog-log-complete"] == "true",
            answer.headers["fog-log-withheld"].flatMap { Int64($0) } ?? 0
        )
    }

    // MARK: Content

    /// Which of the blobs this account still has to upload.
    package func missing(_ digests: [Digest]) async throws -> [Digest] {
        var missing: [Digest] = []
        for start in stride(from: 0, to: digests.count, by: DigestListBody.limit) {
            let part = Array(digests[start..<min(start + DigestListBody.limit, digests.count)])
            let answer: DigestListBody = try await call("POST", "/v1/blobs/missing", DigestListBody(digests: part))
            missing += answer.digests
        }
        return missing
    }

    /// Sends a piece of a blob; `received` tells where to go on.
    package func upload(_ digest: Digest, total: Int64, offset: Int64, bytes: [UInt8]) async throws -> UploadBody {
        var query = Query()
        query.add("total", String(total))
        query.add("offset", String(offset))
        let answer = try await raw("PUT", "/v1/blobs/\(digest)" + query.text, body: bytes, patience: .seconds(60))
        return try Wire.decode(UploadBody.self, from: answer.body)
    }

    package func download(_ digest: Digest, offset: Int64, length: Int) async throws -> [UInt8] {
        var query = Query()
        query.add("offset", String(offset))
        query.add("length", String(length))
        return try await raw("GET", "/v1/blobs/\(digest)" + query.text, patience: .seconds(60)).body
    }

    // MARK: Nodes, people, money

    package func usage() async throws -> UsageBody { try await call("GET", "/v1/usage") }
    package func usageOfAll() async throws -> UsageListBody { try await call("GET", "/v1/usage/all") }
    package func me() async throws -> MeBody { try await call("GET", "/v1/me") }
    package func nodes() async throws -> NodeListBody { try await call("GET", "/v1/nodes") }

    package func node(_ reference: String) async throws -> NodeBody {
        try await call("GET", "/v1/nodes/\(Query.escaped(reference))")
    }

    /// - Parameter verb: `cordon`, `drain`, `resume`, `trust` or `distrust`.
    package func node(_ reference: String, _ verb: String) async throws -> NodeBody {
        try await call(
            "POST", "/v1/nodes/\(Query.escaped(reference))/\(verb)", EmptyBody(), idempotencyKey: Self.newKey())
    }

    /// - Parameter account: an id or a principal's name; nil = one's own.
    package func balance(_ account: String? = nil) async throws -> BalanceBody {
        try await call("GET", "/v1/ledger/accounts/\(Query.escaped(account ?? "self"))")
    }

    package func history(_ account: String? = nil, before: UInt64? = nil, limit: Int = 50) async throws -> HistoryBody {
        var query = Query()
        query.add("before", before.map(String.init))
        query.add("limit", String(limit))
        return try await call("GET", "/v1/ledger/accounts/\(Query.escaped(account ?? "self"))/history" + query.text)
    }

    package func receipt(_ attempt: AttemptID) async throws -> ReceiptBody {
        try await call("GET", "/v1/receipts/\(attempt)")
    }

    package func grant(_ body: GrantBody) async throws -> BalanceBody {
        try await call("POST", "/v1/ledger/grants", body, idempotencyKey: Self.newKey())
    }

    // MARK: Credits by one's word

    package func move(_ body: TransferBody) async throws -> BalanceBody {
        try await call("POST", "/v1/ledger/transfers", body, idempotencyKey: Self.newKey())
    }

    package func reward(_ body: RewardBody) async throws -> EarningsBody.Line {
        try await call("POST", "/v1/ledger/rewards", body, idempotencyKey: Self.newKey())
    }

    package func rules() async throws -> RuleListBody { try await call("GET", "/v1/ledger/rules") }

    package func setRule(_ body: RuleChangeBody) async throws -> RuleBody {
        try await call("POST", "/v1/ledger/rules", body, idempotencyKey: Self.newKey())
    }

    package func correct(_ body: CorrectionBody) async throws -> CorrectedBody {
        try await call("POST", "/v1/ledger/corrections", body, idempotencyKey: Self.newKey())
    }

    package func earnings(
        _ account: String? = nil, before: UInt64? = nil, limit: Int = 200
    ) async throws -> EarningsBody {
        var query = Query()
        query.add("before", before.map(String.init))
        query.add("limit", String(limit))
        return try await call("GET", "/v1/ledger/accounts/\(Query.escaped(account ?? "self"))/earnings" + query.text)
    }

    /// - Parameter month: as `2026-11`; nil = the present one.
    package func statement(_ account: String? = nil, month: String?) async throws -> StatementBody {
        var query = Query()
        query.add("month", month)
        return try await call("GET", "/v1/ledger/accounts/\(Query.escaped(account ?? "self"))/statement" + query.text)
    }

    package func history(ofJob job: String, before: UInt64? = nil, limit: Int = 200) async throws -> JobHistoryBody {
        var query = Query()
        query.add("before", before.map(String.init))
        query.add("limit", String(limit))
        return try await call("GET", "/v1/ledger/jobs/\(Query.escaped(job))/history" + query.text)
    }

    /// The audit report as JSON (checks, verdicts, first bad sequence).
    /// - Parameter since: judge only what was added since the log had so many records.
    /// - Parameter verifiesRequests: also the signature of who asked for each record.
    package func audit(since: UInt64? = nil, verifiesRequests: Bool = true) async throws -> JSON {
        var query = Query()
        query.add("since", since.map(String.init))
        query.add("signatures", verifiesRequests ? nil : "0")
        return try JSON(parsing: try await raw("GET", "/v1/ledger/audit\(query.text)", patience: .minutes(10)).body)
    }

    // MARK: Operating

    /// Ends the registration of the machine that works with this key.
    package func leave() async throws -> NodeBody {
        try await call("POST", "/v1/worker/leave", EmptyBody(), idempotencyKey: Self.newKey())
    }

    package func overview() async throws -> OverviewBody { try await call("GET", "/v1/overview") }

    package func label(_ reference: String, _ labels: [String: String?]) async throws -> NodeBody {
        try await call(
            "POST", "/v1/nodes/\(Query.escaped(reference))/labels", LabelBody(labels: labels),
            idempotencyKey: Self.newKey())
    }

    package func marketPrices() async throws -> MarketPricesBody { try await call("GET", "/v1/market/prices") }

    /// - Parameter region: "" for machines that name none; nil for all.
    package func marketHistory(
        region: String? = nil, capability: String? = nil, limit: Int = 60
    ) async throws -> MarketHistoryBody {
        var query = Query()
        query.add("region", region)
        query.add("class", capability)
        query.add("limit", "\(limit)")
        return try await call("GET", "/v1/market/history" + query.text)
    }

    package func ask(_ reference: String, _ ask: AskBody) async throws -> NodeBody {
        try await call(
            "POST", "/v1/nodes/\(Query.escaped(reference))/ask", ask, idempotencyKey: Self.newKey())
    }

    /// Lets go of what retention does not keep, or only counts it.
    package func keepHouse(dryRun: Bool) async throws -> HousekeepingBody {
        try await call(
            "POST", "/v1/housekeeping", HousekeepingRequest(dryRun: dryRun), idempotencyKey: Self.newKey(),
            patience: .minutes(10))
    }

    // MARK: Work

    package func hello(_ hello: WorkerHello) async throws -> WorkerTerms {
        try await call("POST", "/v1/worker/hello", hello, idempotencyKey: Self.newKey())
    }

    /// - Throws: also `bad_lease` for leases that the coordinator did not sign for this worker.
    package func poll(_ request: PollRequest) async throws -> PollAnswer {
        let answer: LeaseAnswer = try await call("POST", "/v1/worker/poll", request, patience: request.wait)
        return PollAnswer(leases: try answer.granted?.leases(of: key.publicKey, from: coordinatorKey) ?? [])
    }

    package func heartbeat(_ beat: Heartbeat) async throws -> HeartbeatAnswer {
        try await call("POST", "/v1/worker/heartbeat", beat, patience: beat.wait ?? .zero)
    }

    package func complete(_ request: CompletionRequest) async throws -> CompletionAnswer {
        try await call("POST", "/v1/worker/complete", request)
    }

    package func checkpoint(_ report: CheckpointReport) async throws {
        let _: EmptyBody = try await call("POST", "/v1/worker/checkpoint", report)
    }

    /// - Returns: how much of the log the coordinator has now.
    package func appendLog(_ attempt: AttemptID, stream: String, offset: Int64, bytes: [UInt8]) async throws -> Int64 {
        var query = Query()
        query.add("attempt", attempt.description)
        query.add("stream", stream)
        query.add("offset", String(offset))
        let answer = try await raw("POST", "/v1/worker/logs" + query.text, body: bytes)
        return try Wire.decode(UploadBody.self, from: answer.body).received
    }
}

/// JSON on the wire.
package enum Wire {
    /// Equal values give equal bytes, so that an answer can be compared, cached and signed.
    package static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        return Array(try encoder.encode(value))
    }

    /// - Throws: `bad_body` that names the field, what was found and what was wanted.
    package static func decode<Value: Decodable>(_: Value.Type, from bytes: [UInt8]) throws -> Value {
        // RFC 8259, section 8.1: UTF-8 and nothing else. The decoder would guess at others, and takes what it then cannot
        // read for a document without members.
        guard bytes.prefix(4).allSatisfy({ $0 != 0 && $0 < 0x80 }) else {
            throw CoreFailure("bad_body", "the body is no JSON in UTF-8")
        }
        do {
            return try JSONDecoder().decode(Value.self, from: Data(bytes))
        } catch let error as DecodingError {
            throw CoreFailure("bad_body", describe(error))
        }
    }

    private static func describe(_ error: DecodingError) -> String {
        func path(_ context: DecodingError.Context) -> String {
            let keys = context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }
            return keys.isEmpty ? "the body" : "`\(keys.joined(separator: "."))`"
        }
        switch error {
        case .keyNotFound(let key, let context): return "\(path(context)) lacks `\(key.stringValue)`"
        case .typeMismatch(let type, let context):
            return "\(path(context)) must be \(type): \(context.debugDescription)"
        case .valueNotFound(let type, let context): return "\(path(context)) is null, wanted \(type)"
        case .dataCorrupted(let context):
            let cause = (context.underlyingError as? any CodedFailure)?.message
            return "\(path(context)): \(cause ?? context.debugDescription)"
        @unknown default: return "the body does not decode"
        }
    }
}

package struct EmptyBody: Hashable, Sendable, Codable { package init() {} }

/// A query string in the making.
struct Query {
    private var items: [String] = []

    mutating func add(_ name: String, _ value: String?) {
        guard let value, !value.isEmpty else { return }
        items.append("\(name)=\(Self.escaped(value))")
    }

    var text: String { items.isEmpty ? "" : "?" + items.joined(separator: "&") }

    /// Percent-encodes all but the unreserved characters of RFC 3986.
    static func escaped(_ text: String) -> String {
        var out = ""
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e:
                out.unicodeScalars.append(Unicode.Scalar(byte))
            default: out += "%" + Hex.encode([byte]).uppercased()
            }
        }
        return out
    }
}
