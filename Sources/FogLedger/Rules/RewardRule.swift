/// What credits are earned for, beside the price of work. The raw value stands in records and account ids.
package enum RewardRule: UInt8, Sendable, CaseIterable, CustomStringConvertible {
    /// Verified core-hours; granted by the coordinator with the result.
    case compute = 1
    /// Hours of service of a mixnode or a witness.
    case hosting = 2
    case knowledge = 3
    case governance = 4
    case agentDevelopment = 5
    case bugReport = 6

    package var description: String {
        switch self {
        case .compute: "compute"
        case .hosting: "hosting"
        case .knowledge: "knowledge"
        case .governance: "governance"
        case .agentDevelopment: "agent-development"
        case .bugReport: "bug-report"
        }
    }

    /// - Parameter name: as ``description`` says it.
    package init?(_ name: some StringProtocol) {
        guard let rule = Self.allCases.first(where: { $0.description == name }) else { return nil }
        self = rule
    }
}

/// What a rule counts, and how many of its smallest parts make one.
package enum RewardMeasure: UInt8, Sendable, CaseIterable, CustomStringConvertible {
    /// Nanoseconds of a core.
    case coreHour = 1
    /// Seconds.
    case hour = 2
    case item = 3

    package var parts: Int64 {
        switch self {
        case .coreHour: 3_600_000_000_000
        case .hour: 3600
        case .item: 1
        }
    }

    package var description: String {
        switch self {
        case .coreHour: "core-hour"
        case .hour: "hour"
        case .item: "item"
        }
    }
}
