package import FogCore

/// Replays a log from its records alone and compares the result with what the store says.
///
/// Rows are fed one by one in the store's order, those of the log first, so that no table need fit in memory; the replay
/// keeps what the tables should hold, some 250 bytes a record. An edit that is re-chained with care is caught by what
/// the records say of each other, by the signed checkpoints and by the signed documents they cite. A log that was cut
/// short with all its tables, or signed anew by the coordinator's own key, shows only against a checkpoint from outside.
package struct Audit {
    /// What the audit asks of others: documents, who can read them, and what is still at work.
    package struct Sources {
        /// A document by its digest, as it is stored; nil when it is missing. Throws ``LedgerFailure`` when its row does
        /// not read; anything else ends the audit.
        package let document: (Digest) throws -> EvidenceDocument?
        /// What a receipt says, its signature verified.
        package let receipt: (EvidenceDocument) throws(LedgerFailure) -> ReceiptClaim
        /// Whether the work of an escrow's owner, or of a pending transfer's subject, is over.
        package let isOver: (SubjectID) -> Bool
        /// Which of some signatures hold, in their order.
        package let verify: ([SignedRequest]) -> [Bool]

        package init(
            document: @escaping (Digest) throws -> EvidenceDocument?,
            receipt: @escaping (EvidenceDocument) throws(LedgerFailure) -> ReceiptClaim,
            isOver: @escaping (SubjectID) -> Bool,
            verify: @escaping ([SignedRequest]) -> [Bool] = { $0.map(\.holds) }
        ) {
            self.verify = verify
            self.document = document
            self.receipt = receipt
            self.isOver = isOver
        }
    }

    let sources: Sources
    var replay = Replay()
    /// The key that the coordinator signs with, as soon as it is known.
    var coordinator: PublicKey?
    /// Documents that some record cites.
    var cited: Set<ShortDigest> = []
    /// Enrolled keys that no row was found for. The replay keeps its own: documents are compared with them.
    var missingKeys: [KeyID: Replay.KeyEntry] = [:]
    var tree = TreeReplay()
    var outside: [OutsideCheckpoint] = []
    private var findings: [AuditFinding]
    var head: LedgerHead
    /// Records that the chain begun must still bring.
    private var owed: UInt16?
    private(set) var newerAt: UInt64?
    /// Records are all there is to judge.
    private let isLogAlone: Bool
    var attribution = Attribution()
    /// Whether signatures of requests are verified; else only who asked is.
    package var verifiesRequests = true
    var since: UInt64 = 0
    private var isSealed = false

    /// - Parameters:
    ///   - origin: what the first record must carry as its previous hash.
    ///   - coordinator: the key that signs grants and is named by receipts. Nil takes the first that the log enrols in
    ///     that role, or else the first that a grant or a receipt names.
    ///   - isLogAlone: there are no documents and no tables, only records, as in an export.
    package init(
        origin: Digest = .zero, coordinator: PublicKey? = nil, isLogAlone: Bool = false, sources: Sources
    ) {
        self.isLogAlone = isLogAlone
        self.sources = sources
        self.coordinator = coordinator
        head = .empty(origin: origin)
        findings = AuditCheck.allCases.map {
            let isAbsent = isLogAlone ? $0.needsMoreThanRecords : $0 == .export
            return AuditFinding(
                check: $0, verdict: isAbsent ? .absent : .ok, sequence: nil, expected: "", found: "", failures: 0)
        }
    }

    // MARK: - Rows

    /// The next row of a table. All rows of the log come before any other.
    package mutating func take(_ row: EconomyRow) throws {
        if case .record(let sequence, let bytes, let hash, let earlier) = row {
            precondition(!isSealed, "the log comes before the tables that it is compared with")
            return try feed(sequence: sequence, bytes: bytes, hash: hash, earlier)
        }
        if case .unreadable(let table, let words) = row {
            return fail(table.check, nil, "rows of \(table.rawValue) that read", words)
        }
        seal()
        compare(row)
    }

    /// A line of an export that is not what its record gives.
    package mutating func take(line: UInt64, expected: String, found: String) { fail(.export, line, expected, found) }

    /// What the store itself finds wrong with its tables.
    package mutating func take(complaint: String) { fail(.tables, nil, AuditReport.wholeTables, complaint) }

    /// A receipt that the store says it has.
    package mutating func require(document: Digest, of owner: some CustomStringConvertible) throws {
        if try stored(document) == nil { fail(.documents, nil, "the receipt \(document) of attempt \(owner)", "none") }
    }

    private mutating func feed(
        sequence: UInt64, bytes: [UInt8], hash: [UInt8], _ earlier: EarlierRecords?
    ) throws {
        if sequence != head.count { fail(.dense, sequence, "row \(head.count)", "row \(sequence)") }
        let leaf = LedgerRecord.leafHash(bytes)
        if leaf.bytes != hash { fail(.storedHash, sequence, "\(leaf)", Hex.encode(hash)) }
        let record = decode(bytes, row: sequence)
        if let record { try check(record, row: sequence, earlier) }
        tree.append(leaf)
        // Goes on from what stands there, so that one bad place is told as one.
        head = LedgerHead(count: sequence &+ 1, hash: leaf, time: record?.time ?? head.time)
    }

    private mutating func decode(_ bytes: [UInt8], row: UInt64) -> LedgerRecord? {
        do throws(LedgerFailure) {
            return try LedgerRecord(decoding: bytes)
        } catch {
            if error.code == LedgerFailure.newerSoftware {
                passOver(row, error.message)
            } else {
                fail(
                    .decodes, row, "a record of form \(LedgerRecord.unattributed) or \(LedgerRecord.version)",
                    error.message)
            }
            return nil
        }
    }

    private mutating func check(_ record: LedgerRecord, row: UInt64, _ earlier: EarlierRecords?) throws {
        if record.sequence != row { fail(.dense, row, "record \(row)", "record \(record.sequence)") }
        if record.previous != head.hash { fail(.chain, row, "\(head.hash)", "\(record.previous)") }
        if record.time <= head.time, head.count > 0 { fail(.time, row, "after \(head.time)", "\(record.time)") }
        if case .unrecognised(let type, _) = record.body {
            return passOver(row, "record type 0x" + Hex.encode([UInt8(type >> 8), UInt8(type & 0xff)]))
        }
        if let owed, owed != record.following &+ 1 {
            fail(.linked, row, "\(owed) more of the chain", "\(Int(record.following) + 1)")
        }
        owed = record.following > 0 ? record.following : nil
        // Before it is applied: a key may ask for its own end.
        checkAuthorisation(of: record, row)
        compare(earlier, with: replay.apply(record), row)
        if case .keyEnrolled(let enrolment) = record.body, enrolment.roles.contains(.coordinator), coordinator == nil {
            coordinator = enrolment.key
        }
        for fault in replay.takeFaults() { fail(fault.check, row, fault.expected, fault.found) }
        if !isLogAlone { try checkEvidence(of: record, row) }
    }

    private mutating func passOver(_ sequence: UInt64, _ what: String) {
        owed = nil
        verifyRequests()
        guard newerAt == nil else { return }
        newerAt = sequence
        for index in findings.indices where findings[index].check.needsEveryRecord || findings[index].check == .decodes
        {
            guard findings[index].verdict == .ok else { continue }
            findings[index].verdict = .unjudged
            findings[index].sequence = sequence
            findings[index].expected = "records this version knows"
            findings[index].found = what
        }
    }

    /// Tells the first failure of a check in the order of the log; tables are not read in that order.
    mutating func fail(_ check: AuditCheck, _ sequence: UInt64?, _ expected: String, _ found: String) {
        guard newerAt == nil || !check.needsEveryRecord else { return }
        guard let index = findings.firstIndex(where: { $0.check == check }), findings[index].verdict != .absent else {
            return
        }
        findings[index].failures += 1
        if findings[index].verdict == .failed {
            guard let sequence, sequence < findings[index].sequence ?? .max else { return }
        }
        findings[index].verdict = .failed
        findings[index].sequence = sequence
        findings[index].expected = expected
        findings[index].found = found
    }

    // MARK: - The end

    /// What the records amount to: the projections as they should be, before any of them was compared.
    package var replayed: LedgerProjection {
        LedgerProjection(
            accounts: replay.accounts.values.map { entry in
                var account = entry.account
                if let span = replay.named[account.id] {
                    (account.firstRecord, account.lastRecord) = (span.first, span.last)
                }
                return account
            }.sorted { $0.id < $1.id },
            pendings: replay.pendings.values.sorted { $0.id < $1.id },
            keys: replay.keys.values.map(\.key).sorted { $0.key < $1.key }, head: head)
    }

    /// The log is at its end: judges what only its end can tell.
    private mutating func seal() {
        guard !isSealed else { return }
        isSealed = true
        verifyRequests()
        missingKeys = replay.keys
        if let owed { fail(.linked, head.count &- 1, "\(owed) more of the chain", "the end of the log") }
        for entry in replay.accounts.values
        where entry.account.kind == .escrow && !entry.account.isClosed && sources.isOver(entry.account.owner) {
            let account = entry.account
            fail(
                .escrows, entry.lastSequence, "escrow \(account.id) closed: its job is over",
                "open with \(account.balance)")
        }
        for pending in replay.pendings.values
        where replay.accounts[pending.debit]?.account.kind == .escrow && sources.isOver(pending.subject) {
            fail(
                .escrows, pending.sequence, "pending transfer \(pending.id) resolved: its work is over",
                "open with \(pending.amount)")
        }
    }

    /// Says what is missing in the tables, and reports.
    package consuming func report() -> AuditReport {
        seal()
        if !isLogAlone { endComparison() }
        endTree()
        return AuditReport(
            findings: findings, head: head, since: since, attributedSince: attribution.since,
            silentRecords: attribution.silent)
    }
}

/// What a receipt says of the work it stands for, in the ledger's words.
package struct ReceiptClaim: Hashable, Sendable {
    /// The attempt.
    package let subject: SubjectID
    /// The key of the node that signed it.
    package let worker: PublicKey
    /// The coordinator that granted the work.
    package let coordinator: PublicKey
    /// The most that may be paid.
    package let bound: Credits
    /// Measured use of processors; nil where the receipt's form has none.
    package let cpuNanoseconds: Int64?
    /// The digest of the result.
    package let result: Digest?

    package init(
        subject: SubjectID, worker: PublicKey, coordinator: PublicKey, bound: Credits, cpuNanoseconds: Int64? = nil,
        result: Digest? = nil
    ) {
        self.cpuNanoseconds = cpuNanoseconds
        self.result = result
        self.subject = subject
        self.worker = worker
        self.coordinator = coordinator
        self.bound = bound
    }
}

/// The first half of a digest: enough to tell documents apart, at a quarter of the memory.
struct ShortDigest: Hashable {
    private let high: UInt64
    private let low: UInt64

    init(_ digest: Digest) {
        high = digest.bytes[0..<8].reduce(0) { $0 << 8 | UInt64($1) }
        low = digest.bytes[8..<16].reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// An account's counters at any moment of the past, read off the records.
package enum AccountHistory {
    /// The counters after the last record up to `sequence` that touched the account; nil when none did.
    /// - Parameter records: rows of the log in order; only those of the account are needed.
    /// - Throws: `bad_record` or `newer_software` for a row that cannot be read.
    package static func counters(
        of account: AccountID, at sequence: UInt64, in records: some Sequence<[UInt8]>
    ) throws(LedgerFailure) -> Counters? {
        var last: Counters?
        for bytes in records {
            let record = try LedgerRecord(decoding: bytes)
            if record.sequence > sequence { break }
            last = record.counters(of: account) ?? last
        }
        return last
    }
}
