import FogCore
import FogLedger
import Testing

@testable import FogCoordinator
@testable import FogStore

/// An audit of what was added since a record: clean at every place of honest books, and red for whatever was done to
/// what came after.
@Suite("Audits of what was added")
struct PartialAuditTests {
    private static func audit(
        _ books: AuditedBooks, since: UInt64, _ outside: [OutsideCheckpoint] = []
    ) async throws -> AuditReport {
        try await LedgerAuditor(store: books.store, outside: outside, since: since).run()
    }

    @Test("honest books are clean from every record on, also with work, stakes and corrections in between")
    func honest() async throws {
        try await AuditedBooks.with { books in
            for _ in 0..<3 { try await books.work(on: books.nodes[1], tasks: 2) }
            try books.grant(.credits(5))
            try await books.commit()
            let count = UInt64(try await books.records().count)
            for since in 0...count {
                let report = try await Self.audit(books, since: since)
                #expect(report.failed == [], "since \(since)")
                #expect(report.verdict == .clean)
                #expect(report.records == count)
                #expect(report.since == since)
            }
        }
    }

    @Test("full tiles before, across and after the place")
    func tiles() async throws {
        try await AuditedBooks.with { books in
            for index in 0..<600 {
                let id = AccountID(at: books.now.wall, derivedFrom: [UInt8(index >> 8), UInt8(index & 0xff)])
                let entry = LedgerEntry(.open(AccountOpening(id: id, kind: .user)))
                #expect(books.core.post([entry], at: books.now) == nil)
                if index % 50 == 0 { try await books.commit() }
            }
            try await books.commit()
            let count = UInt64(try await books.records().count)
            for since in [1, 255, 256, 257, 400, 511, 512, 513, count - 1, count] {
                #expect(try await Self.audit(books, since: since).failed == [], "since \(since)")
            }
            try await books.copied { copy in
                try await copy.tamper(["UPDATE ledger_tiles SET root = \(Digest.zero.sql) WHERE number = 1"])
                #expect(try await Self.audit(copy, since: 300).failed.map(\.check) == [.tree])
                // It stands in the way from there to the newest checkpoint.
                #expect(try await Self.audit(copy, since: 520).failed.map(\.check) == [.checkpoints])
            }
        }
    }

    @Test("an epoch's share is counted over the place: a second one after it is told")
    func fundedTwice() async throws {
        try await AuditedBooks.with { books in
            books.core.keepEconomy(at: books.now)
            try books.grant(.credits(1))
            try await books.commit()
            let records = try await books.records()
            let count = UInt64(records.count)
            let fund = try #require(records.last { $0.transfer?.kind == .fund })
            let transfer = try #require(fund.transfer)
            #expect(try await Self.audit(books, since: fund.sequence + 1).failed == [])
            var issuance = try #require(books.core.ledger.account(.issuance)).counters
            var pool = try #require(books.core.ledger.account(transfer.credit)).counters
            issuance.debitsPosted += transfer.amount.micro
            pool.creditsPosted += transfer.amount.micro
            let again = Transfer(
                id: TransferID(high: 1 << 20, low: 9), kind: .fund, debit: .issuance, credit: transfer.credit,
                amount: transfer.amount, unit: .credit)
            let last = try #require(records.last)
            let forged = fund.with(
                sequence: count, time: last.time + .seconds(1),
                body: .transfer(again, debitAfter: issuance, creditAfter: pool))
            try await books.rewrite({ $0 }, adding: [forged])
            let report = try await Self.audit(books, since: count)
            #expect(report[.emission]?.verdict == .failed)
            #expect(report[.emission]?.sequence == count)
        }
    }

    @Test("whatever is done to what was added is told")
    func tampered() async throws {
        try await AuditedBooks.with { books in
            let since = UInt64(try await books.records().count)
            try await books.work(on: books.nodes[1], tasks: 2)
            let added = try await books.records().dropFirst(Int(since))
            let post = try #require(added.first { $0.pays })
            let payee = try #require(post.transfer?.credit)
            for statement in [
                "UPDATE ledger_records SET hash = \(Digest.zero.sql) WHERE sequence = \(post.sequence)",
                "UPDATE ledger_records SET bytes = substr(bytes, 2) WHERE sequence = \(post.sequence)",
                "DELETE FROM ledger_records WHERE sequence = \(post.sequence)",
                "DELETE FROM ledger_records WHERE sequence > \(post.sequence)",
                "UPDATE ledger_accounts SET credits_posted = credits_posted + 1 WHERE id = \(payee.sql)",
                "DELETE FROM ledger_accounts WHERE id = \(payee.sql)",
                "UPDATE ledger_transfers SET sequence = 0 WHERE sequence = \(post.sequence)",
                "DELETE FROM ledger_transfers WHERE sequence = \(post.sequence)",
                "UPDATE ledger_records SET earlier_first = NULL WHERE sequence = \(post.sequence)",
                "UPDATE ledger_records SET earlier_second = 0 WHERE sequence = \(post.sequence)",
                "UPDATE ledger_accounts SET last_record = last_record - 1 WHERE id = \(payee.sql)",
                "UPDATE ledger_accounts SET first_record = first_record + 1 WHERE id = \(payee.sql)",
                "INSERT INTO ledger_rules VALUES (\(since))",
                "UPDATE ledger_paid SET sequence = 3 WHERE sequence = \(post.sequence)",
                "DELETE FROM ledger_paid WHERE sequence = \(post.sequence)",
                "DELETE FROM evidence_documents WHERE digest = \(post.evidence.sql)",
                "UPDATE evidence_documents SET bytes = substr(bytes, 2) WHERE digest = \(post.evidence.sql)",
                "DELETE FROM ledger_keys", "UPDATE ledger_keys SET owner = \(AccountID.fees.sql)",
                "DELETE FROM ledger_checkpoints", "UPDATE ledger_checkpoints SET size = size - 1",
            ] {
                try await books.copied { copy in
                    try await copy.tamper([statement])
                    let report = try await Self.audit(copy, since: since)
                    #expect(report.verdict == .tampered, "\(statement)")
                }
            }
            try await books.copied { copy in
                _ = try await copy.store.write { try Prepared($0, "DROP TRIGGER ledger_paid_unchanged").run() }
                #expect(try await Self.audit(copy, since: since).failed.map(\.check) == [.tables])
            }
        }
    }

    @Test("a checkpoint that somebody kept: this log's, another's, and one of a longer log")
    func kept() async throws {
        try await AuditedBooks.with { books in
            let first = try #require(try await books.store.checkpoint())
            let kept = try OutsideCheckpoint(name: "kept", note: first.note)
            try await books.copied { older in
                try await books.work(on: books.nodes[1], tasks: 2)
                #expect(try await Self.audit(books, since: kept.size, [kept]).failed == [])
                let newest = try #require(try await books.store.checkpoint())
                let later = try OutsideCheckpoint(name: "later", note: newest.note)
                #expect(try await Self.audit(older, since: later.size, [later]).failed.map(\.check) == [.outside])
                await #expect(throws: StoreFailure.self) { try await Self.audit(older, since: later.size) }
            }
            try await books.copied { copy in
                try await copy.rewrite {
                    $0.sequence == 5 ? $0.with(time: Timestamp(microseconds: $0.time.microseconds + 1)) : $0
                }
                #expect(try await Self.audit(copy, since: kept.size, [kept]).failed.map(\.check) == [.outside])
            }
        }
    }
}
