import FogAPI
import FogCoordinator
import FogCore
import FogJobs
import FogLedger
import FogNet
import FogStore
import FogWorker
import Foundation
import Logging
import Synchronization
import Testing

@testable import FogHTTP

/// A machine whose lid is shut for an hour with work on it: a real worker on a clock that jumps, behind a cable that is
/// pulled meanwhile, before a coordinator that is awake all the time.
@Suite("A worker that was asleep", .timeLimit(.minutes(10)))
struct SuspendTests {
    private static let launcher = ProcessInfo.processInfo.environment["FOG_SANDBOX"]

    /// The system's clock, and what was added to it by hand.
    private final class JumpingClock: FogClock {
        private let added = Mutex(TimeSpan.zero)
        private let system = SystemClock()

        var now: Timestamp { system.now + added.withLock { $0 } }
        var sinceBoot: TimeSpan { system.sinceBoot + added.withLock { $0 } }
        func jump(_ span: TimeSpan) { added.withLock { $0 = $0 + span } }
    }

    private final class Cable: Carrier {
        private let carrier: any Carrier
        private let down = Mutex(false)

        init(_ carrier: any Carrier) { self.carrier = carrier }

        var isPulled: Bool {
            get { down.withLock { $0 } }
            set { down.withLock { $0 = newValue } }
        }

        func send(_ request: CarrierRequest, deadline: TimeSpan) async throws(CarrierFailure) -> CarrierResponse {
            if isPulled { throw CarrierFailure("unreachable", "the cable is pulled") }
            let answer = try await carrier.send(request, deadline: deadline)
            if isPulled { throw CarrierFailure("unreachable", "the cable was pulled before the answer came") }
            return answer
        }
    }

    private static func configuration(_ folder: String) throws -> WorkerConfiguration {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        var configuration = WorkerConfiguration(
            stateDirectory: folder, name: "n1", launcherPath: try #require(launcher),
            profilesDirectory: "/\(root)/sandbox-profiles")
        configuration.slots = 4
        configuration.pollWait = .milliseconds(500)
        configuration.logInterval = .milliseconds(50)
        configuration.retry = Backoff(delay: .milliseconds(20), maxDelay: .milliseconds(100))
        configuration.drainGrace = .seconds(5)
        configuration.allowUnsafe = true
        return configuration
    }

    /// A task that runs until its gate, a file, is opened.
    private static func document(_ name: String, gate: String, grace: TimeSpan, anywhere: Bool = false) throws
        -> [UInt8]
    {
        var step = StepSpec(
            action: .command(["/bin/sh", "-c", "while [ ! -e \(gate) ]; do sleep 0.02; done; echo \(name)"]),
            elements: .single)
        step.profile = "none"
        step.resources.cpu = Millicores(100)
        step.resources.memory = .mebibytes(64)
        if !anywhere { step.requires = [.node("n1")] }
        var spec = JobSpec(name: name, steps: [step])
        spec.disconnectGrace = grace
        return try Wire.encode(SubmitBody(document: ManifestDocument(of: spec).canonical, fileTable: nil))
    }

    @Test(
        "what it runs within its grace goes on, what it finished is delivered, what was given to another is superseded",
        .enabled(if: launcher != nil, "FOG_SANDBOX names the launcher"))
    func asleep() async throws {
        let clock = JumpingClock()
        try await Pool.with(rules: { $0.heartbeatEvery = .milliseconds(200) }, clock: clock) { pool in
            try await TemporaryFolder.with { folder in try await Self.night(pool, clock, folder) }
        }
    }

    private static func night(_ pool: Pool, _ clock: JumpingClock, _ folder: String) async throws {
        func open(_ gate: String) { _ = FileManager.default.createFile(atPath: "\(folder)/\(gate)", contents: nil) }
        func submit(_ name: String, grace: TimeSpan, anywhere: Bool = false) async throws -> JobID {
            let body = try document(name, gate: "\(folder)/\(name)", grace: grace, anywhere: anywhere)
            let answer = try await pool.ask("POST", "/v1/jobs", by: "ada", body: body)
            try #require(answer.status == 201, "\(String(decoding: answer.body, as: UTF8.self))")
            return try Wire.decode(JobBody.self, from: answer.body).id
        }
        let own = JumpingClock()
        var logger = Logger(label: "worker")
        logger.logLevel = .critical
        let silent = logger
        try await withCarrier(pool.port) { carrier in
            let cable = Cable(carrier)
            let client = FogClient(
                carrier: cable, key: try pool.person("worker").key, coordinator: pool.key.publicKey, clock: own)
            let agent = try WorkerAgent(
                try configuration("\(folder)/state"), client: client, programs: [:], logger: silent)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await agent.run() }
                group.addTask {
                    while !Task.isCancelled {
                        await pool.coordinator.tick(); try await Task.sleep(for: .milliseconds(20))
                    }
                }
                func until(_ condition: (WorkerStatus) -> Bool) async throws {
                    while !condition(await agent.status) { try await Task.sleep(for: .milliseconds(5)) }
                }
                let given = try await submit("given", grace: .minutes(10), anywhere: true)
                let long = try await submit("long", grace: .hours(2))
                let short = try await submit("short", grace: .minutes(10))
                let done = try await submit("done", grace: .minutes(10))
                try await until { $0.held.count == 4 && $0.held.allSatisfy { $0.state == .running } }

                // Two end when nobody can be told; then it falls asleep: no clock of its own goes on, nothing is said.
                cable.isPulled = true
                open("done")
                open("given")
                try await until { $0.undelivered == 2 && $0.held.count == 2 }
                func pass(_ span: TimeSpan) async {
                    for _ in 0..<span.milliseconds / 5000 {
                        clock.jump(.seconds(5))
                        await pool.coordinator.tick()
                    }
                }
                await pass(.minutes(3))
                #expect(try await pool.leases(1, named: "spare", by: "hal").map(\.attempt.task.job) == [given])
                await pass(.minutes(57))

                // It wakes, and its network comes later: what may not be alone for so long is given up by the boot clock.
                own.jump(.hours(1))
                try await until { $0.held.map(\.jobName) == ["long"] }
                cable.isPulled = false
                open("long")
                open("short")
                var ends: [JobID: [String]] = [:]
                for job in [long, short, done, given] {
                    while try await pool.job(job).state != .succeeded { try await Task.sleep(for: .milliseconds(20)) }
                    ends[job] = try await pool.attempts(of: job).sorted { $0.token < $1.token }
                        .map { $0.outcome?.rawValue ?? "none" }
                }
                #expect(ends[long] == ["success"])
                #expect(ends[short] == ["worker_lost", "success"])
                #expect(ends[done] == ["success"])
                #expect(ends[given] == ["worker_lost", "worker_lost", "success"])
                try await until { $0.undelivered == 0 }
                group.cancelAll()
                try? await group.waitForAll()
            }
        }
        let report = try await LedgerAuditor(store: pool.store, coordinator: pool.key.publicKey).run()
        #expect(report.ok, "\(report.json.compact)")
    }
}

extension Pool {
    /// A machine of that name says hello, and polls.
    fileprivate func leases(_ count: Int, named name: String, by worker: String) async throws -> [Lease] {
        let report = NodeReport(
            name: name, architecture: "x86_64", cpu: .cores(4), memory: .gibibytes(8), disk: .gibibytes(100),
            profiles: ["none"])
        let hello = WorkerHello(
            report: report, allowance: RouteTable.allowance(.open), incarnation: "first", holding: [])
        let answer = try await ask("POST", "/v1/worker/hello", by: worker, body: Wire.encode(hello))
        try #require(answer.status == 200, "\(String(decoding: answer.body, as: UTF8.self))")
        return try await poll(count, by: worker)
    }

    fileprivate func attempts(of job: JobID) async throws -> [AttemptBody] {
        let answer = try await ask("GET", "/v1/jobs/\(job)/attempts", by: "ada")
        return try Wire.decode(AttemptListBody.self, from: answer.body).attempts
    }
}
