internal import FogAPI
internal import FogCoordinator
internal import FogCore
internal import FogJobs
internal import FogLedger
internal import FogNet
internal import FogPlacement
internal import FogStore

extension Routes {
    /// What a submitter asks.
    static let jobRoutes: [(String, Handler)] = [
        (
            "POST /v1/jobs",
            { routes, asked, parameters in
                let body = try Wire.decode(SubmitBody.self, from: asked.request.body)
                if parameters.text("dry_run") == "1" {
                    let quote = try await routes.coordinator.quote(
                        document: body.document, fileTable: body.fileTable, keys: try body.keys?.checked(),
                        by: asked.principal)
                    return try .json(QuoteBody(quote))
                }
                let key = asked.request.headers["fog-idempotency-key"]
                if let key, key.isEmpty || key.utf8.count > 255 {
                    throw Problem(
                        400, "bad_idempotency_key", "an idempotency key has 1 to 255 bytes, found \(key.utf8.count)")
                }
                let (record, isNew) = try await routes.coordinator.submit(
                    document: body.document, fileTable: body.fileTable, idempotencyKey: key, by: asked.principal,
                    secrets: body.secrets ?? [:], keys: try body.keys?.checked(),
                    trace: asked.request.headers["traceparent"].flatMap { TraceParent($0) },
                    request: try asked.authorisation())
                return try .json(JobBody(record), status: isNew ? 201 : 200)
            }
        ),
        (
            "GET /v1/jobs",
            { routes, asked, parameters in
                let states = try parameters.value("state", wanted: "states, comma-separated") {
                    text -> Set<JobState>? in
                    let all = text.split(separator: ",").map { JobState(rawValue: String($0)) }
                    return all.contains(nil) ? nil : Set(all.compactMap { $0 })
                }
                let limit = min(try parameters.integer("limit") ?? 100, 1000)
                var filter = JobFilter(
                    states: states, name: parameters.text("name"),
                    before: try parameters.value("before", wanted: "a job's id") { try? JobID($0) }, limit: limit)
                if let account = parameters.text("account") {
                    filter.account = try await routes.coordinator.account(named: account, for: asked.principal).id
                }
                if let label = parameters.text("label") {
                    let pair = label.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                    guard pair.count == 2 else {
                        throw Problem(400, "bad_query", "`label` reads name=value, found `\(label.prefix(80))`")
                    }
                    filter.label = (String(pair[0]), String(pair[1]))
                }
                let records = try await routes.coordinator.jobs(filter, for: asked.principal)
                return try .json(
                    JobListBody(jobs: records.map(JobBody.init), next: records.count == limit ? records.last?.id : nil))
            }
        ),
        (
            "GET /v1/jobs/{job}",
            { routes, asked, parameters in
                let wait = try Routes.wait(parameters)
                return try .json(
                    JobBody(try await routes.coordinator.find(parameters["job"], waiting: wait, for: asked.principal)))
            }
        ),
        (
            "GET /v1/jobs/{job}/document",
            { routes, asked, parameters in
                let job = try await routes.coordinator.find(parameters["job"], for: asked.principal, asking: .readJobs)
                return CarrierResponse(
                    status: 200, headers: ["content-type": "application/json"],
                    body: Array(try await routes.coordinator.document(of: job.id).utf8))
            }
        ),
        (
            "GET /v1/jobs/{job}/tasks",
            { routes, asked, parameters in
                let job = try await routes.coordinator.find(parameters["job"], for: asked.principal)
                let states = try parameters.value("state", wanted: "states, comma-separated") {
                    text -> Set<TaskState>? in
                    let all = text.split(separator: ",").map { TaskState(rawValue: String($0)) }
                    return all.contains(nil) ? nil : Set(all.compactMap { $0 })
                }
                let limit = min(try parameters.integer("limit") ?? 200, 1000)
                let tasks = try await routes.coordinator.tasks(
                    of: job.id, after: try parameters.value("after", wanted: "a task's number") { UInt32($0) },
                    states: states, limit: limit, for: asked.principal)
                return try .json(
                    TaskListBody(
                        tasks: tasks.map(TaskBody.init), next: tasks.count == limit ? tasks.last?.id.number : nil))
            }
        ),
        (
            "GET /v1/jobs/{job}/attempts",
            { routes, asked, parameters in
                let job = try await routes.coordinator.find(parameters["job"], for: asked.principal)
                let limit = min(try parameters.integer("limit") ?? 200, 1000)
                let attempts = try await routes.coordinator.attempts(
                    of: job.id, task: try parameters.value("task", wanted: "a task's number") { UInt32($0) },
                    after: try parameters.value("after", wanted: "an attempt's id") { try? AttemptID($0) },
                    limit: limit,
                    for: asked.principal)
                var bodies: [AttemptBody] = []
                for attempt in attempts { bodies.append(await routes.body(of: attempt, for: asked)) }
                return try .json(
                    AttemptListBody(attempts: bodies, next: attempts.count == limit ? attempts.last?.id : nil))
            }
        ),
        (
            "GET /v1/jobs/{job}/events",
            { routes, asked, parameters in
                let job = try await routes.coordinator.find(parameters["job"], for: asked.principal)
                return try await routes.events(of: job.id, asked, parameters)
            }
        ),
        ("GET /v1/events", { routes, asked, parameters in try await routes.events(of: nil, asked, parameters) }),
        (
            "GET /v1/jobs/{job}/explain",
            { routes, asked, parameters in
                let job = try await routes.coordinator.find(parameters["job"], for: asked.principal)
                let explanation = try await routes.coordinator.explain(job.id, for: asked.principal)
                return try .json(
                    JobExplanationBody(
                        job: JobBody(explanation.record), reasons: explanation.reasons,
                        steps: explanation.steps.map(ExplanationBody.init),
                        decisions: explanation.decisions.map(DecisionBody.init)))
            }
        ),
        (
            "POST /v1/jobs/{job}/cancel",
            { routes, asked, parameters in
                let job = try await routes.coordinator.find(
                    parameters["job"], for: asked.principal, asking: .changeJobs)
                let reason = try Routes.reason(of: asked)
                return try .json(
                    JobBody(try await routes.coordinator.cancel(job.id, reason: reason, by: asked.principal)))
            }
        ),
        (
            "POST /v1/jobs/{job}/hold",
            { routes, asked, parameters in
                let job = try await routes.coordinator.find(
                    parameters["job"], for: asked.principal, asking: .changeJobs)
                let reason = try Routes.reason(of: asked)
                return try .json(
                    JobBody(try await routes.coordinator.hold(job.id, reason: reason, by: asked.principal)))
            }
        ),
        (
            "POST /v1/jobs/{job}/release",
            { routes, asked, parameters in
                let job = try await routes.coordinator.find(
                    parameters["job"], for: asked.principal, asking: .changeJobs)
                return try .json(JobBody(try await routes.coordinator.release(job.id, by: asked.principal)))
            }
        ),
        (
            "POST /v1/jobs/{job}/fund",
            { routes, asked, parameters in
                let job = try await routes.coordinator.find(
                    parameters["job"], for: asked.principal, asking: .changeJobs)
                let body = try Wire.decode(FundBody.self, from: asked.request.body)
                guard body.credits > .zero else { throw Problem(400, "bad_amount", "`credits` must be above 0") }
                // Far more than there is; budgets are added up, and no sum of these comes near the last number.
                guard body.credits <= Routes.mostCredits, job.progress.budget <= Routes.mostCredits else {
                    throw Problem(400, "bad_amount", "a budget is at most \(Routes.mostCredits) credits")
                }
                return try .json(
                    JobBody(try await routes.coordinator.fund(job.id, adding: body.credits, by: asked.principal)))
            }
        ),
        (
            "POST /v1/jobs/{job}/keep",
            { routes, asked, parameters in
                let job = try await routes.coordinator.find(
                    parameters["job"], for: asked.principal, asking: .changeJobs)
                let body = try Wire.decode(KeepBody.self, from: asked.request.body)
                return try .json(
                    JobBody(try await routes.coordinator.keep(job.id, for: body.span, by: asked.principal)))
            }
        ),
        (
            "POST /v1/jobs/{job}/retry",
            { routes, asked, parameters in
                let job = try await routes.coordinator.find(
                    parameters["job"], for: asked.principal, asking: .changeJobs)
                let body = try Wire.decode(RetryBody.self, from: asked.request.body)
                let record = try await routes.coordinator.retry(
                    job.id, onlyFailed: body.onlyFailed, by: asked.principal, request: try asked.authorisation())
                return try .json(JobBody(record), status: 201)
            }
        ),
    ]

    private static let mostCredits = Credits.credits(1_000_000_000)

    static let reasonCharacters = 1...500

    private static func reason(of asked: AuthenticatedRequest) throws -> String {
        let reason = try Wire.decode(ReasonBody.self, from: asked.request.body).reason
        guard reasonCharacters.contains(reason.unicodeScalars.count) else {
            throw Problem(
                400, "bad_reason",
                "a reason has 1 to \(reasonCharacters.upperBound) characters, found \(reason.unicodeScalars.count)")
        }
        return reason
    }

    func body(of attempt: AttemptRecord, for asked: AuthenticatedRequest) async -> AttemptBody {
        let live = await coordinator.liveState(of: attempt.id)
        let name = try? await coordinator.node(attempt.node.description, for: asked.principal).row.report.name
        return AttemptBody(attempt, state: attempt.isOpen ? live ?? .running : .ended, nodeName: name)
    }

    private func events(of job: JobID?, _ asked: AuthenticatedRequest, _ parameters: RouteParameters) async throws
        -> CarrierResponse
    {
        let last = try Self.lastEventID(asked.request.headers["last-event-id"])
        let after = try last ?? parameters.sequence("after") ?? 0
        let wait = try Self.wait(parameters)
        let found = try await coordinator.events(
            after: after, job: job, limit: try parameters.integer("limit") ?? 500, wait: wait, for: asked.principal)
        return try .json(EventListBody(events: found.map(EventBody.init), cursor: found.last?.sequence ?? after))
    }

    static func wait(_ parameters: RouteParameters) throws(Problem) -> TimeSpan {
        let wanted = try parameters.value("wait", wanted: "a duration such as 20s, or 0") { text -> TimeSpan? in
            text == "0" ? .zero : try? TimeSpan(text)
        }
        return min(wanted ?? .zero, .seconds(60))
    }
}

extension QuoteBody {
    init(_ quote: Coordinator.Quote) {
        self.init(
            name: quote.spec.name, tasks: quote.spec.taskCount, quote: quote.price, available: quote.available,
            steps: quote.explanations.map(ExplanationBody.init),
            offers: quote.offers.map {
                PurchaseOfferBody(
                    purchase: $0.purchase.rawValue, core: $0.rates.core, gibibyte: $0.rates.gibibyte, total: $0.total)
            }, forecast: quote.forecast.map { ForecastBody($0.forecast, epochs: $0.epochs) })
    }
}

extension ExplanationBody {
    init(_ explanation: Explanation) {
        self.init(
            step: explanation.shape.step, headline: explanation.headline, advice: explanation.advice.text,
            fitting: explanation.fitting, nodeCount: explanation.nodeCount,
            reasons: explanation.reasons.map { Count(clause: $0.clause.rawValue, label: $0.label, nodes: $0.nodes) },
            nodes: explanation.nodes.map { Node(name: $0.name, failed: $0.failed.map(\.text)) })
    }
}
