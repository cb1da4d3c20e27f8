package import FogCore

/// One version of one rule, as a record of type 0x04xx carries it.
package enum LedgerRule: Hashable, Sendable {
    case reward(RewardTerms)
    case economy(EconomyTerms)
    case jurisdiction(JurisdictionTerms)

    package var version: UInt32 {
        switch self {
        case .reward(let terms): terms.version
        case .economy(let terms): terms.version
        case .jurisdiction(let terms): terms.version
        }
    }

    package var from: Timestamp {
        switch self {
        case .reward(let terms): terms.from
        case .economy(let terms): terms.from
        case .jurisdiction(let terms): terms.from
        }
    }

    /// What the rule is called.
    package var name: String {
        switch self {
        case .reward(let terms): terms.rule.description
        case .economy: "economy"
        case .jurisdiction: "jurisdiction"
        }
    }

    var problem: String? {
        switch self {
        case .reward(let terms): terms.problem
        case .economy(let terms): terms.problem
        case .jurisdiction(let terms): terms.problem
        }
    }

    /// Whether the two are versions of one rule.
    func isVersion(of other: LedgerRule) -> Bool { name == other.name }

    /// The rules that a new ledger begins with.
    package static let genesis: [LedgerRule] = [.economy(.genesis)] + RewardTerms.genesis.map { .reward($0) }
}

/// Where work may go: the regions of machines that a pool may use.
package struct JurisdictionTerms: Hashable, Sendable {
    package let version: UInt32
    package let from: Timestamp
    /// Regions as workers name their own, in order; none = everywhere, also where none is named.
    package let regions: [String]

    package static let maxRegions = 256
    package static let maxRegionBytes = 64

    package init(version: UInt32, from: Timestamp, regions: [String]) {
        self.version = version
        self.from = from
        self.regions = regions
    }

    /// Whether a machine there may be given work.
    package func allows(_ region: String) -> Bool { regions.isEmpty || regions.contains(region) }

    var problem: String? {
        guard version >= 1 else { return "versions count from 1" }
        guard regions.count <= Self.maxRegions else { return "at most \(Self.maxRegions) regions" }
        guard regions.allSatisfy({ !$0.isEmpty && $0.utf8.count <= Self.maxRegionBytes }) else {
            return "a region has 1 to \(Self.maxRegionBytes) bytes"
        }
        guard zip(regions, regions.dropFirst()).allSatisfy({ $0 < $1 }) else {
            return "regions stand in order, none twice"
        }
        return nil
    }
}

/// All versions of all rules, in the order of the log.
package struct Rulebook: Hashable, Sendable {
    package private(set) var versions: [LedgerRule] = []

    /// The most versions of all rules together that a ledger keeps.
    package static let limit = 10_000

    package init(_ versions: [LedgerRule] = []) { self.versions = versions }

    package func terms(_ rule: RewardRule, at time: Timestamp) -> RewardTerms? {
        for case .reward(let terms) in versions.reversed() where terms.rule == rule && terms.from <= time {
            return terms
        }
        return nil
    }

    package func economy(at time: Timestamp) -> EconomyTerms? {
        for case .economy(let terms) in versions.reversed() where terms.from <= time { return terms }
        return nil
    }

    package func jurisdiction(at time: Timestamp) -> JurisdictionTerms? {
        for case .jurisdiction(let terms) in versions.reversed() where terms.from <= time { return terms }
        return nil
    }

    /// The newest version of a rule, in force or to come.
    package func newest(_ rule: LedgerRule) -> LedgerRule? { versions.last { $0.isVersion(of: rule) } }

    mutating func add(_ rule: LedgerRule) { versions.append(rule) }
    mutating func removeLast() { versions.removeLast() }

    /// Why a rule cannot be the next of its kind, or nil.
    func refusal(of rule: LedgerRule, at time: Timestamp) -> LedgerRefusal? {
        if let problem = rule.problem { return .badRule(rule.name, problem) }
        guard versions.count < Self.limit else { return .badRule(rule.name, "the rulebook is full") }
        guard let last = newest(rule) else {
            return rule.version == 1 ? nil : .badRule(rule.name, "the first version is 1, found \(rule.version)")
        }
        guard rule.version == last.version + 1 else {
            return .badRule(rule.name, "the next version is \(last.version + 1), found \(rule.version)")
        }
        guard rule.from > time else { return .timeBackwards(stated: rule.from, ledger: time) }
        guard rule.from >= last.from else { return .timeBackwards(stated: rule.from, ledger: last.from) }
        guard LedgerDay(rule.from).start == rule.from else {
            return .badRule(rule.name, "a version is in force from a UTC midnight, found \(rule.from)")
        }
        return nil
    }
}
