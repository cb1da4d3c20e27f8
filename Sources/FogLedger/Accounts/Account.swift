package import FogCore

/// What the ledger is told a thing is called: 16 opaque bytes. A job or an attempt reaches the ledger only as this.
package enum OpaqueSubject {}

/// The subject of a record or the owner of an account; ``none`` where there is none.
package typealias SubjectID = Identifier<OpaqueSubject>

extension Identifier where Subject == OpaqueSubject {
    /// All zero: no subject.
    package static var none: Self { Self(high: 0, low: 0) }

    /// The first 16 bytes of BLAKE2b-256 over whatever names the thing; the caller salts what must stay private.
    package init(digestOf name: [UInt8]) {
        let digest = Digest.blake2b(name).bytes
        self.init(
            high: digest[0..<8].reduce(0) { $0 << 8 | UInt64($1) },
            low: digest[8..<16].reduce(0) { $0 << 8 | UInt64($1) })
    }
}

/// The four counters of an account, in micro-credits, none ever below zero. The two posted ones only grow.
package struct Counters: Hashable, Sendable, CustomStringConvertible {
    package var debitsPending: Int64
    package var debitsPosted: Int64
    package var creditsPending: Int64
    package var creditsPosted: Int64

    package init(
        debitsPending: Int64 = 0, debitsPosted: Int64 = 0, creditsPending: Int64 = 0, creditsPosted: Int64 = 0
    ) {
        self.debitsPending = debitsPending
        self.debitsPosted = debitsPosted
        self.creditsPending = creditsPending
        self.creditsPosted = creditsPosted
    }

    package static let zero = Counters()

    /// Credits posted less debits posted; saturates for counters no ledger writes.
    package var balance: Credits { Credits(micro: Int64(clamping: Int128(creditsPosted) - Int128(debitsPosted))) }

    package var description: String {
        "debits \(debitsPosted)+\(debitsPending)p credits \(creditsPosted)+\(creditsPending)p"
    }
}

/// An account as the log leaves it after some record.
package struct Account: Hashable, Sendable {
    package let id: AccountID
    package let kind: AccountKind
    package let unit: LedgerUnit
    /// Whose it is: a principal, or the job of an escrow.
    package let owner: SubjectID
    package var counters: Counters
    /// Open pending transfers on either side. Kept because they may be of zero credits, which no counter shows.
    package var openPendings: Int32
    package var isClosed: Bool
    /// The record that opened it, and the newest that names it: the ends of ``EarlierRecords``.
    package var firstRecord: UInt64
    package var lastRecord: UInt64

    package init(
        id: AccountID, kind: AccountKind, unit: LedgerUnit = .credit, owner: SubjectID = .none,
        counters: Counters = .zero, openPendings: Int32 = 0, isClosed: Bool = false, firstRecord: UInt64 = 0,
        lastRecord: UInt64 = 0
    ) {
        self.id = id
        self.kind = kind
        self.unit = unit
        self.owner = owner
        self.counters = counters
        self.openPendings = openPendings
        self.isClosed = isClosed
        self.firstRecord = firstRecord
        self.lastRecord = lastRecord
    }

    package var balance: Credits { counters.balance }

    /// What may still be debited: balance less pending debits, counted from the floor. Negative only when the floor was
    /// broken.
    package var available: Credits { Credits(micro: Int64(clamping: headroom)) }

    var headroom: Int128 {
        Int128(counters.creditsPosted) - Int128(counters.debitsPosted) - Int128(counters.debitsPending)
            - Int128(kind.floor)
    }
}
