import FogAPI
import FogCore
import FogJobs
import FogNet
import FogWorker
import Foundation
import Logging
import Synchronization
import Testing

@testable import FogHTTP

/// Programs of other versions before a real coordinator: the one before is served, others are told what to run.
@Suite("Version skew", .timeLimit(.minutes(10)))
struct VersionSkewTests {
    @Test("every route below /v1 refuses the version before the last and the one to come, and serves the others")
    func routes() async throws {
        try await Pool.with { pool in
            let things = try await Things.make(in: pool)
            let cases = try RouteTable.cases(things)
            for version in [ProtocolVersion.oldest - 1, ProtocolVersion.current + 1] {
                for item in cases {
                    let answer = try await pool.ask(
                        item.method, item.target, by: "admin", headers: ["fog-protocol": String(version)],
                        body: item.body)
                    let problem = expectRefusal(answer, [426], code: "upgrade_required", "\(version) at \(item.route)")
                    #expect(problem?.detail.hasSuffix(": " + Routes.upgradeCommand) == true)
                    #expect(answer.headers["upgrade"] == "fog/\(ProtocolVersion.current)")
                }
                let join = CarrierRequest(
                    method: "POST", target: "/v1/join", headers: ["fog-protocol": String(version)])
                expectRefusal(try await pool.send(join), [426], code: "upgrade_required", "a newcomer")
                let info = CarrierRequest(method: "GET", target: "/v1/info", headers: ["fog-protocol": String(version)])
                #expect(try await pool.send(info).status == 200)
            }
            for headers in [[:], ["fog-protocol": "1"], ["fog-protocol": "2"]] as [CarrierHeaders] {
                #expect(try await pool.ask("GET", "/v1/me", by: "ada", headers: headers).status == 200)
            }
        }
    }

    @Test("the version is signed: one that was changed on the way is refused")
    func signed() async throws {
        try await Pool.with { pool in
            var request = try pool.signed("GET", "/v1/me", by: "ada", headers: ["fog-protocol": "2"])
            request.headers["fog-protocol"] = "1"
            expectRefusal(try await pool.send(request), [401], code: "bad_signature", "2 as 1")
            request.headers["fog-protocol"] = nil
            expectRefusal(try await pool.send(request), [401], code: "signature_coverage", "2 as none")
            var bare = try pool.signed("GET", "/v1/me", by: "ada")
            bare.headers["fog-protocol"] = "2"
            expectRefusal(try await pool.send(bare), [401], code: "signature_coverage", "none as 2")
        }
    }

    @Test("a worker of the version before gets its leases as it knows them")
    func formerWorker() async throws {
        try await Pool.with { pool in
            let hello = RouteTable.hello(.open)
            #expect(try await pool.ask("POST", "/v1/worker/hello", by: "worker", body: hello).status == 200)
            let job = try await pool.submit()
            let wanted = PollRequest(allowance: RouteTable.allowance(.open), want: 1, wait: .seconds(10))
            let polled = try await pool.ask(
                "POST", "/v1/worker/poll", by: "worker", headers: ["fog-protocol": "1"], body: Wire.encode(wanted))
            #expect(try Wire.decode(PollAnswer.self, from: polled.body).leases.map(\.attempt.task.job) == [job])
        }
    }

    // MARK: - A worker that has become too old

    static let launcher = ProcessInfo.processInfo.environment["FOG_SANDBOX"]

    static func configuration(_ folder: String) throws -> WorkerConfiguration {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        var configuration = WorkerConfiguration(
            stateDirectory: folder, name: "n1", launcherPath: try #require(launcher),
            profilesDirectory: "/\(root)/sandbox-profiles")
        configuration.slots = 1
        configuration.pollWait = .seconds(2)
        configuration.drainGrace = .seconds(5)
        configuration.allowUnsafe = true
        return configuration
    }

    private static func spooled(_ folder: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder + "/spool")) ?? []
        return names.filter { FileManager.default.fileExists(atPath: "\(folder)/spool/\($0)/report") }
    }

    @Test(
        "it says so and ends, and what it could not deliver is delivered by its successor",
        .enabled(if: launcher != nil, "FOG_SANDBOX names the launcher"))
    func outdatedWorker() async throws {
        try await Pool.with { pool in
            try await TemporaryFolder.with { folder in
                let job = try await pool.submit()
                let lines = LogLines()
                let logger = Logger(label: "worker") { _ in lines }
                try await withCarrier(pool.port) { carrier in
                    let client = FogClient(
                        carrier: Aging(carrier), key: try pool.person("worker").key, coordinator: pool.key.publicKey)
                    let agent = try WorkerAgent(
                        try Self.configuration(folder), client: client, programs: [:], logger: logger)
                    let problem = await #expect(throws: Problem.self) { try await agent.run() }
                    #expect(problem?.code == "upgrade_required")
                    #expect(problem?.detail.contains(Routes.upgradeCommand) == true)
                }
                #expect(lines.all.contains { $0.contains("does not take this version") && $0.contains("too old") })
                #expect(Self.spooled(folder).count == 1)
                let before = try await pool.attempts(of: job)
                #expect(before.map(\.outcome) == [nil], "the result has not come yet")

                try await withCarrier(pool.port) { carrier in
                    let client = FogClient(
                        carrier: carrier, key: try pool.person("worker").key, coordinator: pool.key.publicKey)
                    let agent = try WorkerAgent(
                        try Self.configuration(folder), client: client, programs: [:], logger: logger)
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        group.addTask { try await agent.run() }
                        while await agent.status.delivered == 0 { try await Task.sleep(for: .milliseconds(5)) }
                        group.cancelAll()
                        try? await group.waitForAll()
                    }
                }
                #expect(Self.spooled(folder).isEmpty)
                #expect(try await pool.attempts(of: job).first?.outcome == .success)
            }
        }
    }
}

extension Pool {
    fileprivate func attempts(of job: JobID) async throws -> [AttemptBody] {
        let answer = try await ask("GET", "/v1/jobs/\(job)/attempts", by: "ada")
        return try Wire.decode(AttemptListBody.self, from: answer.body).attempts
    }
}

/// A program that is current until its first result, and of a version before all others from then on: what it says is
/// what such a program would say, and the answers are the coordinator's own.
private final class Aging: Carrier {
    private let carrier: any Carrier
    private let isOld = Mutex(false)

    init(_ carrier: any Carrier) { self.carrier = carrier }

    func send(_ request: CarrierRequest, deadline: TimeSpan) async throws(CarrierFailure) -> CarrierResponse {
        var request = request
        if request.path == "/v1/worker/complete" { isOld.withLock { $0 = true } }
        if isOld.withLock({ $0 }) { request.headers["fog-protocol"] = "0" }
        return try await carrier.send(request, deadline: deadline)
    }
}

/// What was logged, a line a message.
final class LogLines: LogHandler, Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .info }
        set {}
    }
    subscript(metadataKey _: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) {
        lines.withLock { $0.append("\(event.level) \(event.message) \(event.metadata ?? [:])") }
    }
}
