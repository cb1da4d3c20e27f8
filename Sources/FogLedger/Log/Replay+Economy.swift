internal import FogCore

/// What the replay keeps of rules, quotas and epochs, to judge what was earned, funded and put at risk.
struct EconomyReplay: Sendable {
    /// Versions of each rule by its name, in the order of the log.
    var rules: [String: [LedgerRule]] = [:]
    /// The record before, when it used a quota.
    var used: (sequence: UInt64, quota: AccountID, transfer: Transfer, subject: SubjectID)?
    /// What an account earned by a rule on a day.
    var earned: [Earning: Int128] = [:]
    /// What an epoch put into the pools.
    var emitted: [SubjectID: Int128] = [:]

    struct Earning: Hashable, Sendable {
        let user: AccountID
        let rule: RewardRule
        let day: LedgerDay
    }

    /// The version in force at a time; told apart from ``Rulebook`` on purpose.
    func inForce(_ name: String, at time: Timestamp) -> LedgerRule? {
        rules[name]?.filter { $0.from <= time }.max { $0.version < $1.version }
    }

    func terms(_ rule: RewardRule, at time: Timestamp) -> RewardTerms? {
        guard case .reward(let terms) = inForce(rule.description, at: time) else { return nil }
        return terms
    }

    func economy(at time: Timestamp) -> EconomyTerms? {
        guard case .economy(let terms) = inForce("economy", at: time) else { return nil }
        return terms
    }

    func jurisdiction(at time: Timestamp) -> JurisdictionTerms? {
        guard case .jurisdiction(let terms) = inForce("jurisdiction", at: time) else { return nil }
        return terms
    }
}

extension Replay {
    mutating func set(_ rule: LedgerRule, _ record: LedgerRecord) {
        let known = economy.rules[rule.name]?.last
        if let problem = rule.problem { return fault(.rules, "a rule \(rule.name) that holds", problem) }
        let next = (known?.version ?? 0) + 1
        if rule.version != next { fault(.rules, "version \(next) of \(rule.name)", "version \(rule.version)") }
        if let known {
            if rule.from <= record.time || rule.from < known.from {
                fault(.rules, "a version in force after \(max(record.time, known.from))", "from \(rule.from)")
            }
            if rule.from.microseconds % 86_400_000_000 != 0 {
                fault(.rules, "a version in force from a UTC midnight", "from \(rule.from)")
            }
        }
        economy.rules[rule.name, default: []].append(rule)
    }

    /// After the accounts are known and before their counters change.
    mutating func checkTerms(_ transfer: Transfer, _ debit: Account, _ credit: Account, _ record: LedgerRecord) {
        checkLink(transfer, debit, credit, record)
        switch transfer.kind {
        case .allow: checkAllowance(transfer, credit, record)
        case .use, .lapse: checkQuota(transfer, debit, record)
        case .reward: checkReward(transfer, credit, record)
        case .fund: checkFund(transfer, record)
        case .share: checkShare(transfer, debit, record)
        case .unstake:
            if debit.owner != credit.owner { fault(.staking, "an unstake to its owner", "to \(credit.id)") }
        case .release:
            if debit.id.time > record.time {
                fault(.staking, "account \(debit.id) released from \(debit.id.time)", "at \(record.time)")
            }
            if credit.id.asOwner != debit.owner {
                fault(.staking, "a release to the owner of \(debit.id)", "to \(credit.id)")
            }
        case .correct: checkCorrection(transfer, record)
        default: return
        }
    }

    /// Where the accounts of a kind are bound to a day or a term.
    mutating func checkOpening(_ opening: AccountOpening, _ record: LedgerRecord) {
        if opening.unit != opening.kind.unit || !opening.kind.fits(opening.id, owner: opening.owner) {
            fault(.accounts, "an id and a unit of kind \(opening.kind)", "\(opening.id) in \(opening.unit)")
        }
        guard opening.kind == .unbonding else { return }
        let days = economy.economy(at: record.time)?.unbondingDays ?? 0
        let bound = (opening.id.time.microseconds - record.time.microseconds + 999) / 86_400_000_000
        if bound < Int64(days) { fault(.staking, "\(days) days to unbond", "until \(opening.id.time)") }
    }

    private mutating func checkLink(
        _ transfer: Transfer, _ debit: Account, _ credit: Account, _ record: LedgerRecord
    ) {
        let used = economy.used
        economy.used = transfer.kind == .use ? (record.sequence, debit.id, transfer, record.subject) : nil
        if transfer.kind == .use, record.following == 0 { fault(.rewards, "a reward after a use of quota", "none") }
        guard transfer.kind == .reward || used.map({ $0.sequence &+ 1 == record.sequence }) == true else { return }
        guard transfer.kind == .reward, let used, used.sequence &+ 1 == record.sequence,
            used.transfer.amount == transfer.amount, used.subject == record.subject
        else { return fault(.rewards, "a use of quota and its reward, side by side", "a \(transfer.kind) alone") }
        let rule = RewardRule.allCases.first { .pool($0) == transfer.debit }
        if rule.map({ .quota(of: credit.id, $0, on: LedgerDay(record.time)) == used.quota }) != true {
            fault(.quotas, "the day's quota of \(credit.id)", "\(used.quota)")
        }
    }

    private mutating func checkAllowance(_ transfer: Transfer, _ quota: Account, _ record: LedgerRecord) {
        let day = LedgerDay(quota.id.time)
        let user = AccountID(high: quota.owner.high, low: quota.owner.low)
        let rule = RewardRule.allCases.first { .quota(of: user, $0, on: day) == quota.id }
        let limit = rule.flatMap { economy.terms($0, at: record.time)?.dailyLimit }
        if day != LedgerDay(record.time) { fault(.quotas, "a quota of the day", "\(quota.id) at \(record.time)") }
        if limit != transfer.amount || quota.counters != .zero {
            let words = limit.map { "the daily limit \($0), once" } ?? "a rule in force"
            fault(.quotas, words, "\(transfer.amount) on top of \(quota.counters)")
        }
    }

    private mutating func checkQuota(_ transfer: Transfer, _ quota: Account, _ record: LedgerRecord) {
        let isOver = LedgerDay(quota.id.time) < LedgerDay(record.time)
        if isOver != (transfer.kind == .lapse) {
            fault(.quotas, "a \(transfer.kind) \(isOver ? "on" : "after") the quota's day", "at \(record.time)")
        }
    }

    private mutating func checkReward(_ transfer: Transfer, _ credit: Account, _ record: LedgerRecord) {
        guard let rule = RewardRule.allCases.first(where: { .pool($0) == transfer.debit }),
            let terms = economy.terms(rule, at: record.time)
        else { return fault(.rewards, "a rule in force", "none for \(transfer.debit)") }
        let key = EconomyReplay.Earning(user: credit.id, rule: rule, day: LedgerDay(record.time))
        let sum = (economy.earned[key] ?? 0) + Int128(transfer.amount.micro)
        economy.earned[key] = sum
        if sum > Int128(terms.dailyLimit.micro) {
            fault(.quotas, "at most \(terms.dailyLimit) a day by \(rule)", "\(sum) micro-credits")
        }
    }

    // MARK: - Epochs

    private mutating func checkFund(_ transfer: Transfer, _ record: LedgerRecord) {
        guard let terms = economy.economy(at: record.time) else {
            return fault(.emission, "terms of the economy in force", "none")
        }
        let epoch = Int64(record.time.microseconds / 86_400_000_000) / Int64(terms.epochDays)
        if record.subject != terms.subject(ofEpoch: epoch) {
            fault(.emission, "epoch \(epoch)", "subject \(record.subject)")
        }
        let sum = (economy.emitted[record.subject] ?? 0) + Int128(transfer.amount.micro)
        economy.emitted[record.subject] = sum
        if sum > Int128(terms.emission.micro) {
            fault(.emission, "at most \(terms.emission) in epoch \(epoch)", "\(sum) micro-credits")
        }
        guard let index = RewardRule.allCases.firstIndex(where: { .pool($0) == transfer.credit }) else { return }
        // Within one micro-credit of the exact share: which remainder is largest is the cap's to bound.
        let exact = Int128(terms.emission.micro) * Int128(terms.poolShares[index])
        let found = Int128(transfer.amount.micro) * 10_000
        if found - exact >= 10_000 || exact - found >= 10_000 {
            fault(.emission, "\(terms.poolShares[index]) / 10000 of \(terms.emission)", "\(transfer.amount)")
        }
    }

    private mutating func checkShare(_ transfer: Transfer, _ fees: Account, _ record: LedgerRecord) {
        guard let terms = economy.economy(at: record.time) else {
            return fault(.emission, "terms of the economy in force", "none")
        }
        let available = Int128(fees.available.micro)
        let due = transfer.credit == .sovereign ? available * Int128(terms.sovereignShare) / 10_000 : available
        if Int128(transfer.amount.micro) != due {
            fault(.emission, "a share of \(due) micro-credits", "\(transfer.amount)")
        }
    }

    // MARK: - Corrections

    /// Enough of a transfer to tell whether another one reverses it; 0 for kinds that are not reversed.
    static func print(_ kind: TransferKind, from debit: AccountID, to credit: AccountID, _ amount: Credits) -> Int {
        guard kind.isCorrectable else { return 0 }
        var hasher = Hasher()
        hasher.combine(debit)
        hasher.combine(credit)
        hasher.combine(amount)
        return hasher.finalize()
    }

    private mutating func checkCorrection(_ transfer: Transfer, _ record: LedgerRecord) {
        let cause = TransferID(high: record.subject.high, low: record.subject.low)
        let known = transfers[cause]?.print ?? 0
        let reversed = Self.print(.move, from: transfer.credit, to: transfer.debit, transfer.amount)
        if known != reversed {
            fault(.corrections, "the reverse of transfer \(cause)", "\(transfer.amount) to \(transfer.credit)")
        }
        if transfer.ordinal != 0 { fault(.corrections, "an id derived from its cause", "\(transfer.id)") }
    }
}
