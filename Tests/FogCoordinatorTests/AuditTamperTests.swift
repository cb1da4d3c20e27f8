import FogCore
import FogJobs
import FogLedger
import Testing

@testable import FogCoordinator
@testable import FogStore

/// Somebody has the database file and knows its tables: whatever is changed, the audit says so and says where.
@Suite("Tampering with a database")
struct AuditTamperTests {
    /// Those that have rows in short books; full tiles come with the 256th record.
    private static let tables = EconomyTable.allCases.filter { $0 != .tiles }

    @Test("honest books are clean, also when their jobs are pruned and work goes on")
    func honest() async throws {
        try await AuditedBooks.with { books in
            let first = try await books.audit()
            #expect(first.failed == [])
            #expect(first.verdict == .clean)
            #expect(first.records > 30)
            for table in Self.tables {
                #expect(
                    try await books.query("SELECT count(*) FROM \(table.rawValue)", columns: 1) != [["0"]], "\(table)")
            }
            for _ in 0..<3 { try await books.work(on: books.nodes[0], tasks: 2) }
            let gone = Timestamp(seconds: 1_900_000_000)
            _ = try await books.store.prune(endedBefore: gone, keptBefore: gone, unusedBefore: gone, limit: 100)
            #expect(try await books.query("SELECT count(*) FROM jobs", columns: 1) == [["1"]])
            #expect(try await books.audit(coordinator: AuditedBooks.coordinator.publicKey).failed == [])
        }
    }

    @Test("an audit of a coordinator at work sees one moment, and raises no alarm")
    func live() async throws {
        try await AuditedBooks.with { books in
            async let reports = Self.audits(20, of: books.store)
            for _ in 0..<60 { try await books.work(on: books.nodes[1], tasks: 2) }
            let all = try await reports
            #expect(all.flatMap(\.failed) == [])
            #expect(Set(all.map(\.records)).count > 1)
        }
    }

    private static func audits(_ count: Int, of store: SQLiteStore) async throws -> [AuditReport] {
        var reports: [AuditReport] = []
        for _ in 0..<count { reports.append(try await LedgerAuditor(store: store).run()) }
        return reports
    }

    // MARK: - Every table

    @Test("each column, in each row of a short table or three of a long one", arguments: tables)
    func columns(of table: EconomyTable) async throws {
        try await AuditedBooks.with { books in
            let rows = try await TableRows(table, in: books)
            for index in rows.count <= 16 ? Array(0..<rows.count) : [0, rows.count / 2, rows.count - 1] {
                for column in rows.columns {
                    let statement = rows.change(column, ofRow: index)
                    try await books.copied { copy in
                        try await copy.tamper([statement])
                        let check = table.check(of: column)
                        try await rows.expect(check, row: index, in: copy, after: statement)
                    }
                }
            }
        }
    }

    @Test("each row removed, one added, all removed", arguments: tables)
    func rows(of table: EconomyTable) async throws {
        try await AuditedBooks.with { books in
            let rows = try await TableRows(table, in: books)
            // A log that lacks its last record is a cut one.
            for index in rows.values.indices where table != .records || index + 1 < rows.count {
                let statement = "DELETE FROM \(table.rawValue) WHERE \(rows.place(index))"
                try await books.copied { copy in
                    try await copy.tamper([statement])
                    try await rows.expect(table.checkOfMissing, row: index, in: copy, after: statement)
                }
            }
            try await books.copied { copy in
                try await copy.tamper([rows.insertion])
                let report = try await copy.audit()
                #expect(report.verdict == .tampered, "\(rows.insertion)")
                #expect(report[table.check]?.verdict == .failed, "\(rows.insertion)")
            }
            try await books.copied { copy in
                try await copy.tamper(["DELETE FROM \(table.rawValue)"])
                let report = try await copy.audit()
                #expect(report.verdict == .tampered)
                #expect(table == .records || report[table.checkOfMissing]?.verdict == .failed)
            }
        }
    }

    @Test("tables emptied together, as if the log had never had an index")
    func emptied() async throws {
        try await AuditedBooks.with { books in
            try await books.tamper(
                ["ledger_paid", "ledger_transfers", "ledger_rules"].map { "DELETE FROM \($0)" })
            let report = try await books.audit()
            #expect(
                report.failed.map(\.check) == [.projectedTransfers, .projectedRules, .projectedPaid])
            #expect(report.firstBadSequence == 4, "the first rule")
        }
    }

    @Test("a guard taken away, a trigger planted, a table dropped")
    func schema() async throws {
        let statements = [
            "CREATE TRIGGER planted AFTER INSERT ON jobs BEGIN SELECT 1; END", "CREATE TABLE ledger_more (name TEXT)",
            "DROP TABLE ledger_paid", "DROP TABLE evidence_documents", "DROP TRIGGER ledger_keys_undeleted",
            "DROP INDEX attempts_open",
        ]
        try await AuditedBooks.with { books in
            for statement in statements {
                try await books.copied { copy in
                    _ = try await copy.store.write { try Prepared($0, statement).run() }
                    let report = try await copy.audit()
                    #expect(report.verdict == .tampered)
                    #expect(report[.tables]?.verdict == .failed, "\(statement)")
                }
            }
        }
    }

    // MARK: - The log

    @Test("any byte of a record, without and with its hash mended")
    func flipped() async throws {
        try await AuditedBooks.with { books in
            for (index, record) in try await books.records().enumerated() where index % 6 == 1 {
                let row = record.sealed()
                for place in stride(from: index % 13, to: row.bytes.count, by: 37) {
                    var bytes = row.bytes
                    bytes[place] ^= 0x10
                    for hash in [row.hash, LedgerRecord.leafHash(bytes)] {
                        try await books.copied { copy in
                            try await copy.tamper([
                                "UPDATE ledger_records SET bytes = \(bytes.sql), hash = \(hash.sql) WHERE sequence = \(index)"
                            ])
                            let report = try await copy.audit()
                            #expect(report.verdict == .tampered, "byte \(place) of record \(index)")
                            let first = report.firstBadSequence ?? 0
                            // With the hash mended, it may be the next record that does not fit.
                            #expect(first == record.sequence || (hash != row.hash && first == record.sequence + 1))
                            if hash == row.hash { #expect(report[.storedHash]?.sequence == record.sequence) }
                        }
                    }
                }
            }
        }
    }

    @Test("the end cut off, whatever is left of it in the tables")
    func cut() async throws {
        try await AuditedBooks.with { books in
            let count = try await books.records().count
            for length in 1...12 {
                try await books.copied { copy in
                    try await copy.tamper(["DELETE FROM ledger_records WHERE sequence >= \(count - length)"])
                    #expect(try await copy.audit().verdict == .tampered, "\(length) records fewer")
                }
            }
        }
    }

    @Test("a post doubled, with chain, counters and every table made to fit")
    func doubledPost() async throws {
        try await AuditedBooks.with { books in
            let records = try await books.records()
            let post = try #require(records.last { $0.pays && $0.transfer?.amount != .zero })
            let transfer = try #require(post.transfer)
            let last = try #require(records.last)
            var debit = try #require(try await books.store.account(.issuance))
            var credit = try #require(try await books.store.account(transfer.credit))
            debit.counters.debitsPosted += transfer.amount.micro
            credit.counters.creditsPosted += transfer.amount.micro
            let id = TransferID(high: transfer.id.high, low: 77)
            // Out of an account that has enough, since the escrow is closed.
            let again = Transfer(
                id: id, kind: .post, debit: debit.id, credit: credit.id, amount: transfer.amount,
                pending: transfer.pending)
            let added = post.with(
                sequence: last.sequence + 1, time: last.time + .seconds(1),
                body: .transfer(again, debitAfter: debit.counters, creditAfter: credit.counters))
            try await books.rewrite({ $0 }, adding: [added])
            var statements = ["INSERT INTO ledger_transfers VALUES (\(id.sql), \(added.sequence), NULL)"]
            for account in [debit, credit] {
                statements += [
                    """
                    UPDATE ledger_accounts SET debits_posted = \(account.counters.debitsPosted), \
                    credits_posted = \(account.counters.creditsPosted), last_record = \(added.sequence) WHERE id = \(account.id.sql)
                    """
                ]
            }
            try await books.tamper(statements)
            let report = try await books.audit()
            #expect(Set(report.failed.map(\.check)) == [.pendings, .singlePayment, .accounts])
            #expect(report.firstBadSequence == added.sequence)
        }
    }

    @Test("a log written anew by somebody who has every key but the coordinator's")
    func unsigned() async throws {
        try await AuditedBooks.with { books in
            let count = UInt64(try await books.records().count)
            try await books.rewrite(
                { $0.sequence == count - 1 ? $0.with(time: $0.time + .seconds(1)) : $0 }, isSealed: false)
            let report = try await books.audit()
            #expect(report.failed.map(\.check) == [.checkpoints])
            #expect(report.firstBadSequence == count - 1)
        }
    }

    @Test("tiles of a longer log; a coordinator goes on from them, and not from others")
    func tiles() async throws {
        try await AuditedBooks.with { books in
            for index in 0..<600 {
                let opening = AccountOpening(
                    id: AccountID(at: books.now.wall, derivedFrom: [UInt8(index >> 8), UInt8(index & 0xff)]),
                    kind: .user)
                #expect(books.core.post([LedgerEntry(.open(opening))], at: books.now) == nil)
                if index % 50 == 0 { try await books.commit() }
            }
            try await books.commit()
            #expect(
                try await books.query("SELECT level, number FROM ledger_tiles", columns: 2) == [
                    ["0", "0"], ["0", "1"],
                ])
            let honest = try await books.audit()
            #expect(honest.failed == [])
            books.core.sealer = try await LedgerSealer.open(books.store, key: AuditedBooks.coordinator)
            let last = AccountOpening(id: AccountID(at: books.now.wall, derivedFrom: [1]), kind: .user)
            #expect(books.core.post([LedgerEntry(.open(last))], at: books.now) == nil)
            try await books.commit()
            #expect(try await books.audit().failed == [])
            for statement in [
                "DELETE FROM ledger_tiles WHERE number = 1",
                "UPDATE ledger_tiles SET root = \(Digest.zero.sql) WHERE number = 0",
                "INSERT INTO ledger_tiles VALUES (1, 0, \(Digest.zero.sql))",
                "UPDATE ledger_tiles SET number = 2 WHERE number = 1",
            ] {
                try await books.copied { copy in
                    try await copy.tamper([statement])
                    let report = try await copy.audit()
                    #expect(report.failed.map(\.check) == [.tree], "\(statement)")
                    guard !statement.hasPrefix("INSERT") else { return }
                    await #expect(throws: StoreFailure.self, "\(statement)") {
                        try await LedgerSealer.open(copy.store, key: AuditedBooks.coordinator)
                    }
                }
            }
            // A log without a tree, as an older version left it, gets one.
            try await books.copied { copy in
                try await copy.tamper(["DELETE FROM ledger_tiles", "DELETE FROM ledger_checkpoints"])
                #expect(try await copy.audit().failed.map(\.check) == [.tree, .checkpoints])
                _ = try await LedgerSealer.open(copy.store, key: AuditedBooks.coordinator)
                #expect(try await copy.audit().failed == [])
            }
        }
    }

    // MARK: - Evidence

    /// The audit of books in which the receipt of a post is another one, signed anew, and the log chained again.
    private func report(
        replacing number: Int, signedBy key: SigningKey, _ edit: (inout Receipt) -> Void = { _ in }
    ) async throws -> (AuditReport, UInt64) {
        try await AuditedBooks.with { books in
            let post = try #require(try await books.records().filter(\.pays).dropFirst(number).first)
            let document = try #require(try await books.store.evidence(post.evidence))
            var receipt = try SignedReceipt(bytes: document.bytes).receipt
            receipt.node = key.publicKey
            edit(&receipt)
            let forged = EvidenceDocument(kind: .receipt, bytes: SignedReceipt(receipt, signedWith: key).bytes)
            try await books.tamper([
                """
                UPDATE evidence_documents SET digest = \(forged.digest.sql), bytes = \(forged.bytes.sql) \
                WHERE digest = \(post.evidence.sql)
                """,
                "UPDATE attempts SET receipt = \(forged.digest.sql) WHERE receipt = \(post.evidence.sql)",
            ])
            try await books.rewrite { $0.sequence == post.sequence ? $0.with(evidence: forged.digest) : $0 }
            return (try await books.audit(), post.sequence)
        }
    }

    @Test("a receipt signed again by a key that was never enrolled, or by somebody else's node")
    func foreignReceipt() async throws {
        // The node of number 2 is another owner's; the second post is to that owner.
        let cases: [(Int, SigningKey, String)] = [
            (1, AuditedBooks.seeded(50), "which is not enrolled"), (1, AuditedBooks.seeded(1), "a node of account"),
            (0, AuditedBooks.seeded(100), "which is no worker"), (2, AuditedBooks.coordinator, "which is no worker"),
        ]
        for (number, key, words) in cases {
            let (report, sequence) = try await report(replacing: number, signedBy: key)
            #expect(report.failed.map(\.check) == [.evidence])
            #expect(report.firstBadSequence == sequence)
            #expect(report[.evidence]?.found.contains(words) == true, "\(report[.evidence]?.found ?? "")")
        }
        let (honest, _) = try await report(replacing: 1, signedBy: AuditedBooks.seeded(2))
        #expect(honest.failed == [])
    }

    @Test("a receipt for another attempt, another coordinator or a lower bound")
    func unfitReceipt() async throws {
        let node = AuditedBooks.seeded(2)
        let edits: [@Sendable (inout Receipt) -> Void] = [
            { $0.attempt = AttemptID(task: $0.attempt.task, token: 9) },
            { $0.coordinator = AuditedBooks.seeded(9).publicKey }, { $0.priceBound = Credits(micro: 1) },
        ]
        for edit in edits {
            let (report, sequence) = try await report(replacing: 1, signedBy: node, edit)
            #expect(report.failed.map(\.check) == [.evidence])
            #expect(report.firstBadSequence == sequence)
        }
    }

    @Test(
        "a grant made again by a stranger or a worker; by an admin it is one",
        arguments: [(50, false), (1, false), (100, true)] as [(UInt8, Bool)])
    func foreignGrant(_ number: UInt8, isAllowed: Bool) async throws {
        try await AuditedBooks.with { books in
            try books.grant(.credits(1))
            try await books.commit()
            let issues = try await books.records().filter { $0.transfer?.kind == .issue }
            let issue = try #require(issues.last), transfer = try #require(issue.transfer)
            let grant = try GrantDocument(
                account: transfer.credit, amount: transfer.amount, time: issue.time, reason: "for the year",
                signedBy: AuditedBooks.seeded(number))
            let id = try #require(grant.entry().transferIDs.first)
            let reissued = Transfer(
                id: id, kind: .issue, debit: .issuance, credit: transfer.credit, amount: transfer.amount, ordinal: 0)
            let body = try #require(issue.body.with(reissued))
            try await books.tamper([
                "DELETE FROM evidence_documents WHERE digest = \(issue.evidence.sql)",
                "UPDATE ledger_transfers SET id = \(id.sql) WHERE id = \(transfer.id.sql)",
            ])
            try await books.insert(grant.document)
            try await books.rewrite { record in
                record.sequence != issue.sequence
                    ? record
                    : record.with(subject: grant.subject, evidence: grant.document.digest, body: body)
            }
            let report = try await books.audit()
            #expect(report.failed.map(\.check) == (isAllowed ? [] : [.evidence]))
            #expect(report.firstBadSequence == (isAllowed ? nil : issue.sequence))
        }
    }

    @Test("the receipt of unpaid work removed, and a paper nobody signed put in")
    func uncited() async throws {
        try await AuditedBooks.with { books in
            let unpaid = try await books.query(
                "SELECT receipt FROM attempts WHERE outcome = 'exit_nonzero'", columns: 1)
            let digest = try #require(unpaid.first?.first)
            try await books.copied { copy in
                try await copy.tamper(["DELETE FROM evidence_documents WHERE digest = \(digest)"])
                // The record that gave the reservation back cites it.
                #expect(try await copy.audit().failed.map(\.check) == [.evidence, .documents])
            }
            try await books.insert(EvidenceDocument(kind: .receipt, bytes: Array("paid in full".utf8)))
            #expect(try await books.audit().failed.map(\.check) == [.documents])
        }
    }

    // MARK: - Work that is over

    @Test("money kept for a job that is over, or for an attempt that ended")
    func leftOver() async throws {
        try await AuditedBooks.with { books in
            let pending = try #require(try await books.store.ledgerState()?.pendings.first)
            for statement in [
                "UPDATE jobs SET settled = 1 WHERE settled = 0",
                "UPDATE attempts SET ended_at = 1, outcome = 'worker_lost' WHERE ended_at IS NULL",
            ] {
                try await books.copied { copy in
                    try await copy.tamper([statement])
                    let report = try await copy.audit()
                    #expect(report.failed.map(\.check) == [.escrows])
                    #expect(report.firstBadSequence == pending.sequence)
                }
            }
        }
    }
}

/// The rows of a table as statements write them, and what an audit should say of each.
private struct TableRows {
    let table: EconomyTable
    let columns: [String]
    let values: [[String]]
    private let key: [String]
    /// The record that a changed row leads to.
    private let sequences: [UInt64?]
    /// Of an account: the newest record that names it, whether it changed a counter or not.
    private let newest: [UInt64?]

    var count: Int { values.count }

    init(_ table: EconomyTable, in books: AuditedBooks) async throws {
        self.table = table
        let info = try await books.query(
            "SELECT name, pk FROM pragma_table_info('\(table.rawValue)') ORDER BY cid", columns: 2)
        columns = info.map { $0[0].filter { $0 != "'" } }
        key = zip(columns, info).filter { $0.1[1] != "0" }.map(\.0)
        values = try await books.query(
            "SELECT * FROM \(table.rawValue) ORDER BY \(key.joined(separator: ", "))", columns: columns.count)
        let records = try await books.records()
        let sequence = columns.firstIndex(of: "sequence")
        sequences = values.map { row in
            if let sequence { return UInt64(row[sequence]) }
            return records.last { Self.record($0, writes: row[0], of: table) }?.sequence
        }
        newest = values.map { row in
            guard table == .accounts else { return nil }
            return records.last { $0.accounts.contains { row[0].lowercased() == $0.bytes.sql } }?.sequence
        }
    }

    private static func record(_ record: LedgerRecord, writes key: String, of table: EconomyTable) -> Bool {
        func isIt(_ bytes: [UInt8]) -> Bool { key.lowercased() == bytes.sql }
        switch table {
        case .accounts: return record.accounts.contains { isIt($0.bytes) && record.counters(of: $0) != nil }
        case .keys: if case .keyEnrolled(let enrolment) = record.body { return isIt(enrolment.key.bytes) }
        case .documents: return isIt(record.evidence.bytes)
        default: break
        }
        return false
    }

    func place(_ index: Int) -> String {
        zip(columns, values[index]).filter { key.contains($0.0) }.map { "\($0) = \($1)" }.joined(separator: " AND ")
    }

    private static func changed(_ value: String) -> String {
        if value == "NULL" { return "7" }
        guard value.hasPrefix("X'"), value.count > 4 else { return "\(value) + 1000" }
        let digit = value.dropFirst(2).prefix(1)
        return "X'" + (digit == "7" ? "6" : "7") + value.dropFirst(3)
    }

    func change(_ column: String, ofRow index: Int) -> String {
        let value = values[index][columns.firstIndex(of: column) ?? 0]
        return "UPDATE \(table.rawValue) SET \(column) = \(Self.changed(value)) WHERE \(place(index))"
    }

    /// A copy of the last row under another key.
    var insertion: String {
        let row = zip(columns, values[count - 1]).map { column, value in
            // An account lies under a number, and has its id once.
            let isKey = key.contains(column) || column == "id"
            return column == "sequence" ? "\(value) + 1" : isKey ? Self.changed(value) : value
        }
        return "INSERT INTO \(table.rawValue) VALUES (\(row.joined(separator: ", ")))"
    }

    func expect(_ check: AuditCheck, row: Int, in books: AuditedBooks, after statement: String) async throws {
        let report = try await books.audit()
        #expect(report.verdict == .tampered, "\(statement)")
        // Nothing in the log misses a document that no record cites; an attempt does.
        let check = check == .evidence && sequences[row] == nil ? .documents : check
        #expect(report[check]?.verdict == .failed, "\(statement): \(report.failed.map(\.check))")
        // What no record cites or what comes after the last record has no place in the log.
        guard let sequence = sequences[row], let first = report.firstBadSequence else { return }
        // A missing record shows at the one that follows it; an account's way to its records at the newest one of them.
        #expect(
            first == sequence || (table == .records && first > sequence) || first == newest[row],
            "\(statement): \(first)")
    }
}

extension EconomyTable {
    /// The check that speaks of a changed or surplus row.
    fileprivate var check: AuditCheck {
        switch self {
        case .records: .dense
        case .accounts: .projectedAccounts
        case .pendings: .projectedPendings
        case .keys: .projectedKeys
        case .transfers: .projectedTransfers
        case .rules: .projectedRules
        case .paid: .projectedPaid
        case .tiles: .tree
        case .checkpoints: .checkpoints
        case .documents: .documents
        }
    }

    /// The check that speaks of a changed column.
    fileprivate func check(of column: String) -> AuditCheck {
        switch column {
        case "earlier_first", "earlier_second", "first_record", "last_record": .projectedAccountRecords
        case "hash", "bytes": self == .records ? .storedHash : check
        default: check
        }
    }

    fileprivate var checkOfMissing: AuditCheck { self == .documents ? .evidence : check }
}
