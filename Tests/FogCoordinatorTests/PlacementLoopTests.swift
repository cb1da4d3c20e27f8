import FogCore
import FogJobs
import FogPlacement
import FogStore
import Testing

@testable import FogCoordinator

@Suite("Placement in the coordinator")
struct PlacementLoopTests {
    @Test("A decision is written with the first grant that follows from it, and at most once a second")
    func written() throws {
        var bench = try Bench()
        let node = try bench.addNode("n1")
        let id = try bench.submit(count: 20)
        bench.core.nodes[node]?.want = 1
        bench.core.placementWanted = true
        #expect(bench.core.place(at: bench.now, clock: bench.clock) == [node])
        #expect(bench.core.change.decisions.isEmpty)
        #expect(bench.core.grant(to: node, at: bench.now).count == 1)
        let stored = try #require(bench.core.change.decisions.first)
        #expect(bench.core.change.decisions.count == 1 && stored.job == id && stored.step == 0)
        let decision: PlacementDecision = try stored.value()
        #expect(decision.strategy == .nsga2 && decision.method == .spread && decision.placed == 1)
        #expect(decision.shares.map(\.name) == ["n1"] && decision.offers.map(\.name) == ["n1"])
        bench.commit()
        func decisionsOfNextPoll() -> Int {
            bench.core.nodes[node]?.want = 1
            bench.core.placementWanted = true
            _ = bench.core.place(at: bench.now, clock: bench.clock)
            #expect(bench.core.grant(to: node, at: bench.now).count == 1)
            let count = bench.core.change.decisions.count
            bench.commit()
            return count
        }
        #expect(decisionsOfNextPoll() == 0)
        bench.pass(.milliseconds(1001))
        #expect(decisionsOfNextPoll() == 1)
        #expect(!bench.core.decidedAt.isEmpty)
        _ = try bench.core.cancel(id, reason: "enough", by: bench.client, at: bench.now)
        bench.pass(.minutes(10))
        #expect(bench.core.jobs[id] != nil || bench.core.decidedAt.isEmpty)
    }

    @Test("A job's weights reach placement; else the operator's; else its service class")
    func weights() throws {
        var bench = try Bench()
        func wish(_ change: @escaping (inout JobSpec) -> Void) throws -> ObjectiveWeights? {
            let id = try bench.submit { change(&$0) }
            return bench.core.shape(of: try #require(bench.core.jobs[id]), step: 0, at: bench.now).weights
        }
        #expect(try wish { _ in } == nil)
        #expect(try wish { $0.placement.weights = [0, 0, 0, 0, 1] } == ObjectiveWeights(price: 1))
        bench.core.rules.placementWeights = ObjectiveWeights(trust: 1)
        #expect(try wish { _ in } == ObjectiveWeights(trust: 1))
        #expect(try wish { $0.placement.weights = [2, 0, 0, 0, 1] } == ObjectiveWeights(latency: 2, price: 1))
    }

    @Test("An answer that comes late is taken as far as it still holds")
    func late() throws {
        var bench = try Bench()
        let slow = try bench.addNode("slow"), quick = try bench.addNode("quick")
        let kept = try bench.submit("kept", count: 4), gone = try bench.submit("gone", count: 4)
        for node in [slow, quick] { bench.core.nodes[node]?.want = 4 }
        bench.core.placementWanted = true
        guard case .problem(let problem) = bench.core.placementQuestion(at: bench.now) else {
            Issue.record("there was nothing to place")
            return
        }
        let outcome = Placement.place(problem, clock: bench.clock)
        #expect(outcome.assignments.reduce(0) { $0 + $1.tasks.count } == 8)
        // Meanwhile one job is cancelled, and a task of the other is granted by another round.
        _ = try bench.core.cancel(gone, reason: "not needed", by: bench.client, at: bench.now)
        bench.commit()
        let before = bench.poll(quick, want: 1)
        #expect(before.map(\.attempt.task.job) == [kept])
        for node in [slow, quick] { bench.core.nodes[node]?.want = 4 }
        _ = bench.core.adopt(outcome, of: problem, at: bench.now)
        let after = [slow, quick].flatMap { bench.core.grant(to: $0, at: bench.now) }
        #expect(after.allSatisfy { $0.attempt.task.job == kept })
        let numbers = (before + after).map(\.attempt.task.number)
        #expect(Set(numbers) == [0, 1, 2, 3] && numbers.count == 4)
    }

    @Test("A lost machine's tasks alone are placed again")
    func lost() throws {
        var bench = try Bench()
        let first = try bench.addNode("n1"), second = try bench.addNode("n2", cores: 8, memory: .gibibytes(16))
        _ = try bench.submit(count: 6)
        let there = bench.poll(first, want: 3), here = bench.poll(second, want: 3)
        #expect(there.count == 3 && here.count == 3)
        for _ in 0..<12 {
            bench.pass(.seconds(10))
            bench.core.hear(second, allowance: Bench.open(8, .gibibytes(16)), at: bench.now)
            bench.core.tick(at: bench.now)
            bench.commit()
        }
        #expect(bench.core.nodes[first]?.liveness == .lost)
        let again = bench.poll(second, want: 10)
        #expect(Set(again.map(\.attempt.task.number)) == Set(there.map(\.attempt.task.number)))
    }
}
