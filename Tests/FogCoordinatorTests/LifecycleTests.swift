import FogCore
import FogJobs
import FogLedger
import FogStore
import Testing

@testable import FogCoordinator

@Suite("The life of a job")
struct LifecycleTests {
    @Test("A job is granted, finished, paid from its escrow, and the audit is clean")
    func happyPath() async throws {
        var bench = try Bench()
        let owner = try bench.core.enrol(
            key: SigningKey.generate().publicKey, name: "bob", roles: [.client], account: nil, at: bench.now)
        let node = try bench.addNode("n1", owner: owner.account)
        let id = try bench.submit()
        let lease = try #require(bench.poll(node).first)
        #expect(lease.attempt.token == 1)
        #expect(lease.priceBound == Credits(micro: 1_050_000))
        bench.pass(.seconds(10))
        #expect(bench.finish(lease, on: node, cpu: .seconds(9))?.verdict == .accepted)
        let job = try await bench.job(id)
        #expect(job.state == .succeeded)
        #expect(job.progress.settled)
        // 9 core-seconds at 1 credit an hour and half a GiB for 9 s at 0.1 credits an hour.
        #expect(job.progress.spent == Credits(micro: 2500 + 125))
        #expect(bench.core.ledger.account(owner.account)?.balance == Credits(micro: 2625))
        let audit = try await bench.audit()
        #expect(audit.ok, "\(audit.failed)")
    }

    @Test("A failed task runs again after its backoff, and fails for good after max_attempts")
    func retries() async throws {
        var bench = try Bench()
        let node = try bench.addNode("n1")
        let id = try bench.submit { $0.steps[0].retry.maxAttempts = 2 }
        let first = try #require(bench.poll(node).first)
        bench.finish(first, on: node, outcome: .exitNonzero, exitCode: 3)
        #expect(try await bench.job(id).progress.counts[.backoff] == 1)
        #expect(bench.poll(node).isEmpty)
        bench.live(.hours(1), beating: [node])
        let second = try #require(bench.poll(node).first)
        #expect(second.attempt.token == 2)
        bench.finish(second, on: node, outcome: .exitNonzero, exitCode: 3)
        #expect(try await bench.job(id).state == .failed)
        #expect(try await bench.audit().ok)
    }

    @Test("A result for a lease that was granted again is stale, also after a restart")
    func fencing() async throws {
        var bench = try Bench()
        let slow = try bench.addNode("slow")
        let id = try bench.submit()
        let old = try #require(bench.poll(slow).first)
        bench.live(.seconds(100))
        #expect(bench.core.nodes[slow]?.liveness == .lost)
        let quick = try bench.addNode("quick")
        let new = try #require(bench.poll(quick).first)
        #expect(new.attempt.token == 2)
        #expect(bench.finish(old, on: slow) == nil, "the old token must not be live")
        try await bench.restart()
        #expect(bench.finish(old, on: slow) == nil)
        #expect(bench.finish(new, on: quick)?.verdict == .accepted)
        #expect(try await bench.job(id).state == .succeeded)
        #expect(try await bench.audit().ok)
    }

    @Test("A late result is taken while nobody else was given the task")
    func lateResult() async throws {
        var bench = try Bench()
        let node = try bench.addNode("n1")
        let id = try bench.submit()
        let lease = try #require(bench.poll(node).first)
        bench.live(.seconds(120))
        #expect(bench.core.nodes[node]?.liveness == .lost)
        #expect(try await bench.job(id).progress.counts[.ready] == 1)
        #expect(bench.finish(lease, on: node)?.verdict == .accepted)
        #expect(try await bench.job(id).state == .succeeded)
        #expect(try await bench.audit().ok)
    }

    @Test("A suspect node gets nothing new; a heartbeat clears it; 90 s of silence lose it")
    func liveness() throws {
        var bench = try Bench()
        let node = try bench.addNode("n1")
        bench.live(.seconds(29))
        #expect(bench.core.nodes[node]?.liveness == .live)
        bench.live(.seconds(6))
        #expect(bench.core.nodes[node]?.liveness == .suspect)
        bench.beat(node)
        #expect(bench.core.nodes[node]?.liveness == .live)
        bench.live(.seconds(90))
        #expect(bench.core.nodes[node]?.liveness == .lost)
        #expect(bench.beat(node).helloWanted)
    }

    @Test("A worker behind a mixnet has ten minutes, and leases as long; one that only says so has not")
    func mixed() throws {
        var bench = try Bench()
        let node = try bench.addNode("n1")
        try bench.hello("n1", privacy: .secret, mix: .secret)
        #expect(bench.core.nodes[node]?.row.report.privacy == .secret)
        _ = try bench.submit()
        let lease = try #require(bench.poll(node).first)
        #expect(lease.expiresAt - bench.now.wall == .minutes(10))
        // It may take its time to tell of a lease, too.
        bench.beat(node, [])
        bench.live(.seconds(59))
        bench.beat(node, [])
        #expect(bench.core.nodes[node]?.leases == [lease.attempt])
        bench.live(.minutes(8))
        #expect(bench.core.nodes[node]?.liveness == .suspect)
        bench.live(.minutes(2))
        #expect(bench.core.nodes[node]?.liveness == .lost)
        let address = try #require(NetworkAddress("127.0.0.1"))
        try bench.hello("n1", privacy: .secret, mix: .secret, from: address)
        #expect(bench.core.nodes[node]?.row.report.privacy == .confidential)
        #expect(bench.core.nodes[node]?.row.report.mix == nil)
        bench.live(.seconds(90))
        #expect(bench.core.nodes[node]?.liveness == .lost)
    }

    @Test("After its own pause the coordinator judges nobody for 90 s")
    func ownPause() throws {
        var bench = try Bench()
        let node = try bench.addNode("n1")
        bench.core.tick(at: bench.now)
        bench.pass(.minutes(5))
        bench.core.tick(at: bench.now)
        #expect(bench.core.nodes[node]?.liveness != .lost)
        bench.live(.seconds(60))
        #expect(bench.core.nodes[node]?.liveness != .lost)
        bench.live(.seconds(60))
        #expect(bench.core.nodes[node]?.liveness == .lost)
    }

    @Test("20 leases survive a coordinator that was down for 5 minutes; each is paid once")
    func coordinatorDown() async throws {
        var bench = try Bench()
        let node = try bench.addNode("n1", cores: 20, memory: .gibibytes(64))
        let id = try bench.submit(count: 20)
        let leases = bench.poll(node, want: 20)
        #expect(leases.count == 20)
        bench.pass(.minutes(5))
        try await bench.restart()
        bench.core.tick(at: bench.now)
        try bench.hello("n1", cores: 20, memory: .gibibytes(64), holding: leases.map(\.attempt))
        for lease in leases { #expect(bench.finish(lease, on: node)?.verdict == .accepted) }
        let job = try await bench.job(id)
        #expect(job.state == .succeeded)
        #expect(try await bench.store.attempts(of: id, task: nil, after: nil, limit: 100).count == 20)
        #expect(try await bench.audit().ok)
    }

    @Test(
        "After a reboot of its machine a coordinator goes on: its boot clock begins anew, and nothing rests on the old one"
    )
    func reboot() async throws {
        var bench = try Bench()
        bench.pass(.days(40))
        let (node, gone) = (try bench.addNode("n1"), try bench.addNode("gone"))
        let id = try bench.submit(count: 8) {
            $0.steps[0].retry.backoff = Backoff(delay: .minutes(4), maxDelay: .minutes(4), jitter: .none)
        }
        let leases = bench.poll(node, want: 3) + bench.poll(gone, want: 2)
        #expect(leases.count == 5)
        bench.finish(leases[0], on: node)
        bench.finish(leases[1], on: node, outcome: .exitNonzero, exitCode: 1)
        // The machine is off for two minutes.
        bench.now = Moment(wall: bench.now.wall + .minutes(2), boot: .seconds(20))
        try await bench.restart()
        bench.core.tick(at: bench.now)
        try bench.hello("n1", holding: [leases[2].attempt])
        #expect(bench.finish(leases[2], on: node)?.verdict == .accepted)
        // Nobody is judged for 90 s; then who has not called is lost, and what it held runs elsewhere.
        bench.live(.seconds(60), beating: [node])
        #expect(bench.core.nodes[gone]?.liveness != .lost)
        bench.live(.seconds(240), beating: [node])
        #expect(bench.core.nodes[gone]?.liveness == .lost && bench.core.nodes[node]?.liveness == .live)
        let rest = bench.poll(node)
        for lease in rest { #expect(bench.finish(lease, on: node)?.verdict == .accepted) }
        for lease in bench.poll(node) { #expect(bench.finish(lease, on: node)?.verdict == .accepted) }
        for lease in leases[3...] { #expect(bench.finish(lease, on: gone)?.verdict != .accepted) }
        let job = try await bench.job(id)
        #expect(job.state == .succeeded && job.progress.counts[.succeeded] == 8)
        let attempts = try await bench.store.attempts(of: id, task: nil, after: nil, limit: 100)
        #expect(attempts.count { $0.outcome == .success } == 8)
        #expect(try await bench.audit().ok)
    }

    @Test("A worker that starts anew without a lease gives it back at once")
    func workerRestart() async throws {
        var bench = try Bench()
        let node = try bench.addNode("n1")
        _ = try bench.submit()
        let lease = try #require(bench.poll(node).first)
        try bench.hello("n1")
        let again = try #require(bench.poll(node).first)
        #expect(again.attempt.token == lease.attempt.token + 1)
        #expect(bench.finish(lease, on: node) == nil)
    }

    @Test("Three host faults in ten minutes put a node on probation")
    func breaker() throws {
        var bench = try Bench()
        let node = try bench.addNode("n1")
        _ = try bench.submit(count: 10)
        for lease in bench.poll(node, want: 3) { bench.finish(lease, on: node, outcome: .stageInFailed, exitCode: nil) }
        #expect(bench.core.nodes[node]?.row.probationUntil != nil)
        #expect(bench.poll(node).isEmpty)
        bench.live(.minutes(11), beating: [node])
        #expect(!bench.poll(node).isEmpty)
    }

    @Test("One account's programs that cannot be started close no machine; those of three accounts do")
    func failedLaunches() throws {
        var bench = try Bench()
        let node = try bench.addNode("n1", cores: 16, memory: .gibibytes(64))
        _ = try bench.submit("typo", count: 10)
        for lease in bench.poll(node, want: 10) { bench.finish(lease, on: node, outcome: .launchFailed, exitCode: nil) }
        #expect(bench.core.nodes[node]?.row.probationUntil == nil)
        for name in ["eve", "bob"] {
            let other = try bench.core.enrol(
                key: SigningKey.generate().publicKey, name: name, roles: [.client], account: nil, at: bench.now)
            let document = try GrantDocument(
                account: other.account, amount: .credits(10), time: bench.now.wall, reason: "gift", signedBy: bench.key)
            _ = try bench.core.grant(document, by: bench.client, at: bench.now)
            _ = try bench.submit(name, by: other)
        }
        for lease in bench.poll(node, want: 2) { bench.finish(lease, on: node, outcome: .launchFailed, exitCode: nil) }
        #expect(bench.core.nodes[node]?.row.probationUntil != nil)
    }

    @Test("Who used how much is remembered across a restart, and half of it is forgotten in a half-life")
    func sharesPersist() async throws {
        var bench = try Bench()
        let node = try bench.addNode("n1")
        _ = try bench.submit()
        let lease = try #require(bench.poll(node).first)
        bench.pass(.seconds(100))
        bench.finish(lease, on: node, cpu: .seconds(100))
        bench.live(.seconds(35), beating: [node])
        let before = bench.core.fairShare.usage(of: bench.client.account, at: bench.now.boot)
        #expect(abs(before - 100) < 1)
        bench.pass(bench.core.rules.usageHalfLife)
        try await bench.restart()
        let after = bench.core.fairShare.usage(of: bench.client.account, at: bench.now.boot)
        #expect(abs(after - before / 2) < 0.5)
    }

    @Test("The pool's shape stands in the history when it changes")
    func topology() async throws {
        var bench = try Bench()
        let node = try bench.addNode("n1", cores: 4)
        bench.live(.seconds(20), beating: [node])
        bench.live(.seconds(120))
        let events = try await bench.store.events(after: 0, job: nil, limit: 1000).filter { $0.kind == "topology" }
        #expect(events.map { $0.detail["live"] ?? "0" } == ["1", "0", "0"])
        #expect(events.first?.detail["cpu"] == "4")
        #expect(events.last?.detail["lost"] == "1")
    }

    @Test("max_parallel bounds what is out; max_failures ends the rest")
    func arrayLimits() async throws {
        var bench = try Bench()
        let node = try bench.addNode("n1", cores: 16, memory: .gibibytes(64))
        let id = try bench.submit(count: 100) {
            $0.steps[0].maxParallel = 5
            $0.steps[0].maxFailures = 2
            $0.steps[0].retry.maxAttempts = 1
        }
        let leases = bench.poll(node, want: 16)
        #expect(leases.count == 5)
        #expect(bench.poll(node, want: 16).isEmpty)
        bench.finish(leases[0], on: node, outcome: .exitNonzero, exitCode: 1)
        bench.finish(leases[1], on: node, outcome: .exitNonzero, exitCode: 1)
        #expect(try await bench.job(id).progress.cancelReason?.hasPrefix("max_failures") == true)
        for lease in leases[2...] { bench.finish(lease, on: node, outcome: .cancelled, exitCode: nil) }
        let counts = try await bench.job(id).progress.counts
        #expect(counts[.failed] == 2)
        #expect(counts[.cancelled] == 98)
        #expect(try await bench.audit().ok)
    }

    @Test("Steps wait for what they need, and are skipped when it fails", arguments: [true, false])
    func graph(succeeds: Bool) async throws {
        var bench = try Bench()
        let node = try bench.addNode("n1")
        let id = try bench.submit {
            $0.steps = [
                StepSpec(name: "a", action: .command(["true"]), retry: RetryPolicy(maxAttempts: 1)),
                StepSpec(
                    name: "b", action: .command(["true"]), needs: ["a"],
                    elements: .array(first: 0, last: 2, stride: 1)),
                StepSpec(name: "c", action: .command(["true"]), needs: ["b"]),
            ]
        }
        let first = try #require(bench.poll(node, want: 8).first)
        #expect(bench.poll(node, want: 8).isEmpty)
        let output = OutputFile(name: "x", size: 1, executable: false, digest: .blake2b([1]))
        bench.finish(
            first, on: node, outcome: succeeds ? .success : .exitNonzero, exitCode: succeeds ? 0 : 1,
            outputs: succeeds ? [output] : [])
        if succeeds {
            let second = bench.poll(node, want: 8)
            #expect(second.count == 3)
            #expect(second[0].inputs.map(\.name) == ["a/x"])
            for lease in second { bench.finish(lease, on: node, outputs: [output]) }
            let third = try #require(bench.poll(node).first)
            #expect(third.inputs.map(\.name) == ["b/0/x", "b/1/x", "b/2/x"])
            bench.finish(third, on: node)
            #expect(try await bench.job(id).state == .succeeded)
        } else {
            let job = try await bench.job(id)
            #expect(job.state == .failed)
            #expect(job.progress.counts[.skipped] == 4)
        }
        #expect(try await bench.audit().ok)
    }

    @Test("A cancelled job ends what waits at once and what runs when its worker says so")
    func cancel() async throws {
        var bench = try Bench()
        let node = try bench.addNode("n1", cores: 2)
        let id = try bench.submit(count: 50)
        let leases = bench.poll(node, want: 2)
        _ = try bench.core.cancel(id, reason: "changed my mind", by: bench.client, at: bench.now)
        bench.commit()
        #expect(bench.beat(node).cancel == leases.map(\.attempt))
        for lease in leases { bench.finish(lease, on: node, outcome: .cancelled, exitCode: nil) }
        let job = try await bench.job(id)
        #expect(job.state == .cancelled)
        #expect(job.progress.counts[.cancelled] == 50)
        #expect(bench.core.ledger.account(bench.client.account)?.available == .credits(1000))
        #expect(try await bench.audit().ok)
    }

    @Test("A job without money is held with its reason, and goes on when it is funded")
    func budget() async throws {
        var bench = try Bench(credits: Credits(micro: 500_000))
        let node = try bench.addNode("n1")
        let id = try bench.submit()
        #expect(bench.poll(node).isEmpty)
        #expect(try await bench.job(id).progress.held?.hasPrefix("budget") == true)
        let document = try GrantDocument(
            account: bench.client.account, amount: .credits(5), time: bench.now.wall, reason: "more",
            signedBy: bench.key)
        _ = try bench.core.grant(document, by: bench.client, at: bench.now)
        _ = try bench.core.fund(id, adding: .credits(5), by: bench.client, at: bench.now)
        bench.commit()
        #expect(bench.poll(node).count == 1)
    }

    @Test("The same idempotency key gives the same job; another manifest under it is a conflict")
    func idempotency() throws {
        var bench = try Bench()
        let first = try bench.submit("one", key: "k")
        #expect(try bench.submit("one", key: "k") == first)
        #expect(throws: CoordinatorFailure.idempotencyConflict) { _ = try bench.submit("two", key: "k") }
    }

    @Test("Of two submits under one key the first is new, also before either is stored")
    func idempotencyBeforeCommit() throws {
        var bench = try Bench()
        let spec = JobSpec(name: "once", steps: [StepSpec(action: .command(["true"]), elements: .single)])
        let submission = Submission(
            spec: spec, document: ManifestDocument(of: spec).canonical, documentDigest: .blake2b([1]), files: .empty,
            fileTable: nil, idempotencyKey: "k", submitter: bench.client)
        let first = try bench.core.submit(submission, at: bench.now)
        let second = try bench.core.submit(submission, at: bench.now)
        #expect(first.isNew && !second.isNew)
        #expect(first.record.id == second.record.id)
        bench.commit()
    }

    @Test("Two accounts share the machines, however much one of them asked first")
    func fairShare() throws {
        var bench = try Bench()
        let eve = try bench.core.enrol(
            key: SigningKey.generate().publicKey, name: "eve", roles: [.client], account: nil, at: bench.now)
        let document = try GrantDocument(
            account: eve.account, amount: .credits(100), time: bench.now.wall, reason: "to begin with",
            signedBy: bench.key)
        _ = try bench.core.grant(document, by: bench.client, at: bench.now)
        let node = try bench.addNode("n1", cores: 8, memory: .gibibytes(64))
        let greedy = try bench.submit("greedy", count: 1000)
        let modest = try bench.submit("modest", count: 4, by: eve)
        let leases = bench.poll(node, want: 8)
        #expect(leases.filter { $0.attempt.task.job == greedy }.count == 4)
        #expect(leases.filter { $0.attempt.task.job == modest }.count == 4)
    }

    @Test("A million elements are one row until their tasks run")
    func lazyArray() async throws {
        var bench = try Bench()
        let id = try bench.submit(count: 1_000_000)
        #expect(try await bench.store.tasks(of: id, after: nil, states: nil, limit: 10).isEmpty)
        let node = try bench.addNode("n1")
        #expect(bench.poll(node, want: 3).map(\.attempt.task.number) == [0, 1, 2])
        #expect(try await bench.store.tasks(of: id, after: nil, states: nil, limit: 10).count == 3)
    }

    @Test("Queue and total timeouts end a job with their reason")
    func timeouts() async throws {
        var bench = try Bench()
        let waiting = try bench.submit { $0.queueTimeout = .minutes(10) }
        bench.live(.minutes(11))
        #expect(try await bench.job(waiting).progress.cancelReason?.hasPrefix("timeout.queue") == true)
        #expect(try await bench.job(waiting).state == .cancelled)
    }
}
