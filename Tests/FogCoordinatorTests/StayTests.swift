import FogCore
import FogJobs
import FogPlacement
import Testing

@testable import FogCoordinator

@Suite("How long machines stay, in the loop")
struct StayTests {
    /// Lent for half an hour at a time, eight times, then lent again.
    private static func comeAndGo(_ bench: inout Bench, _ node: NodeID) {
        let gone = Allowance(state: .evicting, reason: "keyboard used", cpuCap: .zero, memoryCap: .zero, slots: 0)
        for _ in 0..<8 {
            for _ in 0..<30 {
                bench.pass(.minutes(1))
                bench.core.hear(node, allowance: Bench.open(), at: bench.now)
            }
            bench.core.hear(node, allowance: gone, at: bench.now)
            bench.pass(.minutes(1))
            bench.core.hear(node, allowance: Bench.open(), at: bench.now)
        }
        bench.pass(.minutes(1))
        bench.core.hear(node, allowance: Bench.open(), at: bench.now)
        bench.commit()
    }

    @Test("work that must not be cut short goes where it probably ends; other work goes anyhow")
    func classes() throws {
        var bench = try Bench()
        let node = try bench.addNode("n1")
        #expect(bench.core.nodeRecord(try #require(bench.core.nodes[node]), at: bench.now).availability == nil)
        Self.comeAndGo(&bench, node)
        let record = bench.core.nodeRecord(try #require(bench.core.nodes[node]), at: bench.now)
        let stay = try #require(record.availability)
        #expect(stay > .minutes(10) && stay < .minutes(60), "\(stay)")
        func submit(_ sla: SLAClass, _ time: TimeSpan) throws -> JobID {
            try bench.submit("\(sla)-\(time)") { spec in
                spec.sla = sla
                spec.steps[0].resources.time = time
            }
        }
        let long = try submit(.a, .hours(2))
        #expect(bench.poll(node).isEmpty)
        let job = try #require(bench.core.jobs[long])
        let failed = Feasibility.failures(
            of: bench.core.shape(of: job, step: 0, at: bench.now), on: record, now: bench.now.wall)
        #expect(failed.contains { $0.clause == .availability })
        let short = try submit(.a, .minutes(5)), loose = try submit(.b, .hours(2))
        #expect(Set(bench.poll(node).map(\.attempt.task.job)) == [short, loose])
    }

    @Test("what was learned outlives a restart; a machine that falls silent has left when it was last heard")
    func kept() async throws {
        var bench = try Bench()
        let node = try bench.addNode("n1")
        Self.comeAndGo(&bench, node)
        // It reaches the disk when the machine is taken away.
        bench.core.hear(
            node, allowance: Allowance(state: .closed, reason: "night", cpuCap: .zero, memoryCap: .zero, slots: 0),
            at: bench.now)
        bench.commit()
        let before = try #require(bench.core.nodes[node]?.row.stays)
        #expect(before.expected(from: bench.now.wall) != nil)
        try await bench.restart()
        #expect(bench.core.nodes[node]?.row.stays == before)
        try bench.hello("n1")
        bench.core.hear(node, allowance: Bench.open(), at: bench.now)
        let heard = bench.now.wall
        bench.live(.minutes(10))
        #expect(bench.core.nodes[node]?.liveness == .lost)
        var wanted = before
        wanted.leave(at: heard)
        #expect(bench.core.nodes[node]?.row.stays == wanted)
    }
}
