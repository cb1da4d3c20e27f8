import FogCore
import FogJobs
import FogLedger
import FogStore
import Testing

@testable import FogCoordinator

@Suite("What is earned beside the price of work", .timeLimit(.minutes(10)))
struct EconomyTests {
    private func balance(_ account: AccountID, _ bench: Bench) -> Credits {
        bench.core.ledger.account(account)?.balance ?? .zero
    }

    private func transfers(of account: AccountID, _ kind: TransferKind, in bench: Bench) async throws -> [LedgerRecord]
    {
        try await bench.store.ledgerRecords(of: account, before: nil, limit: 1000)
            .map { try LedgerRecord(decoding: $0.bytes) }.filter { $0.transfer?.kind == kind }
    }

    /// A machine of another owner, trusted or not, and one job that runs on it for so long.
    private func work(
        _ bench: inout Bench, trusted: Bool, minutes: Int64 = 30, node: (node: NodeID, owner: AccountID)? = nil
    ) throws -> (owner: AccountID, lease: Lease) {
        let (node, owner) = try node ?? bench.addStranger("far")
        bench.core.nodes[node]?.row.trusted = trusted
        _ = try bench.submit { $0.steps[0].resources.time = .hours(24) }
        let lease = try #require(bench.poll(node).first)
        bench.pass(.minutes(minutes))
        bench.beat(node)
        #expect(bench.finish(lease, on: node, cpu: .minutes(minutes))?.verdict == .accepted)
        return (owner, lease)
    }

    @Test("verified work of a stranger is rewarded in the change that accepts it; other work is not")
    func reward() async throws {
        var bench = try Bench()
        bench.core.tick(at: bench.now)
        bench.commit()
        let pool = balance(.pool(.compute), bench)
        #expect(pool == .credits(42_000))
        let near = try bench.addStranger("near"), far = try bench.addStranger("far")
        let (bob, lease) = try work(&bench, trusted: true, node: near)
        bench.core.nodes[near.node]?.row.standing = .cordoned
        // Half a core-hour at 10 credits x 1.2 for a machine of good name, above its price.
        let paid = try #require(try await bench.store.attempt(lease.attempt)).paid
        #expect(balance(bob, bench).micro == paid.micro + 6_000_000)
        #expect(balance(.pool(.compute), bench).micro == pool.micro - 6_000_000)
        let record = try #require(try await transfers(of: bob, .reward, in: bench).first)
        let document = try #require(try await bench.store.evidence(record.evidence))
        let reward = try RewardDocument(decoding: document.bytes)
        #expect((reward.rule, reward.verification, reward.limit) == (.compute, .trusted, .none))
        #expect(reward.proof == (try await bench.store.attempt(lease.attempt))?.receipt)
        let (carol, _) = try work(&bench, trusted: false, node: far)
        #expect(try await transfers(of: carol, .post, in: bench).count == 1)
        #expect(try await transfers(of: carol, .reward, in: bench).isEmpty, "nobody vouches for one stranger's result")
        let report = try await bench.audit()
        #expect(report.ok, "\(report.failed)")
    }

    @Test("one's own work, and work of seconds, earns no reward")
    func none() async throws {
        var bench = try Bench()
        let own = try bench.addNode("own")
        let id = try bench.submit { $0.steps[0].resources.time = .hours(24) }
        let lease = try #require(bench.poll(own).first)
        bench.pass(.minutes(30))
        bench.finish(lease, on: own, cpu: .minutes(30))
        #expect(try await bench.job(id).state == .succeeded)
        #expect(try await transfers(of: bench.client.account, .reward, in: bench).isEmpty)
        bench.core.nodes[own]?.row.standing = .cordoned
        let far = try bench.addStranger("far")
        bench.core.nodes[far.node]?.row.trusted = true
        _ = try bench.submit("short")
        let short = try #require(bench.poll(far.node).first)
        bench.pass(.seconds(50))
        bench.finish(short, on: far.node, cpu: .seconds(50))
        #expect(try await transfers(of: far.owner, .post, in: bench).count == 1)
        #expect(try await transfers(of: far.owner, .reward, in: bench).isEmpty)
        #expect(try await bench.audit().ok)
    }

    @Test("without the economy nothing is opened, funded or earned")
    func off() async throws {
        var bench = try Bench(rules: CoordinatorConfiguration(), credits: .zero)
        bench.live(.minutes(1))
        let records = bench.core.ledger.head.count
        let (owner, _) = try work(&bench, trusted: true)
        #expect(try await transfers(of: owner, .reward, in: bench).isEmpty)
        #expect(bench.core.ledger.rules.versions.isEmpty)
        // Two accounts and two keys, and of the job: escrow, pending, post, close.
        #expect(bench.core.ledger.head.count == records + 7)
        #expect(try await bench.audit().ok)
    }

    @Test("an epoch begins once, whatever restarts, and days and unbonding end by themselves")
    func time() async throws {
        var bench = try Bench()
        bench.live(.seconds(30))
        #expect(balance(.pool(.compute), bench) == .credits(42_000))
        try await bench.restart()
        bench.live(.seconds(30))
        #expect(balance(.pool(.compute), bench) == .credits(42_000))
        let (bob, _) = try work(&bench, trusted: true)
        let principal = bench.client
        _ = try bench.core.move(
            .credits(50), .stake, id: TransferID(high: 1 << 20, low: 1), by: principal, authorisation: .none,
            known: [:],
            at: bench.now)
        _ = try bench.core.move(
            .credits(20), .unstake, id: TransferID(high: 1 << 20, low: 2), by: principal, authorisation: .none,
            known: [:], at: bench.now)
        bench.commit()
        let before = balance(principal.account, bench)
        #expect(bench.core.ledger.projection.accounts.contains { $0.kind == .quota })
        try await bench.restart()
        bench.pass(.days(6))
        bench.live(.seconds(30))
        #expect(!bench.core.ledger.projection.accounts.contains { $0.kind == .quota })
        #expect(balance(principal.account, bench) == before, "six days of seven")
        bench.pass(.days(2))
        bench.live(.seconds(30))
        #expect(balance(principal.account, bench).micro == before.micro + 20_000_000)
        #expect(balance(.stake(of: principal.account), bench) == .credits(30))
        #expect(balance(.pool(.compute), bench).micro > Credits.credits(80_000).micro)
        #expect(balance(bob, bench) > .zero)
        let report = try await bench.audit()
        #expect(report.ok, "\(report.failed)")
    }

    @Test("a movement under one id is made once, also when both come before a commit")
    func once() async throws {
        var bench = try Bench()
        bench.live(.seconds(20))
        let (_, bob) = try bench.addStranger("far")
        let principal = bench.client
        let id = Coordinator.transferID(TransferID(high: 5 << 20, low: 5), of: principal.account)
        func move(_ amount: Credits) throws -> Account {
            try bench.core.move(
                amount, .transfer(to: bob), id: id, by: principal, authorisation: .none, known: [:], at: bench.now)
        }
        #expect(try move(.credits(3)).balance == .credits(997))
        #expect(try move(.credits(3)).balance == .credits(997))
        bench.commit()
        let known = try #require(try await bench.store.transfer(id))
        try await bench.restart()
        _ = try bench.core.move(
            .credits(3), .transfer(to: bob), id: id, by: principal, authorisation: .none, known: [id: known],
            at: bench.now)
        #expect(throws: CoordinatorFailure.self) {
            try bench.core.move(
                .credits(4), .transfer(to: bob), id: id, by: principal, authorisation: .none, known: [id: known],
                at: bench.now)
        }
        #expect((balance(principal.account, bench), balance(bob, bench)) == (.credits(997), .credits(3)))
        #expect(bench.core.takeChange() == nil)
        #expect(try await bench.audit().ok)
    }

    @Test("a fee is the payee's, in the chain that pays")
    func fee() async throws {
        var bench = try Bench()
        bench.live(.seconds(20))
        let midnight = LedgerDay(number: LedgerDay(bench.now.wall).number + 1).start
        let old = EconomyTerms.genesis
        let terms = EconomyTerms(
            version: 2, from: midnight, epochDays: old.epochDays, emission: old.emission, poolShares: old.poolShares,
            feeRate: 250, sovereignShare: old.sovereignShare, unbondingDays: old.unbondingDays)
        try bench.core.set(.economy(terms), authorisation: .none, at: bench.now)
        bench.commit()
        bench.pass(.days(1))
        let (bob, lease) = try work(&bench, trusted: false)
        let paid = try #require(try await bench.store.attempt(lease.attempt)).paid
        let fee = paid.micro * 250 / 10_000
        #expect(fee > 0 && balance(.fees, bench).micro == fee)
        #expect(balance(bob, bench).micro == paid.micro - fee)
        let report = try await bench.audit()
        #expect(report.ok, "\(report.failed)")
    }

    @Test("what a person vouches for is paid by the rule, within the day's limit")
    func stated() async throws {
        var bench = try Bench()
        bench.live(.seconds(20))
        let (_, bob) = try bench.addStranger("far")
        func claim(_ number: UInt64, _ quantity: Int64) -> Rewards.Claim {
            Rewards.Claim(
                rule: .bugReport, user: bob, subject: SubjectID(high: 9, low: number),
                done: RewardMeasurement(quantity: quantity, duration: 0, quality: 3, complexity: 3),
                time: bench.now.wall)
        }
        func pay(_ claim: Rewards.Claim) throws -> RewardDocument {
            try bench.core.reward(
                claim, proof: .sha256([1]), reason: "a leak", authorisation: .none, known: [:], at: bench.now)
        }
        #expect(try pay(claim(1, 4)).paid == .credits(80))
        #expect(throws: CoordinatorFailure.self, "the same subject again") { try pay(claim(1, 4)) }
        #expect(balance(bob, bench) == .credits(80))
        let cut = try pay(claim(2, 4))
        #expect((cut.earned, cut.paid, cut.limit) == (.credits(80), .credits(20), .daily))
        #expect(throws: CoordinatorFailure.self) { try pay(claim(3, 1)) }
        bench.commit()
        let report = try await bench.audit()
        #expect(report.ok, "\(report.failed)")
    }
}
