import FogCore
import FogLedger
import Testing

/// A ledger with accounts, rules and filled pools, and a user with a node.
struct RewardStage {
    let fixture: LedgerFixture
    let user: AccountID

    init(rules: [LedgerRule] = LedgerRule.genesis, isFunded: Bool = true) throws {
        fixture = try LedgerFixture()
        for entry in LedgerEntry.economyAccounts { fixture.apply([entry]) }
        for rule in rules { fixture.apply([LedgerEntry(.setRule(rule))]) }
        if isFunded { fixture.apply(Rewards.beginEpoch(at: fixture.clock, in: fixture.ledger)) }
        user = fixture.account()
        fixture.apply(.enrol(try fixture.enrolment(of: user)))
    }

    func claim(_ rule: RewardRule, _ quantity: Int64, quality: Int64 = 3, complexity: Int64 = 3) -> Rewards.Claim {
        Rewards.Claim(
            rule: rule, user: user, subject: fixture.subject(),
            done: RewardMeasurement(quantity: quantity, duration: 0, quality: quality, complexity: complexity),
            time: fixture.clock)
    }

    /// Weighs, documents and pays a claim.
    @discardableResult
    func pay(_ claim: Rewards.Claim) throws -> (answer: Rewards.Answer, word: String) {
        let answer = try #require(Rewards.weigh(claim, at: fixture.clock, in: fixture.ledger))
        guard answer.paid > .zero else { return (answer, "nothing") }
        let document = RewardDocument(claim, answer, verification: .stated, proof: .sha256([1]), reason: "done")
            .document
        fixture.drafts[document.digest] = document
        let chain = Rewards.pay(
            claim, paid: answer.paid, evidence: document.digest, at: fixture.clock, in: fixture.ledger)
        return (answer, fixture.apply(chain).word)
    }

    func balance(_ id: AccountID) -> Credits { fixture.found(id)?.balance ?? .zero }
}

@Suite("Earning by rules")
struct RewardTests {
    @Test(
        "what is earned is base x quantity x multipliers, rounded down once",
        arguments: [
            // One core-hour of one core by a node without history: 10.
            (RewardRule.compute, 3_600_000_000_000, 0, 0, 1000, "10"),
            // Below the minimum of a core-minute.
            (.compute, 59_999_999_999, 0, 0, 1000, "0"),
            // Two hours on 40 cores by a node of good name: 10 x 80 x 1.1 x 1.2 x 1.2.
            (.compute, 80 * 3_600_000_000_000, 7200, 9500, 40_000, "1267.2"),
            // A nanosecond more than a minute.
            (.compute, 60_000_000_001, 0, 0, 1000, "0.166666"),
            (.hosting, 5400, 0, 0, 0, "7.5"),
            (.knowledge, 1, 0, 5, 5, "60"),
            (.governance, 2, 0, 3, 3, "6"),
            (.agentDevelopment, 1, 0, 1, 3, "25"),
            (.bugReport, 1, 0, 3, 4, "20"),
        ] as [(RewardRule, Int64, Int64, Int64, Int64, String)])
    func amounts(
        rule: RewardRule, quantity: Int64, duration: Int64, quality: Int64, complexity: Int64, wanted: String
    ) throws {
        let terms = try #require(RewardTerms.genesis.first { $0.rule == rule })
        let done = RewardMeasurement(
            quantity: quantity, duration: duration, quality: quality, complexity: complexity)
        #expect(terms.earned(for: done)?.description == wanted)
    }

    @Test("an amount that passes 2^63 - 1 micro-credits is none")
    func overflow() {
        let terms = RewardTerms(
            rule: .hosting, version: 1, from: .zero, base: RewardTerms.maxBase, measure: .item, minimum: 0,
            duration: MultiplierSteps([(0, 100_000)]), quality: MultiplierSteps([(0, 100_000)]),
            complexity: MultiplierSteps([(0, 100_000)]), dailyLimit: .zero)
        let done = RewardMeasurement(quantity: .max, duration: 0, quality: 0, complexity: 0)
        #expect(terms.earned(for: done) == nil)
    }

    @Test("a reward comes from its pool and uses the day's quota, both or neither")
    func chain() throws {
        let stage = try RewardStage()
        let pool = stage.balance(.pool(.knowledge))
        #expect(pool == .credits(7000))
        let (answer, word) = try stage.pay(stage.claim(.knowledge, 1))
        #expect(word == "applied")
        #expect((answer.earned, answer.paid, answer.limit) == (.credits(15), .credits(15), .none))
        #expect(stage.balance(stage.user) == .credits(15))
        #expect(stage.balance(.pool(.knowledge)) == .credits(6985))
        let quota = AccountID.quota(of: stage.user, .knowledge, on: LedgerDay(stage.fixture.clock))
        #expect(stage.balance(quota) == .credits(45))
        #expect(try stage.fixture.audit(coordinator: stage.fixture.key.publicKey).failed == [])
    }

    @Test("the daily limit cuts the last reward and ends with the UTC day")
    func dailyLimit() throws {
        let stage = try RewardStage()
        #expect(try stage.pay(stage.claim(.bugReport, 4)).answer.paid == .credits(80))
        let cut = try stage.pay(stage.claim(.bugReport, 4)).answer
        #expect((cut.earned, cut.paid, cut.limit) == (.credits(80), .credits(20), .daily))
        let none = try stage.pay(stage.claim(.bugReport, 1)).answer
        #expect((none.paid, none.limit) == (.zero, .daily))
        // Whoever does not ask first is refused by the quota.
        let claim = stage.claim(.bugReport, 1)
        let forced = Rewards.pay(
            claim, paid: .credits(20), evidence: .sha256([1]), at: stage.fixture.clock, in: stage.fixture.ledger)
        let before = stage.fixture.projection
        #expect(stage.fixture.apply(forced).word == "daily_limit_exceeded")
        #expect(stage.fixture.projection == before)
        stage.fixture.clock = LedgerDay(number: LedgerDay(stage.fixture.clock).number + 1).start
        let over = stage.fixture.ledger.projection.accounts.filter { Rewards.isOver($0, at: stage.fixture.clock) }
        #expect(over.count == 1)
        for quota in over { #expect(stage.fixture.apply(Rewards.close(quota: quota)).word == "applied") }
        #expect(try stage.pay(stage.claim(.bugReport, 1)).answer.paid == .credits(20))
        #expect(
            stage.balance(.allowance).micro == -stage.balance(
                .quota(of: stage.user, .bugReport, on: LedgerDay(stage.fixture.clock))
            ).micro)
        #expect(try stage.fixture.audit(coordinator: stage.fixture.key.publicKey).failed == [])
    }

    @Test("an empty pool pays what it has, then nothing")
    func pool() throws {
        let terms = EconomyTerms(
            version: 1, from: .zero, epochDays: 7, emission: .credits(10), poolShares: [0, 0, 0, 0, 0, 10_000],
            feeRate: 0, sovereignShare: 0, unbondingDays: 1)
        let stage = try RewardStage(rules: [.economy(terms)] + RewardTerms.genesis.map { .reward($0) })
        let cut = try stage.pay(stage.claim(.bugReport, 1)).answer
        #expect((cut.earned, cut.paid, cut.limit) == (.credits(20), .credits(10), .pool))
        let claim = stage.claim(.bugReport, 1)
        let forced = Rewards.pay(
            claim, paid: micro(1), evidence: .sha256([1]), at: stage.fixture.clock, in: stage.fixture.ledger)
        #expect(stage.fixture.apply(forced).word == "pool_exhausted")
        #expect(try stage.fixture.audit(coordinator: stage.fixture.key.publicKey).failed == [])
    }

    @Test("an epoch funds each pool once, and shares the fees out")
    func epoch() throws {
        let stage = try RewardStage()
        let fixture = stage.fixture
        #expect(stage.balance(.pool(.compute)) == .credits(42_000))
        #expect(-stage.balance(.issuance).micro == Credits.credits(70_000).micro)
        #expect(fixture.apply(Rewards.beginEpoch(at: fixture.clock, in: fixture.ledger)).word == "exists")
        try fixture.grant(micro(1001), to: stage.user)
        fixture.apply(.move(.fee, id: fixture.transferID(), from: stage.user, to: .fees, amount: micro(1001)))
        fixture.clock = fixture.clock + .days(7)
        #expect(fixture.apply(Rewards.beginEpoch(at: fixture.clock, in: fixture.ledger)).word == "applied")
        // A fifth rounded down, and the rest.
        #expect((stage.balance(.sovereign), stage.balance(.treasury)) == (micro(200), micro(801)))
        #expect(stage.balance(.pool(.compute)) == .credits(84_000))
        #expect(try fixture.audit(coordinator: fixture.key.publicKey).failed == [])
    }

    @Test("parts by largest remainder add up", arguments: [0, 1, 7, 99_999, 1_000_003, Int64(1) << 61])
    func shares(amount: Int64) {
        let parts = Shares.split(micro(amount), by: [3333, 3333, 3334])
        #expect(parts.reduce(0) { $0 + $1.micro } == amount)
        #expect(Shares.split(micro(1), by: [5000, 5000]) == [micro(1), .zero])
    }

    @Test("a new version of a rule is in force from a midnight to come, and is audited under its own day")
    func versions() throws {
        let stage = try RewardStage()
        let fixture = stage.fixture
        let midnight = LedgerDay(number: LedgerDay(fixture.clock).number + 1).start
        func second(_ from: Timestamp, version: UInt32 = 2) -> LedgerRule {
            .reward(
                RewardTerms(
                    rule: .governance, version: version, from: from, base: .credits(4), measure: .item, minimum: 1,
                    dailyLimit: .credits(5)))
        }
        #expect(fixture.apply([LedgerEntry(.setRule(second(midnight, version: 3)))]).word == "bad_rule")
        #expect(fixture.apply([LedgerEntry(.setRule(second(fixture.clock)))]).word == "time_backwards")
        #expect(fixture.apply([LedgerEntry(.setRule(second(midnight + .seconds(1))))]).word == "bad_rule")
        #expect(fixture.apply([LedgerEntry(.setRule(second(midnight)))]).word == "applied")
        #expect(fixture.apply([LedgerEntry(.setRule(second(midnight)))]).word == "exists")
        let other = second(midnight + .days(1))
        #expect(fixture.apply([LedgerEntry(.setRule(other))]).word == "exists_with_different_rule")
        #expect(try stage.pay(stage.claim(.governance, 1)).answer.paid == .credits(3))
        fixture.clock = midnight
        let later = try stage.pay(stage.claim(.governance, 2)).answer
        #expect((later.terms.version, later.earned, later.paid) == (2, .credits(8), .credits(5)))
        #expect(try fixture.audit(coordinator: fixture.key.publicKey).failed == [])
        #expect(Ledger(fixture.projection).rules == fixture.ledger.rules)
    }

    @Test("a stake is free only after the unbonding time, and can be slashed until then")
    func staking() throws {
        let stage = try RewardStage()
        let (fixture, user) = (stage.fixture, stage.user)
        try fixture.grant(.credits(100), to: user)
        #expect(
            fixture.apply(Staking.stake(.credits(60), of: user, id: fixture.transferID(), in: fixture.ledger)).word
                == "applied")
        let unstake = Staking.unstake(
            .credits(20), of: user, id: fixture.transferID(), at: fixture.clock, in: fixture.ledger)
        #expect(fixture.apply(unstake).word == "applied")
        let bound = try #require(fixture.ledger.projection.accounts.first { $0.kind == .unbonding })
        #expect(fixture.apply(Staking.release(bound)).word == "still_unbonding")
        let subject = fixture.subject()
        let receipt = try fixture.receipt(for: subject, by: user)
        let slash = Staking.slash(
            .credits(50), of: user, subject: subject, evidence: receipt, grantedAt: fixture.clock, in: fixture.ledger)
        #expect(fixture.apply(slash).word == "applied")
        #expect((stage.balance(.stake(of: user)), stage.balance(bound.id)) == (.zero, .credits(10)))
        #expect(stage.balance(.treasury) == .credits(50))
        fixture.clock = fixture.clock + .days(8)
        let left = try #require(fixture.found(bound.id))
        #expect(Staking.isFree(left, at: fixture.clock))
        #expect(fixture.apply(Staking.release(left)).word == "applied")
        #expect(stage.balance(user) == .credits(50))
        #expect(try fixture.audit(coordinator: fixture.key.publicKey).failed == [])
    }

    @Test("a correction reverses a transfer once, whole, and names it")
    func correction() throws {
        let stage = try RewardStage()
        let (fixture, user, other) = (stage.fixture, stage.user, stage.fixture.account())
        try fixture.grant(.credits(10), to: user)
        let id = fixture.transferID()
        fixture.apply(.move(.move, id: id, from: user, to: other, amount: .credits(4)))
        let wrong = try #require(fixture.transfers[id]?.transfer)
        let document = try CorrectionDocument(
            cause: id, time: fixture.clock, reason: "sent twice", signedBy: fixture.key)
        fixture.drafts[document.document.digest] = document.document
        let chain = Settlement.correct(wrong, evidence: document.document.digest)
        #expect(fixture.apply(chain).word == "applied")
        #expect(fixture.apply(chain).word == "exists")
        #expect((stage.balance(user), stage.balance(other)) == (.credits(10), .zero))
        var half = chain
        half[0].action = .move(
            .correct, id: Settlement.correctionID(of: id), from: other, to: user, amount: .credits(2), ordinal: 0)
        #expect(fixture.apply(half).word == "exists_with_different_amount")
        #expect(try fixture.audit(coordinator: fixture.key.publicKey).failed == [])
    }

    // MARK: - The forger

    /// The log with one record changed by hand and chained again, the documents as they were.
    private func forged(_ stage: RewardStage, _ kind: TransferKind, _ change: (LedgerRecord) -> LedgerRecord) throws
        -> AuditReport
    {
        var previous = LedgerFixture.origin
        var isDone = false
        let rows = stage.fixture.rows.map { row in
            var record = row.record
            if !isDone, record.transfer?.kind == kind {
                record = change(record)
                isDone = true
            }
            let sealed = record.with(previous: previous).sealed()
            previous = sealed.hash
            return StoredRow(sequence: record.sequence, bytes: sealed.bytes, hash: sealed.hash)
        }
        #expect(isDone)
        return try stage.fixture.audit(rows)
    }

    @Test("an audit computes rewards, quotas, emission and corrections again")
    func audited() throws {
        let stage = try RewardStage()
        try stage.pay(stage.claim(.knowledge, 1))
        func failed(_ report: AuditReport) -> Set<AuditCheck> { Set(report.failed.map(\.check)) }
        let more = try forged(stage, .reward) { $0.changed { $0.with(amount: .credits(16)) } }
        #expect(failed(more).isSuperset(of: [.rewards]))
        // The audit adds the day up by itself, whatever the quota says.
        let much = try forged(stage, .reward) { $0.changed { $0.with(amount: .credits(61)) } }
        #expect(failed(much).contains(.quotas))
        let allowance = try forged(stage, .allow) { $0.changed { $0.with(amount: .credits(600)) } }
        #expect(failed(allowance).contains(.quotas))
        let fund = try forged(stage, .fund) { $0.changed { $0.with(amount: .credits(42_001)) } }
        #expect(failed(fund).contains(.emission))
        let use = try forged(stage, .use) { $0.changed { $0.with(amount: .credits(1)) } }
        #expect(failed(use).contains(.rewards))
    }

    @Test("a reward whose document says more than the rule gives is found")
    func generous() throws {
        let stage = try RewardStage()
        let claim = stage.claim(.knowledge, 1)
        let fair = try #require(Rewards.weigh(claim, at: stage.fixture.clock, in: stage.fixture.ledger))
        let generous = Rewards.Answer(terms: fair.terms, earned: .credits(20), paid: .credits(20), limit: .none)
        let document = RewardDocument(claim, generous, verification: .stated, proof: .sha256([1])).document
        stage.fixture.drafts[document.digest] = document
        let chain = Rewards.pay(
            claim, paid: .credits(20), evidence: document.digest, at: stage.fixture.clock, in: stage.fixture.ledger)
        #expect(stage.fixture.apply(chain).word == "applied")
        let report = try stage.fixture.audit(coordinator: stage.fixture.key.publicKey)
        #expect(report.failed.map(\.check) == [.rewards])
        #expect(report[.rewards]?.sequence == stage.fixture.rows.last?.record.sequence)
    }

    @Test("a compute reward needs the receipt of the attempt, by a node of who earns", arguments: 0..<4)
    func work(_ fault: Int) throws {
        let stage = try RewardStage()
        let (fixture, user) = (stage.fixture, stage.user)
        var claim = stage.claim(.compute, 3_600_000_000_000, quality: 0, complexity: 1000)
        let receipt = try fixture.receipt(for: fault == 1 ? fixture.subject() : claim.subject, by: user)
        if let document = fixture.drafts[receipt], fault != 2 { fixture.documents[receipt] = document }
        if fault == 3 {
            let other = fixture.account()
            claim = Rewards.Claim(
                rule: .compute, user: other, subject: claim.subject, done: claim.done, time: claim.time)
        }
        let answer = try #require(Rewards.weigh(claim, at: fixture.clock, in: fixture.ledger))
        let document = RewardDocument(claim, answer, verification: .replicated, proof: receipt).document
        fixture.drafts[document.digest] = document
        let chain = Rewards.pay(
            claim, paid: answer.paid, evidence: document.digest, at: fixture.clock, in: fixture.ledger)
        #expect(fixture.apply(chain).word == "applied")
        #expect(
            try fixture.audit(coordinator: fixture.key.publicKey).failed.map(\.check) == (fault == 0 ? [] : [.rewards]))
    }

    @Test("documents and rules read back as they were written, and nothing else reads")
    func bytes() throws {
        let stage = try RewardStage()
        let claim = stage.claim(.knowledge, 1)
        let answer = try #require(Rewards.weigh(claim, at: stage.fixture.clock, in: stage.fixture.ledger))
        let reward = RewardDocument(claim, answer, verification: .stated, proof: .sha256([1]), reason: "ü")
        #expect(try RewardDocument(decoding: reward.document.bytes) == reward)
        let policy = JurisdictionTerms(version: 1, from: .zero, regions: ["de", "eu"])
        let decision = JurisdictionDecision(policy, region: "eu")
        #expect(decision.isAllowed && !JurisdictionDecision(policy, region: "us").isAllowed)
        #expect(try JurisdictionDecision(decoding: decision.document.bytes) == decision)
        for bytes in [reward.document.bytes, decision.document.bytes] {
            for count in 0..<bytes.count {
                #expect(throws: LedgerFailure.self) { try RewardDocument(decoding: Array(bytes[..<count])) }
                #expect(throws: LedgerFailure.self) { try JurisdictionDecision(decoding: Array(bytes[..<count])) }
            }
        }
        for rule in LedgerRule.genesis + [.jurisdiction(policy)] {
            let record = try RecordTests.record(.ruleSet(rule), signed: true, following: 2)
            #expect(try LedgerRecord(decoding: record.encoded) == record)
            #expect(record.accounts == [.rulebook])
        }
    }
}
