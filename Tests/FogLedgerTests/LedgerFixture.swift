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
    /// Kept with the record that cites them, or not at all.
    var drafts: [Digest: EvidenceDocument] = [:]
    var over: Set<SubjectID> = []
    /// The coordinator's: it signs grants, and receipts name it.
    let key: SigningKey
    private var lines: [TransferID: (sequence: UInt64, resolution: TransferKind?)] = [:]
    private var workers: [AccountID: SigningKey] = [:]

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
            if let draft = drafts[row.record.evidence] { documents[row.record.evidence] = draft }
            guard let known = KnownTransfer(row.record) else { continue }
            transfers[known.transfer.id] = known
            lines[known.transfer.id] = (row.record.sequence, nil)
            if known.transfer.kind == .post, known.subject != .none { paid.insert(known.subject) }
        }
        for end in change.pendingResolved {
            guard let known = transfers[end.pending] else { continue }
            lines[end.pending]?.resolution = end.kind
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
        drafts[grant.document.digest] = grant.document
        clock = clock + .milliseconds(1)
        return apply([grant.entry()])
    }

    func funded(_ amount: Credits) throws -> AccountID {
        let id = account()
        try grant(amount, to: id)
        return id
    }

    /// The key of a node of an account, made from the account's id.
    func worker(of owner: AccountID) throws -> SigningKey {
        if let known = workers[owner] { return known }
        let key = try SigningKey(seed: Digest.blake2b(owner.bytes).bytes)
        workers[owner] = key
        return key
    }

    func enrolment(of owner: AccountID) throws -> KeyEnrolment {
        KeyEnrolment(key: try worker(of: owner).publicKey, roles: [.worker], owner: owner)
    }

    /// A receipt by a node of the payee, which is enrolled when it has none.
    func receipt(for subject: SubjectID, by payee: AccountID) throws -> Digest {
        let enrolment = try enrolment(of: payee)
        if ledger.key(enrolment.key.id) == nil { apply(.enrol(enrolment)) }
        let document = TestReceipt(subject: subject, worker: enrolment.key, coordinator: key.publicKey).document
        drafts[document.digest] = document
        return document.digest
    }

    /// A document that lies there, cited or not.
    func keep(_ receipt: TestReceipt) -> Digest {
        documents[receipt.document.digest] = receipt.document
        return receipt.document.digest
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
            document: { self.documents[$0] }, receipt: TestReceipt.claim, isOver: { self.over.contains($0) })
    }

    func audit(
        _ rows: [StoredRow]? = nil, projection: LedgerProjection? = nil, tables: [EconomyRow]? = nil,
        origin: Digest = LedgerFixture.origin, coordinator: PublicKey? = nil, tree: [EconomyRow]? = nil,
        outside: [OutsideCheckpoint] = []
    ) throws -> AuditReport {
        let tree = try tree ?? self.tree
        var audit = Audit(origin: origin, coordinator: coordinator, sources: sources)
        for checkpoint in outside { audit.require(checkpoint) }
        for case .checkpoint(let stored) in tree { audit.expect(rootOfSize: stored.size) }
        for row in rows ?? stored { try audit.take(row.row) }
        for row in (projection ?? self.projection).rows + (tables ?? self.tables) + tree { try audit.take(row) }
        return audit.report()
    }

    /// The tables that only say where something is found in the log, and the documents.
    var tables: [EconomyRow] {
        let transfers = lines.sorted { $0.key < $1.key }.map { id, line in
            EconomyRow.transfer(id, sequence: line.sequence, resolution: line.resolution)
        }
        let rules = rows.map(\.record).filter { $0.rule != nil }.map { EconomyRow.rule(sequence: $0.sequence) }
        let paid = rows.map(\.record).filter(\.pays).map { EconomyRow.paid($0.subject, sequence: $0.sequence) }
        return transfers + rules + paid + documents.map { .document($1, under: $0) }
    }

    var tree: [EconomyRow] { get throws { try tree(over: rows.map(\.hash)) } }

    /// Full tiles, and a checkpoint each hundred records and at the end.
    func tree(over hashes: [Digest]) throws -> [EconomyRow] {
        var (range, tiles, checkpoints) = (CompactRange(), [EconomyRow](), [EconomyRow]())
        for hash in hashes {
            tiles += range.append(hash).map { .tile($0) }
            guard range.size % 100 == 0 || range.size == hashes.count else { continue }
            checkpoints.append(.checkpoint(try checkpoint(UInt64(checkpoints.count), of: range.head)))
        }
        return tiles + checkpoints
    }

    func checkpoint(_ number: UInt64, of head: TreeHead, by signer: SigningKey? = nil) throws -> StoredCheckpoint {
        let checkpoint = Checkpoint(origin: Checkpoint.origin(of: key.publicKey), head: head)
        let signature = try (signer ?? key).sign(note: checkpoint.text, as: checkpoint.origin)
        let note = SignedNote(text: checkpoint.text, signatures: [signature])
        return StoredCheckpoint(number: number, size: head.size, note: note.bytes)
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
    /// Nil leaves it unjudged: a forger's rows have what a test gives them.
    var earlier: EarlierRecords?

    var row: EconomyRow { .record(sequence: sequence, bytes: bytes, hash: hash.bytes, earlier: earlier) }
}

extension LedgerProjection {
    var rows: [EconomyRow] { accounts.map { .account($0) } + pendings.map { .pending($0) } + keys.map { .key($0) } }
}

/// A receipt with nothing in it but what the ledger asks for; the audit's caller is who would verify a signature.
struct TestReceipt {
    var subject: SubjectID
    var worker: PublicKey
    var coordinator: PublicKey
    var bound = micro(.max)

    var document: EvidenceDocument {
        var out = CanonicalWriter()
        out.write(subject)
        out.write(raw: worker.bytes)
        out.write(raw: coordinator.bytes)
        out.write(bound.micro)
        return EvidenceDocument(kind: .receipt, bytes: out.bytes)
    }

    static func claim(of document: EvidenceDocument) throws(LedgerFailure) -> ReceiptClaim {
        do throws(CoreFailure) {
            var reader = CanonicalReader(document.bytes)
            let claim = ReceiptClaim(
                subject: try reader.readIdentifier(), worker: try PublicKey(bytes: reader.read(raw: 32)),
                coordinator: try PublicKey(bytes: reader.read(raw: 32)), bound: micro(try reader.read()))
            try reader.end()
            return claim
        } catch {
            throw LedgerFailure("bad_evidence", error.message)
        }
    }
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
