internal import CFogSQLite
package import FogCore
internal import FogJobs
internal import GRDB
internal import Glibc

extension SQLiteStore {
    package func prune(endedBefore: Timestamp, keptBefore: Timestamp, unusedBefore: Timestamp, limit: Int)
        async throws(StoreFailure) -> [Digest]
    {
        for job in try await due(endedBefore: endedBefore, keptBefore: keptBefore, limit: limit) {
            // A job may have a million tasks: it goes in pieces, a short transaction each, so that commits pass
            // between them. Its own row goes last, so that a crash in the middle leaves it to the next prune.
            for part in Pruner.parts {
                while try await write({ try Pruner.remove(part, of: job, $0) }) {}
            }
            try await write { try Pruner.remove(job, $0) }
        }
        return try await write { try Pruner.removeUnused(before: unusedBefore, $0) }
    }

    private func due(endedBefore: Timestamp, keptBefore: Timestamp, limit: Int) async throws(StoreFailure) -> [JobID] {
        try await read { database in
            var query = try Prepared(
                database, "SELECT id FROM jobs WHERE \(Pruner.isDue) ORDER BY finished_at LIMIT ?3")
            query.bind(endedBefore)
            query.bind(keptBefore)
            query.bind(max(0, limit))
            return try query.all { try $0.id() }
        }
    }

    package func prunable(endedBefore: Timestamp, keptBefore: Timestamp, unusedBefore: Timestamp)
        async throws(StoreFailure) -> Prunable
    {
        try await read {
            try Pruner.prunable(endedBefore: endedBefore, keptBefore: keptBefore, unusedBefore: unusedBefore, $0)
        }
    }

    /// Digests of content that lies in files.
    package func contentInFiles() async throws(StoreFailure) -> [Digest] {
        try await read { database in
            try Prepared(database, "SELECT digest FROM blobs WHERE inline IS NULL ORDER BY digest").all {
                try $0.digest()
            }
        }
    }

    /// - Throws: `exists` when there is a file at the path already.
    package func backup(to path: String) async throws(StoreFailure) {
        // Made first and private: the copy holds everything the store does.
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            if errno == EEXIST { throw StoreFailure("exists", "\(path): is there already; name a new file") }
            throw Folder.failure("could not be made", path)
        }
        Glibc.close(descriptor)
        do {
            // VACUUM INTO copies one snapshot into an empty file. It wants a connection without a transaction.
            try await read(inTransaction: false) { database in
                var copy = try Prepared(database, "VACUUM INTO ?")
                copy.bind(path)
                try copy.run()
            }
            try Folder.sync(file: path)
            try Folder.sync(Folder.parent(of: path))
        } catch {
            unlink(path)
            throw error
        }
    }
}

/// Removes history. Never touches a table of the economy.
enum Pruner {
    /// Rows removed in one transaction.
    static let pieceRows = 4096
    /// Of a job that ended before the first parameter and is not kept until the second.
    static let isDue = "settled = 1 AND finished_at < ?1 AND (kept_until IS NULL OR kept_until < ?2)"

    enum Part { case events, decisions, logs, attempts, tasks, uses }

    /// In the order in which the rows refer to each other.
    static let parts: [Part] = [.events, .decisions, .logs, .attempts, .tasks, .uses]

    /// Whether there may be more to remove.
    static func remove(_ part: Part, of job: JobID, _ database: Database) throws -> Bool {
        var removed = 0
        try database.inTransaction(.immediate) {
            if part == .events { try keepLastEvent(database) }
            var delete = try Prepared(database, statement(part))
            delete.bind(job)
            removed = try delete.run()
            return .commit
        }
        return removed > 0
    }

    private static func statement(_ part: Part) -> String {
        switch part {
        case .events:
            "DELETE FROM events WHERE sequence IN (SELECT sequence FROM events WHERE job = ? LIMIT \(pieceRows))"
        case .logs: "DELETE FROM logs WHERE rowid IN (SELECT rowid FROM logs WHERE job = ? LIMIT \(pieceRows))"
        case .decisions: "DELETE FROM placement_decisions WHERE job = ?"
        case .attempts: numbered("attempts")
        case .tasks: numbered("tasks")
        case .uses: "DELETE FROM blob_uses WHERE job = ?"
        }
    }

    /// These tables have no row id; their rows go by ranges of task numbers.
    private static func numbered(_ table: String) -> String {
        """
        DELETE FROM \(table) WHERE job = ?1 AND number < \
        (SELECT min(number) FROM \(table) WHERE job = ?1) + \(pieceRows)
        """
    }

    static func remove(_ job: JobID, _ database: Database) throws {
        var delete = try Prepared(database, "DELETE FROM jobs WHERE id = ?")
        delete.bind(job)
        try delete.run()
    }

    /// Uses by no job hold content only for a while; then it goes, unless a job has named it meanwhile.
    static func removeUnused(before: Timestamp, _ database: Database) throws -> [Digest] {
        var gone: [Digest] = []
        try database.inTransaction(.immediate) {
            var uses = try Prepared(database, "DELETE FROM blob_uses WHERE job = x'' AND at < ?")
            uses.bind(before)
            try uses.run()
            var unused = try Prepared(
                database,
                """
                DELETE FROM blobs WHERE rowid IN (SELECT rowid FROM blobs WHERE created_at < ? \
                AND NOT EXISTS (SELECT 1 FROM blob_uses WHERE blob_uses.digest = blobs.digest) LIMIT \(pieceRows)) \
                RETURNING digest, inline
                """)
            unused.bind(before)
            // `inline IS NULL` says 0 here even where it is NULL (SQLite 3.40), so the value itself is asked for.
            let removed = try unused.all { row in (try row.digest(), row.optional { $0.int64() } == nil) }
            gone = removed.filter(\.1).map(\.0).sorted()
            return .commit
        }
        return gone
    }

    // MARK: - Looking only

    static func prunable(
        endedBefore: Timestamp, keptBefore: Timestamp, unusedBefore: Timestamp, _ database: Database
    ) throws -> Prunable {
        let ended = "(SELECT id FROM jobs WHERE \(isDue))"
        func count(_ table: String) throws -> Int {
            var query = try Prepared(database, "SELECT count(*) FROM \(table) WHERE job IN \(ended)")
            query.bind(endedBefore)
            query.bind(keptBefore)
            return try query.first { $0.int() } ?? 0
        }
        var found = Prunable()
        var jobs = try Prepared(database, "SELECT count(*) FROM jobs WHERE \(isDue)")
        jobs.bind(endedBefore)
        jobs.bind(keptBefore)
        found.jobs = try jobs.first { $0.int() } ?? 0
        found.tasks = try count("tasks")
        found.attempts = try count("attempts")
        found.events = try count("events")
        var logs = try Prepared(
            database, "SELECT count(*), coalesce(sum(length(bytes)), 0) FROM logs WHERE job IN \(ended)")
        logs.bind(endedBefore)
        logs.bind(keptBefore)
        (found.logs, found.logBytes) = try logs.first { ($0.int(), $0.int64()) } ?? (0, 0)
        // Content whose every use goes.
        var blobs = try Prepared(
            database,
            """
            SELECT count(*), coalesce(sum(size), 0) FROM blobs WHERE created_at < ?3 AND NOT EXISTS (
                SELECT 1 FROM blob_uses WHERE blob_uses.digest = blobs.digest
                AND NOT ((job = x'' AND at < ?3) OR job IN \(ended)))
            """)
        blobs.bind(endedBefore)
        blobs.bind(keptBefore)
        blobs.bind(unusedBefore)
        (found.blobs, found.blobBytes) = try blobs.first { ($0.int(), $0.int64()) } ?? (0, 0)
        return found
    }

    // MARK: - The newest event

    private static let eventMark = "event_sequence"

    static func lastEventSequence(_ database: Database) throws -> UInt64 {
        let newest = try Prepared(database, "SELECT coalesce(max(sequence), 0) FROM events").first { try $0.uint64() }
        var query = try Prepared(database, "SELECT value FROM marks WHERE name = ?")
        query.bind(eventMark)
        return max(newest ?? 0, try query.first { try $0.uint64() } ?? 0)
    }

    /// A reader's cursor counts on sequence numbers never being given twice, even when the newest events are removed.
    private static func keepLastEvent(_ database: Database) throws {
        let last = try lastEventSequence(database)
        var upsert = try Prepared(
            database, "INSERT INTO marks VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value")
        upsert.bind(eventMark)
        upsert.bind(last)
        try upsert.run()
    }
}
