internal import FogCore
internal import FogJobs
internal import FogLedger
internal import GRDB

/// Writes changes inside an open transaction: preconditions first, then each part.
struct ChangeWriter {
    let database: Database

    /// What became of one change. When it is `refused`, parts of it may be written: the caller rolls back.
    func apply(_ change: Change) throws -> CommitResult {
        for precondition in change.preconditions {
            if let unmet = try check(precondition) { return unmet }
        }
        do {
            try write(change)
            return .applied
        } catch let refusal as Refusal {
            return .refused(refusal.reason)
        } catch let error as SQLError where error.isRefusal {
            return .refused(error.message)
        }
    }

    /// A guard that is not in the schema.
    struct Refusal: Error {
        let reason: String

        init(_ reason: String) { self.reason = reason }
    }

    // MARK: - Preconditions

    private func check(_ precondition: Precondition) throws -> CommitResult? {
        switch precondition {
        case .jobIsNew(let id, let account, let key): return try checkNew(id, account, key)
        case .taskToken(let id, let token): return try checkToken(id, token).map { .stale($0) }
        case .attemptOpen(let id):
            var query = try Prepared(
                database, "SELECT ended_at IS NULL FROM attempts WHERE job = ? AND number = ? AND token = ?")
            bind(id, to: &query)
            let open = try query.first { $0.bool() }
            return Unmet.attempt(id, isOpen: open).map { .stale($0) }
        case .ledgerHead(let sequence):
            return Unmet.head(wanted: sequence, found: try newestSequence()).map { .stale($0) }
        case .nodeStanding(let id, let standing):
            var query = try Prepared(database, "SELECT standing FROM nodes WHERE id = ?")
            query.bind(id)
            let found = try query.first { try $0.word(NodeRow.Standing.self) }
            return Unmet.node(id, wanted: standing, found: found).map { .stale($0) }
        case .invitationUses(let hash, let uses):
            return Unmet.invitation(wanted: uses, found: try usesLeft(of: hash)).map { .stale($0) }
        }
    }

    private func checkNew(_ id: JobID, _ account: AccountID, _ key: String?) throws -> CommitResult? {
        var byID = try Prepared(database, "SELECT 1 FROM jobs WHERE id = ?")
        byID.bind(id)
        if try byID.exists { return Unmet.job(id) }
        guard let key else { return nil }
        var byKey = try Prepared(database, "SELECT id FROM jobs WHERE account = ? AND idempotency_key = ?")
        byKey.bind(account)
        byKey.bind(key)
        return try byKey.first { try $0.id(JobSubject.self) }.map { Unmet.job($0, key: key) }
    }

    private func checkToken(_ id: TaskID, _ token: UInt32) throws -> String? {
        var query = try Prepared(database, "SELECT token, state FROM tasks WHERE job = ? AND number = ?")
        query.bind(id.job)
        query.bind(id.number)
        let found = try query.first { (try $0.uint32(), try $0.word(TaskState.self)) }
        return Unmet.task(id, wanted: token, found: found)
    }

    func newestSequence() throws -> UInt64? {
        try Prepared(database, "SELECT sequence FROM ledger_records ORDER BY sequence DESC LIMIT 1")
            .first { try $0.uint64() }
    }

    func bind(_ id: AttemptID, to statement: inout Prepared) {
        statement.bind(id.task.job)
        statement.bind(id.task.number)
        statement.bind(id.token)
    }

    // MARK: - Parts

    private func write(_ change: Change) throws {
        for principal in change.principals { try write(principal) }
        for (_, invitation) in change.invitations { try write(invitation) }
        for hash in change.closedInvitations { try close(invitation: hash) }
        for (_, applicant) in change.applicants { try write(applicant) }
        for key in change.closedApplicants { try close(applicant: key) }
        for (_, node) in change.nodes { try write(node) }
        for (key, reputation) in change.reputations { try write(reputation, of: key) }
        for epoch in change.marketEpochs { try write(epoch) }
        if let time = change.marketKeptFrom { try forgetEpochs(before: time) }
        for job in change.newJobs { try write(job) }
        for (id, progress) in change.progress { try write(progress, of: id) }
        for (_, task) in change.tasks { try write(task) }
        for attempt in change.newAttempts { try write(attempt) }
        for attempt in change.endedAttempts { try end(attempt) }
        for (id, amount) in change.latePayments { try pay(id, amount) }
        for event in change.events { try write(event) }
        for decision in change.decisions { try write(decision) }
        for blob in change.blobs { try write(blob) }
        for use in change.blobUses { try write(use) }
        for use in change.releasedUses { try release(use) }
        for log in change.logs { try write(log) }
        for document in change.evidence { try write(document) }
        if let ledger = change.ledger { try write(ledger) }
        if let tree = change.tree { try write(tree) }
        for (name, value) in change.settings { try write(setting: name, value) }
    }

    private static let insertJob = """
        INSERT INTO jobs (id, id_text, name, account, submitter, submitted_at, idempotency_key, document_digest, \
        file_table, labels, priority, traceparent, reserved_core, reserved_gib, \
        \(JobRows.progressColumns.joined(separator: ", "))) VALUES (\(marks(14 + JobRows.progressColumns.count)))
        """

    private func write(_ job: StoredJob) throws {
        var insert = try Prepared(database, Self.insertJob)
        let record = job.record
        insert.bind(record.id)
        insert.bind(record.id.description)
        insert.bind(record.name)
        insert.bind(record.account)
        insert.bind(record.submitter)
        insert.bind(record.submittedAt)
        insert.bind(record.idempotencyKey)
        insert.bind(record.documentDigest)
        insert.bind(record.fileTable)
        insert.bind(ColumnText.words(record.labels) ?? "{}")
        insert.bind(record.priority)
        insert.bind(record.trace?.description)
        insert.bind(record.reservedCore?.micro)
        insert.bind(record.reservedGibibyte?.micro)
        JobRows.bind(record.progress, to: &insert)
        try insert.run()
        var document = try Prepared(database, "INSERT INTO job_documents VALUES (last_insert_rowid(), ?, ?)")
        document.bind(job.document)
        document.bind(job.request.isRequest ? job.request.stored : nil)
        try document.run()
    }

    private static let updateProgress =
        "UPDATE jobs SET " + JobRows.progressColumns.map { "\($0) = ?" }.joined(separator: ", ") + " WHERE id = ?"

    private func write(_ progress: JobProgress, of id: JobID) throws {
        var update = try Prepared(database, Self.updateProgress)
        JobRows.bind(progress, to: &update)
        update.bind(id)
        guard try update.run() == 1 else { throw Refusal(Guard.noJob(id)) }
    }

    private static let upsertTask = """
        INSERT INTO tasks VALUES (\(marks(14))) ON CONFLICT DO UPDATE SET state = excluded.state, \
        token = excluded.token, task_failures = excluded.task_failures, host_failures = excluded.host_failures, \
        evictions = excluded.evictions, not_before = excluded.not_before, held_reason = excluded.held_reason, \
        memory = excluded.memory, checkpoint = excluded.checkpoint, finished_at = excluded.finished_at, \
        winner = excluded.winner, trail = excluded.trail
        """

    private func write(_ task: TaskRecord) throws {
        var upsert = try Prepared(database, Self.upsertTask)
        upsert.bind(task.id.job)
        upsert.bind(task.id.number)
        upsert.bind(task.state.rawValue)
        upsert.bind(task.token)
        upsert.bind(task.taskFailures)
        upsert.bind(task.hostFailures)
        upsert.bind(task.evictions)
        upsert.bind(task.notBefore)
        upsert.bind(task.heldReason)
        upsert.bind(task.memory?.bytes)
        upsert.bind(task.checkpoint)
        upsert.bind(task.finishedAt)
        upsert.bind(task.winner)
        upsert.bind(try task.trail.map { try ColumnText.encoded($0) })
        try upsert.run()
    }

    private static let insertAttempt = """
        INSERT INTO attempts (job, number, token, node, payee, granted_at, price_bound, core_rate, gib_rate, \
        seller_rate, \(JobRows.endColumns.joined(separator: ", "))) VALUES (\(marks(10 + JobRows.endColumns.count)))
        """

    private func write(_ attempt: AttemptRecord) throws {
        var insert = try Prepared(database, Self.insertAttempt)
        bind(attempt.id, to: &insert)
        insert.bind(attempt.node)
        insert.bind(attempt.payee)
        insert.bind(attempt.grantedAt)
        insert.bind(attempt.priceBound)
        insert.bind(attempt.coreRate?.micro)
        insert.bind(attempt.gibRate?.micro)
        insert.bind(attempt.sellerRate?.micro)
        JobRows.bindEnd(attempt, to: &insert)
        try insert.run()
    }

    private static let endAttempt =
        "UPDATE attempts SET " + JobRows.endColumns.map { "\($0) = ?" }.joined(separator: ", ")
        + " WHERE job = ? AND number = ? AND token = ?"

    private func end(_ attempt: AttemptRecord) throws {
        guard attempt.endedAt != nil else { throw Refusal(Guard.noEnd(attempt.id)) }
        var update = try Prepared(database, Self.endAttempt)
        JobRows.bindEnd(attempt, to: &update)
        bind(attempt.id, to: &update)
        guard try update.run() == 1 else { throw Refusal(Guard.noAttempt(attempt.id)) }
    }

    private func pay(_ id: AttemptID, _ amount: Credits) throws {
        var update = try Prepared(
            database,
            "UPDATE attempts SET paid = ? WHERE job = ? AND number = ? AND token = ? AND ended_at IS NOT NULL")
        update.bind(amount)
        bind(id, to: &update)
        guard try update.run() == 1 else { throw Refusal(Guard.notEnded(id)) }
    }

    private static let insertEvent = "INSERT INTO events VALUES (\(marks(8)))"

    private func write(_ event: EventRecord) throws {
        var insert = try Prepared(database, Self.insertEvent)
        insert.bind(event.sequence)
        insert.bind(event.kind)
        insert.bind(event.at)
        insert.bind(event.job)
        insert.bind(event.task)
        insert.bind(event.token)
        insert.bind(event.node)
        insert.bind(ColumnText.words(event.detail))
        try insert.run()
    }

    private func write(setting name: String, _ value: String) throws {
        var upsert = try Prepared(
            database, "INSERT INTO settings VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value")
        upsert.bind(name)
        upsert.bind(value)
        try upsert.run()
    }
}

/// `?, ?, ?`
func marks(_ count: Int) -> String { [String](repeating: "?", count: count).joined(separator: ", ") }
