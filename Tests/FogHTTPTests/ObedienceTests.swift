import FogAPI
import FogCoordinator
import FogCore
import FogJobs
import FogNet
import FogWorker
import Foundation
import Logging
import Synchronization
import Testing

@testable import FogHTTP

/// A real worker with real tasks, whose owner's rules change under it.
@Suite(
    "A worker obeys its owner", .timeLimit(.minutes(10)),
    .enabled(if: ProcessInfo.processInfo.environment["FOG_SANDBOX"] != nil, "FOG_SANDBOX names the launcher"))
struct ObedienceTests {
    @Test("a frozen task stands still and goes on; an evicted one goes on elsewhere from what it saved")
    func freezeAndEvict() async throws {
        try await Pool.with(rules: { $0.trustAllNodes = true }) { pool in
            try await TemporaryFolder.with { folder in
                let owner = OwnersWord()
                try await Self.withAgent(pool, folder, owner) { agent in
                    let job = try await pool.submit(script: Self.counting)
                    try await Self.until { await agent.status.held.contains { $0.state == .running } }
                    owner.say(.frozen, "keyboard used 1 s ago")
                    try await Self.until { await agent.status.held.contains { $0.state == .suspended } }
                    let status = await agent.status
                    #expect(status.state == .frozen && status.reason == "keyboard used 1 s ago")
                    owner.say(.evicting, "keyboard used 601 s ago")
                    try await Self.until { try await pool.attempts(job).first?.outcome == .evictedUser }
                    let first = try #require(try await pool.attempts(job).first)
                    #expect(first.detail == "keyboard used 601 s ago")
                    owner.say(.open, "nobody there")
                    try await Self.until { try await pool.attempts(job).contains { $0.outcome == .success } }
                    let attempts = try await pool.attempts(job)
                    #expect(Set(attempts.map(\.outcome)) == [.evictedUser, .success] && attempts.count == 2)
                    // It went on where the first attempt stopped: each number is there once, in order.
                    let log = try await pool.ask("GET", "/v1/jobs/\(job)/logs?task=0&stream=stdout", by: "ada")
                    #expect(String(decoding: log.body, as: UTF8.self).hasSuffix("total 1275\n"))
                }
            }
        }
    }

    @Test("tasks of less than a millisecond add up in what the owner is told to have given")
    func shortTasksCount() async throws {
        try await Pool.with(rules: { $0.trustAllNodes = true }) { pool in
            try await TemporaryFolder.with { folder in
                let owner = OwnersWord()
                try await Self.withAgent(pool, folder, owner) { agent in
                    var nanoseconds: Int64 = 0
                    for _ in 0..<4 {
                        let job = try await pool.submit(script: "i=0; while [ $i -lt 300 ]; do i=$((i+1)); done")
                        try await Self.until { try await pool.attempts(job).contains { $0.outcome == .success } }
                        nanoseconds += try #require(try await pool.attempts(job).first?.usage).cpuNanoseconds
                    }
                    try await Self.until { owner.work.running == 0 && owner.work.held == 0 }
                    #expect(nanoseconds > 0 && owner.work.used == .milliseconds(nanoseconds / 1_000_000))
                }
            }
        }
    }

    /// Adds 1 to 50, saving its sum when it is told to go. Takes seconds, so that rules can change meanwhile.
    private static let counting = """
        state=$FOG_CHECKPOINT_DIR/state; i=0; sum=0
        [ -f $state ] && read i sum < $state
        trap 'echo $i $sum > $state; exit 85' TERM
        while [ $i -lt 50 ]; do i=$((i+1)); sum=$((sum+i)); sleep 0.05; done
        echo total $sum
        """

    private static func withAgent(
        _ pool: Pool, _ folder: String, _ owner: OwnersWord,
        _ body: @escaping @Sendable (WorkerAgent) async throws -> Void
    ) async throws {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        var configuration = WorkerConfiguration(
            stateDirectory: folder, name: "n1",
            launcherPath: try #require(ProcessInfo.processInfo.environment["FOG_SANDBOX"]),
            profilesDirectory: "/\(root)/sandbox-profiles")
        configuration.slots = 1
        configuration.pollWait = .seconds(2)
        let settled = configuration
        try await withCarrier(pool.port) { carrier in
            let client = FogClient(
                carrier: carrier, key: try pool.person("worker").key, coordinator: pool.key.publicKey)
            let agent = try WorkerAgent(
                settled, client: client, source: owner, programs: [:],
                logger: Logger(label: "worker") { _ in SwiftLogNoOpLogHandler() })
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await agent.run() }
                try await body(agent)
                group.cancelAll()
                try? await group.waitForAll()
            }
        }
    }

    /// The bound only keeps a broken test from hanging.
    private static func until(_ isSo: () async throws -> Bool) async throws {
        for _ in 0..<6000 {
            if try await isSo() { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        try #require(Bool(false), "it never came about")
    }
}

/// What a machine's owner allows, said by the test.
private final class OwnersWord: AllowanceSource {
    private let stream: AsyncStream<HarvestDecision>
    private let continuation: AsyncStream<HarvestDecision>.Continuation

    init() {
        (stream, continuation) = AsyncStream.makeStream()
        say(.open, "nobody there")
    }

    func say(_ state: Allowance.State, _ reason: String) {
        continuation.yield(
            HarvestDecision(
                Allowance(state: state, reason: reason, cpuCap: .cores(1), memoryCap: .gibibytes(1), slots: 1),
                isIdlePriority: true))
    }

    func decisions() -> AsyncStream<HarvestDecision> { stream }

    private let newest = Mutex(HarvestWork())
    var work: HarvestWork { newest.withLock { $0 } }
    func working(_ work: HarvestWork) { newest.withLock { $0 = work } }
}

extension Pool {
    fileprivate func attempts(_ job: JobID) async throws -> [AttemptBody] {
        let answer = try await ask("GET", "/v1/jobs/\(job)/attempts", by: "ada")
        return try Wire.decode(AttemptListBody.self, from: answer.body).attempts
    }

    fileprivate func submit(script: String) async throws -> JobID {
        let spec = JobSpec(
            name: "counting", steps: [StepSpec(action: .command(["/bin/sh", "-c", script]), elements: .single)])
        let body = SubmitBody(document: ManifestDocument(of: spec).canonical, fileTable: nil)
        let answer = try await ask("POST", "/v1/jobs", by: "ada", body: Wire.encode(body))
        try #require(answer.status == 201, "\(String(decoding: answer.body, as: UTF8.self))")
        return try Wire.decode(JobBody.self, from: answer.body).id
    }
}
