internal import FogCore
internal import FogLedger
internal import GRDB

extension Schema {
    /// Where an account's other records are stands beside each record and with each account, in rows that a transfer
    /// writes anyway; the index that every transfer was written into twice goes. An account lies where the log opened
    /// it, since a row that is found by a number is written again for less than one that is found by its id; and its guard
    /// looks only at writes that name what it guards, which what moves balances does not.
    static func joinRecords(_ database: Database) throws {
        try database.execute(
            sql: """
                ALTER TABLE ledger_records ADD COLUMN earlier_first INTEGER CHECK (earlier_first < sequence);
                ALTER TABLE ledger_records ADD COLUMN earlier_second INTEGER CHECK (earlier_second < sequence);
                DROP TRIGGER ledger_records_unchanged;
                DROP TABLE ledger_account_records;
                CREATE TABLE ledger_rules (sequence INTEGER PRIMARY KEY) STRICT;
                CREATE TABLE account_ends (id BLOB PRIMARY KEY, first INTEGER, last INTEGER) STRICT, WITHOUT ROWID;
                """)
        try fillEarlierRecords(database)
        // An account that the log does not know keeps its row, under a number that no record has.
        try database.execute(
            sql: """
                DROP TRIGGER ledger_accounts_guard;
                DROP TRIGGER ledger_accounts_undeleted;
                ALTER TABLE ledger_accounts RENAME TO older_accounts;
                CREATE TABLE ledger_accounts (
                    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16), kind INTEGER NOT NULL, unit INTEGER NOT NULL,
                    owner BLOB NOT NULL, debits_pending INTEGER NOT NULL, debits_posted INTEGER NOT NULL,
                    credits_pending INTEGER NOT NULL, credits_posted INTEGER NOT NULL, open_pendings INTEGER NOT NULL,
                    closed INTEGER NOT NULL, first_record INTEGER PRIMARY KEY, last_record INTEGER NOT NULL
                ) STRICT;
                INSERT INTO ledger_accounts
                    SELECT older_accounts.*, coalesce(first, -row_number() OVER (ORDER BY id)), coalesce(last, 0)
                    FROM older_accounts LEFT JOIN account_ends USING (id);
                DROP TABLE older_accounts;
                DROP TABLE account_ends;
                CREATE TRIGGER ledger_accounts_guard BEFORE UPDATE OF id, kind, unit, owner, closed, first_record
                ON ledger_accounts WHEN old.closed <> 0 OR new.id <> old.id OR new.kind <> old.kind
                    OR new.unit <> old.unit OR new.owner <> old.owner OR new.first_record <> old.first_record
                BEGIN SELECT RAISE(ABORT, 'an account keeps kind, unit and owner, and nothing moves once it is closed'); END;
                """ + unchanged("ledger_records") + appendOnly("ledger_rules") + undeletable("ledger_accounts"))
    }

    /// At most so many records in memory at once.
    private static let joinedAtOnce = 4096

    /// What does not decode names nobody: the audit tells of it.
    private static func fillEarlierRecords(_ database: Database) throws {
        var ends: [AccountID: (first: UInt64, last: UInt64)] = [:]
        var next: UInt64 = 0
        while true {
            var query = try Prepared(
                database, "SELECT sequence, bytes FROM ledger_records WHERE sequence >= ? ORDER BY sequence LIMIT ?")
            query.bind(next)
            query.bind(joinedAtOnce)
            let rows = try query.all { (sequence: try $0.uint64(), bytes: $0.bytes()) }
            guard let last = rows.last else { break }
            next = last.sequence + 1
            var update = try Prepared(
                database, "UPDATE ledger_records SET earlier_first = ?, earlier_second = ? WHERE sequence = ?")
            var insert = try Prepared(database, "INSERT INTO ledger_rules VALUES (?)")
            for row in rows {
                guard let record = try? LedgerRecord(decoding: row.bytes) else { continue }
                guard record.rule == nil else {
                    insert.rewind()
                    insert.bind(row.sequence)
                    try insert.run()
                    continue
                }
                let accounts = record.accounts
                let earlier = accounts.map { ends[$0]?.last }
                for account in accounts { ends[account, default: (row.sequence, row.sequence)].last = row.sequence }
                guard earlier.contains(where: { $0 != nil }) else { continue }
                update.rewind()
                update.bind(earlier.first ?? nil)
                update.bind(earlier.count > 1 ? earlier[1] : nil)
                update.bind(row.sequence)
                try update.run()
            }
        }
        var insert = try Prepared(database, "INSERT INTO account_ends VALUES (?, ?, ?)")
        for (account, end) in ends {
            insert.rewind()
            insert.bind(account)
            insert.bind(end.first)
            insert.bind(end.last)
            try insert.run()
        }
    }
}
