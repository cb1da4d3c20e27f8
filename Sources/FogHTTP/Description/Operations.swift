internal import FogAPI
internal import FogCore
internal import FogJobs

extension Operation {
    /// All operations: a test holds them against the routes.
    static let all = open + jobs + content + workers + machines + ledger + people

    private static let byRoute = Dictionary(all.map { ($0.route, $0) }) { first, _ in first }

    /// Nil for a route that nobody described.
    static func of(_ pattern: RoutePattern) -> Operation? { byRoute["\(pattern.method) \(pattern.text)"] }

    // MARK: - For everybody

    private static let open: [Operation] = [
        Operation("GET /healthz", "The process lives.", [200: .text("text/plain")]),
        Operation("GET /readyz", "The store takes commits.", [200: .text("text/plain")]),
        Operation("GET /metrics", "Figures for Prometheus.", [200: .text("text/plain")]),
        Operation("GET /openapi.json", "This document.", [200: .document(.object(["type": "object"]))]),
        Operation("GET /v1/info", "The coordinator's name, key and time.", [200: .json(InfoBody.self)]),
        Operation(
            "POST /v1/join", "Enrol a key with a token's secret.", body: .json(JoinBody.self),
            bounds: ["name": Bounds.pattern("^[0-9a-z-]{1,63}$")],
            [201: .json(JoinedBody.self), 202: .json(JoinedBody.self)], others: [403, 409]),
        Operation(
            "GET /install", "The packages for newcomers and their SHA-256, as sha256sum prints them.",
            [200: .text("text/plain")], others: [404]),
        Operation(
            "GET /install.sh", "A script that fetches the machine's package, checks it and lays it below a folder.",
            [200: .text("text/plain")], others: [404]),
        Operation(
            "GET /install/{package}", "A package, in pieces of 4 MiB.", query: [.part], [200: .bytes]),
        Operation(
            "GET /log/checkpoint", "The ledger's newest signed checkpoint (C2SP tlog-checkpoint).",
            [200: .text("text/plain")], others: [404]),
        Operation(
            "GET /log/cosigned",
            "The newest checkpoint that witnesses cosigned, with their lines (C2SP tlog-cosignature).",
            [200: .text("text/plain")], others: [404]),
        Operation(
            "GET /log/tile/{level}/{number}",
            "256 hashes of the ledger's tree (C2SP tlog-tiles); numbers from 1000 on are several segments: x001/234.",
            [200: .bytes]),
        Operation(
            "GET /log/tile/{level}/{number}/{width}", "The first hashes of a tile: the number ends in `.p`.",
            [200: .bytes]),
    ]

    // MARK: - Jobs

    private static let reason: Bounds = ["reason": Bounds.text(1...500)]
    private static let idempotencyKey = header(
        "fog-idempotency-key", "The same key and manifest again is the same job.",
        .object(["type": "string", "pattern": "^[!-~]{1,255}$"]))
    private static let traceparent = header(
        "traceparent", "Passed on to the tasks (W3C Trace Context); one that does not read is not.",
        .object(["type": "string", "pattern": "^[!-~]{1,255}$"]))
    private static let lastEventID = header(
        "last-event-id", "The sequence of the last event that was read; as `after`, and before it.",
        .object(["type": "integer", "minimum": 0, "maximum": .integer(.max)]))

    private static let jobs: [Operation] = [
        Operation(
            "POST /v1/jobs", "Submit a job, or with dry_run learn what it would come to.", query: [.dryRun],
            headers: [idempotencyKey, traceparent], body: .json(SubmitBody.self),
            [
                200: .document(.object(["anyOf": .array([named(JobBody.self), named(QuoteBody.self)])])),
                201: .json(JobBody.self),
            ], others: [409, 422]),
        Operation(
            "GET /v1/jobs", "Jobs, newest first.",
            query: [.jobStates, .name, .label, .account, .beforeJob, .limit(100, atMost: 1000)],
            [200: .json(JobListBody.self)], others: [404]),
        Operation(
            "GET /v1/jobs/{job}", "A job by id, unique prefix or name; with wait, when it has ended.", query: [.wait],
            [200: .json(JobBody.self)]),
        Operation(
            "GET /v1/jobs/{job}/document", "The canonical manifest.", [200: .document(.object(["type": "object"]))]),
        Operation(
            "GET /v1/jobs/{job}/tasks", "Tasks that were granted at least once.",
            query: [.taskStates, .afterTask, .limit(200, atMost: 1000)], [200: .json(TaskListBody.self)]),
        Operation(
            "GET /v1/jobs/{job}/attempts", "Attempts with outcome, use and price.",
            query: [.task, .afterAttempt, .limit(200, atMost: 1000)], [200: .json(AttemptListBody.self)]),
        Operation(
            "GET /v1/jobs/{job}/events", "The job's history; with wait, live.",
            query: [.afterSequence, .limit(500, atMost: 1000), .wait], headers: [lastEventID],
            [200: .json(EventListBody.self)], isStreamed: true),
        Operation(
            "GET /v1/events", "The whole history, for operators and auditors.",
            query: [.afterSequence, .limit(500, atMost: 1000), .wait], headers: [lastEventID],
            [200: .json(EventListBody.self)], isStreamed: true),
        Operation(
            "GET /v1/jobs/{job}/explain", "Why tasks wait, node by node.", [200: .json(JobExplanationBody.self)]),
        Operation(
            "GET /v1/jobs/{job}/decisions", "How its tasks were placed, newest first: the last of each step.",
            [200: .json(DecisionListBody.self)]),
        Operation(
            "GET /v1/jobs/{job}/nodes/{node}", "Why a machine does not take its tasks, or how it stands among others.",
            [200: .json(WhyNotBody.self)]),
        Operation(
            "POST /v1/jobs/{job}/cancel", "End the job.", body: .json(ReasonBody.self), bounds: reason,
            [200: .json(JobBody.self)]),
        Operation(
            "POST /v1/jobs/{job}/hold", "Start nothing new of it.", body: .json(ReasonBody.self), bounds: reason,
            [200: .json(JobBody.self)]),
        Operation("POST /v1/jobs/{job}/release", "Let it go on.", [200: .json(JobBody.self)]),
        Operation(
            "POST /v1/jobs/{job}/fund", "Raise its budget.", body: .json(FundBody.self),
            bounds: ["credits": Bounds.pattern(amount)], [200: .json(JobBody.self)]),
        Operation(
            "POST /v1/jobs/{job}/keep", "Keep its history, logs and outputs for so long from now.",
            body: .json(KeepBody.self), bounds: ["for": Bounds.number(0...TimeSpan.days(3650).milliseconds)],
            [200: .json(JobBody.self)]),
        Operation(
            "POST /v1/jobs/{job}/retry", "Run it again as a new job.", body: .json(RetryBody.self),
            [201: .json(JobBody.self)], others: [422]),
        Operation(
            "POST /v1/jobs/{job}/keys", "Seal a private job's key to more machines.", body: .json(ResealBody.self),
            [200: .json(JobBody.self)], others: [409]),
        Operation(
            "POST /v1/candidates", "Machines that a private job's key may be sealed to, with what each has signed.",
            body: .json(CandidatesRequest.self),
            bounds: ["limit": Bounds.number(1...64)], [200: .json(CandidatesBody.self)]),
    ]

    /// Above 0, at most a billion.
    private static let amount = #"^([1-9][0-9]{0,8}(\.[0-9]{1,6})?|0\.[0-9]{0,5}[1-9])$"#

    // MARK: - Content

    private static let content: [Operation] = [
        Operation(
            "GET /v1/jobs/{job}/logs", "A piece of a task's output stream.",
            query: [.task, .token, .stream, .offset, .logLimit, .wait], [200: .bytes]),
        Operation(
            "POST /v1/blobs/missing", "Which blobs must still be uploaded.", body: .json(DigestListBody.self),
            bounds: ["digests": Bounds.count(0...Int64(DigestListBody.limit))], [200: .json(DigestListBody.self)]),
        Operation(
            "PUT /v1/blobs/{digest}", "A piece of a blob.", query: [.total, .offset], body: .bytes,
            [200: .json(UploadBody.self)], others: [409]),
        Operation("GET /v1/blobs/{digest}", "A piece of a blob.", query: [.offset, .length], [200: .bytes]),
    ]

    // MARK: - Workers

    private static let workers: [Operation] = [
        Operation(
            "POST /v1/worker/hello", "A worker starts.", body: .json(WorkerHello.self),
            bounds: report.merging(allowance) { first, _ in first }, [200: .json(WorkerTerms.self)]),
        Operation(
            "POST /v1/worker/link", "Agree on a key for the worker's frequent requests.",
            body: .json(LinkRequest.self),
            bounds: ["exchange": Bounds.pattern("^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$")],
            [201: .json(LinkAnswer.self)]),
        Operation(
            "POST /v1/worker/poll", "Work for a worker, as soon as there is some.", body: .json(PollRequest.self),
            bounds: allowance,
            [200: .document(.object(["anyOf": .array([named(LeaseAnswer.self), leasesOfProtocol1])]))], others: [409]),
        Operation(
            "POST /v1/worker/heartbeat", "Renew all leases of a worker.", body: .json(Heartbeat.self),
            bounds: allowance, [200: .json(HeartbeatAnswer.self)]),
        Operation(
            "POST /v1/worker/complete", "The ends of attempts.", body: .json(CompletionRequest.self),
            bounds: ["reports": Bounds.count(0...Int64(CompletionRequest.limit))],
            [200: .json(CompletionAnswer.self)]),
        Operation(
            "POST /v1/worker/checkpoint", "A checkpoint of a running attempt.", body: .json(CheckpointReport.self),
            [200: .json(EmptyBody.self)], others: [409]),
        Operation(
            "POST /v1/worker/logs", "A piece of a running attempt's log.", query: [.attempt, .ownStream, .offset],
            body: .bytes, isBodyOptional: true, [200: .json(UploadBody.self)], others: [409]),
        Operation(
            "POST /v1/worker/leave", "A machine leaves the pool for good.", [200: .json(NodeBody.self)], others: [409]),
    ]

    private static let leasesOfProtocol1 = JSON.object([
        "type": "object", "required": ["leases"],
        "properties": .object(["leases": .object(["type": "array", "items": .object(["type": "object"])])]),
    ])

    private static let allowance: Bounds = [
        "allowance.cpu_cap": Bounds.number(WorkerBounds.millicores),
        "allowance.memory_cap": Bounds.number(WorkerBounds.memoryBytes),
        "allowance.slots": Bounds.number(WorkerBounds.slotCount),
        "allowance.bandwidth_cap": Bounds.number(WorkerBounds.bandwidth),
    ]

    private static let report: Bounds = [
        "report.cpu": Bounds.number(WorkerBounds.millicores),
        "report.memory": Bounds.number(WorkerBounds.memoryBytes),
        "report.disk": Bounds.number(WorkerBounds.diskBytes),
        "report.gpu": Bounds.number(WorkerBounds.gpuCount),
        "report.name": Bounds.text(1...Int64(WorkerBounds.nameCharacters))
            + Bounds.pattern(#"^[^\x00-\x1f\x7f-\x9f]*$"#),
    ]

    // MARK: - Machines

    private static let machines: [Operation] = [
        Operation("GET /v1/nodes", "Machines.", [200: .json(NodeListBody.self)]),
        Operation("GET /v1/nodes/{node}", "A machine by id, unique prefix or name.", [200: .json(NodeBody.self)]),
        Operation("POST /v1/nodes/{node}/cordon", "No new work for it.", [200: .json(NodeBody.self)]),
        Operation(
            "POST /v1/nodes/{node}/drain", "No new work, and what it has comes back.", [200: .json(NodeBody.self)]),
        Operation("POST /v1/nodes/{node}/resume", "Work again.", [200: .json(NodeBody.self)]),
        Operation(
            "POST /v1/nodes/{node}/labels", "Give a machine labels, or take them away.", body: .json(LabelBody.self),
            [200: .json(NodeBody.self)]),
        Operation(
            "POST /v1/nodes/{node}/ask", "What its owner asks for an hour.", body: .json(AskBody.self),
            [200: .json(NodeBody.self)]),
        Operation("GET /v1/market/prices", "What capacity costs now.", [200: .json(MarketPricesBody.self)]),
        Operation(
            "GET /v1/market/history", "How prices went, minute by minute, oldest first.",
            query: [.region, .capability, .limit(60, atMost: 1000)], [200: .json(MarketHistoryBody.self)]),
        Operation(
            "POST /v1/nodes/{node}/trust", "Its results count alone, and it is told secrets.",
            [200: .json(NodeBody.self)]),
        Operation("POST /v1/nodes/{node}/distrust", "A stranger's machine again.", [200: .json(NodeBody.self)]),
        Operation("GET /v1/overview", "Queues and running tasks, in one look.", [200: .json(OverviewBody.self)]),
        Operation(
            "POST /v1/housekeeping", "Let go of what retention does not keep; with dry_run, count it.",
            body: .json(HousekeepingRequest.self), [200: .json(HousekeepingBody.self)]),
    ]

    // MARK: - Money

    private static let ledger: [Operation] = [
        Operation("GET /v1/ledger/accounts/{account}", "An account's balance.", [200: .json(BalanceBody.self)]),
        Operation(
            "GET /v1/ledger/accounts/{account}/history", "An account's records, newest first.",
            query: [.beforeSequence, .limit(50, atMost: 1000)], [200: .json(HistoryBody.self)]),
        Operation(
            "GET /v1/ledger/accounts/{account}/earnings", "What an account was paid, and why so much; newest first.",
            query: [.beforeSequence, .limit(200, atMost: 1000)], [200: .json(EarningsBody.self)]),
        Operation(
            "GET /v1/ledger/accounts/{account}/statement", "The sums of one month.", query: [.month],
            [200: .json(StatementBody.self)]),
        Operation(
            "GET /v1/ledger/jobs/{job}/history",
            "Every step of a job's money, newest first; for who was paid, those of their own attempts.",
            query: [.beforeSequence, .limit(200, atMost: 1000)], [200: .json(JobHistoryBody.self)]),
        Operation(
            "POST /v1/ledger/transfers", "Move credits of one's own account to another, into its stake or out of it.",
            body: .json(TransferBody.self), [201: .json(BalanceBody.self)], others: [404]),
        Operation(
            "POST /v1/ledger/rewards", "Pay for something done, by a rule.", body: .json(RewardBody.self),
            [201: .json(EarningsBody.Line.self)], others: [404]),
        Operation("GET /v1/ledger/rules", "All versions of all rules.", [200: .json(RuleListBody.self)]),
        Operation(
            "POST /v1/ledger/rules", "The next version of a rule, from the next UTC midnight.",
            body: .json(RuleChangeBody.self), [201: .json(RuleBody.self)]),
        Operation(
            "POST /v1/ledger/corrections", "Reverse a transfer.", body: .json(CorrectionBody.self),
            [201: .json(CorrectedBody.self)], others: [404, 409]),
        Operation("GET /v1/receipts/{attempt}", "The signed receipt of an attempt.", [200: .json(ReceiptBody.self)]),
        Operation(
            "GET /v1/receipts/{attempt}/proof",
            "The record that paid an attempt, with the proof that it stands in the log (C2SP tlog-proof).",
            [200: .text("text/plain")]),
        Operation(
            "GET /v1/ledger/entries/{bundle}",
            "Up to 256 records of the log (C2SP tlog-tiles, entry bundle), for auditors.",
            [200: .bytes]),
        Operation(
            "POST /v1/ledger/grants", "Issue credits.", body: .json(GrantBody.self), [201: .json(BalanceBody.self)],
            others: [404]),
        Operation(
            "GET /v1/ledger/audit", "Replay the log and compare every projection.",
            query: [.sinceSequence, .signatures],
            [200: .document(auditReport)]),
    ]

    private static let auditReport = JSON.object([
        "type": "object", "required": ["verdict", "ok", "records", "head", "checks"],
        "properties": .object([
            "verdict": .object(["enum": ["clean", "tampered", "newer_software"]]),
            "ok": .object(["type": "boolean"]),
            "records": .object(["type": "integer", "minimum": 0]),
            "head": .object(["type": "string", "pattern": .string(SchemaLeaf.digest)]),
            "first_bad_sequence": .object(["type": ["integer", "null"]]),
            "checks": .object(["type": "array", "items": .object(["type": "object"])]),
        ]),
    ])

    // MARK: - People

    private static let people: [Operation] = [
        Operation("GET /v1/me", "Who asks.", [200: .json(MeBody.self)]),
        Operation("GET /v1/usage", "What the asker's account takes of each bound.", [200: .json(UsageBody.self)]),
        Operation(
            "GET /v1/usage/all", "The same of every account, for operators and auditors.",
            [200: .json(UsageListBody.self)]),
        Operation(
            "POST /v1/enroll", "Invite a newcomer.", body: .json(EnrollBody.self),
            bounds: [
                "roles": [.init("minItems", 1)], "uses": Bounds.number(1...Int64(Invitation.usesLimit)),
                "ttl": Bounds.number(1...Invitation.longest.milliseconds),
                "credits": Bounds.pattern(#"^[0-9]{1,12}(\.[0-9]{1,6})?$"#),
            ], [201: .json(EnrolledBody.self)], others: [404]),
        Operation(
            "GET /v1/enrolments", "Open invitations, and keys that wait for approval.",
            [200: .json(EnrolmentListBody.self)]),
        Operation(
            "POST /v1/enrolments/{enrolment}/approve", "Let in a key that waits.", [201: .json(IdentityBody.self)]),
        Operation(
            "POST /v1/enrolments/{enrolment}/revoke", "End an invitation, or refuse a key that waits.",
            [200: .json(WithdrawnBody.self)]),
        Operation(
            "GET /v1/identities", "Keys that are in, or were.", query: [.afterKey, .limit(100, atMost: 1000)],
            [200: .json(IdentityListBody.self)]),
        Operation(
            "POST /v1/identities/{identity}/suspend", "Refuse what a key asks and cancel its jobs.",
            body: .json(ReasonBody.self), bounds: ["reason": Bounds.text(0...500)], isBodyOptional: true,
            [200: .json(IdentityBody.self)]),
        Operation(
            "POST /v1/identities/{identity}/resume", "Let a suspended key act again.", [200: .json(IdentityBody.self)]),
        Operation(
            "POST /v1/identities/{identity}/revoke", "End a key for good.", body: .json(ReasonBody.self),
            bounds: ["reason": Bounds.text(0...500)], isBodyOptional: true, [200: .json(IdentityBody.self)]),
        Operation(
            "POST /v1/identity/rotate", "Put a new key in the place of one's own.", body: .json(RotateBody.self),
            [201: .json(IdentityBody.self)], others: [409]),
    ]

    // MARK: - Helpers

    static func header(_ name: String, _ words: String, _ schema: JSON) -> JSON {
        .object([
            "name": .string(name), "in": "header", "required": false, "description": .string(words), "schema": schema,
        ])
    }

    /// By its name in the document, where another answer writes it out.
    private static func named(_ type: Any.Type) -> JSON {
        .object(["$ref": .string("#/components/schemas/\(SchemaReader.name(of: type))")])
    }
}
