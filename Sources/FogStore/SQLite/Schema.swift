internal import GRDB

/// The tables, and the guards that hold whoever writes to them.
///
/// Ids are their 16 bytes, which are ordered by time, so that new rows land beside each other. Words of closed sets are
/// text. What only people read, or what is read whole, is compact JSON. Tables of the economy are called `ledger_…` and
/// `evidence_…`: the audit vouches for exactly these.
enum Schema {
    /// "FogS": tells Fog's file from any other SQLite database.
    static let applicationID: Int32 = 0x466f_6753

    /// Append-only: a step that was released is never edited, the next one follows it.
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1-foundation") { database in
            for part in [registry, jobs, history, content, economy] { try database.execute(sql: part) }
        }
        migrator.registerMigration("2-unpaid-work") { try $0.execute(sql: unpaidWork) }
        migrator.registerMigration("3-enrolment") { try $0.execute(sql: enrolment) }
        migrator.registerMigration("4-node-labels") { try $0.execute(sql: nodeLabels) }
        migrator.registerMigration("5-traces") { try $0.execute(sql: traces) }
        migrator.registerMigration("6-kept-jobs") { try $0.execute(sql: keptJobs) }
        migrator.registerMigration("7-decisions") { try $0.execute(sql: decisions) }
        migrator.registerMigration("8-tree") { try $0.execute(sql: tree) }
        migrator.registerMigration("9-reputations") { try $0.execute(sql: reputations) }
        migrator.registerMigration("10-asks") { try $0.execute(sql: asks) }
        migrator.registerMigration("11-market") { try $0.execute(sql: market) }
        migrator.registerMigration("12-stays") { try $0.execute(sql: stays) }
        migrator.registerMigration("13-earlier-records") { try joinRecords($0) }
        migrator.registerMigration("14-requests") { try $0.execute(sql: requests) }
        migrator.registerMigration("16-sealed-keys") { try $0.execute(sql: sealedKeys) }
        return migrator
    }

    private static let nodeLabels = "ALTER TABLE nodes ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';"
    private static let stays = "ALTER TABLE nodes ADD COLUMN stays TEXT NOT NULL DEFAULT '';"
    private static let requests = "ALTER TABLE job_documents ADD COLUMN request BLOB;"
    private static let traces = "ALTER TABLE jobs ADD COLUMN traceparent TEXT;"

    private static let asks = """
        ALTER TABLE nodes ADD COLUMN core_ask INTEGER CHECK (core_ask >= 0);
        ALTER TABLE nodes ADD COLUMN gib_ask INTEGER CHECK (gib_ask >= 0);
        ALTER TABLE attempts ADD COLUMN core_rate INTEGER CHECK (core_rate >= 0);
        ALTER TABLE attempts ADD COLUMN gib_rate INTEGER CHECK (gib_rate >= 0);
        CREATE TRIGGER attempts_rate_guard BEFORE UPDATE OF core_rate, gib_rate ON attempts
        BEGIN SELECT RAISE(ABORT, 'the price of an attempt is fixed at its grant'); END;
        """

    private static let sealedKeys = "ALTER TABLE jobs ADD COLUMN sealed_keys TEXT;"
    private static let keptJobs = "ALTER TABLE jobs ADD COLUMN kept_until INTEGER;"

    private static let decisions = """
        CREATE TABLE placement_decisions (
            job BLOB NOT NULL REFERENCES jobs (id), step INTEGER NOT NULL CHECK (step >= 0), at INTEGER NOT NULL,
            body TEXT NOT NULL, PRIMARY KEY (job, step, at)
        ) STRICT, WITHOUT ROWID;
        """

    private static let registry = """
        CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE principals (
            key BLOB PRIMARY KEY CHECK (length(key) = 32), name TEXT NOT NULL, roles TEXT NOT NULL,
            account BLOB NOT NULL CHECK (length(account) = 16), enrolled_at INTEGER NOT NULL, revoked_at INTEGER
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE nodes (
            id BLOB PRIMARY KEY CHECK (length(id) = 16), key BLOB NOT NULL, owner BLOB NOT NULL,
            enrolled_at INTEGER NOT NULL, standing TEXT NOT NULL, last_seen INTEGER NOT NULL,
            recent_faults TEXT NOT NULL, probation_until INTEGER, probations INTEGER NOT NULL, trusted INTEGER NOT NULL,
            report TEXT NOT NULL
        ) STRICT;
        """

    /// A job's document stays out of its row, which is written again with every commit that moves the job.
    private static let jobs = """
        CREATE TABLE jobs (
            row INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE CHECK (length(id) = 16), id_text TEXT NOT NULL UNIQUE,
            name TEXT NOT NULL, account BLOB NOT NULL, submitter BLOB NOT NULL, submitted_at INTEGER NOT NULL,
            idempotency_key TEXT, document_digest BLOB NOT NULL, file_table BLOB, labels TEXT NOT NULL,
            priority INTEGER NOT NULL, state TEXT NOT NULL, settled INTEGER NOT NULL, finished_at INTEGER,
            first_grant_at INTEGER, held TEXT, cancel_reason TEXT, budget INTEGER NOT NULL, spent INTEGER NOT NULL,
            escrow_open INTEGER NOT NULL, deadline_missed INTEGER NOT NULL, steps TEXT NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX jobs_by_key ON jobs (account, idempotency_key) WHERE idempotency_key IS NOT NULL;
        CREATE INDEX jobs_by_account ON jobs (account, id);
        CREATE INDEX jobs_open ON jobs (id) WHERE settled = 0;
        CREATE INDEX jobs_ended ON jobs (finished_at) WHERE settled = 1;
        CREATE TABLE job_documents (
            job INTEGER PRIMARY KEY REFERENCES jobs (row) ON DELETE CASCADE, document TEXT NOT NULL
        ) STRICT;

        CREATE TABLE tasks (
            job BLOB NOT NULL REFERENCES jobs (id), number INTEGER NOT NULL, state TEXT NOT NULL,
            token INTEGER NOT NULL, task_failures INTEGER NOT NULL, host_failures INTEGER NOT NULL,
            evictions INTEGER NOT NULL, not_before INTEGER, held_reason TEXT, memory INTEGER, checkpoint BLOB,
            finished_at INTEGER, winner INTEGER, PRIMARY KEY (job, number)
        ) STRICT, WITHOUT ROWID;
        CREATE TRIGGER tasks_guard BEFORE UPDATE ON tasks
        WHEN new.token < old.token OR (old.winner IS NOT NULL AND new.winner IS NOT old.winner)
            OR (old.state IN ('succeeded', 'failed', 'cancelled', 'skipped') AND new.state <> old.state)
        BEGIN
            SELECT CASE
                WHEN new.token < old.token THEN RAISE(ABORT, 'a task''s fencing token never goes back')
                WHEN new.state <> old.state AND old.state IN ('succeeded', 'failed', 'cancelled', 'skipped')
                    THEN RAISE(ABORT, 'a final task never changes its state')
                ELSE RAISE(ABORT, 'a task has one winner and keeps it') END;
        END;

        CREATE TABLE attempts (
            job BLOB NOT NULL, number INTEGER NOT NULL, token INTEGER NOT NULL CHECK (token > 0), node BLOB NOT NULL,
            payee BLOB NOT NULL, granted_at INTEGER NOT NULL, price_bound INTEGER NOT NULL, ended_at INTEGER,
            outcome TEXT, exit_code INTEGER, signal INTEGER, detail TEXT, cpu_ns INTEGER, wall_ns INTEGER,
            peak_bytes INTEGER, bytes_in INTEGER, bytes_out INTEGER, usage_source TEXT, paid INTEGER NOT NULL,
            receipt BLOB, stdout_size INTEGER NOT NULL, stderr_size INTEGER NOT NULL, outputs TEXT,
            PRIMARY KEY (job, number, token), FOREIGN KEY (job, number) REFERENCES tasks (job, number)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX attempts_open ON attempts (job) WHERE ended_at IS NULL;
        CREATE TRIGGER attempts_guard BEFORE UPDATE ON attempts WHEN old.ended_at IS NOT NULL
        BEGIN SELECT RAISE(ABORT, 'an ended attempt never changes'); END;
        """

    /// What ended unpaid may be paid later, once; nothing else of an ended attempt changes.
    private static let unpaidWork = """
        ALTER TABLE tasks ADD COLUMN trail TEXT;
        DROP TRIGGER attempts_guard;
        CREATE TRIGGER attempts_guard BEFORE UPDATE OF job, number, token, node, payee, granted_at, price_bound,
            ended_at, outcome, exit_code, signal, detail, cpu_ns, wall_ns, peak_bytes, bytes_in, bytes_out,
            usage_source, receipt, stdout_size, stderr_size, outputs
        ON attempts WHEN old.ended_at IS NOT NULL
        BEGIN SELECT RAISE(ABORT, 'an ended attempt never changes'); END;
        CREATE TRIGGER attempts_paid_guard BEFORE UPDATE OF paid ON attempts
        WHEN old.ended_at IS NOT NULL AND (old.paid <> 0 OR new.paid <= 0 OR new.paid > old.price_bound)
        BEGIN SELECT RAISE(ABORT, 'an ended attempt is paid once, within its bound'); END;
        """

    /// Events go only with the job they tell of, so there is a guard against changing but none against removing them;
    /// `marks` keeps what must not go back when the newest are removed.
    private static let history = """
        CREATE TABLE events (
            sequence INTEGER PRIMARY KEY CHECK (sequence > 0), kind TEXT NOT NULL, at INTEGER NOT NULL, job BLOB,
            task INTEGER, token INTEGER, node BLOB, detail TEXT
        ) STRICT;
        CREATE INDEX events_by_job ON events (job) WHERE job IS NOT NULL;
        CREATE TRIGGER events_guard BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'an event never changes'); END;
        CREATE TABLE marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        """

    private static let content = """
        CREATE TABLE blobs (
            digest BLOB PRIMARY KEY CHECK (length(digest) = 32), size INTEGER NOT NULL, created_at INTEGER NOT NULL,
            inline BLOB
        ) STRICT;
        CREATE INDEX blobs_by_age ON blobs (created_at);
        CREATE TABLE blob_uses (
            digest BLOB NOT NULL REFERENCES blobs (digest), account BLOB NOT NULL, job BLOB NOT NULL,
            at INTEGER NOT NULL, PRIMARY KEY (digest, account, job)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX blob_uses_by_job ON blob_uses (job, at);
        CREATE TABLE logs (
            job BLOB NOT NULL, number INTEGER NOT NULL, token INTEGER NOT NULL, stream TEXT NOT NULL,
            bytes BLOB NOT NULL, PRIMARY KEY (job, number, token, stream),
            FOREIGN KEY (job, number, token) REFERENCES attempts (job, number, token)
        ) STRICT;
        """

    /// The log and its projections. A record's id and accounts stand beside it only to be found by.
    private static let economy = """
        CREATE TABLE ledger_records (
            sequence INTEGER PRIMARY KEY CHECK (sequence >= 0), hash BLOB NOT NULL, bytes BLOB NOT NULL
        ) STRICT;
        CREATE TABLE ledger_transfers (
            id BLOB PRIMARY KEY CHECK (length(id) = 16), sequence INTEGER NOT NULL, resolution INTEGER
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE ledger_account_records (
            account BLOB NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (account, sequence)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE ledger_accounts (
            id BLOB PRIMARY KEY CHECK (length(id) = 16), kind INTEGER NOT NULL, unit INTEGER NOT NULL,
            owner BLOB NOT NULL, debits_pending INTEGER NOT NULL, debits_posted INTEGER NOT NULL,
            credits_pending INTEGER NOT NULL, credits_posted INTEGER NOT NULL, open_pendings INTEGER NOT NULL,
            closed INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE ledger_keys (
            key BLOB PRIMARY KEY CHECK (length(key) = 32), owner BLOB NOT NULL, roles INTEGER NOT NULL,
            revoked INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE ledger_pendings (
            id BLOB PRIMARY KEY CHECK (length(id) = 16), debit BLOB NOT NULL, credit BLOB NOT NULL,
            amount INTEGER NOT NULL, unit INTEGER NOT NULL, subject BLOB NOT NULL, expires INTEGER,
            sequence INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE ledger_paid (
            subject BLOB PRIMARY KEY CHECK (length(subject) = 16), sequence INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE evidence_documents (
            digest BLOB PRIMARY KEY CHECK (length(digest) = 32), kind INTEGER NOT NULL, bytes BLOB NOT NULL
        ) STRICT;
        CREATE TRIGGER ledger_accounts_guard BEFORE UPDATE ON ledger_accounts
        WHEN old.closed <> 0 OR new.kind <> old.kind OR new.unit <> old.unit OR new.owner <> old.owner
        BEGIN SELECT RAISE(ABORT, 'an account keeps kind, unit and owner, and nothing moves once it is closed'); END;
        CREATE TRIGGER ledger_transfers_guard BEFORE UPDATE ON ledger_transfers
        WHEN old.resolution IS NOT NULL OR new.id <> old.id OR new.sequence <> old.sequence
        BEGIN SELECT RAISE(ABORT, 'a transfer never changes, and a pending one is resolved once'); END;
        CREATE TRIGGER ledger_pendings_guard BEFORE DELETE ON ledger_pendings
        WHEN (SELECT resolution FROM ledger_transfers WHERE id = old.id) IS NULL
        BEGIN SELECT RAISE(ABORT, 'a pending transfer goes only when it is resolved'); END;
        CREATE TRIGGER ledger_pendings_unchanged BEFORE UPDATE ON ledger_pendings
        BEGIN SELECT RAISE(ABORT, 'an open pending transfer never changes'); END;
        """
        + ["ledger_records", "ledger_account_records", "ledger_paid", "evidence_documents"].map(appendOnly).joined()
        + ["ledger_accounts", "ledger_keys", "ledger_transfers"].map(undeletable).joined()

    // MARK: - What a file should hold

    private struct Item: Hashable {
        let kind: String
        let name: String
        let table: String
        let statement: String
    }

    static var newest: String { migrator.migrations.last ?? "" }

    static func mark(in database: Database) throws -> Int32 {
        try Int32.fetchOne(database, sql: "PRAGMA application_id") ?? 0
    }

    static func hasLedger(_ database: Database) throws -> Bool {
        try Prepared(database, "SELECT 1 FROM sqlite_master WHERE name GLOB 'ledger_*' LIMIT 1").exists
    }

    /// The last step that a file went through; nil when its steps are not the first ones of this version.
    static func version(of database: Database) throws -> String? {
        guard try database.tableExists("grdb_migrations") else { return nil }
        let found = try String.fetchAll(database, sql: "SELECT identifier FROM grdb_migrations ORDER BY rowid")
        return Set(found) == Set(migrator.migrations.prefix(found.count))
            ? migrator.migrations.prefix(found.count).last : nil
    }

    /// What the file says of itself that is not so, in words.
    static func wrongMarks(in database: Database) throws -> [String] {
        var words: [String] = []
        let mark = try mark(in: database)
        if mark != applicationID { words.append("the application id is \(mark), wanted \(applicationID)") }
        let user = try Int32.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        if user != 0 { words.append("the user version is \(user), wanted 0") }
        do {
            if try version(of: database) != newest { words.append("the steps of the schema are not this version's") }
        } catch {
            guard isDamage(error) else { throw error }
            words.append("the steps of the schema cannot be read: \((error as? DatabaseError)?.message ?? "no text")")
        }
        return words
    }

    /// Whether what was read is damaged, and not the way to it. What is no text where text should be has no code of SQLite's.
    static func isDamage(_ error: any Error) -> Bool {
        (error as? DatabaseError).map { $0.resultCode == .SQLITE_CORRUPT } ?? true
    }

    /// How the tables, indexes, triggers and views of a file differ from those that this version makes, in words.
    /// - Parameter version: an earlier step to stop at.
    static func differences(in database: Database, upTo version: String? = nil) throws -> [String] {
        let model = try DatabaseQueue()
        if let version { try migrator.migrate(model, upTo: version) } else { try migrator.migrate(model) }
        let wanted = try model.read(items(in:)), found = try items(in: database)
        let names = Set(found.map(\.name))
        let missing = wanted.subtracting(found).map { item in
            "the \(item.kind) \(item.name) is \(names.contains(item.name) ? "another" : "missing")"
        }
        let known = Set(wanted.map(\.name))
        let surplus = found.filter { !known.contains($0.name) }.map { "the \($0.kind) \($0.name) is not Fog's" }
        return missing.sorted() + surplus.sorted()
    }

    /// The tables of ANALYZE, which anybody may run, are not the schema's; what SQLite makes for a key has no statement.
    private static func items(in database: Database) throws -> Set<Item> {
        let sql = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT GLOB 'sqlite_stat[14]'"
        return Set(
            try Prepared(database, sql).all {
                Item(kind: $0.text(), name: $0.text(), table: $0.text(), statement: $0.text())
            })
    }

    static func appendOnly(_ table: String) -> String { unchanged(table) + undeletable(table) }

    static func unchanged(_ table: String) -> String {
        """

        CREATE TRIGGER \(table)_unchanged BEFORE UPDATE ON \(table)
        BEGIN SELECT RAISE(ABORT, '\(table) is append-only'); END;
        """
    }

    static func undeletable(_ table: String) -> String {
        """

        CREATE TRIGGER \(table)_undeleted BEFORE DELETE ON \(table)
        BEGIN SELECT RAISE(ABORT, 'nothing is removed from \(table)'); END;
        """
    }
}
