import FogAPI
import FogCoordinator
import FogCore
import FogHTTP
import FogJobs
import FogNet
import FogStore
import Synchronization
import Testing

/// Every bound of an account, met.
@Suite("Quotas", .timeLimit(.minutes(10)))
struct QuotaTests {
    private static func content(_ seed: UInt8, _ count: Int) -> [UInt8] { [UInt8](repeating: seed, count: count) }

    private static func put(
        _ content: [UInt8], by name: String, in pool: Pool
    ) async throws -> CarrierResponse {
        let target = "/v1/blobs/\(Digest.blake2b(content))?total=\(content.count)"
        return try await pool.ask("PUT", target, by: name, body: content)
    }

    private static func usage(_ name: String, _ pool: Pool) async throws -> UsageBody {
        try Wire.decode(UsageBody.self, from: try await pool.ask("GET", "/v1/usage", by: name).body)
    }

    private static func array(_ count: Int, _ name: String) throws -> [UInt8] {
        let document = #"{"array":"1-\#(count)","command":["true"],"name":"\#(name)"}"#
        return try Wire.encode(SubmitBody(document: document, fileTable: nil))
    }

    /// Lets time do its work until the condition holds.
    private static func tick(_ pool: Pool, until condition: () async throws -> Bool) async throws {
        while try await !condition() {
            await pool.coordinator.tick()
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    private static func expectQuota(_ answer: CarrierResponse, _ what: String) {
        expectRefusal(answer, [429], code: "quota", what)
        #expect((Int(answer.headers["retry-after"] ?? "") ?? 0) > 0, "\(what): no Retry-After")
    }

    // MARK: - Bytes

    @Test("an account keeps so much content and no more; another's is its own affair")
    func storedBytes() async throws {
        try await Pool.with(rules: { $0.storedBytesPerAccount = ByteCount(100_000) }) { pool in
            #expect(try await Self.put(Self.content(1, 60_000), by: "ada", in: pool).status == 200)
            Self.expectQuota(try await Self.put(Self.content(2, 60_000), by: "ada", in: pool), "a second one")
            Self.expectQuota(try await Self.put(Self.content(3, 41_000), by: "ada", in: pool), "a third one")
            #expect(try await Self.put(Self.content(4, 1000), by: "ada", in: pool).status == 200, "a small one fits")
            #expect(try await Self.put(Self.content(1, 60_000), by: "ada", in: pool).status == 200, "here already")
            #expect(try await Self.put(Self.content(1, 60_000), by: "eve", in: pool).status == 200, "eve has room")
            let usage = try await Self.usage("ada", pool)
            #expect(usage.stored == .init(used: 61_000, limit: 100_000))
            try await pool.isUnharmed()
        }
    }

    @Test("uploads under way count, and one that cannot fit is refused with its first piece")
    func unfinishedUploads() async throws {
        try await Pool.with(rules: { $0.storedBytesPerAccount = ByteCount(100_000) }) { pool in
            let large = Self.content(1, 120_000)
            let target = "/v1/blobs/\(Digest.blake2b(large))?total=120000"
            Self.expectQuota(
                try await pool.ask("PUT", target, by: "ada", body: Array(large.prefix(10))), "the first piece")
            for seed in 2...4 as ClosedRange<UInt8> {
                let half = Self.content(seed, 50_000)
                let place = "/v1/blobs/\(Digest.blake2b(half))?total=50000"
                let answer = try await pool.ask("PUT", place, by: "ada", body: Array(half.prefix(30_000)))
                if seed < 4 { #expect(answer.status == 200) } else { Self.expectQuota(answer, "the third half") }
            }
            #expect(try await Self.usage("ada", pool).stored.used == 60_000)
        }
    }

    @Test("a full account's job is taken and held with its reason, runs nothing, and goes on when there is room")
    func fullHolds() async throws {
        try await Pool.with(rules: {
            $0.storedBytesPerAccount = ByteCount(50_000)
            $0.unusedBlobAge = .zero
        }) { pool in
            let before = try await pool.submit("before")
            #expect(try await Self.put(Self.content(1, 50_000), by: "ada", in: pool).status == 200)
            let after = try await pool.submit("after")
            let held = try await pool.job(after)
            #expect(held.held?.hasPrefix("quota: the account keeps 48.8KiB") == true, "\(held.held ?? "-")")
            try await Self.tick(pool) { try await pool.job(before).held != nil }
            let hello = try await pool.ask("POST", "/v1/worker/hello", by: "worker", body: RouteTable.hello(.open))
            #expect(hello.status == 200)
            let poll = try Wire.encode(
                PollRequest(allowance: RouteTable.allowance(.open), want: 4, wait: .zero))
            let polled = try await pool.ask("POST", "/v1/worker/poll", by: "worker", body: poll)
            #expect(try Wire.decode(PollAnswer.self, from: polled.body).leases.isEmpty)
            let explained = try await pool.ask("GET", "/v1/jobs/\(after)/explain", by: "ada")
            #expect(String(decoding: explained.body, as: UTF8.self).contains("quota: the account keeps"))
            // A person's release is not stronger than the quota.
            _ = try await pool.ask("POST", "/v1/jobs/\(after)/release", by: "ada", body: Array("{}".utf8))
            #expect(try await pool.job(after).held?.hasPrefix("quota: ") == true)
            #expect(try await Self.usage("ada", pool).heldJobs == 2)
            // What nothing uses goes; then both go on by themselves.
            try await pool.coordinator.prune()
            try await Self.tick(pool) {
                let states = try await [pool.job(before).held, pool.job(after).held]
                return states == [nil, nil]
            }
            let leases = try await pool.poll(2, by: "worker")
            #expect(Set(leases.map(\.attempt.task.job)) == [before, after])
            try await pool.isUnharmed()
        }
    }

    @Test("logs count for the job's owner, as they come and after the end; outputs go over to the owner")
    func logsAndOutputs() async throws {
        try await Pool.with(rules: { $0.storedBytesPerAccount = ByteCount(200_000) }) { pool in
            _ = try await pool.submit()
            let lease = try #require(try await pool.leases(1).first)
            let target = "/v1/worker/logs?attempt=\(lease.attempt)&stream=stdout"
            #expect(try await pool.ask("POST", target, by: "worker", body: Self.content(65, 70_000)).status == 200)
            #expect(try await Self.usage("ada", pool).stored.used == 70_000)
            let output = Self.content(7, 50_000)
            let digest = try await pool.upload(output, by: "worker")
            #expect(try await Self.usage("worker", pool).stored.used == 50_000)
            let files = [OutputFile(name: "out", size: 50_000, executable: false, digest: digest)]
            let report = try pool.report(lease, outputs: files, contents: [nil], stdoutSize: 70_000)
            #expect(try await pool.complete([report]).map(\.verdict) == [.accepted])
            #expect(try await Self.usage("ada", pool).stored.used == 120_000)
            #expect(try await Self.usage("worker", pool).stored.used == 0)
            // The same report again, after the content went over.
            #expect(try await pool.complete([report]).map(\.verdict) == [.exists])
            let read = try await pool.ask("GET", "/v1/blobs/\(digest)", by: "worker")
            expectRefusal(read, [404], code: "not_found", "what went over is not the worker's any more")
            // The running figures are those of the store.
            let exact = try await pool.store.contentUsage()
            let ada = try pool.person("ada").principal.account
            #expect(exact[ada] == ContentUsage(blobs: 50_000, logs: 70_000))
            #expect(exact[try pool.person("worker").principal.account]?.sum ?? 0 == 0)
            try await pool.isUnharmed()
        }
    }

    @Test("what a worker claims to have printed fills nobody's account")
    func claimedLogs() async throws {
        try await Pool.with { pool in
            _ = try await pool.submit()
            let lease = try #require(try await pool.leases(1).first)
            let report = try pool.report(lease, stdoutSize: .max)
            #expect(try await pool.complete([report]).map(\.verdict) == [.accepted])
            #expect(try await Self.usage("ada", pool).stored.used <= ContentUsage.logLimit)
            try await pool.isUnharmed()
        }
    }

    @Test("a result that was computed is taken into a full account, up to twice the quota")
    func delivering() async throws {
        try await Pool.with(rules: { $0.storedBytesPerAccount = ByteCount(100_000) }) { pool in
            #expect(try await Self.put(Self.content(1, 90_000), by: "worker", in: pool).status == 200)
            Self.expectQuota(try await Self.put(Self.content(2, 90_000), by: "worker", in: pool), "without a lease")
            _ = try await pool.submit()
            _ = try await pool.leases(1)
            #expect(try await Self.put(Self.content(2, 90_000), by: "worker", in: pool).status == 200, "with a lease")
            Self.expectQuota(try await Self.put(Self.content(3, 90_000), by: "worker", in: pool), "beyond twice")
            try await pool.isUnharmed()
        }
    }

    // MARK: - Jobs

    @Test("tasks beyond the quota wait in a job that is held, and goes on when others are done")
    func queuedTasks() async throws {
        try await Pool.with(rules: { $0.queuedTasksPerAccount = 10 }) { pool in
            func submit(_ count: Int, _ name: String, by person: String = "ada") async throws -> CarrierResponse {
                try await pool.ask("POST", "/v1/jobs", by: person, body: Self.array(count, name))
            }
            let first = try Wire.decode(JobBody.self, from: try await submit(6, "one").body)
            let second = try Wire.decode(JobBody.self, from: try await submit(6, "two").body)
            let third = try Wire.decode(JobBody.self, from: try await submit(4, "three").body)
            #expect(first.held == nil && third.held == nil, "10 are queued")
            #expect(second.held?.hasPrefix("quota: the account would have 12 tasks queued, at most 10") == true)
            Self.expectQuota(try await submit(11, "never"), "one that could never fit")
            #expect(try Wire.decode(JobBody.self, from: try await submit(10, "hers", by: "eve").body).held == nil)
            let reason = try Wire.encode(ReasonBody(reason: "a test"))
            #expect(try await pool.ask("POST", "/v1/jobs/\(first.id)/cancel", by: "ada", body: reason).status == 200)
            try await Self.tick(pool) { try await pool.job(second.id).held == nil }
            #expect(try await Self.usage("ada", pool).queuedTasks == .init(used: 10, limit: 10))
            try await Pool.cancelAll(pool)
            try await pool.isUnharmed()
        }
    }

    @Test("jobs a minute, with the time to wait; a repeated submit is no second one")
    func jobsPerMinute() async throws {
        try await Pool.with(rules: { $0.jobsPerMinute = 3 }) { pool in
            for _ in 0..<2 { _ = try await pool.submit() }
            for _ in 0..<4 {
                let again = try await pool.ask(
                    "POST", "/v1/jobs", by: "ada", headers: ["fog-idempotency-key": "k"], body: Pool.document())
                #expect(again.status < 300)
            }
            let fourth = try await pool.ask("POST", "/v1/jobs", by: "ada", body: Pool.document())
            Self.expectQuota(fourth, "a fourth within the minute")
            #expect((1...20).contains(Int(fourth.headers["retry-after"] ?? "") ?? 0))
            _ = try await pool.submit("hers", by: "eve")
            #expect(try await Self.usage("ada", pool).jobsPerMinute == .init(used: 3, limit: 3))
        }
    }

    @Test("open jobs")
    func openJobs() async throws {
        try await Pool.with(rules: { $0.openJobsPerAccount = 2 }) { pool in
            for _ in 0..<2 { _ = try await pool.submit() }
            Self.expectQuota(try await pool.ask("POST", "/v1/jobs", by: "ada", body: Pool.document()), "a third")
            _ = try await pool.submit("hers", by: "eve")
            #expect(try await Self.usage("ada", pool).openJobs == .init(used: 2, limit: 2))
        }
    }

    @Test("tokens that are open at once, of one inviter")
    func invitations() async throws {
        try await Pool.with(rules: { $0.invitationsPerInviter = 2 }) { pool in
            let body = try Wire.encode(
                EnrollBody(roles: [.client], uses: 1, ttl: .hours(1), owner: nil, credits: .zero))
            for _ in 0..<2 { #expect(try await pool.ask("POST", "/v1/enroll", by: "admin", body: body).status == 201) }
            Self.expectQuota(try await pool.ask("POST", "/v1/enroll", by: "admin", body: body), "a third token")
        }
    }

    @Test("an operator sees everybody's usage, those who keep most first")
    func everybody() async throws {
        try await Pool.with { pool in
            _ = try await pool.upload(Self.content(1, 30_000), by: "eve")
            _ = try await pool.upload(Self.content(2, 20_000), by: "ada")
            let answer = try await pool.ask("GET", "/v1/usage/all", by: "auditor")
            let list = try Wire.decode(UsageListBody.self, from: answer.body).accounts
            #expect(list.prefix(2).map(\.name) == ["eve", "ada"])
            #expect(list.count == Set(pool.people.values.map(\.principal.account)).count)
        }
    }
}

extension Pool {
    /// Ends what waits, so that the pool takes a job of anybody again.
    static func cancelAll(_ pool: Pool) async throws {
        let reason = try Wire.encode(ReasonBody(reason: "a test"))
        let list = try await pool.ask("GET", "/v1/jobs?state=pending,running", by: "admin")
        for job in try Wire.decode(JobListBody.self, from: list.body).jobs {
            _ = try await pool.ask("POST", "/v1/jobs/\(job.id)/cancel", by: "admin", body: reason)
        }
    }
}
