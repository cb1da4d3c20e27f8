import FogCore
import FogJobs
import FogStore
import Testing

@testable import FogCoordinator

@Suite("Fencing after a restored backup")
struct FencingTests {
    @Test("without a floor tokens count from 1; above one they never run ahead of the clock")
    func tokens() {
        let now = Timestamp(seconds: 1_800_000_000)
        let second = Fencing.second(of: now)
        #expect(Fencing.token(after: 0, floor: 0, at: now) == 1)
        #expect(Fencing.token(after: 7, floor: 0, at: .zero) == 8)
        #expect(Fencing.token(after: 3, floor: second - 5, at: now) == second - 4)
        #expect(Fencing.token(after: second - 2, floor: second - 5, at: now) == second - 1)
        #expect(Fencing.token(after: second, floor: second - 5, at: now) == nil)
        #expect(Fencing.token(after: 0, floor: second, at: now) == nil, "the second of the restoring is over first")
        #expect(Fencing.token(after: 0, floor: second, at: now + .seconds(1)) == second + 1)
    }

    @Test("one backup restored twice: no token of one life is ever granted in the other")
    func twice() {
        let restored = Timestamp(seconds: 1_800_000_000)
        for gap in 1...20 as ClosedRange<Int64> {
            var first: Set<UInt32> = []
            var last: UInt32 = 4
            // As fast as it goes, until the second restoring.
            for millisecond in stride(from: Int64(0), to: gap * 1000, by: 10) {
                let now = restored + .milliseconds(millisecond)
                guard let token = Fencing.token(after: last, floor: Fencing.second(of: restored), at: now) else {
                    continue
                }
                first.insert(token)
                last = token
            }
            let again = restored + .seconds(gap)
            let next = Fencing.token(after: 4, floor: Fencing.second(of: again), at: again + .seconds(1))
            #expect(first.count == gap - 1)
            #expect(next.map { first.contains($0) } == false)
        }
    }

    @Test("a lease that was granted after the backup is stale, its result refused, and the task ends once")
    func lostHistory() async throws {
        var bench = try Bench()
        let node = try bench.addNode("n1")
        let job = try bench.submit()
        bench.commit()
        let backup = bench.store.snapshot()
        // The history that will be lost: a lease, which the worker keeps.
        let lost = try #require(bench.poll(node).first)
        #expect(lost.attempt.token == 1)

        let store = MemoryStore(snapshot: backup)
        try await Fencing.raise(in: store, madeAt: bench.now.wall, now: bench.now.wall)
        var core = CoordinatorCore(
            recovering: try await Bench.state(of: store), rules: bench.core.rules, key: bench.core.key, seed: 2,
            at: bench.now)
        let later = Moment(wall: bench.now.wall + .seconds(1), boot: bench.now.boot + .seconds(1))
        let report = NodeReport(
            name: "n1", architecture: "x86_64", cpu: .cores(4), memory: .gibibytes(8), disk: .gibibytes(100))
        let terms = try core.hello(
            WorkerHello(
                report: report, allowance: Bench.open(), incarnation: "n1", holding: [lost.attempt]),
            from: bench.key(of: node).publicKey.id, at: later)
        #expect(terms.stale == [lost.attempt])
        core.nodes[node]?.want = 4
        _ = core.place(at: later, clock: bench.clock)
        let lease = try #require(core.grant(to: node, at: later).first)
        #expect(lease.attempt.task == TaskID(job: job, number: 0))
        #expect(lease.attempt.token == Fencing.second(of: bench.now.wall) + 1)
        let answer = core.heartbeat(
            Heartbeat(
                allowance: Bench.open(),
                attempts: [
                    .init(attempt: lost.attempt, state: .running), .init(attempt: lease.attempt, state: .running),
                ]),
            from: bench.key(of: node).publicKey.id, at: later)
        #expect(answer.stale == [lost.attempt])
        // What was decided after the restoring applies to the restored store.
        let taken = core.takeChange()
        let change = try #require(taken)
        #expect(try await store.commit([change]) == [.applied])
    }

    @Test("a clock behind the backup, or a second restoring within a second, is refused")
    func clock() async throws {
        let store = MemoryStore()
        let made = Timestamp(seconds: 1_800_000_000)
        await #expect(throws: CoordinatorFailure.self) {
            try await Fencing.raise(in: store, madeAt: made, now: made - .seconds(1))
        }
        try await Fencing.raise(in: store, madeAt: made, now: made)
        let failure = await #expect(throws: CoordinatorFailure.self) {
            try await Fencing.raise(in: store, madeAt: made, now: made)
        }
        #expect(failure?.code == "clock_behind")
        #expect(try await store.lastEventSequence() == 1_000_000_000)
    }
}
