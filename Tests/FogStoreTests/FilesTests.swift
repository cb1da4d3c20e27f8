import FogCore
import FogStore
import Foundation
import Testing

@Suite("Blob files")
struct BlobFilesTests {
    private let content = (0..<3000).map { UInt8(truncatingIfNeeded: $0 &* 31) }

    @Test("an upload goes on where it stopped and becomes readable when it is whole")
    func upload() async throws {
        try await withTemporaryFolder { folder in
            let digest = Digest.blake2b(content)
            let files = try BlobFiles(folder: folder)
            #expect(try files.uploaded("u1") == 0)
            #expect(try files.append(Array(content[..<1000]), to: "u1", at: 0) == 1000)
            #expect(await failureCode { try files.finish("u1", digest: digest, size: 3000) } == "wrong_size")
            let restarted = try BlobFiles(folder: folder)
            #expect(try restarted.uploaded("u1") == 1000)
            for wrong in [0, 999, 1001, -1] as [Int64] {
                let failure = #expect(throws: StoreFailure.self) { try restarted.append([1], to: "u1", at: wrong) }
                #expect(failure?.code == "wrong_offset" && failure?.message.contains("1000 bytes") == true)
            }
            #expect(try restarted.size(digest) == nil)
            #expect(try restarted.append(Array(content[1000...]), to: "u1", at: 1000) == 3000)
            try restarted.finish("u1", digest: digest, size: 3000)
            #expect(try restarted.size(digest) == 3000)
            #expect(try restarted.uploaded("u1") == 0)
            #expect(try restarted.read(digest, at: 0, count: 9999) == content)
            #expect(try restarted.read(digest, at: 2990, count: 100) == Array(content[2990...]))
            #expect(try restarted.read(digest, at: 3000, count: 1).isEmpty)
            #expect(try restarted.read(digest, at: .max, count: 1).isEmpty)
            try restarted.delete(digest)
            try restarted.delete(digest)
            #expect(await failureCode { _ = try restarted.read(digest, at: 0, count: 1) } == "not_found")
        }
    }

    @Test("content that is not what it was said to be is dropped")
    func wrongContent() async throws {
        try await withTemporaryFolder { folder in
            let files = try BlobFiles(folder: folder)
            let digest = Digest.blake2b([1, 2, 3])
            try files.append([1, 2, 4], to: "u", at: 0)
            #expect(await failureCode { try files.finish("u", digest: digest, size: 3) } == "bad_digest")
            #expect(try files.uploaded("u") == 0)
            #expect(try files.size(digest) == nil)
        }
    }

    @Test("uploads are bounded, and content stored twice is stored once")
    func bounds() async throws {
        try await withTemporaryFolder { folder in
            let files = try BlobFiles(folder: folder, sizeLimit: 10)
            try files.append([1, 2, 3, 4, 5, 6], to: "u", at: 0)
            #expect(await failureCode { try files.append([7, 8, 9, 10, 11], to: "u", at: 6) } == "too_large")
            #expect(try files.uploaded("u") == 6)
            try files.cancel("u")
            #expect(try files.uploaded("u") == 0)
            for _ in 0..<2 { try files.put([5, 6], digest: .blake2b([5, 6])) }
            #expect(try files.read(.blake2b([5, 6]), at: 0, count: 9) == [5, 6])
            try files.put([], digest: .blake2b([]))
            #expect(try files.size(.blake2b([])) == 0)
        }
    }

    @Test("a name is one plain entry of a folder", arguments: ["", ".", "..", "../x", "a/b", ".hidden", "a\0b", "ü"])
    func names(_ name: String) async throws {
        try await withTemporaryFolder { folder in
            let files = try BlobFiles(folder: folder)
            #expect(await failureCode { try files.append([1], to: name, at: 0) } == "bad_name")
            #expect(await failureCode { _ = try files.uploaded(name) } == "bad_name")
        }
        #expect(await failureCode { _ = try BlobFiles(folder: "/sys/fog") } == "read_only")
    }

    @Test("a link in the folder is not followed")
    func links() async throws {
        try await withTemporaryFolder { folder in
            let files = try BlobFiles(folder: folder)
            let outside = folder + "/outside"
            try Data([1]).write(to: URL(fileURLWithPath: outside))
            try FileManager.default.createSymbolicLink(
                atPath: folder + "/uploads/link", withDestinationPath: outside)
            #expect(await failureCode { try files.append([2], to: "link", at: 1) } != nil)
            #expect(try Data(contentsOf: URL(fileURLWithPath: outside)) == Data([1]))
        }
    }
}

@Suite("Log files")
struct LogFilesTests {
    private let attempt = AttemptID(task: TaskID(job: JobID(high: 1, low: 2), number: 3), token: 4)

    @Test("chunks join without gaps, and what comes twice is passed over")
    func append() async throws {
        try await withTemporaryFolder { folder in
            let logs = try LogFiles(folder: folder)
            #expect(try logs.size(attempt, stream: .stdout) == 0)
            #expect(try logs.read(attempt, stream: .stdout, at: 0, count: 9).isEmpty)
            #expect(try logs.append([1, 2, 3], to: attempt, stream: .stdout, at: 0) == 3)
            #expect(try logs.append([1, 2, 3], to: attempt, stream: .stdout, at: 0) == 3)
            #expect(try logs.append([3, 4, 5], to: attempt, stream: .stdout, at: 2) == 5)
            #expect(await failureCode { try logs.append([9], to: attempt, stream: .stdout, at: 6) } == "wrong_offset")
            #expect(await failureCode { try logs.append([9], to: attempt, stream: .stdout, at: -1) } == "wrong_offset")
            // The worker is told which log and where it stands, not where the coordinator keeps it.
            let gap = #expect(throws: StoreFailure.self) {
                try logs.append([9], to: attempt, stream: .stdout, at: 6)
            }
            #expect(gap?.message.contains("stdout of attempt \(attempt) has") == true, "\(gap?.message ?? "")")
            #expect(gap?.message.contains(folder) == false, "\(gap?.message ?? "")")
            #expect(try logs.read(attempt, stream: .stdout, at: 0, count: 99) == [1, 2, 3, 4, 5])
            #expect(try logs.read(attempt, stream: .stdout, at: 3, count: 1) == [4])
            #expect(try logs.size(attempt, stream: .stderr) == 0)
        }
    }

    @Test("a stream keeps its first bytes up to the limit")
    func bound() async throws {
        try await withTemporaryFolder { folder in
            let logs = try LogFiles(folder: folder, sizeLimit: ByteCount(5))
            #expect(try logs.append([1, 2, 3, 4], to: attempt, stream: .stdout, at: 0) == 4)
            #expect(try logs.append([5, 6, 7], to: attempt, stream: .stdout, at: 4) == 5)
            #expect(try logs.append([6, 7], to: attempt, stream: .stdout, at: 5) == 5)
            #expect(try logs.read(attempt, stream: .stdout, at: 0, count: 99) == [1, 2, 3, 4, 5])
        }
    }

    @Test("a job's logs go together")
    func delete() async throws {
        try await withTemporaryFolder { folder in
            let logs = try LogFiles(folder: folder)
            let other = AttemptID(task: TaskID(job: JobID(high: 1, low: 3), number: 0), token: 1)
            for stream in LogStream.allCases {
                try logs.append([1], to: attempt, stream: stream, at: 0)
                try logs.append([1], to: other, stream: stream, at: 0)
            }
            try logs.delete(job: attempt.task.job)
            try logs.delete(job: attempt.task.job)
            #expect(try logs.size(attempt, stream: .stdout) == 0)
            #expect(try logs.size(other, stream: .stderr) == 1)
        }
    }
}
