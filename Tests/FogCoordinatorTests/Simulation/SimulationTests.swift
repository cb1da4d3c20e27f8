import FogCore
import Foundation
import Testing

@testable import FogCoordinator

@Suite("The whole system under bad luck")
struct SimulationTests {
    /// More seeds for a longer look: FOG_SEEDS=20000.
    private static let seeds = ProcessInfo.processInfo.environment["FOG_SEEDS"].flatMap { UInt64($0) } ?? 2000
    /// Begins elsewhere, to look at one seed: FOG_FIRST_SEED=101 FOG_SEEDS=102.
    private static let first = ProcessInfo.processInfo.environment["FOG_FIRST_SEED"].flatMap { UInt64($0) } ?? 0
    private static let shards: UInt64 = 8

    @Test("Nothing is lost, nothing is done or paid twice, whatever the network and crashes do", arguments: 0..<shards)
    func invariants(shard: UInt64) async throws {
        var seen: [String: Int] = [:]
        for seed in stride(from: Self.first + shard, to: Self.seeds, by: Int(Self.shards)) {
            let simulation = try Simulation(seed: seed)
            try await simulation.run()
            try #require(
                simulation.world.violations.isEmpty,
                "seed \(seed): \(simulation.world.violations.joined(separator: "\n"))")
            seen.merge(simulation.world.seen, uniquingKeysWith: +)
        }
        guard Self.seeds - Self.first >= 1000 else { return }
        for what in [
            "granted again", "late payment", "result held", "evidence", "rejected_by_quorum", "coordinator crash",
            "crash while committing", "worker crash", "success",
            "exit_nonzero",
            "worker_lost", "lease_expired", "evicted_user", "cancelled", "verdict accepted", "verdict exists",
            "verdict stale_lease",
        ] {
            #expect(seen[what] != nil, "\(what) never happened: \(seen)")
        }
    }

    @Test(
        "The simulation sees a coordinator that answers before its commit, and one whose disk forgets",
        arguments: [SimulatedCoordinator.Sabotage.answersBeforeCommit, .losesCommits])
    func sabotage(_ sabotage: SimulatedCoordinator.Sabotage) async throws {
        var seen = false
        for seed in UInt64(0)..<200 where !seen {
            let simulation = try Simulation(seed: seed, sabotage: sabotage)
            try await simulation.run()
            seen = !simulation.world.violations.isEmpty
        }
        #expect(seen)
    }
}
