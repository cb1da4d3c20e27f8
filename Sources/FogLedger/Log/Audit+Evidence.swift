internal import FogCore

/// Documents: present, genuine, and signed by who was allowed to at that record.
extension Audit {
    /// A document as it is stored, or nil; a row that does not read is told and counts as missing.
    mutating func stored(_ digest: Digest) throws -> EvidenceDocument? {
        do {
            return try sources.document(digest)
        } catch let failure as LedgerFailure {
            fail(.documents, nil, "document \(digest) that reads", failure.message)
            return nil
        }
    }

    mutating func checkEvidence(of record: LedgerRecord, _ row: UInt64) throws {
        guard let transfer = record.transfer else { return }
        guard record.evidence != .zero else {
            if transfer.kind.needsEvidence { fail(.evidence, row, "a \(transfer.kind) with evidence", "none cited") }
            return checkJurisdiction(uncited: record, transfer)
        }
        cited.insert(ShortDigest(record.evidence))
        guard let document = try stored(record.evidence) else {
            return fail(.evidence, row, "document \(record.evidence)", "missing")
        }
        guard document.digest == record.evidence else {
            return fail(.evidence, row, "document \(record.evidence)", "one with digest \(document.digest)")
        }
        guard document.kind.supports(transfer.kind) else {
            return fail(.evidence, row, "evidence for a \(transfer.kind)", "a \(document.kind)")
        }
        do throws(LedgerFailure) {
            switch document.kind {
            case .grant: try check(GrantDocument(decoding: document.bytes), transfer, record)
            case .receipt, .quorumVerdict:
                let claim = try sources.receipt(document)
                if transfer.kind == .slash {
                    try checkSlash(claim, transfer, record)
                } else {
                    try check(claim, transfer, record)
                }
            case .correction: try check(CorrectionDocument(decoding: document.bytes), record)
            case .jurisdiction: check(try JurisdictionDecision(decoding: document.bytes), record)
            case .reward: break
            }
        } catch {
            fail(.evidence, row, "a \(document.kind) that holds", error.message)
        }
        guard document.kind == .reward else { return }
        let reward: RewardDocument
        do throws(LedgerFailure) { reward = try RewardDocument(decoding: document.bytes) } catch {
            return fail(.evidence, row, "a reward document that holds", error.message)
        }
        try check(reward, transfer, record)
    }

    /// A document that no record cites: a receipt of unpaid work, which must be genuine all the same.
    func complaint(uncited document: EvidenceDocument) -> String? {
        do throws(LedgerFailure) {
            switch document.kind {
            case .grant: return "a grant that was never issued"
            case .reward: return "a reward that was never paid"
            case .correction: return "a correction that was never made"
            case .jurisdiction: return "a decision that no attempt rests on"
            case .receipt, .quorumVerdict: break
            }
            let claim = try sources.receipt(document)
            guard replay.keys[claim.worker.id]?.key.key == claim.worker else {
                return "a receipt of \(claim.worker.id), which was never enrolled"
            }
            guard coordinator == nil || claim.coordinator == coordinator else {
                return "a receipt for another coordinator, \(claim.coordinator.id)"
            }
            return nil
        } catch { return error.message }
    }

    // MARK: - What a document must say

    private mutating func check(
        _ grant: GrantDocument, _ transfer: Transfer, _ record: LedgerRecord
    ) throws(LedgerFailure) {
        guard grant.account == transfer.credit, grant.amount == transfer.amount else {
            throw Self.unfit("a grant of \(grant.amount) to \(grant.account)")
        }
        guard record.subject == grant.subject else { throw Self.unfit("a grant under another subject than its own") }
        try require(coordinator: grant.signer, or: .admin)
    }

    private mutating func check(
        _ claim: ReceiptClaim, _ transfer: Transfer, _ record: LedgerRecord
    ) throws(LedgerFailure) {
        guard record.subject == claim.subject else { throw Self.unfit("a receipt of another attempt") }
        guard transfer.amount <= claim.bound else {
            throw Self.unfit("paid \(transfer.amount), the receipt's bound is \(claim.bound)")
        }
        try require(coordinator: claim.coordinator)
        let worker = try live(claim.worker, .worker)
        guard worker.owner == transfer.credit else {
            throw Self.unfit("signed by \(claim.worker.id), a node of account \(worker.owner)")
        }
    }

    static func unfit(_ words: String) -> LedgerFailure { LedgerFailure("bad_evidence", words) }

    /// The coordinator's own key, or an enrolled one that may stand for it.
    mutating func require(
        coordinator key: PublicKey, or others: LedgerRoles = []
    ) throws(LedgerFailure) {
        guard replay.keys[key.id] == nil else {
            _ = try live(key, others.union(.coordinator))
            return
        }
        if coordinator == nil { coordinator = key }
        guard coordinator == key else { throw Self.unfit("names the key \(key.id), which is not the coordinator's") }
    }

    /// An enrolled key that may act in one of some roles by now.
    private func live(_ key: PublicKey, _ roles: LedgerRoles) throws(LedgerFailure) -> EnrolledKey {
        guard let entry = replay.keys[key.id], entry.key.key == key else {
            throw Self.unfit("signed by \(key.id), which is not enrolled")
        }
        guard !entry.key.isRevoked else {
            throw Self.unfit("signed by \(key.id), revoked in record \(entry.lastSequence)")
        }
        guard !entry.key.roles.isDisjoint(with: roles) else {
            throw Self.unfit("signed by \(key.id), which is no \(roles)")
        }
        return entry.key
    }
}
