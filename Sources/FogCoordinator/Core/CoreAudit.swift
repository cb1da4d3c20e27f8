package import FogCore
internal import FogJobs
internal import FogLedger
internal import FogPlacement

/// A result that differs from an answer which was known before it was asked for: cheating, or a broken machine.
package struct Fraud: Hashable, Sendable {
    package var attempt: AttemptID
    package var node: NodeID
    /// The account behind the machine.
    package var owner: AccountID
    /// The signed receipt of the wrong result, and that of the right one: both are kept as evidence.
    package var receipt: Digest?
    package var known: Digest?
    /// When it was granted, and what it would have been paid at most.
    package var grantedAt: Timestamp
    package var gain: Credits

    init(_ wrong: AttemptRecord, against right: AttemptRecord) {
        attempt = wrong.id
        node = wrong.node
        owner = wrong.payee
        receipt = wrong.receipt
        known = right.receipt
        grantedAt = wrong.grantedAt
        gain = wrong.priceBound
    }
}

/// Audits: tasks whose answer the coordinator knows already.
///
/// A trusted node's result is kept back, and the task is given to a stranger's node as another try. Its lease looks like any
/// other second try, so that nobody can be honest in audits only. Whatever comes of it, the known result counts.
extension CoordinatorCore {
    /// Whether a result that counts by itself is asked of a stranger's machine first.
    ///
    /// Only in steps of which other tasks are to do, so that nobody waits for an audit; and only where owners have been
    /// seen to agree and never to differ, since a task whose results vary proves nothing.
    mutating func wantsAudit(_ attempt: AttemptRecord, of task: ActiveTask, in job: ActiveJob, at now: Moment) -> Bool {
        let step = job.steps[task.step], progress = job.record.progress.steps[task.step]
        guard strangers > 0, step.spec.verify == .auto, progress.count >= rules.auditLeastTasks,
            progress.untouched > 0, step.agreed > 0, step.differed == 0, task.owners.isEmpty,
            job.record.progress.cancelReason == nil, isKnownHonest(attempt, of: job.record)
        else { return false }
        guard Double.random(in: 0..<1, using: &generator) < rules.auditChance else { return false }
        return othersMayAnswer(for: task.step, in: job, beside: [attempt.payee], onlyStrangers: true, at: now)
    }

    /// The known result counts when the audit came to nothing. False = there was none.
    mutating func endAudit(of number: UInt32, in job: inout ActiveJob, at now: Moment) -> Bool {
        guard let held = job.tasks[number]?.record.trail?.held,
            let known = held.first(where: { isKnownHonest($0, of: job.record) })
        else { return false }
        judgeHeld(by: known, of: &job, at: now)
        win(known, of: &job)
        settle(number, of: &job, outcome: .success, exitCode: known.exitCode, at: now)
        return true
    }

    /// The one place where cheating is known beyond doubt: here a stake is lost, so much of it that cheating does not pay
    /// at the chance of being found out.
    mutating func proven(_ fraud: Fraud, at now: Moment) {
        var lost = Credits.zero
        if rules.economy, let receipt = fraud.receipt {
            let chain = Staking.slash(
                forfeit(for: fraud), of: fraud.owner, subject: Self.subject(of: fraud.attempt), evidence: receipt,
                grantedAt: fraud.grantedAt, in: ledger)
            if !chain.isEmpty {
                let before = Staking.atRisk(of: fraud.owner, in: ledger).reduce(0) { $0 + $1.balance.micro }
                must(post(chain, at: now), "what is at risk can be taken")
                let after = Staking.atRisk(of: fraud.owner, in: ledger).reduce(0) { $0 + $1.balance.micro }
                lost = Credits(micro: before - after)
            }
        }
        note(
            "fraud_proven", at: now, job: fraud.attempt.task.job, task: fraud.attempt.task.number,
            token: fraud.attempt.token, node: fraud.node,
            detail: [
                "owner": fraud.owner.description, "receipt": fraud.receipt?.description ?? "",
                "known": fraud.known?.description ?? "",
                "slashed": lost.description,
            ])
    }

    private func forfeit(for fraud: Fraud) -> Credits {
        let chance = min(1, rules.auditChance)
        guard chance > 0 else { return PriceBound.maximum }
        let least = Replication.leastStake(gain: Double(fraud.gain.micro), detection: chance)
        guard least < Double(PriceBound.maximum.micro) else { return PriceBound.maximum }
        return max(fraud.gain, Credits(micro: Int64(least)))
    }

    // MARK: - Who else may answer

    /// Whether a machine of somebody who has not answered could take a task of the step, now or when it is free.
    func othersMayAnswer(
        for step: Int, in job: ActiveJob, beside owners: [AccountID], onlyStrangers: Bool = false, at now: Moment
    ) -> Bool {
        let shape = shape(of: job, step: step, at: now)
        let heads = Set(owners.map { kinship.head(of: $0) })
        return nodes.values.contains { node in
            guard node.whyClosed(at: now.wall) == nil, !heads.contains(kinship.head(of: node.row.owner)),
                !onlyStrangers || (!node.row.trusted && node.row.owner != job.record.account)
            else { return false }
            return Feasibility.failures(of: shape, on: nodeRecord(node, at: now), now: now.wall).allSatisfy {
                $0.permanence == .notNow
            }
        }
    }

    /// Tasks whose results wait for somebody who is not there any more are decided by what there is; those that waited
    /// for somebody to come go on when he has.
    mutating func weighAwaiting(at now: Moment) {
        guard !awaiting.isEmpty, now.boot >= nextAwaitingReview else { return }
        nextAwaitingReview = now.boot + .seconds(1)
        for (id, since) in awaiting.sorted(by: { $0.key < $1.key }) {
            let isKnown = withJob(id.job) { core, job in
                core.weigh(id.number, of: &job, since: since, at: now)
            }
            if isKnown != true { awaiting[id] = nil }
        }
    }

    /// False = it does not wait any more.
    private mutating func weigh(
        _ number: UInt32, of job: inout ActiveJob, since: TimeSpan, at now: Moment
    ) -> Bool {
        guard let task = job.tasks[number], !task.owners.isEmpty,
            job.steps[task.step].spec.verify == .auto
        else { return false }
        let isAudit = task.record.trail?.held.contains { isKnownHonest($0, of: job.record) } ?? false
        let isOverdue =
            now.boot - since >= rules.copyPatience
            || (isAudit && job.record.progress.steps[task.step].untouched == 0)
        switch task.record.state {
        case .ready where isOverdue || !othersMayAnswer(for: task.step, in: job, beside: task.owners, at: now):
            if var orphan = task.attempt {
                end(&orphan, of: &job, as: .workerLost, detail: "no word from the node", at: now)
                job.tasks[number]?.attempt = nil
            }
            if !endAudit(of: number, in: &job, at: now) { judge(number, of: &job, isLast: true, at: now) }
        case .held where task.record.heldReason?.hasPrefix(Self.fewOwners) == true:
            guard othersMayAnswer(for: task.step, in: job, beside: task.owners, at: now) else { return true }
            awaiting[task.record.id] = now.boot
            move(number, of: &job, to: .ready, at: now)
            saveProgress(of: job)
        default: break
        }
        return job.tasks[number]?.owners.isEmpty == false
    }

    // MARK: - Kinship

    /// Whether an owner counts as one with somebody whose result of the task is held.
    func isKin(_ owner: AccountID, of task: ActiveTask) -> Bool {
        !task.owners.isEmpty && task.owners.contains { kinship.areKin($0, owner) }
    }

    mutating func refreshKinship() {
        guard isKinshipStale else { return }
        isKinshipStale = false
        strangers = nodes.values.count { !$0.row.trusted }
        let areLinked = rules.addressesLinkOwners
        kinship = Kinship(
            machines: nodes.values.map { node in
                (owner: node.row.owner, block: areLinked ? node.origin.flatMap { AddressBlock($0) } : nil)
            }, links: stakeLinks.links)
    }
}
