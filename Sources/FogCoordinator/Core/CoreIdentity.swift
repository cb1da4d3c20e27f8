package import FogCore
package import FogJobs
package import FogLedger
internal import FogStore

/// Keys that are in: suspended, let act again, revoked, replaced.
extension CoordinatorCore {
    /// A key by its id, a unique beginning of it, or the name of one that is not revoked.
    /// - Throws: `not_found`, `ambiguous`.
    package func identity(_ reference: String) throws(CoordinatorFailure) -> Principal {
        if let key = try? PublicKey(reference), let exact = principals[key.id] { return exact }
        if let id = try? KeyID(reference), let exact = principals[id] { return exact }
        let named = principals.values.filter { $0.name == reference && $0.revokedAt == nil }
        let found =
            named.isEmpty
            ? principals.values.filter { !reference.isEmpty && $0.key.id.description.hasPrefix(reference) } : named
        guard let only = found.first else { throw .notFound }
        guard found.count == 1 else {
            throw CoordinatorFailure(
                "ambiguous", "`\(reference.prefix(80))` names \(found.count) keys; give a key id: fog identity list")
        }
        return only
    }

    /// Refuses what the key asks from now on and cancels its jobs, in one change. Repeated, it changes nothing.
    package mutating func suspend(_ id: KeyID, reason: String, by principal: Principal, at now: Moment)
        throws(CoordinatorFailure) -> Principal
    {
        var row = try live(id)
        guard row.suspendedAt == nil else { return row }
        try keepAnAdmin(without: row)
        row.suspendedAt = now.wall
        save(row)
        cancelJobs(of: row, because: reason.isEmpty ? "its submitter was suspended" : reason, at: now)
        silence(row, because: "the node's key was suspended", at: now)
        noteChange("key_suspended", row, by: principal, at: now, reason: reason)
        return row
    }

    package mutating func resume(_ id: KeyID, by principal: Principal, at now: Moment)
        throws(CoordinatorFailure) -> Principal
    {
        var row = try live(id)
        guard row.suspendedAt != nil else { return row }
        row.suspendedAt = nil
        save(row)
        noteChange("key_resumed", row, by: principal, at: now, reason: "")
        return row
    }

    /// Ends a key for good: nothing that it signs counts any more, and the ledger says so.
    package mutating func revoke(
        _ id: KeyID, reason: String, by principal: Principal, authorisation: Authorisation = .none, at now: Moment
    ) throws(CoordinatorFailure) -> Principal {
        guard var row = principals[id] else { throw .notFound }
        guard row.revokedAt == nil else { return row }
        try keepAnAdmin(without: row)
        // What its machine still runs ends before the ledger forgets the key: later nothing of it could be settled.
        silence(row, because: "the node's key was revoked", at: now)
        let entry = LedgerEntry(
            .revokeKey(id), subject: SubjectID(digestOf: row.key.bytes), authorisation: authorisation)
        if let refusal = post([entry], at: now) { throw CoordinatorFailure(refusal.code, refusal.message) }
        row.revokedAt = now.wall
        save(row)
        cancelJobs(of: row, because: reason.isEmpty ? "its submitter's key was revoked" : reason, at: now)
        for invitation in invitations.values.filter({ $0.inviter == row.key }) { close(invitation) }
        forgetUnpaidWork(of: row, at: now)
        if let node = nodeOfKey[id], var active = nodes[node] {
            active.row.standing = .revoked
            save(active)
        }
        noteChange("key_revoked", row, by: principal, at: now, reason: reason)
        return row
    }

    /// Puts a new key in the place of an old one: the same name, roles and account, the same node; the old key is
    /// revoked in the same chain of the ledger.
    ///
    /// - Parameters:
    ///   - consent: the new key's signature of the statement.
    ///   - request: what the old key signed to ask for it.
    /// - Throws: `bad_rotation`, `conflict` for a key that is known or a node that has work.
    package mutating func rotate(
        _ statement: RotationStatement, consent: Signature, request: Authorisation, at now: Moment
    ) throws(CoordinatorFailure) -> Principal {
        var old = try live(statement.old.id)
        try Self.check(statement, consent, coordinator: key, at: now)
        let fresh = statement.new.id
        guard principals[fresh] == nil, applicants[fresh] == nil else {
            throw CoordinatorFailure("conflict", "the new key is known here already: make another")
        }
        let node = nodeOfKey[old.key.id]
        if let node, let active = nodes[node], !active.leases.isEmpty {
            throw CoordinatorFailure(
                "conflict",
                "the node \(active.row.report.name) holds \(active.leases.count) leases under this key: `fog node drain \(active.row.report.name)` and stop its worker first"
            )
        }
        let authorisation: Authorisation
        do throws(LedgerFailure) {
            authorisation = try Authorisation(base: statement.bytes, key: fresh, signature: consent)
        } catch { throw CoordinatorFailure(error.code, error.message) }
        let subject = SubjectID(digestOf: old.key.bytes)
        let enrolment = KeyEnrolment(key: statement.new, roles: LedgerRoles(old.roles), owner: old.account)
        let chain = [
            LedgerEntry(.enrol(enrolment), subject: subject, authorisation: authorisation),
            LedgerEntry(.revokeKey(old.key.id), subject: subject, authorisation: request),
        ]
        if let refusal = post(chain, at: now) { throw CoordinatorFailure(refusal.code, refusal.message) }
        let new = Principal(
            key: statement.new, name: old.name, roles: old.roles, account: old.account, enrolledAt: now.wall)
        old.revokedAt = now.wall
        save(old)
        save(new)
        forgetUnpaidWork(of: old, at: now)
        if let node, var active = nodes[node] {
            active.row.key = new.key
            nodeOfKey[old.key.id] = nil
            nodeOfKey[fresh] = node
            save(active)
        }
        for invitation in invitations.values where invitation.inviter == old.key {
            var moved = invitation
            moved.inviter = new.key
            invitations[moved.secretHash] = moved
            change.invitations[moved.secretHash] = moved
        }
        note("key_rotated", at: now, detail: ["old": old.key.id.description, "new": fresh.description])
        return new
    }

    private static func check(
        _ statement: RotationStatement, _ consent: Signature, coordinator: PublicKey, at now: Moment
    ) throws(CoordinatorFailure) {
        guard statement.coordinator == coordinator, statement.old != statement.new else {
            throw CoordinatorFailure("bad_rotation", "the statement is for another coordinator, or names one key twice")
        }
        let ahead = statement.time - now.wall
        guard max(ahead, .zero - ahead) <= RotationStatement.skewLimit else {
            throw CoordinatorFailure("bad_rotation", "the statement's time is \(ahead) off, at most 5 min")
        }
        guard statement.new.verifies(consent, of: statement.bytes) else {
            throw CoordinatorFailure("bad_rotation", "the new key did not sign the statement")
        }
    }

    // MARK: Parts

    /// A key that is not revoked.
    private func live(_ id: KeyID) throws(CoordinatorFailure) -> Principal {
        guard let row = principals[id] else { throw .notFound }
        guard row.revokedAt == nil else { throw CoordinatorFailure("conflict", "the key is revoked, for good") }
        return row
    }

    /// A pool that nobody can administer could never be mended.
    private func keepAnAdmin(without row: Principal) throws(CoordinatorFailure) {
        guard row.may(.administer), row.isActive else { return }
        let others = principals.values.contains { $0.key != row.key && $0.isActive && $0.may(.administer) }
        guard others else { throw CoordinatorFailure("conflict", "this is the last key that may administer the pool") }
    }

    /// Those of its own and of the keys that it replaced.
    private mutating func cancelJobs(of row: Principal, because reason: String, at now: Moment) {
        let former = principals.values.filter {
            $0.account == row.account && $0.name == row.name && $0.revokedAt != nil
        }
        let keys = Set(former.map(\.key) + [row.key])
        for id in jobs.keys.sorted() where jobs[id].map({ keys.contains($0.record.submitter) }) == true {
            _ = withJob(id) { core, job in
                if job.record.progress.cancelReason == nil { core.cancelAll(&job, reason: reason, at: now) }
            }
        }
    }

    /// Ends what a key's machine runs; the tasks go elsewhere at once, and the machine is not to blame.
    private mutating func silence(_ row: Principal, because reason: String, at now: Moment) {
        guard let id = nodeOfKey[row.key.id], let node = nodes[id] else { return }
        for attempt in node.leases.sorted() { endLost(attempt, as: .drained, detail: reason, at: now) }
        nodes[id]?.liveness = .offline
        nodes[id]?.plan = []
        nodes[id]?.want = 0
        orderedNodes.insert(id)
        placementWanted = true
    }

    /// What a revoked key's receipts speak of is never paid: nobody could show that they are older than the revocation.
    private mutating func forgetUnpaidWork(of row: Principal, at now: Moment) {
        guard let node = nodeOfKey[row.key.id] else { return }
        dropHeld(by: node, at: now)
        for id in jobs.keys.sorted() {
            for number in jobs[id]?.tasks.keys.sorted() ?? [] {
                guard var record = jobs[id]?.tasks[number]?.record, var trail = record.trail,
                    trail.forget(node: node)
                else { continue }
                record.trail = trail == WorkTrail() ? nil : trail
                jobs[id]?.tasks[number]?.record = record
                self.save(record)
            }
        }
    }

    private mutating func noteChange(
        _ kind: String, _ row: Principal, by principal: Principal, at now: Moment, reason: String
    ) {
        var detail = ["key": row.key.id.description, "by": principal.key.id.description]
        if !reason.isEmpty { detail["reason"] = reason }
        note(kind, at: now, detail: detail)
    }
}
