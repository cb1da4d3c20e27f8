package import FogCore
package import FogJobs

/// `POST /v1/join` answers with it: 201 when the key is in, 202 while it waits for an admin.
package struct JoinedBody: Hashable, Sendable, Codable {
    package enum State: String, Sendable, Codable, CaseIterable { case active, pending }

    package var key: PublicKey
    package var name: String
    package var roles: [Role]
    /// Nil while the key waits and is to get an account of its own.
    package var account: AccountID?
    package var state: State

    package init(_ principal: Principal) {
        key = principal.key
        name = principal.name
        roles = principal.roles.sorted()
        account = principal.account
        state = .active
    }

    package init(_ applicant: Applicant) {
        key = applicant.key
        name = applicant.name
        roles = applicant.roles.sorted()
        account = applicant.owner
        state = .pending
    }

    private enum CodingKeys: String, CodingKey { case key, name, roles, account, state }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        key = try values.decode(PublicKey.self, forKey: .key)
        name = try values.decode(String.self, forKey: .name)
        roles = try values.decode([Role].self, forKey: .roles)
        account = try values.decodeIfPresent(AccountID.self, forKey: .account)
        // A coordinator of before approval lets everybody in at once.
        state = try values.decodeIfPresent(State.self, forKey: .state) ?? .active
    }
}

/// An open invitation; its secret is nowhere.
package struct InvitationBody: Hashable, Sendable, Codable {
    package var id: String
    package var roles: [Role]
    package var uses: Int
    package var usesLeft: Int
    package var owner: AccountID?
    package var credits: Credits
    /// Whether who joins waits for an admin: by this invitation's word, or because the coordinator asks it of everybody.
    package var approve: Bool
    package var by: KeyID
    package var createdAt: Timestamp
    package var expiresAt: Timestamp

    /// - Parameter approvesAll: the coordinator wants an approval whatever the invitation says.
    package init(_ invitation: Invitation, approvesAll: Bool) {
        id = invitation.id
        roles = invitation.roles.sorted()
        uses = invitation.uses
        usesLeft = invitation.usesLeft
        owner = invitation.owner
        credits = invitation.credits
        approve = invitation.needsApproval || approvesAll
        by = invitation.inviter.id
        createdAt = invitation.createdAt
        expiresAt = invitation.expiresAt
    }

    private enum CodingKeys: String, CodingKey {
        case id, roles, uses, owner, credits, approve, by
        case usesLeft = "uses_left"
        case createdAt = "created_at"
        case expiresAt = "expires_at"
    }
}

/// A key that waits for an admin's approval, or was refused it.
package struct ApplicantBody: Hashable, Sendable, Codable {
    package enum State: String, Sendable, Codable, CaseIterable { case pending, refused }

    package var key: PublicKey
    package var keyID: KeyID
    package var name: String
    package var roles: [Role]
    package var owner: AccountID?
    package var credits: Credits
    package var state: State
    package var askedAt: Timestamp

    package init(_ applicant: Applicant) {
        key = applicant.key
        keyID = applicant.key.id
        name = applicant.name
        roles = applicant.roles.sorted()
        owner = applicant.owner
        credits = applicant.credits
        state = applicant.refusedAt == nil ? .pending : .refused
        askedAt = applicant.askedAt
    }

    private enum CodingKeys: String, CodingKey {
        case key, name, roles, owner, credits, state
        case keyID = "key_id"
        case askedAt = "asked_at"
    }
}

/// `GET /v1/enrolments`
package struct EnrolmentListBody: Hashable, Sendable, Codable {
    package var invitations: [InvitationBody]
    package var applicants: [ApplicantBody]

    package init(invitations: [Invitation], applicants: [Applicant], approvesAll: Bool) {
        self.invitations = invitations.map { InvitationBody($0, approvesAll: approvesAll) }
        self.applicants = applicants.map(ApplicantBody.init)
    }
}

/// `POST /v1/enrolments/{enrolment}/revoke`: one of the two.
package struct WithdrawnBody: Hashable, Sendable, Codable {
    package var invitation: InvitationBody?
    package var applicant: ApplicantBody?

    package init(invitation: InvitationBody? = nil, applicant: ApplicantBody? = nil) {
        self.invitation = invitation
        self.applicant = applicant
    }
}

/// A key that is in, or was.
package struct IdentityBody: Hashable, Sendable, Codable {
    package enum State: String, Sendable, Codable, CaseIterable { case active, suspended, revoked }

    package var key: PublicKey
    package var keyID: KeyID
    package var name: String
    package var roles: [Role]
    package var account: AccountID
    package var state: State
    package var enrolledAt: Timestamp
    /// When it was suspended or revoked.
    package var endedAt: Timestamp?

    package init(_ principal: Principal) {
        key = principal.key
        keyID = principal.key.id
        name = principal.name
        roles = principal.roles.sorted()
        account = principal.account
        state = principal.revokedAt != nil ? .revoked : principal.suspendedAt != nil ? .suspended : .active
        enrolledAt = principal.enrolledAt
        endedAt = principal.revokedAt ?? principal.suspendedAt
    }

    private enum CodingKeys: String, CodingKey {
        case key, name, roles, account, state
        case keyID = "key_id"
        case enrolledAt = "enrolled_at"
        case endedAt = "ended_at"
    }
}

/// `GET /v1/identities`, by key id.
package struct IdentityListBody: Hashable, Sendable, Codable {
    package var identities: [IdentityBody]
    /// Pass as `after` for the next page.
    package var next: KeyID?

    package init(identities: [IdentityBody], next: KeyID?) {
        self.identities = identities
        self.next = next
    }
}

/// `POST /v1/identity/rotate`: signed with the old key.
package struct RotateBody: Hashable, Sendable, Codable {
    package var key: PublicKey
    package var time: Timestamp
    /// The new key's, of the ``RotationStatement``.
    package var signature: Signature

    package init(key: PublicKey, time: Timestamp, signature: Signature) {
        self.key = key
        self.time = time
        self.signature = signature
    }
}
