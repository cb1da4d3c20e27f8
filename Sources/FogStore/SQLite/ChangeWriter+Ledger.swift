internal import FogCore
internal import FogLedger
internal import GRDB

/// The log, its projections and the evidence.
extension ChangeWriter {
    /// Equal digests mean equal documents, so the first row stays.
    func write(_ document: EvidenceDocument) throws {
        var insert = try Prepared(
            database, "INSERT INTO evidence_documents VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
        insert.bind(document.digest)
        insert.bind(Int(document.kind.rawValue))
        insert.bind(document.bytes)
        try insert.run()
    }

    func write(_ change: LedgerChange) throws {
        var expected = try newestSequence().map { $0 + 1 } ?? 0
        var log = try LogInserts(database)
        for row in change.rows {
            guard row.record.sequence == expected else {
                throw Refusal(Guard.notNext(row.record.sequence, expected: expected))
            }
            expected += 1
            try log.write(row)
        }
        if !change.accounts.isEmpty {
            var accounts = try AccountWrites(database, openedFrom: expected - UInt64(change.rows.count))
            for account in change.accounts { try accounts.write(account) }
        }
        for key in change.keys { try write(key) }
        for pending in change.pendingOpened { try open(pending) }
        for resolution in change.pendingResolved { try resolve(resolution) }
    }

    func write(_ tree: TreeChange) throws {
        for filled in tree.filled {
            var insert = try Prepared(database, "INSERT INTO ledger_tiles VALUES (?, ?, ?)")
            insert.bind(filled.tile.level)
            insert.bind(filled.tile.number)
            insert.bind(filled.root)
            try insert.run()
        }
        var upsert = try Prepared(
            database,
            """
            INSERT INTO ledger_checkpoints VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET size = excluded.size, \
            note = excluded.note
            """)
        upsert.bind(tree.checkpoint.number)
        upsert.bind(tree.checkpoint.size)
        upsert.bind(tree.checkpoint.note)
        try upsert.run()
    }

    private func write(_ key: EnrolledKey) throws {
        var upsert = try Prepared(
            database,
            """
            INSERT INTO ledger_keys VALUES (\(marks(4))) ON CONFLICT DO UPDATE SET owner = excluded.owner, \
            roles = excluded.roles, revoked = excluded.revoked
            """)
        upsert.bind(key.key)
        upsert.bind(key.owner)
        upsert.bind(Int64(key.roles.rawValue))
        upsert.bind(key.isRevoked)
        try upsert.run()
    }

    private static let insertPending = "INSERT INTO ledger_pendings VALUES (\(marks(8)))"

    private func open(_ pending: Pending) throws {
        var insert = try Prepared(database, Self.insertPending)
        insert.bind(pending.id)
        insert.bind(pending.debit)
        insert.bind(pending.credit)
        insert.bind(pending.amount)
        insert.bind(Int(pending.unit.rawValue))
        insert.bind(pending.subject)
        insert.bind(pending.expires)
        insert.bind(pending.sequence)
        try insert.run()
    }

    private func resolve(_ resolution: PendingResolution) throws {
        var mark = try Prepared(database, "UPDATE ledger_transfers SET resolution = ? WHERE id = ?")
        mark.bind(Int(resolution.kind.rawValue))
        mark.bind(resolution.pending)
        try mark.run()
        var remove = try Prepared(database, "DELETE FROM ledger_pendings WHERE id = ?")
        remove.bind(resolution.pending)
        guard try remove.run() == 1 else { throw Refusal(Guard.notPending(resolution.pending)) }
    }
}

/// The statements that write accounts.
private struct AccountWrites {
    private let database: Database
    private let start: UInt64
    private var update: Prepared

    /// - Parameter start: accounts whose first record is below it are there.
    init(_ database: Database, openedFrom start: UInt64) throws {
        self.database = database
        self.start = start
        update = try Prepared(
            database,
            """
            UPDATE ledger_accounts SET debits_pending = ?, debits_posted = ?, credits_pending = ?, credits_posted = ?, \
            open_pendings = ?, last_record = ? \
            WHERE first_record = ? AND id = ? AND kind = ? AND unit = ? AND owner = ? AND closed = 0
            """)
    }

    mutating func write(_ account: Account) throws {
        guard account.firstRecord < start else { return try open(account) }
        update.rewind()
        bindWhatMoves(account, to: &update)
        update.bind(account.lastRecord)
        update.bind(account.firstRecord)
        bindWhatStays(account, to: &update)
        guard try update.run() == 1 else { throw ChangeWriter.Refusal(Guard.otherAccount) }
        if account.isClosed { try close(account) }
    }

    private func close(_ account: Account) throws {
        var close = try Prepared(database, "UPDATE ledger_accounts SET closed = 1 WHERE first_record = ?")
        close.bind(account.firstRecord)
        try close.run()
    }

    private func open(_ account: Account) throws {
        var insert = try Prepared(database, "INSERT INTO ledger_accounts VALUES (\(marks(12)))")
        bindWhatStays(account, to: &insert)
        bindWhatMoves(account, to: &insert)
        insert.bind(account.isClosed)
        insert.bind(account.firstRecord)
        insert.bind(account.lastRecord)
        try insert.run()
    }

    private func bindWhatStays(_ account: Account, to statement: inout Prepared) {
        statement.bind(account.id)
        statement.bind(Int(account.kind.rawValue))
        statement.bind(Int(account.unit.rawValue))
        statement.bind(account.owner)
    }

    private func bindWhatMoves(_ account: Account, to statement: inout Prepared) {
        statement.bind(account.counters.debitsPending)
        statement.bind(account.counters.debitsPosted)
        statement.bind(account.counters.creditsPending)
        statement.bind(account.counters.creditsPosted)
        statement.bind(Int(account.openPendings))
    }
}

/// The statements that write a record and what it is found by, each looked up once for all records of a change.
private struct LogInserts {
    private var record: Prepared
    private var rule: Prepared
    private var transfer: Prepared
    private var paid: Prepared

    init(_ database: Database) throws {
        record = try Prepared(database, "INSERT INTO ledger_records VALUES (?, ?, ?, ?, ?)")
        rule = try Prepared(database, "INSERT INTO ledger_rules VALUES (?)")
        transfer = try Prepared(database, "INSERT INTO ledger_transfers VALUES (?, ?, NULL)")
        paid = try Prepared(database, "INSERT INTO ledger_paid VALUES (?, ?)")
    }

    mutating func write(_ row: LedgerRow) throws {
        let line = row.record
        record.rewind()
        record.bind(line.sequence)
        // Lent while the statement runs: a copy of every record would be an allocation and half of what binding costs.
        try row.hash.withUnsafeBytes { hash in
            try row.bytes.withUnsafeBytes { bytes in
                record.bind(lent: hash)
                record.bind(lent: bytes)
                record.bind(row.earlier.first)
                record.bind(row.earlier.second)
                try record.run()
            }
        }
        if line.rule != nil {
            rule.rewind()
            rule.bind(line.sequence)
            try rule.run()
        }
        guard let id = line.transfer?.id else { return }
        transfer.rewind()
        transfer.bind(id)
        transfer.bind(line.sequence)
        try transfer.run()
        guard line.pays else { return }
        paid.rewind()
        paid.bind(line.subject)
        paid.bind(line.sequence)
        try paid.run()
    }
}
