package import FogCore

/// What a transfer does. The raw value is the type of its record (0x01xx).
package enum TransferKind: UInt16, Sendable, CaseIterable, CustomStringConvertible {
    /// From issuance, as a grant; cites a ``GrantDocument``.
    case issue = 0x0101
    /// Into escrow.
    case hold = 0x0102
    /// Out of escrow, back to who paid.
    case refund = 0x0103
    case fee = 0x0104
    /// Between two accounts by their owner's word.
    case move = 0x0105
    /// Reserves an amount until it is posted, voided or expired.
    case pending = 0x0110
    /// Moves a part or all of a pending amount; the rest goes back. Cites its evidence.
    case post = 0x0111
    case void = 0x0112
    /// Voids by ledger time.
    case expire = 0x0113

    package var description: String {
        switch self {
        case .issue: "issue"
        case .hold: "hold"
        case .refund: "refund"
        case .fee: "fee"
        case .move: "move"
        case .pending: "pending"
        case .post: "post"
        case .void: "void"
        case .expire: "expire"
        }
    }

    /// Whether it ends a pending transfer.
    package var isResolution: Bool { self == .post || self == .void || self == .expire }

    /// Whether its record must cite evidence.
    package var needsEvidence: Bool { self == .post || self == .issue }

    /// Only `issue` debits issuance; `hold`, `refund` and `fee` say what they do by where they go.
    func allows(debit: AccountKind, credit: AccountKind) -> Bool {
        guard (debit == .issuance) == (self == .issue) else { return false }
        switch self {
        case .hold: return credit == .escrow
        case .refund: return debit == .escrow
        case .fee: return credit == .fees
        default: return true
        }
    }
}

/// A transfer as it stands in the log: whole and never changed.
package struct Transfer: Hashable, Sendable {
    package let id: TransferID
    package let kind: TransferKind
    package let debit: AccountID
    package let credit: AccountID
    /// What is moved or reserved; zero for `void` and `expire`.
    package let amount: Credits
    package let unit: LedgerUnit
    /// What a post, void or expire resolves.
    package let pending: TransferID?
    /// Ledger time from which a pending transfer can only expire; nil for never.
    package let expires: Timestamp?
    /// Set where the id derives from kind, subject and this number, so that an auditor can derive it again.
    package let ordinal: UInt32?

    package init(
        id: TransferID, kind: TransferKind, debit: AccountID, credit: AccountID, amount: Credits,
        unit: LedgerUnit = .credit, pending: TransferID? = nil, expires: Timestamp? = nil, ordinal: UInt32? = nil
    ) {
        self.id = id
        self.kind = kind
        self.debit = debit
        self.credit = credit
        self.amount = amount
        self.unit = unit
        self.pending = pending
        self.expires = expires
        self.ordinal = ordinal
    }
}

extension Identifier where Subject == TransferSubject {
    private static var domain: [UInt8] { Array("fog-transfer-v1".utf8) }

    /// The id of the `ordinal`-th transfer of a kind for a subject: a retry finds the same one. `time` is the grant's,
    /// kept by the caller, so that ids stay ordered by time and the index over them local.
    ///
    /// Derived from `fog-transfer-v1` | kind u32 | ordinal u32 | subject 16, big-endian.
    package init(at time: Timestamp, kind: TransferKind, subject: SubjectID, ordinal: UInt32) {
        // The canonical form by hand: this runs several times for each attempt.
        var parts = Self.domain
        for word in [UInt64(kind.rawValue) << 32 | UInt64(ordinal), subject.high, subject.low] {
            withUnsafeBytes(of: word.bigEndian) { parts.append(contentsOf: $0) }
        }
        self.init(at: time, derivedFrom: parts)
    }

    /// Whether the id derives from these, at the time that it carries itself.
    package func derives(from kind: TransferKind, subject: SubjectID, ordinal: UInt32) -> Bool {
        let carried = Timestamp(microseconds: Int64(high >> 16) * 1000)
        return self == Self(at: carried, kind: kind, subject: subject, ordinal: ordinal)
    }
}

/// An open pending transfer.
package struct Pending: Hashable, Sendable {
    package let id: TransferID
    package let debit: AccountID
    package let credit: AccountID
    package let amount: Credits
    package let unit: LedgerUnit
    package let subject: SubjectID
    package let expires: Timestamp?
    /// The sequence number of its record.
    package let sequence: UInt64

    package init(
        id: TransferID, debit: AccountID, credit: AccountID, amount: Credits, unit: LedgerUnit, subject: SubjectID,
        expires: Timestamp?, sequence: UInt64
    ) {
        self.id = id
        self.debit = debit
        self.credit = credit
        self.amount = amount
        self.unit = unit
        self.subject = subject
        self.expires = expires
        self.sequence = sequence
    }

    init(_ transfer: Transfer, subject: SubjectID, sequence: UInt64) {
        self.init(
            id: transfer.id, debit: transfer.debit, credit: transfer.credit, amount: transfer.amount,
            unit: transfer.unit, subject: subject, expires: transfer.expires, sequence: sequence)
    }

    /// Whether at this ledger time it can only expire.
    package func isOver(at time: Timestamp) -> Bool { expires.map { time >= $0 } ?? false }
}

/// How a pending transfer ended.
package struct PendingResolution: Hashable, Sendable {
    package let pending: TransferID
    /// `post`, `void` or `expire`.
    package let kind: TransferKind
    /// The sequence number of the record that ended it.
    package let sequence: UInt64

    package init(pending: TransferID, kind: TransferKind, sequence: UInt64) {
        self.pending = pending
        self.kind = kind
        self.sequence = sequence
    }
}
