package import FogCore
package import FogJobs
internal import GRDB

extension SQLiteStore {
    // MARK: - Starting

    package func openJobs() async throws(StoreFailure) -> [StoredJob] {
        try await read { database in
            let sql = """
                SELECT \(JobRows.job), document, request FROM jobs JOIN job_documents ON job = row
                WHERE settled = 0 ORDER BY id
                """
            return try Prepared(database, sql).all(JobRows.readStored)
        }
    }

    package func openTasks() async throws(StoreFailure) -> [TaskRecord] {
        try await read { database in
            let sql = """
                SELECT \(JobRows.task) FROM jobs JOIN tasks ON tasks.job = jobs.id
                WHERE settled = 0 AND tasks.state NOT IN ('succeeded', 'failed', 'cancelled', 'skipped')
                ORDER BY tasks.job, tasks.number
                """
            return try Prepared(database, sql).all(JobRows.readTask)
        }
    }

    package func openAttempts() async throws(StoreFailure) -> [AttemptRecord] {
        try await read { database in
            let sql = "SELECT \(JobRows.attempt) FROM attempts WHERE ended_at IS NULL ORDER BY job, number, token"
            return try Prepared(database, sql).all(JobRows.readAttempt)
        }
    }

    package func nodes() async throws(StoreFailure) -> [NodeRow] {
        try await read {
            try Prepared($0, "SELECT \(RegistryRows.node) FROM nodes ORDER BY id").all(RegistryRows.readNode)
        }
    }

    package func principals() async throws(StoreFailure) -> [Principal] {
        try await read {
            try Prepared($0, "SELECT \(RegistryRows.principal) FROM principals ORDER BY key")
                .all(RegistryRows.readPrincipal)
        }
    }

    package func settings() async throws(StoreFailure) -> [String: String] {
        try await read { database in
            let pairs = try Prepared(database, "SELECT name, value FROM settings").all { ($0.text(), $0.text()) }
            return Dictionary(pairs) { first, _ in first }
        }
    }

    package func lastEventSequence() async throws(StoreFailure) -> UInt64 {
        try await read { try Pruner.lastEventSequence($0) }
    }

    // MARK: - Jobs

    package func job(_ id: JobID) async throws(StoreFailure) -> StoredJob? {
        try await read { database in
            var query = try Prepared(
                database,
                "SELECT \(JobRows.job), document, request FROM jobs JOIN job_documents ON job = row WHERE id = ?")
            query.bind(id)
            return try query.first(JobRows.readStored)
        }
    }

    package func jobs(_ filter: JobFilter) async throws(StoreFailure) -> [JobRecord] {
        try await read { database in
            var conditions: [String] = []
            if filter.account != nil { conditions.append("account = ?") }
            if filter.before != nil { conditions.append("id < ?") }
            if filter.name != nil { conditions.append("name = ?") }
            if filter.label != nil {
                conditions.append("EXISTS (SELECT 1 FROM json_each(labels) WHERE key = ? AND value = ?)")
            }
            if let states = filter.states { conditions.append("state IN (\(marks(states.count)))") }
            let clause = conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ")
            var query = try Prepared(
                database, "SELECT \(JobRows.job) FROM jobs \(clause) ORDER BY id DESC LIMIT ?")
            if let account = filter.account { query.bind(account) }
            if let before = filter.before { query.bind(before) }
            if let name = filter.name { query.bind(name) }
            if let (name, value) = filter.label {
                query.bind(name)
                query.bind(value)
            }
            for state in (filter.states ?? []).sorted(by: { $0.rawValue < $1.rawValue }) { query.bind(state.rawValue) }
            query.bind(max(0, filter.limit))
            return try query.all(JobRows.readJob)
        }
    }

    package func jobIDs(prefix: String, account: AccountID?, limit: Int) async throws(StoreFailure) -> [JobID] {
        try await read { database in
            // Ids are base32, so every text that begins with the prefix lies below the prefix and a DEL.
            var query = try Prepared(
                database,
                """
                SELECT id FROM jobs WHERE id_text >= ? AND id_text < ? \(account == nil ? "" : "AND account = ?") \
                ORDER BY id_text LIMIT ?
                """)
            query.bind(prefix)
            query.bind(prefix + "\u{7f}")
            if let account { query.bind(account) }
            query.bind(max(0, limit))
            return try query.all { try $0.id() }
        }
    }

    package func job(account: AccountID, idempotencyKey: String) async throws(StoreFailure) -> JobRecord? {
        try await read { database in
            var query = try Prepared(
                database, "SELECT \(JobRows.job) FROM jobs WHERE account = ? AND idempotency_key = ?")
            query.bind(account)
            query.bind(idempotencyKey)
            return try query.first(JobRows.readJob)
        }
    }

    package func task(_ id: TaskID) async throws(StoreFailure) -> TaskRecord? {
        try await read { database in
            var query = try Prepared(database, "SELECT \(JobRows.task) FROM tasks WHERE job = ? AND number = ?")
            query.bind(id.job)
            query.bind(id.number)
            return try query.first(JobRows.readTask)
        }
    }

    package func tasks(of job: JobID, after number: UInt32?, states: Set<TaskState>?, limit: Int)
        async throws(StoreFailure) -> [TaskRecord]
    {
        try await read { database in
            let filter = states.map { "AND state IN (\(marks($0.count)))" } ?? ""
            var query = try Prepared(
                database,
                "SELECT \(JobRows.task) FROM tasks WHERE job = ? AND number > ? \(filter) ORDER BY number LIMIT ?")
            query.bind(job)
            query.bind(number.map(Int64.init) ?? -1)
            for state in (states ?? []).sorted(by: { $0.rawValue < $1.rawValue }) { query.bind(state.rawValue) }
            query.bind(max(0, limit))
            return try query.all(JobRows.readTask)
        }
    }

    package func attempt(_ id: AttemptID) async throws(StoreFailure) -> AttemptRecord? {
        try await read { database in
            var query = try Prepared(
                database, "SELECT \(JobRows.attempt) FROM attempts WHERE job = ? AND number = ? AND token = ?")
            query.bind(id.task.job)
            query.bind(id.task.number)
            query.bind(id.token)
            return try query.first(JobRows.readAttempt)
        }
    }

    package func attempts(of job: JobID, task: UInt32?, after: AttemptID?, limit: Int) async throws(StoreFailure)
        -> [AttemptRecord]
    {
        try await read { database in
            var query = try Prepared(
                database,
                """
                SELECT \(JobRows.attempt) FROM attempts WHERE job = ? AND (number, token) > (?, ?) \
                \(task == nil ? "" : "AND number = ?") ORDER BY number, token LIMIT ?
                """)
            query.bind(job)
            query.bind(after.map { Int64($0.task.number) } ?? -1)
            query.bind(after.map { Int64($0.token) } ?? -1)
            if let task { query.bind(task) }
            query.bind(max(0, limit))
            return try query.all(JobRows.readAttempt)
        }
    }

    package func events(after sequence: UInt64, job: JobID?, limit: Int) async throws(StoreFailure) -> [EventRecord] {
        try await read { database in
            var query = try Prepared(
                database,
                """
                SELECT \(JobRows.event) FROM events WHERE sequence > ? \(job == nil ? "" : "AND job = ?") \
                ORDER BY sequence LIMIT ?
                """)
            query.bind(sequence)
            if let job { query.bind(job) }
            query.bind(max(0, limit))
            return try query.all(JobRows.readEvent)
        }
    }
}
