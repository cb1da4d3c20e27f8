package import FogCore

/// An operator's word that somebody may join: known by the hash of its secret, which only the newcomer has.
package struct Invitation: Hashable, Sendable {
    /// The longest life.
    package static let longest = TimeSpan.days(30)
    /// The most that may join with one.
    package static let usesLimit = 10_000

    /// SHA-256 of the secret.
    package var secretHash: Digest
    package var roles: Set<Role>
    /// How many could join when it was made.
    package var uses: Int
    /// How many still can; at 0 it is gone.
    package var usesLeft: Int
    /// The account that those who join belong to; nil = a new one each.
    package var owner: AccountID?
    /// What each gets; zero for nothing.
    package var credits: Credits
    /// Whoever joins waits until an admin approves.
    package var needsApproval: Bool
    /// Whose word it is; it holds only as long as that key may act.
    package var inviter: PublicKey
    package var createdAt: Timestamp
    package var expiresAt: Timestamp

    package init(
        secretHash: Digest, roles: Set<Role>, uses: Int, owner: AccountID? = nil, credits: Credits = .zero,
        needsApproval: Bool = false, inviter: PublicKey, createdAt: Timestamp, expiresAt: Timestamp
    ) {
        self.secretHash = secretHash
        self.roles = roles
        self.uses = uses
        usesLeft = uses
        self.owner = owner
        self.credits = credits
        self.needsApproval = needsApproval
        self.inviter = inviter
        self.createdAt = createdAt
        self.expiresAt = expiresAt
    }

    /// What people call it: 16 characters that say nothing of the secret.
    package var id: String { Base32.encode(Array(secretHash.bytes.prefix(10))) }
}

/// A key that joined by an invitation that needs an admin's approval, and waits for it.
package struct Applicant: Hashable, Sendable {
    package var key: PublicKey
    package var name: String
    package var roles: Set<Role>
    /// The account it is to belong to; nil = a new one.
    package var owner: AccountID?
    package var credits: Credits
    package var inviter: PublicKey
    package var askedAt: Timestamp
    /// When an admin said no; the key is told so as long as this is kept.
    package var refusedAt: Timestamp?

    package init(
        key: PublicKey, name: String, roles: Set<Role>, owner: AccountID?, credits: Credits, inviter: PublicKey,
        askedAt: Timestamp
    ) {
        self.key = key
        self.name = name
        self.roles = roles
        self.owner = owner
        self.credits = credits
        self.inviter = inviter
        self.askedAt = askedAt
    }
}

/// What a new key signs to take the place of an old one; the old key signs the request that brings it.
///
/// Canonical bytes: domain `fog-rotate-v1`, coordinator, old key, new key, time.
package struct RotationStatement: Hashable, Sendable {
    /// How far its time may lie from the coordinator's.
    package static let skewLimit = TimeSpan.minutes(5)

    private static let domain = "fog-rotate-v1"

    package let coordinator: PublicKey
    package let old: PublicKey
    package let new: PublicKey
    package let time: Timestamp

    package init(coordinator: PublicKey, old: PublicKey, new: PublicKey, time: Timestamp) {
        self.coordinator = coordinator
        self.old = old
        self.new = new
        self.time = time
    }

    /// What is signed.
    package var bytes: [UInt8] {
        var out = CanonicalWriter()
        out.write(Self.domain)
        out.write(raw: coordinator.bytes)
        out.write(raw: old.bytes)
        out.write(raw: new.bytes)
        out.write(time)
        return out.bytes
    }
}
