import FogCore
import FogJobs
import FogStore
import FogTestSupport
import Foundation
import Testing

/// What reaches the disk, counted under SQLite, and what happens when the disk fails.
@Suite("Durability")
struct DurabilityTests {
    @Test("each commit is synced before it is answered")
    func oneByOne() async throws {
        try await withTemporaryFolder { folder in
            let probe = try DiskProbe(prefix: folder)
            let store = try SQLiteStore(path: folder + "/fog.sqlite")
            try await store.establish([.settings(["warm": "up"])])
            let before = probe.counts
            for number in 0..<50 {
                try await store.establish([.settings(["\(number)": "\(number)"])])
                #expect(probe.counts.walSyncs - before.walSyncs == Int64(number + 1))
            }
            try store.close()
        }
    }

    @Test("a stale change costs no sync")
    func stale() async throws {
        try await withTemporaryFolder { folder in
            let probe = try DiskProbe(prefix: folder)
            let store = try SQLiteStore(path: folder + "/fog.sqlite")
            try await store.establish([.settings(["warm": "up"])])
            let before = probe.counts
            #expect(try await store.commit(.make { $0.preconditions = [.ledgerHead(5)] }).word == "stale")
            #expect(probe.counts == before)
            try store.close()
        }
    }

    @Test("many callers share a sync")
    func together() async throws {
        try await withTemporaryFolder { folder in
            let probe = try DiskProbe(prefix: folder)
            let store = try SQLiteStore(path: folder + "/fog.sqlite")
            let before = probe.counts
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<1024 {
                    group.addTask { try await store.establish([.settings(["\(number)": "\(number)"])]) }
                }
                try await group.waitForAll()
            }
            // Four full batches at the least; how many more depends on how fast the callers arrive.
            #expect((4...256).contains(probe.counts.walSyncs - before.walSyncs))
            #expect(try await store.settings().count == 1024)
            try store.close()
        }
    }

    @Test("a full disk, at whatever write, keeps the earlier state; the store works again when there is room")
    func full() async throws {
        try await withTemporaryFolder { folder in
            let probe = try DiskProbe(prefix: folder)
            let path = folder + "/fog.sqlite"
            let store = try SQLiteStore(path: path)
            var make = StoreFixture()
            let first = make.job()
            try await store.establish([.jobs(first)])
            for write in 0..<12 {
                let batch = (0..<20).map { _ in Change.jobs(make.job()) }
                probe.fail(.write, with: .full, after: write)
                do {
                    _ = try await store.commit(batch)
                    Issue.record("write \(write) was answered on a full disk")
                } catch let error as StoreFailure {
                    #expect(error.code == "disk_full" && error.message.contains(path))
                }
                #expect(try await store.jobs(JobFilter()) == [first.record])
                probe.mend()
            }
            try await store.establish([.settings(["room": "again"])])
            try store.close()
            let again = try SQLiteStore(path: path)
            #expect(try await again.jobs(JobFilter()) == [first.record])
            #expect(try await again.settings() == ["room": "again"])
            #expect(try await again.readEconomy { try $0.complaints() }.isEmpty)
            try again.close()
        }
    }

    @Test("a sync that fails is not answered, for anybody in the batch")
    func brokenSync() async throws {
        try await withTemporaryFolder { folder in
            let probe = try DiskProbe(prefix: folder)
            let path = folder + "/fog.sqlite"
            let store = try SQLiteStore(path: path)
            try await store.establish([.settings(["kept": "1"])])
            probe.fail(.sync, with: .broken, count: 1)
            let code = await failureCode { try await store.establish([.settings(["a": "1"]), .settings(["b": "1"])]) }
            #expect(code == "io")
            #expect(try await store.settings() == ["kept": "1"])
            try await store.establish([.settings(["later": "1"])])
            try store.close()
            let again = try SQLiteStore(path: path)
            #expect(try await again.settings() == ["kept": "1", "later": "1"])
            try again.close()
        }
    }

    @Test("what was answered survives kill -9: the files as they lie are enough")
    func killed() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/fog.sqlite"
            let store = try SQLiteStore(path: path)
            try await store.establish((0..<30).map { .settings(["\($0)": "\($0)"]) })
            // A process that is killed leaves the main file and the log, and no more.
            let copy = folder + "/killed.sqlite"
            for suffix in ["", "-wal"] {
                try FileManager.default.copyItem(atPath: path + suffix, toPath: copy + suffix)
            }
            let restarted = try SQLiteStore(path: copy)
            #expect(try await restarted.settings().count == 30)
            try restarted.close()
            try store.close()
        }
    }
}
