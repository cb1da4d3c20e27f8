package import FogCore

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

    /// The time that the id carries, to the millisecond.
    package var time: Timestamp { Timestamp(microseconds: Int64(high >> 16) * 1000) }

    /// Whether the id derives from these, at the time that it carries itself.
    package func derives(from kind: TransferKind, subject: SubjectID, ordinal: UInt32) -> Bool {
        self == Self(at: time, kind: kind, subject: subject, ordinal: ordinal)
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

    /// Nil when the record reserves nothing.
    package init?(_ record: LedgerRecord) {
        guard let transfer = record.transfer, transfer.kind == .pending else { return nil }
        self.init(transfer, subject: record.subject, sequence: record.sequence)
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
