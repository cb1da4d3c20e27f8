package import FogCore

/// Who answers for a record: somebody whose key lived and could at that record, and signed for it; or the coordinator,
/// for what it may do by itself.
extension Audit {
    /// What the records so far say of who answers for them.
    struct Attribution {
        /// The form of the record before; it never goes back.
        var form: UInt8 = 0
        /// The first record from which all say who answers for them.
        var since: UInt64?
        /// Older ones that say nothing.
        var silent: UInt64 = 0
        /// Digests of requests, with the last record of the chain that each was for.
        var requests: [ShortDigest: UInt64] = [:]
        /// In the chain that passes: accounts that a key was enrolled for, and keys that sealed before they were known.
        var enrolled: Set<AccountID> = []
        var early: Set<KeyID> = []
        /// Whose request opened an escrow: nobody else pays into it.
        var payers: [AccountID: AccountID] = [:]
        /// Signatures still to be verified.
        var waiting: [SignedRequest] = []
    }

    /// A signature of the log, to be verified.
    package struct SignedRequest: Sendable {
        package let key: PublicKey
        package let base: [UInt8]
        package let signature: Signature
        let row: UInt64

        package var holds: Bool { key.verifies(signature, of: base) }
    }

    /// Signatures verified in one go; the sources may spread them over processors.
    static let verifiedAtOnce = 512

    mutating func checkAuthorisation(of record: LedgerRecord, _ row: UInt64) {
        checkForm(of: record, row)
        if case .keyEnrolled(let enrolment) = record.body {
            attribution.enrolled.insert(enrolment.owner)
            if enrolment.roles.contains(.coordinator) { attribution.early.remove(enrolment.key.id) }
        }
        if let id = record.authorisation.key {
            if let signature = record.authorisation.signature {
                check(request: id, signature, of: record, row)
            } else {
                check(seal: id, of: record, row)
            }
        }
        checkPayer(of: record, row)
        guard record.following == 0 else { return }
        attribution.enrolled = []
        for id in attribution.early { fail(.authorisations, row, "the word of the coordinator's key", "of \(id)") }
        attribution.early = []
    }

    /// Once a record says who answers for it, all later ones do.
    private mutating func checkForm(of record: LedgerRecord, _ row: UInt64) {
        defer { attribution.form = max(attribution.form, record.form) }
        guard record.form == LedgerRecord.version else {
            if attribution.form > record.form {
                fail(
                    .authorisations, row,
                    "a record that says who answers for it, as all since record \(attribution.since ?? 0)",
                    "one of the older form \(record.form)")
            } else if record.authorisation == .none {
                attribution.silent += 1
            }
            return
        }
        if attribution.since == nil { attribution.since = row }
        if record.authorisation == .none {
            fail(.authorisations, row, "who answers for \(record.body.what)", "nobody")
        }
    }

    private mutating func check(seal id: KeyID, of record: LedgerRecord, _ row: UInt64) {
        if let known = replay.keys[id]?.key {
            if !known.roles.contains(.coordinator) || known.isRevoked {
                fail(
                    .authorisations, row, "the word of the coordinator's key",
                    "of \(id): \(known.isRevoked ? "revoked" : known.roles.description)")
            }
        } else if !isEnrolling(id, record) {
            // The first chain of a ledger opens the account that the coordinator's key is enrolled for.
            attribution.early.insert(id)
        }
        switch record.body.authoriser {
        case .coordinator: return
        case .requestOrEnrolment(let account) where attribution.enrolled.contains(account): return
        case .request, .requestOrEnrolment:
            fail(.authorisations, row, "the request of somebody for \(record.body.what)", "only the coordinator's word")
        }
    }

    private func isEnrolling(_ id: KeyID, _ record: LedgerRecord) -> Bool {
        guard case .keyEnrolled(let enrolment) = record.body else { return false }
        return enrolment.key.id == id && enrolment.roles.contains(.coordinator)
    }

    private mutating func check(request id: KeyID, _ signature: Signature, of record: LedgerRecord, _ row: UInt64) {
        let base = record.authorisation.base
        // One request is for one chain. A second one would be the first, used again.
        let end = row &+ UInt64(record.following)
        let request = ShortDigest(Digest.sha256(base))
        if let known = attribution.requests.updateValue(end, forKey: request), known != end {
            fail(.authorisations, row, "a request of its own", "the one that record \(known) was for")
        }
        guard let key = key(id, asking: record) else {
            return fail(.authorisations, row, "a request of an enrolled key", "of \(id)")
        }
        if key.isRevoked { fail(.authorisations, row, "a request of a live key", "of \(id), revoked") }
        if !mayAsk(key, record) {
            fail(.authorisations, row, "a request of who may ask for it", "of \(id): \(key.roles) of \(key.owner)")
        }
        guard verifiesRequests else { return }
        attribution.waiting.append(SignedRequest(key: key.key, base: base, signature: signature, row: row))
        if attribution.waiting.count >= Self.verifiedAtOnce { verifyRequests() }
    }

    /// Those that wait.
    mutating func verifyRequests() {
        guard !attribution.waiting.isEmpty else { return }
        let waiting = attribution.waiting
        attribution.waiting = []
        for (request, holds) in zip(waiting, sources.verify(waiting)) where !holds {
            fail(
                .authorisations, request.row, "a request signed by \(request.key.id)", "a signature that does not hold")
        }
    }

    /// What goes into an escrow comes from the account whose key asked for it, and what is left goes back there.
    private mutating func checkPayer(of record: LedgerRecord, _ row: UInt64) {
        switch record.body {
        case .accountOpened(let opening) where opening.kind == .escrow && record.authorisation.isRequest:
            guard let id = record.authorisation.key, let key = replay.keys[id]?.key else { return }
            attribution.payers[opening.id] = key.owner
        case .accountClosed(let id, _): attribution.payers[id] = nil
        case .transfer(let transfer, _, _) where transfer.kind == .hold:
            guard let payer = attribution.payers[transfer.credit], payer != transfer.debit else { return }
            fail(.authorisations, row, "a hold of \(payer), who asked for the escrow", "of \(transfer.debit)")
        case .transfer(let transfer, _, _) where transfer.kind == .refund:
            guard let payer = attribution.payers[transfer.debit], payer != transfer.credit else { return }
            fail(.authorisations, row, "a refund to \(payer), who asked for the escrow", "to \(transfer.credit)")
        default: return
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
            case .issue, .correct, .reward, .use, .allow, .spend, .burn, .bridgeOut, .bridgeVoid: return isAdmin
            default: return true
            }
        case .keyEnrolled(let enrolment): return isAdmin || enrolment.key == key.key
        case .keyRevoked(let id): return isAdmin || id == key.key.id
        // A key may bring a token that gives it more; an admin made the token.
        case .rolesSet(let id, _): return isAdmin || (record.form == LedgerRecord.version && id == key.key.id)
        case .ruleSet: return isAdmin
        case .accountOpened, .accountClosed, .unrecognised: return true
        }
    }
}
