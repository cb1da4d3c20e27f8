import CFogSQLite
import FogCore
import FogJobs
import FogLedger
import FogPlacement
import FogStore
import FogTestSupport

/// Random changes, right and wrong, over a few jobs, so that they often meet.
struct RandomChanges {
    private var make: StoreFixture
    private var jobs: [StoredJob] = []
    private var attempts: [AttemptRecord] = []
    private var blobs: [Digest] = []
    private var accounts: [AccountID] = []
    private var pendings: [(TransferID, SubjectID)] = []
    private var payer: AccountID?
    private(set) var words: Set<String> = []

    init(seed: UInt64) {
        make = StoreFixture(seed: seed)
        accounts = (0..<3).map { _ in make.id() }
    }

    private mutating func below(_ limit: Int) -> Int { Int(make.generator.next(upperBound: UInt64(limit))) }
    private mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
    private mutating func any<Element>(_ elements: [Element]) -> Element? {
        elements.isEmpty ? nil : elements[below(elements.count)]
    }

    mutating func pruneTime() -> Timestamp { make.now - .seconds(40) }

    mutating func batch() -> [Change] { (0...below(6)).map { _ in change() } }

    private mutating func change() -> Change {
        var change = Change()
        for _ in 0...below(4) {
            let kind = below(9)
            words.insert("\(kind)")
            switch kind {
            case 0: submit(&change)
            case 1: progress(&change)
            case 2, 3: task(&change)
            case 4: begin(&change)
            case 5: end(&change)
            case 6: content(&change)
            case 7: economy(&change)
            default:
                var event = make.event(job: any(jobs)?.record.id)
                if chance(5) { event.sequence = 1 }
                change.events.append(event)
                change.settings["\(below(4))"] = "\(below(100))"
                let node = NodeID(high: 1, low: UInt64(below(3)))
                change.reputations[.init(node: node, capability: any(CapabilityClass.allCases) ?? .cpu)] = Reputation(
                    evidence: Evidence(good: Double(below(9)) / 7), asOf: make.tick(), validInARow: below(4))
            }
        }
        return change
    }

    private mutating func submit(_ change: inout Change) {
        let job = chance(15) ? any(jobs) : nil
        let new = job ?? make.job(account: any(accounts), key: chance(30) ? "k\(below(3))" : nil)
        jobs.append(new)
        let record = new.record
        if chance(80) {
            change.preconditions.append(
                .jobIsNew(record.id, account: record.account, idempotencyKey: record.idempotencyKey))
        }
        change.newJobs.append(new)
    }

    private mutating func progress(_ change: inout Change) {
        guard let job = any(jobs) else { return }
        var progress = job.record.progress
        progress.steps[0].counts.move(from: .ready, to: .succeeded)
        progress.settled = chance(40)
        progress.finishedAt = chance(60) ? make.tick() : nil
        progress.keptUntil = chance(20) ? make.now + .seconds(Int64(below(60)) - 30) : nil
        change.progress[job.record.id] = progress
    }

    private mutating func task(_ change: inout Change) {
        guard let job = any(jobs) else { return }
        let state = any(TaskState.allCases) ?? .ready
        var task = make.task(job, UInt32(below(5)), state, token: UInt32(below(4)))
        task.winner = chance(20) ? UInt32(below(3)) : nil
        task.trail = chance(20) ? make.trail() : nil
        if chance(30) { change.preconditions.append(.taskToken(task.id, UInt32(below(3)))) }
        change.tasks[task.id] = task
    }

    private mutating func begin(_ change: inout Change) {
        guard let job = any(jobs) else { return }
        let task = TaskID(job: job.record.id, number: UInt32(below(5)))
        let attempt = make.attempt(task, token: UInt32(below(4)))
        attempts.append(attempt)
        change.newAttempts.append(attempt)
    }

    private mutating func end(_ change: inout Change) {
        guard let attempt = any(attempts) else { return }
        if chance(60) { change.preconditions.append(.attemptOpen(attempt.id)) }
        let outcome = any(Outcome.allCases) ?? .success
        change.endedAttempts.append(make.ended(attempt, outcome))
        if chance(30) { change.latePayments = [attempt.id: Credits(micro: Int64(below(300_000)))] }
        if chance(50) { change.logs.append(StoredLog(attempt: attempt.id, stream: .stderr, bytes: [1, 2])) }
    }

    private mutating func content(_ change: inout Change) {
        if chance(50) {
            let blob = BlobRecord(
                digest: make.digest(), size: 5, inline: chance(50) ? [9] : nil, createdAt: make.tick())
            blobs.append(blob.digest)
            change.blobs.append(blob)
        }
        guard let digest = any(blobs), let account = any(accounts) else { return }
        change.blobUses.append(
            BlobUse(digest: digest, account: account, job: chance(50) ? any(jobs)?.record.id : nil, at: make.tick()))
    }

    /// A caller whose ledger runs ahead of the store whenever its change is refused there: then the log has a gap.
    private mutating func economy(_ change: inout Change) {
        guard change.ledger == nil else { return }
        if make.ledger.head.count == 0 {
            change.ledger = make.genesis()
        } else if payer == nil {
            let opened = make.open(.user)
            payer = opened.id
            change.ledger = opened.change
        } else if let (pending, subject) = pendings.popLast(), chance(70) {
            change.ledger = make.post(.zero, of: pending, subject: subject).change
        } else if let payer {
            let subject = SubjectID(digestOf: [UInt8(below(256)), UInt8(below(256))])
            let pending = make.reserve(.zero, from: payer, to: .treasury, subject: subject)
            pendings.append((pending.id, subject))
            change.ledger = pending.change
        }
    }

    // MARK: - What a store says

    /// Everything that the queries tell, in one comparable value.
    func view(of store: any Store) async throws -> [AnyHashable] {
        var view: [AnyHashable] = []
        view.append(try await store.openJobs())
        view.append(try await store.jobs(JobFilter(limit: 1000)))
        view.append(try await store.openTasks())
        view.append(try await store.openAttempts())
        view.append(try await store.events(after: 0, job: nil, limit: 1000))
        view.append(try await store.lastEventSequence())
        view.append(try await store.settings())
        view.append(try await store.reputations())
        view.append(try await store.ledgerState())
        for table in EconomyTable.allCases where table != .documents { view.append(try await store.rows(of: table)) }
        view.append(Set(try await store.rows(of: .documents)))
        for account in accounts + [.treasury] {
            view.append(try await store.ledgerRecords(of: account, before: nil, limit: 1000))
        }
        for job in jobs {
            let id = job.record.id
            view.append(try await store.tasks(of: id, after: nil, states: nil, limit: 100))
            view.append(try await store.attempts(of: id, task: nil, after: nil, limit: 100))
            view.append(try await store.events(after: 3, job: id, limit: 100))
        }
        for attempt in attempts { view.append(try await store.log(attempt.id, stream: .stderr) ?? []) }
        for digest in blobs {
            view.append(try await store.blob(digest))
            for account in accounts { view.append(try await store.mayRead(digest, account: account)) }
        }
        return view
    }
}

/// Runs statements on a file directly, as a tool would.
func sqlite(_ path: String, _ statements: String) throws {
    var connection: OpaquePointer?
    defer { sqlite3_close(connection) }
    guard sqlite3_open(path, &connection) == SQLITE_OK,
        sqlite3_exec(connection, statements, nil, nil, nil) == SQLITE_OK
    else { throw StoreFailure("sqlite", String(cString: sqlite3_errmsg(connection))) }
}

/// The first column of what a query gives, read as a tool would.
func texts(_ path: String, _ query: String) throws -> [String] {
    var connection: OpaquePointer?
    var statement: OpaquePointer?
    defer {
        sqlite3_finalize(statement)
        sqlite3_close(connection)
    }
    guard sqlite3_open(path, &connection) == SQLITE_OK,
        sqlite3_prepare_v2(connection, query, -1, &statement, nil) == SQLITE_OK
    else { throw StoreFailure("sqlite", String(cString: sqlite3_errmsg(connection))) }
    var found: [String] = []
    while sqlite3_step(statement) == SQLITE_ROW { found.append(String(cString: sqlite3_column_text(statement, 0))) }
    return found
}
