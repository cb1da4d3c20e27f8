internal import FogCore
package import FogJobs
internal import FogLedger
internal import FogStore

/// What the end of one attempt makes due to an earlier one of its task.
struct LatePayment {
    var work: UnpaidWork
    var attempt: AttemptID
    var amount: Credits
    /// Within the price bound of the attempt that ended, which the escrow holds; else the payer must have it.
    var isReserved: Bool
}

/// Who is paid when.
extension CoordinatorCore {
    /// Success always; an end that is the task's own fault on a node that is trusted or the submitter's own, or when
    /// another owner's machine ended alike, since printing the answer and failing would otherwise be free; nothing else
    /// at once.
    func payment(
        for outcome: Outcome, usage: Usage, attempt: LiveAttempt, of task: ActiveTask, in job: ActiveJob,
        at now: Moment
    ) -> Credits? {
        switch outcome.fault {
        case .none: return price(of: usage, attempt: attempt, until: now.wall)
        case .task:
            let record = attempt.record
            let isBorneOut = task.record.trail?.hasWitness(
                of: outcome, exitCode: record.exitCode, from: record.payee)
            guard isBorneOut == true || isKnownHonest(record, of: job.record) else { return nil }
            return price(of: usage, attempt: attempt, until: now.wall)
        case .host, .policy, .withdrawn: return nil
        }
    }

    /// Whether the machine is the submitter's own, or trusted by the operator.
    func isKnownHonest(_ attempt: AttemptRecord, of job: JobRecord) -> Bool {
        attempt.payee == job.account || nodes[attempt.node]?.row.trusted == true
    }

    /// How much of an attempt's log its submitter may see.
    ///
    /// All of it when it was paid, or costs nothing, or ran on a machine that is known to be honest; else its beginning,
    /// which shows what went wrong: printing the answer and failing, or being cancelled, would otherwise be free.
    package func shownLogBytes(of attempt: AttemptRecord, in job: JobRecord) -> Int64 {
        let isPaid = attempt.paid > .zero || attempt.outcome == .success
        return isPaid || isKnownHonest(attempt, of: job) || attempt.priceBound == .zero ? .max : Self.freeLogBytes
    }

    /// Of each stream of an unpaid attempt on a stranger's machine.
    package static let freeLogBytes: Int64 = 64 << 10

    /// What the end of an attempt makes due to the ones before it.
    func latePayments(
        after attempt: AttemptRecord, outcome: Outcome, paying amount: Credits?, of job: inout ActiveJob
    ) -> [LatePayment] {
        let number = attempt.id.task.number
        guard var trail = job.tasks[number]?.record.trail else { return [] }
        defer { job.tasks[number]?.record.trail = trail }
        let isSuccess = outcome == .success
        let due: [(work: UnpaidWork, amount: Credits)]
        if isSuccess {
            let rest = attempt.priceBound.micro - (amount ?? .zero).micro
            due = trail.paidBySuccess(within: Credits(micro: rest))
        } else if outcome.fault == .task {
            due = trail.paidByWitness(of: outcome, exitCode: attempt.exitCode, from: attempt.payee)
        } else {
            due = []
        }
        return due.map { work, amount in
            LatePayment(
                work: work, attempt: AttemptID(task: attempt.id.task, token: work.token), amount: amount,
                isReserved: isSuccess)
        }
    }

    /// Keeps an attempt in mind that something may yet make due: an eviction up to the newest checkpoint, if that is
    /// its own; a failure whole, also as a witness when it was paid.
    mutating func remember(
        _ attempt: LiveAttempt, usage: Usage, receipt: Digest, isPaid: Bool, in job: inout ActiveJob, at now: Moment
    ) {
        let id = attempt.record.id
        guard let outcome = attempt.record.outcome else { return }
        let end: Timestamp
        switch outcome.fault {
        case .policy:
            guard let taken = job.tasks[id.task.number]?.record.trail?.progress(of: id.token) else { return }
            end = taken
        case .task: end = now.wall
        case .none, .host, .withdrawn: return
        }
        var work = UnpaidWork(
            token: id.token, payee: attempt.record.payee, receipt: receipt,
            price: price(of: usage, attempt: attempt, until: end), grantedAt: attempt.record.grantedAt,
            outcome: outcome, exitCode: attempt.record.exitCode)
        work.isPaid = isPaid
        work.node = attempt.record.node
        if let seller = attempt.record.sellerRate {
            (work.coreRate, work.sellerRate) = (attempt.record.coreRate, seller)
        }
        let trail = trail(of: id.task.number, in: job) { [work] in $0.remember(work) }
        job.tasks[id.task.number]?.record.trail = trail
    }

    /// The task's trail with a change; nil while there is nothing in it.
    func trail(of number: UInt32, in job: ActiveJob, _ change: (inout WorkTrail) -> Void) -> WorkTrail? {
        var trail = job.tasks[number]?.record.trail ?? WorkTrail()
        change(&trail)
        return trail == WorkTrail() ? nil : trail
    }

    /// Pays an ended attempt. What no bound holds comes from the payer, within the budget; where it is not there, the
    /// attempt stays unpaid, and the history says so.
    mutating func pay(_ late: LatePayment, of job: inout ActiveJob, at now: Moment) {
        let charge = Charge(
            escrow: Self.escrow(of: job.record), payer: job.record.account, payee: late.work.payee,
            subject: Self.subject(of: late.attempt), bound: late.amount, grantedAt: late.work.grantedAt)
        let entries = Settlement.payLate(
            charge, amount: late.amount,
            fee: fee(
                of: late.amount, for: charge, core: late.work.coreRate, seller: late.work.sellerRate, at: now),
            evidence: late.work.receipt)
        if late.isReserved {
            must(post(entries, at: now), "progress is paid within the bound of the attempt that won")
        } else {
            let committed = job.record.progress.spent.micro + job.reserved.micro + late.amount.micro
            let raise = Settlement.raise(
                charge.escrow, to: late.amount, from: charge.payer, subject: charge.subject, at: charge.grantedAt,
                in: ledger)
            let refusal =
                committed > job.record.progress.budget.micro
                ? "the budget of \(job.record.progress.budget) credits is used up"
                : post(raise + entries, at: now)?.message
            if let refusal {
                note(
                    "late_payment_refused", at: now, job: job.record.id, task: late.attempt.task.number,
                    token: late.attempt.token, detail: ["amount": late.amount.description, "because": refusal])
                return
            }
        }
        job.record.progress.spent = Credits(micro: job.record.progress.spent.micro + late.amount.micro)
        change.latePayments[late.attempt] = late.amount
        note(
            "attempt_paid_late", at: now, job: job.record.id, task: late.attempt.task.number,
            token: late.attempt.token, detail: ["paid": late.amount.description])
    }
}
