package import FogCore
package import FogJobs
internal import FogLedger

/// An operator's word that somebody may join: kept in memory under the hash of its secret.
package struct Invitation: Sendable {
    package var secretHash: Digest
    package var roles: Set<Role>
    package var usesLeft: Int
    package var ttl: TimeSpan
    /// Existing account by name or id; nil = a new one for each that joins.
    package var owner: String?
    package var credits: Credits
    var expiresAt = Timestamp.zero
    var inviter: Principal?

    package init(
        secretHash: Digest, roles: Set<Role>, usesLeft: Int, ttl: TimeSpan, owner: String?, credits: Credits
    ) {
        self.secretHash = secretHash
        self.roles = roles
        self.usesLeft = usesLeft
        self.ttl = ttl
        self.owner = owner
        self.credits = credits
    }
}

extension Coordinator {
    /// Invitations open at once.
    private static let invitationLimit = 1000

    package func invite(_ invitation: Invitation, by principal: Principal) async throws -> Timestamp {
        invitations = invitations.filter { $0.value.expiresAt > clock.now }
        guard invitations.count < Self.invitationLimit else {
            throw CoordinatorFailure(
                "quota", "\(invitations.count) invitations are open, at most \(Self.invitationLimit)")
        }
        if let owner = invitation.owner { _ = try await account(named: owner, for: principal) }
        var kept = invitation
        kept.expiresAt = clock.now + invitation.ttl
        kept.inviter = principal
        invitations[invitation.secretHash] = kept
        return kept.expiresAt
    }

    /// - Throws: `bad_token` alike for unknown, used up and expired ones.
    package func join(secretHash: Digest, key: PublicKey, name: String) async throws -> Principal {
        let isName = name.utf8.allSatisfy { $0 == 0x2d || (0x30...0x39).contains($0) || (0x61...0x7a).contains($0) }
        guard (1...63).contains(name.utf8.count), isName else {
            throw CoordinatorFailure("bad_name", "a name is 1 to 63 of a-z, 0-9 and -, found `\(name.prefix(80))`")
        }
        guard var invitation = invitations[secretHash], invitation.expiresAt > clock.now, invitation.usesLeft > 0,
            let inviter = invitation.inviter
        else { throw CoordinatorFailure("bad_token", "the token is unknown, used up or expired") }
        invitation.usesLeft -= 1
        invitations[secretHash] = invitation.usesLeft > 0 ? invitation : nil
        var owner: AccountID?
        if let named = invitation.owner { owner = try await account(named: named, for: inviter).id }
        let principal = try await enrol(key: key, name: name, roles: invitation.roles, account: owner)
        if invitation.credits > .zero {
            _ = try await grant(
                invitation.credits, to: principal.account, reason: "with the enrolment of \(name)", by: inviter)
        }
        return principal
    }

    package var isReady: Bool { failure == nil }
}
