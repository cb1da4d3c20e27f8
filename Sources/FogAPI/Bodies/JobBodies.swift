package import FogCore
package import FogJobs

/// `POST /v1/jobs`
package struct SubmitBody: Hashable, Sendable, Codable {
    /// The resolved manifest as canonical JSON (RFC 8785).
    package var document: String
    /// Blob with the files behind the inputs' sources.
    package var fileTable: Digest?
    /// Values of the secrets that the manifest names; nil = none. No answer ever holds one.
    package var secrets: [String: String]?
    /// Of a private job: its key, sealed to machines, by their key ids; nil = it is public.
    package var keys: SealedKeys?

    package init(
        document: String, fileTable: Digest?, secrets: [String: String]? = nil, keys: SealedKeys? = nil
    ) {
        self.keys = keys
        self.document = document
        self.fileTable = fileTable
        self.secrets = secrets
    }

    enum CodingKeys: String, CodingKey {
        case document, secrets, keys
        case fileTable = "file_table"
    }
}

/// A job as everybody shows it.
package struct JobBody: Hashable, Sendable, Codable {
    package struct Step: Hashable, Sendable, Codable {
        package var name: String
        /// Number of its first task.
        package var base: UInt32
        package var count: UInt32
        package var counts: TaskCounts
        /// Tasks from `base + granted` on have no row and are all in `untouched_state`.
        package var granted: UInt32
        package var untouchedState: TaskState

        package init(_ progress: StepProgress) {
            name = progress.name
            base = progress.base
            count = progress.count
            counts = progress.counts
            granted = progress.cursor
            untouchedState = progress.untouchedState
        }

        enum CodingKeys: String, CodingKey {
            case name, base, count, counts, granted
            case untouchedState = "untouched_state"
        }
    }

    package var id: JobID
    package var name: String
    package var state: JobState
    package var held: String?
    package var cancelReason: String?
    /// How many there are.
    package var tasks: Int
    package var counts: TaskCounts
    package var steps: [Step]
    package var account: AccountID
    package var labels: [String: String]
    package var traceparent: String?
    package var priority: Int
    package var submittedAt: Timestamp
    package var startedAt: Timestamp?
    package var finishedAt: Timestamp?
    package var budget: Credits
    package var spent: Credits
    package var deadlineMissed: Bool
    /// Until when its history, logs and outputs stay at least; nil = as long as every job's.
    package var keptUntil: Timestamp?
    /// Of a private job: key ids of the machines that its key is sealed to; nil for a public one.
    package var sealedTo: [String]?
    /// Of a private job, where its name still says it: what a client gives it is another. Not sent.
    package var seal: SealID?

    package init(_ record: JobRecord) {
        id = record.id
        name = record.name
        state = record.state
        held = record.progress.held
        cancelReason = record.progress.cancelReason
        counts = record.progress.counts
        tasks = record.progress.counts.total
        steps = record.progress.steps.map(Step.init)
        account = record.account
        labels = record.labels
        traceparent = record.trace?.description
        priority = record.priority
        submittedAt = record.submittedAt
        startedAt = record.progress.firstGrantAt
        finishedAt = record.progress.finishedAt
        budget = record.progress.budget
        spent = record.progress.spent
        deadlineMissed = record.progress.deadlineMissed
        keptUntil = record.progress.keptUntil
        sealedTo = record.progress.keys.map { $0.machines.sorted() }
    }

    enum CodingKeys: String, CodingKey {
        case id, name, state, held, tasks, counts, steps, account, labels, traceparent, priority, budget, spent
        case cancelReason = "cancel_reason"
        case submittedAt = "submitted_at"
        case startedAt = "started_at"
        case finishedAt = "finished_at"
        case deadlineMissed = "deadline_missed"
        case keptUntil = "kept_until"
        case sealedTo = "sealed_to"
    }
}

package struct JobListBody: Hashable, Sendable, Codable {
    package var jobs: [JobBody]
    /// Pass as `before` for the next page; nil on the last.
    package var next: JobID?

    package init(jobs: [JobBody], next: JobID?) {
        self.jobs = jobs
        self.next = next
    }
}

package struct TaskBody: Hashable, Sendable, Codable {
    package var number: UInt32
    package var state: TaskState
    package var token: UInt32
    package var taskFailures: Int
    package var hostFailures: Int
    package var evictions: Int
    package var notBefore: Timestamp?
    package var heldReason: String?
    package var finishedAt: Timestamp?

    package init(_ record: TaskRecord) {
        number = record.id.number
        state = record.state
        token = record.token
        taskFailures = record.taskFailures
        hostFailures = record.hostFailures
        evictions = record.evictions
        notBefore = record.notBefore
        heldReason = record.heldReason
        finishedAt = record.finishedAt
    }

    enum CodingKeys: String, CodingKey {
        case number, state, token, evictions
        case taskFailures = "task_failures"
        case hostFailures = "host_failures"
        case notBefore = "not_before"
        case heldReason = "held_reason"
        case finishedAt = "finished_at"
    }
}

package struct TaskListBody: Hashable, Sendable, Codable {
    package var tasks: [TaskBody]
    package var next: UInt32?

    package init(tasks: [TaskBody], next: UInt32?) {
        self.tasks = tasks
        self.next = next
    }
}

package struct AttemptBody: Hashable, Sendable, Codable {
    package var id: AttemptID
    package var task: UInt32
    package var token: UInt32
    package var state: AttemptState
    package var outcome: Outcome?
    package var exitCode: Int?
    package var signal: Int?
    package var detail: String?
    package var node: NodeID
    package var nodeName: String?
    package var grantedAt: Timestamp
    package var endedAt: Timestamp?
    package var priceBound: Credits
    package var paid: Credits
    package var usage: Usage?
    package var receipt: Digest?
    package var outputs: [OutputFile]
    package var stdoutSize: Int64
    package var stderrSize: Int64

    package init(_ record: AttemptRecord, state: AttemptState, nodeName: String?) {
        id = record.id
        task = record.id.task.number
        token = record.id.token
        self.state = state
        outcome = record.outcome
        exitCode = record.exitCode
        signal = record.signal
        detail = record.detail
        node = record.node
        self.nodeName = nodeName
        grantedAt = record.grantedAt
        endedAt = record.endedAt
        priceBound = record.priceBound
        paid = record.paid
        usage = record.usage
        receipt = record.receipt
        outputs = record.outputs
        stdoutSize = record.stdoutSize
        stderrSize = record.stderrSize
    }

    enum CodingKeys: String, CodingKey {
        case id, task, token, state, outcome, signal, detail, node, paid, usage, receipt, outputs
        case exitCode = "exit_code"
        case nodeName = "node_name"
        case grantedAt = "granted_at"
        case endedAt = "ended_at"
        case priceBound = "price_bound"
        case stdoutSize = "stdout_size"
        case stderrSize = "stderr_size"
    }
}

package struct AttemptListBody: Hashable, Sendable, Codable {
    package var attempts: [AttemptBody]
    package var next: AttemptID?

    package init(attempts: [AttemptBody], next: AttemptID?) {
        self.attempts = attempts
        self.next = next
    }
}

package struct EventBody: Hashable, Sendable, Codable {
    package var sequence: UInt64
    package var kind: String
    package var at: Timestamp
    package var job: JobID?
    package var task: UInt32?
    package var token: UInt32?
    package var node: NodeID?
    package var detail: [String: String]

    package init(_ record: EventRecord) {
        sequence = record.sequence
        kind = record.kind
        at = record.at
        job = record.job
        task = record.task
        token = record.token
        node = record.node
        detail = record.detail
    }
}

package struct EventListBody: Hashable, Sendable, Codable {
    package var events: [EventBody]
    /// Pass as `after` for what comes next.
    package var cursor: UInt64

    package init(events: [EventBody], cursor: UInt64) {
        self.events = events
        self.cursor = cursor
    }
}

/// What a submit would come to: `POST /v1/jobs?dry_run=1`
package struct QuoteBody: Hashable, Sendable, Codable {
    package var name: String
    package var tasks: Int
    package var quote: Credits
    package var available: Credits
    package var steps: [ExplanationBody]
    /// One for each way to buy it; nil from a coordinator that knows only one.
    package var offers: [PurchaseOfferBody]?
    /// Over the longest task, of the dearest region where it may run.
    package var forecast: ForecastBody?

    package init(
        name: String, tasks: Int, quote: Credits, available: Credits, steps: [ExplanationBody],
        offers: [PurchaseOfferBody]? = nil, forecast: ForecastBody? = nil
    ) {
        self.offers = offers
        self.forecast = forecast
        self.name = name
        self.tasks = tasks
        self.quote = quote
        self.available = available
        self.steps = steps
    }
}

/// Why tasks of a step wait, node by node.
package struct ExplanationBody: Hashable, Sendable, Codable {
    package struct Count: Hashable, Sendable, Codable {
        package var clause: String
        package var label: String
        package var nodes: Int

        package init(clause: String, label: String, nodes: Int) {
            self.clause = clause
            self.label = label
            self.nodes = nodes
        }
    }

    package struct Node: Hashable, Sendable, Codable {
        package var name: String
        /// Empty = it could take a task now.
        package var failed: [String]

        package init(name: String, failed: [String]) {
            self.name = name
            self.failed = failed
        }
    }

    package var step: String
    package var headline: String
    package var advice: String
    package var fitting: Int
    package var nodeCount: Int
    package var reasons: [Count]
    package var nodes: [Node]

    package init(
        step: String, headline: String, advice: String, fitting: Int, nodeCount: Int, reasons: [Count], nodes: [Node]
    ) {
        self.step = step
        self.headline = headline
        self.advice = advice
        self.fitting = fitting
        self.nodeCount = nodeCount
        self.reasons = reasons
        self.nodes = nodes
    }

    enum CodingKeys: String, CodingKey {
        case step, headline, advice, fitting, reasons, nodes
        case nodeCount = "node_count"
    }
}

package struct JobExplanationBody: Hashable, Sendable, Codable {
    package var job: JobBody
    package var reasons: [String]
    package var steps: [ExplanationBody]
    /// The last decision on each step.
    package var decisions: [DecisionBody]

    package init(job: JobBody, reasons: [String], steps: [ExplanationBody], decisions: [DecisionBody]) {
        self.job = job
        self.reasons = reasons
        self.steps = steps
        self.decisions = decisions
    }
}

package struct ReasonBody: Hashable, Sendable, Codable {
    package var reason: String

    package init(reason: String) { self.reason = reason }
}

package struct FundBody: Hashable, Sendable, Codable {
    package var credits: Credits

    package init(credits: Credits) { self.credits = credits }
}

package struct KeepBody: Hashable, Sendable, Codable {
    /// From now on; zero = no longer than every job's history stays.
    package var span: TimeSpan

    package init(span: TimeSpan) { self.span = span }

    enum CodingKeys: String, CodingKey { case span = "for" }
}

package struct RetryBody: Hashable, Sendable, Codable {
    /// Only the tasks that did not succeed.
    package var onlyFailed: Bool

    package init(onlyFailed: Bool) { self.onlyFailed = onlyFailed }

    enum CodingKeys: String, CodingKey { case onlyFailed = "only_failed" }
}
