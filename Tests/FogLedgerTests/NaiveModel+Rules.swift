import FogCore
import FogLedger

/// What rules, days and epochs say, once more and by hand.
extension NaiveModel {
    struct Way: Hashable {
        let from: AccountKind
        let to: AccountKind

        init(_ from: AccountKind, _ to: AccountKind) {
            self.from = from
            self.to = to
        }
    }

    /// From where to where each kind goes; a correction goes anywhere within credits.
    static let ways: [TransferKind: Set<Way>] = [
        .issue: [Way(.issuance, .user), Way(.issuance, .treasury)],
        .hold: [Way(.user, .escrow)],
        .refund: [Way(.escrow, .user)],
        .fee: [Way(.user, .fees), Way(.escrow, .fees)],
        .move: [Way(.user, .user), Way(.user, .treasury)],
        .reward: [Way(.pool, .user)],
        .fund: [Way(.issuance, .pool)],
        .stake: [Way(.user, .stake)],
        .unstake: [Way(.stake, .unbonding)],
        .release: [Way(.unbonding, .user)],
        .slash: [Way(.stake, .treasury), Way(.unbonding, .treasury), Way(.stake, .burn), Way(.unbonding, .burn)],
        .spend: [Way(.treasury, .user), Way(.sovereign, .user), Way(.treasury, .pool), Way(.sovereign, .pool)],
        .burn: [Way(.user, .burn), Way(.treasury, .burn)],
        .share: [Way(.fees, .sovereign), Way(.fees, .treasury)],
        .pending: [Way(.user, .user), Way(.user, .treasury), Way(.escrow, .user), Way(.escrow, .treasury)],
        .bridgeOut: [Way(.user, .bridge)],
        .bridgeVoid: [Way(.bridge, .user)],
        .allow: [Way(.allowance, .quota)],
        .use: [Way(.quota, .allowance)],
        .lapse: [Way(.quota, .allowance)],
    ]

    static let day: Int64 = 86_400_000_000

    private static func days(_ time: Int64) -> Int64 { time / day }

    /// The milliseconds that an id begins with, in microseconds.
    private static func time(in id: AccountID) -> Int64 { Int64(id.high >> 16) * 1000 }

    private func terms(_ wanted: RewardRule, _ now: Int64) -> RewardTerms? {
        var found: RewardTerms?
        for case .reward(let terms) in rules where terms.rule == wanted && terms.from.microseconds <= now {
            found = terms
        }
        return found
    }

    private func economy(_ now: Int64) -> EconomyTerms? {
        var found: EconomyTerms?
        for case .economy(let terms) in rules where terms.from.microseconds <= now { found = terms }
        return found
    }

    func refuses(_ opening: AccountOpening, _ now: Int64) -> String? {
        let wantsQuota = opening.kind == .quota || opening.kind == .allowance
        if (opening.unit == .quota) != wantsQuota { return "unit_not_of_kind" }
        let single: [AccountKind: UInt64] = [
            .issuance: 1, .treasury: 2, .fees: 3, .sovereign: 4, .burn: 5, .allowance: 6,
        ]
        let user = AccountID(high: opening.owner.high, low: opening.owner.low)
        let at = Self.time(in: opening.id)
        let isOurs: Bool
        switch opening.kind {
        case .pool: isOurs = opening.id.high == 0 && (0x101...0x106).contains(opening.id.low)
        case .stake: isOurs = opening.id == .stake(of: user)
        case .quota:
            isOurs = RewardRule.allCases.contains {
                opening.id == .quota(of: user, $0, on: LedgerDay(number: Self.days(at)))
            }
        case .unbonding: isOurs = opening.id == .unbonding(of: user, until: Timestamp(microseconds: at))
        case .user, .escrow, .bridge: isOurs = opening.id.high != 0
        default: isOurs = opening.id == AccountID(high: 0, low: single[opening.kind] ?? 0)
        }
        if !isOurs { return "id_not_of_kind" }
        if opening.kind == .quota, Self.days(at) != Self.days(now) { return "not_today" }
        guard opening.kind == .unbonding else { return nil }
        guard let terms = economy(now) else { return "no_rule_in_force" }
        return at + 999 < now + Int64(terms.unbondingDays) * Self.day ? "time_backwards" : nil
    }

    mutating func set(_ rule: LedgerRule, _ now: Int64) -> String {
        let versions = rules.filter { $0.name == rule.name }
        if let same = versions.first(where: { $0.version == rule.version }) {
            return same == rule ? "exists" : "exists_with_different_rule"
        }
        if Self.isNonsense(rule) { return "bad_rule" }
        if Int(rule.version) != versions.count + 1 { return "bad_rule" }
        if let last = versions.last {
            if rule.from.microseconds <= now || rule.from < last.from { return "time_backwards" }
            if rule.from.microseconds % Self.day != 0 { return "bad_rule" }
        }
        rules.append(rule)
        return "applied"
    }

    private static func isNonsense(_ rule: LedgerRule) -> Bool {
        switch rule {
        case .reward(let terms): terms.base.micro < 0 || terms.dailyLimit.micro < 0 || terms.minimum < 0
        case .economy(let terms): terms.poolShares.reduce(0, +) != 10_000 || terms.epochDays == 0
        case .jurisdiction: false
        }
    }

    func refuses(
        _ proposal: TransferProposal, _ entry: LedgerEntry, _ from: Purse, _ to: Purse, _ now: Int64,
        before: NaiveModel
    ) -> String? {
        let amount = Int128(proposal.amount.micro)
        switch proposal.kind {
        case .use:
            return Self.days(Self.time(in: proposal.debit)) == Self.days(now) ? nil : "not_today"
        case .allow:
            let at = Self.days(Self.time(in: proposal.credit))
            if at != Self.days(now) { return "not_today" }
            let user = AccountID(high: to.owner.high, low: to.owner.low)
            for rule in RewardRule.allCases
            where proposal.credit == .quota(of: user, rule, on: LedgerDay(number: at)) {
                guard let terms = terms(rule, now) else { return "no_rule_in_force" }
                let due = to.into == 0 && to.out == 0 ? Int128(terms.dailyLimit.micro) : 0
                return amount == due ? nil : "amount_not_due"
            }
            return "no_rule_in_force"
        case .reward:
            let rule = RewardRule(rawValue: UInt8(truncatingIfNeeded: proposal.debit.low))
            guard let rule, terms(rule, now) != nil else { return "no_rule_in_force" }
            let quota = AccountID.quota(of: proposal.credit, rule, on: LedgerDay(number: Self.days(now)))
            let fits = waiting.map { $0.quota == quota && Int128($0.amount) == amount && $0.subject == entry.subject }
            return fits == true ? nil : "not_linked"
        case .unstake: return from.owner == to.owner ? nil : "exists_with_different_credit_account"
        case .release:
            if Self.time(in: proposal.debit) > now { return "still_unbonding" }
            let isOwners = proposal.credit.high == from.owner.high && proposal.credit.low == from.owner.low
            return isOwners ? nil : "exists_with_different_credit_account"
        case .fund, .share: return refusesEpoch(proposal, entry, from, now)
        case .correct:
            let cause = TransferID(high: entry.subject.high, low: entry.subject.low)
            guard let old = before.past[cause] else { return "unknown_transfer" }
            guard case .transfer(let wrong) = old.action,
                [.issue, .fee, .move, .reward, .slash, .burn].contains(wrong.kind),
                wrong.debit == proposal.credit, wrong.credit == proposal.debit, wrong.amount == proposal.amount
            else { return "not_correctable" }
            return proposal.ordinal == 0 && Self.milliseconds(proposal.id) == Self.milliseconds(cause)
                ? nil : "id_not_derived"
        default: return nil
        }
    }

    private static func milliseconds(_ id: TransferID) -> UInt64 { id.high >> 16 }

    private func refusesEpoch(
        _ proposal: TransferProposal, _ entry: LedgerEntry, _ from: Purse, _ now: Int64
    ) -> String? {
        guard let terms = economy(now) else { return "no_rule_in_force" }
        let epoch = Self.days(now) / Int64(terms.epochDays)
        let start = epoch * Int64(terms.epochDays) * Self.day
        let isFund = proposal.kind == .fund
        let ordinal = isFund ? UInt32(proposal.credit.low) - 0x100 : proposal.credit == .sovereign ? 0 : 1
        let isOfEpoch =
            entry.subject.low == UInt64(epoch) && entry.subject.high & 0xffff_ffff == UInt64(terms.epochDays)
            && entry.subject.high >> 48 == 0xe90c
        guard isOfEpoch, proposal.ordinal == ordinal, Int64(proposal.id.high >> 16) * 1000 == start else {
            return "id_not_derived"
        }
        let due: Int128
        if isFund {
            due = Self.share(terms.poolShares, of: terms.emission.micro, Int(ordinal) - 1)
        } else {
            let all = from.into - from.out
            due = ordinal == 0 ? all * Int128(terms.sovereignShare) / 10_000 : all
        }
        return Int128(proposal.amount.micro) == due ? nil : "amount_not_due"
    }

    /// One by one: each micro-credit that is left goes to whoever lacks the most.
    private static func share(_ weights: [UInt32], of total: Int64, _ index: Int) -> Int128 {
        var parts = weights.map { Int128($0) * Int128(total) / 10_000 }
        var left = Int128(total) - parts.reduce(0, +)
        var owed = weights.indices.map { Int128(weights[$0]) * Int128(total) - parts[$0] * 10_000 }
        while left > 0 {
            guard let most = owed.max(), let next = owed.firstIndex(of: most) else { break }
            parts[next] += 1
            owed[next] -= 10_000
            left -= 1
        }
        return parts[index]
    }
}
