import FogCore
import FogLedger

/// A ledger with a store around it that is as simple as one can be: arrays and dictionaries.
final class LedgerFixture {
    var ledger: Ledger
    var random: SeededGenerator
    var clock = Timestamp(seconds: 1_795_342_639)
    var rows: [LedgerRow] = []
    var transfers: [TransferID: KnownTransfer] = [:]
    var closed: [AccountID: Account] = [:]
    var paid: Set<SubjectID> = []
    var documents: [Digest: EvidenceDocument] = [:]
    var over: Set<SubjectID> = []
    let key: SigningKey

    init(seed: UInt64 = 1, system: Bool = true) throws {
        ledger = Ledger(origin: Digest.sha256(Array("fog-test".utf8)))
        random = SeededGenerator(seed: seed)
        key = try SigningKey(seed: [UInt8](repeating: 7, count: 32))
        if system { apply(LedgerEntry.systemAccounts) }
    }

    static let origin = Digest.sha256(Array("fog-test".utf8))

    var lookup: LedgerLookup {
        LedgerLookup(
            transfer: { self.transfers[$0] }, account: { self.closed[$0] }, isPaid: { self.paid.contains($0) })
    }

    @discardableResult
    func apply(_ entries: [LedgerEntry]) -> LedgerOutcome {
        let outcome = ledger.apply(entries, at: clock, lookup: lookup, using: &random)
        if let change = outcome.change { keep(change) }
        return outcome
    }

    /// One entry without subject; posts and issues cite some receipt.
    @discardableResult
    func apply(_ action: LedgerAction, subject: SubjectID = .none, evidence: Digest? = nil) -> LedgerOutcome {
        apply([LedgerEntry(action, subject: subject, evidence: evidence ?? .zero)])
    }

    func keep(_ change: LedgerChange) {
        rows += change.rows
        for row in change.rows {
            guard let known = KnownTransfer(row.record) else { continue }
            transfers[known.transfer.id] = known
            if known.transfer.kind == .post, known.subject != .none { paid.insert(known.subject) }
        }
        for end in change.pendingResolved {
            guard let known = transfers[end.pending] else { continue }
            transfers[end.pending] = KnownTransfer(
                transfer: known.transfer, subject: known.subject, evidence: known.evidence, resolution: end.kind)
        }
        let closing = change.accounts.filter(\.isClosed)
        for account in closing { closed[account.id] = account }
        ledger.forget(closing.map(\.id))
    }

    // MARK: - Short forms

    func transferID() -> TransferID { TransferID(at: clock, using: &random) }
    func subject() -> SubjectID { SubjectID(at: clock, using: &random) }

    func account(_ kind: AccountKind = .user, unit: LedgerUnit = .credit, owner: SubjectID = .none) -> AccountID {
        let id = AccountID(at: clock, using: &random)
        apply(.open(AccountOpening(id: id, kind: kind, unit: unit, owner: owner)))
        return id
    }

    /// Credits from issuance, with a signed grant.
    @discardableResult
    func grant(_ amount: Credits, to account: AccountID) throws -> LedgerOutcome {
        let grant = try GrantDocument(
            account: account, amount: amount, time: clock, reason: "for the test", signedBy: key)
        documents[grant.document.digest] = grant.document
        clock = clock + .milliseconds(1)
        return apply([grant.entry()])
    }

    func funded(_ amount: Credits) throws -> AccountID {
        let id = account()
        try grant(amount, to: id)
        return id
    }

    /// Some receipt; the last 16 bytes name the subject it speaks of.
    func receipt(for subject: SubjectID) -> Digest {
        let document = EvidenceDocument(kind: .receipt, bytes: Array("receipt ".utf8) + subject.bytes)
        documents[document.digest] = document
        return document.digest
    }

    func found(_ id: AccountID) -> Account? { ledger.account(id) ?? closed[id] }

    var projection: LedgerProjection {
        var projection = ledger.projection
        let present = Set(projection.accounts.map(\.id))
        projection.accounts += closed.values.filter { !present.contains($0.id) }
        projection.accounts.sort { $0.id < $1.id }
        return projection
    }

    var sources: Audit.Sources {
        Audit.Sources(
            evidence: { self.documents[$0] },
            verify: { document, record in
                document.bytes.suffix(16) == record.subject.bytes[...] ? nil : "a receipt of another subject"
            },
            isOver: { self.over.contains($0) })
    }

    func audit(_ rows: [StoredRow]? = nil, projection: LedgerProjection? = nil) -> AuditReport {
        var audit = Audit(origin: Self.origin, sources: sources)
        for row in rows ?? stored { audit.feed(sequence: row.sequence, bytes: row.bytes, hash: row.hash) }
        return audit.report(comparing: projection ?? self.projection)
    }

    var stored: [StoredRow] {
        rows.map { StoredRow(sequence: $0.record.sequence, bytes: $0.bytes, hash: $0.hash) }
    }
}

/// A row of the log as a store holds it, open to a forger.
struct StoredRow {
    var sequence: UInt64
    var bytes: [UInt8]
    var hash: Digest
}

extension LedgerOutcome {
    /// `applied`, `exists` or the code of the refusal.
    var word: String {
        switch self {
        case .applied: "applied"
        case .exists: "exists"
        case .refused(let refusal, _): refusal.code
        }
    }
}

func micro(_ amount: Int64) -> Credits { Credits(micro: amount) }
