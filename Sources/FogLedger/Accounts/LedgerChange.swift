package import FogCore

/// What became of a chain of entries.
package enum LedgerOutcome: Sendable {
    case applied(LedgerChange)
    /// Every entry was applied before, with the same body: success, and nothing to write.
    case exists
    /// Nothing was changed. `entry` is the place in the chain.
    case refused(LedgerRefusal, entry: Int)

    package var change: LedgerChange? { if case .applied(let change) = self { change } else { nil } }
    package var refusal: LedgerRefusal? { if case .refused(let refusal, _) = self { refusal } else { nil } }
}

/// A record with its bytes and its leaf hash, as the store keeps it.
package struct LedgerRow: Sendable, Hashable {
    package let record: LedgerRecord
    package let bytes: [UInt8]
    package let hash: Digest
    /// Beside the bytes, not in them: it follows from the records before.
    package let earlier: EarlierRecords
}

/// Of each account that a record names, the record before it that names the account too: an account's records hang
/// together from the newest down, and are found without an index that every transfer would have to be written into twice.
package struct EarlierRecords: Hashable, Sendable {
    /// In the order of ``LedgerRecord/accounts``; nil for an account that the record opens.
    package private(set) var first: UInt64?
    package private(set) var second: UInt64?

    package init(first: UInt64? = nil, second: UInt64? = nil) {
        self.first = first
        self.second = second
    }

    /// That of the account at a place, 0 or 1.
    package internal(set) subscript(place: Int) -> UInt64? {
        get { place == 0 ? first : second }
        set { if place == 0 { first = newValue } else { second = newValue } }
    }
}

/// What one or more applied chains change in the store, to be written in one transaction: a row of the log each
/// record, and every changed projection row once, with its last value.
package struct LedgerChange: Sendable {
    package private(set) var rows: [LedgerRow]
    /// Each changed account once, as it is after the last record.
    package private(set) var accounts: [Account]
    package private(set) var keys: [EnrolledKey]
    /// Opened and still open, or resolved later in the same change (then also among ``pendingResolved``).
    package private(set) var pendingOpened: [Pending]
    package private(set) var pendingResolved: [PendingResolution]
    /// The log's end after it.
    package private(set) var head: LedgerHead
    let before: LedgerHead
    private(set) var undo: [UndoStep]
    /// Where each account stands, once something was joined: a large commit touches the same ones again and again.
    private var places: [AccountID: Int] = [:]

    init(
        rows: [LedgerRow], accounts: [Account], keys: [EnrolledKey], opened: [Pending],
        resolved: [PendingResolution], before: LedgerHead, head: LedgerHead, undo: [UndoStep]
    ) {
        self.rows = rows
        self.accounts = accounts
        self.keys = keys
        pendingOpened = opened
        pendingResolved = resolved
        self.before = before
        self.head = head
        self.undo = undo
    }

    /// Joins what was applied right after it, so that a group commit writes each balance once.
    package mutating func append(_ next: LedgerChange) {
        precondition(next.before == head, "only the change that followed at once can be joined")
        rows += next.rows
        if places.isEmpty {
            for (place, account) in accounts.enumerated() { places[account.id] = place }
        }
        for account in next.accounts {
            if let place = places[account.id] {
                accounts[place] = account
            } else {
                places[account.id] = accounts.count
                accounts.append(account)
            }
        }
        if !next.keys.isEmpty {
            let replaced = Set(next.keys.map(\.key))
            keys = keys.filter { !replaced.contains($0.key) } + next.keys
        }
        pendingOpened += next.pendingOpened
        pendingResolved += next.pendingResolved
        undo += next.undo
        head = next.head
    }
}

/// The end of the log.
package struct LedgerHead: Hashable, Sendable {
    /// Records so far; the next sequence number.
    package let count: UInt64
    /// Leaf hash of the last record; the ledger's origin before the first.
    package let hash: Digest
    /// Ledger time of the last record.
    package let time: Timestamp

    package init(count: UInt64, hash: Digest, time: Timestamp) {
        self.count = count
        self.hash = hash
        self.time = time
    }

    /// Before the first record. `origin` is a digest of the ledger's name, so that records of two ledgers never fit.
    package static func empty(origin: Digest) -> LedgerHead { LedgerHead(count: 0, hash: origin, time: .zero) }
}

/// All projection rows of a ledger at one moment.
package struct LedgerProjection: Hashable, Sendable {
    package var accounts: [Account]
    package var pendings: [Pending]
    package var keys: [EnrolledKey]
    /// Read off the log itself: no table holds them.
    package var rules: Rulebook
    package var head: LedgerHead

    package init(
        accounts: [Account], pendings: [Pending], keys: [EnrolledKey], rules: Rulebook = Rulebook(), head: LedgerHead
    ) {
        self.rules = rules
        self.accounts = accounts
        self.pendings = pendings
        self.keys = keys
        self.head = head
    }
}

/// A transfer of the past, with what an idempotent answer has to compare.
package struct KnownTransfer: Hashable, Sendable {
    package let transfer: Transfer
    package let subject: SubjectID
    package let evidence: Digest
    /// Of a pending transfer: how it ended; nil while it is open.
    package let resolution: TransferKind?

    package init(transfer: Transfer, subject: SubjectID, evidence: Digest, resolution: TransferKind? = nil) {
        self.transfer = transfer
        self.subject = subject
        self.evidence = evidence
        self.resolution = resolution
    }

    /// Nil when the record is no transfer.
    package init?(_ record: LedgerRecord, resolution: TransferKind? = nil) {
        guard case .transfer(let transfer, _, _) = record.body else { return nil }
        self.init(
            transfer: transfer, subject: record.subject, evidence: record.evidence, resolution: resolution)
    }
}

/// How the ledger asks for what it does not keep in memory. The answers must include everything applied so far, also
/// what the open transaction has not committed yet.
package struct LedgerLookup {
    /// A transfer by its id.
    package let transfer: (TransferID) -> KnownTransfer?
    /// An account that ``Ledger/forget(_:)`` let go.
    package let account: (AccountID) -> Account?
    /// Whether a post was made for a subject.
    package let isPaid: (SubjectID) -> Bool

    package init(
        transfer: @escaping (TransferID) -> KnownTransfer?,
        account: @escaping (AccountID) -> Account? = { _ in nil },
        isPaid: @escaping (SubjectID) -> Bool = { _ in false }
    ) {
        self.transfer = transfer
        self.account = account
        self.isPaid = isPaid
    }

    /// For a ledger that never saw any of these ids.
    package static var empty: LedgerLookup { LedgerLookup(transfer: { _ in nil }) }
}

/// How to take back one step.
enum UndoStep: Sendable {
    /// The account as it was; nil when it was opened.
    case account(AccountID, Account?)
    case opened(TransferID)
    case resolved(Pending)
    case key(KeyID, EnrolledKey?)
    /// The newest rule goes.
    case rule
}
