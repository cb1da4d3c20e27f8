/// What a transfer does. The raw value is the type of its record (0x01xx).
package enum TransferKind: UInt16, Sendable, CaseIterable, CustomStringConvertible {
    /// From issuance, as a grant; cites a ``GrantDocument``.
    case issue = 0x0101
    /// Into escrow.
    case hold = 0x0102
    /// Out of escrow, back to who paid.
    case refund = 0x0103
    /// Of a payment, from who was paid.
    case fee = 0x0104
    /// Between two accounts by their owner's word.
    case move = 0x0105
    /// Earned by a rule, from its pool; right after the ``use`` of a quota. Cites its evidence.
    case reward = 0x0106
    /// From issuance into a pool: its share of an epoch's emission.
    case fund = 0x0107
    case stake = 0x0108
    /// Out of a stake; what is unbonding can still be slashed.
    case unstake = 0x0109
    /// Unbonded credits back to their owner.
    case release = 0x010a
    /// Out of a stake, for proven cheating; cites its evidence.
    case slash = 0x010b
    /// Out of the treasury or the sovereign fund, by an executed proposal; cites it.
    case spend = 0x010c
    case burn = 0x010d
    /// An epoch's fees, to the sovereign fund and the treasury.
    case share = 0x010e
    /// Reverses another transfer whole; its subject is that transfer's id. Cites a signed statement.
    case correct = 0x010f
    /// Reserves an amount until it is posted, voided or expired.
    case pending = 0x0110
    /// Moves a part or all of a pending amount; the rest goes back. Cites its evidence.
    case post = 0x0111
    case void = 0x0112
    /// Voids by ledger time.
    case expire = 0x0113
    /// Out of this ledger, towards another.
    case bridgeOut = 0x0118
    /// Back from the bridge.
    case bridgeVoid = 0x0119
    /// Quota of a day, up to the limit.
    case allow = 0x0120
    /// Quota that a reward uses.
    case use = 0x0121
    /// What a day left of its quota.
    case lapse = 0x0122

    package var description: String {
        switch self {
        case .issue: "issue"
        case .hold: "hold"
        case .refund: "refund"
        case .fee: "fee"
        case .move: "move"
        case .reward: "reward"
        case .fund: "fund"
        case .stake: "stake"
        case .unstake: "unstake"
        case .release: "release"
        case .slash: "slash"
        case .spend: "spend"
        case .burn: "burn"
        case .share: "share"
        case .correct: "correct"
        case .pending: "pending"
        case .post: "post"
        case .void: "void"
        case .expire: "expire"
        case .bridgeOut: "bridge_out"
        case .bridgeVoid: "bridge_void"
        case .allow: "allow"
        case .use: "use"
        case .lapse: "lapse"
        }
    }

    /// Whether it ends a pending transfer.
    package var isResolution: Bool { self == .post || self == .void || self == .expire }

    /// Whether its record must cite evidence.
    package var needsEvidence: Bool {
        switch self {
        case .post, .issue, .reward, .slash, .spend, .correct: true
        default: false
        }
    }

    /// Whether a rule, or the state of what it touches, says more about it than the kinds of its accounts.
    var hasTerms: Bool {
        switch self {
        case .reward, .fund, .share, .unstake, .release, .correct, .allow, .use: true
        default: false
        }
    }

    /// Which accounts it may go between. The end of a pending transfer goes where that one does.
    func allows(debit: AccountKind, credit: AccountKind) -> Bool {
        switch self {
        case .issue: debit == .issuance && (credit == .user || credit == .treasury)
        case .hold: debit == .user && credit == .escrow
        case .refund: debit == .escrow && credit == .user
        case .fee: (debit == .user || debit == .escrow) && credit == .fees
        case .move: debit == .user && (credit == .user || credit == .treasury)
        case .reward: debit == .pool && credit == .user
        case .fund: debit == .issuance && credit == .pool
        case .stake: debit == .user && credit == .stake
        case .unstake: debit == .stake && credit == .unbonding
        case .release: debit == .unbonding && credit == .user
        case .slash: (debit == .stake || debit == .unbonding) && (credit == .treasury || credit == .burn)
        case .spend: (debit == .treasury || debit == .sovereign) && (credit == .user || credit == .pool)
        case .burn: (debit == .user || debit == .treasury) && credit == .burn
        case .share: debit == .fees && (credit == .sovereign || credit == .treasury)
        // Checked against the transfer that it reverses.
        case .correct: debit.unit == .credit && credit.unit == .credit
        case .pending, .post, .void, .expire:
            (debit == .user || debit == .escrow) && (credit == .user || credit == .treasury)
        case .bridgeOut: debit == .user && credit == .bridge
        case .bridgeVoid: debit == .bridge && credit == .user
        case .allow: debit == .allowance && credit == .quota
        case .use, .lapse: debit == .quota && credit == .allowance
        }
    }

    /// Whether a transfer of this kind may be reversed.
    var isCorrectable: Bool {
        switch self {
        case .issue, .fee, .move, .reward, .slash, .burn: true
        default: false
        }
    }
}
