import FogCore
import FogJobs
import FogPlacement
import FogStore
import Testing

@testable import FogCoordinator

@Suite("What machines earn by their results")
struct ReputationTests {
    private static func output(_ number: UInt8) -> [OutputFile] {
        [OutputFile(name: "out", size: 1, executable: false, digest: .blake2b([number]))]
    }

    private func known(_ node: NodeID, in bench: Bench) -> Reputation? {
        bench.core.reputations[.init(node: node, capability: .cpu)]
    }

    private func trust(_ node: NodeID, in bench: Bench) throws -> Double {
        bench.core.nodeRecord(try #require(bench.core.nodes[node]), at: bench.now).trust
    }

    @Test("Equal results of two owners raise both, a lie lowers its machine, also after a restart")
    func quorum() async throws {
        var bench = try Bench()
        let nodes = try ["liar", "near", "far"].map { try bench.addStranger($0).node }
        let fresh = try nodes.map { try trust($0, in: bench) }
        #expect(Set(fresh) == [Reputation.newcomer])
        _ = try bench.submit { $0.steps[0].verify = .owners(2) }
        for (node, number) in zip(nodes, [9, 1, 1] as [UInt8]) {
            bench.finish(try #require(bench.poll(node).first), on: node, outputs: Self.output(number))
        }
        try await bench.restart()
        let earned = try nodes.map { try trust($0, in: bench) }
        #expect(earned[0] < Reputation.newcomer && earned[1] > Reputation.newcomer && earned[1] == earned[2])
        #expect(nodes.map { known($0, in: bench)?.counts } == [[.invalid: 1], [.valid: 1], [.valid: 1]])
        #expect(nodes.map { known($0, in: bench)?.validInARow } == [0, 1, 1])
        let evidence = try await bench.store.events(after: 0, job: nil, limit: 1000).compactMap {
            $0.detail["evidence"]
        }
        #expect(evidence.sorted() == ["invalid", "valid", "valid"])
    }

    @Test("What a mix does wrong counts against its owner's machines, and nobody else's")
    func mixes() async throws {
        var bench = try Bench()
        let (cheat, owner) = try bench.addStranger("cheat")
        let second = try bench.addNode("second", owner: owner)
        let other = try bench.addStranger("other").node
        let (mix, unknown) = (SigningKey.generate().publicKey, SigningKey.generate().publicKey)
        _ = try bench.core.enrol(key: mix, name: "mix", roles: [.worker], account: owner, at: bench.now)
        bench.core.learn(.mixCheat, ofMix: unknown, epoch: 6, at: bench.now)
        bench.core.learn(.mixCheat, ofMix: mix, epoch: 7, at: bench.now)
        bench.core.learn(.mixLossy, ofMix: mix, epoch: 7, at: bench.now)
        bench.commit()
        try await bench.restart()
        for node in [cheat, second] {
            #expect(known(node, in: bench)?.counts == [.mixCheat: 1, .mixLossy: 1])
            #expect(known(node, in: bench)?.evidence.bad == 5)
            #expect(try trust(node, in: bench) < Reputation.newcomer)
        }
        #expect(try trust(other, in: bench) == Reputation.newcomer && known(other, in: bench) == nil)
        let notes = try await bench.store.events(after: 0, job: nil, limit: 1000).filter { $0.kind == "mix_fault" }
        #expect(notes.count == 4 && notes.allSatisfy { $0.detail["epoch"] == "7" })
    }

    @Test("A result that nobody checked, and work for oneself, earn nothing; the operator's word counts at once")
    func unchecked() throws {
        var bench = try Bench()
        let stranger = try bench.addStranger("stranger").node, own = try bench.addNode("own")
        for node in [stranger, own] {
            _ = try bench.submit { $0.steps[0].verify = .none }
            bench.finish(try #require(bench.poll(node).first), on: node)
            #expect(known(node, in: bench)?.counts == [.unjudged: 1])
            #expect(try trust(node, in: bench) == Reputation.newcomer)
        }
        try bench.core.trust(true, stranger, by: bench.client, at: bench.now)
        #expect(try trust(stranger, in: bench) == bench.core.rules.operatorTrust)
        _ = try bench.submit()
        bench.finish(try #require(bench.poll(stranger).first), on: stranger)
        #expect(known(stranger, in: bench)?.counts == [.unjudged: 1, .valid: 1])
    }

    @Test(
        "Each end says what it should of the machine",
        arguments: [
            (.evictedUser, .preempted), (.evictedBattery, .preempted), (.drained, .preempted),
            (.exitNonzero, .unjudged), (.timeout, .unjudged), (.stageInFailed, .faulty), (.launchFailed, .faulty),
        ] as [(Outcome, Evidence.Verdict)])
    func ends(_ outcome: Outcome, _ verdict: Evidence.Verdict) throws {
        var bench = try Bench()
        let node = try bench.addStranger("box").node
        _ = try bench.submit { $0.steps[0].verify = .none }
        bench.finish(try #require(bench.poll(node).first), on: node, outcome: outcome, exitCode: nil)
        #expect(known(node, in: bench)?.counts == [verdict: 1])
        // Who yields to the owner loses nothing.
        #expect((try trust(node, in: bench) < Reputation.newcomer) == (verdict == .faulty))
    }

    @Test("Programs that do not start count once for each account")
    func typos() throws {
        var bench = try Bench()
        let node = try bench.addStranger("box").node
        for _ in 0..<2 {
            _ = try bench.submit { $0.steps[0].verify = .none }
            bench.finish(try #require(bench.poll(node, want: 1).first), on: node, outcome: .launchFailed, exitCode: nil)
        }
        #expect(known(node, in: bench)?.counts == [.faulty: 1, .unjudged: 1])
    }

    @Test("Silence costs trust; a result that was only late costs half of that")
    func silence() throws {
        for isLate in [true, false] {
            var bench = try Bench()
            let node = try bench.addStranger("box").node, other = try bench.addStranger("other").node
            _ = try bench.submit { $0.steps[0].verify = .none }
            let lease = try #require(bench.poll(node).first)
            bench.live(.minutes(3), beating: [other])
            if isLate {
                bench.finish(lease, on: node)
            } else {
                #expect(bench.poll(other).count == 1)
            }
            #expect(known(node, in: bench)?.evidence.bad == (isLate ? 0.5 : 1))
        }
    }

    @Test("Bad is forgotten in time, and results on devices are judged apart")
    func classes() throws {
        var bench = try Bench()
        let node = try bench.addStranger("box").node
        bench.core.nodes[node]?.row.report.gpu = 1
        bench.core.learn(.invalid, of: node, .gpu, at: bench.now)
        let record = bench.core.nodeRecord(try #require(bench.core.nodes[node]), at: bench.now)
        let onDevice = try #require(record.trustOnGPU)
        #expect(record.trust == Reputation.newcomer && onDevice < Reputation.newcomer)
        bench.pass(.days(280))
        let later = bench.core.nodeRecord(try #require(bench.core.nodes[node]), at: bench.now)
        #expect(abs(try #require(later.trustOnGPU) - Reputation.newcomer) < 0.001)
    }

    @Test("A new identity stands at the bottom, and min_trust keeps it out unless it is the submitter's own")
    func whitewash() throws {
        var bench = try Bench()
        let (old, owner) = try bench.addStranger("old")
        for _ in 0..<20 { bench.core.learn(.valid, of: old, .cpu, at: bench.now) }
        let earned = try trust(old, in: bench)
        let new = try bench.addNode("new", owner: owner), own = try bench.addNode("own")
        #expect(earned > 0.79)
        #expect(try trust(new, in: bench) == Reputation.newcomer)
        _ = try bench.submit(count: 3) { $0.placement.minTrust = 0.5 }
        #expect(bench.poll(new, want: 1).isEmpty)
        #expect(bench.poll(old, want: 1).count == 1)
        #expect(bench.poll(own, want: 1).count == 1)
    }
}

@Suite("A score taken apart")
struct ReputationAccountTests {
    @Test("says what would raise it, and what of the bad will be forgotten")
    func advice() {
        let now = Timestamp(seconds: 1_800_000_000)
        let newcomer = ReputationAccount(of: nil, at: now)
        #expect(newcomer.trust == Reputation.newcomer && newcomer.asOf == nil && newcomer.chanceOfCopy == 1)
        #expect(newcomer.advice.first == "10 more results that others bear out raise it to 0.658")
        var reputation = Reputation(asOf: now)
        reputation.add(.invalid, at: now)
        #expect(
            ReputationAccount(of: reputation, at: now).advice.last
                == "of the bad 4, half is forgotten in 28d, when 2 is left")
        for _ in 0..<20 { reputation.add(.valid, at: now) }
        #expect(ReputationAccount(of: reputation, at: now).chanceOfCopy == 0.05)
        #expect(ReputationAccount(of: reputation, at: now + .days(14)).good == 10)
    }
}
