package import FogCore

/// One attempt as the ledger sees it: who pays whom for what, at most how much.
package struct Charge: Hashable, Sendable {
    /// The account of the job that holds what its running attempts may cost.
    package let escrow: AccountID
    package let payer: AccountID
    package let payee: AccountID
    /// The attempt: opaque, one for each attempt.
    package let subject: SubjectID
    /// The price bound that was fixed at the grant.
    package let bound: Credits
    /// The caller keeps it: every id of the charge derives from it.
    package let grantedAt: Timestamp
    /// Ledger time from which the charge can only expire; nil for never.
    package let expires: Timestamp?

    package init(
        escrow: AccountID, payer: AccountID, payee: AccountID, subject: SubjectID, bound: Credits,
        grantedAt: Timestamp, expires: Timestamp? = nil
    ) {
        self.escrow = escrow
        self.payer = payer
        self.payee = payee
        self.subject = subject
        self.bound = bound
        self.grantedAt = grantedAt
        self.expires = expires
    }

    /// The id of the charge's transfer of a kind: a retry finds the same one.
    package func id(_ kind: TransferKind) -> TransferID {
        TransferID(at: grantedAt, kind: kind, subject: subject, ordinal: 0)
    }
}

/// What to apply at each turn of a job's life. Pure: chains of entries, to be given to ``Ledger/apply(_:at:lookup:using:)``.
///
/// Only running attempts reserve money: the escrow account of a job holds the bounds of what runs, and what is left of
/// earlier ones until nothing runs. An attempt is one pending transfer and one post; a hold stands before it only when
/// the escrow is short.
package enum Settlement {
    /// The job is admitted: its escrow account, owned by the job, with the request of its submitter.
    package static func open(
        escrow: AccountID, job: SubjectID, authorisation: Authorisation = .none
    ) -> [LedgerEntry] {
        [
            LedgerEntry(
                .open(AccountOpening(id: escrow, kind: .escrow, owner: job)), subject: job,
                authorisation: authorisation)
        ]
    }

    /// Attempts of one job are granted: what the escrow lacks comes from the payer, then each bound is reserved for its
    /// payee. Refused whole with `insufficient_funds` when the payer is short.
    ///
    /// - Parameters:
    ///   - charges: all of the same escrow and payer.
    ///   - ahead: what to hold beyond the need, if the payer has it, so that the next grants need no hold of their own.
    ///   - evidence: of a ``JurisdictionDecision`` while a policy is in force.
    ///   - ledger: as the chain will be applied to.
    package static func grant(
        _ charges: [Charge], ahead: Credits = .zero, evidence: Digest = .zero, authorisation: Authorisation = .none,
        in ledger: Ledger
    ) -> [LedgerEntry] {
        guard let first = charges.first else { return [] }
        precondition(
            charges.allSatisfy { $0.escrow == first.escrow && $0.payer == first.payer },
            "charges granted together belong to one escrow and one payer")
        var entries: [LedgerEntry] = []
        let fresh = charges.filter { ledger.pending($0.id(.pending)) == nil }
        if let lead = fresh.first, let amount = deficit(of: fresh, ahead: ahead, in: ledger) {
            entries.append(
                LedgerEntry(
                    .move(
                        .hold, id: lead.id(.hold), from: lead.payer, to: lead.escrow, amount: amount, ordinal: 0),
                    subject: lead.subject, evidence: evidence, authorisation: authorisation))
        }
        for charge in charges {
            entries.append(
                LedgerEntry(
                    .pending(
                        id: charge.id(.pending), from: charge.escrow, to: charge.payee, amount: charge.bound,
                        expires: charge.expires, ordinal: 0),
                    subject: charge.subject, evidence: evidence, authorisation: authorisation))
        }
        return entries
    }

    /// What the escrow lacks for the charges, with as much of `ahead` as the payer has; nil when it lacks nothing.
    private static func deficit(of charges: [Charge], ahead: Credits, in ledger: Ledger) -> Credits? {
        let wanted = charges.reduce(0 as Int128) { $0 + Int128($1.bound.micro) }
        let short = wanted - Int128(ledger.account(charges[0].escrow)?.available.micro ?? 0)
        guard short > 0 else { return nil }
        let spare = max(0, Int128(ledger.account(charges[0].payer)?.available.micro ?? 0) - short)
        return Credits(micro: Int64(clamping: short + max(0, min(Int128(ahead.micro), spare))))
    }

    /// The attempt ended and is paid: the metered amount, never more than its bound. The rest goes back to the escrow.
    ///
    /// - Parameter fee: of the amount, from the payee in the same chain; zero for none.
    package static func pay(
        _ charge: Charge, metered: Credits, fee: Credits = .zero, evidence: Digest, authorisation: Authorisation = .none
    ) -> [LedgerEntry] {
        [
            LedgerEntry(
                .post(
                    id: charge.id(.post), of: charge.id(.pending), amount: max(.zero, min(metered, charge.bound)),
                    ordinal: 0),
                subject: charge.subject, evidence: evidence, authorisation: authorisation)
        ] + self.fee(fee, of: charge)
    }

    private static func fee(_ amount: Credits, of charge: Charge) -> [LedgerEntry] {
        guard amount > .zero else { return [] }
        return [
            LedgerEntry(
                .move(.fee, id: charge.id(.fee), from: charge.payee, to: .fees, amount: amount, ordinal: 0),
                subject: charge.subject)
        ]
    }

    /// An attempt that ended unpaid is paid after all, for progress that another attempt went on from or because a
    /// second one bore it out: a pending transfer and its post in one chain, since the first one was given back.
    ///
    /// - Parameters:
    ///   - charge: as it was at its grant; its subject was not paid before.
    ///   - amount: above zero; never more than the bound.
    package static func payLate(
        _ charge: Charge, amount: Credits, fee: Credits = .zero, evidence: Digest
    ) -> [LedgerEntry] {
        let amount = min(amount, charge.bound)
        let pending = TransferID(at: charge.grantedAt, kind: .pending, subject: charge.subject, ordinal: 1)
        return [
            LedgerEntry(
                .pending(id: pending, from: charge.escrow, to: charge.payee, amount: amount, ordinal: 1),
                subject: charge.subject),
            LedgerEntry(
                .post(id: charge.id(.post), of: pending, amount: amount, ordinal: 0), subject: charge.subject,
                evidence: evidence),
        ] + self.fee(fee, of: charge)
    }

    /// The escrow must hold an amount that no grant reserved: what it lacks comes from the payer. Nothing when it
    /// lacks nothing.
    package static func raise(
        _ escrow: AccountID, to amount: Credits, from payer: AccountID, subject: SubjectID, at time: Timestamp,
        in ledger: Ledger
    ) -> [LedgerEntry] {
        let short = Int128(amount.micro) - Int128(ledger.account(escrow)?.available.micro ?? 0)
        guard short > 0 else { return [] }
        let id = TransferID(at: time, kind: .hold, subject: subject, ordinal: 1)
        return [
            LedgerEntry(
                .move(
                    .hold, id: id, from: payer, to: escrow, amount: Credits(micro: Int64(clamping: short)), ordinal: 1),
                subject: subject)
        ]
    }

    /// The attempt ended unpaid: a void, or an expiry where its time is over. Nothing when it is not open any more.
    package static func release(
        _ charge: Charge, evidence: Digest = .zero, at clock: Timestamp, in ledger: Ledger
    ) -> [LedgerEntry] {
        guard let pending = ledger.pending(charge.id(.pending)) else { return [] }
        if pending.isOver(at: ledger.time(at: clock)) { return expire(pending, grantedAt: charge.grantedAt) }
        return [
            LedgerEntry(
                .void(id: charge.id(.void), of: pending.id, ordinal: 0), subject: charge.subject, evidence: evidence)
        ]
    }

    /// A pending transfer whose time is over (``Ledger/overdue(at:limit:)``). The id keeps the pending transfer's time.
    package static func expire(_ pending: Pending) -> [LedgerEntry] {
        expire(pending, grantedAt: pending.id.time)
    }

    private static func expire(_ pending: Pending, grantedAt: Timestamp) -> [LedgerEntry] {
        let id = TransferID(at: grantedAt, kind: .expire, subject: pending.subject, ordinal: 0)
        return [LedgerEntry(.expire(id: id, of: pending.id, ordinal: 0), subject: pending.subject)]
    }

    /// Nothing of the job runs: what the escrow still has goes back. Empty when there is nothing.
    ///
    /// - Parameters:
    ///   - subject: what brought it about (the last attempt that ended, or the job).
    ///   - ordinal: counts the refunds of the same subject.
    package static func refund(
        escrow: AccountID, to payer: AccountID, subject: SubjectID, ordinal: UInt32 = 0, at time: Timestamp,
        in ledger: Ledger
    ) -> [LedgerEntry] {
        guard let account = ledger.account(escrow), account.available > .zero else { return [] }
        let id = TransferID(at: time, kind: .refund, subject: subject, ordinal: ordinal)
        return [
            LedgerEntry(
                .move(.refund, id: id, from: escrow, to: payer, amount: account.available, ordinal: ordinal),
                subject: subject)
        ]
    }

    /// The job is final: the rest goes back and the escrow is closed. Refused with `account_not_empty` while an attempt
    /// is pending.
    package static func close(
        escrow: AccountID, payer: AccountID, job: SubjectID, at time: Timestamp, in ledger: Ledger
    ) -> [LedgerEntry] {
        guard ledger.account(escrow)?.isClosed != true else { return [LedgerEntry(.close(escrow), subject: job)] }
        return refund(escrow: escrow, to: payer, subject: job, at: time, in: ledger)
            + [LedgerEntry(.close(escrow), subject: job)]
    }

    // MARK: - Reversal

    /// The one id under which a transfer can be reversed.
    package static func correctionID(of cause: TransferID) -> TransferID {
        TransferID(at: cause.time, kind: .correct, subject: SubjectID(high: cause.high, low: cause.low), ordinal: 0)
    }

    /// A transfer was wrong: the same amount goes back. Nothing is ever changed or taken out of the log.
    ///
    /// - Parameter evidence: digest of the ``CorrectionDocument``.
    package static func correct(
        _ wrong: Transfer, evidence: Digest, authorisation: Authorisation = .none
    ) -> [LedgerEntry] {
        [
            LedgerEntry(
                .move(
                    .correct, id: correctionID(of: wrong.id), from: wrong.credit, to: wrong.debit,
                    amount: wrong.amount, ordinal: 0),
                subject: SubjectID(high: wrong.id.high, low: wrong.id.low), evidence: evidence,
                authorisation: authorisation)
        ]
    }
}
