package import FogCore
package import FogJobs
package import FogLedger
package import FogPlacement
internal import Synchronization

/// The store in memory, for the simulation and for tests: the same answers and the same guards as ``SQLiteStore``.
///
/// The simulation commits with ``apply(_:)``, without waiting, and crashes by going on from a ``snapshot()``.
package final class MemoryStore: Store {
    /// What a store held at one moment.
    package struct Snapshot: Sendable {
        let state: MemoryState
    }

    private let state: Mutex<MemoryState>

    package init() { state = Mutex(MemoryState()) }

    /// A store that goes on from what another held.
    package init(snapshot: Snapshot) { state = Mutex(snapshot.state) }

    /// Everything up to now. Costs little itself; the next change then copies what it touches.
    package func snapshot() -> Snapshot { Snapshot(state: look { $0 }) }

    /// Applies one change at once.
    package func apply(_ change: Change) -> CommitResult { state.withLock { $0.apply(change) } }

    package func commit(_ changes: [Change]) async throws(StoreFailure) -> [CommitResult] {
        state.withLock { state in changes.map { state.apply($0) } }
    }

    private func look<Value: Sendable>(_ body: (MemoryState) -> Value) -> Value { state.withLock { body($0) } }

    // MARK: - Starting

    package func openJobs() async throws(StoreFailure) -> [StoredJob] {
        look { $0.jobs.values.filter { !$0.record.progress.settled } }.sorted { $0.record.id < $1.record.id }
    }

    package func openTasks() async throws(StoreFailure) -> [TaskRecord] {
        look { state in
            state.tasks.values.filter { task in
                !task.state.isFinal && state.jobs[task.id.job]?.record.progress.settled == false
            }
        }.sorted { $0.id < $1.id }
    }

    package func openAttempts() async throws(StoreFailure) -> [AttemptRecord] {
        look { $0.attempts.values.filter(\.isOpen) }.sorted { $0.id < $1.id }
    }

    package func nodes() async throws(StoreFailure) -> [NodeRow] {
        look { Array($0.nodes.values) }.sorted { $0.id < $1.id }
    }

    package func reputations() async throws(StoreFailure) -> [Reputation.Key: Reputation] { look(\.reputations) }

    package func marketEpochs(
        of segment: MarketSegment?, since: Timestamp, limit: Int
    ) async throws(StoreFailure) -> [MarketEpoch] {
        let found = look { state in
            state.marketEpochs.values.filter { $0.at >= since && (segment == nil || $0.segment == segment) }
        }
        return found.sorted { ($0.at, $0.segment) < ($1.at, $1.segment) }.suffix(max(0, limit))
    }

    package func principals() async throws(StoreFailure) -> [Principal] {
        look { Array($0.principals.values) }.sorted { $0.key < $1.key }
    }

    package func invitations() async throws(StoreFailure) -> [Invitation] {
        look { Array($0.invitations.values) }.sorted { $0.secretHash < $1.secretHash }
    }

    package func applicants() async throws(StoreFailure) -> [Applicant] {
        look { Array($0.applicants.values) }.sorted { $0.key < $1.key }
    }

    package func settings() async throws(StoreFailure) -> [String: String] { look(\.settings) }
    package func lastEventSequence() async throws(StoreFailure) -> UInt64 { look(\.lastEvent) }

    // MARK: - Jobs

    package func job(_ id: JobID) async throws(StoreFailure) -> StoredJob? { look { $0.jobs[id] } }

    package func jobs(_ filter: JobFilter) async throws(StoreFailure) -> [JobRecord] {
        let found = look { $0.jobs.values.map(\.record).filter { filter.admits($0) } }
        return Array(found.sorted { $0.id > $1.id }.prefix(max(0, filter.limit)))
    }

    package func jobIDs(prefix: String, account: AccountID?, limit: Int) async throws(StoreFailure) -> [JobID] {
        let found = look { state in
            state.jobs.values.map(\.record).filter { account == nil || $0.account == account }.map(\.id)
        }
        let named = found.map { ($0.description, $0) }.filter { $0.0.utf8.starts(with: prefix.utf8) }
        return named.sorted { $0.0 < $1.0 }.prefix(max(0, limit)).map(\.1)
    }

    package func job(account: AccountID, idempotencyKey: String) async throws(StoreFailure) -> JobRecord? {
        look { state in
            state.jobKeys[.init(account: account, text: idempotencyKey)].flatMap { state.jobs[$0]?.record }
        }
    }

    package func task(_ id: TaskID) async throws(StoreFailure) -> TaskRecord? { look { $0.tasks[id] } }

    package func tasks(of job: JobID, after number: UInt32?, states: Set<TaskState>?, limit: Int)
        async throws(StoreFailure) -> [TaskRecord]
    {
        let found = look { state in
            state.tasks.values.filter { task in
                task.id.job == job && number.map { task.id.number > $0 } ?? true
                    && states?.contains(task.state) ?? true
            }
        }
        return Array(found.sorted { $0.id < $1.id }.prefix(max(0, limit)))
    }

    package func attempt(_ id: AttemptID) async throws(StoreFailure) -> AttemptRecord? { look { $0.attempts[id] } }

    package func attempts(of job: JobID, task: UInt32?, after: AttemptID?, limit: Int) async throws(StoreFailure)
        -> [AttemptRecord]
    {
        let found = look { state in
            state.attempts.values.filter { attempt in
                attempt.id.task.job == job && task.map { attempt.id.task.number == $0 } ?? true
                    && after.map { attempt.id > $0 } ?? true
            }
        }
        return Array(found.sorted { $0.id < $1.id }.prefix(max(0, limit)))
    }

    package func events(after sequence: UInt64, job: JobID?, limit: Int) async throws(StoreFailure) -> [EventRecord] {
        let found = look { state in
            state.events.values.filter { $0.sequence > sequence && (job == nil || $0.job == job) }
        }
        return Array(found.sorted { $0.sequence < $1.sequence }.prefix(max(0, limit)))
    }

    package func decisions(of job: JobID) async throws(StoreFailure) -> [StoredDecision] {
        look { $0.decisions[job] ?? [] }.sorted { ($1.at, $0.step) < ($0.at, $1.step) }
    }

    // MARK: - Content

    package func blob(_ digest: Digest) async throws(StoreFailure) -> BlobRecord? { look { $0.blobs[digest] } }

    package func mayRead(_ digest: Digest, account: AccountID) async throws(StoreFailure) -> Bool {
        look { $0.uses.keys.contains { $0.digest == digest && $0.account == account } }
    }

    package func contentUsage() async throws(StoreFailure) -> [AccountID: ContentUsage] { look { $0.contentUsage() } }

    package func log(_ attempt: AttemptID, stream: LogStream) async throws(StoreFailure) -> [UInt8]? {
        look { $0.logs[.init(attempt: attempt, stream: stream)] }
    }

    // MARK: - Ledger

    package func transfer(_ id: TransferID) async throws(StoreFailure) -> KnownTransfer? {
        look { $0.transfers[id].flatMap { KnownTransfer($0.record, resolution: $0.resolution) } }
    }

    package func isPaid(_ subject: SubjectID) async throws(StoreFailure) -> Bool {
        look { $0.paid[subject] != nil }
    }

    package func payment(of subject: SubjectID) async throws(StoreFailure) -> UInt64? { look { $0.paid[subject] } }

    package func account(_ id: AccountID) async throws(StoreFailure) -> Account? { look { $0.accounts[id] } }

    package func ledgerRecords(of account: AccountID, before sequence: UInt64?, limit: Int) async throws(StoreFailure)
        -> [StoredLedgerRecord]
    {
        look { state in
            let older = state.records.prefix(Int(clamping: sequence ?? .max)).reversed()
            return older.lazy.filter { $0.record.accounts.contains(account) }.prefix(max(0, limit))
                .map(StoredLedgerRecord.init)
        }
    }

    package func evidence(_ digest: Digest) async throws(StoreFailure) -> EvidenceDocument? {
        look { $0.evidence[digest] }
    }

    package func ledgerRecords(from sequence: UInt64, limit: Int) async throws(StoreFailure) -> [StoredLedgerRecord] {
        look { state in
            state.records.dropFirst(Int(clamping: sequence)).prefix(max(0, limit)).map(StoredLedgerRecord.init)
        }
    }

    package func hashes(of tile: TileID) async throws(StoreFailure) -> [Digest] {
        look { MemoryEconomy(state: $0).hashes(of: tile) }
    }

    package func checkpoint() async throws(StoreFailure) -> StoredCheckpoint? { look { $0.checkpoints.last } }

    package func ledgerState() async throws(StoreFailure) -> LedgerProjection? {
        look { state in
            guard let last = state.records.last else { return nil }
            return LedgerProjection(
                accounts: state.accounts.values.filter { !$0.isClosed }.sorted { $0.id < $1.id },
                pendings: state.pendings.values.sorted { $0.id < $1.id },
                keys: state.keys.values.sorted { $0.key < $1.key },
                rules: Rulebook(state.records.compactMap(\.record.rule)),
                head: LedgerHead(count: last.record.sequence + 1, hash: last.hash, time: last.record.time))
        }
    }

    package func readEconomy<Answer: Sendable>(
        _ body: @escaping @Sendable (any EconomyReader) throws -> Answer
    ) async throws(StoreFailure) -> Answer {
        do { return try body(MemoryEconomy(state: look { $0 })) } catch {
            throw error as? StoreFailure ?? StoreFailure("unexpected", "\(error)")
        }
    }

    // MARK: - Housekeeping

    package func prune(endedBefore: Timestamp, keptBefore: Timestamp, unusedBefore: Timestamp, limit: Int)
        async throws(StoreFailure) -> [Digest]
    {
        state.withLock {
            $0.prune(endedBefore: endedBefore, keptBefore: keptBefore, unusedBefore: unusedBefore, limit: limit)
        }
    }

    package func prunable(endedBefore: Timestamp, keptBefore: Timestamp, unusedBefore: Timestamp)
        async throws(StoreFailure) -> Prunable
    {
        look { before in
            var after = before
            _ = after.prune(
                endedBefore: endedBefore, keptBefore: keptBefore, unusedBefore: unusedBefore, limit: .max)
            var found = Prunable()
            found.jobs = before.jobs.count - after.jobs.count
            found.tasks = before.tasks.count - after.tasks.count
            found.attempts = before.attempts.count - after.attempts.count
            found.events = before.events.count - after.events.count
            for (key, bytes) in before.logs where after.logs[key] == nil {
                found.logs += 1
                found.logBytes += Int64(bytes.count)
            }
            for (digest, blob) in before.blobs where after.blobs[digest] == nil {
                found.blobs += 1
                found.blobBytes += blob.size
            }
            return found
        }
    }

    /// - Throws: `unexpected`: memory has no file. ``snapshot()`` is its copy.
    package func backup(to path: String) async throws(StoreFailure) {
        throw StoreFailure("unexpected", "\(path): a store in memory cannot be backed up into a file")
    }
}

extension MemoryState {
    fileprivate mutating func prune(
        endedBefore: Timestamp, keptBefore: Timestamp, unusedBefore: Timestamp, limit: Int
    ) -> [Digest] {
        let ended = jobs.values.map(\.record).filter { job in
            job.progress.isDue(endedBefore: endedBefore, keptBefore: keptBefore)
        }
        let oldest = ended.sorted { ($0.progress.finishedAt ?? .zero) < ($1.progress.finishedAt ?? .zero) }
        let gone = Set(oldest.prefix(max(0, limit)).map(\.id))
        events = events.filter { event in !(event.value.job.map(gone.contains) ?? false) }
        decisions = decisions.filter { !gone.contains($0.key) }
        logs = logs.filter { !gone.contains($0.key.attempt.task.job) }
        attempts = attempts.filter { !gone.contains($0.key.task.job) }
        tasks = tasks.filter { !gone.contains($0.key.job) }
        jobs = jobs.filter { !gone.contains($0.key) }
        jobKeys = jobKeys.filter { !gone.contains($0.value) }
        uses = uses.filter { use in
            use.key.job.map { !gone.contains($0) } ?? (use.value >= unusedBefore)
        }
        let used = Set(uses.keys.map(\.digest))
        let unused = blobs.values.filter { $0.createdAt < unusedBefore && !used.contains($0.digest) }
        for blob in unused { blobs[blob.digest] = nil }
        return unused.filter { $0.inline == nil }.map(\.digest).sorted()
    }
}

extension JobFilter {
    fileprivate func admits(_ job: JobRecord) -> Bool {
        (account == nil || job.account == account) && (states?.contains(job.state) ?? true)
            && (name == nil || job.name == name) && (before.map { job.id < $0 } ?? true)
            && (label.map { job.labels[$0.0] == $0.1 } ?? true)
    }
}

extension StoredLedgerRecord {
    fileprivate init(_ row: LedgerRow) {
        self.init(sequence: row.record.sequence, bytes: row.bytes, hash: row.hash)
    }
}
