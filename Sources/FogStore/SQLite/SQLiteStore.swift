internal import CFogSQLite
internal import FogCore
internal import FogJobs
internal import GRDB
internal import Glibc

/// The store in one SQLite file, with write-ahead log and `synchronous=FULL`: what a commit answered is on the disk.
///
/// One process opens a file for writing at a time (an advisory lock beside it); any number may read.
package final class SQLiteStore: Store {
    /// Readers at once; more wait.
    private static let readerLimit = 4
    /// How long a statement waits for another process, which can only be one that reads or copies the file.
    private static let busySeconds = 5.0
    /// Pages (4 KiB) in the write-ahead log before they are moved into the main file: a move costs two more syncs.
    private static let checkpointPages = 4000
    /// Page cache of each connection, in KiB.
    private static let cacheKibibytes = 16 << 10

    package let path: String
    let pool: DatabasePool
    private let committer: GroupCommitter
    private let lock: FileLock?

    /// Opens the file, makes it when there is none, and brings it to the newest schema.
    ///
    /// - Parameter readOnly: only look; the file must be there, in the newest schema.
    /// - Parameter isSuspect: for an audit: marks and a schema that no version of Fog left are no refusal but complaints
    ///   (``EconomyReader/complaints()``).
    /// - Throws: `locked` when another process writes to it, `read_only`, `disk_full`, `corrupt` when it is damaged or
    ///   not Fog's, `newer_schema` when a later version wrote it.
    package init(path: String, readOnly: Bool = false, isSuspect: Bool = false) throws(StoreFailure) {
        self.path = path
        do {
            guard fog_sqlite_install() == SQLITE_OK else {
                throw StoreFailure("unexpected", "SQLite could not be started")
            }
            lock = readOnly ? nil : try FileLock(path: path + ".lock")
            if !readOnly { try Self.makePrivate(path) }
            pool = try DatabasePool(path: path, configuration: Self.configuration(readOnly: readOnly))
            committer = GroupCommitter(pool: pool, path: path)
            if isSuspect, try Self.isForeign(pool) { return }
            try Self.check(pool, path: path)
            if readOnly {
                try Self.requireComplete(pool)
            } else {
                try Self.migrate(pool)
            }
        } catch {
            throw StoreFailure(storage: error, path: path)
        }
    }

    /// Waits for what is under way and lets go of the file, with the log moved into it.
    package func close() throws(StoreFailure) {
        do {
            // GRDB closes its writer before its readers, so SQLite's own move at the last close never happens. One
            // that cannot be made now (somebody reads) is made by whoever opens the file next.
            if lock != nil {
                _ = try? pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)") }
            }
            try pool.close()
            lock?.release()
        } catch {
            throw StoreFailure(storage: error, path: path)
        }
    }

    package func commit(_ changes: [Change]) async throws(StoreFailure) -> [CommitResult] {
        try await committer.commit(changes)
    }

    // MARK: - Opening

    private static func configuration(readOnly: Bool) -> Configuration {
        var configuration = Configuration()
        configuration.readonly = readOnly
        configuration.maximumReaderCount = readerLimit
        configuration.busyMode = .timeout(busySeconds)
        configuration.label = "fog-store"
        configuration.prepareDatabase { database in
            try database.execute(
                sql: """
                    PRAGMA cache_size = -\(cacheKibibytes); PRAGMA temp_store = MEMORY;
                    PRAGMA wal_autocheckpoint = \(checkpointPages)
                    """)
        }
        return configuration
    }

    /// Makes the file before SQLite does, so that nobody else could ever read it: SQLite gives its other files the
    /// same mode.
    private static func makePrivate(_ path: String) throws(StoreFailure) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if descriptor >= 0 {
            Glibc.close(descriptor)
            return try Folder.sync(Folder.parent(of: path))
        }
        guard errno == EEXIST else { throw Folder.failure("could not be made", path) }
        guard access(path, R_OK | W_OK) == 0 else { throw Folder.failure("may not be written", path) }
        guard chmod(path, 0o600) == 0 else { throw Folder.failure("may not be made private", path) }
    }

    private static func check(_ pool: DatabasePool, path: String) throws {
        try pool.read { database in
            let application = try Int32.fetchOne(database, sql: "PRAGMA application_id") ?? 0
            let tables = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_master") ?? 0
            guard tables == 0 || application == Schema.applicationID else {
                throw StoreFailure("corrupt", "\(path): is an SQLite database, but not Fog's")
            }
            guard try !Schema.migrator.hasBeenSuperseded(database) else {
                throw StoreFailure("newer_schema", "\(path): was written by a newer Fog; this one cannot read it")
            }
        }
    }

    /// Whether the file says that it is Fog's, of some version, and is not as that version leaves it; or denies it and has
    /// tables of Fog's all the same.
    private static func isForeign(_ pool: DatabasePool) throws -> Bool {
        do {
            return try pool.read(isForeign(_:))
        } catch {
            // The list of steps cannot be read: no version leaves it so.
            guard Schema.isDamage(error) else { throw error }
            return true
        }
    }

    private static func isForeign(_ database: Database) throws -> Bool {
        if try Schema.mark(in: database) != Schema.applicationID { return try Schema.hasLedger(database) }
        guard let version = try Schema.version(of: database) else {
            // Of later steps this version knows nothing; a file that lacks earlier ones was never left so.
            return try !Schema.migrator.hasBeenSuperseded(database) || Schema.differences(in: database).isEmpty
        }
        return try version != Schema.newest && !Schema.differences(in: database, upTo: version).isEmpty
    }

    private static func requireComplete(_ pool: DatabasePool) throws {
        guard try pool.read({ try Schema.migrator.hasCompletedMigrations($0) }) else {
            throw StoreFailure("unexpected", "the file has an older schema; start the coordinator on it once")
        }
    }

    private static func migrate(_ pool: DatabasePool) throws {
        try pool.writeWithoutTransaction { database in
            try database.execute(sql: "PRAGMA application_id = \(Schema.applicationID)")
        }
        try Schema.migrator.migrate(pool)
        // GRDB sets NORMAL whenever it opens a pool, after all that a configuration may say. With NORMAL a commit is
        // answered without a single sync, so this is set here, last, and read back.
        let level = try pool.writeWithoutTransaction { database -> Int? in
            try database.execute(sql: "PRAGMA synchronous = FULL")
            return try Int.fetchOne(database, sql: "PRAGMA synchronous")
        }
        let mode = try pool.writeWithoutTransaction { try String.fetchOne($0, sql: "PRAGMA journal_mode") }
        guard level == 2, mode == "wal" else {
            throw StoreFailure(
                "unexpected",
                "the file runs with synchronous=\(level ?? -1), journal_mode=\(mode ?? "?"), wanted 2 and wal")
        }
    }

    // MARK: - Reading

    /// Runs queries on one of the readers, in one snapshot. Not cut short by cancellation: they are bounded.
    func read<Value: Sendable>(
        inTransaction: Bool = true, _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(StoreFailure) -> Value {
        let path = path
        let result = await withCheckedContinuation {
            (answer: CheckedContinuation<Result<Value, StoreFailure>, Never>) in
            let work: @Sendable (Result<Database, any Error>) -> Void = { opened in
                do {
                    answer.resume(returning: .success(try body(opened.get())))
                } catch {
                    answer.resume(returning: .failure(StoreFailure(storage: error, path: path)))
                }
            }
            if inTransaction { pool.asyncRead(work) } else { pool.asyncUnsafeRead(work) }
        }
        return try result.get()
    }

    /// Runs statements on the writer, between two batches.
    func write<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws(StoreFailure)
        -> Value
    {
        let path = path
        let result = await withCheckedContinuation {
            (answer: CheckedContinuation<Result<Value, StoreFailure>, Never>) in
            pool.asyncWriteWithoutTransaction { database in
                do {
                    answer.resume(returning: .success(try body(database)))
                } catch {
                    answer.resume(returning: .failure(StoreFailure(storage: error, path: path)))
                }
            }
        }
        return try result.get()
    }
}

/// The right to write to the store: an advisory lock on a file of its own (locks on the database file itself belong to
/// SQLite, and closing any descriptor of that file would drop them).
private final class FileLock: Sendable {
    private let descriptor: Int32

    init(path: String) throws(StoreFailure) {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Folder.failure("could not be made", path) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            Glibc.close(descriptor)
            throw StoreFailure("locked", "\(path): another process writes to this store; stop it first")
        }
    }

    func release() { flock(descriptor, LOCK_UN) }

    deinit { Glibc.close(descriptor) }
}
