package import FogCore

/// Who answers for an entry, and what proves it.
///
/// A request: the bytes that were signed, by which key, and the signature. Or a **seal**: only the coordinator's key, for
/// what it does by itself; its signature is that of the checkpoint, which is signed in the same transaction over exactly
/// these records. Or nothing, as older records have it.
package struct Authorisation: Hashable, Sendable {
    /// The signature base (RFC 9421 section 2.5) or another domain-separated message.
    package let base: [UInt8]
    package let key: KeyID?
    package let signature: Signature?

    /// The longest signature base kept in a record, in bytes.
    package static let maxBaseBytes = 16_384

    package static let none = Authorisation(base: [], key: nil, signature: nil)

    private init(base: [UInt8], key: KeyID?, signature: Signature?) {
        self.base = base
        self.key = key
        self.signature = signature
    }

    /// - Throws: `bad_authorisation` for an empty or overlong base.
    package init(base: [UInt8], key: KeyID, signature: Signature) throws(LedgerFailure) {
        guard !base.isEmpty, base.count <= Self.maxBaseBytes else {
            throw LedgerFailure(
                "bad_authorisation", "a signature base has 1 to \(Self.maxBaseBytes) bytes, found \(base.count)")
        }
        self.init(base: base, key: key as KeyID?, signature: signature as Signature?)
    }

    /// The coordinator's own act.
    package static func seal(of key: KeyID) -> Authorisation { Authorisation(base: [], key: key, signature: nil) }

    /// Whether somebody signed for it.
    package var isRequest: Bool { signature != nil }
    package var isSeal: Bool { key != nil && signature == nil }
}

extension Authorisation {
    /// A request as a store keeps it until its record is written; empty for what is none.
    package var stored: [UInt8] {
        guard let key, let signature else { return [] }
        var out = CanonicalWriter()
        out.write(key.description)
        out.write(raw: signature.bytes)
        out.write(raw: base)
        return out.bytes
    }

    /// - Throws: `bad_authorisation` for bytes that are not ``stored``.
    package init(stored bytes: [UInt8]) throws(LedgerFailure) {
        guard !bytes.isEmpty else {
            self = .none
            return
        }
        do throws(CoreFailure) {
            var reader = CanonicalReader(bytes)
            let key = try KeyID(reader.readString(limit: 64))
            let signature = try Signature(bytes: reader.read(raw: 64))
            let base = try reader.read(raw: reader.remaining)
            self.init(base: base, key: key as KeyID?, signature: signature as Signature?)
        } catch {
            throw LedgerFailure("bad_authorisation", error.message)
        }
        guard !base.isEmpty, base.count <= Self.maxBaseBytes else {
            throw LedgerFailure(
                "bad_authorisation", "a signature base has 1 to \(Self.maxBaseBytes) bytes, found \(base.count)")
        }
    }
}

/// Whose word a record needs.
package enum Authoriser: Hashable, Sendable {
    /// The coordinator may do it by itself: what follows from a receipt, from time, or from an earlier request.
    case coordinator
    /// Somebody must have asked for it.
    case request
    /// Somebody, unless a key is enrolled for the account in the same chain: what a token brings with it.
    case requestOrEnrolment(AccountID)
}

extension LedgerRecord.Body {
    /// Whose word it needs. The ledger refuses an entry without it, the audit a record.
    package var authoriser: Authoriser {
        switch self {
        case .transfer(let transfer, _, _):
            switch transfer.kind {
            case .move, .stake, .unstake, .correct, .spend, .burn, .bridgeOut, .bridgeVoid: .request
            case .issue: .requestOrEnrolment(transfer.credit)
            // Of work, the receipt and the rule say what is earned; else a person's judgement does.
            case .reward: transfer.debit == .pool(.compute) ? .coordinator : .request
            case .hold, .refund, .fee, .fund, .release, .slash, .share, .pending, .post, .void, .expire, .allow, .use,
                .lapse:
                .coordinator
            }
        // Nobody's credits go into escrow but by their own submit.
        case .accountOpened(let opening): opening.kind == .escrow ? .request : .coordinator
        case .accountClosed, .unrecognised: .coordinator
        case .keyEnrolled(let enrolment): enrolment.roles.contains(.coordinator) ? .coordinator : .request
        case .rolesSet, .keyRevoked: .request
        // What a new economy begins with; that work stays in some regions is always somebody's decision.
        case .ruleSet(let rule): rule.version == 1 && rule.type != RecordType.jurisdictionRule ? .coordinator : .request
        }
    }

    /// In words, for refusals and reports.
    package var what: String {
        switch self {
        case .transfer(let transfer, _, _): "a \(transfer.kind)"
        case .accountOpened(let opening): "the opening of \(opening.kind) \(opening.id)"
        case .accountClosed(let id, _): "the closing of \(id)"
        case .keyEnrolled(let enrolment): "the enrolment of \(enrolment.key.id)"
        case .rolesSet(let key, _): "other roles of \(key)"
        case .keyRevoked(let key): "the revocation of \(key)"
        case .ruleSet(let rule): "version \(rule.version) of \(rule.name)"
        case .unrecognised: "a record of newer software"
        }
    }
}
