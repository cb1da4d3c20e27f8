internal import FogCore

/// Builds the projections from records alone and notes what does not hold. It shares no arithmetic with ``Ledger``, so
/// that a mistake there is not repeated here.
struct Replay: Sendable {
    /// Something a record breaks.
    struct Fault {
        let check: AuditCheck
        let expected: String
        let found: String
    }

    struct Entry {
        var account: Account
        /// The counters as the last record says them, right or wrong.
        var recorded = Counters.zero
        var lastSequence: UInt64
    }

    struct KeyEntry {
        var key: EnrolledKey
        var lastSequence: UInt64
    }

    /// Where a transfer stands, and how it ended if it is a pending one.
    struct Line {
        let sequence: UInt64
        var resolution: TransferKind?
        /// Of a transfer that may be reversed: see ``Replay/print(_:from:to:_:)``.
        var print = 0
    }

    struct Span: Equatable {
        let first: UInt64
        var last: UInt64
    }

    private struct Imbalance { var posted: Int128 = 0, pending: Int128 = 0 }

    // What the tables of the store should hold: all that grows with the log, by some 250 bytes a record.
    var accounts: [AccountID: Entry] = [:]
    var pendings: [TransferID: Pending] = [:]
    var keys: [KeyID: KeyEntry] = [:]
    var transfers: [TransferID: Line] = [:]
    /// The first and the last record that name an account.
    var named: [AccountID: Span] = [:]
    /// Records that set a rule.
    var ruled: Set<UInt64> = []
    var paid: [SubjectID: UInt64] = [:]

    var economy = EconomyReplay()
    /// Grants that were issued.
    private var granted: Set<SubjectID> = []
    private var imbalance: [LedgerUnit: Imbalance] = [:]
    private(set) var faults: [Fault] = []

    /// Takes the faults of the records since the last call.
    mutating func takeFaults() -> [Fault] {
        guard !faults.isEmpty else { return [] }
        defer { faults.removeAll() }
        return faults
    }

    /// - Returns: what must stand beside the record.
    mutating func apply(_ record: LedgerRecord) -> EarlierRecords {
        let earlier = span(record)
        apply(record.body, of: record)
        return earlier
    }

    private mutating func span(_ record: LedgerRecord) -> EarlierRecords {
        var earlier = EarlierRecords()
        if record.rule != nil {
            ruled.insert(record.sequence)
        } else {
            for (place, account) in record.accounts.enumerated() {
                earlier[place] = named[account]?.last
                named[account, default: Span(first: record.sequence, last: record.sequence)].last = record.sequence
            }
        }
        return earlier
    }

    private mutating func apply(_ body: LedgerRecord.Body, of record: LedgerRecord) {
        switch body {
        case .transfer(let transfer, let debitAfter, let creditAfter):
            apply(transfer, debitAfter, creditAfter, of: record)
        case .accountOpened(let opening): open(opening, record)
        case .accountClosed(let id, let after): close(id, after, record)
        case .keyEnrolled(let enrolment):
            let id = enrolment.key.id
            if keys[id] != nil { fault(.keys, "key \(id) enrolled once", "enrolled again") }
            if accounts[enrolment.owner] == nil { fault(.keys, "an owner account", "unknown \(enrolment.owner)") }
            keys[id] = KeyEntry(
                key: EnrolledKey(key: enrolment.key, owner: enrolment.owner, roles: enrolment.roles),
                lastSequence: record.sequence)
        case .rolesSet(let id, let roles): change(id, record) { $0.roles = roles }
        case .keyRevoked(let id): change(id, record) { $0.isRevoked = true }
        case .ruleSet(let rule): set(rule, record)
        case .unrecognised: return
        }
    }

    mutating func fault(_ check: AuditCheck, _ expected: String, _ found: String) {
        faults.append(Fault(check: check, expected: expected, found: found))
    }

    private mutating func change(_ id: KeyID, _ record: LedgerRecord, _ edit: (inout EnrolledKey) -> Void) {
        guard var entry = keys[id] else { return fault(.keys, "an enrolled key", "unknown \(id)") }
        if entry.key.isRevoked { fault(.keys, "a live key", "revoked \(id)") }
        edit(&entry.key)
        entry.lastSequence = record.sequence
        keys[id] = entry
    }

    private mutating func fault(counters id: AccountID, _ wanted: Counters, _ recorded: Counters) {
        guard wanted != recorded else { return }
        let words = AuditWords.difference(wanted, recorded)
        fault(.counters, "account \(id) with \(words.expected)", words.found)
    }

    // MARK: - Accounts

    private mutating func open(_ opening: AccountOpening, _ record: LedgerRecord) {
        guard accounts[opening.id] == nil else {
            return fault(.accounts, "account \(opening.id) opened once", "opened again")
        }
        checkOpening(opening, record)
        let account = Account(id: opening.id, kind: opening.kind, unit: opening.unit, owner: opening.owner)
        accounts[opening.id] = Entry(account: account, lastSequence: record.sequence)
    }

    private mutating func close(_ id: AccountID, _ after: Counters, _ record: LedgerRecord) {
        guard var entry = accounts[id] else { return fault(.accounts, "an open account", "unknown \(id)") }
        let account = entry.account
        if account.isClosed { fault(.closed, "account \(id) closed once", "closed again") }
        if account.kind.isSystem { fault(.closed, "system accounts stay open", "\(account.kind) closed") }
        if account.counters.creditsPosted != account.counters.debitsPosted || account.openPendings != 0 {
            fault(.closed, "balance 0, no pending", "balance \(account.balance), \(account.openPendings) pending")
        }
        fault(counters: id, account.counters, after)
        entry.account.isClosed = true
        entry.lastSequence = record.sequence
        weigh(account.unit, from: entry.recorded, to: after)
        entry.recorded = after
        accounts[id] = entry
        checkSums(account.unit)
    }

    // MARK: - Transfers

    private mutating func apply(
        _ transfer: Transfer, _ debitAfter: Counters, _ creditAfter: Counters, of record: LedgerRecord
    ) {
        checkIdentity(transfer, record)
        let resolved = life(of: transfer, record)
        guard var debit = accounts[transfer.debit], var credit = accounts[transfer.credit] else {
            let missing = accounts[transfer.debit] == nil ? transfer.debit : transfer.credit
            return fault(.accounts, "two open accounts", "unknown \(missing)")
        }
        checkAccounts(transfer, debit.account, credit.account)
        checkTerms(transfer, debit.account, credit.account, record)
        let reserved = transfer.kind == .pending ? transfer.amount.micro : 0
        let released = resolved?.amount.micro ?? 0
        let posted = transfer.kind == .pending ? 0 : transfer.amount.micro
        var overflow = false
        func add(_ counter: inout Int64, _ amount: Int64, _ taken: Int64 = 0) {
            let sum = Int128(counter) + Int128(amount) - Int128(taken)
            overflow = overflow || sum < 0 || sum > Int128(Int64.max)
            counter = Int64(clamping: sum)
        }
        add(&debit.account.counters.debitsPending, reserved, released)
        add(&debit.account.counters.debitsPosted, posted)
        add(&credit.account.counters.creditsPending, reserved, released)
        add(&credit.account.counters.creditsPosted, posted)
        let opened: Int32 = (transfer.kind == .pending ? 1 : 0) - (resolved == nil ? 0 : 1)
        debit.account.openPendings += opened
        credit.account.openPendings += opened
        if overflow { fault(.counters, "counters from 0 to 2^63 - 1", "outside after \(transfer.amount)") }
        fault(counters: transfer.debit, debit.account.counters, debitAfter)
        fault(counters: transfer.credit, credit.account.counters, creditAfter)
        if debit.account.headroom < 0 {
            let pending = Credits(micro: debit.account.counters.debitsPending)
            fault(
                .floors, "account \(transfer.debit) not below \(Credits(micro: debit.account.kind.floor))",
                "balance \(debit.account.balance) less \(pending) pending")
        }
        weigh(transfer.unit, from: debit.recorded, to: debitAfter)
        weigh(transfer.unit, from: credit.recorded, to: creditAfter)
        (debit.recorded, credit.recorded) = (debitAfter, creditAfter)
        (debit.lastSequence, credit.lastSequence) = (record.sequence, record.sequence)
        accounts[transfer.debit] = debit
        accounts[transfer.credit] = credit
        checkSums(transfer.unit)
    }

    private mutating func checkIdentity(_ transfer: Transfer, _ record: LedgerRecord) {
        if let known = transfers[transfer.id] {
            fault(.uniqueIDs, "id \(transfer.id) once", "in record \(known.sequence) and again")
        } else {
            let print = Self.print(transfer.kind, from: transfer.debit, to: transfer.credit, transfer.amount)
            transfers[transfer.id] = Line(sequence: record.sequence, print: print)
        }
        if let ordinal = transfer.ordinal,
            !transfer.id.derives(from: transfer.kind, subject: record.subject, ordinal: ordinal)
        {
            fault(.derivedIDs, "an id of \(transfer.kind), \(record.subject), \(ordinal)", "\(transfer.id)")
        }
        if record.pays {
            if let known = paid[record.subject] {
                fault(
                    .singlePayment, "one post for subject \(record.subject)",
                    "one in record \(known), another of \(transfer.amount)")
            } else {
                paid[record.subject] = record.sequence
            }
        }
        if transfer.kind == .issue, !granted.insert(record.subject).inserted {
            fault(.singlePayment, "one issue for grant \(record.subject)", "another of \(transfer.amount)")
        }
    }

    private mutating func checkAccounts(_ transfer: Transfer, _ debit: Account, _ credit: Account) {
        if debit.isClosed || credit.isClosed {
            fault(.closed, "open accounts", "closed \(debit.isClosed ? debit.id : credit.id)")
        }
        if debit.unit != transfer.unit || credit.unit != transfer.unit {
            fault(.accounts, "unit \(transfer.unit)", "\(debit.unit) and \(credit.unit)")
        }
        if debit.id == credit.id { fault(.accounts, "two accounts", "\(debit.id) twice") }
        if !transfer.kind.allows(debit: debit.kind, credit: credit.kind) {
            fault(.accounts, "accounts that a \(transfer.kind) allows", "\(debit.kind) to \(credit.kind)")
        }
    }

    /// Follows the pending transfer that this one opens or ends; returns the one that it ends.
    private mutating func life(of transfer: Transfer, _ record: LedgerRecord) -> Pending? {
        if transfer.kind == .pending {
            let pending = Pending(transfer, subject: record.subject, sequence: record.sequence)
            if pending.isOver(at: record.time) { fault(.pendings, "an expiry after \(record.time)", "before it") }
            pendings[transfer.id] = pending
            return nil
        }
        guard let id = transfer.pending else { return nil }
        guard let pending = pendings.removeValue(forKey: id) else {
            let ended = transfers[id]?.resolution.map { "ended by a \($0)" }
            fault(.pendings, "an open pending transfer \(id)", ended ?? "none")
            return nil
        }
        transfers[id]?.resolution = transfer.kind
        if pending.isOver(at: record.time) != (transfer.kind == .expire) {
            let expires = pending.expires.map(\.description) ?? "never"
            fault(.pendings, "a \(transfer.kind) that fits expiry \(expires)", "at \(record.time)")
        }
        if transfer.amount > pending.amount || (transfer.kind != .post && transfer.amount != .zero) {
            fault(.pendings, "at most \(transfer.kind == .post ? pending.amount : .zero)", "\(transfer.amount)")
        }
        if transfer.debit != pending.debit || transfer.credit != pending.credit || record.subject != pending.subject {
            fault(.pendings, "the accounts and subject of \(id)", "others")
        }
        return pending
    }

    // MARK: - Sums

    /// Adds what a record says an account changed by.
    private mutating func weigh(_ unit: LedgerUnit, from old: Counters, to new: Counters) {
        var sum = imbalance[unit] ?? Imbalance()
        sum.posted += Int128(new.debitsPosted) - Int128(old.debitsPosted)
        sum.posted -= Int128(new.creditsPosted) - Int128(old.creditsPosted)
        sum.pending += Int128(new.debitsPending) - Int128(old.debitsPending)
        sum.pending -= Int128(new.creditsPending) - Int128(old.creditsPending)
        imbalance[unit] = sum
    }

    private mutating func checkSums(_ unit: LedgerUnit) {
        guard let sum = imbalance[unit], sum.posted != 0 || sum.pending != 0 else { return }
        fault(.sums, "debits less credits 0", "posted \(sum.posted), pending \(sum.pending) micro of \(unit)")
    }
}
