import FogCore
import FogLedger
import FogTestSupport
import Foundation
import Testing

@testable import FogStore

/// The bytes of the file that SQLite passes over, and those that it drops without a word.
@Suite("A database file's own bytes")
struct FileHeaderTests {
    private static func complaints(_ path: String) async throws -> [String] {
        let opened = try SQLiteStore(path: path, readOnly: true, isSuspect: true)
        let complaints = try await opened.readEconomy { try $0.complaints() }
        try opened.close()
        return complaints
    }

    private static func edit(_ path: String, _ change: (inout Data) -> Void) throws {
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        change(&bytes)
        try bytes.write(to: URL(fileURLWithPath: path))
    }

    /// A file with a ledger in it, closed.
    private static func withFile(_ body: (String) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/fog.sqlite"
            let store = try SQLiteStore(path: path)
            var make = StoreFixture()
            try await store.establish([.ledger(make.genesis())])
            try store.close()
            try await body(path)
        }
    }

    @Test("a new file, one at work, one that was left at work, a closed one and copies of it have nothing to hide")
    func honest() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/fog.sqlite"
            let store = try SQLiteStore(path: path)
            #expect(try await store.readEconomy { try $0.complaints() } == [])
            var make = StoreFixture()
            try await store.establish([.ledger(make.genesis())])
            #expect(try await store.readEconomy { try $0.complaints() } == [])
            for suffix in ["", "-wal"] {
                try FileManager.default.copyItem(atPath: path + suffix, toPath: folder + "/left.sqlite" + suffix)
            }
            #expect(try await Self.complaints(folder + "/left.sqlite") == [])
            try await store.backup(to: folder + "/backup.sqlite")
            #expect(try await Self.complaints(folder + "/backup.sqlite") == [])
            try store.close()
            #expect(try await Self.complaints(path) == [])
            try sqlite(path, "PRAGMA journal_mode = DELETE; ANALYZE")
            #expect(try await Self.complaints(path) == [])
        }
    }

    @Test(
        "a flipped bit of the header is told",
        arguments: [18, 24, 27, 44, 46, 48, 51, 56, 58, 60, 63, 68, 72, 80, 91, 92, 95, 96])
    func flipped(_ offset: Int) async throws {
        try await Self.withFile { path in
            try Self.edit(path) { $0[offset] ^= offset == 18 ? 1 : 0x40 }
            #expect(try await Self.complaints(path) != [])
        }
    }

    @Test("bytes after the end, and pages of another size or kind, are told")
    func rebuilt() async throws {
        for statements in [
            "PRAGMA journal_mode = DELETE; PRAGMA page_size = 1024; VACUUM", "PRAGMA auto_vacuum = FULL; VACUUM",
            "PRAGMA default_cache_size = 77",
        ] {
            try await Self.withFile { path in
                try sqlite(path, statements)
                let complaints = try await Self.complaints(path)
                #expect(complaints != [], "\(statements)")
            }
        }
        try await Self.withFile { path in
            try Self.edit(path) { $0.append(contentsOf: [UInt8](repeating: 0, count: 4096)) }
            #expect(try await Self.complaints(path).count == 1)
        }
    }

    @Test("tables and keys that SQLite would hide are told")
    func hidden() async throws {
        for statements in [
            "CREATE TABLE more (a)",
            """
            CREATE TABLE more (a); PRAGMA writable_schema = ON; UPDATE sqlite_master SET name = 'sqlite_more', \
            tbl_name = 'sqlite_more', sql = 'CREATE TABLE sqlite_more (a)' WHERE name = 'more'
            """,
            "CREATE TABLE more (a INTEGER PRIMARY KEY AUTOINCREMENT); DROP TABLE more",
        ] {
            try await Self.withFile { path in
                try sqlite(path, statements)
                let complaints = try await Self.complaints(path)
                #expect(complaints != [], "\(statements)")
            }
        }
    }

    @Test("a log beside the file that was damaged in its middle is told; one that ends too early is not")
    func damagedLog() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/fog.sqlite"
            let store = try SQLiteStore(path: path)
            var lengths: [Int] = []
            for number in 0..<4 {
                try await store.establish([.settings(["name": "\(number)"])])
                lengths.append(try Data(contentsOf: URL(fileURLWithPath: path + "-wal")).count)
            }
            for suffix in ["", "-wal"] {
                try FileManager.default.copyItem(atPath: path + suffix, toPath: folder + "/left.sqlite" + suffix)
            }
            try store.close()
            let left = folder + "/left.sqlite"
            let log = try Data(contentsOf: URL(fileURLWithPath: left + "-wal"))
            func complaints(_ change: (inout Data) -> Void) async throws -> [String] {
                var bytes = log
                change(&bytes)
                try bytes.write(to: URL(fileURLWithPath: left + "-wal"))
                try? FileManager.default.removeItem(atPath: left + "-shm")
                return try await Self.complaints(left)
            }
            #expect(try await complaints { _ in } == [])
            // The last commit alone, as a machine that lost its power may leave it.
            #expect(try await complaints { $0[lengths[2] + 24] ^= 1 } == [])
            #expect(try await complaints { $0.removeLast(1000) } == [])
            let found = try await complaints { $0[lengths[0] + 24] ^= 1 }
            #expect(found == ["the write-ahead log has 3 commits after a frame that does not hold"])
        }
    }
}
