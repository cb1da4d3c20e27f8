package import FogCore
package import FogJobs
package import FogLedger
package import FogStore

/// Makes rows for a store from a seed: ids, jobs, tasks, attempts and a ledger that fits them.
package struct StoreFixture {
    package var generator: SeededGenerator
    package private(set) var now = Timestamp(seconds: 1_780_000_000)
    package var ledger = Ledger()
    private var sequence: UInt64 = 0

    package init(seed: UInt64 = 1) { generator = SeededGenerator(seed: seed) }

    /// A second later each time.
    package mutating func tick() -> Timestamp {
        now = now + .seconds(1)
        return now
    }

    package mutating func id<Subject>(_: Subject.Type = Subject.self) -> Identifier<Subject> {
        Identifier(at: tick(), using: &generator)
    }

    package mutating func key() -> PublicKey { signingKey().publicKey }

    package mutating func signingKey() -> SigningKey {
        let seed = (0..<32).map { _ in UInt8(truncatingIfNeeded: generator.next() as UInt64) }
        guard let key = try? SigningKey(seed: seed) else { preconditionFailure("32 bytes are a seed") }
        return key
    }

    package mutating func digest() -> Digest { Digest.sha256(withUnsafeBytes(of: generator.next()) { Array($0) }) }

    // MARK: - Jobs

    package mutating func job(
        account: AccountID? = nil, name: String = "render", key: String? = nil, labels: [String: String] = [:],
        tasks: UInt32 = 10
    ) -> StoredJob {
        let id: JobID = id()
        let document = "{\"name\":\"\(name)\",\"seed\":\(generator.next() as UInt64)}"
        let progress = JobProgress(
            steps: [StepProgress(name: "main", base: 0, count: tasks, blocked: false)], budget: .credits(5))
        let record = JobRecord(
            id: id, name: name, account: account ?? self.id(), submitter: self.key(), submittedAt: now,
            idempotencyKey: key, documentDigest: .blake2b(Array(document.utf8)), fileTable: nil, labels: labels,
            priority: 0, progress: progress)
        return StoredJob(record: record, document: document)
    }

    package func task(_ job: StoredJob, _ number: UInt32, _ state: TaskState = .leased, token: UInt32 = 1)
        -> TaskRecord
    {
        var task = TaskRecord(id: TaskID(job: job.record.id, number: number), state: state)
        task.token = token
        return task
    }

    /// A trail with every member filled.
    package mutating func trail() -> WorkTrail {
        var trail = WorkTrail()
        trail.tookCheckpoint(2, at: tick())
        trail.remember(
            UnpaidWork(
                token: 2, payee: id(), receipt: digest(), price: Credits(micro: 5), grantedAt: now,
                outcome: .evictedUser, exitCode: 85))
        return trail
    }

    package mutating func attempt(_ task: TaskID, token: UInt32 = 1) -> AttemptRecord {
        AttemptRecord(
            id: AttemptID(task: task, token: token), node: id(), payee: id(), grantedAt: now,
            priceBound: Credits(micro: 250_000))
    }

    /// The end of an attempt with every column filled.
    package mutating func ended(_ attempt: AttemptRecord, _ outcome: Outcome = .success) -> AttemptRecord {
        var ended = attempt
        ended.endedAt = tick()
        ended.outcome = outcome
        ended.exitCode = outcome == .success ? 0 : 3
        ended.signal = outcome == .signaled ? 9 : nil
        ended.detail = "said \"so\"\nand stopped"
        ended.usage = Usage(
            cpuNanoseconds: 1, wallNanoseconds: 2, peakBytes: 3, bytesIn: 4, bytesOut: 5, source: .cgroupV2)
        ended.paid = Credits(micro: 17)
        ended.receipt = digest()
        ended.outputs = [
            OutputFile(name: "a/\"b\"", size: 1 << 40, executable: true, digest: digest()),
            OutputFile(name: "ü", size: 0, executable: false, digest: digest()),
        ]
        ended.stdoutSize = 11
        ended.stderrSize = 12
        return ended
    }

    package mutating func event(_ kind: String = "task_granted", job: JobID? = nil) -> EventRecord {
        sequence += 1
        var event = EventRecord(kind, at: tick(), job: job, task: job.map { _ in 3 }, token: job.map { _ in 1 })
        event.sequence = sequence
        return event
    }

    package mutating func node(owner: AccountID? = nil) -> NodeRow {
        let report = NodeReport(
            name: "bench-1", architecture: "x86_64", cpu: .cores(8), memory: .gibibytes(16), disk: .gibibytes(100),
            gpu: 1, programs: ["python3": "3.11.2"], labels: ["lab"], region: "eu", profiles: ["default"],
            missingIsolation: ["memory limit"], software: "fog 1")
        var node = NodeRow(
            id: id(), key: key(), owner: owner ?? id(), enrolledAt: tick(), report: report, trusted: true)
        node.recentFaults = [tick(), tick()]
        node.probationUntil = tick()
        node.probations = 2
        node.labels = ["room": "12", "quiet": ""]
        return node
    }

    // MARK: - Ledger

    /// Applies entries to the fixture's ledger. The simulation of a caller: what is refused there is a broken test.
    package mutating func entries(_ entries: [LedgerEntry]) -> LedgerChange {
        let outcome = ledger.apply(entries, at: tick(), lookup: .empty, using: &generator)
        guard let change = outcome.change else { preconditionFailure("the ledger answered \(outcome)") }
        return change
    }

    /// Opens the system's accounts.
    package mutating func genesis() -> LedgerChange { entries(LedgerEntry.systemAccounts) }

    package mutating func open(_ kind: AccountKind) -> (id: AccountID, change: LedgerChange) {
        let id: AccountID = id()
        return (id, entries([LedgerEntry(.open(AccountOpening(id: id, kind: kind)))]))
    }

    package mutating func grant(_ amount: Credits, to account: AccountID) throws -> (Digest, Change) {
        let grant = try GrantDocument(
            account: account, amount: amount, time: tick(), reason: "start", signedBy: signingKey())
        var change = Change()
        change.evidence = [grant.document]
        change.ledger = entries([grant.entry()])
        return (grant.document.digest, change)
    }

    package mutating func reserve(_ amount: Credits, from: AccountID, to: AccountID, subject: SubjectID)
        -> (id: TransferID, change: LedgerChange)
    {
        let id = TransferID(at: tick(), kind: .pending, subject: subject, ordinal: 0)
        return (
            id,
            entries([LedgerEntry(.pending(id: id, from: from, to: to, amount: amount, ordinal: 0), subject: subject)])
        )
    }

    package mutating func post(_ amount: Credits, of pending: TransferID, subject: SubjectID) -> (
        id: TransferID, change: LedgerChange
    ) {
        let id = TransferID(at: tick(), kind: .post, subject: subject, ordinal: 0)
        let entry = LedgerEntry(
            .post(id: id, of: pending, amount: amount, ordinal: 0), subject: subject, evidence: digest())
        return (id, entries([entry]))
    }
}

extension Change {
    /// A change made in one expression.
    package static func make(_ fill: (inout Change) -> Void) -> Change {
        var change = Change()
        fill(&change)
        return change
    }

    package static func settings(_ settings: [String: String]) -> Change { make { $0.settings = settings } }
    package static func ledger(_ change: LedgerChange) -> Change { make { $0.ledger = change } }
    package static func jobs(_ jobs: StoredJob...) -> Change { make { $0.newJobs = jobs } }
    package static func task(_ task: TaskRecord) -> Change { make { $0.tasks[task.id] = task } }
}

extension Store {
    /// Commits what a test needs to be there.
    package func establish(_ changes: [Change]) async throws {
        for result in try await commit(changes) where result != .applied {
            throw StoreFailure("unexpected", "the test's rows were not written: \(result)")
        }
    }

    /// Commits one change and gives its result.
    package func commit(_ change: Change) async throws -> CommitResult {
        let results = try await commit([change])
        guard results.count == 1 else { throw StoreFailure("unexpected", "one change gave \(results.count) results") }
        return results[0]
    }
}

extension CommitResult {
    /// The word without its reason.
    package var word: String {
        switch self {
        case .applied: "applied"
        case .stale: "stale"
        case .exists: "exists"
        case .refused: "refused"
        }
    }
}
