internal import FogCore
internal import FogJobs

/// Keys, nodes and content.
extension ChangeWriter {
    func write(_ principal: Principal) throws {
        var upsert = try Prepared(
            database,
            """
            INSERT INTO principals VALUES (\(marks(7))) ON CONFLICT DO UPDATE SET name = excluded.name, \
            roles = excluded.roles, account = excluded.account, enrolled_at = excluded.enrolled_at, \
            revoked_at = excluded.revoked_at, suspended_at = excluded.suspended_at
            """)
        upsert.bind(principal.key)
        upsert.bind(principal.name)
        upsert.bind(RoleText.write(principal.roles))
        upsert.bind(principal.account)
        upsert.bind(principal.enrolledAt)
        upsert.bind(principal.revokedAt)
        upsert.bind(principal.suspendedAt)
        try upsert.run()
    }

    func write(_ node: NodeRow) throws {
        var upsert = try Prepared(database, Self.upsertNode)
        upsert.bind(node.id)
        upsert.bind(node.key)
        upsert.bind(node.owner)
        upsert.bind(node.enrolledAt)
        upsert.bind(node.standing.rawValue)
        upsert.bind(node.lastSeen)
        upsert.bind("[" + node.recentFaults.map { String($0.microseconds) }.joined(separator: ",") + "]")
        upsert.bind(node.probationUntil)
        upsert.bind(node.probations)
        upsert.bind(node.trusted)
        upsert.bind(try ColumnText.encoded(node.report))
        upsert.bind(ColumnText.words(node.labels) ?? "{}")
        upsert.bind(node.coreAsk?.micro)
        upsert.bind(node.gibAsk?.micro)
        upsert.bind(node.stays.text)
        try upsert.run()
    }

    private static let upsertNode = """
        INSERT INTO nodes VALUES (\(marks(15))) ON CONFLICT DO UPDATE SET key = excluded.key, owner = excluded.owner, \
        enrolled_at = excluded.enrolled_at, standing = excluded.standing, last_seen = excluded.last_seen, \
        recent_faults = excluded.recent_faults, probation_until = excluded.probation_until, \
        probations = excluded.probations, trusted = excluded.trusted, report = excluded.report, \
        labels = excluded.labels, core_ask = excluded.core_ask, gib_ask = excluded.gib_ask, \
        stays = excluded.stays
        """

    /// Equal digests mean equal content, so the first row stays.
    func write(_ blob: BlobRecord) throws {
        var insert = try Prepared(database, "INSERT INTO blobs VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING")
        insert.bind(blob.digest)
        insert.bind(blob.size)
        insert.bind(blob.createdAt)
        insert.bind(blob.inline)
        try insert.run()
    }

    func write(_ use: BlobUse) throws {
        var upsert = try Prepared(
            database, "INSERT INTO blob_uses VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)")
        upsert.bind(use.digest)
        upsert.bind(use.account)
        // A primary key takes no NULL; an empty id is a use by no job.
        if let job = use.job { upsert.bind(job) } else { upsert.bind([UInt8]()) }
        upsert.bind(use.at)
        try upsert.run()
    }

    func release(_ use: BlobUse) throws {
        var delete = try Prepared(database, "DELETE FROM blob_uses WHERE digest = ? AND account = ? AND job = ?")
        delete.bind(use.digest)
        delete.bind(use.account)
        if let job = use.job { delete.bind(job) } else { delete.bind([UInt8]()) }
        try delete.run()
    }

    func write(_ log: StoredLog) throws {
        var insert = try Prepared(database, "INSERT INTO logs VALUES (?, ?, ?, ?, ?)")
        bind(log.attempt, to: &insert)
        insert.bind(log.stream.rawValue)
        insert.bind(log.bytes)
        try insert.run()
    }
}

/// The columns of principals and nodes, as they are read.
enum RegistryRows {
    static let principal = "key, name, roles, account, enrolled_at, revoked_at, suspended_at"

    static func readPrincipal(_ row: inout Columns) throws -> Principal {
        let key = try row.key()
        let name = row.text()
        let roles = try RoleText.read(row.text())
        var principal = Principal(key: key, name: name, roles: roles, account: try row.id(), enrolledAt: row.time())
        principal.revokedAt = row.optional { $0.time() }
        principal.suspendedAt = row.optional { $0.time() }
        return principal
    }

    static let node = """
        id, key, owner, enrolled_at, standing, last_seen, recent_faults, probation_until, probations, trusted, report, \
        labels, core_ask, gib_ask, stays
        """

    static func readNode(_ row: inout Columns) throws -> NodeRow {
        let id: NodeID = try row.id()
        let key = try row.key()
        let owner: AccountID = try row.id()
        let enrolledAt = row.time()
        let standing: NodeRow.Standing = try row.word()
        let lastSeen = row.time()
        let faults: [Int64] = try ColumnText.decoded(row.text())
        let probationUntil = row.optional { $0.time() }
        let probations = row.int()
        let trusted = row.bool()
        var node = NodeRow(
            id: id, key: key, owner: owner, enrolledAt: enrolledAt, report: try ColumnText.decoded(row.text()),
            trusted: trusted)
        node.labels = try ColumnText.words(row.text())
        node.coreAsk = row.optional { $0.credits() }
        node.gibAsk = row.optional { $0.credits() }
        guard let stays = StayRecord(text: row.text()) else {
            throw StoreFailure("corrupt", "a machine's stays do not read")
        }
        node.stays = stays
        node.standing = standing
        node.lastSeen = lastSeen
        node.recentFaults = faults.map { Timestamp(microseconds: $0) }
        node.probationUntil = probationUntil
        node.probations = probations
        return node
    }
}
