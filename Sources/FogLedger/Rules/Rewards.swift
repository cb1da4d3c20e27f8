package import FogCore

/// What to apply when something is earned, staked or shared out. Pure: chains of entries, to be given to
/// ``Ledger/apply(_:at:lookup:using:)``.
package enum Rewards {
    /// The id of a transfer whose time is not a grant's.
    static func id(
        _ kind: TransferKind, of subject: SubjectID, _ ordinal: UInt32, from time: Timestamp
    ) -> TransferID {
        TransferID(at: time, kind: kind, subject: subject, ordinal: ordinal)
    }

    /// Something done that a rule pays for.
    package struct Claim: Hashable, Sendable {
        package let rule: RewardRule
        /// Who earns it.
        package let user: AccountID
        /// What it is earned with: the attempt, or the statement.
        package let subject: SubjectID
        package let done: RewardMeasurement
        /// Of the ids; kept by the caller.
        package let time: Timestamp

        package init(
            rule: RewardRule, user: AccountID, subject: SubjectID, done: RewardMeasurement, time: Timestamp
        ) {
            self.rule = rule
            self.user = user
            self.subject = subject
            self.done = done
            self.time = time
        }
    }

    /// What a claim comes to in a ledger as it stands.
    package struct Answer: Hashable, Sendable {
        package let terms: RewardTerms
        /// What the rule says.
        package let earned: Credits
        /// What is paid of it.
        package let paid: Credits
        package let limit: RewardLimit

        package init(terms: RewardTerms, earned: Credits, paid: Credits, limit: RewardLimit) {
            self.terms = terms
            self.earned = earned
            self.paid = paid
            self.limit = limit
        }
    }

    /// What is paid for a claim now, and what limits it; nil when no rule is in force or the amount passes all bounds.
    package static func weigh(_ claim: Claim, at clock: Timestamp, in ledger: Ledger) -> Answer? {
        let now = ledger.time(at: clock)
        guard let terms = ledger.rules.terms(claim.rule, at: now), let earned = terms.earned(for: claim.done) else {
            return nil
        }
        let quota = ledger.account(.quota(of: claim.user, claim.rule, on: LedgerDay(now)))
        let left = quota?.available ?? terms.dailyLimit
        let pool = ledger.account(.pool(claim.rule))?.available ?? .zero
        let paid = max(.zero, min(earned, left, pool))
        let limit: RewardLimit
        switch paid {
        case _ where earned == .zero: limit = .belowMinimum
        case earned: limit = .none
        case left: limit = .daily
        default: limit = .pool
        }
        return Answer(terms: terms, earned: earned, paid: paid, limit: limit)
    }

    /// The chain that pays: the day's quota is opened when it is the first reward of the day, then the quota is used and
    /// the pool pays, both or neither.
    ///
    /// - Parameter paid: above zero.
    package static func pay(
        _ claim: Claim, paid: Credits, evidence: Digest, authorisation: Authorisation = .none, at clock: Timestamp,
        in ledger: Ledger
    ) -> [LedgerEntry] {
        let now = ledger.time(at: clock)
        let quota = AccountID.quota(of: claim.user, claim.rule, on: LedgerDay(now))
        var entries: [LedgerEntry] = []
        if ledger.account(quota) == nil, let terms = ledger.rules.terms(claim.rule, at: now) {
            entries = openQuota(quota, of: claim.user, limit: terms.dailyLimit)
        }
        // Several rules may pay for one subject.
        let ordinal = UInt32(claim.rule.rawValue)
        entries.append(
            LedgerEntry(
                .move(
                    .use, id: id(.use, of: claim.subject, ordinal, from: claim.time), from: quota, to: .allowance,
                    amount: paid, ordinal: ordinal),
                subject: claim.subject))
        entries.append(
            LedgerEntry(
                .move(
                    .reward, id: id(.reward, of: claim.subject, ordinal, from: claim.time), from: .pool(claim.rule),
                    to: claim.user, amount: paid, ordinal: ordinal),
                subject: claim.subject, evidence: evidence, authorisation: authorisation))
        return entries
    }

    private static func openQuota(_ quota: AccountID, of user: AccountID, limit: Credits) -> [LedgerEntry] {
        let subject = SubjectID(high: quota.high, low: quota.low)
        let opening = AccountOpening(id: quota, kind: .quota, unit: .quota, owner: user.asOwner)
        guard limit > .zero else { return [LedgerEntry(.open(opening), subject: subject)] }
        return [
            LedgerEntry(.open(opening), subject: subject),
            LedgerEntry(
                .move(
                    .allow, id: id(.allow, of: subject, 0, from: quota.time), from: .allowance, to: quota,
                    amount: limit, ordinal: 0),
                subject: subject),
        ]
    }

    /// A quota's day is over: what is left lapses and the account is closed.
    package static func close(quota: Account) -> [LedgerEntry] {
        let subject = SubjectID(high: quota.id.high, low: quota.id.low)
        var entries: [LedgerEntry] = []
        if quota.available > .zero {
            entries.append(
                LedgerEntry(
                    .move(
                        .lapse, id: id(.lapse, of: subject, 0, from: quota.id.time), from: quota.id, to: .allowance,
                        amount: quota.available, ordinal: 0),
                    subject: subject))
        }
        return entries + [LedgerEntry(.close(quota.id), subject: subject)]
    }

    /// Whether a day's quota can be closed.
    package static func isOver(_ account: Account, at time: Timestamp) -> Bool {
        account.kind == .quota && !account.isClosed && LedgerDay(account.id.time) < LedgerDay(time)
    }

    // MARK: - Epochs

    /// The transfers by any of which one sees that an epoch has begun.
    package static func marks(ofEpochAt time: Timestamp, _ terms: EconomyTerms) -> [TransferID] {
        let epoch = terms.epoch(at: time)
        let (subject, start) = (terms.subject(ofEpoch: epoch), terms.start(ofEpoch: epoch))
        return RewardRule.allCases.map { id(.fund, of: subject, UInt32($0.rawValue), from: start) }
            + [0, 1].map { id(.share, of: subject, $0, from: start) }
    }

    /// An epoch begins: the pools get their shares of its emission, and the fees of those before go to the sovereign fund
    /// and the treasury. Empty when no terms are in force or nothing is to be moved.
    package static func beginEpoch(at clock: Timestamp, in ledger: Ledger) -> [LedgerEntry] {
        let now = ledger.time(at: clock)
        guard let terms = ledger.rules.economy(at: now) else { return [] }
        let epoch = terms.epoch(at: now)
        let (subject, start) = (terms.subject(ofEpoch: epoch), terms.start(ofEpoch: epoch))
        func entry(
            _ kind: TransferKind, _ ordinal: UInt32, _ from: AccountID, _ to: AccountID, _ amount: Credits
        ) -> LedgerEntry {
            LedgerEntry(
                .move(
                    kind, id: id(kind, of: subject, ordinal, from: start), from: from, to: to, amount: amount,
                    ordinal: ordinal),
                subject: subject)
        }
        var entries = zip(RewardRule.allCases, terms.poolAmounts).compactMap { rule, amount in
            amount > .zero ? entry(.fund, UInt32(rule.rawValue), .issuance, .pool(rule), amount) : nil
        }
        let fees = ledger.account(.fees)?.available ?? .zero
        let sovereign = Shares.part(fees, terms.sovereignShare)
        if sovereign > .zero { entries.append(entry(.share, 0, .fees, .sovereign, sovereign)) }
        if fees > sovereign {
            entries.append(entry(.share, 1, .fees, .treasury, Credits(micro: fees.micro - sovereign.micro)))
        }
        return entries
    }
}

/// Why less than what was earned is paid. The raw value stands in evidence.
package enum RewardLimit: UInt8, Sendable, CaseIterable, CustomStringConvertible {
    case none = 0
    case daily = 1
    case pool = 2
    case belowMinimum = 3

    package var description: String {
        switch self {
        case .none: "none"
        case .daily: "daily_limit"
        case .pool: "pool"
        case .belowMinimum: "below_minimum"
        }
    }
}
