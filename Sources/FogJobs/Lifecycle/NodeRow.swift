package import FogCore

/// A machine in the durable registry: kept across restarts of either side.
package struct NodeRow: Hashable, Sendable, Codable {
    package enum Standing: String, Sendable, Codable, CaseIterable {
        /// Takes work.
        case active
        /// Takes no new work, by the operator's word.
        case cordoned
        /// Takes no new work and hands back what it has.
        case draining
        /// Its key is revoked.
        case revoked
    }

    package var id: NodeID
    package var key: PublicKey
    /// The account that is paid, and whose machine it is.
    package var owner: AccountID
    package var enrolledAt: Timestamp
    package var standing: Standing
    package var report: NodeReport
    package var lastSeen: Timestamp
    /// Host faults in the breaker's window.
    package var recentFaults: [Timestamp]
    /// No work before this time, after too many host faults.
    package var probationUntil: Timestamp?
    /// How many probations in a row; each doubles the next.
    package var probations: Int
    /// Named by the operator as verified by itself.
    package var trusted: Bool
    /// Labels that were given here; a name alone has an empty value.
    package var labels: [String: String] = [:]
    /// What the owner asks for a core-hour and for a GiB-hour; nil = the operator's price.
    package var coreAsk: Credits?
    package var gibAsk: Credits?
    /// When it was lent, and when it was taken away.
    package var stays = StayRecord()

    package init(id: NodeID, key: PublicKey, owner: AccountID, enrolledAt: Timestamp, report: NodeReport, trusted: Bool)
    {
        self.id = id
        self.key = key
        self.owner = owner
        self.enrolledAt = enrolledAt
        standing = .active
        self.report = report
        lastSeen = enrolledAt
        recentFaults = []
        probations = 0
        self.trusted = trusted
    }
}

/// What a key may do.
package enum Role: String, Sendable, Codable, CaseIterable, Comparable {
    case client, worker, mixnode, coordinator, witness, auditor, guardian, admin

    package static func < (first: Role, second: Role) -> Bool { first.rawValue < second.rawValue }
}

/// A key that was enrolled: who acts.
package struct Principal: Hashable, Sendable, Codable {
    package var key: PublicKey
    package var name: String
    package var roles: Set<Role>
    /// The owner account: pays for its jobs, is paid for its nodes' work.
    package var account: AccountID
    package var enrolledAt: Timestamp
    package var revokedAt: Timestamp?
    /// Since when an operator lets it do nothing; nil = it may act.
    package var suspendedAt: Timestamp?

    /// Neither revoked nor suspended.
    package var isActive: Bool { revokedAt == nil && suspendedAt == nil }

    package init(key: PublicKey, name: String, roles: Set<Role>, account: AccountID, enrolledAt: Timestamp) {
        self.key = key
        self.name = name
        self.roles = roles
        self.account = account
        self.enrolledAt = enrolledAt
    }
}
