internal import FogCore

/// One entry at a time: idempotency first, then the rules, then the counters. A decision either changes the ledger and
/// notes how to undo it, or leaves everything as it was.
extension Ledger {
    mutating func decide(_ entry: LedgerEntry, _ draft: inout Draft) -> Decision {
        switch entry.action {
        case .open(let opening): open(opening, &draft)
        case .close(let id): close(id, &draft)
        case .transfer(let proposal): transfer(proposal, entry, &draft)
        case .resolve(let proposal): resolve(proposal, entry, &draft)
        case .enrol(let enrolment): enrol(enrolment, &draft)
        case .setRoles(let id, let roles): changeKey(id, &draft, .rolesSet(id, roles)) { $0.roles = roles }
        case .revokeKey(let id): changeKey(id, &draft, .keyRevoked(id)) { $0.isRevoked = true }
        case .setRule(let rule): set(rule, &draft)
        }
    }

    /// The account in memory, or the one the lookup finds.
    private mutating func load(_ id: AccountID, _ draft: Draft) -> Account? {
        if let account = accounts[id] { return account }
        guard let found = draft.lookup.account(id) else { return nil }
        accounts[id] = found
        return found
    }

    /// Called for the accounts that the record names, in its order.
    private mutating func put(_ account: Account, before: Account?, _ draft: inout Draft) {
        draft.undo.append(.account(account.id, before))
        draft.earlier[draft.named] = before?.lastRecord
        draft.named += 1
        var account = account
        if before == nil { account.firstRecord = draft.sequence }
        account.lastRecord = draft.sequence
        accounts[account.id] = account
    }

    // MARK: - Accounts and keys

    private mutating func open(_ opening: AccountOpening, _ draft: inout Draft) -> Decision {
        if let account = load(opening.id, draft) {
            if account.kind != opening.kind { return .refused(.differs("kind")) }
            if account.unit != opening.unit { return .refused(.differs("unit")) }
            if account.owner != opening.owner { return .refused(.differs("owner")) }
            return .exists
        }
        guard opening.unit == opening.kind.unit else { return .refused(.unitNotOfKind(opening.kind, opening.unit)) }
        guard opening.kind.fits(opening.id, owner: opening.owner) else {
            return .refused(.idNotOfKind(opening.id, opening.kind))
        }
        if let refusal = notOfTheDay(opening, draft) { return .refused(refusal) }
        let account = Account(id: opening.id, kind: opening.kind, unit: opening.unit, owner: opening.owner)
        put(account, before: nil, &draft)
        return .applied(.accountOpened(opening))
    }

    private mutating func close(_ id: AccountID, _ draft: inout Draft) -> Decision {
        guard let account = load(id, draft) else { return .refused(.unknownAccount(id)) }
        guard !account.isClosed else { return .exists }
        guard !account.kind.isSystem else { return .refused(.systemAccount(id)) }
        guard account.balance == .zero, account.openPendings == 0 else {
            return .refused(
                .accountNotEmpty(id, balance: account.balance, openPendings: Int(account.openPendings)))
        }
        var closed = account
        closed.isClosed = true
        put(closed, before: account, &draft)
        return .applied(.accountClosed(id, after: closed.counters))
    }

    private mutating func enrol(_ enrolment: KeyEnrolment, _ draft: inout Draft) -> Decision {
        let id = enrolment.key.id
        if let known = keys[id] {
            if known.key != enrolment.key { return .refused(.differs("key")) }
            if known.owner != enrolment.owner { return .refused(.differs("owner")) }
            if known.isRevoked { return .refused(.keyRevoked(id)) }
            return known.roles == enrolment.roles ? .exists : .refused(.differs("roles"))
        }
        guard let owner = load(enrolment.owner, draft) else { return .refused(.unknownAccount(enrolment.owner)) }
        guard !owner.isClosed else { return .refused(.accountClosed(enrolment.owner)) }
        put(owner, before: owner, &draft)
        draft.undo.append(.key(id, nil))
        keys[id] = EnrolledKey(key: enrolment.key, owner: enrolment.owner, roles: enrolment.roles)
        return .applied(.keyEnrolled(enrolment))
    }

    private mutating func changeKey(
        _ id: KeyID, _ draft: inout Draft, _ body: LedgerRecord.Body, _ change: (inout EnrolledKey) -> Void
    ) -> Decision {
        guard let known = keys[id] else { return .refused(.unknownKey(id)) }
        var changed = known
        change(&changed)
        if changed == known { return .exists }
        guard !known.isRevoked else { return .refused(.keyRevoked(id)) }
        draft.undo.append(.key(id, known))
        keys[id] = changed
        return .applied(body)
    }

    // MARK: - Transfers

    private mutating func transfer(
        _ proposal: TransferProposal, _ entry: LedgerEntry, _ draft: inout Draft
    ) -> Decision {
        if let known = draft.lookup.transfer(proposal.id) { return Self.compare(proposal, entry, known) }
        if draft.wrote(proposal.id) { return .refused(.repeatedInChain(proposal.id)) }
        if let refusal = Self.check(proposal, entry) { return .refused(refusal) }
        guard var debit = load(proposal.debit, draft) else { return .refused(.unknownAccount(proposal.debit)) }
        guard var credit = load(proposal.credit, draft) else { return .refused(.unknownAccount(proposal.credit)) }
        let (debitBefore, creditBefore) = (debit, credit)
        if let refusal = Self.check(proposal, debit, credit) { return .refused(refusal) }
        if proposal.kind.hasTerms, let refusal = checkTerms(proposal, entry, debit, credit, draft) {
            return .refused(refusal)
        }
        switch proposal.kind {
        case .use: draft.spent = (debit.id, proposal.amount, entry.subject)
        case .reward: draft.spent = nil
        default: break
        }
        let transfer = Transfer(
            id: proposal.id, kind: proposal.kind, debit: debit.id, credit: credit.id, amount: proposal.amount,
            unit: debit.unit, expires: proposal.expires, ordinal: proposal.ordinal)
        let amount = proposal.amount.micro
        if proposal.kind == .pending {
            let pending = Pending(transfer, subject: entry.subject, sequence: draft.sequence)
            guard !pending.isOver(at: draft.time) else { return .refused(.expired(proposal.id)) }
            debit.counters.debitsPending += amount
            credit.counters.creditsPending += amount
            debit.openPendings += 1
            credit.openPendings += 1
            pendings[pending.id] = pending
            draft.opened.append(pending)
            draft.undo.append(.opened(pending.id))
        } else {
            debit.counters.debitsPosted += amount
            credit.counters.creditsPosted += amount
        }
        put(debit, before: debitBefore, &draft)
        put(credit, before: creditBefore, &draft)
        return .applied(.transfer(transfer, debitAfter: debit.counters, creditAfter: credit.counters))
    }

    /// What can be said without the accounts.
    private static func check(_ proposal: TransferProposal, _ entry: LedgerEntry) -> LedgerRefusal? {
        let lowest: Int64 = proposal.kind == .pending ? 0 : 1
        guard proposal.amount.micro >= lowest else { return .badAmount(proposal.amount) }
        guard proposal.debit != proposal.credit else { return .sameAccount(proposal.debit) }
        guard !proposal.kind.needsEvidence || entry.evidence != .zero else { return .evidenceMissing(proposal.kind) }
        return checkDerivation(proposal.id, proposal.kind, entry.subject, proposal.ordinal)
    }

    private static func checkDerivation(
        _ id: TransferID, _ kind: TransferKind, _ subject: SubjectID, _ ordinal: UInt32?
    ) -> LedgerRefusal? {
        guard let ordinal, !id.derives(from: kind, subject: subject, ordinal: ordinal) else { return nil }
        return .notDerived(id)
    }

    private static func check(_ proposal: TransferProposal, _ debit: Account, _ credit: Account) -> LedgerRefusal? {
        if debit.isClosed { return .accountClosed(debit.id) }
        if credit.isClosed { return .accountClosed(credit.id) }
        if debit.unit != credit.unit { return .unitMismatch(debit: debit.unit, credit: credit.unit) }
        guard proposal.kind.allows(debit: debit.kind, credit: credit.kind) else {
            return .kindNotAllowed(proposal.kind, debit: debit.kind, credit: credit.kind)
        }
        // Pending and posted together stay below 2^63, so that no later post can overflow.
        let amount = Int128(proposal.amount.micro)
        let limit = Int128(Int64.max)
        if Int128(debit.counters.debitsPosted) + Int128(debit.counters.debitsPending) + amount > limit {
            return .overflow(debit.id)
        }
        if Int128(credit.counters.creditsPosted) + Int128(credit.counters.creditsPending) + amount > limit {
            return .overflow(credit.id)
        }
        guard debit.headroom < amount else { return nil }
        switch debit.kind {
        case .quota: return .dailyLimit(debit.id, wanted: proposal.amount, left: debit.available)
        case .pool: return .poolExhausted(debit.id, wanted: proposal.amount, left: debit.available)
        default: return .insufficientFunds(debit.id, wanted: proposal.amount, available: debit.available)
        }
    }

    /// The same id again: the same body is success, another one names the field.
    private static func compare(
        _ proposal: TransferProposal, _ entry: LedgerEntry, _ known: KnownTransfer
    ) -> Decision {
        let transfer = known.transfer
        if transfer.kind != proposal.kind { return .refused(.differs("kind")) }
        if transfer.debit != proposal.debit { return .refused(.differs("debit_account")) }
        if transfer.credit != proposal.credit { return .refused(.differs("credit_account")) }
        if transfer.amount != proposal.amount { return .refused(.differs("amount")) }
        if transfer.expires != proposal.expires { return .refused(.differs("expires")) }
        return compare(entry, ordinal: proposal.ordinal, known)
    }

    private static func compare(_ entry: LedgerEntry, ordinal: UInt32?, _ known: KnownTransfer) -> Decision {
        if known.transfer.ordinal != ordinal { return .refused(.differs("ordinal")) }
        if known.subject != entry.subject { return .refused(.differs("subject")) }
        if known.evidence != entry.evidence { return .refused(.differs("evidence")) }
        return .exists
    }

    // MARK: - The end of a pending transfer

    private mutating func resolve(
        _ proposal: ResolutionProposal, _ entry: LedgerEntry, _ draft: inout Draft
    ) -> Decision {
        if let known = draft.lookup.transfer(proposal.id) {
            if known.transfer.kind != proposal.kind { return .refused(.differs("kind")) }
            if known.transfer.pending != proposal.pending { return .refused(.differs("pending")) }
            if known.transfer.amount != proposal.amount { return .refused(.differs("amount")) }
            return Self.compare(entry, ordinal: proposal.ordinal, known)
        }
        if draft.wrote(proposal.id) { return .refused(.repeatedInChain(proposal.id)) }
        guard let pending = pendings[proposal.pending] else { return .refused(Self.gone(proposal.pending, draft)) }
        if let refusal = check(proposal, entry, pending, draft) { return .refused(refusal) }
        guard var debit = load(pending.debit, draft) else { return .refused(.unknownAccount(pending.debit)) }
        guard var credit = load(pending.credit, draft) else { return .refused(.unknownAccount(pending.credit)) }
        let (debitBefore, creditBefore) = (debit, credit)
        debit.counters.debitsPending -= pending.amount.micro
        debit.counters.debitsPosted += proposal.amount.micro
        credit.counters.creditsPending -= pending.amount.micro
        credit.counters.creditsPosted += proposal.amount.micro
        debit.openPendings -= 1
        credit.openPendings -= 1
        pendings[pending.id] = nil
        draft.undo.append(.resolved(pending))
        draft.resolved.append(
            PendingResolution(pending: pending.id, kind: proposal.kind, sequence: draft.sequence))
        put(debit, before: debitBefore, &draft)
        put(credit, before: creditBefore, &draft)
        let transfer = Transfer(
            id: proposal.id, kind: proposal.kind, debit: pending.debit, credit: pending.credit,
            amount: proposal.amount, unit: pending.unit, pending: pending.id, ordinal: proposal.ordinal)
        return .applied(.transfer(transfer, debitAfter: debit.counters, creditAfter: credit.counters))
    }

    private func check(
        _ proposal: ResolutionProposal, _ entry: LedgerEntry, _ pending: Pending, _ draft: Draft
    ) -> LedgerRefusal? {
        if entry.subject != pending.subject { return .differs("subject") }
        if let refusal = Self.checkDerivation(proposal.id, proposal.kind, entry.subject, proposal.ordinal) {
            return refusal
        }
        // What is over can only expire, what is not over cannot: so a late post never wins against the reaper.
        guard pending.isOver(at: draft.time) == (proposal.kind == .expire) else {
            return proposal.kind == .expire
                ? .notExpiredYet(pending.id, expires: pending.expires) : .expired(pending.id)
        }
        guard proposal.kind == .post else { return nil }
        if proposal.amount.micro < 0 { return .badAmount(proposal.amount) }
        if proposal.amount > pending.amount {
            return .exceedsPending(pending.id, wanted: proposal.amount, pending: pending.amount)
        }
        if entry.evidence == .zero { return .evidenceMissing(.post) }
        if entry.subject != .none, draft.paid(entry.subject) || draft.lookup.isPaid(entry.subject) {
            return .alreadyPaid(entry.subject)
        }
        return nil
    }

    /// Why a pending transfer is not open.
    private static func gone(_ id: TransferID, _ draft: Draft) -> LedgerRefusal {
        let ended = draft.resolved.first { $0.pending == id }?.kind ?? draft.lookup.transfer(id)?.resolution
        switch ended {
        case .post: return .alreadyPosted(id)
        case .void: return .alreadyVoided(id)
        case .expire: return .expired(id)
        default: return .unknownPending(id)
        }
    }
}
