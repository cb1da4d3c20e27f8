import FogCore
import FogJobs
import FogLedger
import FogStore
import FogTestSupport
import Foundation
import Testing

@Suite("Store in SQLite")
struct SQLiteStoreTests {
    @Test("conforms", arguments: StoreConformance.all)
    func conforms(_ part: StoreConformance) async throws {
        try await withSQLiteStore { store, _ in try await part.run(store) }
    }

    @Test("answers as the store in memory does, also when it is opened again", arguments: 1...8 as ClosedRange<UInt64>)
    func equalsModel(_ seed: UInt64) async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/fog.sqlite"
            var random = RandomChanges(seed: seed)
            let model = MemoryStore()
            for round in 0..<6 {
                let store = try SQLiteStore(path: path)
                for _ in 0..<12 {
                    let batch = random.batch()
                    let wanted = try await model.commit(batch).map(\.word)
                    let found = try await store.commit(batch).map(\.word)
                    #expect(found == wanted, "seed \(seed), round \(round)")
                }
                let wanted = try await random.view(of: model), found = try await random.view(of: store)
                #expect(found == wanted, "seed \(seed), round \(round)")
                let cut = random.pruneTime()
                let counted = try await store.prunable(endedBefore: cut, keptBefore: cut, unusedBefore: cut)
                #expect(
                    try await model.prunable(endedBefore: cut, keptBefore: cut, unusedBefore: cut) == counted,
                    "seed \(seed)")
                let goneHere = try await store.prune(endedBefore: cut, keptBefore: cut, unusedBefore: cut, limit: 2)
                let goneThere = try await model.prune(endedBefore: cut, keptBefore: cut, unusedBefore: cut, limit: 2)
                #expect(goneThere == goneHere)
                try store.close()
            }
            #expect(random.words.count >= 3, "the changes are of every kind: \(random.words)")
        }
    }

    @Test("what the audit reads stands still while others commit", .timeLimit(.minutes(10)))
    func stillEconomy() async throws {
        try await withSQLiteStore { store, _ in
            var make = StoreFixture()
            try await store.establish([.ledger(make.genesis())])
            let more = make.open(.user).change
            let (begun, reading) = AsyncStream.makeStream(of: Void.self)
            let committed = DispatchSemaphore(value: 0)
            async let counts = store.readEconomy { economy in
                var counts: [Int] = []
                for table in [EconomyTable.records, .accounts, .records] {
                    var count = 0
                    try economy.rows(of: table) { _ in count += 1 }
                    counts.append(count)
                    guard counts.count == 1 else { continue }
                    reading.finish()
                    _ = committed.wait(timeout: .now() + 300)
                }
                return counts
            }
            for await _ in begun {}
            try await store.establish([.ledger(more)])
            committed.signal()
            #expect(try await counts == [3, 3, 3])
            #expect(try await store.rows(of: .records).count == 4)
        }
    }

    /// Statements of somebody who has the file, and what the audit is told of them.
    static let damages: [(String, String)] = [
        ("DROP TRIGGER ledger_accounts_guard", "the trigger ledger_accounts_guard is missing"),
        ("CREATE TRIGGER planted AFTER INSERT ON jobs BEGIN SELECT 1; END", "the trigger planted is not Fog's"),
        ("DROP TABLE ledger_paid", "the table ledger_paid is missing"),
        ("CREATE TABLE ledger_more (name TEXT)", "the table ledger_more is not Fog's"),
        ("DROP INDEX attempts_open", "the index attempts_open is missing"),
        (
            "DROP TRIGGER ledger_keys_undeleted; CREATE TRIGGER ledger_keys_undeleted BEFORE DELETE ON ledger_keys BEGIN SELECT 1; END",
            "the trigger ledger_keys_undeleted is another"
        ),
        (
            "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE name = 'ledger_paid'",
            "the table ledger_paid is another"
        ),
    ]

    @Test("a schema that is not Fog's own is told", arguments: damages.indices)
    func complaints(_ index: Int) async throws {
        let (statements, wanted) = Self.damages[index]
        try await withTemporaryFolder { folder in
            let path = folder + "/fog.sqlite"
            let store = try SQLiteStore(path: path)
            var make = StoreFixture()
            try await store.establish([.ledger(make.genesis())])
            try store.close()
            try sqlite(path, statements)
            let opened = try SQLiteStore(path: path, readOnly: true)
            let complaints = try await opened.readEconomy { try $0.complaints() }
            #expect(complaints.contains(wanted), "\(complaints)")
            for table in EconomyTable.allCases { _ = try await opened.rows(of: table) }
            try opened.close()
        }
    }

    private static let marks = [
        "PRAGMA application_id = 7", "PRAGMA user_version = 9",
        "DELETE FROM grdb_migrations WHERE identifier = '8-tree'",
        "INSERT INTO grdb_migrations VALUES ('99-later')", "DROP TABLE grdb_migrations",
        "DELETE FROM grdb_migrations WHERE identifier = '8-tree'; DROP TRIGGER ledger_tiles_unchanged",
    ]

    @Test("an audit reads a file whose marks are not Fog's, and tells them", arguments: marks)
    func suspect(_ statements: String) async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/fog.sqlite"
            let store = try SQLiteStore(path: path)
            #expect(try await store.readEconomy { try $0.complaints() } == [])
            try store.close()
            try sqlite(path, statements)
            let opened = try SQLiteStore(path: path, readOnly: true, isSuspect: true)
            #expect(try await opened.readEconomy { try $0.complaints() } != [])
            try opened.close()
        }
    }

    @Test("an audit reads a file whose list of steps is damaged anywhere, and tells it")
    func damagedMarks() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/fog.sqlite"
            try SQLiteStore(path: path).close()
            let whole = try Data(contentsOf: URL(filePath: path))
            let pages = try texts(path, "SELECT rootpage FROM sqlite_master WHERE name = 'grdb_migrations'")
            #expect(pages.count == 1)
            for page in try pages.map({ try #require(Int($0)) }) {
                // The page's kind, its count of cells, and what stands at its end: a cell.
                for (place, bits) in [(0, 0xff), (3, 0x40), (4080, 8), (4090, 0xff), (4095, 1)] {
                    var bytes = whole
                    bytes[(page - 1) * 4096 + place] ^= UInt8(bits)
                    let other = folder + "/\(page)-\(place).sqlite"
                    try bytes.write(to: URL(filePath: other))
                    let opened = try SQLiteStore(path: other, readOnly: true, isSuspect: true)
                    let complaints = try await opened.readEconomy { try $0.complaints() }
                    #expect(complaints != [], "page \(page), byte \(place)")
                    try opened.close()
                }
            }
        }
    }

    @Test("the audit vouches for every table of the economy and no other")
    func vouched() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/fog.sqlite"
            try SQLiteStore(path: path).close()
            let tables = try texts(
                path,
                """
                SELECT name FROM sqlite_master WHERE type = 'table' AND (name GLOB 'ledger_*' OR name GLOB 'evidence_*')
                """)
            #expect(tables.sorted() == EconomyTable.allCases.map(\.rawValue).sorted())
        }
    }

    @Test("a backup holds everything, is private, and overwrites nothing")
    func backup() async throws {
        try await withSQLiteStore { store, path in
            var make = StoreFixture()
            let job = make.job(), genesis = make.genesis()
            try await store.establish([.jobs(job), .ledger(genesis)])
            let copy = path + ".copy"
            try await store.backup(to: copy)
            #expect(try mode(of: copy) == 0o600)
            #expect(await failureCode { try await store.backup(to: copy) } == "exists")
            try await store.establish([.settings(["after": "1"])])
            let opened = try SQLiteStore(path: copy)
            #expect(try await opened.job(job.record.id) == job)
            #expect(try await opened.projectedRows() == make.ledger.projectedRows)
            #expect(try await opened.settings().isEmpty)
            #expect(try await opened.readEconomy { try $0.complaints() }.isEmpty)
            try opened.close()
        }
    }

    @Test("all its files are private, whatever the mode was before")
    func privateFiles() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/fog.sqlite"
            try SQLiteStore(path: path).close()
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
            let store = try SQLiteStore(path: path)
            try await store.establish([.settings(["a": "b"])])
            for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
                #expect(try mode(of: folder + "/" + name) == 0o600, "\(name)")
            }
            try store.close()
        }
    }

    @Test("one process writes at a time; others may read")
    func exclusive() async throws {
        try await withSQLiteStore { store, path in
            try await store.establish([.settings(["a": "b"])])
            #expect(await failureCode { _ = try SQLiteStore(path: path) } == "locked")
            let reader = try SQLiteStore(path: path, readOnly: true)
            #expect(try await reader.settings() == ["a": "b"])
            #expect(await failureCode { try await reader.establish([.settings(["a": "c"])]) } == "read_only")
            try reader.close()
        }
    }

    @Test("a file that cannot be used is refused with its reason")
    func unusable() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/fog.sqlite"
            try Data(String(repeating: "not a database ", count: 400).utf8).write(to: URL(fileURLWithPath: path))
            #expect(await failureCode { _ = try SQLiteStore(path: path) } == "corrupt")
            let newer = folder + "/newer.sqlite"
            try SQLiteStore(path: newer).close()
            try sqlite(newer, "INSERT INTO grdb_migrations VALUES ('9999-future')")
            #expect(await failureCode { _ = try SQLiteStore(path: newer) } == "newer_schema")
            let alien = folder + "/alien.sqlite"
            try sqlite(alien, "CREATE TABLE photos (name TEXT)")
            #expect(await failureCode { _ = try SQLiteStore(path: alien) } == "corrupt")
            #expect(await failureCode { _ = try SQLiteStore(path: folder + "/no/fog.sqlite") } == "not_found")
        }
        // The kernel lets nobody make a file there, root included.
        #expect(await failureCode { _ = try SQLiteStore(path: "/sys/fog.sqlite") } == "read_only")
    }

    @Test("damage inside the file is reported, with its path")
    func damage() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/fog.sqlite"
            var make = StoreFixture()
            let store = try SQLiteStore(path: path)
            try await store.establish((0..<400).map { _ in .jobs(make.job()) })
            try store.close()
            let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
            let size = try file.seekToEnd()
            try file.seek(toOffset: 4096 * 4)
            try file.write(contentsOf: Data(repeating: 0xa5, count: Int(size) - 4096 * 4))
            try file.close()
            let code = await failureCode {
                let damaged = try SQLiteStore(path: path)
                _ = try await damaged.openJobs()
            }
            #expect(code == "corrupt")
        }
    }

    @Test(
        "the schema itself refuses what must never change",
        arguments: [
            "UPDATE tasks SET state = 'ready' WHERE state = 'succeeded'", "UPDATE tasks SET token = token - 1",
            "UPDATE attempts SET paid = 5 WHERE ended_at IS NOT NULL", "UPDATE events SET kind = 'other'",
            "UPDATE ledger_records SET bytes = x'00'", "DELETE FROM ledger_records",
            "DELETE FROM ledger_transfers", "UPDATE ledger_transfers SET sequence = 9",
            "UPDATE ledger_records SET earlier_first = 0", "UPDATE ledger_accounts SET first_record = 9",
            "DELETE FROM ledger_rules",
            "DELETE FROM ledger_accounts", "UPDATE ledger_accounts SET kind = 5", "DELETE FROM evidence_documents",
            "UPDATE evidence_documents SET bytes = x'00'", "DELETE FROM jobs", "DELETE FROM tasks",
        ])
    func guards(_ statement: String) async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/fog.sqlite"
            let store = try SQLiteStore(path: path)
            var make = StoreFixture()
            let job = make.job(), task = make.task(job, 0, .succeeded)
            let attempt = make.ended(make.attempt(task.id)), event = make.event(), genesis = make.genesis()
            let user = make.open(.user)
            let (_, grant) = try make.grant(.credits(1), to: user.id)
            let ruled = make.entries([LedgerEntry(.setRule(.economy(.genesis)))])
            try await store.establish([
                .make {
                    ($0.newJobs, $0.tasks, $0.newAttempts) = ([job], [task.id: task], [attempt])
                    ($0.events, $0.ledger) = ([event], genesis)
                }, .ledger(user.change), grant, .ledger(ruled),
            ])
            try store.close()
            #expect(throws: (any Error).self) { try sqlite(path, "PRAGMA foreign_keys = ON; " + statement) }
        }
    }

    private func mode(of path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }
}
