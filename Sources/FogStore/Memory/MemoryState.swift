internal import FogCore
internal import FogJobs
internal import FogLedger
internal import FogPlacement

/// Everything the store in memory holds: the same tables as values.
struct MemoryState: Sendable {
    struct JobKey: Hashable {
        let account: AccountID
        let text: String
    }

    struct UseKey: Hashable {
        let digest: Digest
        let account: AccountID
        let job: JobID?
    }

    struct LogKey: Hashable {
        let attempt: AttemptID
        let stream: LogStream
    }

    struct TransferRow {
        let record: LedgerRecord
        var resolution: TransferKind?
    }

    var settings: [String: String] = [:]
    var principals: [PublicKey: Principal] = [:]
    var invitations: [Digest: Invitation] = [:]
    var applicants: [PublicKey: Applicant] = [:]
    var nodes: [NodeID: NodeRow] = [:]
    var reputations: [Reputation.Key: Reputation] = [:]
    var marketEpochs: [MarketEpochKey: MarketEpoch] = [:]
    var jobs: [JobID: StoredJob] = [:]
    var jobKeys: [JobKey: JobID] = [:]
    var tasks: [TaskID: TaskRecord] = [:]
    var attempts: [AttemptID: AttemptRecord] = [:]
    var events: [UInt64: EventRecord] = [:]
    /// The newest event ever, also when it is gone.
    var lastEvent: UInt64 = 0
    var decisions: [JobID: [StoredDecision]] = [:]
    var blobs: [Digest: BlobRecord] = [:]
    var uses: [UseKey: Timestamp] = [:]
    var logs: [LogKey: [UInt8]] = [:]
    /// By sequence, from 0.
    var records: [LedgerRow] = []
    var transfers: [TransferID: TransferRow] = [:]
    var accounts: [AccountID: Account] = [:]
    var keys: [PublicKey: EnrolledKey] = [:]
    var pendings: [TransferID: Pending] = [:]
    var paid: [SubjectID: UInt64] = [:]
    var evidence: [Digest: EvidenceDocument] = [:]
    var tiles: [TileID: Digest] = [:]
    /// By number, from 0.
    var checkpoints: [StoredCheckpoint] = []

    /// How to take back what a change wrote before it was refused, newest last.
    typealias Undo = [(inout MemoryState) -> Void]

    /// Why a change is refused.
    struct Refusal: Error {
        let reason: String

        init(_ reason: String) { self.reason = reason }
    }

    mutating func apply(_ change: Change) -> CommitResult {
        for precondition in change.preconditions {
            if let unmet = check(precondition) { return unmet }
        }
        var undo: Undo = []
        do throws(Refusal) {
            try write(change, &undo)
            return .applied
        } catch {
            for step in undo.reversed() { step(&self) }
            return .refused(error.reason)
        }
    }

    private func check(_ precondition: Precondition) -> CommitResult? {
        switch precondition {
        case .jobIsNew(let id, let account, let key):
            if jobs[id] != nil { return Unmet.job(id) }
            guard let key, let other = jobKeys[JobKey(account: account, text: key)] else { return nil }
            return Unmet.job(other, key: key)
        case .taskToken(let id, let token):
            return Unmet.task(id, wanted: token, found: tasks[id].map { ($0.token, $0.state) }).map { .stale($0) }
        case .attemptOpen(let id):
            return Unmet.attempt(id, isOpen: attempts[id]?.isOpen).map { .stale($0) }
        case .ledgerHead(let sequence):
            return Unmet.head(wanted: sequence, found: records.last?.record.sequence).map { .stale($0) }
        case .nodeStanding(let id, let standing):
            return Unmet.node(id, wanted: standing, found: nodes[id]?.standing).map { .stale($0) }
        case .invitationUses(let hash, let uses):
            return Unmet.invitation(wanted: uses, found: invitations[hash]?.usesLeft).map { .stale($0) }
        }
    }

    private mutating func put<Key: Hashable, Value>(
        _ table: WritableKeyPath<MemoryState, [Key: Value]>, _ key: Key, _ value: Value?, _ undo: inout Undo
    ) {
        let old = self[keyPath: table].updateValue(value, at: key)
        undo.append { state in _ = state[keyPath: table].updateValue(old, at: key) }
    }

    // MARK: - Parts

    private mutating func write(_ change: Change, _ undo: inout Undo) throws(Refusal) {
        for principal in change.principals { put(\.principals, principal.key, principal, &undo) }
        for (hash, invitation) in change.invitations {
            if let mistake = mistake(in: invitation) { throw Refusal(mistake) }
            put(\.invitations, hash, invitation, &undo)
        }
        for hash in change.closedInvitations { put(\.invitations, hash, nil, &undo) }
        for (key, applicant) in change.applicants { put(\.applicants, key, applicant, &undo) }
        for key in change.closedApplicants { put(\.applicants, key, nil, &undo) }
        for (id, node) in change.nodes { put(\.nodes, id, node, &undo) }
        for (key, reputation) in change.reputations { put(\.reputations, key, reputation, &undo) }
        for epoch in change.marketEpochs {
            put(\.marketEpochs, MarketEpochKey(at: epoch.at, segment: epoch.segment), epoch, &undo)
        }
        if let time = change.marketKeptFrom {
            for key in marketEpochs.keys.filter({ $0.at < time }) { put(\.marketEpochs, key, nil, &undo) }
        }
        for job in change.newJobs { try write(job, &undo) }
        for (id, progress) in change.progress {
            guard var job = jobs[id] else { throw Refusal(Guard.noJob(id)) }
            job.record.progress = progress
            put(\.jobs, id, job, &undo)
        }
        for (_, task) in change.tasks { try write(task, &undo) }
        for attempt in change.newAttempts { try write(attempt, &undo) }
        for attempt in change.endedAttempts { try end(attempt, &undo) }
        for (id, amount) in change.latePayments { try pay(id, amount, &undo) }
        for event in change.events { try write(event, &undo) }
        for decision in change.decisions { try write(decision, &undo) }
        for blob in change.blobs where blobs[blob.digest] == nil { put(\.blobs, blob.digest, blob, &undo) }
        for use in change.blobUses { try write(use, &undo) }
        release(change.releasedUses, &undo)
        for log in change.logs { try write(log, &undo) }
        for document in change.evidence where evidence[document.digest] == nil {
            put(\.evidence, document.digest, document, &undo)
        }
        if let ledger = change.ledger { try write(ledger, &undo) }
        if let tree = change.tree { try write(tree, &undo) }
        for (name, value) in change.settings { put(\.settings, name, value, &undo) }
    }

    private mutating func write(_ decision: StoredDecision, _ undo: inout Undo) throws(Refusal) {
        guard jobs[decision.job] != nil else { throw Refusal("no job \(decision.job)") }
        var kept = decisions[decision.job] ?? []
        kept.removeAll { $0.step == decision.step && $0.at == decision.at }
        kept.append(decision)
        let ofStep = kept.filter { $0.step == decision.step }.map(\.at).sorted()
        if ofStep.count > StoredDecision.keptPerStep {
            let oldest = ofStep[ofStep.count - StoredDecision.keptPerStep]
            kept.removeAll { $0.step == decision.step && $0.at < oldest }
        }
        put(\.decisions, decision.job, kept, &undo)
    }

    private mutating func write(_ job: StoredJob, _ undo: inout Undo) throws(Refusal) {
        guard jobs[job.record.id] == nil else { throw Refusal("job \(job.record.id) is there already") }
        if let text = job.record.idempotencyKey {
            let key = JobKey(account: job.record.account, text: text)
            guard jobKeys[key] == nil else { throw Refusal("the idempotency key `\(text)` is taken") }
            put(\.jobKeys, key, job.record.id, &undo)
        }
        put(\.jobs, job.record.id, job, &undo)
    }

    private mutating func write(_ task: TaskRecord, _ undo: inout Undo) throws(Refusal) {
        guard jobs[task.id.job] != nil else { throw Refusal("task \(task.id) has no job") }
        if let old = tasks[task.id] {
            guard task.token >= old.token else { throw Refusal("a task's fencing token never goes back") }
            guard !old.state.isFinal || task.state == old.state else {
                throw Refusal("a final task never changes its state")
            }
            guard old.winner == nil || task.winner == old.winner else {
                throw Refusal("a task has one winner and keeps it")
            }
        }
        put(\.tasks, task.id, task, &undo)
    }

    private mutating func write(_ attempt: AttemptRecord, _ undo: inout Undo) throws(Refusal) {
        guard attempt.id.token > 0 else { throw Refusal("attempt \(attempt.id) has no token") }
        guard tasks[attempt.id.task] != nil else { throw Refusal("attempt \(attempt.id) has no task") }
        guard attempts[attempt.id] == nil else { throw Refusal("attempt \(attempt.id) is there already") }
        put(\.attempts, attempt.id, attempt, &undo)
    }

    private mutating func end(_ attempt: AttemptRecord, _ undo: inout Undo) throws(Refusal) {
        guard attempt.endedAt != nil else { throw Refusal(Guard.noEnd(attempt.id)) }
        guard let old = attempts[attempt.id] else { throw Refusal(Guard.noAttempt(attempt.id)) }
        guard old.isOpen else { throw Refusal("an ended attempt never changes") }
        // What the grant fixed stays as it was granted.
        var ended = AttemptRecord(
            id: old.id, node: old.node, payee: old.payee, grantedAt: old.grantedAt, priceBound: old.priceBound)
        ended.coreRate = old.coreRate
        ended.gibRate = old.gibRate
        ended.sellerRate = old.sellerRate
        ended.endedAt = attempt.endedAt
        ended.outcome = attempt.outcome
        ended.exitCode = attempt.exitCode
        ended.signal = attempt.signal
        ended.detail = attempt.detail
        ended.usage = attempt.usage
        ended.paid = attempt.paid
        ended.receipt = attempt.receipt
        ended.outputs = attempt.outputs
        ended.stdoutSize = attempt.stdoutSize
        ended.stderrSize = attempt.stderrSize
        put(\.attempts, old.id, ended, &undo)
    }

    private mutating func pay(_ id: AttemptID, _ amount: Credits, _ undo: inout Undo) throws(Refusal) {
        guard var attempt = attempts[id], !attempt.isOpen else { throw Refusal(Guard.notEnded(id)) }
        guard attempt.paid == .zero, amount > .zero, amount <= attempt.priceBound else {
            throw Refusal("an ended attempt is paid once, within its bound")
        }
        attempt.paid = amount
        put(\.attempts, id, attempt, &undo)
    }

    private mutating func write(_ event: EventRecord, _ undo: inout Undo) throws(Refusal) {
        guard event.sequence > 0 else { throw Refusal("event `\(event.kind)` has no sequence number") }
        guard events[event.sequence] == nil else { throw Refusal("event \(event.sequence) is there already") }
        put(\.events, event.sequence, event, &undo)
        let last = lastEvent
        undo.append { $0.lastEvent = last }
        lastEvent = max(last, event.sequence)
    }

    private mutating func write(_ use: BlobUse, _ undo: inout Undo) throws(Refusal) {
        guard blobs[use.digest] != nil else { throw Refusal("there is no blob \(use.digest) to use") }
        let key = UseKey(digest: use.digest, account: use.account, job: use.job)
        put(\.uses, key, max(use.at, uses[key] ?? use.at), &undo)
    }

    private mutating func write(_ log: StoredLog, _ undo: inout Undo) throws(Refusal) {
        guard attempts[log.attempt] != nil else { throw Refusal("log of \(log.attempt) has no attempt") }
        let key = LogKey(attempt: log.attempt, stream: log.stream)
        guard logs[key] == nil else { throw Refusal("\(log.stream.rawValue) of \(log.attempt) is there already") }
        put(\.logs, key, log.bytes, &undo)
    }

    // MARK: - Ledger

    private mutating func write(_ change: LedgerChange, _ undo: inout Undo) throws(Refusal) {
        for row in change.rows { try write(row, &undo) }
        for account in change.accounts {
            if let old = accounts[account.id] {
                guard !old.isClosed, (old.kind, old.unit, old.owner) == (account.kind, account.unit, account.owner)
                else {
                    throw Refusal(Guard.otherAccount)
                }
            }
            put(\.accounts, account.id, account, &undo)
        }
        for key in change.keys { put(\.keys, key.key, key, &undo) }
        for pending in change.pendingOpened {
            guard pendings[pending.id] == nil else { throw Refusal("pending \(pending.id) is there already") }
            put(\.pendings, pending.id, pending, &undo)
        }
        for resolution in change.pendingResolved {
            guard pendings[resolution.pending] != nil, var transfer = transfers[resolution.pending],
                transfer.resolution == nil
            else { throw Refusal(Guard.notPending(resolution.pending)) }
            transfer.resolution = resolution.kind
            put(\.transfers, resolution.pending, transfer, &undo)
            put(\.pendings, resolution.pending, nil, &undo)
        }
    }

    private mutating func write(_ tree: TreeChange, _ undo: inout Undo) throws(Refusal) {
        for filled in tree.filled {
            guard tiles[filled.tile] == nil else { throw Refusal("tile \(filled.tile.path()) is there already") }
            put(\.tiles, filled.tile, filled.root, &undo)
        }
        let (old, new) = (checkpoints, tree.checkpoint)
        undo.append { $0.checkpoints = old }
        if let last = checkpoints.last, last.number == new.number {
            guard new.size > last.size else { throw Refusal("only the newest checkpoint grows") }
            checkpoints.removeLast()
        } else if new.number < UInt64(checkpoints.count) {
            throw Refusal("only the newest checkpoint grows")
        }
        checkpoints.append(new)
    }

    private mutating func write(_ row: LedgerRow, _ undo: inout Undo) throws(Refusal) {
        let record = row.record
        guard record.sequence == UInt64(records.count) else {
            throw Refusal(Guard.notNext(record.sequence, expected: UInt64(records.count)))
        }
        records.append(row)
        undo.append { $0.records.removeLast() }
        guard let transfer = record.transfer else { return }
        guard transfers[transfer.id] == nil else { throw Refusal("transfer \(transfer.id) is there already") }
        put(\.transfers, transfer.id, TransferRow(record: record), &undo)
        guard record.pays else { return }
        let subject = record.subject
        guard paid[subject] == nil else { throw Refusal("subject \(subject) is paid already") }
        put(\.paid, subject, record.sequence, &undo)
    }
}

extension Dictionary {
    /// Sets or removes a value and gives the one before.
    fileprivate mutating func updateValue(_ value: Value?, at key: Key) -> Value? {
        if let value { updateValue(value, forKey: key) } else { removeValue(forKey: key) }
    }
}

struct MarketEpochKey: Hashable, Sendable {
    let at: Timestamp
    let segment: MarketSegment
}
