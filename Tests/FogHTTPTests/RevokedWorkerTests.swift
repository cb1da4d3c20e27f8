import FogAPI
import FogCore
import FogNet
import FogWorker
import Foundation
import Logging
import Testing

@testable import FogHTTP

/// A worker whose key is taken from it while it runs.
@Suite("A worker's key", .timeLimit(.minutes(10)))
struct RevokedWorkerTests {
    @Test(
        "a worker whose key was revoked says so and ends; one that is suspended waits",
        .enabled(if: VersionSkewTests.launcher != nil, "FOG_SANDBOX names the launcher"))
    func revoked() async throws {
        try await Pool.with { pool in
            try await TemporaryFolder.with { folder in
                let lines = LogLines()
                let logger = Logger(label: "worker") { _ in lines }
                try await withCarrier(pool.port) { carrier in
                    let client = FogClient(
                        carrier: carrier, key: try pool.person("worker").key, coordinator: pool.key.publicKey)
                    let agent = try WorkerAgent(
                        try VersionSkewTests.configuration(folder), client: client, programs: [:], logger: logger)
                    async let end = #expect(throws: Problem.self) { try await agent.run() }
                    func said(_ words: String) async throws {
                        while !lines.all.contains(where: { $0.contains(words) }) {
                            try await Task.sleep(for: .milliseconds(5))
                        }
                    }
                    try await said("took the worker on")
                    let reason = try Wire.encode(ReasonBody(reason: "a test"))
                    let suspended = try await pool.ask(
                        "POST", "/v1/identities/worker/suspend", by: "admin", body: reason)
                    #expect(suspended.status == 200)
                    try await said("(key_suspended)")
                    let revoked = try await pool.ask(
                        "POST", "/v1/identities/worker/revoke", by: "admin", body: reason)
                    #expect(revoked.status == 200)
                    let problem = await end
                    #expect(problem?.code == "key_revoked")
                }
                #expect(lines.all.contains { $0.contains("does not take this worker's key") })
            }
        }
    }
}
