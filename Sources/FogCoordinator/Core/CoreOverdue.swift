internal import FogCore
internal import FogJobs
internal import FogLedger

/// Reservations that ran out by the ledger's time: nothing that was forgotten ties up credits for ever.
extension CoordinatorCore {
    /// Ended in one go.
    private static let endedAtOnce = 200

    /// Ledger time from which a reservation can only run out: its task's limit twice over, what a worker may be out of
    /// reach, and the slack.
    func expiry(of attempt: AttemptRecord, in job: ActiveJob, at now: Moment) -> Timestamp {
        let limit = job.stepIndex(of: attempt.id.task.number).map { job.steps[$0].spec.resources.time } ?? .zero
        return now.wall + limit + limit + job.spec.disconnectGrace + rules.reservationSlack
    }

    /// Lets run out what is over. An attempt that still counts as running ends with it, by the ledger's clock and not the
    /// host's, which may have been set back.
    mutating func endOverdue(at now: Moment) {
        let overdue = ledger.overdue(at: now.wall, limit: Self.endedAtOnce)
        guard !overdue.isEmpty else { return }
        var live: [SubjectID: AttemptID] = [:]
        for job in jobs.values {
            for task in job.tasks.values {
                if let id = task.attempt?.record.id { live[Self.subject(of: id)] = id }
            }
        }
        for pending in overdue {
            if let id = live[pending.subject] {
                endLost(id, as: .leaseExpired, detail: "its reservation of credits ran out", at: now)
            }
            if ledger.pending(pending.id) != nil {
                must(post(Settlement.expire(pending), at: now), "what is over expires")
            }
            note(
                "reservation_expired", at: now,
                detail: ["amount": pending.amount.description, "expired": pending.expires?.description ?? ""])
        }
    }

    /// Whether the pending transfer of a charge is open and its time not over.
    func isReserved(_ charge: Charge, at now: Moment) -> Bool {
        ledger.pending(charge.id(.pending)).map { !$0.isOver(at: ledger.time(at: now.wall)) } ?? false
    }

    /// Whether an attempt's payment is reserved, or can be had anew from its payer.
    func isCovered(_ amount: Credits, for attempt: AttemptRecord, of job: ActiveJob, at now: Moment) -> Bool {
        let charge = charge(for: attempt, of: job)
        guard !isReserved(charge, at: now) else { return true }
        let there =
            [charge.escrow, charge.payer].reduce(0 as Int128) { sum, id in
                sum + Int128(max(0, ledger.account(id)?.available.micro ?? 0))
            } + Int128(ledger.pending(charge.id(.pending))?.amount.micro ?? 0)
        return Int128(min(amount, charge.bound).micro) <= there
    }

    /// The payment of a charge whose reservation ran out, after its end: what the escrow lacks comes from the payer, and
    /// what is due is reserved and posted in one chain.
    mutating func anew(
        _ charge: Charge, amount: Credits, fee: Credits, evidence: Digest, at now: Moment
    ) -> [LedgerEntry] {
        must(post(Settlement.release(charge, at: now.wall, in: ledger), at: now), "what is over expires")
        let amount = min(amount, charge.bound)
        return Settlement.raise(
            charge.escrow, to: amount, from: charge.payer, subject: charge.subject, at: charge.grantedAt, in: ledger)
            + Settlement.payLate(charge, amount: amount, fee: fee, evidence: evidence)
    }
}
