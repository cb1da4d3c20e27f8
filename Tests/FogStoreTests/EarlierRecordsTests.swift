import FogCore
import FogLedger
import FogTestSupport
import Foundation
import Testing

@testable import FogStore

/// The way from a record to the earlier ones of its accounts, in files of before and of now.
@Suite("Earlier records")
struct EarlierRecordsTests {
    /// Accounts of every kind of use, a rule, a key, an account opened and closed.
    private static func changes(_ make: inout StoreFixture) -> [LedgerChange] {
        let genesis = make.genesis(), payer = make.open(.user), payee = make.open(.user), brief = make.open(.user)
        guard let grant = try? make.grant(.credits(10), to: payer.id).1.ledger else { return [] }
        var all = [genesis, payer.change, payee.change, brief.change, grant]
        all.append(make.entries([LedgerEntry(.close(brief.id))]))
        all.append(make.entries(LedgerRule.genesis.map { LedgerEntry(.setRule($0)) }))
        all.append(
            make.entries([LedgerEntry(.enrol(KeyEnrolment(key: make.key(), roles: [.client], owner: payee.id)))]))
        for number in 0..<20 as Range<UInt8> {
            let subject = SubjectID(digestOf: [number])
            let pending = make.reserve(.credits(0), from: payer.id, to: payee.id, subject: subject)
            all += [pending.change, make.post(.credits(0), of: pending.id, subject: subject).change]
        }
        return all
    }

    @Test("a file of an earlier version gets what stands beside its records, and has no index any more")
    func migrated() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/fog.sqlite"
            var make = StoreFixture()
            let changes = Self.changes(&make)
            let rows = changes.flatMap(\.rows)
            var store = try SQLiteStore(path: path)
            try await store.establish(changes.map { .ledger($0) })
            try store.close()
            try await Self.age(path, rows)
            #expect(await failureCode { _ = try SQLiteStore(path: path, readOnly: true) } == "unexpected")
            store = try SQLiteStore(path: path)
            let wanted = rows.map { row in
                EconomyRow.record(
                    sequence: row.record.sequence, bytes: row.bytes, hash: row.hash.bytes, earlier: row.earlier)
            }
            #expect(rows.count > 50)
            #expect(try await store.rows(of: .records) == wanted)
            #expect(try await store.rows(of: .accounts) == make.ledger.projection.accounts.map { .account($0) })
            #expect(
                try await store.rows(of: .rules)
                    == rows.filter { $0.record.rule != nil }.map { .rule(sequence: $0.record.sequence) })
            #expect(try await store.readEconomy { try $0.complaints() } == [])
            // And it goes on as any other.
            let more = make.open(.user)
            try await store.establish([.ledger(more.change)])
            #expect(try await store.ledgerRecords(of: more.id, before: nil, limit: 9).count == 1)
            try store.close()
        }
    }

    /// Makes a file what the version before would have left.
    private static func age(_ path: String, _ rows: [LedgerRow]) async throws {
        let named = rows.flatMap { row in
            row.record.accounts.map { account in
                let id = withUnsafeBytes(of: (account.high.bigEndian, account.low.bigEndian)) { Hex.encode(Array($0)) }
                return "INSERT INTO ledger_account_records VALUES (x'\(id)', \(row.record.sequence))"
            }
        }
        try sqlite(
            path,
            """
            DROP TRIGGER ledger_records_unchanged; DROP TRIGGER ledger_accounts_guard;
            ALTER TABLE ledger_records DROP COLUMN earlier_first; ALTER TABLE ledger_records DROP COLUMN earlier_second;
            DROP TRIGGER ledger_accounts_undeleted; ALTER TABLE ledger_accounts RENAME TO newer;
            CREATE TABLE ledger_accounts (
                id BLOB PRIMARY KEY CHECK (length(id) = 16), kind INTEGER NOT NULL, unit INTEGER NOT NULL,
                owner BLOB NOT NULL, debits_pending INTEGER NOT NULL, debits_posted INTEGER NOT NULL,
                credits_pending INTEGER NOT NULL, credits_posted INTEGER NOT NULL, open_pendings INTEGER NOT NULL,
                closed INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID;
            INSERT INTO ledger_accounts SELECT id, kind, unit, owner, debits_pending, debits_posted, credits_pending,
                credits_posted, open_pendings, closed FROM newer;
            DROP TABLE newer;
            DROP TABLE ledger_rules;
            CREATE TABLE ledger_account_records (
                account BLOB NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (account, sequence)
            ) STRICT, WITHOUT ROWID;
            \(named.joined(separator: "; "));
            CREATE TRIGGER ledger_accounts_guard BEFORE UPDATE ON ledger_accounts
            WHEN old.closed <> 0 OR new.kind <> old.kind OR new.unit <> old.unit OR new.owner <> old.owner
            BEGIN SELECT RAISE(ABORT, 'an account keeps kind, unit and owner, and nothing moves once it is closed'); END;
            \(Schema.undeletable("ledger_accounts")) \(Schema.appendOnly("ledger_account_records")) \(Schema.unchanged("ledger_records"))
            ; DELETE FROM grdb_migrations WHERE identifier GLOB '13-*'
            """)
    }

    @Test("a trail that does not hold together ends, and says so")
    func broken() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/fog.sqlite"
            var make = StoreFixture()
            let changes = Self.changes(&make)
            var store = try SQLiteStore(path: path)
            try await store.establish(changes.map { .ledger($0) })
            let last = try #require(changes.last?.rows.last?.record)
            let payer = try #require(last.transfer?.debit)
            try store.close()
            for wrong in ["\(last.sequence)", "\(last.sequence + 5)", "1", "-3"] {
                try sqlite(
                    path,
                    """
                    DROP TRIGGER IF EXISTS ledger_records_unchanged; PRAGMA ignore_check_constraints = ON;
                    UPDATE ledger_records SET earlier_first = \(wrong) WHERE sequence = \(last.sequence)
                    """)
                store = try SQLiteStore(path: path)
                let opened = store
                let code = await failureCode {
                    _ = try await opened.ledgerRecords(of: payer, before: nil, limit: 100)
                }
                #expect(code == "corrupt", "\(wrong)")
                try store.close()
            }
        }
    }
}
