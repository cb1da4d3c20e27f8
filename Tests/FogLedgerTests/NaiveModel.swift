import FogCore
import FogLedger

/// A second ledger, written from the rules alone and as plainly as possible: wide integers, no counters kept apart
/// from what happened, a copy of everything for each chain. Only what it answers is compared.
struct NaiveModel {
    struct Purse: Equatable {
        var kind: AccountKind
        var unit: LedgerUnit
        var owner: SubjectID
        var closed = false
        /// All that ever left and came.
        var out: Int128 = 0
        var into: Int128 = 0
    }

    struct Promise: Equatable {
        var from: AccountID
        var to: AccountID
        var amount: Int128
        var until: Int64?
        var subject: SubjectID
    }

    struct Past: Equatable {
        var action: LedgerAction
        var subject: SubjectID
        var evidence: Digest
    }

    var purses: [AccountID: Purse] = [:]
    var promises: [TransferID: Promise] = [:]
    var past: [TransferID: Past] = [:]
    var ends: [TransferID: TransferKind] = [:]
    var paid: Set<SubjectID> = []
    var keys: Set<PublicKey> = []
    /// Every rule ever set, the newest last.
    var rules: [LedgerRule] = []
    /// A use of quota that waits for its reward.
    var waiting: (quota: AccountID, amount: Int64, subject: SubjectID)?
    var time: Int64 = 0

    mutating func apply(_ entries: [LedgerEntry], clock: Int64) -> String {
        if entries.isEmpty || entries.count > 1024 { return "bad_chain_length" }
        var trial = self
        var here: Set<TransferID> = []
        var answers: [String] = []
        for entry in entries {
            let moment = Swift.max(trial.time + 1, clock)
            if trial.waiting != nil {
                guard case .transfer(let next) = entry.action, next.kind == .reward else { return "not_linked" }
            }
            let answer = trial.one(entry, moment, &here, before: self)
            if answer == "applied" { trial.time = moment }
            if answer != "applied", answer != "exists" { return answer }
            answers.append(answer)
            if Set(answers).count > 1 { return "partly_applied" }
        }
        if trial.waiting != nil { return "not_linked" }
        if answers[0] == "applied" { self = trial }
        return answers[0]
    }

    private mutating func one(
        _ entry: LedgerEntry, _ now: Int64, _ here: inout Set<TransferID>, before: NaiveModel
    ) -> String {
        switch entry.action {
        case .open(let opening):
            guard let purse = purses[opening.id] else {
                if let problem = refuses(opening, now) { return problem }
                purses[opening.id] = Purse(kind: opening.kind, unit: opening.unit, owner: opening.owner)
                return "applied"
            }
            if purse.kind != opening.kind { return "exists_with_different_kind" }
            if purse.unit != opening.unit { return "exists_with_different_unit" }
            return purse.owner == opening.owner ? "exists" : "exists_with_different_owner"
        case .close(let id):
            guard let purse = purses[id] else { return "unknown_account" }
            if purse.closed { return "exists" }
            let forGood: [AccountKind] = [.issuance, .treasury, .fees, .sovereign, .burn, .allowance, .pool]
            if forGood.contains(purse.kind) { return "system_account" }
            if purse.into != purse.out || promises.values.contains(where: { $0.from == id || $0.to == id }) {
                return "account_not_empty"
            }
            purses[id]?.closed = true
            return "applied"
        case .transfer(let proposal):
            if let old = before.past[proposal.id] { return compare(entry, old) }
            if !here.insert(proposal.id).inserted { return "id_repeated_in_chain" }
            let answer = move(proposal, entry, now, before: before)
            if answer == "applied" { note(proposal.id, entry) }
            return answer
        case .resolve(let proposal):
            if let old = before.past[proposal.id] { return compare(entry, old) }
            if !here.insert(proposal.id).inserted { return "id_repeated_in_chain" }
            let answer = end(proposal, entry, now)
            if answer == "applied" { note(proposal.id, entry) }
            return answer
        case .enrol(let enrolment): return keys.insert(enrolment.key).inserted ? "applied" : "exists"
        case .setRule(let rule): return set(rule, now)
        case .setRoles, .revokeKey: return "not modelled"
        }
    }

    private mutating func note(_ id: TransferID, _ entry: LedgerEntry) {
        past[id] = Past(action: entry.action, subject: entry.subject, evidence: entry.evidence)
    }

    private func compare(_ entry: LedgerEntry, _ old: Past) -> String {
        func field(_ name: String) -> String { "exists_with_different_" + name }
        switch (entry.action, old.action) {
        case (.transfer(let new), .transfer(let was)):
            if new.kind != was.kind { return field("kind") }
            if new.debit != was.debit { return field("debit_account") }
            if new.credit != was.credit { return field("credit_account") }
            if new.amount != was.amount { return field("amount") }
            if new.expires != was.expires { return field("expires") }
        case (.resolve(let new), .resolve(let was)):
            if new.kind != was.kind { return field("kind") }
            if new.pending != was.pending { return field("pending") }
            if new.amount != was.amount { return field("amount") }
        default: return field("kind")
        }
        if entry.subject != old.subject { return field("subject") }
        return entry.evidence == old.evidence ? "exists" : field("evidence")
    }

    private func reserved(from id: AccountID) -> Int128 {
        promises.values.filter { $0.from == id }.reduce(0) { $0 + $1.amount }
    }

    private func reserved(to id: AccountID) -> Int128 {
        promises.values.filter { $0.to == id }.reduce(0) { $0 + $1.amount }
    }

    private mutating func move(
        _ proposal: TransferProposal, _ entry: LedgerEntry, _ now: Int64, before: NaiveModel
    ) -> String {
        let amount = Int128(proposal.amount.micro)
        let isPromise = proposal.kind == .pending
        if amount < 0 || (amount == 0 && !isPromise) { return "bad_amount" }
        if proposal.debit == proposal.credit { return "same_account" }
        let proven: [TransferKind] = [.issue, .reward, .slash, .spend, .correct]
        if proven.contains(proposal.kind), entry.evidence == .zero { return "evidence_missing" }
        if let ordinal = proposal.ordinal,
            !proposal.id.derives(from: proposal.kind, subject: entry.subject, ordinal: ordinal)
        {
            return "id_not_derived"
        }
        guard let from = purses[proposal.debit], let to = purses[proposal.credit] else { return "unknown_account" }
        if from.closed || to.closed { return "account_closed" }
        if from.unit != to.unit { return "unit_mismatch" }
        let fits = Self.ways[proposal.kind]?.contains(Way(from.kind, to.kind)) ?? (from.unit == .credit)
        if !fits { return "kind_not_allowed" }
        let most = Int128(Int64.max)
        if from.out + reserved(from: proposal.debit) + amount > most { return "amount_overflow" }
        if to.into + reserved(to: proposal.credit) + amount > most { return "amount_overflow" }
        let floor: Int128 = [.issuance, .allowance].contains(from.kind) ? -(1 << 62) : 0
        if from.into - from.out - reserved(from: proposal.debit) - amount < floor {
            return from.kind == .quota
                ? "daily_limit_exceeded" : from.kind == .pool ? "pool_exhausted" : "insufficient_funds"
        }
        if let problem = refuses(proposal, entry, from, to, now, before: before) { return problem }
        if proposal.kind == .use { waiting = (proposal.debit, proposal.amount.micro, entry.subject) }
        if proposal.kind == .reward { waiting = nil }
        guard isPromise else {
            purses[proposal.debit]?.out += amount
            purses[proposal.credit]?.into += amount
            return "applied"
        }
        if let until = proposal.expires, until.microseconds <= now { return "expired" }
        promises[proposal.id] = Promise(
            from: proposal.debit, to: proposal.credit, amount: amount, until: proposal.expires?.microseconds,
            subject: entry.subject)
        return "applied"
    }

    private mutating func end(_ proposal: ResolutionProposal, _ entry: LedgerEntry, _ now: Int64) -> String {
        guard let promise = promises[proposal.pending] else {
            switch ends[proposal.pending] {
            case .post: return "already_posted"
            case .void: return "already_voided"
            case .expire: return "expired"
            default: return "unknown_pending"
            }
        }
        if entry.subject != promise.subject { return "exists_with_different_subject" }
        let over = promise.until.map { now >= $0 } ?? false
        if over, proposal.kind != .expire { return "expired" }
        if !over, proposal.kind == .expire { return "not_expired_yet" }
        let amount = Int128(proposal.amount.micro)
        if proposal.kind == .post {
            if amount < 0 { return "bad_amount" }
            if amount > promise.amount { return "exceeds_pending" }
            if entry.evidence == .zero { return "evidence_missing" }
            if entry.subject != .none, !paid.insert(entry.subject).inserted { return "already_paid" }
        }
        promises[proposal.pending] = nil
        ends[proposal.pending] = proposal.kind
        purses[promise.from]?.out += amount
        purses[promise.to]?.into += amount
        return "applied"
    }

    /// The four counters of an account, added up from what the model knows.
    func counters(of id: AccountID) -> Counters? {
        guard let purse = purses[id] else { return nil }
        return Counters(
            debitsPending: Int64(reserved(from: id)), debitsPosted: Int64(purse.out),
            creditsPending: Int64(reserved(to: id)), creditsPosted: Int64(purse.into))
    }
}
