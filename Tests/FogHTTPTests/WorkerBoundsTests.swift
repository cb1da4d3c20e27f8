import FogAPI
import FogCore
import FogJobs
import FogNet
import Testing

@testable import FogHTTP

/// A worker is a stranger's machine: what it says is taken only as far as it can be true.
@Suite("What a worker's word is taken for", .timeLimit(.minutes(10)))
struct WorkerBoundsTests {
    struct Claim: Sendable, CustomTestStringConvertible {
        let field: String
        let change: @Sendable (inout WorkerHello) -> Void

        var testDescription: String { field }

        init(_ field: String, _ change: @escaping @Sendable (inout WorkerHello) -> Void) {
            self.field = field
            self.change = change
        }
    }

    /// What no machine has.
    private static let absurd: [Claim] = [
        Claim("report.cpu") { $0.report.cpu = Millicores(.max) },
        Claim("report.cpu") { $0.report.cpu = Millicores(1_000_000_001) },
        Claim("report.cpu") { $0.report.cpu = Millicores(-1) },
        Claim("report.memory") { $0.report.memory = ByteCount(.max) },
        Claim("report.memory") { $0.report.memory = ByteCount(-1) },
        Claim("report.disk") { $0.report.disk = ByteCount(.max) },
        Claim("report.disk") { $0.report.disk = ByteCount(.min) },
        Claim("report.gpu") { $0.report.gpu = .max },
        Claim("report.gpu") { $0.report.gpu = -1 },
        Claim("report.name") { $0.report.name = "" },
        Claim("report.name") { $0.report.name = "a\u{1b}[2Jb" },
        Claim("report.name") { $0.report.name = String(repeating: "n", count: 256) },
        Claim("lists") { $0.report.labels = [String](repeating: "a=b", count: 4097) },
        Claim("lists") { $0.report.labels = [String(repeating: "l", count: 4097)] },
        Claim("lists") { $0.report.profiles = [String](repeating: "p", count: 4097) },
        Claim("lists") { $0.report.programs = [String(repeating: "p", count: 4097): "1"] },
        Claim("lists") { $0.incarnation = String(repeating: "i", count: 4097) },
        Claim("allowance.cpu_cap") { $0.allowance.cpuCap = Millicores(.max) },
        Claim("allowance.memory_cap") { $0.allowance.memoryCap = ByteCount(.min) },
        Claim("allowance.slots") { $0.allowance.slots = 100_001 },
        Claim("allowance.slots") { $0.allowance.slots = -1 },
        Claim("allowance.bandwidth_cap") { $0.allowance.bandwidthCap = .max },
        Claim("allowance") { $0.allowance.reason = String(repeating: "r", count: 4097) },
        Claim("allowance") { $0.allowance.profileCeiling = [String](repeating: "p", count: 4096) },
    ]

    @Test("numbers that no machine has are refused, and named, in hello, poll and heartbeat")
    func absurdReports() async throws {
        try await Pool.with { pool in
            let honest = try Wire.decode(WorkerHello.self, from: RouteTable.hello(.open))
            for claim in Self.absurd {
                var hello = honest
                claim.change(&hello)
                let answer = try await pool.ask("POST", "/v1/worker/hello", by: "worker", body: Wire.encode(hello))
                let problem = expectRefusal(answer, [400], code: "bad_report", "hello: \(claim.field)")
                #expect(problem?.detail.contains(claim.field) == true, "\(claim.field): \(problem?.detail ?? "")")
                guard claim.field.hasPrefix("allowance") else { continue }
                let poll = PollRequest(allowance: hello.allowance, want: 1, wait: .zero)
                let polled = try await pool.ask("POST", "/v1/worker/poll", by: "worker", body: Wire.encode(poll))
                expectRefusal(polled, [400], code: "bad_report", "poll: \(claim.field)")
                let beat = Heartbeat(allowance: hello.allowance, attempts: [])
                let beaten = try await pool.ask("POST", "/v1/worker/heartbeat", by: "worker", body: Wire.encode(beat))
                expectRefusal(beaten, [400], code: "bad_report", "heartbeat: \(claim.field)")
            }
            let nodes = try await pool.ask("GET", "/v1/nodes", by: "ada")
            #expect(try Wire.decode(NodeListBody.self, from: nodes.body).nodes.isEmpty)
            try await pool.isUnharmed()
        }
    }

    @Test("the largest machine that is believed takes work, and the sums over it hold")
    func largest() async throws {
        try await Pool.with { pool in
            var hello = try Wire.decode(WorkerHello.self, from: RouteTable.hello(.open))
            hello.report.cpu = Millicores(1_000_000_000)
            hello.report.memory = .gibibytes(64 << 10)
            hello.report.disk = .gibibytes(1 << 20)
            hello.report.gpu = 4096
            hello.allowance.cpuCap = Millicores(1_000_000_000)
            hello.allowance.memoryCap = .gibibytes(64 << 10)
            hello.allowance.slots = 100_000
            #expect(
                try await pool.ask("POST", "/v1/worker/hello", by: "worker", body: Wire.encode(hello)).status == 200)
            _ = try await pool.submit()
            let poll = PollRequest(allowance: hello.allowance, want: .max, wait: .seconds(10))
            let answer = try await pool.ask("POST", "/v1/worker/poll", by: "worker", body: Wire.encode(poll))
            #expect(try Wire.decode(PollAnswer.self, from: answer.body).leases.count == 1)
            try await pool.isUnharmed()
        }
    }

    // MARK: - Results

    @Test("another owner's content does not become readable by naming its digest in a result or a checkpoint")
    func othersContent() async throws {
        try await Pool.with { pool in
            // Eve owns the worker and the job; she knows the digest of what ada keeps here.
            let small = try await pool.upload(Array("ada's own".utf8), by: "ada")
            let large = try await pool.upload([UInt8](repeating: 7, count: 100_000), by: "ada")
            let job = try await pool.submit("probe", by: "eve")
            let lease = try #require(try await pool.leases(1).first)
            for (digest, size) in [(small, 9), (large, 100_000)] as [(Digest, Int64)] {
                let file = OutputFile(name: "out", size: size, executable: false, digest: digest)
                let verdict = try await pool.complete([pool.report(lease, outputs: [file], contents: [nil])]).first
                #expect(verdict?.verdict == .rejected && verdict?.detail?.contains("was not uploaded") == true)
                let kept = try await pool.complete([pool.report(lease, checkpoint: [file])]).first
                #expect(kept?.verdict == .rejected && kept?.detail?.contains("was not uploaded") == true)
                let report = CheckpointReport(attempt: lease.attempt, files: [file])
                let asked = try await pool.ask("POST", "/v1/worker/checkpoint", by: "worker", body: Wire.encode(report))
                let problem = expectRefusal(asked, [400], code: "missing_blob", "a checkpoint of another's content")
                // The same words for content that nobody has.
                let never = OutputFile(name: "out", size: size, executable: false, digest: .blake2b([1, 2, 3]))
                let other = CheckpointReport(attempt: lease.attempt, files: [never])
                let absent = try await pool.ask("POST", "/v1/worker/checkpoint", by: "worker", body: Wire.encode(other))
                let words = expectRefusal(absent, [400], code: "missing_blob", "content that nobody has")?.detail
                #expect(
                    words?.split(separator: never.digest.description)
                        == problem?.detail.split(separator: digest.description))
                for reader in ["eve", "worker"] {
                    let read = try await pool.ask("GET", "/v1/blobs/\(digest)", by: reader)
                    expectRefusal(read, [404], code: "not_found", "\(reader) reads ada's content")
                }
            }
            #expect(try await pool.job(job, by: "eve").state == .running)
            try await pool.isUnharmed()
        }
    }

    @Test("an uploaded file is as large as it is, whatever the result says")
    func falseSize() async throws {
        try await Pool.with { pool in
            _ = try await pool.submit()
            let lease = try #require(try await pool.leases(1).first)
            let digest = try await pool.upload([1, 2, 3], by: "worker")
            let file = OutputFile(name: "out", size: 1 << 40, executable: false, digest: digest)
            let verdict = try await pool.complete([pool.report(lease, outputs: [file], contents: [nil])]).first
            #expect(verdict?.verdict == .rejected && verdict?.detail?.contains("has 3 bytes") == true)
            try await pool.isUnharmed()
        }
    }

    private static let badNames = [
        "", "..", "../a", "a/../b", "/etc/passwd", "a//b", "a/", "./a", "a\0b", "a\nb",
        String(repeating: "n", count: 5000),
    ]

    @Test("a result's files have names below the folder, sizes from 0, and each name once")
    func badFiles() async throws {
        try await Pool.with { pool in
            _ = try await pool.submit()
            let lease = try #require(try await pool.leases(1).first)
            let digest = try await pool.upload([1], by: "worker")
            var lists = Self.badNames.map { [OutputFile(name: $0, size: 1, executable: false, digest: digest)] }
            for size in [-1, Int64.min, Int64.max] {
                lists.append([OutputFile(name: "a", size: size, executable: false, digest: digest)])
            }
            let twice = OutputFile(name: "a", size: 1, executable: false, digest: digest)
            lists.append([twice, twice])
            for files in lists {
                let what = "\(files.map { "\($0.name.prefix(40)) \($0.size)" })"
                let outputs = pool.report
                let verdicts = try await pool.complete([
                    outputs(lease, files, files.map { _ in [1] }, nil, 0, "worker"),
                    outputs(lease, files, files.map { _ in nil }, nil, 0, "worker"),
                    outputs(lease, [], [], files, 0, "worker"),
                ])
                #expect(verdicts.map(\.verdict) == [.rejected, .rejected, .rejected], "\(what)")
                let report = CheckpointReport(attempt: lease.attempt, files: files)
                let asked = try await pool.ask("POST", "/v1/worker/checkpoint", by: "worker", body: Wire.encode(report))
                expectRefusal(asked, [400], code: "bad_report", what)
            }
            for size in [-1, Int64.min] {
                let verdict = try await pool.complete([pool.report(lease, stdoutSize: size)]).first
                #expect(verdict?.verdict == .rejected && verdict?.detail?.contains("log's size") == true)
            }
            let verdict = try await pool.complete([pool.report(lease)]).first
            #expect(verdict?.verdict == .accepted, "nothing of the above ended the lease")
            try await pool.isUnharmed()
        }
    }

    @Test("honest reports beside one that is rejected are taken, each verdict in its place")
    func honestBesideRejected() async throws {
        try await Pool.with { pool in
            let jobs = [try await pool.submit("one"), try await pool.submit("two"), try await pool.submit("three")]
            let leases = try await pool.leases(3)
            let content: [UInt8] = [1, 2, 3]
            let digest = try await pool.upload([UInt8](repeating: 9, count: 20_000), by: "worker")
            var reports: [AttemptReport] = []
            for lease in leases {
                if lease.attempt.task.job == jobs[1] {
                    let file = OutputFile(name: "../escape", size: 3, executable: false, digest: .blake2b(content))
                    reports.append(try pool.report(lease, outputs: [file], contents: [content]))
                } else {
                    let files = [
                        OutputFile("small", content),
                        OutputFile(name: "large", size: 20_000, executable: false, digest: digest),
                    ]
                    reports.append(try pool.report(lease, outputs: files, contents: [content, nil]))
                }
            }
            let verdicts = try await pool.complete(reports)
            #expect(verdicts.count == 3)
            for (lease, verdict) in zip(leases, verdicts) {
                let isBad = lease.attempt.task.job == jobs[1]
                #expect(verdict.verdict == (isBad ? .rejected : .accepted), "\(verdict)")
                #expect(verdict.attempt == (isBad ? nil : lease.attempt))
            }
            #expect(try await pool.job(jobs[0]).state == .succeeded)
            #expect(try await pool.job(jobs[1]).state == .running)
            #expect(try await pool.job(jobs[2]).state == .succeeded)
            // What the worker uploaded for ada's job is ada's to read.
            let read = try await pool.ask("GET", "/v1/blobs/\(digest)?length=4", by: "ada")
            #expect(read.body == [9, 9, 9, 9])
            try await pool.isUnharmed()
        }
    }
}
