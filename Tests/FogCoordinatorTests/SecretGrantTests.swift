import FogCore
import FogJobs
import FogPlacement
import FogStore
import Testing

@testable import FogCoordinator

@Suite("Secrets go to trusted owners only")
struct SecretGrantTests {
    private static func withSecret(_ spec: inout JobSpec) { spec.steps[0].secrets = [SecretUse(name: "token")] }

    @Test("A stranger's machine gets no task with secrets, and the job says why; without them it does")
    func strangers() throws {
        var bench = try Bench()
        let (node, _) = try bench.addStranger("box")
        let id = try bench.submit("secret") { Self.withSecret(&$0) }
        #expect(bench.poll(node).isEmpty)
        let job = try #require(bench.core.jobs[id])
        let nodes = bench.core.nodes.values.map { bench.core.nodeRecord($0, at: bench.now) }
        let shape = bench.core.shape(of: job, step: 0, at: bench.now)
        let failed = Feasibility.failures(of: shape, on: try #require(nodes.first), now: bench.now.wall)
        #expect(failed.map(\.clause).contains(.trustedOwner))
        _ = try bench.submit("plain")
        #expect(bench.poll(node).map(\.jobName) == ["plain"])
    }

    @Test("The submitter's own machine and a trusted one get it, with the name and not the value")
    func trusted() throws {
        var bench = try Bench()
        let own = try bench.addNode("own")
        let (box, _) = try bench.addStranger("box")
        bench.core.nodes[box]?.row.trusted = true
        _ = try bench.submit("secret", count: 8) { Self.withSecret(&$0) }
        for node in [own, box] {
            let leases = bench.poll(node, want: 2)
            #expect(leases.count == 2)
            #expect(leases.allSatisfy { $0.secrets == [LeaseSecret(use: SecretUse(name: "token"))] })
        }
    }

    @Test("A plan made before the operator took his trust back grants nothing")
    func late() throws {
        var bench = try Bench()
        let (box, _) = try bench.addStranger("box")
        bench.core.nodes[box]?.row.trusted = true
        _ = try bench.submit("secret") { Self.withSecret(&$0) }
        bench.core.hear(box, allowance: Bench.open(), at: bench.now)
        bench.core.nodes[box]?.want = 4
        bench.core.placementWanted = true
        #expect(bench.core.place(at: bench.now, clock: bench.clock) == [box])
        bench.core.nodes[box]?.row.trusted = false
        #expect(bench.core.grant(to: box, at: bench.now).isEmpty)
        bench.commit()
    }
}
