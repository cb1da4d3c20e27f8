import FogCore
import FogJobs
import FogStore
import Testing

@testable import FogCoordinator

@Suite("Machines that the operator trusts")
struct TrustTests {
    @Test("A trusted machine is told secrets until it is distrusted, across a restart")
    func secrets() async throws {
        var bench = try Bench()
        let (box, _) = try bench.addStranger("box")
        _ = try bench.submit("secret", count: 3) { $0.steps[0].secrets = [SecretUse(name: "token")] }
        #expect(bench.poll(box, want: 1).isEmpty)
        try bench.core.trust(true, box, by: bench.client, at: bench.now)
        bench.commit()
        #expect(bench.poll(box, want: 1).count == 1)
        try await bench.restart()
        #expect(bench.core.nodes[box]?.row.trusted == true)
        try bench.core.trust(false, box, by: bench.client, at: bench.now)
        bench.commit()
        try bench.hello("box")
        #expect(bench.poll(box, want: 1).isEmpty)
        #expect(try await bench.store.nodes().map(\.trusted) == [false])
    }

    @Test("A job that is held for want of owners runs alone on a machine that becomes trusted")
    func replication() async throws {
        var bench = try Bench()
        let (box, _) = try bench.addStranger("box")
        let id = try bench.submit("copies") { $0.steps[0].verify = .owners(3) }
        #expect(bench.poll(box).isEmpty)
        #expect(bench.core.jobs[id]?.record.progress.held == "needs_more_owners: has 1, needs 3")
        try bench.core.trust(true, box, by: bench.client, at: bench.now)
        let lease = try #require(bench.poll(box).first)
        #expect(bench.finish(lease, on: box)?.verdict == .accepted)
        #expect(try await bench.job(id).progress.counts[.succeeded] == 1)
    }

    @Test("Only an operator trusts: a machine's owner asks in vain, as for a machine that never was")
    func owner() throws {
        var bench = try Bench()
        let key = SigningKey.generate()
        let owner = try bench.core.enrol(
            key: key.publicKey, name: "eve", roles: [.client, .worker], account: nil, at: bench.now)
        let own = try bench.addNode("own", owner: owner.account)
        for node in [own, NodeID(at: bench.now.wall, using: &bench.core.generator)] {
            let failure = #expect(throws: CoordinatorFailure.self) {
                try bench.core.trust(true, node, by: owner, at: bench.now)
            }
            #expect(failure?.code == "not_found")
        }
        #expect(bench.core.nodes[own]?.row.trusted == false)
        bench.core.nodes[own]?.row.standing = .revoked
        let failure = #expect(throws: CoordinatorFailure.self) {
            try bench.core.trust(true, own, by: bench.client, at: bench.now)
        }
        #expect(failure?.code == "conflict")
    }

    @Test("Said twice it is said once: one event a change")
    func events() async throws {
        var bench = try Bench()
        let (box, _) = try bench.addStranger("box")
        for isTrusted in [true, true, false, false] {
            try bench.core.trust(isTrusted, box, by: bench.client, at: bench.now)
            bench.commit()
        }
        let kinds = try await bench.store.events(after: 0, job: nil, limit: 100).map(\.kind)
        #expect(kinds.filter { $0.hasSuffix("trusted") } == ["node_trusted", "node_distrusted"])
    }
}
