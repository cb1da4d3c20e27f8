import FogAPI
import FogCoordinator
import FogCore
import FogHTTP
import FogJobs
import FogNet
import FogStore
import Synchronization
import Testing

/// A disk that fills up closes the door to what is new, never to what runs.
@Suite("A full disk", .timeLimit(.minutes(10)))
struct DiskFloorTests {
    @Test(
        "nothing new below 2 GiB or 5 %, only ends below the reserve",
        arguments: [
            (ByteCount.gibibytes(100), ByteCount.gibibytes(6), 0), (.gibibytes(100), .gibibytes(5), 0),
            (.gibibytes(100), .gibibytes(4), 1), (.gibibytes(20), .mebibytes(2047), 1),
            (.gibibytes(20), .gibibytes(2), 0),
            (.gibibytes(1000), .gibibytes(49), 1), (.gibibytes(20), .mebibytes(255), 2), (.gibibytes(20), .zero, 2),
        ])
    func levels(total: ByteCount, free: ByteCount, level: Int) {
        let found = DiskLevel(DiskSpace(free: free, total: total), rules: CoordinatorConfiguration())
        switch found {
        case .ample: #expect(level == 0)
        case .low(let words):
            #expect(level == 1)
            #expect(words.contains("\(free.brief) free of \(total.brief)"))
        case .reserve: #expect(level == 2)
        }
    }

    @Test("the probe reads a real disk, and nothing where there is none")
    func probe() throws {
        let space = try #require(DiskSpace(of: "/tmp"))
        #expect(space.total > .zero && space.free <= space.total)
        #expect(DiskSpace(of: "/no/such/folder") == nil)
    }

    /// A disk that the test fills and empties.
    final class Disk: Sendable {
        private let free = Mutex(ByteCount.gibibytes(50))

        func set(_ bytes: ByteCount) { free.withLock { $0 = bytes } }
        var space: DiskSpace { DiskSpace(free: free.withLock { $0 }, total: .gibibytes(100)) }
    }

    private static func put(_ seed: UInt8, by name: String, in pool: Pool) async throws -> CarrierResponse {
        let content = [UInt8](repeating: seed, count: 20_000)
        return try await pool.ask(
            "PUT", "/v1/blobs/\(Digest.blake2b(content))?total=20000", by: name, body: content)
    }

    private static func submit(_ pool: Pool, by name: String = "ada") async throws -> CarrierResponse {
        try await pool.ask("POST", "/v1/jobs", by: name, body: Pool.document())
    }

    /// Lets time pass until a submit is answered so.
    private static func tick(_ pool: Pool, until status: Int) async throws -> CarrierResponse {
        while true {
            await pool.coordinator.tick()
            let answer = try await submit(pool, by: "eve")
            if answer.status == status { return answer }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    @Test("admission closes with the reason and opens again; running work and the ledger go on")
    func low() async throws {
        let disk = Disk()
        try await Pool.with(space: { disk.space }) { pool in
            for _ in 0..<2 { _ = try await pool.submit() }
            let lease = try #require(try await pool.leases(1).first)
            disk.set(.gibibytes(4))
            let refused = try await Self.tick(pool, until: 503)
            let problem = try #require(Problem(refused))
            #expect(problem.code == "disk_low" && problem.retryAfterSeconds == 60)
            #expect(problem.detail.contains("4GiB free of 100GiB"))
            #expect(try await Self.put(1, by: "ada", in: pool).status == 503)
            #expect(
                try await pool.ask("POST", "/v1/jobs?dry_run=1", by: "ada", body: Pool.document()).status == 200,
                "a question takes no room")
            let usage = try await pool.ask("GET", "/v1/usage", by: "ada")
            #expect(try Wire.decode(UsageBody.self, from: usage.body).closed?.contains("4GiB free") == true)
            // The worker brings what it made; what was taken in before is granted.
            #expect(try await Self.put(2, by: "worker", in: pool).status == 200)
            let logs = "/v1/worker/logs?attempt=\(lease.attempt)&stream=stdout"
            #expect(try await pool.ask("POST", logs, by: "worker", body: [65]).status == 200)
            #expect(try await pool.complete([pool.report(lease, stdoutSize: 1)]).map(\.verdict) == [.accepted])
            #expect(try await pool.poll(1, by: "worker").count == 1)
            let grant = try Wire.encode(GrantBody(account: "ada", credits: .credits(1), reason: "a test"))
            #expect(try await pool.ask("POST", "/v1/ledger/grants", by: "admin", body: grant).status == 201)
            disk.set(.gibibytes(50))
            _ = try await Self.tick(pool, until: 201)
            try await pool.isUnharmed()
        }
    }

    @Test("below the reserve nothing is granted and no content is taken; an end still is, and the books are right")
    func reserve() async throws {
        let disk = Disk()
        try await Pool.with(space: { disk.space }) { pool in
            for _ in 0..<2 { _ = try await pool.submit() }
            let lease = try #require(try await pool.leases(1).first)
            disk.set(.mebibytes(100))
            _ = try await Self.tick(pool, until: 503)
            #expect(try await Self.put(2, by: "worker", in: pool).status == 503)
            let logs = "/v1/worker/logs?attempt=\(lease.attempt)&stream=stdout"
            #expect(try await pool.ask("POST", logs, by: "worker", body: [65]).status == 503)
            let content = [UInt8]("small".utf8)
            let report = try pool.report(lease, outputs: [OutputFile("out", content)], contents: [content])
            #expect(try await pool.complete([report]).map(\.verdict) == [.accepted])
            let poll = PollRequest(allowance: RouteTable.allowance(.open), want: 1, wait: .zero)
            let polled = try await pool.ask("POST", "/v1/worker/poll", by: "worker", body: Wire.encode(poll))
            #expect(try Wire.decode(PollAnswer.self, from: polled.body).leases.isEmpty)
            disk.set(.gibibytes(50))
            _ = try await Self.tick(pool, until: 201)
            #expect(try await pool.poll(1, by: "worker").count == 1)
            try await pool.isUnharmed()
        }
    }
}
