package import FogCore
package import FogJobs
package import FogLedger
package import FogPlacement
package import FogStore

/// What people look at.
extension Coordinator {
    // MARK: Jobs

    /// Tasks that have a row, by number.
    package func tasks(
        of id: JobID, after number: UInt32?, states: Set<TaskState>?, limit: Int, for principal: Principal
    )
        async throws -> [TaskRecord]
    {
        _ = try await job(id, for: principal)
        let stored = try await store.tasks(of: id, after: number, states: states, limit: min(max(1, limit), 1000))
        return stored.map { core.jobs[id]?.tasks[$0.id.number]?.record ?? $0 }
    }

    package func attempts(of id: JobID, task: UInt32?, after: AttemptID?, limit: Int, for principal: Principal)
        async throws -> [AttemptRecord]
    {
        _ = try await job(id, for: principal)
        return try await store.attempts(of: id, task: task, after: after, limit: min(max(1, limit), 1000))
    }

    /// The attempt whose output people want to see: the winner, else the newest.
    package func attemptToShow(of id: JobID, task: UInt32, for principal: Principal) async throws -> AttemptRecord? {
        let all = try await attempts(of: id, task: task, after: nil, limit: 1000, for: principal)
        return all.last { $0.outcome == .success } ?? all.last
    }

    package func liveState(of attempt: AttemptID) -> AttemptState? {
        guard let task = core.jobs[attempt.task.job]?.tasks[attempt.task.number] else { return nil }
        if task.isHeld(attempt) { return .validating }
        return task.attempt.flatMap { $0.record.id == attempt ? $0.state : nil }
    }

    /// Events after a cursor; waits for the first when there is none yet.
    package func events(after sequence: UInt64, job id: JobID?, limit: Int, wait: TimeSpan, for principal: Principal)
        async throws -> [EventRecord]
    {
        if let id {
            _ = try await job(id, for: principal)
        } else if !principal.may(.seeHistory) {
            throw CoordinatorFailure("forbidden", "events of all jobs are for operators and auditors")
        }
        let deadline = clock.sinceBoot + wait
        while true {
            let seen = eventCommits
            let found = try await store.events(after: sequence, job: id, limit: min(max(1, limit), 1000))
            let left = deadline - clock.sinceBoot
            if !found.isEmpty || left <= .zero || Task.isCancelled { return found }
            await waitForEvent(after: seen, atMost: left)
        }
    }

    // MARK: Nodes

    package struct NodeStatus: Sendable {
        package var row: NodeRow
        package var liveness: String
        package var allowance: Allowance?
        package var leases: Int
        package var whyClosed: String?
        package var ownerName: String
        /// What placement counts on for tasks without a device.
        package var trust: Double
        /// Of one node alone: why its trust is what it is.
        package var reputation: [CapabilityClass: ReputationAccount] = [:]
    }

    package func nodes(for principal: Principal) -> [NodeStatus] {
        let now = now
        return core.nodes.values.sorted { ($0.row.report.name, $0.row.id) < ($1.row.report.name, $1.row.id) }.map {
            node in
            NodeStatus(
                row: node.row, liveness: node.liveness.rawValue, allowance: node.allowance, leases: node.leases.count,
                whyClosed: core.outOfBounds(node, at: now) ?? node.whyClosed(at: now.wall),
                ownerName: core.ownerName(of: node), trust: core.trust(of: node, .cpu, at: now))
        }
    }

    /// A node by id, unique prefix or name. A machine that left for good and came back with another key is another node
    /// of the same name: the name is then the new one's.
    package func node(_ reference: String, for principal: Principal) throws -> NodeStatus {
        let all = nodes(for: principal).filter {
            $0.row.id.description.hasPrefix(reference) || $0.row.report.name == reference
        }
        let standing = all.filter { $0.row.standing != .revoked }
        let matches = standing.isEmpty ? all : standing
        guard var only = matches.first else { throw CoordinatorFailure.notFound }
        guard matches.count == 1 else {
            throw CoordinatorFailure("ambiguous", "`\(reference)` names \(matches.count) nodes")
        }
        for capability in CapabilityClass.allCases {
            let known = core.reputations[.init(node: only.row.id, capability: capability)]
            guard known != nil || capability == .cpu else { continue }
            only.reputation[capability] = ReputationAccount(of: known, at: now.wall)
        }
        return only
    }

    package func set(_ standing: NodeRow.Standing, of reference: String, by principal: Principal) async throws
        -> NodeStatus
    {
        let id = try node(reference, for: principal).row.id
        _ = try await perform { core, now throws(CoordinatorFailure) in
            try core.set(standing, of: id, by: principal, at: now)
        }
        return try node(id.description, for: principal)
    }

    // MARK: Principals

    package func principal(_ id: KeyID) -> Principal? { core.principal(id) }

    /// Also one that is suspended or revoked.
    package func known(_ id: KeyID) -> Principal? { core.principals[id] }

    /// Lets in a key of this machine, which signs for it here and now.
    package func enrol(
        _ newcomer: SigningKey, name: String, roles: Set<Role>, account: AccountID?
    ) async throws -> Principal {
        let authorisation = try statement("enrol", by: newcomer)
        return try await perform { core, now throws(CoordinatorFailure) in
            try core.enrol(
                key: newcomer.publicKey, name: name, roles: roles, account: account, authorisation: authorisation,
                at: now)
        }
    }

    /// What a key of this machine asks for without a request.
    package func statement(_ act: String, by asker: SigningKey) throws -> Authorisation {
        try LocalStatement(act, of: asker.publicKey, to: key, at: clock.now).signed(by: asker)
    }

    // MARK: Ledger

    package func account(_ id: AccountID) async throws -> Account {
        if let open = core.ledger.account(id) { return open }
        guard let stored = try await store.account(id) else { throw CoordinatorFailure.notFound }
        return stored
    }

    /// An account by id or by the name of a principal that owns it.
    package func account(named reference: String, for principal: Principal) async throws -> Account {
        let id: AccountID
        if let exact = try? AccountID(reference) {
            id = exact
        } else if let owner = core.principals.values.first(where: { $0.name == reference }) {
            id = owner.account
        } else {
            throw CoordinatorFailure.notFound
        }
        guard id == principal.account || principal.mayForEverybody(.seeAccounts) else {
            throw CoordinatorFailure.notFound
        }
        return try await account(id)
    }

    /// The evidence of an attempt's end: for whoever sees the job, for the account that was paid, and for auditors.
    package func receipt(of id: AttemptID, for principal: Principal) async throws -> (AttemptRecord, EvidenceDocument) {
        guard let attempt = try await store.attempt(id), let digest = attempt.receipt,
            let document = try await store.evidence(digest)
        else { throw CoordinatorFailure.notFound }
        if attempt.payee != principal.account {
            _ = try await job(id.task.job, for: principal, asking: .seeReceipts)
        }
        return (attempt, document)
    }

    package func history(of id: AccountID, before: UInt64?, limit: Int) async throws -> [StoredLedgerRecord] {
        try await store.ledgerRecords(of: id, before: before, limit: min(max(1, limit), 1000))
    }

    package func grant(
        _ amount: Credits, to id: AccountID, reason: String, by principal: Principal,
        authorisation: Authorisation = .none
    ) async throws -> Account {
        let document = try GrantDocument(
            account: id, amount: amount, time: clock.now, reason: reason, signedBy: signingKey)
        return try await perform { core, now throws(CoordinatorFailure) in
            try core.grant(document, by: principal, authorisation: authorisation, at: now)
        }
    }

    /// Replays the whole log and compares it with every projection.
    ///
    /// One runs at a time: whoever asks meanwhile gets the same answer.
    /// - Parameter since: judge only what was added since the log had so many records.
    /// - Parameter verifiesRequests: also the signature of who asked for each record, some 60 us each.
    package func audit(since: UInt64? = nil, verifiesRequests: Bool = true) async throws -> AuditReport {
        // What was answered before is part of what is checked.
        try await durable(ticket())
        if since != nil || !verifiesRequests {
            return try await partialAudit(since: since, verifiesRequests: verifiesRequests)
        }
        if let running = runningAudit { return try await running.value }
        let auditor = LedgerAuditor(store: store, coordinator: key)
        let audit = Task { try await auditor.run() }
        runningAudit = audit
        defer { runningAudit = nil }
        return try await audit.value
    }

    private func partialAudit(since: UInt64?, verifiesRequests: Bool) async throws -> AuditReport {
        while let running = runningPartialAudit { _ = try? await running.value }
        let auditor = LedgerAuditor(
            store: store, coordinator: key, since: since, verifiesRequests: verifiesRequests)
        let audit = Task { try await auditor.run() }
        runningPartialAudit = audit
        defer { runningPartialAudit = nil }
        return try await audit.value
    }

    // MARK: Figures

    package struct Figures: Sendable {
        package var openJobs: Int
        package var tasks: [TaskState: Int]
        package var nodes: [String: Int]
        package var waitingPolls: Int
        package var commits: Int
        /// Of the database files, by this process.
        package var syncs: Int64
        package var grants: Int
        package var completions: Int
        package var ledgerRecords: UInt64
        /// Of the operator's hook; nil when there is none.
        package var notices: Notifier.Counts?
    }

    package func figures() -> Figures {
        let counts = core.jobs.values.reduce(TaskCounts()) { $0 + $1.record.progress.counts }
        return Figures(
            openJobs: core.jobs.count, tasks: counts.counts,
            nodes: Dictionary(core.nodes.values.map { ($0.liveness.rawValue, 1) }, uniquingKeysWith: +),
            waitingPolls: pollers.count, commits: commits, syncs: DiskCounts.total.syncs,
            grants: core.grants, completions: core.completions,
            ledgerRecords: core.ledger.head.count, notices: notifier?.counts)
    }
}
