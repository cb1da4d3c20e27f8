internal import FogCore
internal import FogLedger
internal import FogStore

/// Who paid for whose stake. A stake proves that somebody has something to lose; two stakes out of one purse prove it once.
///
/// What one account gives another is remembered, and counts as soon as the other stakes: from then on the two are kin.
/// What an operator gives out counts for nothing, or all whom the pool's operator starts with credits would be one.
struct StakeLinks: Sendable, Equatable {
    /// Links remembered, and givers of one account; later ones are not linked.
    static let most = 10_000, mostGivers = 16
    static let setting = "stake_links"

    /// By who was given to: those who gave since the last stake, and those who gave before one.
    private var givers: [AccountID: [AccountID]] = [:]
    private var linked: [AccountID: [AccountID]] = [:]
    private var count = 0

    init() {}

    /// - Parameter saved: lines of a mark, an account and its givers; `*` where the account has staked since.
    init(saved: String?) {
        for line in (saved ?? "").split(separator: "\n").prefix(2 * Self.most) {
            let words = line.split(separator: " ")
            let accounts = words.dropFirst().compactMap { try? AccountID(String($0)) }
            guard let owner = accounts.first else { continue }
            if words.first == "*" {
                linked[owner] = Array(accounts.dropFirst())
            } else {
                givers[owner] = Array(accounts.dropFirst())
            }
            count += accounts.count - 1
        }
    }

    var saved: String {
        func lines(_ table: [AccountID: [AccountID]], _ mark: String) -> [String] {
            table.keys.sorted().map { owner in
                ([mark, owner.description] + (table[owner] ?? []).map(\.description)).joined(separator: " ")
            }
        }
        return (lines(givers, "-") + lines(linked, "*")).joined(separator: "\n")
    }

    /// Returns whether it is new.
    @discardableResult
    mutating func gave(_ giver: AccountID, to owner: AccountID) -> Bool {
        let known = (givers[owner] ?? []) + (linked[owner] ?? [])
        guard giver != owner, count < Self.most, known.count < Self.mostGivers, !known.contains(giver) else {
            return false
        }
        givers[owner, default: []].append(giver)
        count += 1
        return true
    }

    /// Returns whether it links anybody.
    mutating func hasStaked(_ owner: AccountID) -> Bool {
        guard let given = givers.removeValue(forKey: owner) else { return false }
        linked[owner, default: []] += given
        return true
    }

    /// Those that count as one.
    var links: [(AccountID, AccountID)] {
        linked.keys.sorted().flatMap { owner in (linked[owner] ?? []).map { ($0, owner) } }
    }
}

extension CoordinatorCore {
    /// - Parameter isOperator: what they give links nobody.
    mutating func learnLinks(of movement: Movement, by user: AccountID, isOperator: Bool) {
        let isNew: Bool
        switch movement {
        case .transfer(let to): isNew = !isOperator && stakeLinks.gave(user, to: to)
        case .stake: isNew = stakeLinks.hasStaked(user)
        case .unstake: isNew = false
        }
        guard isNew else { return }
        isKinshipStale = true
        change.settings[StakeLinks.setting] = stakeLinks.saved
        hasChange = true
    }
}
