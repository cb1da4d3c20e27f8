package import FogCore

/// The double-entry ledger as a value: open accounts, open pending transfers, keys, and the end of the log.
///
/// A decision only: ``apply(_:at:lookup:using:)`` changes this value and says what to write; the store commits it, or
/// ``revert(_:)`` takes it back. Memory grows with open accounts and open pendings, not with history: older ids are
/// asked for through a ``LedgerLookup``. Semantics follow TigerBeetle (docs/coding/two-phase-transfers.md and
/// linked-events.md): immutable transfers, pending, post, void and expire, chains, ids chosen by the caller.
package struct Ledger: Sendable {
    /// The most entries one chain may have.
    package static let maxChainLength = 1024

    package private(set) var head: LedgerHead
    var accounts: [AccountID: Account] = [:]
    var pendings: [TransferID: Pending] = [:]
    var keys: [KeyID: EnrolledKey] = [:]
    package internal(set) var rules = Rulebook()
    /// The key that answers for what nobody asked for. Once it is set, records say who answers for them, and an entry
    /// that needs somebody's request is refused without one. Nil writes the older form.
    package var authority: KeyID?

    /// An empty ledger.
    /// - Parameter origin: a digest of the ledger's name; stands before the first record.
    package init(origin: Digest = .zero) { head = .empty(origin: origin) }

    /// The ledger as its projections hold it. Closed accounts may be left out when the lookup finds them.
    package init(_ projection: LedgerProjection) {
        head = projection.head
        for account in projection.accounts { accounts[account.id] = account }
        for pending in projection.pendings { pendings[pending.id] = pending }
        for key in projection.keys { keys[key.key.id] = key }
        rules = projection.rules
    }

    // MARK: - Questions

    /// An account in memory: every open one, and closed ones until ``forget(_:)``.
    package func account(_ id: AccountID) -> Account? { accounts[id] }
    package func pending(_ id: TransferID) -> Pending? { pendings[id] }
    package func key(_ id: KeyID) -> EnrolledKey? { keys[id] }
    package var openPendingCount: Int { pendings.count }

    /// The ledger time the next record would have.
    package func time(at clock: Timestamp) -> Timestamp {
        max(Timestamp(microseconds: head.time.microseconds + 1), clock)
    }

    /// Pending transfers that can only expire by now, oldest deadline first, at most `limit`.
    package func overdue(at clock: Timestamp, limit: Int) -> [Pending] {
        let now = time(at: clock)
        let over = pendings.values.filter { $0.isOver(at: now) }
        return Array(over.sorted { ($0.expires ?? .zero, $0.id) < ($1.expires ?? .zero, $1.id) }.prefix(limit))
    }

    /// Quotas whose day is over and what is free of its unbonding, at most `limit`. Looks at every open account.
    package func due(at time: Timestamp, limit: Int) -> [Account] {
        let due = accounts.values.lazy.filter { Rewards.isOver($0, at: time) || Staking.isFree($0, at: time) }
        return Array(due.prefix(limit)).sorted { $0.id < $1.id }
    }

    /// All rows, sorted by id: what a restart or an audit compares.
    package var projection: LedgerProjection {
        LedgerProjection(
            accounts: accounts.values.sorted { $0.id < $1.id }, pendings: pendings.values.sorted { $0.id < $1.id },
            keys: keys.values.sorted { $0.key < $1.key }, rules: rules, head: head)
    }

    // MARK: - Changes

    /// Applies a chain whole, or nothing of it.
    ///
    /// - Parameters:
    ///   - clock: the wall clock; ledger time never goes back with it.
    ///   - lookup: answers for ids that are not in memory.
    ///   - generator: chance for the records' salts.
    package mutating func apply(
        _ entries: [LedgerEntry], at clock: Timestamp, lookup: LedgerLookup,
        using generator: inout some RandomNumberGenerator
    ) -> LedgerOutcome {
        guard !entries.isEmpty, entries.count <= Self.maxChainLength else {
            return .refused(.badChainLength(entries.count), entry: 0)
        }
        let before = head
        var draft = Draft(lookup: lookup)
        var existing = 0
        for (index, entry) in entries.enumerated() {
            draft.time = time(at: clock)
            draft.sequence = head.count
            (draft.earlier, draft.named) = (EarlierRecords(), 0)
            if let refusal = draft.unlinked(before: entry) {
                takeBack(draft.undo, to: before)
                return .refused(refusal, entry: index)
            }
            switch decide(entry, &draft) {
            case .refused(let refusal):
                takeBack(draft.undo, to: before)
                return .refused(refusal, entry: index)
            case .exists:
                existing += 1
            case .applied(let body):
                if let missing = missingAuthorisation(of: entry, body, draft) {
                    takeBack(draft.undo, to: before)
                    return .refused(missing, entry: index)
                }
                append(entry, body, following: UInt16(entries.count - 1 - index), &draft, using: &generator)
            }
            guard existing == 0 || existing == index + 1 else {
                takeBack(draft.undo, to: before)
                return .refused(.partlyApplied, entry: index)
            }
        }
        guard draft.spent == nil else {
            takeBack(draft.undo, to: before)
            return .refused(.notLinked(.use), entry: entries.count - 1)
        }
        return existing > 0 ? .exists : .applied(change(draft, before: before))
    }

    /// Takes back the newest change, for a transaction that did not commit.
    package mutating func revert(_ change: LedgerChange) {
        precondition(change.head == head, "only the newest change can be taken back")
        takeBack(change.undo, to: change.before)
    }

    /// Lets go of closed accounts that were committed; the lookup answers for them from now on.
    package mutating func forget(_ closed: some Sequence<AccountID>) {
        for id in closed where accounts[id]?.isClosed == true { accounts[id] = nil }
    }

    private mutating func append(
        _ entry: LedgerEntry, _ body: LedgerRecord.Body, following: UInt16, _ draft: inout Draft,
        using generator: inout some RandomNumberGenerator
    ) {
        var authorisation = entry.authorisation
        if let authority, !authorisation.isRequest { authorisation = .seal(of: authority) }
        let record = LedgerRecord(
            sequence: head.count, time: draft.time, previous: head.hash, salt: RecordSalt(using: &generator),
            subject: entry.subject, evidence: entry.evidence, authorisation: authorisation, body: body,
            following: following, form: authority == nil ? LedgerRecord.unattributed : LedgerRecord.version)
        let row = record.sealed(after: draft.earlier)
        draft.rows.append(row)
        head = LedgerHead(count: head.count + 1, hash: row.hash, time: draft.time)
    }

    private func missingAuthorisation(
        of entry: LedgerEntry, _ body: LedgerRecord.Body, _ draft: Draft
    ) -> LedgerRefusal? {
        guard authority != nil, !entry.authorisation.isRequest else { return nil }
        switch body.authoriser {
        case .coordinator: return nil
        case .requestOrEnrolment(let account) where draft.enrolled(account): return nil
        case .request, .requestOrEnrolment: return .authorisationMissing(body.what)
        }
    }

    private mutating func takeBack(_ undo: [UndoStep], to before: LedgerHead) {
        for step in undo.reversed() {
            switch step {
            case .account(let id, let old): accounts[id] = old
            case .opened(let id): pendings[id] = nil
            case .resolved(let pending): pendings[pending.id] = pending
            case .key(let id, let old): keys[id] = old
            case .rule: rules.removeLast()
            }
        }
        head = before
    }

    private func change(_ draft: Draft, before: LedgerHead) -> LedgerChange {
        var changed: [Account] = []
        var changedKeys: [EnrolledKey] = []
        // Most chains touch two or three accounts, for which a set costs more than a search.
        var seen: Set<AccountID> = []
        let isShort = draft.undo.count <= 8
        for step in draft.undo {
            switch step {
            case .account(let id, _):
                let isNew =
                    isShort
                    ? !changed.contains { $0.id.low == id.low && $0.id.high == id.high } : seen.insert(id).inserted
                if isNew, let account = accounts[id] { changed.append(account) }
            case .key(let id, _):
                if let key = keys[id], !changedKeys.contains(where: { $0.key == key.key }) { changedKeys.append(key) }
            case .opened, .resolved, .rule: continue
            }
        }
        return LedgerChange(
            rows: draft.rows, accounts: changed, keys: changedKeys, opened: draft.opened, resolved: draft.resolved,
            before: before, head: head, undo: draft.undo)
    }
}

/// What a chain has done so far.
struct Draft {
    let lookup: LedgerLookup
    var time = Timestamp.zero
    var sequence: UInt64 = 0
    /// Of the accounts that the entry has touched so far.
    var earlier = EarlierRecords()
    var named = 0
    var rows: [LedgerRow] = []
    var opened: [Pending] = []
    var resolved: [PendingResolution] = []
    var undo: [UndoStep] = []
    /// A quota that was used by the entry before, for the reward that must follow at once.
    var spent: (quota: AccountID, amount: Credits, subject: SubjectID)?

    init(lookup: LedgerLookup) { self.lookup = lookup }

    /// Whether the chain itself wrote a transfer of that id. Chains are short, so the rows are searched.
    func wrote(_ id: TransferID) -> Bool { rows.contains { $0.record.transfer?.id == id } }

    /// What uses a quota is followed by the reward that it is used for.
    func unlinked(before entry: LedgerEntry) -> LedgerRefusal? {
        guard spent != nil else { return nil }
        if case .transfer(let proposal) = entry.action, proposal.kind == .reward { return nil }
        return .notLinked(.use)
    }

    /// Whether the chain enrolled a key for the account.
    func enrolled(_ owner: AccountID) -> Bool {
        rows.contains { row in
            if case .keyEnrolled(let enrolment) = row.record.body { enrolment.owner == owner } else { false }
        }
    }

    func paid(_ subject: SubjectID) -> Bool {
        rows.contains { $0.record.subject == subject && $0.record.transfer?.kind == .post }
    }
}

/// What one entry comes to.
enum Decision {
    case applied(LedgerRecord.Body)
    case exists
    case refused(LedgerRefusal)
}
