import FogCore
import FogJobs
import FogLedger
import FogPlacement
import FogStore
import Testing

@testable import FogCoordinator

@Suite("Results that reputation asks others about", .timeLimit(.minutes(10)))
struct AdaptiveTests {
    private static func output(_ number: UInt8) -> [OutputFile] {
        [OutputFile(name: "out", size: 1, executable: false, digest: .blake2b([number]))]
    }

    private func attempts(of id: JobID, in bench: Bench) async throws -> [AttemptRecord] {
        try await bench.store.attempts(of: id, task: nil, after: nil, limit: 1000)
    }

    /// A machine with so many results borne out, all in a row.
    private func prove(_ node: NodeID, _ results: Int, in bench: inout Bench) {
        for _ in 0..<results { bench.core.learn(.valid, of: node, .cpu, at: bench.now) }
    }

    @Test(
        "Newcomers bear each other out, as many as the class wants, and all are paid",
        arguments: [(.b, 3), (.a, 4), (.s, 5)] as [(SLAClass, Int)])
    func newcomers(_ sla: SLAClass, _ copies: Int) async throws {
        var bench = try Bench()
        let nodes = try (1...5).map { try bench.addStranger("n\($0)").node }
        let id = try bench.submit { $0.sla = sla }
        for node in nodes.prefix(copies) {
            #expect(try await bench.job(id).state != .succeeded)
            let lease = try #require(bench.poll(node).first)
            bench.pass(.seconds(10))
            bench.finish(lease, on: node, cpu: .seconds(10), outputs: Self.output(1))
        }
        #expect(try await bench.job(id).state == .succeeded)
        let ended = try await attempts(of: id, in: bench)
        #expect(ended.count == copies && ended.allSatisfy { $0.outcome == .success && $0.paid > .zero })
        #expect(try await bench.audit().ok)
    }

    @Test(
        "Where one owner's machines are all there is, a result counts by itself and earns nothing", arguments: [1, 20])
    func oneOwner(machines: Int) async throws {
        var bench = try Bench()
        let (first, owner) = try bench.addStranger("first")
        var nodes = [first]
        for number in 1..<machines { nodes.append(try bench.addNode("n\(number)", owner: owner)) }
        let id = try bench.submit(count: 2 * machines)
        for node in nodes {
            for lease in bench.poll(node, want: 2) { bench.finish(lease, on: node, outputs: Self.output(1)) }
        }
        #expect(try await bench.job(id).state == .succeeded)
        #expect(try await attempts(of: id, in: bench).count == 2 * machines)
        #expect(bench.core.reputations.values.allSatisfy { $0.validInARow == 0 })
    }

    @Test("A machine with a long record is looked at now and then, a new one always")
    func proven() async throws {
        var bench = try Bench()
        let node = try bench.addStranger("proven").node, other = try bench.addStranger("other").node
        prove(node, 200, in: &bench)
        prove(other, 200, in: &bench)
        let count = 200
        _ = try bench.submit(count: count)
        var copies = 0
        for _ in 0..<count {
            guard let lease = bench.poll(node, want: 1).first else { break }
            bench.finish(lease, on: node, outputs: Self.output(1))
            for copy in bench.core.awaiting.isEmpty ? [] : bench.poll(other, want: 1) {
                copies += 1
                bench.finish(copy, on: other, outputs: Self.output(1))
            }
        }
        // Two in a hundred.
        #expect((1...20).contains(copies), "\(copies) copies of \(count)")
        bench.core.learn(.invalid, of: node, .cpu, at: bench.now)
        _ = try bench.submit("after a lie")
        bench.finish(try #require(bench.poll(node, want: 1).first), on: node, outputs: Self.output(1))
        #expect(bench.core.awaiting.count == 1)
    }

    @Test("Two who differ wait for a third, also across a restart; the one outvoted is unpaid")
    func third() async throws {
        var bench = try Bench()
        let (liar, near) = (try bench.addStranger("liar").node, try bench.addStranger("near").node)
        let id = try bench.submit()
        for (node, number) in [(liar, 9), (near, 1)] as [(NodeID, UInt8)] {
            bench.finish(try #require(bench.poll(node).first), on: node, outputs: Self.output(number))
        }
        let task = try #require(try await bench.store.tasks(of: id, after: nil, states: nil, limit: 1).first)
        #expect(task.heldReason == "needs_more_owners: has 2, needs 3")
        try await bench.restart()
        try bench.hello("liar")
        try bench.hello("near")
        let far = try bench.addStranger("far").node
        bench.live(.seconds(5), beating: [liar, near, far])
        let lease = try #require(bench.poll(far).first)
        bench.finish(lease, on: far, outputs: Self.output(1))
        #expect(try await bench.job(id).state == .succeeded)
        #expect(
            try await attempts(of: id, in: bench).map(\.outcome) == [.rejectedByQuorum, .success, .success])
        #expect(try await bench.audit().ok)
    }

    @Test("What waits for somebody who has left is decided by what there is")
    func left() async throws {
        var bench = try Bench()
        let near = try bench.addStranger("near").node, far = try bench.addStranger("far").node
        let id = try bench.submit()
        bench.finish(try #require(bench.poll(near).first), on: near, outputs: Self.output(1))
        #expect(try await bench.job(id).state != .succeeded)
        bench.live(.minutes(3), beating: [near])
        #expect(bench.core.nodes[far]?.liveness == .lost)
        _ = bench.poll(near)
        #expect(try await bench.job(id).state == .succeeded)
        #expect(try await bench.audit().ok)
    }

    @Test("Copies go before new work, and a machine that is busy with copies is no reason to stop")
    func copiesFirst() throws {
        var bench = try Bench()
        let near = try bench.addStranger("near").node, far = try bench.addStranger("far").node
        _ = try bench.submit(count: 10)
        let first = try #require(bench.poll(near, want: 1).first)
        bench.finish(first, on: near, outputs: Self.output(1))
        #expect(bench.poll(near, want: 1).first?.attempt.task.number == 1)
        #expect(bench.poll(far, want: 1).first?.attempt.task == first.attempt.task)
    }

    @Test("A result whose machine's key is revoked before the verdict is dropped, unpaid")
    func revoked() async throws {
        var bench = try Bench()
        let (near, far) = (try bench.addStranger("near").node, try bench.addStranger("far").node)
        let own = try bench.addNode("own")
        let id = try bench.submit { $0.steps[0].verify = .owners(2) }
        bench.finish(try #require(bench.poll(near).first), on: near, outputs: Self.output(1))
        _ = try bench.core.revoke(
            bench.key(of: near).publicKey.id, reason: "stolen", by: bench.client, at: bench.now)
        bench.commit()
        #expect(try await attempts(of: id, in: bench).map(\.outcome) == [.workerLost])
        #expect(try await bench.audit().ok)
        bench.finish(try #require(bench.poll(far).first), on: far, outputs: Self.output(1))
        bench.finish(try #require(bench.poll(own).first), on: own, outputs: Self.output(1))
        #expect(try await bench.job(id).state == .succeeded)
        #expect(try await bench.audit().ok)
    }

    @Test("A colluding minority is never paid, honest machines rise, and a liar's new name stands at the bottom")
    func cheaters() async throws {
        var bench = try Bench()
        let names = ["a", "b", "c", "d", "e", "liar 1", "liar 2"]
        let machines = try names.map { try bench.addStranger($0) }
        let honest = machines.prefix(5), liars = machines.suffix(2)
        let id = try bench.submit(count: 60)
        for _ in 0..<200 where bench.core.jobs[id] != nil {
            bench.pass(.seconds(20))
            for machine in machines {
                bench.beat(machine.node)
                let isLiar = liars.contains { $0.node == machine.node }
                for lease in bench.poll(machine.node, want: 1) {
                    bench.pass(.milliseconds(100))
                    bench.finish(lease, on: machine.node, outputs: Self.output(isLiar ? 66 : 1))
                }
            }
        }
        #expect(try await bench.job(id).state == .succeeded)
        let ended = try await attempts(of: id, in: bench)
        let lies = ended.filter { record in liars.contains { $0.node == record.node } }
        // Three each, after which the breaker keeps them away for a while.
        #expect(lies.count >= 6)
        #expect(lies.allSatisfy { $0.outcome == .rejectedByQuorum && $0.paid == .zero })
        #expect(liars.allSatisfy { bench.core.ledger.account($0.owner)?.balance == .zero })
        for machine in honest {
            let known = try #require(bench.core.reputations[.init(node: machine.node, capability: .cpu)])
            #expect(known.counts[.invalid] == nil && known.trust(at: bench.now.wall) > 0.5)
            #expect(try #require(bench.core.ledger.account(machine.owner)).balance > .zero)
        }
        for liar in liars {
            let known = try #require(bench.core.reputations[.init(node: liar.node, capability: .cpu)])
            #expect(known.trust(at: bench.now.wall) < Reputation.newcomer)
        }
        let again = try bench.addStranger("liar 3").node
        let record = bench.core.nodeRecord(try #require(bench.core.nodes[again]), at: bench.now)
        #expect(record.trust == Reputation.newcomer)
        #expect(try await bench.audit().ok)
    }

    // MARK: - Who counts as one

    @Test("Owners at one address block count as one; those of a private network do not", arguments: [true, false])
    func kin(isPublic: Bool) async throws {
        var bench = try Bench()
        let near = try bench.addStranger("near").node, far = try bench.addStranger("far").node
        for (node, last) in [(near, 5), (far, 77)] {
            bench.core.nodes[node]?.origin = NetworkAddress(isPublic ? "203.0.113.\(last)" : "192.168.7.\(last)")
        }
        bench.core.isKinshipStale = true
        let id = try bench.submit { $0.steps[0].verify = .owners(2) }
        let leases = bench.poll(near)
        #expect(leases.isEmpty == isPublic)
        let held = isPublic ? "needs_more_owners: has 1, needs 2" : nil
        #expect(try await bench.job(id).progress.held == held)
    }

    @Test("Kin of kin are kin, and what is known otherwise counts as an address does")
    func families() {
        func id(_ number: UInt64) -> AccountID { AccountID(high: 1, low: number) }
        let kinship = Kinship(
            machines: [(1, 7), (2, 7), (2, 8), (3, 8), (4, 9), (5, nil), (6, nil)].map { (id($0.0), $0.1 as Int?) },
            links: [(id(5), id(4))])
        #expect(kinship.kin(of: id(3)).sorted() == [id(1), id(2), id(3)])
        #expect(kinship.areKin(id(4), id(5)) && !kinship.areKin(id(5), id(6)) && !kinship.areKin(id(1), id(4)))
        #expect(kinship.kin(of: id(9)) == [id(9)])
    }

    @Test(
        "An address block is what one subscriber has",
        arguments: [
            ("203.0.113.9", "203.0.113.0/24"), ("2001:db8:1:2::3", "2001:db8:1::/48"),
            ("::ffff:203.0.113.9", "203.0.113.0/24"), ("127.0.0.1", nil), ("10.1.2.3", nil), ("::1", nil),
            ("100.64.3.4", nil), ("fd00::1", nil), ("172.31.0.1", nil), ("172.32.0.1", "172.32.0.0/24"),
        ])
    func blocks(address: String, block: String?) throws {
        let parsed = try #require(NetworkAddress(address))
        #expect(AddressBlock(parsed)?.description == block)
    }

    // MARK: - Known answers

    /// A trusted machine's result of a step that is known to have one answer is asked of a stranger, and what he says.
    private func audited(
        answer: UInt8?, stake: Credits = .zero, chance: Double = 0,
        then body: (inout Bench, _ id: JobID, _ stranger: NodeID, _ task: TaskID) async throws -> Void
    ) async throws {
        var bench = try Bench()
        bench.core.rules.auditChance = 1
        let own = try bench.addNode("own"), (stranger, owner) = try bench.addStranger("stranger")
        if stake > .zero { try bench.stake(stake, of: owner) }
        let id = try bench.submit(count: 30)
        // Without a sign that the step has one answer, nothing is audited.
        let before = try #require(bench.poll(own, want: 1).first)
        bench.finish(before, on: own, outputs: Self.output(1))
        #expect(try await bench.store.task(before.attempt.task)?.state == .succeeded)
        bench.core.jobs[id]?.steps[0].agreed = 1
        let first = try #require(bench.poll(own, want: 1).first)
        bench.finish(first, on: own, outputs: Self.output(1))
        #expect(try await bench.store.task(first.attempt.task)?.state == .ready)
        bench.core.rules.auditChance = chance
        let probe = try #require(bench.poll(stranger, want: 1).first)
        #expect(probe.attempt.task == first.attempt.task)
        bench.pass(.seconds(10))
        if let answer {
            bench.finish(probe, on: stranger, cpu: .seconds(10), outputs: Self.output(answer))
        } else {
            bench.finish(probe, on: stranger, outcome: .exitNonzero, exitCode: 1)
        }
        let task = try #require(try await bench.store.task(first.attempt.task))
        #expect(task.state == .succeeded && task.winner == first.attempt.token)
        try await body(&bench, id, stranger, first.attempt.task)
        #expect(try await bench.audit().ok)
    }

    @Test("Who gives the known answer is paid and gains twice as much")
    func passed() async throws {
        try await audited(answer: 1) { bench, id, stranger, task in
            #expect(bench.core.reputations[.init(node: stranger, capability: .cpu)]?.counts == [.audited: 1])
            let probe = try #require(try await attempts(of: id, in: bench).last { $0.id.task == task })
            #expect(probe.outcome == .success && probe.paid > .zero)
        }
    }

    @Test("Who gives another answer is unpaid and found out, and the known one counts")
    func caught() async throws {
        try await audited(answer: 2) { bench, id, stranger, task in
            let known = bench.core.reputations[.init(node: stranger, capability: .cpu)]
            #expect(known?.counts == [.auditFailed: 1] && known?.evidence.bad == 10)
            let probe = try #require(try await attempts(of: id, in: bench).last { $0.id.task == task })
            #expect(probe.outcome == .rejectedByQuorum && probe.paid == .zero)
            let events = try await bench.store.events(after: 0, job: id, limit: 1000)
            let fraud = try #require(events.first { $0.kind == "fraud_proven" })
            #expect(fraud.node == stranger && fraud.detail["receipt"] == probe.receipt?.description)
        }
    }

    @Test("A stake is lost with a false answer: what makes cheating not pay, and no more than is there")
    func slashed() async throws {
        for (chance, all) in [(0.5, false), (0.0, true)] {
            try await audited(answer: 2, stake: .credits(50), chance: chance) { bench, id, stranger, task in
                let owner = try #require(bench.core.nodes[stranger]?.row.owner)
                let left = try #require(bench.core.ledger.account(.stake(of: owner))).balance
                let probe = try #require(try await attempts(of: id, in: bench).last { $0.id.task == task })
                // At one in two, what one lie would have gained; where none is audited any more, everything.
                #expect(left.micro == (all ? 0 : 50_000_000 - probe.priceBound.micro))
                #expect(all || probe.priceBound > .zero)
                let events = try await bench.store.events(after: 0, job: id, limit: 1000)
                let fraud = try #require(events.first { $0.kind == "fraud_proven" })
                #expect(fraud.detail["slashed"] == Credits(micro: 50_000_000 - left.micro).description)
            }
        }
    }

    @Test("An audit that comes to nothing costs the task nothing")
    func failed() async throws {
        try await audited(answer: nil) { bench, _, stranger, task in
            #expect(bench.core.reputations[.init(node: stranger, capability: .cpu)]?.counts == [.unjudged: 1])
            let stored = try await bench.store.task(task)
            #expect(stored?.taskFailures == 0)
        }
    }

    @Test("The machine of an audit that falls silent holds nothing up")
    func silent() async throws {
        var bench = try Bench()
        bench.core.rules.auditChance = 1
        let own = try bench.addNode("own"), stranger = try bench.addStranger("stranger").node
        let id = try bench.submit(count: 30)
        bench.core.jobs[id]?.steps[0].agreed = 1
        let first = try #require(bench.poll(own, want: 1).first)
        bench.finish(first, on: own, outputs: Self.output(1))
        #expect(bench.poll(stranger, want: 1).first?.attempt.task == first.attempt.task)
        bench.live(.minutes(3), beating: [own])
        _ = bench.poll(own, want: 1)
        let task = try #require(try await bench.store.task(first.attempt.task))
        #expect(task.state == .succeeded && task.winner == first.attempt.token)
    }
}
