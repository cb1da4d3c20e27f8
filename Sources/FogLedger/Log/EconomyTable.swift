package import FogCore

/// The tables that an audit vouches for, by the names they have in every store: these and no others.
///
/// The log comes first, since everything after it is compared with what the log gives.
package enum EconomyTable: String, Sendable, CaseIterable {
    case records = "ledger_records"
    case accounts = "ledger_accounts"
    case pendings = "ledger_pendings"
    case keys = "ledger_keys"
    case transfers = "ledger_transfers"
    case rules = "ledger_rules"
    case paid = "ledger_paid"
    case tiles = "ledger_tiles"
    case checkpoints = "ledger_checkpoints"
    case documents = "evidence_documents"
}

/// A row of the economy as it lies in the store.
package enum EconomyRow: Hashable, Sendable {
    /// The bytes and the hash as they are, which may be of any length. Where nothing but bytes is kept, `earlier` is nil.
    case record(sequence: UInt64, bytes: [UInt8], hash: [UInt8], earlier: EarlierRecords?)
    case account(Account)
    case pending(Pending)
    case key(EnrolledKey)
    /// In which record a transfer stands, and how it was resolved if it is a pending one.
    case transfer(TransferID, sequence: UInt64, resolution: TransferKind?)
    /// A record that names an account: told of one account, no table has it.
    case accountRecord(AccountID, sequence: UInt64)
    /// A record that sets a rule.
    case rule(sequence: UInt64)
    /// The one post for a subject.
    case paid(SubjectID, sequence: UInt64)
    case document(EvidenceDocument, under: Digest)
    /// A full tile's root.
    case tile(TileRoot)
    case checkpoint(StoredCheckpoint)
    /// A row that no version of this software writes, or a table that cannot be read; in words.
    case unreadable(EconomyTable, String)
}
