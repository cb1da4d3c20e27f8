internal import FogCore
internal import FogJobs
internal import FogLedger

/// The columns of jobs, tasks, attempts and events, in the order in which they are bound and read.
enum JobRows {
    static let job = """
        id, name, account, submitter, submitted_at, idempotency_key, document_digest, file_table, labels, priority, \
        steps, held, cancel_reason, first_grant_at, finished_at, budget, spent, escrow_open, settled, deadline_missed, \
        kept_until, sealed_keys, traceparent, reserved_core, reserved_gib
        """

    static func readJob(_ row: inout Columns) throws -> JobRecord {
        let id: JobID = try row.id()
        let name = row.text()
        let account: AccountID = try row.id()
        let submitter = try row.key()
        let submittedAt = row.time()
        let key = row.optional { $0.text() }
        let digest = try row.digest()
        let table = try row.optional { try $0.digest() }
        let labels = try ColumnText.words(row.text())
        let priority = row.int()
        var record = JobRecord(
            id: id, name: name, account: account, submitter: submitter, submittedAt: submittedAt, idempotencyKey: key,
            documentDigest: digest, fileTable: table, labels: labels, priority: priority,
            progress: try readProgress(&row))
        record.trace = row.optional { $0.text() }.flatMap { TraceParent($0) }
        record.reservedCore = row.optional { $0.credits() }
        record.reservedGibibyte = row.optional { $0.credits() }
        return record
    }

    /// With its document, and what its submitter signed.
    static func readStored(_ row: inout Columns) throws -> StoredJob {
        StoredJob(
            record: try readJob(&row), document: row.text(),
            request: try row.optional { try Authorisation(stored: $0.bytes()) } ?? .none)
    }

    private static func readProgress(_ row: inout Columns) throws -> JobProgress {
        var progress = JobProgress(steps: try ColumnText.steps(row.text()), budget: .zero)
        progress.held = row.optional { $0.text() }
        progress.cancelReason = row.optional { $0.text() }
        progress.firstGrantAt = row.optional { $0.time() }
        progress.finishedAt = row.optional { $0.time() }
        progress.budget = row.credits()
        progress.spent = row.credits()
        progress.escrowOpen = row.bool()
        progress.settled = row.bool()
        progress.deadlineMissed = row.bool()
        progress.keptUntil = row.optional { $0.time() }
        progress.keys = try row.optional { try ColumnText.keys($0.text()) }
        return progress
    }

    /// Of a job's row, what a commit may change: `state` stands there to be filtered by.
    static let progressColumns = [
        "state", "steps", "held", "cancel_reason", "first_grant_at", "finished_at", "budget", "spent", "escrow_open",
        "settled", "deadline_missed", "kept_until", "sealed_keys",
    ]

    static func bind(_ progress: JobProgress, to statement: inout Prepared) {
        statement.bind(progress.state.rawValue)
        statement.bind(ColumnText.steps(progress.steps))
        statement.bind(progress.held)
        statement.bind(progress.cancelReason)
        statement.bind(progress.firstGrantAt)
        statement.bind(progress.finishedAt)
        statement.bind(progress.budget)
        statement.bind(progress.spent)
        statement.bind(progress.escrowOpen)
        statement.bind(progress.settled)
        statement.bind(progress.deadlineMissed)
        statement.bind(progress.keptUntil)
        statement.bind(progress.keys.map { ColumnText.keys($0) })
    }

    static let task = """
        tasks.job, tasks.number, tasks.state, token, task_failures, host_failures, evictions, not_before, held_reason, \
        memory, checkpoint, tasks.finished_at, winner, trail
        """

    static func readTask(_ row: inout Columns) throws -> TaskRecord {
        let id = TaskID(job: try row.id(), number: try row.uint32())
        var task = TaskRecord(id: id, state: try row.word())
        task.token = try row.uint32()
        task.taskFailures = row.int()
        task.hostFailures = row.int()
        task.evictions = row.int()
        task.notBefore = row.optional { $0.time() }
        task.heldReason = row.optional { $0.text() }
        task.memory = row.optional { ByteCount($0.int64()) }
        task.checkpoint = try row.optional { try $0.digest() }
        task.finishedAt = row.optional { $0.time() }
        task.winner = try row.optional { try $0.uint32() }
        task.trail = try row.optional { try ColumnText.decoded($0.text()) }
        return task
    }

    static let attempt = """
        job, number, token, node, payee, granted_at, price_bound, ended_at, outcome, exit_code, signal, detail, \
        usage_source, cpu_ns, wall_ns, peak_bytes, bytes_in, bytes_out, paid, receipt, stdout_size, stderr_size, \
        outputs, core_rate, gib_rate, seller_rate
        """

    static func readAttempt(_ row: inout Columns) throws -> AttemptRecord {
        let task = TaskID(job: try row.id(), number: try row.uint32())
        var attempt = AttemptRecord(
            id: AttemptID(task: task, token: try row.uint32()), node: try row.id(), payee: try row.id(),
            grantedAt: row.time(), priceBound: row.credits())
        attempt.endedAt = row.optional { $0.time() }
        attempt.outcome = try row.optional { try $0.word() }
        attempt.exitCode = row.optional { $0.int() }
        attempt.signal = row.optional { $0.int() }
        attempt.detail = row.optional { $0.text() }
        let source: Usage.Source? = try row.optional { try $0.word() }
        let numbers = (0..<5).map { _ in row.int64() }
        attempt.usage = source.map {
            Usage(
                cpuNanoseconds: numbers[0], wallNanoseconds: numbers[1], peakBytes: numbers[2], bytesIn: numbers[3],
                bytesOut: numbers[4], source: $0)
        }
        attempt.paid = row.credits()
        attempt.receipt = try row.optional { try $0.digest() }
        attempt.stdoutSize = row.int64()
        attempt.stderrSize = row.int64()
        attempt.outputs = try row.optional { try ColumnText.outputs($0.text()) } ?? []
        attempt.coreRate = row.optional { $0.credits() }
        attempt.gibRate = row.optional { $0.credits() }
        attempt.sellerRate = row.optional { $0.credits() }
        return attempt
    }

    /// The end of an attempt, in the order of ``endColumns``.
    static func bindEnd(_ attempt: AttemptRecord, to statement: inout Prepared) {
        statement.bind(attempt.endedAt)
        statement.bind(attempt.outcome?.rawValue)
        statement.bind(attempt.exitCode)
        statement.bind(attempt.signal)
        statement.bind(attempt.detail)
        statement.bind(attempt.usage?.source.rawValue)
        statement.bind(attempt.usage?.cpuNanoseconds)
        statement.bind(attempt.usage?.wallNanoseconds)
        statement.bind(attempt.usage?.peakBytes)
        statement.bind(attempt.usage?.bytesIn)
        statement.bind(attempt.usage?.bytesOut)
        statement.bind(attempt.paid)
        statement.bind(attempt.receipt)
        statement.bind(attempt.stdoutSize)
        statement.bind(attempt.stderrSize)
        statement.bind(ColumnText.outputs(attempt.outputs))
    }

    static let endColumns = [
        "ended_at", "outcome", "exit_code", "signal", "detail", "usage_source", "cpu_ns", "wall_ns", "peak_bytes",
        "bytes_in", "bytes_out", "paid", "receipt", "stdout_size", "stderr_size", "outputs",
    ]

    static let event = "sequence, kind, at, job, task, token, node, detail"

    static func readEvent(_ row: inout Columns) throws -> EventRecord {
        let sequence = try row.uint64()
        let kind = row.text()
        var event = EventRecord(kind, at: row.time())
        event.sequence = sequence
        event.job = try row.optional { try $0.id() }
        event.task = try row.optional { try $0.uint32() }
        event.token = try row.optional { try $0.uint32() }
        event.node = try row.optional { try $0.id() }
        event.detail = try row.optional { try ColumnText.words($0.text()) } ?? [:]
        return event
    }
}
