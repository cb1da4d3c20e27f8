package import FogCore

extension SQLiteStore {
    package func contentUsage() async throws(StoreFailure) -> [AccountID: ContentUsage] {
        try await read { database in
            var usage: [AccountID: ContentUsage] = [:]
            // The key of `blob_uses` begins with digest and account, so the distinct pairs come in its order.
            let blobs = """
                SELECT account, sum(size) FROM (SELECT DISTINCT digest, account FROM blob_uses) AS used \
                JOIN blobs ON blobs.digest = used.digest GROUP BY account
                """
            for (account, bytes) in try Prepared(database, blobs).all({ (try $0.id() as AccountID, $0.int64()) }) {
                usage[account, default: ContentUsage()].blobs = bytes
            }
            let logs = """
                SELECT account, sum(min(stdout_size, ?1) + min(stderr_size, ?1)) FROM attempts \
                JOIN jobs ON jobs.id = attempts.job WHERE ended_at IS NOT NULL GROUP BY account
                """
            var query = try Prepared(database, logs)
            query.bind(ContentUsage.logLimit)
            for (account, bytes) in try query.all({ (try $0.id() as AccountID, $0.int64()) }) {
                usage[account, default: ContentUsage()].logs = bytes
            }
            return usage
        }
    }
}
