package import FogJobs

/// What somebody may ask the coordinator for: the one table that says who may do what, and with whose things.
///
/// The door refuses a role that may not ask at all; the coordinator answers for a thing that is another account's as
/// for one that never was. Both look here.
package enum Capability: String, Sendable, CaseIterable {
    /// Oneself: one's key, one's account's usage.
    case seeOneself = "see_oneself"
    case submitJobs = "submit_jobs"
    /// Jobs with their tasks, attempts, events and explanations: all but what the submitter wrote and the tasks said.
    case seeJobs = "see_jobs"
    /// The manifest and the logs of a job.
    case readJobs = "read_jobs"
    case changeJobs = "change_jobs"
    /// The history of the whole pool.
    case seeHistory = "see_history"
    case storeContent = "store_content"
    /// Content: through a use of one's account, or a live lease that lists it. No role opens another's.
    case readContent = "read_content"
    /// The worker's side: hello, polls, heartbeats, ends, checkpoints, logs; about one's own leases.
    case work
    case seeMachines = "see_machines"
    case changeMachines = "change_machines"
    /// Whose machines run alone and are told secrets: nobody says that of their own.
    case trustMachines = "trust_machines"
    case seeAccounts = "see_accounts"
    case seeReceipts = "see_receipts"
    case auditLedger = "audit_ledger"
    /// Every record of the log.
    case readLedger = "read_ledger"
    case grantCredits = "grant_credits"
    /// To others and into one's stake: of one's own account.
    case moveCredits = "move_credits"
    case seeUsage = "see_usage"
    /// Who may get in, and who may not any more.
    case administer

    package struct Rule: Sendable {
        /// Who may ask at all; about what belongs to their own account.
        package let roles: Set<Role>
        /// Who of them may ask about everybody's.
        package let everyones: Set<Role>

        init(_ roles: Set<Role>, everyones: Set<Role> = []) {
            self.roles = roles
            self.everyones = everyones
        }
    }

    private static let everybody = Set(Role.allCases)

    package var rule: Rule {
        switch self {
        case .seeOneself, .readContent: Rule(Self.everybody)
        case .submitJobs: Rule([.client, .admin])
        case .seeJobs: Rule(Self.everybody, everyones: [.admin, .auditor])
        case .readJobs: Rule(Self.everybody, everyones: [.admin])
        case .changeJobs: Rule([.client, .admin], everyones: [.admin])
        case .seeHistory: Rule([.admin, .auditor], everyones: [.admin, .auditor])
        case .storeContent, .moveCredits: Rule([.client, .worker, .admin])
        case .work: Rule([.worker])
        case .seeMachines: Rule(Self.everybody, everyones: Self.everybody)
        case .changeMachines: Rule(Self.everybody, everyones: [.admin])
        case .seeAccounts, .seeReceipts: Rule(Self.everybody, everyones: [.admin, .auditor])
        case .auditLedger: Rule([.admin, .auditor, .client], everyones: [.admin, .auditor, .client])
        case .seeUsage, .readLedger: Rule([.admin, .auditor], everyones: [.admin, .auditor])
        case .trustMachines, .grantCredits, .administer: Rule([.admin], everyones: [.admin])
        }
    }
}

extension Principal {
    /// Whether it may ask for this at all.
    package func may(_ capability: Capability) -> Bool { !roles.isDisjoint(with: capability.rule.roles) }

    /// Whether it may ask for this about everybody's things.
    package func mayForEverybody(_ capability: Capability) -> Bool {
        !roles.isDisjoint(with: capability.rule.everyones)
    }
}
