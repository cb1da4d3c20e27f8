package import FogCore

/// Sixteen random bytes that keep a record's leaf hash from being guessed where only hashes are public.
package struct RecordSalt: Hashable, Sendable {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package init(using generator: inout some RandomNumberGenerator) {
        self.init(high: generator.next(), low: generator.next())
    }
}

/// One line of the append-only log: a change of the economy, whole. Its bytes are in `LedgerRecord+Writing.swift`.
///
/// Keys, digests, opaque ids and amounts stand in it; never a name, a manifest, a path or an address.
package struct LedgerRecord: Hashable, Sendable {
    /// Of its form: ``unattributed`` or ``version``.
    package let form: UInt8
    /// Dense from 0.
    package let sequence: UInt64
    /// Ledger time: max(the record before + 1 us, clock), so it never goes back.
    package let time: Timestamp
    /// Leaf hash of the record before; of the first, the ledger's origin.
    package let previous: Digest
    package let salt: RecordSalt
    package let subject: SubjectID
    /// Digest of the evidence document, zero for none.
    package let evidence: Digest
    package let authorisation: Authorisation
    package let body: Body
    /// How many records of the same linked chain follow.
    package let following: UInt16

    package enum Body: Hashable, Sendable {
        case transfer(Transfer, debitAfter: Counters, creditAfter: Counters)
        case accountOpened(AccountOpening)
        case accountClosed(AccountID, after: Counters)
        case keyEnrolled(KeyEnrolment)
        case rolesSet(KeyID, LedgerRoles)
        case keyRevoked(KeyID)
        case ruleSet(LedgerRule)
        /// A type that this version does not know: written by newer software. The bytes of its body are kept.
        case unrecognised(type: UInt16, bytes: [UInt8])
    }

    package init(
        sequence: UInt64, time: Timestamp, previous: Digest, salt: RecordSalt, subject: SubjectID, evidence: Digest,
        authorisation: Authorisation, body: Body, following: UInt16 = 0, form: UInt8 = Self.unattributed
    ) {
        self.form = form
        self.sequence = sequence
        self.time = time
        self.previous = previous
        self.salt = salt
        self.subject = subject
        self.evidence = evidence
        self.authorisation = authorisation
        self.body = body
        self.following = following
    }

    /// 0x01xx transfers, 0x02xx accounts, 0x03xx keys and roles, 0x04xx rules, 0x05xx proposals and ballots, 0x06xx
    /// executions, 0x07xx checkpoints.
    package var type: UInt16 {
        switch body {
        case .transfer(let transfer, _, _): transfer.kind.rawValue
        case .accountOpened: RecordType.accountOpened
        case .accountClosed: RecordType.accountClosed
        case .keyEnrolled: RecordType.keyEnrolled
        case .rolesSet: RecordType.rolesSet
        case .keyRevoked: RecordType.keyRevoked
        case .ruleSet(let rule): rule.type
        case .unrecognised(let type, _): type
        }
    }

    /// The transfer, with both accounts' counters after it; nil for other records.
    package var transfer: Transfer? { if case .transfer(let transfer, _, _) = body { transfer } else { nil } }

    /// The rule that it sets; nil for other records.
    package var rule: LedgerRule? { if case .ruleSet(let rule) = body { rule } else { nil } }

    /// The accounts that the record names, each once; a rule is found under ``FogCore/Identifier/rulebook``.
    package var accounts: [AccountID] {
        switch body {
        case .transfer(let transfer, _, _):
            transfer.debit == transfer.credit ? [transfer.debit] : [transfer.debit, transfer.credit]
        case .accountOpened(let opening): [opening.id]
        case .accountClosed(let id, _): [id]
        case .keyEnrolled(let enrolment): [enrolment.owner]
        case .ruleSet: [.rulebook]
        case .rolesSet, .keyRevoked, .unrecognised: []
        }
    }

    /// Whether it is the one payment of its subject.
    package var pays: Bool { transfer?.kind == .post && subject != .none }

    /// What the record says of an account's counters after it; nil when it does not touch the account.
    package func counters(of account: AccountID) -> Counters? {
        switch body {
        case .transfer(let transfer, let debitAfter, _) where transfer.debit == account: debitAfter
        case .transfer(let transfer, _, let creditAfter) where transfer.credit == account: creditAfter
        case .accountOpened(let opening) where opening.id == account: .zero
        case .accountClosed(account, let after): after
        default: nil
        }
    }
}

/// Record types beside the transfers' (``TransferKind``).
enum RecordType {
    static let accountOpened: UInt16 = 0x0201
    static let accountClosed: UInt16 = 0x0202
    static let keyEnrolled: UInt16 = 0x0301
    static let rolesSet: UInt16 = 0x0302
    static let keyRevoked: UInt16 = 0x0303
    static let rewardRule: UInt16 = 0x0401
    static let economyRule: UInt16 = 0x0402
    static let jurisdictionRule: UInt16 = 0x0403
}
