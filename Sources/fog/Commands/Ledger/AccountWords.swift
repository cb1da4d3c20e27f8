internal import FogCore
internal import FogLedger

/// What accounts are called where there is little room.
enum AccountWords {
    /// The system's by what they are for, others by the beginning of their id.
    static func short(_ account: AccountID) -> String {
        switch account {
        case .issuance: return "issuance"
        case .treasury: return "treasury"
        case .fees: return "fees"
        case .sovereign: return "sovereign"
        case .burn: return "burn"
        case .allowance: return "allowance"
        default: break
        }
        let pool = RewardRule.allCases.first { .pool($0) == account }
        return pool.map { "pool:\($0)" } ?? account.short
    }
}
