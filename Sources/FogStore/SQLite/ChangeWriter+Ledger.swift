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
        var upsert = try Prepared(database, Self.upsertAccount)
        for account in change.accounts { try Self.write(account, &upsert) }
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

    private static let upsertAccount = """
        INSERT INTO ledger_accounts VALUES (\(marks(10))) ON CONFLICT DO UPDATE SET kind = excluded.kind, \
        unit = excluded.unit, owner = excluded.owner, debits_pending = excluded.debits_pending, \
        debits_posted = excluded.debits_posted, credits_pending = excluded.credits_pending, \
        credits_posted = excluded.credits_posted, open_pendings = excluded.open_pendings, closed = excluded.closed
        """

    private static func write(_ account: Account, _ upsert: inout Prepared) throws {
        upsert.rewind()
        upsert.bind(account.id)
        upsert.bind(Int(account.kind.rawValue))
        upsert.bind(Int(account.unit.rawValue))
        upsert.bind(account.owner)
        upsert.bind(account.counters.debitsPending)
        upsert.bind(account.counters.debitsPosted)
        upsert.bind(account.counters.creditsPending)
        upsert.bind(account.counters.creditsPosted)
        upsert.bind(Int(account.openPendings))
        upsert.bind(account.isClosed)
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

/// The statements that write a record and what it is found by, each looked up once for all records of a change.
private struct LogInserts {
    private var record: Prepared
    private var accountRecord: Prepared
    private var transfer: Prepared
    private var paid: Prepared

    init(_ database: Database) throws {
        record = try Prepared(database, "INSERT INTO ledger_records VALUES (?, ?, ?)")
        accountRecord = try Prepared(database, "INSERT INTO ledger_account_records VALUES (?, ?)")
        transfer = try Prepared(database, "INSERT INTO ledger_transfers VALUES (?, ?, NULL)")
        paid = try Prepared(database, "INSERT INTO ledger_paid VALUES (?, ?)")
    }

    mutating func write(_ row: LedgerRow) throws {
        let line = row.record
        record.rewind()
        record.bind(line.sequence)
        record.bind(row.hash)
        record.bind(row.bytes)
        try record.run()
        for account in line.accounts {
            accountRecord.rewind()
            accountRecord.bind(account)
            accountRecord.bind(line.sequence)
            try accountRecord.run()
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
