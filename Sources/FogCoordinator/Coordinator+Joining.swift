package import FogCore
package import FogJobs
package import FogLedger

/// Who gets in, and who may act.
extension Coordinator {
    // MARK: Invitations

    package func invite(_ invitation: Invitation, by principal: Principal) async throws {
        try await perform { core, now throws(CoordinatorFailure) in
            try core.invite(invitation, by: principal, at: now)
        }
    }

    /// - Throws: `bad_token` alike for unknown, used up, expired and withdrawn ones.
    package func join(_ asked: JoinRequest) async throws -> Joined {
        let signer = grantSigner
        return try await perform { core, now throws(CoordinatorFailure) in
            try core.join(asked, at: now, signing: signer)
        }
    }

    package struct Enrolments: Sendable {
        /// Open ones, the one that ends first before the others.
        package var invitations: [Invitation]
        /// The oldest first.
        package var applicants: [Applicant]
        /// Whoever joins waits for an approval, whatever the invitation says.
        package var approvesAll: Bool
    }

    package func enrolments() -> Enrolments {
        let now = clock.now
        return Enrolments(
            invitations: core.invitations.values.filter { $0.expiresAt > now }.sorted {
                ($0.expiresAt, $0.id) < ($1.expiresAt, $1.id)
            },
            applicants: core.applicants.values.sorted { ($0.askedAt, $0.key) < ($1.askedAt, $1.key) },
            approvesAll: core.rules.approveNewcomers)
    }

    /// - Parameter reference: the key id, the beginning of one, or the name of a key that waits.
    package func approve(
        _ reference: String, by principal: Principal, authorisation: Authorisation = .none
    ) async throws -> Principal {
        let signer = grantSigner
        return try await perform { core, now throws(CoordinatorFailure) in
            guard let applicant = try core.applicant(reference) else { throw .notFound }
            return try core.approve(
                applicant, by: principal, authorisation: authorisation, at: now, signing: signer)
        }
    }

    package enum Withdrawn: Sendable {
        case invitation(Invitation)
        case applicant(Applicant)
    }

    /// Ends an invitation, or refuses a key that waits.
    package func withdraw(_ reference: String, by principal: Principal) async throws -> Withdrawn {
        try await perform { core, now throws(CoordinatorFailure) in
            if let applicant = try core.applicant(reference) {
                return .applicant(core.refuse(applicant, by: principal, at: now))
            }
            guard let invitation = try core.invitation(reference) else { throw .notFound }
            core.withdraw(invitation, by: principal, at: now)
            return .invitation(invitation)
        }
    }

    private var grantSigner: CoordinatorCore.GrantSigner {
        let (key, time) = (signingKey, clock.now)
        return { account, credits, reason throws(CoordinatorFailure) in
            do throws(LedgerFailure) {
                return try GrantDocument(account: account, amount: credits, time: time, reason: reason, signedBy: key)
            } catch { throw CoordinatorFailure(error.code, error.message) }
        }
    }

    // MARK: Identities

    /// Keys that were ever enrolled, by key id.
    package func identities(after id: KeyID?, limit: Int) -> [Principal] {
        let all = core.principals.values.map { (id: $0.key.id.description, row: $0) }.sorted { $0.id < $1.id }
        return all.lazy.filter { item in id.map { item.id > $0.description } ?? true }
            .prefix(min(max(1, limit), 1000)).map(\.row)
    }

    /// - Parameter reference: a key, its id, the beginning of one, or a name.
    package func suspend(_ reference: String, reason: String, by principal: Principal) async throws -> Principal {
        try await change(reference) { core, id, now throws(CoordinatorFailure) in
            try core.suspend(id, reason: reason, by: principal, at: now)
        }
    }

    package func resume(_ reference: String, by principal: Principal) async throws -> Principal {
        try await change(reference) { core, id, now throws(CoordinatorFailure) in
            try core.resume(id, by: principal, at: now)
        }
    }

    package func revoke(
        _ reference: String, reason: String, by principal: Principal, authorisation: Authorisation = .none
    ) async throws -> Principal {
        try await change(reference) { core, id, now throws(CoordinatorFailure) in
            try core.revoke(id, reason: reason, by: principal, authorisation: authorisation, at: now)
        }
    }

    /// - Parameter request: what the old key signed to ask for it.
    package func rotate(_ statement: RotationStatement, consent: Signature, request: Authorisation) async throws
        -> Principal
    {
        try await perform { core, now throws(CoordinatorFailure) in
            try core.rotate(statement, consent: consent, request: request, at: now)
        }
    }

    private func change(
        _ reference: String,
        _ body: (inout CoordinatorCore, KeyID, Moment) throws(CoordinatorFailure) -> Principal
    ) async throws -> Principal {
        try await perform { core, now throws(CoordinatorFailure) in
            try body(&core, try core.identity(reference).key.id, now)
        }
    }

    package var isReady: Bool { failure == nil }
}
