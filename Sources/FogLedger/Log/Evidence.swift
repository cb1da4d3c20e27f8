package import FogCore

/// What a record rests on. The raw value is hashed with the document.
package enum EvidenceKind: UInt8, Sendable, CaseIterable, CustomStringConvertible {
    /// A worker's signed receipt; opaque here, verified by the caller's closure.
    case receipt = 1
    /// A ``GrantDocument``.
    case grant = 2
    /// Several receipts that agree; opaque here.
    case quorumVerdict = 3
    /// A ``RewardDocument``.
    case reward = 4
    /// A ``CorrectionDocument``.
    case correction = 5
    /// A ``JurisdictionDecision``.
    case jurisdiction = 6

    package var description: String {
        switch self {
        case .receipt: "receipt"
        case .grant: "grant"
        case .quorumVerdict: "quorum_verdict"
        case .reward: "reward"
        case .correction: "correction"
        case .jurisdiction: "jurisdiction"
        }
    }

    /// Whether a record of that kind may rest on it.
    func supports(_ kind: TransferKind) -> Bool {
        switch kind {
        case .issue: self == .grant
        case .post, .void, .slash: self == .receipt || self == .quorumVerdict
        case .reward: self == .reward
        case .correct: self == .correction
        case .pending, .hold: self == .jurisdiction
        default: false
        }
    }
}

/// A document that a record cites by its digest. It lies beside the log and is never removed while the log stands.
package struct EvidenceDocument: Hashable, Sendable {
    package let kind: EvidenceKind
    package let bytes: [UInt8]

    package init(kind: EvidenceKind, bytes: [UInt8]) {
        self.kind = kind
        self.bytes = bytes
    }

    /// SHA-256 over the kind's byte and the document, so that neither can be changed.
    package var digest: Digest { Digest.sha256([kind.rawValue] + bytes) }
}

/// Who gave credits to whom, and why: signed, so that no operator can issue unseen.
package struct GrantDocument: Hashable, Sendable {
    package let account: AccountID
    package let amount: Credits
    package let time: Timestamp
    /// For people; stands in the document only, never in the log.
    package let reason: String
    package let signer: PublicKey
    package let signature: Signature

    /// The longest reason, in bytes of UTF-8.
    package static let maxReasonBytes = 1024

    private static let domain = "fog-grant-v1"

    /// Signs a grant.
    /// - Throws: `bad_grant` for an empty or overlong reason or an amount below one micro-credit.
    package init(
        account: AccountID, amount: Credits, time: Timestamp, reason: String, signedBy key: SigningKey
    ) throws(LedgerFailure) {
        guard !reason.isEmpty, reason.utf8.count <= Self.maxReasonBytes else {
            throw LedgerFailure(
                "bad_grant", "a grant's reason has 1 to \(Self.maxReasonBytes) bytes, found \(reason.utf8.count)")
        }
        guard amount.micro > 0 else { throw LedgerFailure("bad_grant", "a grant gives something, found \(amount)") }
        self.account = account
        self.amount = amount
        self.time = time
        self.reason = reason
        signer = key.publicKey
        signature = key.sign(Self.message(account, amount, time, reason, key.publicKey))
    }

    /// - Throws: `bad_grant` for bytes that are not the one form of a grant with a good signature.
    package init(decoding bytes: [UInt8]) throws(LedgerFailure) {
        do throws(CoreFailure) {
            var reader = CanonicalReader(bytes)
            guard try reader.readString(limit: 64) == Self.domain else {
                throw CoreFailure("bad_grant", "the document does not begin with \(Self.domain)")
            }
            account = try reader.readIdentifier()
            amount = Credits(micro: try reader.read())
            time = try reader.readTimestamp()
            reason = try reader.readString(limit: Self.maxReasonBytes)
            signer = try PublicKey(bytes: reader.read(raw: 32))
            signature = try Signature(bytes: reader.read(raw: 64))
            try reader.end()
        } catch {
            throw LedgerFailure("bad_grant", error.message)
        }
        guard signer.verifies(signature, of: Self.message(account, amount, time, reason, signer)) else {
            throw LedgerFailure("bad_grant", "the signature of \(signer.id) does not fit the grant")
        }
    }

    package var document: EvidenceDocument {
        EvidenceDocument(
            kind: .grant, bytes: Self.message(account, amount, time, reason, signer) + signature.bytes)
    }

    /// What the issue of the grant is about: the digest of the document, so that a repeated grant is one.
    package var subject: SubjectID { SubjectID(digestOf: document.digest.bytes) }

    /// The entry that issues it.
    package func entry(authorisation: Authorisation = .none) -> LedgerEntry {
        let subject = subject
        return LedgerEntry(
            .move(
                .issue, id: TransferID(at: time, kind: .issue, subject: subject, ordinal: 0), from: .issuance,
                to: account, amount: amount, ordinal: 0),
            subject: subject, evidence: document.digest, authorisation: authorisation)
    }

    private static func message(
        _ account: AccountID, _ amount: Credits, _ time: Timestamp, _ reason: String, _ signer: PublicKey
    ) -> [UInt8] {
        var out = CanonicalWriter()
        out.write(domain)
        out.write(account)
        out.write(amount.micro)
        out.write(time)
        out.write(reason)
        out.write(raw: signer.bytes)
        return out.bytes
    }
}
