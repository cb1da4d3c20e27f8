import FogCore
import FogLedger

/// Random turns of rules, rewards, stakes, epochs and corrections; honest ones, and ones that must be refused.
extension ModelTests.Run {
    private var users: [AccountID] { accounts.filter { fixture.found($0)?.kind == .user } }

    mutating func economyStep() throws {
        switch below(12) {
        case 0: setRule()
        case 1..<5: try reward()
        case 5: epoch()
        case 6..<9: try stake()
        case 9: try correct()
        case 10: endDays()
        default: loose()
        }
    }

    private mutating func setRule() {
        let now = fixture.ledger.time(at: fixture.clock)
        let midnight = LedgerDay(number: LedgerDay(now).number + Int64(below(3))).start
        let from = chance(85) ? midnight : midnight + .seconds(7)
        let book = fixture.ledger.rules
        if chance(50) {
            let last = book.economy(at: Timestamp(microseconds: .max))
            let version = (last?.version ?? 0) + (chance(90) ? 1 : UInt32(below(3)))
            let shares: [UInt32] = pick([
                [6000, 1000, 1000, 500, 1000, 500], [3333, 3333, 3334, 0, 0, 0], [9999, 1, 0, 0, 0, 1],
            ])
            let terms = EconomyTerms(
                version: version, from: from, epochDays: UInt32(1 + below(7)), emission: micro(Int64(below(1_000_000))),
                poolShares: shares, feeRate: 100, sovereignShare: UInt32(below(10_001)),
                unbondingDays: UInt32(below(4)))
            return compare([LedgerEntry(.setRule(.economy(terms)))])
        }
        let rule = pick(RewardRule.allCases)
        let last = book.terms(rule, at: Timestamp(microseconds: .max))
        let terms = RewardTerms(
            rule: rule, version: (last?.version ?? 0) + (chance(90) ? 1 : UInt32(below(3))), from: from,
            base: micro(Int64(below(1000)) - 10), measure: .item, minimum: 1,
            quality: MultiplierSteps([(0, 5000), (3, 10_000), (5, 20_000)]), dailyLimit: micro(Int64(below(20_000))))
        compare([LedgerEntry(.setRule(.reward(terms)))])
    }

    /// A reward as it should be, or with a part missing, moved or enlarged.
    private mutating func reward() throws {
        let rule = pick(RewardRule.allCases.filter { $0 != .compute })
        guard let user = users.isEmpty ? nil : pick(users) else { return }
        let claim = Rewards.Claim(
            rule: rule, user: user, subject: fixture.subject(),
            done: RewardMeasurement(
                quantity: Int64(below(chance(70) ? 20 : 8000)), duration: 60, quality: Int64(below(7)),
                complexity: Int64(below(7))),
            time: fixture.clock)
        guard let answer = Rewards.weigh(claim, at: fixture.clock, in: fixture.ledger) else {
            let quota = AccountID.quota(of: user, rule, on: LedgerDay(fixture.clock))
            compare([
                LedgerEntry(.open(AccountOpening(id: quota, kind: .quota, unit: .quota, owner: user.asOwner))),
                LedgerEntry(.move(.allow, id: fixture.transferID(), from: .allowance, to: quota, amount: micro(5))),
            ])
            return
        }
        let isHonest = chance(75) && answer.paid > .zero
        // What could be paid but was not earned would only be found by the audit.
        let quota = fixture.ledger.account(.quota(of: user, rule, on: LedgerDay(claim.time)))
        let most = max(
            quota?.available ?? answer.terms.dailyLimit, fixture.found(.pool(rule))?.available ?? .zero)
        let paid = isHonest ? answer.paid : micro(most.micro + Int64(1 + below(1000)))
        let document = RewardDocument(claim, answer, verification: .stated, proof: .sha256([1]), reason: "for the test")
        fixture.drafts[document.document.digest] = document.document
        var chain = Rewards.pay(
            claim, paid: paid, evidence: document.document.digest, at: fixture.clock, in: fixture.ledger)
        if answer.paid > .zero, chance(15) {
            switch below(4) {
            case 0: chain.removeLast()
            case 1: chain.remove(at: chain.count - 2)
            case 2: chain.swapAt(chain.count - 1, chain.count - 2)
            default: chain[chain.count - 1].evidence = .zero
            }
        }
        compare(chain)
    }

    private mutating func epoch() {
        var chain = Rewards.beginEpoch(at: fixture.clock, in: fixture.ledger)
        guard !chain.isEmpty else { return }
        if chance(30), case .transfer(let old) = chain[0].action {
            chain[0].action = .move(
                old.kind, id: old.id, from: old.debit, to: old.credit, amount: micro(old.amount.micro + 1),
                ordinal: old.ordinal)
        }
        if chance(10) { chain[0].subject = fixture.subject() }
        compare(chain)
    }

    private mutating func stake() throws {
        guard let user = users.isEmpty ? nil : pick(users) else { return }
        let amount = micro(Int64(below(2000)))
        switch below(5) {
        case 0, 1: compare(Staking.stake(amount, of: user, id: fixture.transferID(), in: fixture.ledger))
        case 2:
            compare(
                Staking.unstake(
                    amount, of: user, id: fixture.transferID(), at: fixture.clock, in: fixture.ledger))
        case 3:
            let bound = fixture.ledger.projection.accounts.filter { $0.kind == .unbonding }
            if !bound.isEmpty { compare(Staking.release(pick(bound))) }
        default:
            let subject = fixture.subject()
            let evidence = try fixture.receipt(for: subject, by: user)
            let chain = Staking.slash(
                amount, of: user, subject: subject, evidence: evidence, grantedAt: fixture.clock, in: fixture.ledger)
            if !chain.isEmpty { compare(chain) }
        }
    }

    private mutating func correct() throws {
        let known = sent.suffix(60).flatMap { $0 }.flatMap(\.transferIDs)
        let cause = known.isEmpty || chance(10) ? fixture.transferID() : pick(known)
        let correction = try CorrectionDocument(
            cause: cause, time: fixture.clock, reason: "a mistake", signedBy: fixture.key)
        fixture.drafts[correction.document.digest] = correction.document
        let wrong = fixture.transfers[cause]?.transfer
        let transfer = Transfer(
            id: cause, kind: .move, debit: wrong?.debit ?? pick(accounts), credit: wrong?.credit ?? pick(accounts),
            amount: chance(90) ? wrong?.amount ?? micro(1) : micro(7))
        compare(Settlement.correct(transfer, evidence: correction.document.digest))
    }

    /// Closes what is over, and tries what is not.
    private mutating func endDays() {
        let now = fixture.ledger.time(at: fixture.clock)
        for account in fixture.ledger.projection.accounts where Rewards.isOver(account, at: now) {
            compare(Rewards.close(quota: account))
        }
        for account in fixture.ledger.projection.accounts where Staking.isFree(account, at: now) && chance(50) {
            compare(Staking.release(account))
        }
    }

    /// Transfers of all these kinds between any two accounts, and accounts that nobody may open.
    private mutating func loose() {
        let kinds: [TransferKind] = [
            .reward, .fund, .stake, .unstake, .release, .slash, .spend, .burn, .share, .correct, .bridgeOut,
            .bridgeVoid, .allow, .use, .move,
        ]
        let kind = pick(kinds)
        // What could succeed with evidence that is none would only be found by the audit.
        let isProven = kind == .reward || kind == .correct
        compare([
            LedgerEntry(
                .move(
                    kind, id: fixture.transferID(), from: pick(accounts), to: pick(accounts),
                    amount: micro(Int64(below(50)))),
                subject: fixture.subject(), evidence: isProven && chance(30) ? .sha256([9]) : .zero)
        ])
        let opened = pick(AccountKind.allCases)
        let unit: LedgerUnit = chance(80) ? opened.unit : .quota
        let user = pick(accounts)
        let id =
            opened == .unbonding
            ? AccountID.unbonding(of: user, until: fixture.clock + .hours(Int64(below(200))))
            : AccountID(at: fixture.clock, using: &random)
        let day = LedgerDay(fixture.clock + .hours(Int64(below(48))))
        let quota = AccountID.quota(of: user, .knowledge, on: day)
        compare([
            LedgerEntry(
                .open(
                    AccountOpening(
                        id: opened == .quota ? quota : id, kind: opened, unit: unit, owner: user.asOwner)))
        ])
    }
}
