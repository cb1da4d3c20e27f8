package import FogCore

/// What to apply when a user puts credits at risk, takes them back, or loses them. Pure.
package enum Staking {
    /// - Parameter id: chosen by the caller; a repeated one is one stake.
    package static func stake(
        _ amount: Credits, of user: AccountID, id: TransferID, authorisation: Authorisation = .none, in ledger: Ledger
    ) -> [LedgerEntry] {
        let stake = AccountID.stake(of: user)
        let opening = AccountOpening(id: stake, kind: .stake, owner: user.asOwner)
        let subject = user.asOwner
        let open = ledger.account(stake) == nil ? [LedgerEntry(.open(opening), subject: subject)] : []
        return open
            + [
                LedgerEntry(
                    .move(.stake, id: id, from: user, to: stake, amount: amount), subject: subject,
                    authorisation: authorisation)
            ]
    }

    /// Out of the stake into an account that is free after the unbonding time: each its own.
    package static func unstake(
        _ amount: Credits, of user: AccountID, id: TransferID, authorisation: Authorisation = .none,
        at clock: Timestamp, in ledger: Ledger
    ) -> [LedgerEntry] {
        let now = ledger.time(at: clock)
        let days = ledger.rules.economy(at: now)?.unbondingDays ?? 0
        var until = now + .days(Int64(days)) + .milliseconds(1)
        while ledger.account(.unbonding(of: user, until: until)) != nil { until = until + .milliseconds(1) }
        let unbonding = AccountID.unbonding(of: user, until: until)
        let subject = user.asOwner
        return [
            LedgerEntry(
                .open(AccountOpening(id: unbonding, kind: .unbonding, owner: subject)), subject: subject,
                authorisation: authorisation),
            LedgerEntry(
                .move(.unstake, id: id, from: .stake(of: user), to: unbonding, amount: amount), subject: subject,
                authorisation: authorisation),
        ]
    }

    /// The unbonding time is over: what is left goes to its owner and the account is closed.
    package static func release(_ unbonding: Account) -> [LedgerEntry] {
        let user = AccountID(high: unbonding.owner.high, low: unbonding.owner.low)
        var entries: [LedgerEntry] = []
        if unbonding.available > .zero {
            let subject = SubjectID(high: unbonding.id.high, low: unbonding.id.low)
            entries.append(
                LedgerEntry(
                    .move(
                        .release, id: Rewards.id(.release, of: subject, 0, from: unbonding.id.time),
                        from: unbonding.id, to: user, amount: unbonding.available, ordinal: 0),
                    subject: subject))
        }
        return entries + [LedgerEntry(.close(unbonding.id), subject: unbonding.owner)]
    }

    /// Whether what unbonds is free.
    package static func isFree(_ account: Account, at time: Timestamp) -> Bool {
        account.kind == .unbonding && !account.isClosed && account.id.time <= time
    }

    /// Everything that a user has at risk: the stake and what unbonds, in the order in which it is slashed.
    package static func atRisk(of user: AccountID, in ledger: Ledger) -> [Account] {
        let stake = ledger.account(.stake(of: user)).map { [$0] } ?? []
        let unbonding = ledger.accounts.values.filter {
            $0.kind == .unbonding && $0.owner == user.asOwner && !$0.isClosed
        }
        return stake + unbonding.sorted { $0.id < $1.id }
    }

    /// Proven cheating costs a part of what is at risk, to the treasury: first the stake, then what unbonds. Less when
    /// there is less; empty when there is nothing.
    ///
    /// - Parameters:
    ///   - subject: the attempt that was false; it is slashed once.
    ///   - evidence: the cheat's own receipt, or the verdict that names it.
    ///   - time: of the attempt's grant.
    package static func slash(
        _ amount: Credits, of user: AccountID, subject: SubjectID, evidence: Digest, grantedAt time: Timestamp,
        in ledger: Ledger
    ) -> [LedgerEntry] {
        var left = amount
        var entries: [LedgerEntry] = []
        for account in atRisk(of: user, in: ledger) where left > .zero && account.available > .zero {
            let part = min(left, account.available)
            let ordinal = UInt32(entries.count)
            entries.append(
                LedgerEntry(
                    .move(
                        .slash, id: Rewards.id(.slash, of: subject, ordinal, from: time), from: account.id,
                        to: .treasury, amount: part, ordinal: ordinal),
                    subject: subject, evidence: evidence))
            left = Credits(micro: left.micro - part.micro)
        }
        return entries
    }
}
