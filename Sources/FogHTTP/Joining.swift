package import FogAPI
package import FogCoordinator
internal import FogCore
package import FogJobs
internal import Synchronization

/// How newcomers get in: an operator makes a token, the newcomer shows its secret once.
///
/// Only the hash of a secret is kept, and only in memory and in the coordinator's settings; uses count down in the
/// commit that records the key.
package struct Joining: Sendable {
    private let url: @Sendable () -> String

    /// - Parameter url: how newcomers reach this coordinator; asked for each token, for a port may be free until bound.
    package init(url: @escaping @Sendable () -> String) { self.url = url }

    package func invite(_ body: EnrollBody, by principal: Principal, on coordinator: Coordinator) async throws
        -> EnrolledBody
    {
        guard !body.roles.isEmpty, (1...1000).contains(body.uses), body.ttl > .zero, body.ttl <= .days(30) else {
            throw CoordinatorFailure(
                "bad_invitation", "an invitation has roles, 1 to 1000 uses and a life of at most 30d")
        }
        let secret = SecureRandom.bytes(16)
        let expires = try await coordinator.invite(
            Invitation(
                secretHash: Digest.sha256(secret), roles: Set(body.roles), usesLeft: body.uses, ttl: body.ttl,
                owner: body.owner, credits: body.credits), by: principal)
        let token = try JoinToken(url: url(), coordinator: coordinator.key, secret: secret)
        return EnrolledBody(token: token.description, expiresAt: expires)
    }

    package func join(_ body: JoinBody, on coordinator: Coordinator) async throws -> Principal {
        try await coordinator.join(secretHash: Digest.sha256(body.secret.bytes), key: body.key, name: body.name)
    }
}
