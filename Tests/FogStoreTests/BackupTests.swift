import FogCore
import FogTestSupport
import Foundation
import Testing

@testable import FogStore

@Suite("Backup")
struct BackupTests {
    private static let now = Timestamp(seconds: 1_800_000_000)

    /// A coordinator's folder with a store that is open and written to, content, logs and a key.
    private static func withFolder<Value>(
        _ body: (_ folder: String, _ home: String, SQLiteStore, Digest) async throws -> Value
    ) async throws -> Value {
        try await withTemporaryFolder { folder in
            let home = "\(folder)/coordinator"
            try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: false)
            let store = try SQLiteStore(path: "\(home)/fog.db")
            let bytes = (0..<40_000).map { UInt8(truncatingIfNeeded: $0) }
            let digest = Digest.blake2b(bytes)
            let blobs = try BlobFiles(folder: "\(home)/content")
            try blobs.put(bytes, digest: digest)
            try blobs.append([1, 2, 3], to: "half", at: 0)
            var change = Change()
            change.blobs = [BlobRecord(digest: digest, size: 40_000, inline: nil, createdAt: now)]
            change.settings = ["a": "before"]
            try await store.establish([change])
            try Data("secret\n".utf8).write(to: URL(filePath: "\(home)/coordinator.key"))
            let value = try await body(folder, home, store, digest)
            try store.close()
            return value
        }
    }

    @Test("a backup taken while others commit is one moment of the store, with all else that belongs to it")
    func underLoad() async throws {
        try await Self.withFolder { folder, home, store, digest in
            let writing = Task {
                var rounds = 0
                while !Task.isCancelled {
                    // Two settings of one commit: a copy that held only one of them would not be one moment.
                    var change = Change()
                    change.settings = ["left": "\(rounds)", "right": "\(rounds)"]
                    try await store.establish([change])
                    rounds += 1
                }
                return rounds
            }
            let path = "\(folder)/backup.tar"
            let made = try await BackupWriter(folder: home, software: "test").write(to: path, at: Self.now)
            writing.cancel()
            #expect(try await writing.value > 0)
            #expect(made.missing.isEmpty && made.damaged.isEmpty)
            let copy = "\(folder)/copy"
            let found = try BackupReader(path: path).unpack(into: copy)
            #expect(found.madeAt == Self.now && found.software == "test" && found.files == made.files)
            let restored = try SQLiteStore(path: "\(copy)/fog.db")
            let settings = try await restored.settings()
            #expect(settings["a"] == "before" && settings["left"] == settings["right"])
            #expect(try await restored.blob(digest)?.size == 40_000)
            try restored.close()
            let bytes = try BlobFiles(folder: "\(copy)/content").read(digest, at: 0, count: 40_000)
            #expect(Digest.blake2b(bytes) == digest)
            #expect(try String(contentsOfFile: "\(copy)/coordinator.key", encoding: .utf8) == "secret\n")
            #expect(try BlobFiles(folder: "\(copy)/content").uploaded("half") == 0, "half an upload is left out")
        }
    }

    @Test("tar(1) reads a backup, and its list of digests holds")
    func tar() async throws {
        try await Self.withFolder { folder, home, _, digest in
            let path = "\(folder)/backup.tar"
            _ = try await BackupWriter(folder: home, software: "test").write(to: path, at: Self.now)
            let out = "\(folder)/out"
            try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: false)
            #expect(try run("tar", "-xf", path, "-C", out) == 0)
            #expect(try run("sh", "-c", "cd \(out) && b2sum -l 256 --quiet --check digests.txt") == 0)
            let name = "\(out)/content/blobs/\(digest.description.prefix(2))/\(digest)"
            #expect(FileManager.default.fileExists(atPath: name))
            #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
        }
    }

    @Test("content that is missing or damaged is told, and a file that is there is not written over")
    func complaints() async throws {
        try await Self.withFolder { folder, home, store, digest in
            let file = "\(home)/content/blobs/\(digest.description.prefix(2))/\(digest)"
            var bytes = try Data(contentsOf: URL(filePath: file))
            bytes[7] ^= 1
            try bytes.write(to: URL(filePath: file))
            let writer = BackupWriter(folder: home, software: "test")
            #expect(try await writer.write(to: "\(folder)/1.tar", at: Self.now).damaged == [digest])
            try FileManager.default.removeItem(atPath: file)
            #expect(try await writer.write(to: "\(folder)/2.tar", at: Self.now).missing == [digest])
            #expect(await failureCode { _ = try await writer.write(to: "\(folder)/2.tar", at: Self.now) } == "exists")
            let none = BackupWriter(folder: folder, software: "test")
            #expect(await failureCode { _ = try await none.write(to: "\(folder)/3.tar", at: Self.now) } == "not_found")
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == [
                    "1.tar", "2.tar", "coordinator",
                ])
            _ = store
        }
    }

    @Test("a backup that was altered or cut anywhere is refused")
    func altered() async throws {
        try await Self.withFolder { folder, home, _, _ in
            let path = "\(folder)/backup.tar"
            _ = try await BackupWriter(folder: home, software: "test").write(to: path, at: Self.now)
            let whole = try Data(contentsOf: URL(filePath: path))
            var random = SystemRandomNumberGenerator()
            for round in 0..<40 {
                var bytes = whole
                // The two zero blocks at the end say nothing.
                let place = Int.random(in: 0..<bytes.count - 1024, using: &random)
                if round % 2 == 0 {
                    bytes = bytes.prefix(place)
                } else {
                    bytes[place] ^= 0x20
                }
                try bytes.write(to: URL(filePath: path))
                let copy = "\(folder)/copy-\(round)"
                let code = await failureCode { _ = try BackupReader(path: path).unpack(into: copy) }
                // What is altered in an owner, a time or the padding changes nothing that is read.
                let reads = code == nil && round % 2 == 1
                if reads {
                    #expect(
                        try Data(contentsOf: URL(filePath: "\(copy)/coordinator.key")) == Data("secret\n".utf8),
                        "byte \(place)")
                } else {
                    #expect(code == "bad_archive" || code == "newer_schema", "round \(round), byte \(place)")
                }
            }
        }
    }

    /// An archive of entries, its end included.
    private static func archive(_ entries: [(name: String, content: [UInt8])]) -> [UInt8] {
        entries.reduce(into: []) { archive, entry in
            let header = TarHeader(name: entry.name, size: Int64(entry.content.count))
            archive += header.bytes + entry.content + [UInt8](repeating: 0, count: header.padding)
        } + [UInt8](repeating: 0, count: 1024)
    }

    @Test("every file stands in the list of digests, once and with what came")
    func list() async throws {
        let about = Array(#"{"format":1,"made_at":"2026-01-01T00:00:00Z","software":"1"}"#.utf8)
        let files: [(name: String, content: [UInt8])] = [("fog.db", [1]), ("coordinator.key", [2])]
        let lines = files.map { "\(Digest.blake2b($0.content))  \($0.name)\n" }
        let lists: [(String, Bool)] = [
            (lines[0] + lines[1], true), (lines[1] + lines[0], true), (lines[0] + lines[0], false),
            (lines[0], false), (lines[0] + lines[1] + lines[0], false),
            (lines[0] + lines[1] + lines[0].replacing("fog.db", with: "other"), false),
            (lines[0] + lines[1].replacing("coordinator.key", with: "fog.db"), false), ("", false),
        ]
        try await withTemporaryFolder { folder in
            for (index, (list, isWhole)) in lists.enumerated() {
                let path = "\(folder)/\(index).tar"
                let bytes = Self.archive(
                    [("backup.json", about)] + files + [("digests.txt", Array(list.utf8))])
                try Data(bytes).write(to: URL(filePath: path))
                let code = await failureCode { _ = try BackupReader(path: path).unpack(into: "\(path).d") }
                #expect(code == (isWhole ? nil : "bad_archive"), "\(list)")
            }
        }
    }

    @Test("a number with a sign is none")
    func signs() async throws {
        var header = TarHeader(name: "a", size: 8).bytes
        header[124] = UInt8(ascii: "+")
        // The checksum with the sign in it.
        let sum = header.indices.reduce(0) { $0 + ((148..<156).contains($1) ? 0x20 : Int(header[$1])) }
        for (offset, byte) in "0\(String(sum, radix: 8))\0 ".utf8.enumerated() { header[148 + offset] = byte }
        #expect(await failureCode { _ = try TarHeader.read(header) } == "bad_archive")
    }

    @Test(
        "names that lead out of the folder are refused",
        arguments: ["../x", "/etc/x", "a/../../x", "a//b", ".hidden", "", "a/./b"])
    func names(_ name: String) async throws {
        #expect(!TarHeader.isName(name))
        let header = TarHeader(name: name, size: 0).bytes
        #expect(await failureCode { _ = try TarHeader.read(header) } == "bad_archive")
    }

    @Test("headers are read as they were written", arguments: [0, 1, 511, 512, 8_589_934_591, 8_589_934_592, 1 << 45])
    func headers(_ size: Int64) throws {
        let header = TarHeader(name: "content/blobs/ab/abcd", size: size, modified: 1_800_000_000)
        #expect(try TarHeader.read(header.bytes) == header)
        #expect((size + Int64(header.padding)) % 512 == 0)
    }

    private func run(_ words: String...) throws -> Int32 {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = words
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus
    }
}
