import FogCore
import FogJobs
import FogSandbox
import Foundation
import Glibc
import Testing

@testable import FogWorker

@Suite("What a worker keeps")
struct KeepingTests {
    // MARK: Work folders

    private func place(_ folder: String) throws -> AttemptPlace {
        let configuration = WorkerConfiguration(
            stateDirectory: folder, name: "n", launcherPath: "", profilesDirectory: "")
        try Disk.makeFolder(folder + "/work")
        return AttemptPlace(Sample.attempt(), slot: 0, configuration)
    }

    @Test("A folder that was left as it was found is taken over, once")
    func cleanFolder() throws {
        try withFolder { folder in
            let (shelf, place) = (WorkShelf(), try place(folder))
            try place.make()
            #expect(shelf.keep(place))
            #expect(shelf.take(place.work))
            #expect(!shelf.take(place.work))
        }
    }

    @Test("A folder in which anything is left or changed is not taken over", arguments: 0..<6, [false, true])
    func usedFolder(change: Int, isStamped: Bool) throws {
        try withFolder { folder in
            let (shelf, place) = (WorkShelf(), try self.place(folder))
            try place.make()
            var stamp: FolderStamp?
            if isStamped {
                usleep(150_000)
                stamp = FolderStamp([place.work, place.checkpoint])
                #expect(stamp?.isUnchanged == true)
            }
            switch change {
            case 0: try "x".write(toFile: place.work + "/x", atomically: false, encoding: .utf8)
            case 1: try "x".write(toFile: place.checkpoint + "/x", atomically: false, encoding: .utf8)
            case 2: #expect(chmod(place.work, 0o777) == 0)
            case 3: #expect(chmod(place.checkpoint, 0o755) == 0)
            case 4: #expect(rmdir(place.checkpoint) == 0)
            default: #expect(symlink("/etc/passwd", place.work + "/link") == 0)
            }
            #expect(stamp?.isUnchanged != true)
            #expect(!shelf.keep(place, since: stamp))
            #expect(!shelf.take(place.work))
        }
    }

    @Test("A file that came and went, and a time set back, show in the stamp")
    func stamp() throws {
        try withFolder { folder in
            let place = try self.place(folder)
            try place.make()
            usleep(150_000)
            let stamp = try #require(FolderStamp([place.work, place.checkpoint]))
            #expect(stamp.isUnchanged)
            var before = stat()
            #expect(stat(place.work, &before) == 0)
            try "x".write(toFile: place.work + "/x", atomically: false, encoding: .utf8)
            #expect(unlink(place.work + "/x") == 0)
            #expect(utimensat(AT_FDCWD, place.work, [before.st_atim, before.st_mtim], 0) == 0)
            #expect(!stamp.isUnchanged)
            // What it cannot say, the shelf finds out by looking.
            #expect(WorkShelf().keep(place, since: stamp))
        }
    }

    // MARK: Spool

    @Test("Results outlive the process, whole or not at all")
    func spool() throws {
        try withFolder { folder in
            let spool = try Spool(folder: folder + "/spool")
            var first = Sample.finished(1)
            first.logs = [.init(stream: "stdout", offset: 0, size: 5, bytes: Array("hello".utf8))]
            let kept = try spool.keep(first)
            #expect(kept.isDurable)
            _ = try spool.keep(Sample.finished(2))
            // A crash in the middle: a folder without a report, and a report that was cut.
            try Disk.makeFolder(folder + "/spool/\(Sample.attempt(3))")
            let second = "\(folder)/spool/\(Sample.attempt(2))/report"
            #expect(truncate(second, 100) == 0)
            let found = try Spool(folder: folder + "/spool").load()
            #expect(found.map(\.attempt) == [Sample.attempt(1)])
            #expect(found.first?.report == first.report)
            #expect(found.first?.logs.first?.size == 5)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/spool") == ["\(Sample.attempt(1))"])
            found.forEach { spool.remove($0) }
            #expect(try Spool(folder: folder + "/spool").load().isEmpty)
        }
    }

    // MARK: Cache

    private func put(_ text: String, into cache: inout ContentCache, at seconds: Int64) throws -> ContentCache.Key {
        let key = ContentCache.Key(digest: .blake2b(Array(text.utf8)), executable: false)
        try cache.reserve(Int64(text.utf8.count))
        try Disk.makeFolders(String(cache.path(key).dropLast(65)))
        try text.write(toFile: cache.path(key), atomically: false, encoding: .utf8)
        cache.add(key, size: Int64(text.utf8.count), at: .seconds(seconds))
        return key
    }

    @Test("the cache holds 10 GiB, or a tenth of what would be free without it")
    func cacheSize() {
        let gib: Int64 = 1 << 30
        #expect(ContentCache.bound(free: 1000 * gib, held: 5 * gib) == 10 * gib)
        #expect(ContentCache.bound(free: 40 * gib, held: 0) == 4 * gib)
        #expect(ContentCache.bound(free: 36 * gib, held: 4 * gib) == 4 * gib, "what it holds does not shrink it")
        #expect(ContentCache.bound(free: 0, held: 5 * gib) == gib / 2, "on a full disk it gives back")
        #expect(ContentCache.bound(free: nil, held: 0) == 10 * gib)
    }

    @Test("The cache never passes its bound: the oldest goes first, what a task has bound stays")
    func cacheBound() throws {
        try withFolder { folder in
            var cache = try ContentCache(folder: folder + "/cache", limit: ByteCount(30))
            let old = try put("0123456789", into: &cache, at: 1)
            let bound = try put("abcdefghij", into: &cache, at: 2)
            let young = try put("ABCDEFGHIJ", into: &cache, at: 3)
            cache.use(bound, at: .seconds(2))
            try cache.reserve(10)
            #expect(cache[old] == nil)
            #expect(access(cache.path(old), F_OK) != 0)
            #expect(cache[bound] != nil)
            #expect(cache[young] != nil)
            try cache.reserve(10)
            #expect(cache[young] == nil)
            #expect(throws: WorkerFailure.self) { try cache.reserve(1) }
            #expect(cache.total == 30)
        }
    }

    @Test("What a former start left is found, and not trusted before it was hashed")
    func cacheReload() throws {
        try withFolder { folder in
            var cache = try ContentCache(folder: folder + "/cache", limit: ByteCount(100))
            let key = try put("content", into: &cache, at: 1)
            let again = try ContentCache(folder: folder + "/cache", limit: ByteCount(100))
            #expect(again[key]?.size == 7)
            #expect(again[key]?.isVerified == false)
            #expect(again.total == 7)
        }
    }

    @Test("An unpacked image counts in the cache, outlives a restart whole or not at all, and goes when room is needed")
    func cacheImages() throws {
        try withFolder { folder in
            let path = folder + "/cache"
            var cache = try ContentCache(folder: path, limit: ByteCount(100))
            let (kept, half) = (Digest.blake2b([1]), Digest.blake2b([2]))
            for digest in [kept, half] {
                try Disk.makeFolders(cache.imageDraft(digest) + "/root/usr")
                try "x".write(
                    toFile: cache.imageDraft(digest) + "/root/usr/file", atomically: false, encoding: .utf8)
            }
            try cache.reserve(60)
            try cache.addImage(kept, size: 60, at: .seconds(1))
            #expect(cache.total == 60)
            #expect(access(cache.path(.image(kept)) + "/usr/file", F_OK) == 0)
            cache = try ContentCache(folder: path, limit: ByteCount(100))
            #expect(cache[.image(kept)]?.size == 60)
            #expect(cache[.image(half)] == nil)
            #expect(access(cache.imageDraft(half), F_OK) != 0)
            cache.use(.image(kept), at: .seconds(2))
            #expect(throws: WorkerFailure.self) { try cache.reserve(50) }
            cache.release(.image(kept))
            try cache.reserve(50)
            #expect(cache[.image(kept)] == nil)
            #expect(access(cache.path(.image(kept)), F_OK) != 0)
            #expect(cache.total == 50)
        }
    }

    // MARK: Names

    @Test(
        "Names of inputs that leave the work folder are refused",
        arguments: [
            "", "/etc/passwd", "../x", "a/../../x", "a//b", "a/./b", "a\u{0}b", "a\nb", ".checkpoint/x",
            // A slash that no look at characters finds.
            "../\u{301}x", "/\u{301}x", "a/../\u{200d}x", "a/\u{fe0f}b",
            String(repeating: "a/", count: 40) + "x", String(repeating: "x", count: 300),
        ])
    func badNames(name: String) { #expect(InputName.mistake(in: name) != nil) }

    @Test("Names that clash are refused; plain ones are not")
    func names() {
        #expect(InputName.mistake(in: [Sample.input("a"), Sample.input("a")]) != nil)
        #expect(InputName.mistake(in: [Sample.input("a"), Sample.input("a/b")]) != nil)
        #expect(InputName.mistake(in: [Sample.input("a"), Sample.input("b/c d/é.txt")]) == nil)
    }
}
