import FogCore
import FogJobs
import FogLedger
import FogStore
import Testing

@testable import FogCoordinator

@Suite("Results that others must bear out", .timeLimit(.minutes(10)))
struct VerificationTests {
    private static func output(_ number: UInt8) -> [OutputFile] {
        [OutputFile(name: "out", size: 1, executable: false, digest: .blake2b([number]))]
    }

    private func attempts(of id: JobID, in bench: Bench) async throws -> [AttemptRecord] {
        try await bench.store.attempts(of: id, task: nil, after: nil, limit: 100)
    }

    private func verified(by owners: Int, in bench: inout Bench) throws -> JobID {
        try bench.submit { $0.steps[0].verify = .owners(owners) }
    }

    @Test("Equal results of two owners count, and both are paid, each for its own use; no owner is asked twice")
    func agreement() async throws {
        var bench = try Bench()
        let (near, bob) = try bench.addStranger("near"), (far, _) = try bench.addStranger("far")
        let second = try bench.addNode("near too", owner: bob)
        let id = try verified(by: 2, in: &bench)
        let first = try #require(bench.poll(near).first)
        bench.pass(.minutes(1))
        #expect(bench.finish(first, on: near, cpu: .minutes(1), outputs: Self.output(1))?.verdict == .accepted)
        #expect(try await bench.job(id).state != .succeeded)
        #expect(bench.poll(near).isEmpty && bench.poll(second).isEmpty)
        let other = try #require(bench.poll(far).first)
        bench.pass(.minutes(2))
        bench.finish(other, on: far, cpu: .minutes(2), outputs: Self.output(1))
        #expect(try await bench.job(id).state == .succeeded)
        let ended = try await attempts(of: id, in: bench)
        #expect(ended.map(\.outcome) == [.success, .success])
        #expect(ended[0].paid > .zero && ended[1].paid.micro >= 2 * ended[0].paid.micro - 1)
        #expect(try await bench.store.task(first.attempt.task)?.winner == 1)
        let report = try await bench.audit()
        #expect(report.ok, "\(report.failed)")
    }

    @Test("Before the verdict nobody sees a result, and a copy's lease looks like a second try")
    func secrecy() async throws {
        var bench = try Bench()
        let near = try bench.addStranger("near").node, far = try bench.addStranger("far").node
        let plain = try bench.submit("plain") { $0.steps[0].verify = .none }
        let tried = try #require(bench.poll(near, want: 1).first)
        bench.finish(tried, on: near, outcome: .stageInFailed, exitCode: nil)
        let retry = try #require(bench.poll(far, want: 1).first)
        bench.finish(retry, on: far)
        #expect(try await bench.job(plain).state == .succeeded)

        let id = try verified(by: 2, in: &bench)
        let first = try #require(bench.poll(near, want: 1).first)
        #expect(first.attempt.token == tried.attempt.token && Self.shape(first) == Self.shape(tried))
        bench.finish(first, on: near, outputs: Self.output(1))
        let held = try await attempts(of: id, in: bench)
        #expect(held.map(\.isOpen) == [true])
        #expect(held[0].outputs.isEmpty && held[0].receipt == nil && held[0].paid == .zero)
        let copy = try #require(bench.poll(far, want: 1).first)
        #expect(copy.attempt.token == retry.attempt.token && Self.shape(copy) == Self.shape(retry))
    }

    /// All of a lease but ids and times.
    private static func shape(_ lease: Lease) -> String {
        var lease = lease
        lease.attempt = AttemptID(
            task: TaskID(job: JobID(high: 0, low: 0), number: 0), token: lease.attempt.token)
        lease.jobName = ""
        lease.expiresAt = .zero
        return "\(lease)"
    }

    @Test("A lie is outvoted, unpaid and held against its machine")
    func lie() async throws {
        var bench = try Bench()
        let nodes = try ["liar", "near", "far"].map { try bench.addStranger($0).node }
        let id = try verified(by: 2, in: &bench)
        for (node, number) in zip(nodes, [9, 1, 1] as [UInt8]) {
            let lease = try #require(bench.poll(node).first)
            bench.pass(.seconds(10))
            bench.finish(lease, on: node, cpu: .seconds(10), outputs: Self.output(number))
        }
        let ended = try await attempts(of: id, in: bench)
        #expect(ended.map(\.outcome) == [.rejectedByQuorum, .success, .success])
        #expect(ended.map { $0.paid > .zero } == [false, true, true])
        #expect(ended[0].outputs.isEmpty)
        #expect(try await bench.store.task(ended[0].id.task)?.winner == 2)
        #expect(bench.core.nodes[nodes[0]]?.row.recentFaults.count == 1)
        #expect(try await bench.audit().ok)
    }

    @Test("Five owners that never agree are for a person; released, the task begins anew")
    func review() async throws {
        var bench = try Bench()
        let nodes = try (1...5).map { try bench.addStranger("n\($0)").node }
        let id = try verified(by: 2, in: &bench)
        for (number, node) in nodes.enumerated() {
            let lease = try #require(bench.poll(node).first)
            bench.finish(lease, on: node, outputs: Self.output(UInt8(number)))
        }
        let task = try #require(try await bench.store.tasks(of: id, after: nil, states: nil, limit: 1).first)
        #expect(task.heldReason?.hasPrefix("needs_review: 5 owners gave 5") == true)
        _ = try bench.core.release(id, by: bench.client, at: bench.now)
        bench.commit()
        #expect(try await attempts(of: id, in: bench).allSatisfy { $0.outcome == .superseded && $0.paid == .zero })
        for node in nodes[0...1] {
            let lease = try #require(bench.poll(node).first)
            bench.finish(lease, on: node, outputs: Self.output(7))
        }
        #expect(try await bench.job(id).state == .succeeded)
        #expect(try await bench.audit().ok)
    }

    @Test("The submitter's own machine counts by itself, and judges what was held", arguments: [1, 2] as [UInt8])
    func ownMachine(answer: UInt8) async throws {
        var bench = try Bench()
        let near = try bench.addStranger("near").node, own = try bench.addNode("own")
        let id = try verified(by: 3, in: &bench)
        let first = try #require(bench.poll(near).first)
        bench.pass(.seconds(5))
        bench.finish(first, on: near, cpu: .seconds(5), outputs: Self.output(1))
        let second = try #require(bench.poll(own).first)
        bench.finish(second, on: own, outputs: Self.output(answer))
        #expect(try await bench.job(id).state == .succeeded)
        let ended = try await attempts(of: id, in: bench)
        #expect(ended.map(\.outcome) == [answer == 1 ? .success : .rejectedByQuorum, .success])
        #expect((ended[0].paid > .zero) == (answer == 1))
        #expect(try await bench.store.task(first.attempt.task)?.winner == 2)
        #expect(try await bench.audit().ok)
    }

    @Test("What is held outlives the coordinator, and a repeated report is one")
    func restart() async throws {
        var bench = try Bench()
        let near = try bench.addStranger("near").node, far = try bench.addStranger("far").node
        let id = try verified(by: 2, in: &bench)
        let first = try #require(bench.poll(near).first)
        let report = bench.report(first, from: near, outputs: Self.output(1))
        let key = bench.key(of: near).publicKey.id
        #expect(bench.core.complete(report, from: key, at: bench.now)?.verdict == .accepted)
        bench.commit()
        try await bench.restart()
        #expect(bench.core.complete(report, from: key, at: bench.now)?.verdict == .exists)
        try bench.hello("near")
        try bench.hello("far")
        #expect(bench.poll(near).isEmpty)
        let second = try #require(bench.poll(far).first)
        bench.finish(second, on: far, outputs: Self.output(1))
        #expect(try await bench.job(id).state == .succeeded)
        #expect(try await attempts(of: id, in: bench).map(\.outcome) == [.success, .success])
        #expect(try await bench.audit().ok)
    }

    @Test("A cancelled job gives back what is held, unpaid")
    func cancel() async throws {
        var bench = try Bench()
        let near = try bench.addStranger("near").node
        _ = try bench.addStranger("far")
        let id = try verified(by: 2, in: &bench)
        let first = try #require(bench.poll(near).first)
        bench.finish(first, on: near, outputs: Self.output(1))
        _ = try bench.core.cancel(id, reason: "enough", by: bench.client, at: bench.now)
        bench.commit()
        let job = try await bench.job(id)
        #expect(job.state == .cancelled && job.progress.settled)
        #expect(try await attempts(of: id, in: bench).map(\.outcome) == [.cancelled])
        let report = try await bench.audit()
        #expect(report.ok, "\(report.failed)")
    }

    @Test("Too few owners hold the job with its reason, until there are enough")
    func owners() async throws {
        var bench = try Bench()
        let near = try bench.addStranger("near").node
        let id = try verified(by: 2, in: &bench)
        #expect(bench.poll(near).isEmpty)
        #expect(try await bench.job(id).progress.held == "needs_more_owners: has 1, needs 2")
        _ = try bench.addStranger("far")
        #expect(bench.poll(near).count == 1)
        #expect(try await bench.job(id).progress.held == nil)
    }
}
