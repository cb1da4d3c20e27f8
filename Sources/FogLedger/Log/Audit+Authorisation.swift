internal import FogCore

/// Who asked for a record: the key lived and could at that record, and its signature holds.
extension Audit {
    /// What the coordinator does by itself carries no authorisation: the signed checkpoint vouches for it.
    mutating func checkAuthorisation(of record: LedgerRecord, _ row: UInt64) {
        guard let id = record.authorisation.key, let signature = record.authorisation.signature else { return }
        let base = record.authorisation.base
        // One request is for one chain. A second one would be the first, used again.
        let end = row &+ UInt64(record.following)
        let request = ShortDigest(Digest.sha256(base))
        if let known = requests.updateValue(end, forKey: request), known != end {
            fail(.authorisations, row, "a request of its own", "the one that record \(known) was for")
        }
        guard let key = key(id, asking: record) else {
            return fail(.authorisations, row, "a request of an enrolled key", "of \(id)")
        }
        if key.isRevoked { fail(.authorisations, row, "a request of a live key", "of \(id), revoked") }
        if !mayAsk(key, record) {
            fail(.authorisations, row, "a request of who may ask for it", "of \(id): \(key.roles) of \(key.owner)")
        }
        if verifiesRequests, !key.key.verifies(signature, of: base) {
            fail(.authorisations, row, "a request signed by \(id)", "a signature that does not hold")
        }
    }

    /// A newcomer asks with the key that the record enrols.
    private func key(_ id: KeyID, asking record: LedgerRecord) -> EnrolledKey? {
        if let known = replay.keys[id] { return known.key }
        guard case .keyEnrolled(let enrolment) = record.body, enrolment.key.id == id else { return nil }
        return EnrolledKey(key: enrolment.key, owner: enrolment.owner, roles: enrolment.roles)
    }

    private func mayAsk(_ key: EnrolledKey, _ record: LedgerRecord) -> Bool {
        let isAdmin = key.roles.contains(.admin) || key.roles.contains(.coordinator)
        switch record.body {
        case .transfer(let transfer, _, _):
            switch transfer.kind {
            case .move, .stake: return transfer.debit == key.owner
            case .unstake: return transfer.debit == .stake(of: key.owner)
            case .issue, .correct, .reward, .use, .allow: return isAdmin
            default: return true
            }
        case .keyEnrolled(let enrolment): return isAdmin || enrolment.key == key.key
        case .keyRevoked(let id): return isAdmin || id == key.key.id
        case .rolesSet, .ruleSet: return isAdmin
        case .accountOpened, .accountClosed, .unrecognised: return true
        }
    }
}
