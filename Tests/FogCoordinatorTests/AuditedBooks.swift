import FogCore
import FogJobs
import FogLedger
import FogTestSupport
import Foundation
import Testing

@testable import FogCoordinator
@testable import FogStore

/// A coordinator's database file with people, machines, paid, unpaid and running work in it, the same bytes each time;
/// and the tools of somebody who has the file.
struct AuditedBooks {
    private(set) var store: SQLiteStore
    private var path: String
    var core: CoordinatorCore
    private(set) var now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: .hours(1))
    private var workers: [NodeID: SigningKey] = [:]
    private var keys: UInt8 = 0
    private var requests = 0
    private var client: Principal
    /// Is told how many records there are, as soon as a commit was answered.
    private let acknowledge: @Sendable (UInt64) -> Void

    static let coordinator = Self.seeded(0)

    /// A key of its own for each number.
    static func seeded(_ number: UInt8) -> SigningKey {
        guard let key = try? SigningKey(seed: [UInt8](repeating: number, count: 32)) else {
            preconditionFailure("32 bytes are a seed")
        }
        return key
    }

    /// Books in a folder that is gone when the test is.
    static func with<Value>(_ body: (inout AuditedBooks) async throws -> Value) async throws -> Value {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("fog-audit-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var books = try await AuditedBooks(path: folder.path + "/fog.db")
        let value = try await body(&books)
        try books.store.close()
        return value
    }

    init(path: String, acknowledge: @escaping @Sendable (UInt64) -> Void = { _ in }) async throws {
        self.path = path
        self.acknowledge = acknowledge
        store = try SQLiteStore(path: path)
        core = CoordinatorCore(
            rules: Bench.rules, key: Self.coordinator.publicKey, ledger: Ledger(), eventSequence: 0, seed: 1, at: now)
        core.sealer = LedgerSealer(key: Self.coordinator)
        core.attributeRecords(at: now)
        #expect(core.openBooks(at: now) == nil)
        #expect(core.post([LedgerEntry(.setRule(.economy(.genesis)))], at: now) == nil)
        client = try core.enrol(
            key: Self.seeded(100).publicKey, name: "ada", roles: [.client, .admin], account: nil,
            authorisation: Self.request("enrol ada", by: Self.seeded(100)), at: now)
        try grant(.credits(1000))
        let near = try addNode("near", owner: nil), far = try addNode("far", owner: "bob")
        try await commit()
        try await work(on: near, tasks: 1)
        try await work(on: far, tasks: 2)
        // Unpaid: printing the answer and failing would otherwise be free.
        try await work(on: far, tasks: 1, outcome: .exitNonzero)
        _ = try submit(tasks: 1)
        #expect(leases(for: near, want: 1).count == 1)
        try await commit()
    }

    mutating func commit() async throws {
        guard let change = core.takeChange() else { return }
        #expect(try await store.commit([change]) == [.applied])
        acknowledge(core.ledger.head.count)
    }

    mutating func grant(_ amount: Credits) throws {
        let document = try GrantDocument(
            account: client.account, amount: amount, time: now.wall, reason: "for the year", signedBy: Self.coordinator)
        _ = try core.grant(document, by: client, authorisation: request("grant"), at: now)
    }

    /// Something that a key signed: the words, which are told from others of this kind by their number.
    static func request(_ words: String, by key: SigningKey) throws -> Authorisation {
        let base = Array(words.utf8)
        return try Authorisation(base: base, key: key.publicKey.id, signature: key.sign(base))
    }

    /// What the client asked for, each time another request.
    private mutating func request(_ words: String) throws -> Authorisation {
        requests += 1
        return try Self.request("\(words) \(requests)", by: Self.seeded(100))
    }

    // MARK: Machines and work

    private mutating func addNode(_ name: String, owner: String?) throws -> NodeID {
        keys += 1
        let key = Self.seeded(keys)
        var account = client.account
        if let owner {
            account = try core.enrol(
                key: Self.seeded(keys + 100).publicKey, name: owner, roles: [.client], account: nil,
                authorisation: Self.request("enrol \(owner)", by: Self.seeded(keys + 100)), at: now
            ).account
        }
        _ = try core.enrol(
            key: key.publicKey, name: name, roles: [.worker], account: account,
            authorisation: Self.request("enrol \(name)", by: key), at: now)
        let report = NodeReport(
            name: name, architecture: "x86_64", cpu: .cores(4), memory: .gibibytes(8), disk: .gibibytes(100))
        let terms = try core.hello(
            WorkerHello(report: report, allowance: Bench.open(), incarnation: name, holding: []),
            from: key.publicKey.id, at: now)
        core.nodes[terms.node]?.row.trusted = false
        workers[terms.node] = key
        return terms.node
    }

    /// A job from its submit to its end, on one machine.
    mutating func work(on node: NodeID, tasks: Int, outcome: Outcome = .success) async throws {
        _ = try submit(tasks: tasks)
        for lease in leases(for: node, want: tasks) {
            now = Moment(wall: now.wall + .seconds(20), boot: now.boot + .seconds(5))
            let report = try report(lease, from: node, outcome: outcome)
            #expect(core.complete(report, from: try key(of: node).publicKey.id, at: now)?.verdict == .accepted)
        }
        try await commit()
    }

    private func key(of node: NodeID) throws -> SigningKey { try #require(workers[node]) }

    var nodes: [NodeID] { workers.keys.sorted() }

    private mutating func submit(tasks: Int) throws -> JobID {
        let elements: Elements = tasks == 1 ? .single : .array(first: 0, last: tasks - 1, stride: 1)
        var step = StepSpec(action: .command(["true"]), elements: elements)
        step.verify = .none
        step.retry.maxAttempts = 1
        let spec = JobSpec(name: "job", steps: [step])
        var submission = Submission(
            spec: spec, document: ManifestDocument(of: spec).canonical, documentDigest: .blake2b([]),
            files: .empty, fileTable: nil, idempotencyKey: nil, submitter: client)
        submission.request = try request("submit")
        return try core.submit(submission, at: now).record.id
    }

    private mutating func leases(for node: NodeID, want: Int) -> [Lease] {
        core.hear(node, allowance: Bench.open(), at: now)
        core.nodes[node]?.want = want
        core.placementWanted = true
        _ = core.place(at: now, clock: StillClock())
        defer { core.nodes[node]?.want = 0 }
        return core.grant(to: node, at: now)
    }

    private func report(_ lease: Lease, from node: NodeID, outcome: Outcome) throws -> VerifiedReport {
        let key = try key(of: node)
        let receipt = SignedReceipt(
            Receipt(
                coordinator: Self.coordinator.publicKey, attempt: lease.attempt, node: key.publicKey,
                profileDigest: .zero, missingIsolation: [], inputDigest: lease.inputDigest,
                outputDigest: manifestDigest([]), stdoutDigest: .zero, stderrDigest: .zero,
                exitCode: outcome == .success ? 0 : 1, signal: nil, outcome: outcome,
                usage: Usage(
                    cpuNanoseconds: 3_000_000_000, wallNanoseconds: 4_000_000_000, peakBytes: 1 << 20,
                    source: .cgroupV2),
                priceBound: lease.priceBound), signedWith: key)
        let report = AttemptReport(
            receipt: receipt, outputs: [], contents: [], stdout: nil, stderr: nil, stdoutSize: 0, stderrSize: 0,
            detail: nil)
        return VerifiedReport(receipt: receipt, report: report, blobs: [])
    }

    // MARK: What there is

    func audit(coordinator: PublicKey? = nil) async throws -> AuditReport {
        try await LedgerAuditor(store: store, coordinator: coordinator).run()
    }

    func records() async throws -> [LedgerRecord] {
        try await store.rows(of: .records).compactMap { row in
            if case .record(_, let bytes, _, _) = row { try LedgerRecord(decoding: bytes) } else { nil }
        }
    }

    /// The rows of a query, each column as SQLite writes it in a statement.
    func query(_ sql: String, columns: Int) async throws -> [[String]] {
        let quoted = "SELECT " + (1...columns).map { "quote(c\($0))" }.joined(separator: ", ")
        let named =
            "WITH q(" + (1...columns).map { "c\($0)" }.joined(separator: ", ") + ") AS (\(sql)) \(quoted) FROM q"
        return try await store.write { database in
            try Prepared(database, named).all { row in (0..<columns).map { _ in row.text() } }
        }
    }

    // MARK: The tools

    /// The same file under another name, opened.
    func copied<Value>(_ body: (AuditedBooks) async throws -> Value) async throws -> Value {
        let copy = path + "-\(UUID().uuidString)"
        try await store.backup(to: copy)
        var books = self
        (books.store, books.path) = (try SQLiteStore(path: copy), copy)
        let value = try await body(books)
        try books.store.close()
        for suffix in ["", ".lock"] { try FileManager.default.removeItem(atPath: copy + suffix) }
        return value
    }

    /// Runs statements with every guard of the schema out of the way, and puts the guards back.
    func tamper(_ statements: [String]) async throws {
        try await store.write { database in
            func run(_ sql: String) throws { try Prepared(database, sql).run() }
            let guards = try Prepared(database, "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").all {
                (name: $0.text(), sql: $0.text())
            }
            try run("PRAGMA ignore_check_constraints = ON")
            for item in guards { try run("DROP TRIGGER \(item.name)") }
            for statement in statements { try run(statement) }
            for item in guards { try run(item.sql) }
        }
    }

    /// The log with some records made new, chained and hashed again to its end; `more` follows.
    /// - Parameter isSealed: by somebody who has the coordinator's key.
    func rewrite(
        _ edit: (LedgerRecord) -> LedgerRecord, adding more: [LedgerRecord] = [], isSealed: Bool = true
    ) async throws {
        var previous = Digest.zero
        var tree = CompactRange()
        var statements: [String] = []
        let count = try await records().count
        for record in try await records() + more {
            let row = edit(record).with(previous: previous).sealed()
            previous = row.hash
            _ = tree.append(row.hash)
            guard row.record.sequence >= count else {
                statements.append(
                    """
                    UPDATE ledger_records SET hash = \(row.hash.sql), bytes = \(row.bytes.sql) \
                    WHERE sequence = \(row.record.sequence)
                    """)
                continue
            }
            let earlier = row.record.accounts.map { "(SELECT last_record FROM ledger_accounts WHERE id = \($0.sql))" }
            let values = [row.record.sequence.description, row.hash.sql, row.bytes.sql] + earlier
            statements.append("INSERT INTO ledger_records VALUES (\(values.joined(separator: ", ")))")
        }
        if isSealed {
            let checkpoint = Checkpoint(origin: Checkpoint.origin(of: Self.coordinator.publicKey), head: tree.head)
            let note = try checkpoint.signed(by: Self.coordinator)
            statements += [
                "DELETE FROM ledger_checkpoints",
                "INSERT INTO ledger_checkpoints VALUES (0, \(tree.size), \(note.bytes.sql))",
            ]
        }
        try await tamper(statements)
    }

    func insert(_ document: EvidenceDocument) async throws {
        let values = "\(document.digest.sql), \(document.kind.rawValue), \(document.bytes.sql)"
        try await tamper(["INSERT INTO evidence_documents VALUES (\(values))"])
    }
}

extension Array<UInt8> {
    var sql: String { "x'" + Hex.encode(self) + "'" }
}

extension Digest {
    var sql: String { bytes.sql }
}

extension Identifier {
    var sql: String { bytes.sql }
}

extension LedgerRecord.Body {
    /// Another transfer with the same counters after it.
    func with(_ transfer: Transfer) -> Self? {
        guard case .transfer(_, let debitAfter, let creditAfter) = self else { return nil }
        return .transfer(transfer, debitAfter: debitAfter, creditAfter: creditAfter)
    }
}

extension LedgerRecord {
    func with(
        sequence: UInt64? = nil, time: Timestamp? = nil, previous: Digest? = nil, subject: SubjectID? = nil,
        evidence: Digest? = nil, authorisation: Authorisation? = nil, body: Body? = nil, form: UInt8? = nil
    ) -> LedgerRecord {
        LedgerRecord(
            sequence: sequence ?? self.sequence, time: time ?? self.time, previous: previous ?? self.previous,
            salt: salt, subject: subject ?? self.subject, evidence: evidence ?? self.evidence,
            authorisation: authorisation ?? self.authorisation, body: body ?? self.body, following: following,
            form: form ?? self.form)
    }
}
