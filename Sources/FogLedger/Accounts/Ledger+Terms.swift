internal import FogCore

/// What rules in force say about an entry.
extension Ledger {
    mutating func set(_ rule: LedgerRule, _ draft: inout Draft) -> Decision {
        // The same version again is a retry; another one under its number is not.
        if let known = rules.versions.first(where: { $0.isVersion(of: rule) && $0.version == rule.version }) {
            return known == rule ? .exists : .refused(.differs("rule"))
        }
        if let refusal = rules.refusal(of: rule, at: draft.time) { return .refused(refusal) }
        draft.undo.append(.rule)
        rules.add(rule)
        return .applied(.ruleSet(rule))
    }

    /// A quota is opened on its day, and what unbonds for as long as the terms say.
    func notOfTheDay(_ opening: AccountOpening, _ draft: Draft) -> LedgerRefusal? {
        switch opening.kind {
        case .quota:
            return LedgerDay(opening.id.time) == LedgerDay(draft.time) ? nil : .notToday(opening.id)
        case .unbonding:
            guard let terms = rules.economy(at: draft.time) else { return .noRule("economy") }
            let until = opening.id.time
            let least = draft.time + .days(Int64(terms.unbondingDays))
            // The id carries whole milliseconds.
            return until.microseconds >= least.microseconds - 999
                ? nil : .timeBackwards(stated: until, ledger: least)
        default: return nil
        }
    }

    func checkTerms(
        _ proposal: TransferProposal, _ entry: LedgerEntry, _ debit: Account, _ credit: Account, _ draft: Draft
    ) -> LedgerRefusal? {
        switch proposal.kind {
        case .reward: checkReward(proposal, entry, debit, credit, draft)
        case .allow: checkAllowance(proposal, credit, draft)
        case .use: LedgerDay(debit.id.time) == LedgerDay(draft.time) ? nil : .notToday(debit.id)
        case .unstake: debit.owner == credit.owner ? nil : .differs("credit_account")
        case .release:
            debit.id.time <= draft.time
                ? (credit.id.asOwner == debit.owner ? nil : .differs("credit_account"))
                : .stillUnbonding(debit.id, until: debit.id.time)
        case .fund: checkFund(proposal, entry, draft)
        case .share: checkShare(proposal, entry, debit, draft)
        case .correct: Self.checkCorrection(proposal, entry, draft)
        default: nil
        }
    }

    private func checkReward(
        _ proposal: TransferProposal, _ entry: LedgerEntry, _ debit: Account, _ credit: Account, _ draft: Draft
    ) -> LedgerRefusal? {
        guard let rule = RewardRule.allCases.first(where: { .pool($0) == debit.id }) else {
            return .idNotOfKind(debit.id, .pool)
        }
        guard rules.terms(rule, at: draft.time) != nil else { return .noRule(rule.description) }
        guard let spent = draft.spent, spent.amount == proposal.amount, spent.subject == entry.subject,
            spent.quota == .quota(of: credit.id, rule, on: LedgerDay(draft.time))
        else { return .notLinked(.reward) }
        return nil
    }

    /// A day's quota is allowed once, whole, on the day.
    private func checkAllowance(
        _ proposal: TransferProposal, _ quota: Account, _ draft: Draft
    ) -> LedgerRefusal? {
        let day = LedgerDay(quota.id.time)
        guard day == LedgerDay(draft.time) else { return .notToday(quota.id) }
        let user = AccountID(high: quota.owner.high, low: quota.owner.low)
        guard let rule = RewardRule.allCases.first(where: { .quota(of: user, $0, on: day) == quota.id }),
            let terms = rules.terms(rule, at: draft.time)
        else { return .noRule("of quota \(quota.id)") }
        let due = quota.counters == .zero ? terms.dailyLimit : .zero
        return proposal.amount == due ? nil : .notDue(.allow, wanted: proposal.amount, due: due)
    }

    /// The id is derived from the epoch and the pool, so a pool is funded once an epoch.
    private func checkFund(
        _ proposal: TransferProposal, _ entry: LedgerEntry, _ draft: Draft
    ) -> LedgerRefusal? {
        guard let terms = rules.economy(at: draft.time) else { return .noRule("economy") }
        guard let index = RewardRule.allCases.firstIndex(where: { .pool($0) == proposal.credit }) else {
            return .idNotOfKind(proposal.credit, .pool)
        }
        let epoch = terms.epoch(at: draft.time)
        guard entry.subject == terms.subject(ofEpoch: epoch),
            proposal.ordinal == UInt32(RewardRule.allCases[index].rawValue),
            proposal.id
                == Rewards.id(.fund, of: entry.subject, proposal.ordinal ?? 0, from: terms.start(ofEpoch: epoch))
        else { return .notDerived(proposal.id) }
        let due = terms.poolAmounts[index]
        return proposal.amount == due ? nil : .notDue(.fund, wanted: proposal.amount, due: due)
    }

    /// First the sovereign fund's share, rounded down, then all that is left to the treasury; once an epoch each.
    private func checkShare(
        _ proposal: TransferProposal, _ entry: LedgerEntry, _ fees: Account, _ draft: Draft
    ) -> LedgerRefusal? {
        guard let terms = rules.economy(at: draft.time) else { return .noRule("economy") }
        let epoch = terms.epoch(at: draft.time)
        let ordinal: UInt32 = proposal.credit == .sovereign ? 0 : 1
        guard entry.subject == terms.subject(ofEpoch: epoch), proposal.ordinal == ordinal,
            proposal.id == Rewards.id(.share, of: entry.subject, ordinal, from: terms.start(ofEpoch: epoch))
        else { return .notDerived(proposal.id) }
        let due = ordinal == 0 ? Shares.part(fees.available, terms.sovereignShare) : fees.available
        return proposal.amount == due ? nil : .notDue(.share, wanted: proposal.amount, due: due)
    }

    private static func checkCorrection(
        _ proposal: TransferProposal, _ entry: LedgerEntry, _ draft: Draft
    ) -> LedgerRefusal? {
        let cause = TransferID(high: entry.subject.high, low: entry.subject.low)
        guard let known = draft.lookup.transfer(cause)?.transfer else { return .unknownTransfer(cause) }
        guard known.kind.isCorrectable else {
            return .notCorrectable(cause, "a \(known.kind) is not reversed")
        }
        guard proposal.debit == known.credit, proposal.credit == known.debit else {
            return .notCorrectable(cause, "it went from \(known.debit) to \(known.credit)")
        }
        guard proposal.amount == known.amount else {
            return .notCorrectable(cause, "it was of \(known.amount), found \(proposal.amount)")
        }
        // One id for each cause, so that nothing is reversed twice.
        return proposal.id == Settlement.correctionID(of: cause) && proposal.ordinal == 0
            ? nil : .notDerived(proposal.id)
    }
}
