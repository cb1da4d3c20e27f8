package import FogCore
package import FogLedger
internal import GRDB

extension SQLiteStore {
    // MARK: - Content

    package func blob(_ digest: Digest) async throws(StoreFailure) -> BlobRecord? {
        try await read { database in
            var query = try Prepared(database, "SELECT size, created_at, inline FROM blobs WHERE digest = ?")
            query.bind(digest)
            return try query.first { row in
                let size = row.int64()
                let createdAt = row.time()
                return BlobRecord(
                    digest: digest, size: size, inline: row.optional { $0.bytes() }, createdAt: createdAt)
            }
        }
    }

    package func mayRead(_ digest: Digest, account: AccountID) async throws(StoreFailure) -> Bool {
        try await read { database in
            var query = try Prepared(database, "SELECT 1 FROM blob_uses WHERE digest = ? AND account = ? LIMIT 1")
            query.bind(digest)
            query.bind(account)
            return try query.exists
        }
    }

    package func log(_ attempt: AttemptID, stream: LogStream) async throws(StoreFailure) -> [UInt8]? {
        try await read { database in
            var query = try Prepared(
                database, "SELECT bytes FROM logs WHERE job = ? AND number = ? AND token = ? AND stream = ?")
            query.bind(attempt.task.job)
            query.bind(attempt.task.number)
            query.bind(attempt.token)
            query.bind(stream.rawValue)
            return try query.first { $0.bytes() }
        }
    }

    // MARK: - Ledger

    package func transfer(_ id: TransferID) async throws(StoreFailure) -> KnownTransfer? {
        try await read { database in
            var query = try Prepared(
                database,
                """
                SELECT bytes, resolution FROM ledger_transfers JOIN ledger_records USING (sequence) WHERE id = ?
                """)
            query.bind(id)
            guard
                let (bytes, raw) = try query.first({ row in (row.bytes(), row.optional { $0.int64() }) })
            else { return nil }
            return KnownTransfer(
                try LedgerRecord(decoding: bytes), resolution: try raw.map { try LedgerRows.resolution($0) })
        }
    }

    package func isPaid(_ subject: SubjectID) async throws(StoreFailure) -> Bool {
        try await read { database in
            var query = try Prepared(database, "SELECT 1 FROM ledger_paid WHERE subject = ?")
            query.bind(subject)
            return try query.exists
        }
    }

    package func payment(of subject: SubjectID) async throws(StoreFailure) -> UInt64? {
        try await read { database in
            var query = try Prepared(database, "SELECT sequence FROM ledger_paid WHERE subject = ?")
            query.bind(subject)
            return try query.first { try $0.uint64() }
        }
    }

    package func account(_ id: AccountID) async throws(StoreFailure) -> Account? {
        try await read { database in
            var query = try Prepared(database, "SELECT \(LedgerRows.account) FROM ledger_accounts WHERE id = ?")
            query.bind(id)
            return try query.first(LedgerRows.readAccount)
        }
    }

    package func ledgerRecords(of account: AccountID, before sequence: UInt64?, limit: Int) async throws(StoreFailure)
        -> [StoredLedgerRecord]
    {
        try await read { database in
            var trail = try AccountTrail(database, of: account, before: sequence ?? .max)
            var records: [StoredLedgerRecord] = []
            while records.count < limit, let record = try trail.next() { records.append(record) }
            return records
        }
    }

    package func ledgerRecords(from sequence: UInt64, limit: Int) async throws(StoreFailure) -> [StoredLedgerRecord] {
        try await read { database in
            var query = try Prepared(
                database,
                "SELECT \(LedgerRows.record) FROM ledger_records WHERE sequence >= ? ORDER BY sequence LIMIT ?")
            query.bind(sequence)
            query.bind(max(0, limit))
            return try query.all(LedgerRows.readRecord)
        }
    }

    package func hashes(of tile: TileID) async throws(StoreFailure) -> [Digest] {
        try await read { try Self.hashes(of: tile, in: $0) }
    }

    static func hashes(of tile: TileID, in database: Database) throws -> [Digest] {
        let (first, over) = tile.number.multipliedReportingOverflow(by: UInt64(TileID.width))
        guard !over, first < Int64.max, tile.level >= 0 else { return [] }
        var query = try Prepared(
            database,
            tile.level == 0
                ? "SELECT sequence, hash FROM ledger_records WHERE sequence >= ? ORDER BY sequence LIMIT ?"
                : "SELECT number, root FROM ledger_tiles WHERE number >= ? AND level = ?3 ORDER BY number LIMIT ?2")
        query.bind(first)
        query.bind(TileID.width)
        if tile.level > 0 { query.bind(tile.level - 1) }
        // Only what stands without a gap.
        let rows = try query.all { (number: try $0.uint64(), hash: try $0.digest()) }
        return zip(rows, first...).prefix { $0.number == $1 }.map(\.0.hash)
    }

    package func checkpoint() async throws(StoreFailure) -> StoredCheckpoint? {
        try await read { database in
            try Prepared(
                database, "SELECT \(LedgerRows.checkpoint) FROM ledger_checkpoints ORDER BY number DESC LIMIT 1"
            ).first(LedgerRows.readCheckpoint)
        }
    }

    package func evidence(_ digest: Digest) async throws(StoreFailure) -> EvidenceDocument? {
        try await read { database in
            var query = try Prepared(
                database, "SELECT \(LedgerRows.evidence) FROM evidence_documents WHERE digest = ?")
            query.bind(digest)
            return try query.first(LedgerRows.readEvidence)
        }
    }

    package func ledgerState() async throws(StoreFailure) -> LedgerProjection? {
        try await read { database in
            let last = "SELECT \(LedgerRows.record) FROM ledger_records ORDER BY sequence DESC LIMIT 1"
            guard let last = try Prepared(database, last).first(LedgerRows.readRecord) else { return nil }
            let head = LedgerHead(
                count: last.sequence + 1, hash: last.hash, time: try LedgerRecord(decoding: last.bytes).time)
            let accounts = "SELECT \(LedgerRows.account) FROM ledger_accounts WHERE closed = 0 ORDER BY id"
            let pendings = "SELECT \(LedgerRows.pending) FROM ledger_pendings ORDER BY id"
            let keys = "SELECT \(LedgerRows.key) FROM ledger_keys ORDER BY key"
            let rules =
                "SELECT \(LedgerRows.record) FROM ledger_rules JOIN ledger_records USING (sequence) ORDER BY sequence"
            return LedgerProjection(
                accounts: try Prepared(database, accounts).all(LedgerRows.readAccount),
                pendings: try Prepared(database, pendings).all(LedgerRows.readPending),
                keys: try Prepared(database, keys).all(LedgerRows.readKey),
                rules: Rulebook(
                    try Prepared(database, rules).all(LedgerRows.readRecord).compactMap {
                        try LedgerRecord(decoding: $0.bytes).rule
                    }),
                head: head)
        }
    }

    package func readEconomy<Answer: Sendable>(
        _ body: @escaping @Sendable (any EconomyReader) throws -> Answer
    ) async throws(StoreFailure) -> Answer {
        let path = path
        let snapshot: DatabaseSnapshot
        do {
            // A connection of its own: an audit of a long log must not keep one of the few readers from everybody else.
            // While it runs, the write-ahead log is not reused, so the file grows by what is committed meanwhile.
            snapshot = try pool.makeSnapshot()
        } catch {
            throw StoreFailure(storage: error, path: path)
        }
        let result = await withCheckedContinuation {
            (answer: CheckedContinuation<Result<Answer, StoreFailure>, Never>) in
            snapshot.asyncRead { opened in
                do {
                    answer.resume(returning: .success(try body(SQLiteEconomy(database: opened.get()))))
                } catch {
                    answer.resume(returning: .failure(StoreFailure(storage: error, path: path)))
                }
            }
        }
        // Its end waits for what it is doing, which must not be done on the caller's thread.
        withExtendedLifetime(snapshot) {}
        return try result.get()
    }
}
