internal import FogCore
package import FogJobs

/// Invitations and those who wait for approval.
extension ChangeWriter {
    /// The uses that are left, as the store knows them; nil = there is no such invitation.
    func usesLeft(of hash: Digest) throws -> Int? {
        var query = try Prepared(database, "SELECT uses_left FROM invitations WHERE secret_hash = ?")
        query.bind(hash)
        return try query.first { $0.int() }
    }

    private static let upsertInvitation = """
        INSERT INTO invitations VALUES (\(marks(10))) ON CONFLICT DO UPDATE SET roles = excluded.roles, \
        uses = excluded.uses, uses_left = excluded.uses_left, owner = excluded.owner, credits = excluded.credits, \
        needs_approval = excluded.needs_approval, inviter = excluded.inviter, expires_at = excluded.expires_at
        """

    func write(_ invitation: Invitation) throws {
        var upsert = try Prepared(database, Self.upsertInvitation)
        upsert.bind(invitation.secretHash)
        upsert.bind(RoleText.write(invitation.roles))
        upsert.bind(invitation.uses)
        upsert.bind(invitation.usesLeft)
        upsert.bind(invitation.owner)
        upsert.bind(invitation.credits)
        upsert.bind(invitation.needsApproval)
        upsert.bind(invitation.inviter)
        upsert.bind(invitation.createdAt)
        upsert.bind(invitation.expiresAt)
        try upsert.run()
    }

    func close(invitation hash: Digest) throws {
        var delete = try Prepared(database, "DELETE FROM invitations WHERE secret_hash = ?")
        delete.bind(hash)
        try delete.run()
    }

    private static let upsertApplicant = """
        INSERT INTO applicants VALUES (\(marks(8))) ON CONFLICT DO UPDATE SET name = excluded.name, \
        roles = excluded.roles, owner = excluded.owner, credits = excluded.credits, inviter = excluded.inviter, \
        asked_at = excluded.asked_at, refused_at = excluded.refused_at
        """

    func write(_ applicant: Applicant) throws {
        var upsert = try Prepared(database, Self.upsertApplicant)
        upsert.bind(applicant.key)
        upsert.bind(applicant.name)
        upsert.bind(RoleText.write(applicant.roles))
        upsert.bind(applicant.owner)
        upsert.bind(applicant.credits)
        upsert.bind(applicant.inviter)
        upsert.bind(applicant.askedAt)
        upsert.bind(applicant.refusedAt)
        try upsert.run()
    }

    func close(applicant key: PublicKey) throws {
        var delete = try Prepared(database, "DELETE FROM applicants WHERE key = ?")
        delete.bind(key)
        try delete.run()
    }
}

/// How a set of roles lies in a column.
enum RoleText {
    static func write(_ roles: Set<Role>) -> String { roles.sorted().map(\.rawValue).joined(separator: ",") }

    static func read(_ text: String) throws -> Set<Role> {
        let words = text.split(separator: ",")
        let roles = words.compactMap { Role(rawValue: String($0)) }
        guard roles.count == words.count else { throw StoreFailure("corrupt", "a role that is none: `\(text)`") }
        return Set(roles)
    }
}

extension SQLiteStore {
    package func invitations() async throws(StoreFailure) -> [Invitation] {
        let columns = "roles, uses, uses_left, owner, credits, needs_approval, inviter, created_at, expires_at"
        return try await read { database in
            try Prepared(database, "SELECT secret_hash, \(columns) FROM invitations ORDER BY secret_hash").all { row in
                let hash = try row.digest()
                let roles = try RoleText.read(row.text())
                let (uses, left) = (row.int(), row.int())
                let owner: AccountID? = try row.optional { try $0.id() }
                let credits = row.credits()
                let needsApproval = row.bool()
                let inviter = try row.key()
                var invitation = Invitation(
                    secretHash: hash, roles: roles, uses: uses, owner: owner, credits: credits,
                    needsApproval: needsApproval, inviter: inviter, createdAt: row.time(), expiresAt: row.time())
                invitation.usesLeft = left
                return invitation
            }
        }
    }

    package func applicants() async throws(StoreFailure) -> [Applicant] {
        let columns = "name, roles, owner, credits, inviter, asked_at, refused_at"
        return try await read { database in
            try Prepared(database, "SELECT key, \(columns) FROM applicants ORDER BY key").all { row in
                let key = try row.key()
                let name = row.text()
                let roles = try RoleText.read(row.text())
                let owner: AccountID? = try row.optional { try $0.id() }
                let credits = row.credits()
                var applicant = Applicant(
                    key: key, name: name, roles: roles, owner: owner, credits: credits, inviter: try row.key(),
                    askedAt: row.time())
                applicant.refusedAt = row.optional { $0.time() }
                return applicant
            }
        }
    }
}
