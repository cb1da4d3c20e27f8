package import FogCore
internal import GRDB

extension ChangeWriter {
    /// Writes a decision and lets go of those of its step that are too many.
    func write(_ decision: StoredDecision) throws {
        var insert = try Prepared(
            database, "INSERT OR REPLACE INTO placement_decisions (job, step, at, body) VALUES (?, ?, ?, ?)")
        insert.bind(decision.job)
        insert.bind(decision.step)
        insert.bind(decision.at)
        insert.bind(decision.body)
        try insert.run()
        var delete = try Prepared(
            database,
            """
            DELETE FROM placement_decisions WHERE job = ?1 AND step = ?2 AND at < (SELECT min(at) FROM (SELECT at \
            FROM placement_decisions WHERE job = ?1 AND step = ?2 ORDER BY at DESC LIMIT \(StoredDecision.keptPerStep)))
            """)
        delete.bind(decision.job)
        delete.bind(decision.step)
        try delete.run()
    }
}

extension SQLiteStore {
    package func decisions(of job: JobID) async throws(StoreFailure) -> [StoredDecision] {
        try await read { database in
            var query = try Prepared(
                database, "SELECT step, at, body FROM placement_decisions WHERE job = ? ORDER BY at DESC, step")
            query.bind(job)
            return try query.all {
                StoredDecision(job: job, step: $0.int(), at: $0.time(), body: $0.text())
            }
        }
    }
}
