internal import FogCore
package import FogPlacement

extension Schema {
    /// A row for each node and class of capability in which it ended anything; `counts` is read whole.
    static let reputations = """
        CREATE TABLE reputations (
            node BLOB NOT NULL CHECK (length(node) = 16), capability TEXT NOT NULL,
            good REAL NOT NULL CHECK (good >= 0), bad REAL NOT NULL CHECK (bad >= 0), as_of INTEGER NOT NULL,
            valid_in_a_row INTEGER NOT NULL CHECK (valid_in_a_row >= 0), counts TEXT NOT NULL,
            PRIMARY KEY (node, capability)
        ) STRICT, WITHOUT ROWID;
        """
}

extension ChangeWriter {
    private static let upsertReputation = """
        INSERT INTO reputations VALUES (\(marks(7))) ON CONFLICT DO UPDATE SET good = excluded.good, \
        bad = excluded.bad, as_of = excluded.as_of, valid_in_a_row = excluded.valid_in_a_row, counts = excluded.counts
        """

    func write(_ reputation: Reputation, of key: Reputation.Key) throws {
        var upsert = try Prepared(database, Self.upsertReputation)
        upsert.bind(key.node)
        upsert.bind(key.capability.rawValue)
        upsert.bind(reputation.evidence.good)
        upsert.bind(reputation.evidence.bad)
        upsert.bind(reputation.asOf)
        upsert.bind(reputation.validInARow)
        upsert.bind(ColumnText.counts(reputation.counts))
        try upsert.run()
    }
}

extension ColumnText {
    /// `{"lost":2,"valid":7}`: verdicts are plain words.
    fileprivate static func counts(_ counts: [Evidence.Verdict: Int]) -> String {
        let members = Evidence.Verdict.allCases.compactMap { verdict in
            counts[verdict].map { "\"\(verdict.rawValue)\":\($0)" }
        }
        return "{" + members.joined(separator: ",") + "}"
    }

    fileprivate static func counts(_ text: String) throws(StoreFailure) -> [Evidence.Verdict: Int] {
        var counts: [Evidence.Verdict: Int] = [:]
        guard let members = (try? JSON(parsing: text))?.members else {
            throw StoreFailure("corrupt", "a reputation's counts do not read: `\(text.prefix(80))`")
        }
        for member in members {
            guard let verdict = Evidence.Verdict(rawValue: member.name), let count = member.value.integer else {
                throw StoreFailure("corrupt", "a reputation counts `\(member.name.prefix(40))`, which is no verdict")
            }
            counts[verdict] = Int(count)
        }
        return counts
    }
}

extension SQLiteStore {
    package func reputations() async throws(StoreFailure) -> [Reputation.Key: Reputation] {
        let columns = "node, capability, good, bad, as_of, valid_in_a_row, counts"
        return try await read { database in
            let rows = try Prepared(database, "SELECT \(columns) FROM reputations").all { row in
                let key = Reputation.Key(node: try row.id(), capability: try row.word())
                let evidence = Evidence(good: row.double(), bad: row.double())
                let asOf = row.time(), inARow = row.int()
                let counts = try ColumnText.counts(row.text())
                return (key, Reputation(evidence: evidence, asOf: asOf, validInARow: inARow, counts: counts))
            }
            return Dictionary(rows) { first, _ in first }
        }
    }
}
