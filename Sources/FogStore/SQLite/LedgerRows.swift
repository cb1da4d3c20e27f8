internal import FogCore
internal import FogLedger

/// The columns of the ledger's projections, as they are read.
enum LedgerRows {
    private static func known<Value, Raw>(_ value: Value?, _ what: String, _ raw: Raw) throws -> Value {
        guard let value else { throw StoreFailure("corrupt", "\(raw) is no \(what)") }
        return value
    }

    /// What this software writes is 0 or 1.
    private static func flag(_ raw: Int64) throws -> Bool {
        try known(raw == 0 ? false : raw == 1 ? true : nil, "flag", raw)
    }

    private static func unit(_ raw: Int64) throws -> LedgerUnit {
        try known(UInt8(exactly: raw).flatMap(LedgerUnit.init(rawValue:)), "unit of the ledger", raw)
    }

    static let account = """
        id, kind, unit, owner, debits_pending, debits_posted, credits_pending, credits_posted, open_pendings, closed, \
        first_record, last_record
        """

    static func readAccount(_ row: inout Columns) throws -> Account {
        let id: AccountID = try row.id()
        let kind = row.int64()
        return Account(
            id: id, kind: try known(UInt8(exactly: kind).flatMap(AccountKind.init(rawValue:)), "kind of account", kind),
            unit: try unit(row.int64()), owner: try row.id(),
            counters: Counters(
                debitsPending: row.int64(), debitsPosted: row.int64(), creditsPending: row.int64(),
                creditsPosted: row.int64()),
            openPendings: try row.int32(), isClosed: try flag(row.int64()), firstRecord: try row.uint64(),
            lastRecord: try row.uint64())
    }

    static let pending = "id, debit, credit, amount, unit, subject, expires, sequence"

    static func readPending(_ row: inout Columns) throws -> Pending {
        Pending(
            id: try row.id(), debit: try row.id(), credit: try row.id(), amount: row.credits(),
            unit: try unit(row.int64()), subject: try row.id(), expires: row.optional { $0.time() },
            sequence: try row.uint64())
    }

    static let key = "key, owner, roles, revoked"

    static func readKey(_ row: inout Columns) throws -> EnrolledKey {
        EnrolledKey(
            key: try row.key(), owner: try row.id(), roles: LedgerRoles(rawValue: try row.uint32()),
            isRevoked: try flag(row.int64()))
    }

    static let record = "sequence, bytes, hash"

    static func readRecord(_ row: inout Columns) throws -> StoredLedgerRecord {
        StoredLedgerRecord(sequence: try row.uint64(), bytes: row.bytes(), hash: try row.digest())
    }

    static let earlier = "earlier_first, earlier_second"

    static func readEarlier(_ row: inout Columns) throws -> EarlierRecords {
        EarlierRecords(first: try row.optional { try $0.uint64() }, second: try row.optional { try $0.uint64() })
    }

    static let checkpoint = "number, size, note"

    static func readCheckpoint(_ row: inout Columns) throws -> StoredCheckpoint {
        StoredCheckpoint(number: try row.uint64(), size: try row.uint64(), note: row.bytes())
    }

    static func resolution(_ raw: Int64) throws -> TransferKind {
        try known(UInt16(exactly: raw).flatMap(TransferKind.init(rawValue:)), "kind of transfer", raw)
    }

    static let evidence = "kind, bytes"

    static func readEvidence(_ row: inout Columns) throws -> EvidenceDocument {
        let kind = row.int64()
        return EvidenceDocument(
            kind: try known(UInt8(exactly: kind).flatMap(EvidenceKind.init(rawValue:)), "kind of evidence", kind),
            bytes: row.bytes())
    }
}
