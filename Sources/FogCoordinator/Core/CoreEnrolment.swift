package import FogCore
package import FogJobs
package import FogLedger
internal import FogStore

/// What a newcomer asks, its signature already checked.
package struct JoinRequest: Hashable, Sendable {
    /// SHA-256 of the secret in the token.
    package var secretHash: Digest
    package var key: PublicKey
    package var name: String

    /// What the newcomer signed.
    package var authorisation: Authorisation

    package init(secretHash: Digest, key: PublicKey, name: String, authorisation: Authorisation = .none) {
        self.authorisation = authorisation
        self.secretHash = secretHash
        self.key = key
        self.name = name
    }
}

/// What became of it.
package enum Joined: Hashable, Sendable {
    case enrolled(Principal)
    /// Until an admin approves.
    case waiting(Applicant)
}

/// Getting in: invitations, newcomers, approval.
extension CoordinatorCore {
    /// Signs a gift of credits for an account; the reason is for people.
    package typealias GrantSigner = (AccountID, Credits, String) throws(CoordinatorFailure) -> GrantDocument

    /// Keys that wait for approval at once.
    static let applicantLimit = 10_000
    /// How long a refused key is told so, and how long one may wait.
    static let applicantAge = TimeSpan.days(60)

    // MARK: Invitations

    /// - Throws: `bad_invitation` that names the member, `not_found` for an owner that is no open account, `quota`.
    package mutating func invite(_ invitation: Invitation, by principal: Principal, at now: Moment)
        throws(CoordinatorFailure)
    {
        dropExpired(at: now)
        try Self.check(invitation, at: now)
        if let owner = invitation.owner, ledger.account(owner)?.isClosed != false { throw .notFound }
        let open = invitations.values.count { $0.inviter == principal.key }
        guard open < rules.invitationsPerInviter else {
            throw CoordinatorFailure(
                "quota", "\(open) invitations of this key are open, at most \(rules.invitationsPerInviter)")
        }
        invitations[invitation.secretHash] = invitation
        change.invitations[invitation.secretHash] = invitation
        note(
            "invitation_created", at: now,
            detail: ["invitation": invitation.id, "by": principal.key.id.description, "uses": "\(invitation.uses)"])
    }

    private static func check(_ invitation: Invitation, at now: Moment) throws(CoordinatorFailure) {
        func refuse(_ words: String) throws(CoordinatorFailure) { throw CoordinatorFailure("bad_invitation", words) }
        if invitation.roles.isEmpty { try refuse("`roles` must name at least one role") }
        if !(1...Invitation.usesLimit).contains(invitation.uses) {
            try refuse("`uses` must be 1 to \(Invitation.usesLimit), found \(invitation.uses)")
        }
        let ttl = invitation.expiresAt - now.wall
        if ttl <= .zero || ttl > Invitation.longest {
            try refuse("`ttl` must be above 0 and at most \(Invitation.longest), found \(ttl)")
        }
        if invitation.credits < .zero { try refuse("`credits` must not be negative, found \(invitation.credits)") }
    }

    /// An invitation by its id or a unique beginning of it.
    package func invitation(_ reference: String) throws(CoordinatorFailure) -> Invitation? {
        let found = invitations.values.filter { $0.id.hasPrefix(reference.lowercased()) }
        guard found.count < 2 else {
            throw CoordinatorFailure("ambiguous", "`\(reference.prefix(80))` begins \(found.count) invitations")
        }
        return reference.isEmpty ? nil : found.first
    }

    package mutating func withdraw(_ invitation: Invitation, by principal: Principal, at now: Moment) {
        close(invitation)
        note(
            "invitation_withdrawn", at: now,
            detail: ["invitation": invitation.id, "by": principal.key.id.description])
    }

    mutating func close(_ invitation: Invitation) {
        invitations[invitation.secretHash] = nil
        change.invitations[invitation.secretHash] = nil
        change.closedInvitations.insert(invitation.secretHash)
        hasChange = true
    }

    /// What time has closed goes for good.
    mutating func dropExpired(at now: Moment) {
        for invitation in invitations.values.filter({ $0.expiresAt <= now.wall }) { close(invitation) }
        for applicant in applicants.values.filter({ now.wall - $0.askedAt > Self.applicantAge }) { close(applicant) }
    }

    /// One use less, in the change that records the key.
    private mutating func use(_ invitation: Invitation) {
        if change.invitations[invitation.secretHash] == nil {
            change.preconditions.append(.invitationUses(invitation.secretHash, invitation.usesLeft))
        }
        guard invitation.usesLeft > 1 else { return close(invitation) }
        var rest = invitation
        rest.usesLeft -= 1
        invitations[rest.secretHash] = rest
        change.invitations[rest.secretHash] = rest
        hasChange = true
    }

    // MARK: Newcomers

    /// Lets a key in, once a use. The same key again is answered as the first time and uses nothing.
    ///
    /// - Throws: `bad_token` alike for unknown, used up, expired and withdrawn ones; `bad_name`, `forbidden` for a key
    ///   that was refused, suspended or revoked, `conflict` for one of another account, `quota`.
    package mutating func join(_ asked: JoinRequest, at now: Moment, signing grant: GrantSigner)
        throws(CoordinatorFailure) -> Joined
    {
        try Self.check(name: asked.name)
        if let known = principals[asked.key.id] { return try joinAgain(known, asked, at: now) }
        if let applicant = applicants[asked.key.id] {
            guard applicant.refusedAt == nil else {
                throw CoordinatorFailure("forbidden", "an operator refused this key")
            }
            return .waiting(applicant)
        }
        let invitation = try usable(asked.secretHash, at: now)
        let name = freeName(asked.name)
        if invitation.needsApproval || rules.approveNewcomers {
            guard applicants.count < Self.applicantLimit else {
                throw CoordinatorFailure("quota", "\(applicants.count) keys wait for approval, which is the most")
            }
            let applicant = Applicant(
                key: asked.key, name: name, roles: invitation.roles, owner: invitation.owner,
                credits: invitation.credits, inviter: invitation.inviter, askedAt: now.wall)
            save(applicant)
            use(invitation)
            note("key_waits", at: now, detail: ["key": asked.key.id.description, "invitation": invitation.id])
            return .waiting(applicant)
        }
        let principal = try enrol(
            key: asked.key, name: name, roles: invitation.roles, account: invitation.owner,
            authorisation: asked.authorisation, at: now
        ) { account throws(CoordinatorFailure) in
            guard invitation.credits > .zero else { return nil }
            return try grant(account, invitation.credits, "with the enrolment of \(name)")
        }
        use(invitation)
        return .enrolled(principal)
    }

    /// A key that is in already: a token may bring it more roles; without a good one it learns what it is.
    private mutating func joinAgain(_ known: Principal, _ asked: JoinRequest, at now: Moment)
        throws(CoordinatorFailure) -> Joined
    {
        guard known.isActive else {
            let word = known.revokedAt == nil ? "suspended" : "revoked"
            throw CoordinatorFailure("forbidden", "this key is \(word) here")
        }
        guard let invitation = try? usable(asked.secretHash, at: now) else { return .enrolled(known) }
        if let owner = invitation.owner, owner != known.account {
            throw CoordinatorFailure(
                "conflict", "the token is for another account than that of this key; make another key for it")
        }
        let roles = known.roles.union(invitation.roles)
        guard roles != known.roles else { return .enrolled(known) }
        if invitation.needsApproval || rules.approveNewcomers {
            throw CoordinatorFailure(
                "conflict", "this key is in already, and more roles need an approval: ask with another key")
        }
        var widened = known
        widened.roles = roles
        let entry = LedgerEntry(
            .setRoles(known.key.id, LedgerRoles(roles)), subject: SubjectID(digestOf: known.key.bytes),
            authorisation: asked.authorisation)
        if let refusal = post([entry], at: now) { throw CoordinatorFailure(refusal.code, refusal.message) }
        save(widened)
        use(invitation)
        note(
            "key_roles_set", at: now,
            detail: ["key": known.key.id.description, "roles": roles.map(\.rawValue).sorted().joined(separator: "+")])
        return .enrolled(widened)
    }

    /// The invitation of a secret, if it still lets somebody in.
    private func usable(_ hash: Digest, at now: Moment) throws(CoordinatorFailure) -> Invitation {
        guard let invitation = invitations[hash], invitation.expiresAt > now.wall, invitation.usesLeft > 0,
            mayInvite(invitation.inviter)
        else { throw CoordinatorFailure("bad_token", "the token is unknown, used up, expired or withdrawn") }
        if let owner = invitation.owner, ledger.account(owner)?.isClosed != false {
            throw CoordinatorFailure("conflict", "the account that the token names is closed")
        }
        return invitation
    }

    private func mayInvite(_ key: PublicKey) -> Bool { principal(key.id)?.may(.administer) ?? false }

    private static func check(name: String) throws(CoordinatorFailure) {
        let isName = name.utf8.allSatisfy { $0 == 0x2d || (0x30...0x39).contains($0) || (0x61...0x7a).contains($0) }
        guard (1...63).contains(name.utf8.count), isName else {
            throw CoordinatorFailure("bad_name", "a name is 1 to 63 of a-z, 0-9 and -, found `\(name.prefix(80))`")
        }
    }

    /// A name that nobody else goes by, so that a newcomer is never taken for somebody who was there before.
    private func freeName(_ wanted: String) -> String {
        var taken = Set(principals.values.lazy.map(\.name))
        taken.formUnion(applicants.values.lazy.filter { $0.refusedAt == nil }.map(\.name))
        guard taken.contains(wanted) else { return wanted }
        let stem = String(wanted.prefix(56))
        var number = 2
        while taken.contains("\(stem)-\(number)") { number += 1 }
        return "\(stem)-\(number)"
    }

    // MARK: Approval

    /// One who waits, by key id, the beginning of it, or name.
    package func applicant(_ reference: String) throws(CoordinatorFailure) -> Applicant? {
        let found = applicants.values.filter { $0.name == reference || $0.key.id.description.hasPrefix(reference) }
        guard found.count < 2 else {
            throw CoordinatorFailure("ambiguous", "`\(reference.prefix(80))` names \(found.count) keys that wait")
        }
        return reference.isEmpty ? nil : found.first
    }

    /// Lets in one who waits, also one who was refused before.
    package mutating func approve(
        _ applicant: Applicant, by principal: Principal, authorisation: Authorisation = .none, at now: Moment,
        signing grant: GrantSigner
    ) throws(CoordinatorFailure) -> Principal {
        let enrolled = try enrol(
            key: applicant.key, name: applicant.name, roles: applicant.roles, account: applicant.owner,
            authorisation: authorisation, at: now
        ) { account throws(CoordinatorFailure) in
            guard applicant.credits > .zero else { return nil }
            return try grant(account, applicant.credits, "with the enrolment of \(applicant.name)")
        }
        close(applicant)
        note(
            "key_approved", at: now,
            detail: ["key": applicant.key.id.description, "by": principal.key.id.description])
        return enrolled
    }

    package mutating func refuse(_ applicant: Applicant, by principal: Principal, at now: Moment) -> Applicant {
        var refused = applicant
        refused.refusedAt = applicant.refusedAt ?? now.wall
        save(refused)
        note(
            "key_refused", at: now,
            detail: ["key": applicant.key.id.description, "by": principal.key.id.description])
        return refused
    }

    private mutating func save(_ applicant: Applicant) {
        applicants[applicant.key.id] = applicant
        change.applicants[applicant.key] = applicant
        hasChange = true
    }

    private mutating func close(_ applicant: Applicant) {
        applicants[applicant.key.id] = nil
        change.applicants[applicant.key] = nil
        change.closedApplicants.insert(applicant.key)
        hasChange = true
    }
}
