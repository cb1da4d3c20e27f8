package import FogCore

/// What an account is for. The raw value stands in records.
package enum AccountKind: UInt8, Sendable, CaseIterable, CustomStringConvertible {
    /// Where credits come from; minus its balance is the supply.
    case issuance = 1
    case treasury = 2
    /// Where fees go until they are shared out.
    case fees = 3
    case user = 4
    /// What a job's running attempts may cost.
    case escrow = 5
    /// What may be earned by one rule.
    case pool = 6
    /// What a user put at risk; can be slashed.
    case stake = 7
    /// What a user may still earn by one rule on one day.
    case quota = 8
    case sovereign = 9
    /// Credits that are no more.
    case burn = 10
    /// Where quotas come from and go to: the issuance of the second unit.
    case allowance = 11
    /// What was unstaked and is not free yet; can still be slashed.
    case unbonding = 12
    /// Credits on their way out of this ledger.
    case bridge = 13

    package var description: String {
        switch self {
        case .issuance: "issuance"
        case .treasury: "treasury"
        case .fees: "fees"
        case .user: "user"
        case .escrow: "escrow"
        case .pool: "pool"
        case .stake: "stake"
        case .quota: "quota"
        case .sovereign: "sovereign"
        case .burn: "burn"
        case .allowance: "allowance"
        case .unbonding: "unbonding"
        case .bridge: "bridge"
        }
    }

    /// The most that may ever be issued: 2^62 micro-credits, so that no sum of balances can overflow.
    package static let issuanceCap: Int64 = 1 << 62

    /// The lowest balance, pending debits counted, that an account of this kind may reach. Only what a unit comes from
    /// goes below 0.
    package var floor: Int64 { self == .issuance || self == .allowance ? -Self.issuanceCap : 0 }

    /// Whether the account belongs to the system and is never closed.
    package var isSystem: Bool {
        switch self {
        case .issuance, .treasury, .fees, .pool, .sovereign, .burn, .allowance: true
        case .user, .escrow, .stake, .quota, .unbonding, .bridge: false
        }
    }

    /// The only unit that an account of this kind counts.
    package var unit: LedgerUnit { self == .quota || self == .allowance ? .quota : .credit }

    /// Whether an account of this kind may have this id: there is one issuance, and a quota is of one user, rule and day.
    ///
    /// - Parameter owner: of the account; for a stake, a quota and what unbonds, the user's account.
    func fits(_ id: AccountID, owner: SubjectID) -> Bool {
        let user = AccountID(high: owner.high, low: owner.low)
        switch self {
        case .issuance: return id == .issuance
        case .treasury: return id == .treasury
        case .fees: return id == .fees
        case .sovereign: return id == .sovereign
        case .burn: return id == .burn
        case .allowance: return id == .allowance
        case .pool: return RewardRule.allCases.contains { id == .pool($0) }
        case .stake: return id == .stake(of: user)
        case .quota: return RewardRule.allCases.contains { id == .quota(of: user, $0, on: LedgerDay(id.time)) }
        case .unbonding: return id == .unbonding(of: user, until: id.time)
        case .user, .escrow, .bridge: return id.high != 0
        }
    }
}

/// What an account counts. A transfer stays within one unit.
package enum LedgerUnit: UInt8, Sendable, CaseIterable, CustomStringConvertible {
    /// Micro-credits.
    case credit = 1
    /// Millionths of a rule's quota: daily limits are a second ledger beside the money.
    case quota = 2

    package var description: String { self == .credit ? "credit" : "quota" }
}

/// A day of ledger time in UTC, counted from 1970-01-01.
package struct LedgerDay: Hashable, Sendable, Comparable {
    package let number: Int64

    private static let microseconds: Int64 = 86_400_000_000

    package init(_ time: Timestamp) { number = time.microseconds.dividedRoundingDown(by: Self.microseconds) }
    package init(number: Int64) { self.number = number }

    /// Its first moment.
    package var start: Timestamp { Timestamp(microseconds: number * Self.microseconds) }

    package static func < (first: Self, second: Self) -> Bool { first.number < second.number }
}

extension Identifier where Subject == AccountSubject {
    package static var issuance: Self { Self(high: 0, low: 1) }
    package static var treasury: Self { Self(high: 0, low: 2) }
    package static var fees: Self { Self(high: 0, low: 3) }
    package static var sovereign: Self { Self(high: 0, low: 4) }
    package static var burn: Self { Self(high: 0, low: 5) }
    package static var allowance: Self { Self(high: 0, low: 6) }
    /// No account: the name under which the records of rules are found.
    package static var rulebook: Self { Self(high: 0, low: 7) }

    package static func pool(_ rule: RewardRule) -> Self { Self(high: 0, low: 0x100 + UInt64(rule.rawValue)) }

    /// What a user puts at risk.
    package static func stake(of user: Self) -> Self {
        Self(at: .zero, derivedFrom: Array("fog-stake-v1".utf8) + user.bytes)
    }

    /// What a user may still earn by a rule on a day; the id carries the day.
    package static func quota(of user: Self, _ rule: RewardRule, on day: LedgerDay) -> Self {
        Self(at: day.start, derivedFrom: Array("fog-quota-v1".utf8) + [rule.rawValue] + user.bytes)
    }

    /// What a user unstaked; the id carries the time, to the millisecond, from which it is free.
    package static func unbonding(of user: Self, until time: Timestamp) -> Self {
        Self(at: time, derivedFrom: Array("fog-unbonding-v1".utf8) + user.bytes)
    }

    /// The account as the owner of others: its own 16 bytes.
    package var asOwner: SubjectID { SubjectID(high: high, low: low) }

    /// The time that the id carries, to the millisecond.
    package var time: Timestamp { Timestamp(microseconds: Int64(high >> 16) * 1000) }
}
