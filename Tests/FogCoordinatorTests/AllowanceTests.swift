import FogCore
import FogJobs
import FogPlacement
import FogStore
import Testing

@testable import FogCoordinator

@Suite("What the history says of a node's owner")
struct AllowanceTests {
    @Test("Each change is noted with its reason; one that comes and goes all the time, once in a while")
    func notes() async throws {
        var bench = try Bench()
        let node = try bench.addNode("n1")
        bench.commit()
        func frozen(_ reason: String) -> Allowance {
            Allowance(state: .frozen, reason: reason, cpuCap: .cores(4), memoryCap: .gibibytes(8), slots: 4)
        }
        bench.pass(.seconds(11))
        bench.core.hear(node, allowance: frozen("keyboard used 0s ago"), at: bench.now)
        #expect(bench.core.nodes[node]?.whyClosed(at: bench.now.wall) == "frozen: keyboard used 0s ago")
        let first = bench.core.change.events.filter { $0.kind == "node_allowance" }
        #expect(first.map(\.node) == [node])
        #expect(first.first?.detail == ["state": "frozen", "reason": "keyboard used 0s ago"])
        // Other words in the same state, and a flood of changes.
        bench.core.hear(node, allowance: frozen("keyboard used 9s ago"), at: bench.now)
        for number in 0..<100 {
            bench.core.hear(node, allowance: number % 2 == 0 ? Bench.open() : frozen("x"), at: bench.now)
        }
        #expect(bench.core.change.events.filter { $0.kind == "node_allowance" }.count == 1)
        // What it came to is noted when the pace allows, without another change.
        bench.core.hear(node, allowance: Bench.open(), at: bench.now)
        bench.pass(.seconds(11))
        bench.core.hear(node, allowance: Bench.open(), at: bench.now)
        let all = bench.core.change.events.filter { $0.kind == "node_allowance" }
        #expect(all.last?.detail["state"] == "open")
        #expect(bench.core.nodes[node]?.whyClosed(at: bench.now.wall) == nil)
    }
    @Test(
        "A machine gets no work of accounts that its owner does not take, by a plan that is older than his word either")
    func submitters() throws {
        var bench = try Bench()
        let node = try bench.addNode("n1")
        let id = try bench.submit()
        let job = try #require(bench.core.jobs[id])
        let name = try #require(bench.core.shape(of: job, step: 0, at: bench.now).submitter)
        func taking(_ rule: SubmitterRule) -> Allowance {
            var allowance = Bench.open()
            allowance.submitters = rule
            return allowance
        }
        bench.core.nodes[node]?.allowance = taking(SubmitterRule(deny: [name]))
        #expect(bench.poll(node).isEmpty)
        bench.core.nodes[node]?.allowance = taking(SubmitterRule(allow: ["somebody"]))
        #expect(bench.poll(node).isEmpty)
        let shape = bench.core.shape(of: try #require(bench.core.jobs[id]), step: 0, at: bench.now)
        let record = bench.core.nodeRecord(try #require(bench.core.nodes[node]), at: bench.now)
        let failed = Feasibility.failures(of: shape, on: record, now: bench.now.wall)
        #expect(failed.first { $0.clause == .submitter }?.text == "its owner does not take work of \(name)")
        // Planned while it was welcome.
        bench.core.hear(node, allowance: taking(SubmitterRule(allow: [name])), at: bench.now)
        bench.core.nodes[node]?.want = 4
        bench.core.placementWanted = true
        #expect(bench.core.place(at: bench.now, clock: bench.clock) == [node])
        bench.core.hear(node, allowance: taking(SubmitterRule(allow: [name], deny: [name])), at: bench.now)
        #expect(bench.core.grant(to: node, at: bench.now).isEmpty)
        bench.core.hear(node, allowance: Bench.open(), at: bench.now)
        #expect(bench.poll(node).count == 1)
    }
}
