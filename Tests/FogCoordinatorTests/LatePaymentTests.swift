import FogCore
import FogJobs
import FogLedger
import FogStore
import Testing

@testable import FogCoordinator

@Suite("Work that is paid after its end", .timeLimit(.minutes(10)))
struct LatePaymentTests {
    private static func checkpoint(_ number: UInt8) -> [OutputFile] {
        [OutputFile(name: "state", size: 1, executable: false, digest: .blake2b([number]))]
    }

    private func balance(of account: AccountID, in bench: Bench) -> Credits {
        bench.core.ledger.account(account)?.balance ?? .zero
    }

    private func attempts(of id: JobID, in bench: Bench) async throws -> [AttemptRecord] {
        try await bench.store.attempts(of: id, task: nil, after: nil, limit: 100)
    }

    /// Two strangers: the first is evicted, the second goes on and wins.
    @Test("An evicted attempt is paid when the winner went on from its checkpoint, also across a restart")
    func progress() async throws {
        var bench = try Bench()
        let (near, bob) = try bench.addStranger("near"), (far, carol) = try bench.addStranger("far")
        let id = try bench.submit { $0.steps[0].verify = .none }
        let first = try #require(bench.poll(near).first)
        bench.pass(.minutes(10))
        bench.finish(
            first, on: near, outcome: .evictedUser, exitCode: nil, cpu: .minutes(10), checkpoint: Self.checkpoint(1))
        #expect(balance(of: bob, in: bench) == .zero)
        try await bench.restart()
        try bench.hello("far")
        let second = try #require(bench.poll(far).first)
        bench.pass(.minutes(5))
        bench.finish(second, on: far, cpu: .minutes(5))
        let job = try await bench.job(id)
        #expect(job.state == .succeeded)
        let paid = (balance(of: bob, in: bench), balance(of: carol, in: bench))
        #expect(paid.1 > .zero && paid.0.micro > paid.1.micro * 19 / 10, "ten minutes and five: \(paid)")
        #expect(job.progress.spent.micro == paid.0.micro + paid.1.micro)
        #expect(try await attempts(of: id, in: bench).map(\.paid) == [paid.0, paid.1])
        #expect(try await bench.store.task(first.attempt.task)?.trail == nil)
        let report = try await bench.audit()
        #expect(report.ok, "\(report.failed)")
    }

    @Test("What left no checkpoint is not paid, nor is a checkpoint that brought nothing new")
    func noProgress() async throws {
        var bench = try Bench()
        let (near, bob) = try bench.addStranger("near"), (far, carol) = try bench.addStranger("far")
        let id = try bench.submit { $0.steps[0].verify = .none }
        let first = try #require(bench.poll(near).first)
        bench.pass(.minutes(1))
        bench.finish(first, on: near, outcome: .evictedUser, exitCode: nil, cpu: .minutes(1))
        let second = try #require(bench.poll(far).first)
        bench.pass(.minutes(1))
        bench.finish(
            second, on: far, outcome: .evictedUser, exitCode: nil, cpu: .minutes(1), checkpoint: Self.checkpoint(1))
        let third = try #require(bench.poll(near).first)
        bench.pass(.minutes(1))
        bench.finish(
            third, on: near, outcome: .evictedUser, exitCode: nil, cpu: .minutes(1), checkpoint: Self.checkpoint(1))
        let last = try #require(bench.poll(far).first)
        bench.pass(.minutes(1))
        bench.finish(last, on: far, cpu: .minutes(1))
        #expect(balance(of: bob, in: bench) == .zero)
        #expect(try await attempts(of: id, in: bench).map { $0.paid > .zero } == [false, true, false, true])
        #expect(balance(of: carol, in: bench) > .zero)
        #expect(try await bench.audit().ok)
    }

    @Test("Progress counts up to the newest checkpoint, not up to the eviction")
    func periodic() async throws {
        var bench = try Bench()
        let (near, bob) = try bench.addStranger("near"), (far, carol) = try bench.addStranger("far")
        _ = try bench.submit { $0.steps[0].verify = .none }
        let first = try #require(bench.poll(near).first)
        bench.pass(.minutes(5))
        for file in Self.checkpoint(1) {
            bench.core.change.blobs.append(
                BlobRecord(digest: file.digest, size: 1, inline: nil, createdAt: bench.now.wall))
        }
        let report = CheckpointReport(attempt: first.attempt, files: Self.checkpoint(1))
        let isKept = bench.core.checkpoint(report, from: bench.key(of: near).publicKey.id, at: bench.now)
        #expect(isKept)
        bench.commit()
        bench.pass(.minutes(15))
        bench.finish(first, on: near, outcome: .evictedUser, exitCode: nil, cpu: .minutes(20))
        let second = try #require(bench.poll(far).first)
        bench.pass(.minutes(5))
        bench.finish(second, on: far, cpu: .minutes(5))
        #expect(balance(of: bob, in: bench) == balance(of: carol, in: bench))
        #expect(balance(of: bob, in: bench) > .zero)
        #expect(try await bench.audit().ok)
    }

    @Test("All that a task costs stays within the price bound of the attempt that won")
    func bound() async throws {
        var bench = try Bench()
        let (near, bob) = try bench.addStranger("near"), (far, carol) = try bench.addStranger("far")
        _ = try bench.submit {
            $0.steps[0].resources.time = .minutes(10)
            $0.steps[0].verify = .none
        }
        for number in 1...3 as ClosedRange<UInt8> {
            let lease = try #require(bench.poll(near).first)
            bench.pass(.minutes(4))
            bench.finish(
                lease, on: near, outcome: .evictedUser, exitCode: nil, cpu: .minutes(4),
                checkpoint: Self.checkpoint(number))
        }
        let last = try #require(bench.poll(far).first)
        bench.pass(.minutes(4))
        bench.finish(last, on: far, cpu: .minutes(4))
        let (first, second) = (balance(of: bob, in: bench), balance(of: carol, in: bench))
        #expect(first.micro + second.micro == last.priceBound.micro)
        #expect(try await bench.audit().ok)
    }

    @Test("A stranger's failure is paid when another owner's machine ends alike", arguments: [3, 4])
    func witness(code: Int) async throws {
        var bench = try Bench()
        let (near, bob) = try bench.addStranger("near"), (far, carol) = try bench.addStranger("far")
        let id = try bench.submit { $0.steps[0].retry.maxAttempts = 2 }
        let first = try #require(bench.poll(near).first)
        bench.pass(.minutes(2))
        bench.finish(first, on: near, outcome: .exitNonzero, exitCode: 3, cpu: .minutes(2))
        #expect(balance(of: bob, in: bench) == .zero)
        bench.live(.minutes(5), beating: [near, far])
        bench.core.nodes[near]?.plan = []
        let second = try #require(bench.poll(far).first)
        bench.pass(.minutes(1))
        bench.finish(second, on: far, outcome: .exitNonzero, exitCode: code, cpu: .minutes(1))
        #expect(try await bench.job(id).state == .failed)
        let isPaid = (balance(of: bob, in: bench) > .zero, balance(of: carol, in: bench) > .zero)
        #expect(isPaid == (code == 3, code == 3))
        #expect(try await attempts(of: id, in: bench).map { $0.paid > .zero } == [code == 3, code == 3])
        #expect(try await bench.audit().ok)
    }

    @Test("What the submitter's own machine failed alike bears a stranger out; the same owner twice does not")
    func ownMachine() async throws {
        var bench = try Bench()
        let own = try bench.addNode("own"), (near, bob) = try bench.addStranger("near")
        _ = try bench.submit { $0.steps[0].retry.maxAttempts = 3 }
        for count in 1...2 {
            let lease = try #require(bench.poll(near).first)
            bench.pass(.minutes(1))
            bench.finish(lease, on: near, outcome: .exitNonzero, exitCode: 1, cpu: .minutes(1))
            #expect(balance(of: bob, in: bench) == .zero, "after \(count)")
            bench.live(.minutes(5), beating: [near, own])
        }
        let last = try #require(bench.poll(own).first)
        bench.pass(.minutes(1))
        bench.finish(last, on: own, outcome: .exitNonzero, exitCode: 1, cpu: .minutes(1))
        #expect(balance(of: bob, in: bench) > .zero)
        #expect(try await bench.audit().ok)
    }

    @Test("A failure that the budget has no room for stays unpaid, and the history says so")
    func budget() async throws {
        var bench = try Bench()
        let (near, bob) = try bench.addStranger("near"), (far, _) = try bench.addStranger("far")
        let id = try bench.submit {
            $0.steps[0].retry.maxAttempts = 2
            $0.steps[0].resources.time = .minutes(10)
        }
        let first = try #require(bench.poll(near).first)
        bench.core.jobs[id]?.record.progress.budget = first.priceBound
        bench.pass(.minutes(10))
        bench.finish(first, on: near, outcome: .exitNonzero, exitCode: 1, cpu: .minutes(10))
        bench.live(.minutes(5), beating: [near, far])
        let second = try #require(bench.poll(far).first)
        bench.pass(.minutes(10))
        bench.finish(second, on: far, outcome: .exitNonzero, exitCode: 1, cpu: .minutes(10))
        #expect(balance(of: bob, in: bench) == .zero)
        let events = try await bench.store.events(after: 0, job: id, limit: 1000)
        #expect(events.contains { $0.kind == "late_payment_refused" })
        #expect(try await bench.audit().ok)
    }

    @Test(
        "Of an unpaid attempt on a stranger's machine only the beginning of its log is shown", arguments: [true, false])
    func withheldLogs(economy: Bool) async throws {
        var rules = Bench.rules
        rules.economy = economy
        var bench = try Bench(rules: rules)
        let own = try bench.addNode("own"), near = try bench.addStranger("near").node
        let id = try bench.submit(count: 3) { $0.steps[0].verify = .none }
        let first = bench.poll(own, want: 1), rest = bench.poll(near, want: 2)
        let free = economy ? CoordinatorCore.freeLogBytes : .max
        #expect(try await shown(of: id, in: bench) == [.max, free, free])
        bench.pass(.minutes(1))
        for lease in first { bench.finish(lease, on: own, outcome: .exitNonzero, exitCode: 2) }
        bench.finish(rest[0], on: near)
        bench.finish(rest[1], on: near, outcome: .exitNonzero, exitCode: 1)
        #expect(try await shown(of: id, in: bench) == [.max, .max, free])
    }

    private func shown(of id: JobID, in bench: Bench) async throws -> [Int64] {
        let job = try await bench.job(id)
        return try await attempts(of: id, in: bench).map { bench.core.shownLogBytes(of: $0, in: job) }
    }
}
