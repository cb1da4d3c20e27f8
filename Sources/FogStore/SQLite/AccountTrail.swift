internal import FogCore
internal import FogLedger
internal import GRDB

/// An account's records from the newest down, each found by what stands beside the one after it.
struct AccountTrail {
    private let account: AccountID
    private let database: Database
    private var place: UInt64?

    /// - Parameter end: only records below it. Quick where the record at `end` names the account too, as the last one of
    ///   a page does; else all from the newest on are passed.
    init(_ database: Database, of account: AccountID, before end: UInt64 = .max) throws {
        self.account = account
        self.database = database
        if let record = try end < .max ? read(end) : nil, let index = record.index {
            place = record.earlier[index]
            try require(place, below: end)
            return
        }
        place = try Self.ends(of: account, in: database)?.last
        while let current = place, current >= end { _ = try next() }
    }

    /// The next record; nil after the one that opened the account.
    /// - Throws: `corrupt` where the trail does not hold together.
    mutating func next() throws -> StoredLedgerRecord? {
        guard let current = place else { return nil }
        guard let found = try read(current), let index = found.index else {
            throw StoreFailure("corrupt", "record \(current) does not name account \(account)")
        }
        place = found.earlier[index]
        try require(place, below: current)
        return found.record
    }

    private func require(_ place: UInt64?, below sequence: UInt64) throws {
        // It ends, whatever stands in the file.
        guard place.map({ $0 < sequence }) ?? true else {
            throw StoreFailure("corrupt", "what is earlier than record \(sequence) comes after it")
        }
    }

    private func read(
        _ sequence: UInt64
    ) throws -> (record: StoredLedgerRecord, earlier: EarlierRecords, index: Int?)? {
        var query = try Prepared(
            database,
            "SELECT \(LedgerRows.record), \(LedgerRows.earlier) FROM ledger_records WHERE sequence = ?")
        query.bind(sequence)
        return try query.first { row in
            let record = try LedgerRows.readRecord(&row)
            let accounts = try LedgerRecord(decoding: record.bytes).accounts
            return (record, try LedgerRows.readEarlier(&row), accounts.firstIndex(of: account))
        }
    }

    /// The record that opened an account, and the newest that names it.
    static func ends(of account: AccountID, in database: Database) throws -> (first: UInt64, last: UInt64)? {
        var query = try Prepared(database, "SELECT first_record, last_record FROM ledger_accounts WHERE id = ?")
        query.bind(account)
        return try query.first { (try $0.uint64(), try $0.uint64()) }
    }
}
