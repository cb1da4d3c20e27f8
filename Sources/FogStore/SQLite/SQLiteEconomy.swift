internal import CFogSQLite
internal import FogCore
internal import FogJobs
internal import FogLedger
internal import GRDB
internal import Glibc

/// The economy in a SQLite file, in one snapshot.
struct SQLiteEconomy: EconomyReader {
    let database: Database

    func rows(of table: EconomyTable, _ body: (EconomyRow) throws -> Void) throws {
        try walk(table, Self.order(of: table), body)
    }

    /// - Parameter rest: what follows the table's name in the query.
    private func walk(
        _ table: EconomyTable, _ rest: String, _ body: (EconomyRow) throws -> Void,
        binding bind: (inout Prepared) -> Void = { _ in }
    ) throws {
        var query: Prepared
        do {
            query = try Prepared(database, "SELECT \(Self.columns(of: table)) FROM \(table.rawValue) \(rest)")
        } catch {
            return try body(.unreadable(table, try Self.words(error)))
        }
        bind(&query)
        // What `body` throws ends the walk and is not the table's fault.
        var refusal: (any Error)?
        do {
            try query.each { row in
                let value = try Self.read(table, &row)
                do { try body(value) } catch {
                    refusal = error
                    throw error
                }
            }
        } catch {
            if let refusal { throw refusal }
            try body(.unreadable(table, try Self.words(error)))
        }
    }

    /// An error that says how the file is: damaged, or without a table or a column. Others are thrown on.
    private static func words(_ error: any Error) throws -> String {
        let (code, message) =
            switch error {
            case let error as SQLError: (error.code, error.message)
            case let error as DatabaseError: (error.extendedResultCode.rawValue, error.message ?? "no message")
            default: throw error
            }
        guard [SQLITE_CORRUPT, SQLITE_ERROR, SQLITE_SCHEMA].contains(code & 0xff) else { throw error }
        return message
    }

    private static func columns(of table: EconomyTable) -> String {
        switch table {
        case .records: "\(LedgerRows.record), \(LedgerRows.earlier)"
        case .accounts: LedgerRows.account
        case .pendings: LedgerRows.pending
        case .keys: LedgerRows.key
        case .transfers: "id, sequence, resolution"
        case .rules: "sequence"
        case .paid: "subject, sequence"
        case .tiles: "level, number, root"
        case .checkpoints: LedgerRows.checkpoint
        case .documents: "digest, \(LedgerRows.evidence)"
        }
    }

    /// Documents lie in the order in which they came: reading them by digest would jump to and fro.
    private static func order(of table: EconomyTable) -> String {
        switch table {
        case .records, .rules: "ORDER BY sequence"
        case .accounts, .pendings, .transfers: "ORDER BY id"
        case .keys: "ORDER BY key"
        case .paid: "ORDER BY subject"
        case .tiles: "ORDER BY level, number"
        case .checkpoints: "ORDER BY number"
        case .documents: ""
        }
    }

    private static func read(_ table: EconomyTable, _ row: inout Columns) throws -> EconomyRow {
        do {
            switch table {
            case .records:
                return .record(
                    sequence: try row.uint64(), bytes: row.bytes(), hash: row.bytes(),
                    earlier: try LedgerRows.readEarlier(&row))
            case .accounts: return .account(try LedgerRows.readAccount(&row))
            case .pendings: return .pending(try LedgerRows.readPending(&row))
            case .keys: return .key(try LedgerRows.readKey(&row))
            case .transfers:
                return .transfer(
                    try row.id(), sequence: try row.uint64(),
                    resolution: try row.optional { try LedgerRows.resolution($0.int64()) })
            case .rules: return .rule(sequence: try row.uint64())
            case .paid: return .paid(try row.id(), sequence: try row.uint64())
            case .tiles:
                let tile = TileID(level: Int(try row.uint32()), number: try row.uint64())
                return .tile(TileRoot(tile: tile, root: try row.digest()))
            case .checkpoints: return .checkpoint(try LedgerRows.readCheckpoint(&row))
            case .documents:
                let digest = try row.digest()
                return .document(try LedgerRows.readEvidence(&row), under: digest)
            }
        } catch let error as any CodedFailure {
            return .unreadable(table, error.message)
        }
    }

    func rows(under key: EconomyKey, _ body: (EconomyRow) throws -> Void) throws {
        switch key {
        case .records(let start):
            try walk(.records, "WHERE sequence >= ? ORDER BY sequence", body) { $0.bind(start) }
        case .record(let sequence): try walk(.records, "WHERE sequence = ?", body) { $0.bind(sequence) }
        case .newestRecord: try walk(.records, "ORDER BY sequence DESC LIMIT 1", body)
        case .account(let id): try walk(.accounts, "WHERE id = ?", body) { $0.bind(id) }
        case .transfer(let id): try walk(.transfers, "WHERE id = ?", body) { $0.bind(id) }
        case .paid(let subject): try walk(.paid, "WHERE subject = ?", body) { $0.bind(subject) }
        case .firstRecord(let account):
            if let first = try ends(of: account)?.first { try body(.accountRecord(account, sequence: first)) }
        case .lastRecord(let account, let end):
            try trail(of: account, below: end, limit: 1) { try body(.accountRecord(account, sequence: $0)) }
        case .accountRecords(let account, let start):
            var sequences: [UInt64] = []
            try trail(of: account, downTo: start) { sequences.append($0) }
            for sequence in sequences.reversed() { try body(.accountRecord(account, sequence: sequence)) }
        case .rules(let start):
            try walk(.rules, "WHERE sequence >= ? ORDER BY sequence", body) { $0.bind(start) }
        case .tiles(let level, let start):
            try walk(.tiles, "WHERE level = ? AND number >= ? ORDER BY number", body) { query in
                query.bind(level)
                query.bind(start)
            }
        case .checkpoints(let size): try checkpoints(from: size, body)
        }
    }

    /// They have no index by size, but rise with their numbers: so they are read from the newest down.
    private func checkpoints(from size: UInt64, _ body: (EconomyRow) throws -> Void) throws {
        struct Enough: Error {}
        var rows: [EconomyRow] = []
        do {
            try walk(
                .checkpoints, "ORDER BY number DESC",
                { row in
                    rows.append(row)
                    if case .checkpoint(let stored) = row, stored.size < size { throw Enough() }
                })
        } catch is Enough {}
        for row in rows.reversed() { try body(row) }
    }

    /// What does not hold together ends the trail; the audit of the rows themselves says what is wrong.
    private func trail(
        of account: AccountID, below end: UInt64 = .max, downTo start: UInt64 = 0, limit: Int = .max,
        _ body: (UInt64) throws -> Void
    ) throws {
        try whatIsThere {
            var trail = try AccountTrail(database, of: account, before: end)
            var count = 0
            while count < limit, let record = try trail.next(), record.sequence >= start {
                try body(record.sequence)
                count += 1
            }
        }
    }

    private func ends(of account: AccountID) throws -> (first: UInt64, last: UInt64)? {
        var ends: (UInt64, UInt64)?
        try whatIsThere { ends = try AccountTrail.ends(of: account, in: database) }
        return ends
    }

    private func whatIsThere(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch is any CodedFailure {
        } catch {
            _ = try Self.words(error)
        }
    }

    func hashes(of tile: TileID) throws -> [Digest] { try SQLiteStore.hashes(of: tile, in: database) }

    func document(_ digest: Digest) throws -> EvidenceDocument? {
        do {
            var query = try Prepared(
                database, "SELECT \(LedgerRows.evidence) FROM evidence_documents WHERE digest = ?")
            query.bind(digest)
            return try query.first(LedgerRows.readEvidence)
        } catch let error as any CodedFailure {
            throw LedgerFailure("unreadable", error.message)
        } catch {
            throw LedgerFailure("unreadable", try Self.words(error))
        }
    }

    // MARK: - What is at work

    func openJobs() throws -> [JobID] {
        try corruptIfDamaged { try Prepared(database, "SELECT id FROM jobs WHERE settled = 0").all { try $0.id() } }
    }

    func openAttempts() throws -> [AttemptID] {
        try corruptIfDamaged {
            try Prepared(database, "SELECT job, number, token FROM attempts WHERE ended_at IS NULL")
                .all(Self.readAttempt)
        }
    }

    func receipts(_ body: (AttemptID, Digest) throws -> Void) throws {
        try corruptIfDamaged {
            try Prepared(database, "SELECT job, number, token, receipt FROM attempts WHERE receipt IS NOT NULL").each {
                try body(Self.readAttempt(&$0), $0.digest())
            }
        }
    }

    private func corruptIfDamaged<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let failure as any CodedFailure {
            throw StoreFailure("corrupt", failure.message)
        } catch {
            throw StoreFailure("corrupt", try Self.words(error))
        }
    }

    private static func readAttempt(_ row: inout Columns) throws -> AttemptID {
        AttemptID(task: TaskID(job: try row.id(), number: try row.uint32()), token: try row.uint32())
    }

    // MARK: - The file

    /// At most so many of SQLite's own complaints.
    private static let complaintLimit = 10

    func complaints(everyPage: Bool) throws -> [String] {
        try Schema.wrongMarks(in: database) + fileComplaints() + Schema.differences(in: database)
            + (everyPage ? damages() : [])
    }

    private func damages() throws -> [String] {
        do {
            return try Prepared(database, "PRAGMA integrity_check(\(Self.complaintLimit))").all { $0.text() }
                .filter { $0 != "ok" }
        } catch {
            return [try Self.words(error)]
        }
    }

    /// A coordinator at work may be writing just what is being read here; what stays wrong is wrong.
    private static let fileReads = 3
    private static let fileReadPauseMicroseconds: UInt32 = 20_000

    private func fileComplaints() throws -> [String] {
        guard let name = sqlite3_db_filename(database.sqliteConnection, "main") else { return [] }
        let path = String(cString: name)
        guard !path.isEmpty else { return [] }
        var words: [String] = []
        for read in 1...Self.fileReads {
            words = try FileHeader(path: path)?.complaints ?? []
            let lost = try WriteAheadLog.lostCommits(path: path)
            if lost > 1 { words.append("the write-ahead log has \(lost) commits after a frame that does not hold") }
            if words.isEmpty { break }
            if read < Self.fileReads { usleep(Self.fileReadPauseMicroseconds) }
        }
        return words
    }
}
