import FogAPI
import FogCommandLine
import FogCore
import FogJobs
import FogNet
import Foundation
import Glibc
import Synchronization
import Testing

@Suite("Transfers", .timeLimit(.minutes(10)))
struct TransferTests {
    // MARK: Inputs

    @Test("A folder is read with names, digests and the execute bit; links are followed")
    func scansFolder() throws {
        try withFolder { folder in
            try Disk.makeFolder("\(folder)/data/sub")
            try Disk.write(Array("one".utf8), to: "\(folder)/data/a.txt")
            try Disk.write(Array("run".utf8), to: "\(folder)/data/sub/tool", mode: 0o755)
            try FileManager.default.createSymbolicLink(atPath: "\(folder)/data/link", withDestinationPath: "a.txt")
            let scan = try InputScan(sources: ["data"], folder: folder)
            let entries = try #require(scan.files["data"])
            #expect(entries.map(\.path) == ["a.txt", "link", "sub/tool"])
            #expect(entries.map(\.isExecutable) == [false, false, true])
            #expect(entries[0].digest == .blake2b(Array("one".utf8)))
            #expect(scan.totalBytes == 6)
        }
    }

    @Test("A folder that leads back into itself, and what is no file, are refused")
    func refusesLoops() throws {
        try withFolder { folder in
            try Disk.makeFolder("\(folder)/data")
            try FileManager.default.createSymbolicLink(atPath: "\(folder)/data/up", withDestinationPath: "..")
            #expect(throws: CommandLineFailure.self) { try InputScan(sources: ["data"], folder: folder) }
            #expect(throws: CommandLineFailure.self) { try InputScan(sources: ["missing"], folder: folder) }
            #expect(throws: CommandLineFailure.self) { try InputScan(sources: ["/dev/null"], folder: folder) }
        }
    }

    @Test("A FIFO or socket in a folder is refused by name, and nobody waits for it")
    func refusesSpecialFiles() throws {
        try withFolder { folder in
            try Disk.makeFolder("\(folder)/data")
            for (name, kind) in [("pipe", S_IFIFO), ("socket", S_IFSOCK)] {
                try #require(mknod("\(folder)/data/\(name)", kind | 0o600, 0) == 0)
                let failure = #expect(throws: CommandLineFailure.self) {
                    try InputScan(sources: ["data"], folder: folder)
                }
                #expect(failure?.code == "bad_input")
                #expect(failure?.message.contains("data/\(name)") == true, "\(failure?.message ?? "")")
                unlink("\(folder)/data/\(name)")
            }
        }
    }

    // MARK: Uploads

    @Test("Only what is missing is sent, in chunks, and what a lost answer hid is not sent twice")
    func uploads() async throws {
        let content = BlobEndpoint()
        let large = (0..<(Uploader.chunkBytes * 2 + 5)).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let (small, known): ([UInt8], [UInt8]) = (Array("small".utf8), Array("known".utf8))
        content.put(known)
        // The first chunk arrives, its answer does not.
        content.loseNextAnswer()
        try await withFolder { folder in
            try Disk.write(large, to: "\(folder)/large")
            let sent = try await Uploader(client: content.client, patience: Self.patience).upload([
                .blake2b(large): .file(path: "\(folder)/large", size: Int64(large.count)),
                .blake2b(small): .bytes(small),
                .blake2b(known): .bytes(known), .blake2b([]): .bytes([]),
            ])
            #expect(sent.contents == 3)
        }
        #expect(content.whole(.blake2b(large)) == large)
        #expect(content.whole(.blake2b(small)) == small)
        #expect(content.whole(.blake2b([])) == [])
        #expect(content.received(.blake2b(large)) == large.count)
        #expect(content.received(.blake2b(known)) == 0)
    }

    // MARK: Where outputs go

    private static let steps = [
        StepLayout(name: "split", base: 0, count: 1, isArray: false),
        StepLayout(name: "count", base: 1, count: 3, isArray: true, first: 10, stride: 5),
    ]

    @Test(
        "Files lie plainly for one task, by index for arrays, by step for steps",
        arguments: [
            (StepLayout(name: "", base: 0, count: 1, isArray: false), UInt32(0), "x/y.txt"),
            (StepLayout(name: "", base: 0, count: 4, isArray: true), 3, "3/x/y.txt"), (steps[0], 0, "split/x/y.txt"),
            (steps[1], 3, "count/20/x/y.txt"),
        ])
    func layout(step: StepLayout, task: UInt32, path: String) throws {
        let plan = try OutputPlan(attempts: [Self.attempt(task: task, names: ["x/y.txt"])], layouts: [step])
        #expect(plan.files.map(\.path) == [path])
    }

    @Test("The numbers of an array come from the manifest")
    func layoutFromDocument() throws {
        var job = Self.job(count: 3)
        var document = try JSON(parsing: #"{"array": "10-20:5"}"#)
        var layout = try #require(StepLayout.layouts(of: job, document: document).first)
        #expect(layout.folder(of: 2) == ["20"])
        #expect(StepLayout.layouts(of: job, document: nil).first?.folder(of: 2) == ["2"])
        job = Self.job(count: 1)
        document = try JSON(parsing: #"{"array": "7-7"}"#)
        layout = try #require(StepLayout.layouts(of: job, document: document).first)
        #expect(layout.folder(of: 0) == ["7"])
    }

    @Test(
        "A name that would leave the folder is refused, whoever says it",
        arguments: [
            "../x", "/etc/passwd", "a/../../x", "a//b", "", ".", "a/", "a\u{1b}[2J", "a/./b",
            "../\u{301}x", "/\u{301}x", "a/../\u{200d}x", "a/\u{fe0f}b",
            String(repeating: "x", count: 256),
        ])
    func refusesUnsafeNames(name: String) {
        #expect(throws: CommandLineFailure.self) {
            try OutputPlan(
                attempts: [Self.attempt(task: 0, names: [name])],
                layouts: [StepLayout(name: "", base: 0, count: 1, isArray: false)])
        }
    }

    @Test("A step's name is checked like any other, and two files do not share a place")
    func refusesUnsafeSteps() {
        #expect(throws: CommandLineFailure.self) {
            try OutputPlan(
                attempts: [Self.attempt(task: 0, names: ["x"])],
                layouts: [StepLayout(name: "..", base: 0, count: 1, isArray: false)])
        }
        #expect(throws: CommandLineFailure.self) {
            try OutputPlan(
                attempts: [Self.attempt(task: 0, names: ["x", "x"])],
                layouts: [StepLayout(name: "", base: 0, count: 1, isArray: false)])
        }
    }

    @Test("Only the newest success of a task counts, and only files that were asked for")
    func choosesAttempts() throws {
        let layouts = [StepLayout(name: "", base: 0, count: 1, isArray: false)]
        let attempts = [
            Self.attempt(task: 0, token: 3, names: ["new"]), Self.attempt(task: 0, token: 2, names: ["old"]),
            Self.attempt(task: 0, token: 4, outcome: .exitNonzero, names: ["failed"]),
        ]
        #expect(try OutputPlan(attempts: attempts, layouts: layouts).files.map(\.path) == ["new"])
        #expect(throws: CommandLineFailure.self) {
            try OutputPlan(attempts: attempts, layouts: layouts) { $0 != "new" }
        }
    }

    // MARK: Downloads

    @Test("Files come whole, with the execute bit; what is here is not fetched again; a half file goes on")
    func downloads() async throws {
        let content = BlobEndpoint()
        let large = (0..<(Downloader.chunkBytes + 77)).map { UInt8(truncatingIfNeeded: $0 &* 17) }
        content.put(large)
        content.put(Array("tool".utf8))
        let plan = try OutputPlan(
            attempts: [
                Self.attempt(task: 0, files: [("big.bin", large, false), ("bin/tool", Array("tool".utf8), true)])
            ],
            layouts: [StepLayout(name: "", base: 0, count: 1, isArray: false)])
        try await withFolder { folder in
            let downloader = Downloader(client: content.client, patience: Self.patience)
            content.failDownloads(after: 1)
            await #expect(throws: (any Error).self) { try await downloader.fetch(plan, into: "\(folder)/out") }
            content.failDownloads(after: nil)
            let result = try await downloader.fetch(plan, into: "\(folder)/out")
            #expect(result.bytes < Int64(large.count))
            #expect(try Disk.readSmall("\(folder)/out/bin/tool") == Array("tool".utf8))
            #expect(Disk.status("\(folder)/out/bin/tool").map { $0.st_mode & 0o100 } == 0o100)
            #expect(FileManager.default.contents(atPath: "\(folder)/out/big.bin").map(Array.init) == large)
            let again = try await downloader.fetch(plan, into: "\(folder)/out")
            #expect(again == Downloader.Result(fetched: 0, present: 2, bytes: 0))
            let names = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/out")
            #expect(names.sorted() == ["big.bin", "bin"])
        }
    }

    @Test("Content that is not what was announced is not kept")
    func refusesOtherContent() async throws {
        let content = BlobEndpoint()
        let wanted = Array("wanted".utf8)
        content.put(Array("forged".utf8), as: .blake2b(wanted))
        let plan = try OutputPlan(
            attempts: [Self.attempt(task: 0, files: [("x", wanted, false)])],
            layouts: [StepLayout(name: "", base: 0, count: 1, isArray: false)])
        try await withFolder { folder in
            let failure = await #expect(throws: CommandLineFailure.self) {
                try await Downloader(client: content.client, patience: Self.patience).fetch(plan, into: folder)
            }
            #expect(failure?.code == "bad_content")
            let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(names.isEmpty)
        }
    }

    @Test("A link in the folder is not written through")
    func refusesLinks() async throws {
        let content = BlobEndpoint()
        content.put(Array("x".utf8))
        let plan = try OutputPlan(
            attempts: [Self.attempt(task: 0, files: [("link/x", Array("x".utf8), false)])],
            layouts: [StepLayout(name: "", base: 0, count: 1, isArray: false)])
        try await withFolder { folder in
            try Disk.makeFolder("\(folder)/out")
            try Disk.makeFolder("\(folder)/elsewhere")
            try FileManager.default.createSymbolicLink(
                atPath: "\(folder)/out/link", withDestinationPath: "\(folder)/elsewhere")
            await #expect(throws: CommandLineFailure.self) {
                try await Downloader(client: content.client, patience: Self.patience).fetch(plan, into: "\(folder)/out")
            }
            #expect(!Disk.exists("\(folder)/elsewhere/x"))
        }
    }

    // MARK: Retries

    @Test("What nobody answered is asked again, what was refused is not")
    func patience() {
        let patience = Patience(attempts: 3, first: .milliseconds(100), longest: .seconds(2))
        #expect(patience.wait(after: CarrierFailure("unreachable", ""), attempt: 1) == .milliseconds(100))
        #expect(patience.wait(after: CarrierFailure("timeout", ""), attempt: 2) == .milliseconds(200))
        #expect(patience.wait(after: CarrierFailure("unreachable", ""), attempt: 3) == nil)
        #expect(patience.wait(after: CarrierFailure("refused_plaintext", ""), attempt: 1) == nil)
        #expect(patience.wait(after: Problem(404, "not_found", ""), attempt: 1) == nil)
        #expect(patience.wait(after: Problem(429, "quota", "", retryAfterSeconds: 1), attempt: 1) == .seconds(1))
        #expect(patience.wait(after: Problem(503, "busy", "", retryAfterSeconds: 60), attempt: 1) == .seconds(2))
    }

    private static let patience = Patience(attempts: 3, first: .milliseconds(1), longest: .milliseconds(2))

    // MARK: Builders

    private static func attempt(
        task: UInt32, token: UInt32 = 1, outcome: Outcome = .success, names: [String]
    ) -> AttemptBody {
        attempt(task: task, token: token, outcome: outcome, files: names.map { ($0, [1], false) })
    }

    private static func attempt(
        task: UInt32, token: UInt32 = 1, outcome: Outcome = .success, files: [(String, [UInt8], Bool)]
    ) -> AttemptBody {
        let id = AttemptID(task: TaskID(job: JobID(high: 1, low: 2), number: task), token: token)
        var record = AttemptRecord(
            id: id, node: NodeID(high: 1, low: 1), payee: AccountID(high: 1, low: 1), grantedAt: .zero,
            priceBound: .zero)
        record.outcome = outcome
        record.outputs = files.map {
            OutputFile(name: $0.0, size: Int64($0.1.count), executable: $0.2, digest: .blake2b($0.1))
        }
        return AttemptBody(record, state: .ended, nodeName: nil)
    }

    private static func job(count: UInt32) -> JobBody {
        JobBody(
            JobRecord(
                id: JobID(high: 1, low: 2), name: "x", account: AccountID(high: 1, low: 1),
                submitter: SigningKey.generate().publicKey, submittedAt: .zero, idempotencyKey: nil,
                documentDigest: .zero, fileTable: nil, labels: [:], priority: 50,
                progress: JobProgress(
                    steps: [StepProgress(name: "", base: 0, count: count, blocked: false)], budget: .zero)))
    }
}

/// The coordinator's content routes, in memory.
final class BlobEndpoint: CarrierEndpoint {
    private struct State {
        var whole: [Digest: [UInt8]] = [:]
        var parts: [Digest: [UInt8]] = [:]
        var received: [Digest: Int] = [:]
        var losesAnswer = false
        var downloadsLeft: Int?
    }

    private let state = Mutex(State())
    /// The coordinator's, with which answers to uploads are signed.
    private let key = SigningKey.generate()

    var client: FogClient {
        FogClient(carrier: MemoryCarrier(self), key: .generate(), coordinator: key.publicKey)
    }

    func put(_ bytes: [UInt8], as digest: Digest? = nil) {
        state.withLock { $0.whole[digest ?? .blake2b(bytes)] = bytes }
    }
    func whole(_ digest: Digest) -> [UInt8]? { state.withLock { $0.whole[digest] } }
    func received(_ digest: Digest) -> Int { state.withLock { $0.received[digest] ?? 0 } }
    func loseNextAnswer() { state.withLock { $0.losesAnswer = true } }
    func failDownloads(after count: Int?) { state.withLock { $0.downloadsLeft = count } }

    func handle(_ request: CarrierRequest) async -> CarrierResponse {
        let answer = respond(to: request)
        return (try? ResponseSigner(key: key).sign(answer, to: request, at: SystemClock().now)) ?? answer
    }

    private func respond(to request: CarrierRequest) -> CarrierResponse {
        do {
            if request.path == "/v1/blobs/missing" {
                let asked = try Wire.decode(DigestListBody.self, from: request.body).digests
                let missing = state.withLock { state in asked.filter { state.whole[$0] == nil } }
                return CarrierResponse(status: 200, body: try Wire.encode(DigestListBody(digests: missing)))
            }
            let digest = try Digest(request.path.dropFirst("/v1/blobs/".count))
            return request.method == "PUT" ? try put(digest, request) : get(digest, request)
        } catch {
            return Problem(400, "bad", "\(error)").response
        }
    }

    private func number(_ name: String, _ request: CarrierRequest) -> Int {
        let item = request.query.split(separator: "&").first { $0.hasPrefix(name + "=") }
        return item.flatMap { Int($0.dropFirst(name.count + 1)) } ?? 0
    }

    private func put(_ digest: Digest, _ request: CarrierRequest) throws -> CarrierResponse {
        let (offset, total) = (number("offset", request), number("total", request))
        return try state.withLock { state in
            let have = state.parts[digest]?.count ?? 0
            guard offset == have else {
                return Problem(409, "wrong_offset", "upload x has \(have) bytes; the chunk began at \(offset)").response
            }
            state.parts[digest, default: []] += request.body
            state.received[digest, default: 0] += request.body.count
            let isWhole = have + request.body.count == total
            if isWhole { state.whole[digest] = state.parts.removeValue(forKey: digest) }
            if state.losesAnswer, !isWhole, !request.body.isEmpty {
                state.losesAnswer = false
                return Problem(503, "busy", "the answer was lost").response
            }
            return CarrierResponse(
                status: 200,
                body: try Wire.encode(UploadBody(received: Int64(have + request.body.count), complete: isWhole)))
        }
    }

    private func get(_ digest: Digest, _ request: CarrierRequest) -> CarrierResponse {
        let (offset, length) = (number("offset", request), number("length", request))
        return state.withLock { state in
            if let left = state.downloadsLeft {
                guard left > 0 else { return Problem(404, "not_found", "gone").response }
                state.downloadsLeft = left - 1
            }
            guard let bytes = state.whole[digest] else { return Problem(404, "not_found", "none").response }
            return CarrierResponse(status: 200, body: Array(bytes.dropFirst(offset).prefix(length)))
        }
    }
}
