package import FogCore

/// Replays a log from its records alone and compares the result with what the store says.
///
/// Records are fed one by one in the store's order, so they need not fit in memory; the replay keeps accounts, open
/// pendings and the set of ids. An edit that is re-chained with care is caught by what the records say of each other;
/// cutting off the end needs a head or a checkpoint from outside.
package struct Audit {
    /// Where documents come from and who can read them.
    package struct Sources {
        /// A document by its digest, as it is stored; nil when it is missing.
        package let evidence: (Digest) -> EvidenceDocument?
        /// What is wrong with a receipt or a verdict as evidence for a record; nil when it holds.
        package let verify: (EvidenceDocument, LedgerRecord) -> String?
        /// Whether the work of an escrow's owner is over.
        package let isOver: (SubjectID) -> Bool

        package init(
            evidence: @escaping (Digest) -> EvidenceDocument?,
            verify: @escaping (EvidenceDocument, LedgerRecord) -> String?,
            isOver: @escaping (SubjectID) -> Bool = { _ in false }
        ) {
            self.evidence = evidence
            self.verify = verify
            self.isOver = isOver
        }
    }

    private let sources: Sources
    private var findings: [AuditFinding]
    private var replay = Replay()
    private var head: LedgerHead
    /// Records that the chain begun must still bring.
    private var owed: UInt16?
    private var newerAt: UInt64?

    /// - Parameter origin: what the first record must carry as its previous hash.
    package init(origin: Digest = .zero, sources: Sources) {
        self.sources = sources
        head = .empty(origin: origin)
        findings = AuditCheck.allCases.map {
            AuditFinding(check: $0, verdict: .ok, sequence: nil, expected: "", found: "", failures: 0)
        }
    }

    // MARK: - Records

    /// The next row of the log.
    /// - Parameters:
    ///   - sequence: the row's key.
    ///   - hash: the stored leaf hash.
    package mutating func feed(sequence: UInt64, bytes: [UInt8], hash: Digest) {
        if sequence != head.count { fail(.dense, sequence, "row \(head.count)", "row \(sequence)") }
        let leaf = LedgerRecord.leafHash(bytes)
        if leaf != hash { fail(.storedHash, sequence, "\(leaf)", "\(hash)") }
        var time = head.time
        do {
            let record = try LedgerRecord(decoding: bytes)
            time = record.time
            check(record, row: sequence)
        } catch {
            if error.code == LedgerFailure.newerSoftware {
                passOver(sequence, error.message)
            } else {
                fail(.decodes, sequence, "a record of version \(LedgerRecord.version)", error.message)
            }
        }
        // Goes on from what stands there, so that one bad place is told as one.
        head = LedgerHead(count: sequence &+ 1, hash: leaf, time: time)
    }

    private mutating func check(_ record: LedgerRecord, row: UInt64) {
        if record.sequence != row { fail(.dense, row, "record \(row)", "record \(record.sequence)") }
        if record.previous != head.hash { fail(.chain, row, "\(head.hash)", "\(record.previous)") }
        if record.time <= head.time, row > 0 { fail(.time, row, "after \(head.time)", "\(record.time)") }
        if case .unrecognised(let type, _) = record.body {
            return passOver(row, "record type 0x" + Hex.encode([UInt8(type >> 8), UInt8(type & 0xff)]))
        }
        if let owed, owed != record.following &+ 1 {
            fail(.linked, row, "\(owed) more of the chain", "\(Int(record.following) + 1)")
        }
        owed = record.following > 0 ? record.following : nil
        replay.apply(record)
        for fault in replay.takeFaults() { fail(fault.check, row, fault.expected, fault.found) }
        checkEvidence(record, row)
    }

    private mutating func passOver(_ sequence: UInt64, _ what: String) {
        owed = nil
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

    private mutating func fail(_ check: AuditCheck, _ sequence: UInt64?, _ expected: String, _ found: String) {
        guard newerAt == nil || !check.needsEveryRecord else { return }
        guard let index = findings.firstIndex(where: { $0.check == check }) else { return }
        findings[index].failures += 1
        guard findings[index].verdict != .failed else { return }
        findings[index].verdict = .failed
        findings[index].sequence = sequence
        findings[index].expected = expected
        findings[index].found = found
    }

    // MARK: - Evidence

    private mutating func checkEvidence(_ record: LedgerRecord, _ row: UInt64) {
        guard let transfer = record.transfer else { return }
        guard record.evidence != .zero else {
            if transfer.kind.needsEvidence { fail(.evidence, row, "a \(transfer.kind) with evidence", "none cited") }
            return
        }
        guard let document = sources.evidence(record.evidence) else {
            return fail(.evidence, row, "document \(record.evidence)", "missing")
        }
        guard document.digest == record.evidence else {
            return fail(.evidence, row, "document \(record.evidence)", "one with digest \(document.digest)")
        }
        guard document.kind.supports(transfer.kind) else {
            return fail(.evidence, row, "evidence for a \(transfer.kind)", "a \(document.kind)")
        }
        let complaint =
            document.kind == .grant ? Self.complaint(grant: document, transfer) : sources.verify(document, record)
        if let complaint { fail(.evidence, row, "a \(document.kind) that holds", complaint) }
    }

    private static func complaint(grant document: EvidenceDocument, _ transfer: Transfer) -> String? {
        do {
            let grant = try GrantDocument(decoding: document.bytes)
            guard grant.account == transfer.credit, grant.amount == transfer.amount else {
                return "a grant of \(grant.amount) to \(grant.account)"
            }
            return nil
        } catch { return error.message }
    }

    // MARK: - The end

    /// What the records amount to: the projections as they should be.
    package var replayed: LedgerProjection {
        LedgerProjection(
            accounts: replay.accounts.values.map(\.account).sorted { $0.id < $1.id },
            pendings: replay.pendings.values.sorted { $0.id < $1.id },
            keys: replay.keys.values.sorted { $0.key < $1.key }, head: head)
    }

    /// Compares with the stored projections, and reports.
    package consuming func report(comparing stored: LedgerProjection) -> AuditReport {
        if let owed { fail(.linked, head.count &- 1, "\(owed) more of the chain", "the end of the log") }
        if stored.head != head {
            fail(
                .projectedHead, min(stored.head.count, head.count) &- (min(stored.head.count, head.count) > 0 ? 1 : 0),
                "\(head.count) records, head \(head.hash), \(head.time)",
                "\(stored.head.count) records, head \(stored.head.hash), \(stored.head.time)")
        }
        for entry in replay.accounts.values.sorted(by: { $0.lastSequence < $1.lastSequence })
        where entry.account.kind == .escrow && !entry.account.isClosed && sources.isOver(entry.account.owner) {
            let account = entry.account
            fail(.escrows, entry.lastSequence, "escrow \(account.id) closed", "open with \(account.balance)")
        }
        compare(.projectedAccounts, replay.accounts.map { ($0, $1.account, $1.lastSequence) }, stored.accounts, \.id)
        compare(.projectedPendings, replay.pendings.map { ($0, $1, $1.sequence) }, stored.pendings, \.id)
        compare(.projectedKeys, replay.keys.map { ($0, $1, nil as UInt64?) }, stored.keys, \.key.id)
        return AuditReport(findings: findings, head: head)
    }

    /// Row by row, all columns: missing, surplus and different rows.
    private mutating func compare<ID: Hashable, Row: Hashable>(
        _ check: AuditCheck, _ wanted: [(ID, Row, UInt64?)], _ stored: [Row], _ id: (Row) -> ID
    ) {
        var found: [ID: Row] = [:]
        for row in stored where found.updateValue(row, forKey: id(row)) != nil {
            fail(check, nil, "one row for \(id(row))", "another")
        }
        for (key, row, sequence) in wanted.sorted(by: { ($0.2 ?? 0) < ($1.2 ?? 0) }) {
            let other = found.removeValue(forKey: key)
            if other != row { fail(check, sequence, "\(row)", other.map { "\($0)" } ?? "no row") }
        }
        for key in found.keys { fail(check, nil, "no row for \(key)", "a row") }
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
