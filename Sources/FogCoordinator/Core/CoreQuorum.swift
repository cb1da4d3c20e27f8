internal import FogCore
internal import FogJobs
internal import FogStore

/// Results that must agree before one of them counts (`verify`).
///
/// A result is taken and its receipt kept at once, but its attempt ends, is seen and is paid only with the verdict. Until
/// then the lease's reservation stands, so that the money is there.
extension CoordinatorCore {
    /// Whether a result needs others beside it: machines that are known to be honest count by themselves.
    func isVerified(_ attempt: AttemptRecord, of task: ActiveTask, in job: ActiveJob) -> Bool {
        job.steps[task.step].spec.verify.copies > 1 && !isKnownHonest(attempt, of: job.record)
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
        placementWanted = true
        let wanted = job.steps[step].spec.verify.copies
        note(
            "result_held", at: now, job: job.record.id, task: number, token: record.id.token, node: record.node,
            detail: ["results": "\(trail.held.count)", "wanted": "\(wanted)"])
        let verdict = Quorum.decide(trail.held.map { manifestDigest($0.outputs) }, wanted: wanted)
        switch verdict {
        case _ where job.record.progress.cancelReason != nil && !verdict.isAccepted:
            settle(number, of: &job, outcome: .cancelled, exitCode: nil, at: now)
        case .wait:
            move(number, of: &job, to: .ready, at: now)
            if let record = job.tasks[number]?.record { save(record) }
            saveProgress(of: job)
        case .accept(let winner, let equal, let others):
            endHeld(of: number, in: &job, equal: equal, others: others, at: now)
            win(trail.held[winner], of: &job)
            settle(number, of: &job, outcome: .success, exitCode: trail.held[winner].exitCode, at: now)
        case .disagree(let different):
            holdTask(
                number, of: &job, "needs_review: \(trail.held.count) owners gave \(different) different results",
                at: now)
        }
    }

    /// A result that counts by itself decides over those held before it.
    mutating func judgeHeld(by honest: AttemptRecord, of job: inout ActiveJob, at now: Moment) {
        let number = honest.id.task.number
        guard let held = job.tasks[number]?.record.trail?.held, !held.isEmpty else { return }
        let verdict = Quorum.decide(held.map { manifestDigest($0.outputs) }, by: manifestDigest(honest.outputs))
        endHeld(of: number, in: &job, equal: verdict.equal, others: verdict.others, at: now)
    }

    /// Ends what is held of a task that came to another end, or that begins anew: nobody is paid.
    mutating func releaseHeld(of number: UInt32, in job: inout ActiveJob, as outcome: Outcome, at now: Moment) {
        let held = takeHeld(of: number, in: &job)
        for record in held { end(record, of: &job, as: outcome, isPaid: false, at: now) }
    }

    private mutating func endHeld(
        of number: UInt32, in job: inout ActiveJob, equal: [Int], others: [Int], at now: Moment
    ) {
        let held = takeHeld(of: number, in: &job)
        for place in equal {
            end(held[place], of: &job, as: .success, isPaid: true, at: now)
            didWell(held[place].node, at: now)
        }
        for place in others {
            end(held[place], of: &job, as: .rejectedByQuorum, isPaid: false, at: now)
            fault(of: held[place].node, at: now)
        }
    }

    private func takeHeld(of number: UInt32, in job: inout ActiveJob) -> [AttemptRecord] {
        let held = job.tasks[number]?.record.trail?.held ?? []
        job.tasks[number]?.record.trail?.held = []
        return held
    }

    private mutating func end(
        _ record: AttemptRecord, of job: inout ActiveJob, as outcome: Outcome, isPaid: Bool, at now: Moment
    ) {
        guard let task = job.tasks[record.id.task.number] else { return }
        var attempt = LiveAttempt(record: record, state: .validating, demand: demand(of: task, in: job))
        // It gave its place on the node and in the step back when it was held.
        attempt.isOrphan = true
        if outcome != .success { attempt.record.outputs = [] }
        end(
            &attempt, of: &job, as: outcome, detail: record.detail, paying: isPaid ? record.paid : nil,
            evidence: record.receipt, at: now)
    }

    // MARK: - Owners

    /// Holds jobs that want more owners than the pool has, and lets them go on when it has them.
    mutating func weighOwners(at now: Moment) {
        let asking = jobs.values.filter { $0.copiesWanted > 1 && $0.record.progress.cancelReason == nil }
        guard !asking.isEmpty else { return }
        let machines = nodes.values.filter { $0.row.standing != .revoked }
        let owners = Set(machines.map(\.row.owner))
        let hasTrusted = machines.contains { $0.row.trusted }
        for job in asking {
            let isHeld = job.record.progress.held?.hasPrefix(Self.fewOwners) == true
            let isEnough =
                hasTrusted || owners.contains(job.record.account) || owners.count >= job.copiesWanted
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

    private static let fewOwners = "needs_more_owners"
}

extension ActiveJob {
    /// The most owners that a step of it wants to agree and that may still run.
    var copiesWanted: Int {
        steps.indices.reduce(1) { most, index in
            record.progress.steps[index].counts.isDone ? most : max(most, steps[index].spec.verify.copies)
        }
    }
}
