package import FogCore
package import FogJobs
package import FogLedger
internal import FogStore

/// What people ask of jobs and machines.
extension CoordinatorCore {
    // MARK: Jobs

    /// - Throws: `not_found`, or `conflict` when every task is final.
    package mutating func cancel(_ id: JobID, reason: String, by principal: Principal, at now: Moment)
        throws(CoordinatorFailure) -> JobRecord
    {
        try change(id, by: principal) { core, job in
            if job.record.progress.cancelReason == nil { core.cancelAll(&job, reason: reason, at: now) }
        }
    }

    package mutating func hold(_ id: JobID, reason: String, by principal: Principal, at now: Moment)
        throws(CoordinatorFailure) -> JobRecord
    {
        try change(id, by: principal) { core, job in core.hold(&job, because: reason, at: now) }
    }

    /// Lets a held job and its held tasks go on.
    package mutating func release(_ id: JobID, by principal: Principal, at now: Moment)
        throws(CoordinatorFailure) -> JobRecord
    {
        try change(id, by: principal) { core, job in
            // What a quota holds, only room lets go on.
            job.record.progress.held = core.quotaReason(for: job)
            for number in job.tasks.keys.sorted() where job.tasks[number]?.record.state == .held {
                core.releaseHeld(of: number, in: &job, as: .superseded, at: now)
                job.tasks[number]?.record.hostFailures = 0
                job.tasks[number]?.record.evictions = 0
                core.move(number, of: &job, to: .ready, at: now)
            }
            core.note("job_released", at: now, job: id)
            core.saveProgress(of: job)
            core.placementWanted = true
        }
    }

    /// Raises the budget; a job that was held for money goes on.
    package mutating func fund(_ id: JobID, adding amount: Credits, by principal: Principal, at now: Moment)
        throws(CoordinatorFailure) -> JobRecord
    {
        try change(id, by: principal) { core, job in
            job.record.progress.budget = Credits(micro: job.record.progress.budget.micro + amount.micro)
            if let held = job.record.progress.held, held.hasPrefix("budget") || held.hasPrefix("insufficient_funds") {
                job.record.progress.held = nil
            }
            core.note("job_funded", at: now, job: id, detail: ["credits": amount.description])
            core.saveProgress(of: job)
            core.placementWanted = true
        }
    }

    /// Keeps a job's history for so long from now, also when retention would let it go; zero takes that back.
    ///
    /// - Parameter record: the job as it is stored, for one that is over and has left memory.
    /// - Throws: `not_found`, or `bad_time` beyond ``CoordinatorConfiguration/mostKept``.
    package mutating func keep(_ record: JobRecord, for span: TimeSpan, by principal: Principal, at now: Moment)
        throws(CoordinatorFailure) -> JobRecord
    {
        guard span >= .zero, span <= rules.mostKept else {
            throw CoordinatorFailure("bad_time", "`for` must be 0 to \(rules.mostKept.brief), found \(span.brief)")
        }
        let until = span == .zero ? nil : now.wall + span
        let detail = ["until": until?.description ?? ""]
        if jobs[record.id] != nil {
            return try change(record.id, by: principal) { core, job in
                job.record.progress.keptUntil = until
                core.note("job_kept", at: now, job: job.record.id, detail: detail)
                core.saveProgress(of: job)
            }
        }
        guard record.account == principal.account || principal.mayForEverybody(.changeJobs) else { throw .notFound }
        var record = record
        record.progress.keptUntil = until
        change.progress[record.id] = record.progress
        note("job_kept", at: now, job: record.id, detail: detail)
        return record
    }

    private mutating func change(
        _ id: JobID, by principal: Principal, _ body: (inout CoordinatorCore, inout ActiveJob) -> Void
    ) throws(CoordinatorFailure) -> JobRecord {
        guard visible(id, to: principal, asking: .changeJobs) != nil else { throw .notFound }
        let record = withJob(id) { core, job in
            body(&core, &job)
            return job.record
        }
        guard let record else { throw .notFound }
        return record
    }

    // MARK: Machines

    package mutating func set(_ standing: NodeRow.Standing, of id: NodeID, by principal: Principal, at now: Moment)
        throws(CoordinatorFailure) -> NodeRow
    {
        guard var node = nodes[id], node.row.owner == principal.account || principal.mayForEverybody(.changeMachines)
        else { throw .notFound }
        guard node.row.standing != .revoked else {
            throw CoordinatorFailure("conflict", "the node is revoked, which nothing undoes")
        }
        node.row.standing = standing
        orderedNodes.insert(node.row.id)
        if standing == .active { node.row.probationUntil = nil }
        if standing != .active { node.plan = [] }
        save(node)
        note("node_\(standing.rawValue)", at: now, node: id)
        placementWanted = true
        return node.row
    }

    // MARK: Principals and money

    /// The first records of a new ledger: the system's accounts and the coordinator's own key, which signs grants.
    @discardableResult
    package mutating func openBooks(at now: Moment) -> LedgerRefusal? {
        post(LedgerEntry.systemAccounts + [coordinatorEnrolment], at: now)
    }

    /// Enrols a key: a principal, its account when it has none, and a record in the ledger.
    ///
    /// - Parameter authorisation: what the newcomer signed, or the admin who lets it in.
    /// - Parameter gift: asked for the grant of credits that comes with it, nil for none; both are one chain.
    @discardableResult
    package mutating func enrol(
        key: PublicKey, name: String, roles: Set<Role>, account: AccountID?, authorisation: Authorisation = .none,
        at now: Moment,
        with gift: (AccountID) throws(CoordinatorFailure) -> GrantDocument? = { _ in nil }
    ) throws(CoordinatorFailure) -> Principal {
        if let known = principals[key.id] {
            guard known.revokedAt == nil else { throw CoordinatorFailure("forbidden", "the key is revoked") }
            return known
        }
        var chain: [LedgerEntry] = []
        let owner = account ?? AccountID(at: now.wall, using: &generator)
        if ledger.account(owner) == nil {
            chain.append(
                LedgerEntry(.open(AccountOpening(id: owner, kind: .user, owner: SubjectID(digestOf: key.bytes)))))
        }
        chain.append(
            LedgerEntry(
                .enrol(KeyEnrolment(key: key, roles: LedgerRoles(roles), owner: owner)),
                subject: SubjectID(digestOf: key.bytes), authorisation: authorisation))
        let given = try gift(owner)
        if let given { chain.append(given.entry()) }
        if let refusal = post(chain, at: now) { throw CoordinatorFailure(refusal.code, refusal.message) }
        if let given {
            change.evidence.append(given.document)
            note("credits_granted", at: now, detail: ["amount": given.amount.description])
        }
        let principal = Principal(key: key, name: name, roles: roles, account: owner, enrolledAt: now.wall)
        save(principal)
        note(
            "key_enrolled", at: now,
            detail: ["key": key.id.description, "roles": roles.map(\.rawValue).sorted().joined(separator: "+")])
        return principal
    }

    /// Issues credits to an account; the signed document is the evidence, and a repeated one is one grant.
    package mutating func grant(
        _ document: GrantDocument, by principal: Principal, authorisation: Authorisation = .none, at now: Moment
    ) throws(CoordinatorFailure) -> Account {
        guard principal.may(.grantCredits) else {
            throw CoordinatorFailure("forbidden", "only an admin grants credits")
        }
        var entry = document.entry()
        entry.authorisation = authorisation
        if let refusal = post([entry], at: now) {
            throw CoordinatorFailure(refusal.code, refusal.message)
        }
        change.evidence.append(document.document)
        note("credits_granted", at: now, detail: ["amount": document.amount.description])
        placementWanted = true
        guard let result = ledger.account(document.account) else { throw .notFound }
        return result
    }
}

extension LedgerRoles {
    /// The ledger keeps roles as bits.
    init(_ roles: Set<Role>) {
        self = []
        for role in roles {
            switch role {
            case .client: insert(.client)
            case .worker: insert(.worker)
            case .mixnode: insert(.mixnode)
            case .coordinator: insert(.coordinator)
            case .witness: insert(.witness)
            case .auditor: insert(.auditor)
            case .guardian: insert(.guardian)
            case .admin: insert(.admin)
            }
        }
    }
}
