package import FogCore

/// How sure it is that a result is right. The raw value stands in evidence.
package enum VerificationClass: UInt8, Sendable, CaseIterable, CustomStringConvertible {
    /// Machines of several owners gave the same result.
    case replicated = 1
    /// The operator trusts the machine.
    case trusted = 2
    /// A person said so.
    case stated = 3

    package var description: String {
        switch self {
        case .replicated: "replicated"
        case .trusted: "trusted"
        case .stated: "stated"
        }
    }
}

/// Why a reward was paid, and how its amount came about: everything that is needed to compute it again.
package struct RewardDocument: Hashable, Sendable {
    package let rule: RewardRule
    /// Of the rule.
    package let version: UInt32
    package let user: AccountID
    package let subject: SubjectID
    package let done: RewardMeasurement
    package let earned: Credits
    package let paid: Credits
    package let limit: RewardLimit
    package let verification: VerificationClass
    /// Compute: digest of the signed receipt, which is evidence as well. Else of the file that was shown.
    package let proof: Digest
    /// Compute: the digest of the result. Zero otherwise.
    package let result: Digest
    /// For people: what was done. Stands in the document only, never in the log.
    package let reason: String

    package static let maxReasonBytes = 1024
    private static let domain = "fog-reward-v1"

    /// - Parameter answer: what the claim came to.
    package init(
        _ claim: Rewards.Claim, _ answer: Rewards.Answer, verification: VerificationClass, proof: Digest,
        result: Digest = .zero, reason: String = ""
    ) {
        rule = claim.rule
        version = answer.terms.version
        user = claim.user
        subject = claim.subject
        done = claim.done
        earned = answer.earned
        paid = answer.paid
        limit = answer.limit
        self.verification = verification
        self.proof = proof
        self.result = result
        self.reason = reason
    }

    /// - Throws: `bad_reward` for bytes that are not the one form of such a document.
    package init(decoding bytes: [UInt8]) throws(LedgerFailure) {
        do throws(CoreFailure) {
            var reader = CanonicalReader(bytes)
            guard try reader.readString(limit: 64) == Self.domain else {
                throw CoreFailure("bad_reward", "the document does not begin with \(Self.domain)")
            }
            let rawRule: UInt8 = try reader.read()
            version = try reader.read()
            user = try reader.readIdentifier()
            subject = try reader.readIdentifier()
            done = RewardMeasurement(
                quantity: try reader.read(), duration: try reader.read(), quality: try reader.read(),
                complexity: try reader.read())
            earned = Credits(micro: try reader.read())
            paid = Credits(micro: try reader.read())
            let rawLimit: UInt8 = try reader.read()
            let rawClass: UInt8 = try reader.read()
            proof = try reader.readDigest()
            result = try reader.readDigest()
            reason = try reader.readString(limit: Self.maxReasonBytes)
            try reader.end()
            guard let rule = RewardRule(rawValue: rawRule), let limit = RewardLimit(rawValue: rawLimit),
                let verification = VerificationClass(rawValue: rawClass)
            else {
                throw CoreFailure("bad_reward", "rule \(rawRule), limit \(rawLimit) or class \(rawClass) is not known")
            }
            (self.rule, self.limit, self.verification) = (rule, limit, verification)
        } catch {
            throw LedgerFailure("bad_reward", error.message)
        }
    }

    package var document: EvidenceDocument {
        var out = CanonicalWriter()
        out.write(Self.domain)
        out.write(rule.rawValue)
        out.write(version)
        out.write(user)
        out.write(subject)
        for number in [done.quantity, done.duration, done.quality, done.complexity, earned.micro, paid.micro] {
            out.write(number)
        }
        out.write(limit.rawValue)
        out.write(verification.rawValue)
        out.write(proof)
        out.write(result)
        out.write(reason)
        return EvidenceDocument(kind: .reward, bytes: out.bytes)
    }
}

/// Where a machine stands and what the policy in force said of it: cited by every hold and attempt while there is one.
package struct JurisdictionDecision: Hashable, Sendable {
    /// Of the policy.
    package let version: UInt32
    package let region: String
    package let isAllowed: Bool

    private static let domain = "fog-jurisdiction-v1"

    package init(_ terms: JurisdictionTerms, region: String) {
        version = terms.version
        self.region = String(region.prefix(JurisdictionTerms.maxRegionBytes))
        isAllowed = terms.allows(region)
    }

    /// - Throws: `bad_decision` for bytes that are not the one form of such a document.
    package init(decoding bytes: [UInt8]) throws(LedgerFailure) {
        do throws(CoreFailure) {
            var reader = CanonicalReader(bytes)
            guard try reader.readString(limit: 64) == Self.domain else {
                throw CoreFailure("bad_decision", "the document does not begin with \(Self.domain)")
            }
            version = try reader.read()
            region = try reader.readString(limit: 4 * JurisdictionTerms.maxRegionBytes)
            let raw: UInt8 = try reader.read()
            guard raw <= 1 else { throw CoreFailure("bad_decision", "a decision is 0 or 1, found \(raw)") }
            isAllowed = raw == 1
            try reader.end()
        } catch {
            throw LedgerFailure("bad_decision", error.message)
        }
    }

    package var document: EvidenceDocument {
        var out = CanonicalWriter()
        out.write(Self.domain)
        out.write(version)
        out.write(region)
        out.write(isAllowed ? 1 : 0 as UInt8)
        return EvidenceDocument(kind: .jurisdiction, bytes: out.bytes)
    }
}

/// Why a transfer is reversed: signed, like a grant.
package struct CorrectionDocument: Hashable, Sendable {
    package let cause: TransferID
    package let time: Timestamp
    /// For people; stands in the document only, never in the log.
    package let reason: String
    package let signer: PublicKey
    package let signature: Signature

    private static let domain = "fog-correction-v1"

    /// - Throws: `bad_correction` for an empty or overlong reason.
    package init(
        cause: TransferID, time: Timestamp, reason: String, signedBy key: SigningKey
    ) throws(LedgerFailure) {
        guard !reason.isEmpty, reason.utf8.count <= GrantDocument.maxReasonBytes else {
            throw LedgerFailure(
                "bad_correction",
                "a reason has 1 to \(GrantDocument.maxReasonBytes) bytes, found \(reason.utf8.count)")
        }
        self.cause = cause
        self.time = time
        self.reason = reason
        signer = key.publicKey
        signature = key.sign(Self.message(cause, time, reason, key.publicKey))
    }

    /// - Throws: `bad_correction` for bytes that are not the one form of a correction with a good signature.
    package init(decoding bytes: [UInt8]) throws(LedgerFailure) {
        do throws(CoreFailure) {
            var reader = CanonicalReader(bytes)
            guard try reader.readString(limit: 64) == Self.domain else {
                throw CoreFailure("bad_correction", "the document does not begin with \(Self.domain)")
            }
            cause = try reader.readIdentifier()
            time = try reader.readTimestamp()
            reason = try reader.readString(limit: GrantDocument.maxReasonBytes)
            signer = try PublicKey(bytes: reader.read(raw: 32))
            signature = try Signature(bytes: reader.read(raw: 64))
            try reader.end()
        } catch {
            throw LedgerFailure("bad_correction", error.message)
        }
        guard signer.verifies(signature, of: Self.message(cause, time, reason, signer)) else {
            throw LedgerFailure("bad_correction", "the signature of \(signer.id) does not fit the correction")
        }
    }

    package var document: EvidenceDocument {
        EvidenceDocument(kind: .correction, bytes: Self.message(cause, time, reason, signer) + signature.bytes)
    }

    private static func message(
        _ cause: TransferID, _ time: Timestamp, _ reason: String, _ signer: PublicKey
    ) -> [UInt8] {
        var out = CanonicalWriter()
        out.write(domain)
        out.write(cause)
        out.write(time)
        out.write(reason)
        out.write(raw: signer.bytes)
        return out.bytes
    }
}
