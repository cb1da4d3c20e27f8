package import FogCore

/// What the audit asks of a log. The raw value is the name in reports.
package enum AuditCheck: String, Sendable, CaseIterable {
    /// Every record decodes, and encodes to the same bytes.
    case decodes = "records_decode"
    /// Sequence numbers run from 0 without a gap, in the row and in the record.
    case dense = "sequence_dense"
    /// Each record carries the leaf hash of the one before; the first, the ledger's origin.
    case chain = "previous_hash"
    /// The stored hash is the leaf hash of the stored bytes.
    case storedHash = "stored_hash"
    /// Ledger time rises strictly.
    case time = "time_rises"
    /// A linked chain is there whole.
    case linked = "chains_whole"
    /// Accounts are opened once and before use; units and kinds allow the transfer.
    case accounts = "accounts"
    /// The counters after each record are what the record says.
    case counters = "counters"
    /// No account passes its floor, at any step.
    case floors = "floors"
    /// Recorded debits equal recorded credits, posted and pending, in each unit, after every record.
    case sums = "sums"
    /// A pending transfer ends once, for no more than it holds, not after its time.
    case pendings = "pending_life"
    /// No transfer id stands twice.
    case uniqueIDs = "ids_unique"
    /// Derived ids derive again.
    case derivedIDs = "ids_derived"
    /// At most one post a subject, and one issue a grant.
    case singlePayment = "single_payment"
    /// Each post and each issue cites evidence that is present and holds, signed with a key that could at that record.
    case evidence = "evidence"
    /// Every document lies under its own digest; those that no record cites are genuine receipts; no receipt of an
    /// attempt is missing.
    case documents = "evidence_documents"
    /// A closed account holds nothing and stays closed.
    case closed = "closed_accounts"
    /// Whose work is over has no open escrow and nothing pending.
    case escrows = "escrow_closed"
    /// Keys are enrolled once, and changed only while they live.
    case keys = "keys"
    /// Each record says who answers for it: who asked signed, once, with a key that lived and could at that record; the
    /// coordinator's own word stands only where nobody's request is needed.
    case authorisations = "request_signatures"
    /// Rules have versions without a gap, in force from a UTC midnight to come.
    case rules = "rules_versioned"
    /// Each reward uses a quota in the same chain and is what the version in force gives for its evidence.
    case rewards = "rewards"
    /// A day's quota is allowed once, and nobody earns more by a rule in a UTC day.
    case quotas = "daily_quotas"
    /// Pools get their shares of an epoch's emission once, fees are shared out as the terms say.
    case emission = "emission"
    /// What is unstaked stays at risk for its time and goes back to its owner.
    case staking = "staking"
    /// A correction reverses a transfer that is there, whole and once.
    case corrections = "corrections"
    /// While a policy is in force, each attempt cites a decision that allows it.
    case jurisdiction = "jurisdiction"
    case projectedAccounts = "projection_accounts"
    case projectedPendings = "projection_pendings"
    case projectedKeys = "projection_keys"
    case projectedTransfers = "projection_transfers"
    /// Beside each record, and with each account, stands where the account's other records are.
    case projectedAccountRecords = "projection_account_records"
    case projectedRules = "projection_rules"
    case projectedPaid = "projection_paid"
    /// The stored tiles are those of the tree over the log (RFC 6962).
    case tree = "tree_tiles"
    /// Stored checkpoints are dense, signed with the coordinator's key, each of a tree that the log had; the newest is of
    /// the log's end.
    case checkpoints
    /// Checkpoints that others kept are of this log.
    case outside = "outside_checkpoints"
    /// Tables, indexes and triggers are this version's, and the file is whole.
    case tables = "tables_whole"
    /// Each line of an export is what its record gives.
    case export = "export_lines"

    /// Told by documents, tables, checkpoints or the store: not by records alone.
    var needsMoreThanRecords: Bool {
        switch self {
        case .evidence, .documents, .escrows, .jurisdiction, .projectedAccounts, .projectedPendings, .projectedKeys,
            .projectedTransfers, .projectedAccountRecords, .projectedRules, .projectedPaid, .tree, .checkpoints,
            .tables:
            true
        default: false
        }
    }

    /// Judged when the whole log was read: its sequence number says which record a row came from, not which is bad.
    var isOfTheEnd: Bool {
        switch self {
        case .escrows, .projectedAccounts, .projectedPendings, .projectedKeys, .projectedTransfers,
            .projectedAccountRecords, .projectedRules, .projectedPaid, .tree, .checkpoints, .outside:
            true
        default: false
        }
    }

    /// What a record of newer software can change behind our back: no longer judged after the first one.
    var needsEveryRecord: Bool {
        switch self {
        case .decodes, .dense, .chain, .storedHash, .time, .documents, .tree, .checkpoints, .outside, .tables: false
        default: true
        }
    }
}

/// The answer of one check.
package struct AuditFinding: Hashable, Sendable {
    package enum Verdict: String, Sendable {
        case ok
        case failed
        /// Records of newer software stand before; this version cannot tell.
        case unjudged
        /// What it is about is not in what was given to judge.
        case absent
    }

    package let check: AuditCheck
    package internal(set) var verdict: Verdict
    /// Where it failed first; nil while it has not, or where no record is at fault.
    package internal(set) var sequence: UInt64?
    package internal(set) var expected: String
    package internal(set) var found: String
    /// How often it failed; the first is told.
    package internal(set) var failures: Int

    var hasNoWords: Bool { verdict == .ok || verdict == .absent }
}

/// What an audit found.
package struct AuditReport: Hashable, Sendable {
    package enum Verdict: String, Sendable {
        case clean
        case tampered
        /// Nothing wrong as far as this version can read.
        case newerSoftware = "newer_software"
    }

    package private(set) var findings: [AuditFinding]
    package let head: LedgerHead
    /// Records below were judged before.
    package var since: UInt64 = 0
    /// The first record judged from which all say who answers for them; nil = older software wrote them all.
    package var attributedSince: UInt64?
    /// Records before it that say nothing of who asked for them.
    package var silentRecords: UInt64 = 0

    package var records: UInt64 { head.count }
    package var ok: Bool { verdict == .clean }

    package var verdict: Verdict {
        if findings.contains(where: { $0.verdict == .failed }) { return .tampered }
        return findings.allSatisfy { $0.verdict == .ok || $0.verdict == .absent } ? .clean : .newerSoftware
    }

    package subscript(_ check: AuditCheck) -> AuditFinding? { findings.first { $0.check == check } }

    /// The failed checks.
    package var failed: [AuditFinding] { findings.filter { $0.verdict == .failed } }

    /// The first record that breaks something; where only tables differ from the log, the record that last wrote to the
    /// first of the differing rows.
    package var firstBadSequence: UInt64? {
        failed.filter { !$0.check.isOfTheEnd }.compactMap(\.sequence).min() ?? failed.compactMap(\.sequence).min()
    }

    /// The same, with what the store itself found wrong with its tables.
    package func adding(complaints: [String]) -> AuditReport {
        guard let first = complaints.first else { return self }
        var findings = findings
        for index in findings.indices where findings[index].check == .tables {
            findings[index].failures += complaints.count
            guard findings[index].verdict != .failed else { continue }
            findings[index].verdict = .failed
            (findings[index].expected, findings[index].found) = (Self.wholeTables, first)
        }
        var report = self
        report.findings = findings
        return report
    }

    static let wholeTables = "the tables of this version, whole"

    package var json: JSON {
        .object([
            "verdict": .string(verdict.rawValue),
            "ok": .bool(ok),
            "records": .integer(Int64(clamping: records)),
            "since": since > 0 ? .integer(Int64(clamping: since)) : nil,
            "attributed_since": attributedSince.map { .integer(Int64(clamping: $0)) } ?? .null,
            "silent_records": .integer(Int64(clamping: silentRecords)),
            "head": .string(head.hash.description),
            "time": .string(head.time.description),
            "first_bad_sequence": firstBadSequence.map { .integer(Int64(clamping: $0)) } ?? .null,
            "vouches_for": .array(EconomyTable.allCases.map { .string($0.rawValue) }),
            "checks": .array(
                findings.map { finding in
                    .object([
                        "name": .string(finding.check.rawValue),
                        "verdict": .string(finding.verdict.rawValue),
                        "first_bad_sequence": finding.sequence.map { .integer(Int64(clamping: $0)) } ?? .null,
                        "expected": finding.hasNoWords ? nil : .string(finding.expected),
                        "found": finding.hasNoWords ? nil : .string(finding.found),
                        "failures": finding.hasNoWords ? nil : .integer(Int64(finding.failures)),
                    ])
                }),
        ])
    }
}
