package import FogCore

/// What a key may do, as bits. The capability table over them is the API's.
package struct LedgerRoles: OptionSet, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let client = LedgerRoles(rawValue: 1 << 0)
    package static let worker = LedgerRoles(rawValue: 1 << 1)
    package static let mixnode = LedgerRoles(rawValue: 1 << 2)
    package static let coordinator = LedgerRoles(rawValue: 1 << 3)
    package static let witness = LedgerRoles(rawValue: 1 << 4)
    package static let auditor = LedgerRoles(rawValue: 1 << 5)
    package static let guardian = LedgerRoles(rawValue: 1 << 6)
    package static let admin = LedgerRoles(rawValue: 1 << 7)

    package static let all = LedgerRoles(rawValue: 0xff)

    private static let names: [(LedgerRoles, String)] = [
        (.client, "client"), (.worker, "worker"), (.mixnode, "mixnode"), (.coordinator, "coordinator"),
        (.witness, "witness"), (.auditor, "auditor"), (.guardian, "guardian"), (.admin, "admin"),
    ]

    /// `client+worker`.
    package var description: String {
        Self.names.filter { contains($0.0) }.map(\.1).joined(separator: "+")
    }
}

/// A key that enters the economy.
package struct KeyEnrolment: Hashable, Sendable {
    package let key: PublicKey
    package let roles: LedgerRoles
    /// The account that owns it and is its payee.
    package let owner: AccountID

    package init(key: PublicKey, roles: LedgerRoles, owner: AccountID) {
        self.key = key
        self.roles = roles
        self.owner = owner
    }
}

/// A key as the log leaves it.
package struct EnrolledKey: Hashable, Sendable {
    package let key: PublicKey
    package let owner: AccountID
    package var roles: LedgerRoles
    /// Revocation takes effect at its sequence number; what was signed before stays valid for audit.
    package var isRevoked: Bool

    package init(key: PublicKey, owner: AccountID, roles: LedgerRoles, isRevoked: Bool = false) {
        self.key = key
        self.owner = owner
        self.roles = roles
        self.isRevoked = isRevoked
    }
}
