package import FogAPI
package import FogCoordinator
internal import FogCore
package import FogJobs
internal import FogLedger

/// How newcomers get in: an operator makes a token, the newcomer shows its secret once.
///
/// Only the hash of a secret is kept; uses count down in the commit that records the key.
package struct Joining: Sendable {
    let url: @Sendable () -> String
    private let isPinned: Bool

    /// - Parameters:
    ///   - isPinned: the coordinator serves TLS itself, under a certificate that its own key vouches for.
    ///   - url: how newcomers reach this coordinator; asked for each token, for a port may be free until bound.
    package init(isPinned: Bool = false, url: @escaping @Sendable () -> String) {
        self.isPinned = isPinned
        self.url = url
    }

    package func invite(_ body: EnrollBody, by principal: Principal, on coordinator: Coordinator) async throws
        -> EnrolledBody
    {
        var owner: AccountID?
        if body.owner == "self" {
            owner = principal.account
        } else if let named = body.owner {
            owner = try await coordinator.account(named: named, for: principal).id
        }
        // Held against what was asked, not against what is left of it when it is committed.
        guard body.ttl > .zero, body.ttl <= Invitation.longest else {
            throw Problem(
                400, "bad_invitation",
                "`ttl` must be above 0 and at most \(Invitation.longest), found \(body.ttl)")
        }
        let secret = SecureRandom.bytes(JoinToken.secretBytes)
        let now = SystemClock().now
        let invitation = Invitation(
            secretHash: Digest.sha256(secret), roles: Set(body.roles), uses: body.uses, owner: owner,
            credits: body.credits, needsApproval: body.approve ?? false, inviter: principal.key, createdAt: now,
            expiresAt: now + body.ttl)
        try await coordinator.invite(invitation, by: principal)
        let token = try JoinToken(url: url(), coordinator: coordinator.key, secret: secret, isPinned: isPinned)
        return EnrolledBody(token: token.description, expiresAt: invitation.expiresAt, id: invitation.id)
    }

    /// - Parameter signature: the newcomer's, which stands in the log.
    package func join(
        _ body: JoinBody, _ signature: VerifiedSignature, on coordinator: Coordinator
    ) async throws -> JoinedBody {
        let asked = JoinRequest(
            secretHash: Digest.sha256(body.secret.bytes), key: body.key, name: body.name,
            authorisation: try Authorisation(
                base: signature.base, key: signature.keyID, signature: signature.signature))
        return switch try await coordinator.join(asked) {
        case .enrolled(let principal): JoinedBody(principal)
        case .waiting(let applicant): JoinedBody(applicant)
        }
    }
}
