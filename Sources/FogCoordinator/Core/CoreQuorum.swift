internal import FogCore
internal import FogJobs
internal import FogPlacement
internal import FogStore

/// Results that must agree before one of them counts (`verify`).
///
/// A result is taken and its receipt kept at once, but its attempt ends, is seen and is paid only with the verdict. Until
/// then the lease's reservation stands, so that the money is there.
extension CoordinatorCore {
    /// Whether a result needs others beside it: machines that are known to be honest count by themselves. Of others one
    /// is compared the less often the more of its results in a row were right, and never where nobody else is there.
    mutating func wantsOthers(_ attempt: AttemptRecord, of task: ActiveTask, in job: ActiveJob, at now: Moment) -> Bool
    {
        guard !isKnownHonest(attempt, of: job.record) else { return false }
        switch job.steps[task.step].spec.verify {
        case .none: return false
        case .owners(let count): return count > 1
        case .auto:
            guard task.owners.isEmpty else { return true }
            let key = Reputation.Key(node: attempt.node, capability: CapabilityClass(of: demand(of: task, in: job)))
            let chance = Replication.chance(validInARow: reputations[key]?.validInARow ?? 0)
            guard Double.random(in: 0..<1, using: &generator) < max(Replication.leastChance, chance) else {
                return false
            }
            return othersMayAnswer(for: task.step, in: job, beside: [attempt.payee], at: now)
        }
    }

    /// Takes a result that does not count by itself: the task waits for another owner's, or all results are judged.
    mutating func hold(_ attempt: LiveAttempt, of job: inout ActiveJob, at now: Moment) {
        let number = attempt.record.id.task.number
        guard let step = job.tasks[number]?.step, let usage = attempt.record.usage else { return }
        job.tasks[number]?.attempt = nil
        job.steps[step].out -= 1
        if nodes[attempt.record.node]?.leases.remove(attempt.record.id) != nil {
            nodes[attempt.record.node]?.release(attempt.demand)
        }
        var record = attempt.record
        record.paid = price(of: usage, attempt: attempt, until: now.wall)
        var trail = job.tasks[number]?.record.trail ?? WorkTrail()
        trail.held.append(record)
        job.tasks[number]?.record.trail = trail
        // A copy that went on from another owner's work would prove nothing.
        job.tasks[number]?.record.checkpoint = nil
        job.checkpointFiles[number] = nil
        placementWanted = true
        note(
            "result_held", at: now, job: job.record.id, task: number, token: record.id.token, node: record.node,
            detail: ["results": "\(trail.held.count)", "wanted": job.steps[step].spec.verify.wantedWords])
        judge(number, of: &job, at: now)
    }

    /// Decides over what is held of a task, if it can be decided.
    ///
    /// - Parameter isLast: no further result is to be waited for.
    mutating func judge(_ number: UInt32, of job: inout ActiveJob, isLast: Bool = false, at now: Moment) {
        guard let task = job.tasks[number], task.attempt == nil, !task.owners.isEmpty else { return }
        let held = task.record.trail?.held ?? []
        let verdict = verdict(on: held, of: task, in: job, isLast: isLast, at: now)
        if job.record.progress.cancelReason != nil, !verdict.isAccepted {
            return settle(number, of: &job, outcome: .cancelled, exitCode: nil, at: now)
        }
        awaiting[task.record.id] = nil
        switch verdict {
        case .quorum(.wait):
            awaiting[task.record.id] = now.boot
            move(number, of: &job, to: .ready, at: now)
            if let record = job.tasks[number]?.record { save(record) }
            saveProgress(of: job)
        case .quorum(.accept(let winner, let equal, let others)):
            accept(held[winner], of: number, in: &job, equal: equal, others: others, at: now)
        case .quorum(.disagree(let different)):
            holdTask(
                number, of: &job,
                "needs_review: \(held.count) owners gave \(different) different results; a task whose results differ by "
                    + "nature wants verify: none", at: now)
        case .needsOwners(let has):
            awaiting[task.record.id] = now.boot
            holdTask(number, of: &job, "\(Self.fewOwners): has \(has), needs \(has + 1)", at: now)
        }
    }

    private func verdict(
        on held: [AttemptRecord], of task: ActiveTask, in job: ActiveJob, isLast: Bool, at now: Moment
    ) -> AdaptiveQuorum.Verdict {
        let digests = held.map { manifestDigest($0.outputs) }
        // An answer that is known decides over all others.
        if let known = held.firstIndex(where: { isKnownHonest($0, of: job.record) }) {
            guard held.count > 1 else { return .quorum(.wait) }
            let judged = Quorum.decide(digests, by: digests[known])
            return .quorum(.accept(winner: known, equal: judged.equal, others: judged.others))
        }
        let spec = job.steps[task.step].spec
        if case .owners(let wanted) = spec.verify { return .quorum(Quorum.decide(digests, wanted: wanted)) }
        let capability = CapabilityClass(of: demand(of: task, in: job))
        let claims = zip(held, digests).map { record, digest in
            AdaptiveQuorum.Claim(
                result: digest,
                trust: nodes[record.node].map { trust(of: $0, capability, at: now) } ?? Reputation.newcomer)
        }
        let mayAnswer = !isLast && othersMayAnswer(for: task.step, in: job, beside: task.owners, at: now)
        return AdaptiveQuorum.decide(claims, sla: job.spec.sla, othersMayAnswer: mayAnswer)
    }

    private mutating func accept(
        _ winner: AttemptRecord, of number: UInt32, in job: inout ActiveJob, equal: [Int], others: [Int],
        at now: Moment
    ) {
        if let step = job.tasks[number]?.step {
            job.steps[step].agreed += equal.count > 1 ? 1 : 0
            job.steps[step].differed += others.isEmpty ? 0 : 1
        }
        endHeld(of: number, in: &job, equal: equal, others: others, against: winner, at: now)
        win(winner, of: &job)
        settle(number, of: &job, outcome: .success, exitCode: winner.exitCode, at: now)
    }

    /// A result that counts by itself decides over those held before it.
    mutating func judgeHeld(by honest: AttemptRecord, of job: inout ActiveJob, at now: Moment) {
        let number = honest.id.task.number
        guard let held = job.tasks[number]?.record.trail?.held, !held.isEmpty else { return }
        let verdict = Quorum.decide(held.map { manifestDigest($0.outputs) }, by: manifestDigest(honest.outputs))
        awaiting[honest.id.task] = nil
        endHeld(of: number, in: &job, equal: verdict.equal, others: verdict.others, against: honest, at: now)
    }

    /// Ends what is held of a task that came to another end, or that begins anew: nobody is paid.
    mutating func releaseHeld(of number: UInt32, in job: inout ActiveJob, as outcome: Outcome, at now: Moment) {
        let held = takeHeld(of: number, in: &job)
        for record in held { end(record, of: &job, as: outcome, isPaid: false, at: now) }
    }

    /// Ends what is held of a machine whose key is revoked: its receipts prove nothing any more.
    mutating func dropHeld(by node: NodeID, at now: Moment) {
        for id in jobs.keys.sorted() {
            _ = withJob(id) { core, job in
                for number in job.tasks.keys.sorted() {
                    guard let held = job.tasks[number]?.record.trail?.held, held.contains(where: { $0.node == node })
                    else { continue }
                    job.tasks[number]?.record.trail?.held.removeAll { $0.node == node }
                    for var record in held where record.node == node {
                        record.receipt = nil
                        core.end(record, of: &job, as: .workerLost, isPaid: false, at: now)
                    }
                    if job.tasks[number]?.record.trail == WorkTrail() { job.tasks[number]?.record.trail = nil }
                    if job.tasks[number]?.owners.isEmpty == true { core.awaiting[job.taskID(number)] = nil }
                    if let record = job.tasks[number]?.record { core.save(record) }
                }
            }
        }
    }

    private mutating func endHeld(
        of number: UInt32, in job: inout ActiveJob, equal: [Int], others: [Int], against winner: AttemptRecord,
        at now: Moment
    ) {
        let held = takeHeld(of: number, in: &job)
        // The answer was known before a copy of it was asked for.
        let isAudit = held.first.map { $0.id == winner.id && isKnownHonest($0, of: job.record) } ?? false
        for place in equal {
            let standing: Standing = equal.count == 1 ? .alone : isAudit ? .knownAnswer : .amongOthers
            end(held[place], of: &job, as: .success, standing: standing, isPaid: true, at: now)
            didWell(held[place].node, at: now)
        }
        for place in others {
            end(
                held[place], of: &job, as: .rejectedByQuorum, standing: isAudit ? .knownAnswer : .amongOthers,
                isPaid: false, at: now)
            fault(of: held[place].node, at: now)
            if isAudit { proven(Fraud(held[place], against: winner), at: now) }
        }
    }

    private mutating func takeHeld(of number: UInt32, in job: inout ActiveJob) -> [AttemptRecord] {
        let held = job.tasks[number]?.record.trail?.held ?? []
        job.tasks[number]?.record.trail?.held = []
        awaiting[job.taskID(number)] = nil
        return held
    }

    private mutating func end(
        _ record: AttemptRecord, of job: inout ActiveJob, as outcome: Outcome, standing: Standing = .alone,
        isPaid: Bool, at now: Moment
    ) {
        guard let task = job.tasks[record.id.task.number] else { return }
        var attempt = LiveAttempt(record: record, state: .validating, demand: demand(of: task, in: job))
        // It gave its place on the node and in the step back when it was held.
        attempt.isOrphan = true
        attempt.standing = standing
        if outcome != .success { attempt.record.outputs = [] }
        end(
            &attempt, of: &job, as: outcome, detail: record.detail, paying: isPaid ? record.paid : nil,
            evidence: record.receipt, at: now)
    }

    // MARK: - Owners

    /// Holds jobs that want more owners than the pool has, and lets them go on when it has them.
    mutating func weighOwners(at now: Moment) {
        refreshKinship()
        weighAwaiting(at: now)
        weighSeals(at: now)
        let asking = jobs.values.filter { $0.copiesWanted > 1 && $0.record.progress.cancelReason == nil }
        guard !asking.isEmpty else { return }
        let machines = nodes.values.filter { $0.row.standing != .revoked }
        let owners = Set(machines.map { kinship.head(of: $0.row.owner) })
        let hasTrusted = machines.contains { $0.row.trusted }
        for job in asking {
            let isHeld = job.record.progress.held?.hasPrefix(Self.fewOwners) == true
            let isEnough =
                hasTrusted || machines.contains { $0.row.owner == job.record.account }
                || owners.count >= job.copiesWanted
            let words = "\(Self.fewOwners): has \(owners.count), needs \(job.copiesWanted)"
            _ = withJob(job.record.id) { core, job in
                if isEnough, isHeld {
                    job.record.progress.held = nil
                    core.note("job_released", at: now, job: job.record.id)
                    core.saveProgress(of: job)
                    core.placementWanted = true
                } else if !isEnough, job.record.progress.held == nil || isHeld, job.record.progress.held != words {
                    core.hold(&job, because: words, at: now)
                }
            }
        }
    }

    static let fewOwners = "needs_more_owners"
}

extension ActiveJob {
    /// The most owners that a step of it wants to agree and that may still run.
    var copiesWanted: Int {
        steps.indices.reduce(1) { most, index in
            record.progress.steps[index].counts.isDone ? most : max(most, steps[index].spec.verify.copies)
        }
    }
}
