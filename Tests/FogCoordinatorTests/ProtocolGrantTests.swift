import FogCore
import FogJobs
import FogPlacement
import FogStore
import Testing

@testable import FogCoordinator

@Suite("Leases with newer keys go to workers that know them")
struct ProtocolGrantTests {
    private static let image = Digest.blake2b(Array("an archive".utf8))

    enum Key: CaseIterable, Sendable { case image, secrets, both }

    private static func with(_ key: Key, _ spec: inout JobSpec) {
        if key != .image { spec.steps[0].secrets = [SecretUse(name: "token")] }
        if key != .secrets { spec.steps[0].image = .source("blob:\(image)") }
    }

    @Test(
        "A worker of protocol 1 gets no such task, the job says why, and the upgraded one gets it",
        arguments: Key.allCases)
    func upgrade(_ key: Key) throws {
        var bench = try Bench()
        let node = try bench.addNode("old")
        try bench.hello("old", speaking: 1)
        let id = try bench.submit("newer") { Self.with(key, &$0) }
        #expect(bench.poll(node).isEmpty)
        let job = try #require(bench.core.jobs[id])
        let record = try bench.core.nodeRecord(#require(bench.core.nodes[node]), at: bench.now)
        let failed = Feasibility.failures(
            of: bench.core.shape(of: job, step: 0, at: bench.now), on: record, now: bench.now.wall)
        let what =
            switch key {
            case .image: "images"
            case .secrets: "secrets"
            case .both: "images and secrets"
            }
        let words = failed.filter { $0.clause == .requires }.map(\.text)
        #expect(words == ["node old speaks protocol 1, wanted protocol 2 for \(what)"])
        _ = try bench.submit("plain")
        #expect(bench.poll(node).map(\.jobName) == ["plain"])

        try bench.hello("old", holding: Array(#require(bench.core.nodes[node]).leases), speaking: 2)
        #expect(bench.poll(node).map(\.jobName) == ["newer"])
    }

    @Test("The grant asks again: a plan for a worker that has become older grants nothing")
    func late() throws {
        var bench = try Bench()
        let node = try bench.addNode("box")
        _ = try bench.submit("newer") { Self.with(.both, &$0) }
        bench.core.hear(node, allowance: Bench.open(), at: bench.now)
        bench.core.nodes[node]?.want = 4
        bench.core.placementWanted = true
        #expect(bench.core.place(at: bench.now, clock: bench.clock) == [node])
        bench.core.nodes[node]?.row.report.protocolVersion = 1
        #expect(bench.core.grant(to: node, at: bench.now).isEmpty)
        bench.commit()
    }
}
