package import FogCore
package import FogJobs

/// What happens now, in one look.
package struct Overview: Sendable {
    /// The queue of one account.
    package struct Queue: Sendable {
        package var account: AccountID
        package var name: String
        package var jobs = 0
        package var held = 0
        package var tasks = TaskCounts()
    }

    /// A task that has a lease.
    package struct Running: Sendable {
        package var attempt: AttemptID
        package var jobName: String
        package var account: AccountID
        package var node: String
        package var state: AttemptState
        package var since: Timestamp
    }

    package var time: Timestamp
    /// Since the coordinator's start.
    package var granted: Int
    package var accepted: Int
    /// The longest queue first.
    package var queues: [Queue]
    /// The longest running first.
    package var running: [Running]
    /// Leases in all; ``running`` holds the first of them.
    package var leases: Int
}

extension Coordinator {
    private static let shownTasks = 200
    private static let shownAccounts = 200

    /// Queues and running tasks that the principal may see: its account's, or everybody's for operators and auditors.
    package func overview(for principal: Principal) -> Overview {
        let everybody = principal.mayForEverybody(.seeJobs)
        var queues: [AccountID: Overview.Queue] = [:]
        var running: [Overview.Running] = []
        for job in core.jobs.values where everybody || job.record.account == principal.account {
            let account = job.record.account
            var queue = queues[account] ?? Overview.Queue(account: account, name: core.accountName(account))
            queue.jobs += 1
            queue.held += job.record.progress.held == nil ? 0 : 1
            queue.tasks = queue.tasks + job.record.progress.counts
            queues[account] = queue
            for task in job.tasks.values {
                guard let attempt = task.attempt, !attempt.isOrphan else { continue }
                running.append(
                    Overview.Running(
                        attempt: attempt.record.id, jobName: job.record.name, account: account,
                        node: core.nodes[attempt.record.node]?.row.report.name ?? "", state: attempt.state,
                        since: attempt.record.grantedAt))
            }
        }
        let leases = running.count
        running.sort { ($0.since, $0.attempt) < ($1.since, $1.attempt) }
        let waiting = queues.values.sorted {
            ($1.tasks.total - $1.tasks.final, $0.name) < ($0.tasks.total - $0.tasks.final, $1.name)
        }
        return Overview(
            time: clock.now, granted: core.grants, accepted: core.completions,
            queues: Array(waiting.prefix(Self.shownAccounts)), running: Array(running.prefix(Self.shownTasks)),
            leases: leases)
    }

    /// Gives labels to a machine or takes them away.
    package func label(_ reference: String, _ changes: [String: String?], by principal: Principal) async throws
        -> NodeStatus
    {
        let id = try node(reference, for: principal).row.id
        try await perform { core, now throws(CoordinatorFailure) in
            try core.label(id, changes, by: principal, at: now)
        }
        return try node(id.description, for: principal)
    }

    /// Trusts a machine, or takes that back.
    package func trust(_ isTrusted: Bool, _ reference: String, by principal: Principal) async throws -> NodeStatus {
        let id = try node(reference, for: principal).row.id
        try await perform { core, now throws(CoordinatorFailure) in
            try core.trust(isTrusted, id, by: principal, at: now)
        }
        return try node(id.description, for: principal)
    }
}

extension CoordinatorCore {
    func accountName(_ account: AccountID) -> String { owners[account] ?? account.description }

    /// - Throws: `not_found`, `bad_label`, `too_many`.
    package mutating func label(
        _ id: NodeID, _ changes: [String: String?], by principal: Principal, at now: Moment
    ) throws(CoordinatorFailure) {
        guard var node = nodes[id], node.row.owner == principal.account || principal.mayForEverybody(.changeMachines)
        else { throw .notFound }
        do {
            node.row.labels = try NodeLabels.changed(node.row.labels, by: changes)
        } catch {
            throw CoordinatorFailure(error.code, error.message)
        }
        node.plan = []
        save(node)
        note(
            "node_labelled", at: now, node: id,
            detail: ["labels": NodeLabels.words(node.row.labels).joined(separator: " ")])
        placementWanted = true
    }

    /// Results of a trusted machine count alone, and it is told secrets. Leases that it holds stay as they are; what was
    /// planned for it is planned anew.
    /// - Throws: `not_found`, `conflict` for a revoked one.
    package mutating func trust(
        _ isTrusted: Bool, _ id: NodeID, by principal: Principal, at now: Moment
    ) throws(CoordinatorFailure) {
        guard var node = nodes[id], principal.mayForEverybody(.trustMachines) else { throw .notFound }
        guard node.row.standing != .revoked else {
            throw CoordinatorFailure("conflict", "the node is revoked, which nothing undoes")
        }
        guard node.row.trusted != isTrusted else { return }
        node.row.trusted = isTrusted
        isKinshipStale = true
        node.plan = []
        save(node)
        note(isTrusted ? "node_trusted" : "node_distrusted", at: now, node: id, detail: ["by": principal.name])
        placementWanted = true
    }
}
