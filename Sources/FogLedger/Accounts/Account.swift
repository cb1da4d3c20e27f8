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

extension Identifier where Subject == AccountSubject {
    /// Where credits come from; minus its balance is the supply.
    package static var issuance: Self { Self(high: 0, low: 1) }
    package static var treasury: Self { Self(high: 0, low: 2) }
    /// Where fees and the remainders of rounding go.
    package static var fees: Self { Self(high: 0, low: 3) }
}

/// What an account is for. The raw value stands in records.
package enum AccountKind: UInt8, Sendable, CaseIterable, CustomStringConvertible {
    case issuance = 1
    case treasury = 2
    case fees = 3
    case user = 4
    case escrow = 5
    case pool = 6
    case stake = 7
    case quota = 8

    package var description: String {
        switch self {
        case .issuance: "issuance"
        case .treasury: "treasury"
        case .fees: "fees"
        case .user: "user"
        case .escrow: "escrow"
        case .pool: "pool"
        case .stake: "stake"
        case .quota: "quota"
        }
    }

    /// The most that may ever be issued: 2^62 micro-credits, so that no sum of balances can overflow.
    package static let issuanceCap: Int64 = 1 << 62

    /// The lowest balance, pending debits counted, that an account of this kind may reach. Only issuance goes below 0.
    package var floor: Int64 { self == .issuance ? -Self.issuanceCap : 0 }

    /// Whether the account belongs to the system and is never closed.
    package var isSystem: Bool { self == .issuance || self == .treasury || self == .fees }
}

/// What an account counts. A transfer stays within one unit.
package enum LedgerUnit: UInt8, Sendable, CaseIterable, CustomStringConvertible {
    /// Micro-credits.
    case credit = 1
    /// Millionths of a rule's quota: daily limits are a second ledger beside the money.
    case quota = 2

    package var description: String { self == .credit ? "credit" : "quota" }
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

    package init(
        id: AccountID, kind: AccountKind, unit: LedgerUnit = .credit, owner: SubjectID = .none,
        counters: Counters = .zero, openPendings: Int32 = 0, isClosed: Bool = false
    ) {
        self.id = id
        self.kind = kind
        self.unit = unit
        self.owner = owner
        self.counters = counters
        self.openPendings = openPendings
        self.isClosed = isClosed
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
