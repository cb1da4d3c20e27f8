import FogCore
import FogJobs
import FogStore
import Foundation
import Logging
import Synchronization
import Testing

@testable import FogCoordinator

@Suite("The coordinator as a service", .timeLimit(.minutes(10)))
struct ServiceTests {
    private static let ada = SigningKey.generate()

    /// A wall clock that is turned by hand.
    private final class TurnedClock: FogClock {
        private let time = Mutex(Timestamp(seconds: 1_800_000_000))

        var now: Timestamp { time.withLock { $0 } }
        var sinceBoot: TimeSpan { .hours(1) }

        func turn(_ span: TimeSpan) { time.withLock { $0 = $0 + span } }
    }

    /// A coordinator over a memory store, with one client.
    private static func with(
        clock: any FogClock = SystemClock(), _ body: (Coordinator, Principal) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/fog-service-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = MemoryStore()
        let content = ContentStore(
            store: store, blobs: try BlobFiles(folder: folder), logs: try LogFiles(folder: folder))
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let coordinator = try await Coordinator.open(
            store: store, content: content, key: .generate(), rules: CoordinatorConfiguration(), clock: clock,
            logger: logger)
        let client = try await coordinator.enrol(
            Self.ada, name: "ada", roles: [.client], account: nil)
        try await body(coordinator, client)
    }

    private static let document = ManifestDocument(
        of: JobSpec(name: "job", steps: [StepSpec(action: .command(["true"]), elements: .single)])
    ).canonical

    private static func submit(
        _ coordinator: Coordinator, _ client: Principal, key: String? = nil
    ) async throws -> (record: JobRecord, isNew: Bool) {
        try await coordinator.submit(
            document: document, fileTable: nil, idempotencyKey: key, by: client,
            request: try await coordinator.statement("submit", by: Self.ada))
    }

    @Test("invitations that are over leave the store with the next pruning, others stay")
    func invitationsEnd() async throws {
        let clock = TurnedClock()
        try await Self.with(clock: clock) { coordinator, _ in
            let admin = try await coordinator.enrol(
                SigningKey.generate(), name: "operator", roles: [.admin], account: nil)
            let store = await coordinator.store
            let long = Invitation(
                secretHash: .sha256([2]), roles: [.worker], uses: 1, owner: nil, credits: .zero, needsApproval: false,
                inviter: admin.key, createdAt: clock.now, expiresAt: clock.now + .days(2))
            var short = long
            short.secretHash = .sha256([1])
            short.expiresAt = clock.now + .hours(1)
            for invitation in [short, long] { try await coordinator.invite(invitation, by: admin) }
            try await coordinator.prune()
            #expect(try await store.invitations().count == 2)
            clock.turn(.hours(2))
            try await coordinator.prune()
            #expect(try await store.invitations() == [long])
        }
    }

    @Test("a store that was restored ends what it knows of open invitations, once, and says so in its history")
    func restoredInvitations() async throws {
        try await Self.with { coordinator, _ in
            let admin = try await coordinator.enrol(
                SigningKey.generate(), name: "operator", roles: [.admin], account: nil)
            let now = SystemClock().now
            for number in 0..<3 {
                try await coordinator.invite(
                    Invitation(
                        secretHash: .sha256([UInt8(number)]), roles: [.worker], uses: 2, owner: nil, credits: .zero,
                        needsApproval: false, inviter: admin.key, createdAt: now, expiresAt: now + .hours(1)),
                    by: admin)
            }
            let store = await coordinator.store
            #expect(try await Invitations.endAll(in: store, now: now) == 3)
            #expect(try await store.invitations().isEmpty)
            #expect(try await Invitations.endAll(in: store, now: now) == 0)
            let ends = try await store.events(after: 0, job: nil, limit: 100).filter { $0.kind == "invitations_ended" }
            #expect(ends.map { $0.detail["count"] } == ["3"])
        }
    }

    @Test("of many submits under one idempotency key, at once and later, one makes the job")
    func oneIsNew() async throws {
        try await Self.with { coordinator, client in
            let answers = try await withThrowingTaskGroup(of: (JobID, Bool).self) { group in
                for _ in 0..<16 {
                    group.addTask {
                        let answer = try await Self.submit(coordinator, client, key: "k")
                        return (answer.record.id, answer.isNew)
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(answers.filter(\.1).count == 1)
            #expect(Set(answers.map(\.0)).count == 1)
            #expect(try await !Self.submit(coordinator, client, key: "k").isNew)
            #expect(try await Self.submit(coordinator, client, key: "other").isNew)
        }
    }

    @Test("a commit between the question to the store and the wait ends the wait")
    func noLostWakeUp() async throws {
        try await Self.with { coordinator, client in
            let seen = await coordinator.eventCommits
            _ = try await Self.submit(coordinator, client)
            // Longer than the suite may take: a lost wake-up is a hang.
            await coordinator.waitForEvent(after: seen, atMost: .hours(1))
            #expect(await coordinator.eventCommits > seen)
        }
    }

    // MARK: Keeping

    /// Jobs that are over.
    private static func ended(_ count: Int, _ coordinator: Coordinator, _ client: Principal) async throws -> [JobID] {
        var ids: [JobID] = []
        for _ in 0..<count {
            let id = try await submit(coordinator, client).record.id
            let job = try await coordinator.cancel(id, reason: "enough", by: client)
            try #require(job.progress.settled)
            ids.append(id)
        }
        return ids
    }

    @Test("a job that is kept outlives retention, with its history; when the wish is taken back it goes")
    func keep() async throws {
        let clock = TurnedClock()
        try await Self.with(clock: clock) { coordinator, client in
            func isThere(_ id: JobID) async -> Bool { (try? await coordinator.job(id, for: client)) != nil }
            let ids = try await Self.ended(3, coordinator, client)
            let (plain, kept, unkept) = (ids[0], ids[1], ids[2])
            let until = clock.now + .days(30)
            #expect(try await coordinator.keep(kept, for: .days(30), by: client).progress.keptUntil == until)
            _ = try await coordinator.keep(unkept, for: .days(30), by: client)
            #expect(try await coordinator.keep(unkept, for: .zero, by: client).progress.keptUntil == nil)
            // One that still runs may be kept as well.
            let running = try await Self.submit(coordinator, client).record.id
            _ = try await coordinator.keep(running, for: .days(30), by: client)
            _ = try await coordinator.cancel(running, reason: "enough", by: client)
            clock.turn(.days(8))
            try await coordinator.prune()
            #expect(await !isThere(plain))
            #expect(await !isThere(unkept))
            #expect(await isThere(running))
            #expect(try await coordinator.job(kept, for: client).progress.keptUntil == until)
            let events = try await coordinator.events(after: 0, job: kept, limit: 100, wait: .zero, for: client)
            #expect(events.last?.kind == "job_kept" && events.last?.detail == ["until": until.description])
            clock.turn(.days(23))
            try await coordinator.prune()
            #expect(await !isThere(kept))
            #expect(await !isThere(running))
        }
    }

    @Test("what is being removed cannot be kept any more, and nobody keeps another's job or anything for ever")
    func keepNot() async throws {
        let clock = TurnedClock()
        try await Self.with(clock: clock) { coordinator, client in
            func refusal(_ id: JobID, _ span: TimeSpan, _ principal: Principal) async -> String? {
                let failure = await #expect(throws: CoordinatorFailure.self) {
                    _ = try await coordinator.keep(id, for: span, by: principal)
                }
                return failure?.code
            }
            let eve = try await coordinator.enrol(
                SigningKey.generate(), name: "eve", roles: [.client], account: nil)
            // More than go at once.
            let ids = try await Self.ended(201, coordinator, client)
            #expect(await refusal(ids[0], .days(1), eve) == "not_found")
            #expect(await refusal(ids[0], .days(3651), client) == "bad_time")
            #expect(await refusal(ids[0], .milliseconds(-1), client) == "bad_time")
            clock.turn(.days(8))
            try await coordinator.prune()
            var left: [JobID] = []
            for id in ids where (try? await coordinator.job(id, for: client)) != nil { left.append(id) }
            try #require(left.count == 1)
            let last = left[0], first = ids.first { $0 != last } ?? last
            #expect(await refusal(last, .days(1), client) == "conflict")
            #expect(await refusal(first, .days(1), client) == "not_found")
            try await coordinator.prune()
            #expect(await refusal(last, .days(1), client) == "not_found")
        }
    }

    // MARK: Places

    @Test(
        "a piece that no blob has room for is refused, however large the numbers",
        arguments: [(10, .max), (.max, .max), (.max, .max - 1), (10, 10), (10, -1), (-1, 0)] as [(Int64, Int64)])
    func uploadRange(total: Int64, offset: Int64) async throws {
        try await Self.with { coordinator, client in
            let failure = await #expect(throws: CoordinatorFailure.self) {
                _ = try await coordinator.upload(
                    .blake2b([1, 2]), total: total, offset: offset, bytes: [1, 2], by: client)
            }
            #expect(failure?.code == "bad_range")
        }
    }

    @Test("a log is not read before its beginning, and past its end there is nothing")
    func logRange() async throws {
        try await Self.with { coordinator, client in
            let job = try await Self.submit(coordinator, client).record.id
            for (offset, length) in [(-1, 10), (.min, .max), (0, -1)] as [(Int64, Int)] {
                let failure = await #expect(throws: CoordinatorFailure.self) {
                    _ = try await coordinator.log(
                        of: job, task: 0, token: nil, stream: .stdout, offset: offset, length: length, wait: .zero,
                        for: client)
                }
                #expect(failure?.code == "bad_range")
            }
        }
    }

    @Test(
        "a piece of a whole log is what lies there, whatever is asked for",
        arguments: [
            (0, 3, "abc"), (1, .max, "bcde"), (4, 1, "e"), (5, 1, ""), (.max, .max, ""), (-1, 2, ""), (.min, 1, ""),
            (2, 0, ""), (2, -1, ""),
        ] as [(Int64, Int, String)])
    func pieces(offset: Int64, length: Int, expected: String) {
        let piece = ContentStore.piece(of: Array("abcde".utf8), offset: offset, length: length)
        #expect(String(decoding: piece, as: UTF8.self) == expected)
    }
}
