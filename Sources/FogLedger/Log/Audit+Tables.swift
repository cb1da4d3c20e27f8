internal import FogCore

/// The tables against what the log gives, row by row, all columns. What matched is taken out of the replay, so that
/// what is left at the end is missing in the store.
extension Audit {
    mutating func compare(_ row: EconomyRow) {
        switch row {
        case .record, .accountRecord, .unreadable: return
        case .account(let account):
            compare(replay.named.removeValue(forKey: account.id), account)
            guard let entry = replay.accounts.removeValue(forKey: account.id) else {
                return fail(
                    .projectedAccounts, nil, "no account \(account.id)", "a row with balance \(account.balance)")
            }
            tell(.projectedAccounts, entry.lastSequence, "account \(account.id)") {
                AuditWords.difference(entry.account, account)
            }
        case .pending(let pending):
            guard let wanted = replay.pendings.removeValue(forKey: pending.id) else {
                return fail(
                    .projectedPendings, nil, "no open pending transfer \(pending.id)", "one of \(pending.amount)")
            }
            tell(.projectedPendings, wanted.sequence, "pending transfer \(pending.id)") {
                AuditWords.difference(wanted, pending)
            }
        case .key(let key):
            // Two keys never share a name, but a forged row may; the whole key decides.
            guard let entry = missingKeys[key.key.id], entry.key.key == key.key else {
                return fail(.projectedKeys, nil, "no key \(key.key.id)", "a row of account \(key.owner)")
            }
            missingKeys[key.key.id] = nil
            tell(.projectedKeys, entry.lastSequence, "key \(key.key.id)") { AuditWords.difference(entry.key, key) }
        case .transfer(let id, let sequence, let resolution): compare(id, sequence, resolution)
        case .rule(let sequence):
            if replay.ruled.remove(sequence) == nil {
                fail(.projectedRules, known(sequence), "no rule set by record \(sequence)", "a row that says so")
            }
        case .paid(let subject, let sequence):
            guard let wanted = replay.paid.removeValue(forKey: subject) else {
                return fail(
                    .projectedPaid, known(sequence), "no post for subject \(subject)", "one in record \(sequence)")
            }
            if wanted != sequence {
                fail(.projectedPaid, wanted, "the post for \(subject) in record \(wanted)", "in record \(sequence)")
            }
        case .document(let document, let digest): compare(document, digest)
        case .tile(let filled): compare(filled)
        case .checkpoint(let stored): compare(stored)
        }
    }

    /// A row that should not be there points to a record, if there is such a one.
    private func known(_ sequence: UInt64) -> UInt64? { sequence < head.count ? sequence : nil }

    private mutating func tell(
        _ check: AuditCheck, _ sequence: UInt64, _ what: String, _ difference: () -> (expected: String, found: String)
    ) {
        let words = difference()
        if !words.expected.isEmpty { fail(check, sequence, "\(what): \(words.expected)", words.found) }
    }

    private mutating func compare(_ id: TransferID, _ sequence: UInt64, _ resolution: TransferKind?) {
        guard let line = replay.transfers.removeValue(forKey: id) else {
            return fail(.projectedTransfers, known(sequence), "no transfer \(id)", "one in record \(sequence)")
        }
        if line.sequence != sequence {
            fail(
                .projectedTransfers, line.sequence, "transfer \(id) in record \(line.sequence)",
                "in record \(sequence)")
        } else if line.resolution != resolution {
            func words(_ kind: TransferKind?) -> String { kind.map { "ended by a \($0)" } ?? "not ended" }
            fail(
                .projectedTransfers, sequence, "transfer \(id) \(words(line.resolution))", words(resolution))
        }
    }

    // MARK: - Records of an account

    /// What stands beside a record, which is how an account's records are found.
    mutating func compare(_ earlier: EarlierRecords?, with wanted: EarlierRecords, _ row: UInt64) {
        guard let earlier, earlier != wanted else { return }
        func words(_ earlier: EarlierRecords) -> String {
            [earlier.first, earlier.second].map { $0.map(String.init) ?? "none" }.joined(separator: " and ")
        }
        fail(.projectedAccountRecords, row, "its accounts' earlier records \(words(wanted))", words(earlier))
    }

    private mutating func compare(_ wanted: Replay.Span?, _ account: Account) {
        guard let wanted, wanted != Replay.Span(first: account.firstRecord, last: account.lastRecord) else { return }
        fail(
            .projectedAccountRecords, wanted.last,
            "account \(account.id) from record \(wanted.first) to \(wanted.last)",
            "from \(account.firstRecord) to \(account.lastRecord)")
    }

    // MARK: - Documents

    private mutating func compare(_ document: EvidenceDocument, _ digest: Digest) {
        guard document.digest == digest else {
            return fail(.documents, nil, "document \(digest)", "one with digest \(document.digest)")
        }
        // Newer software may cite it in a record that cannot be read here.
        guard newerAt == nil, !cited.contains(ShortDigest(digest)) else { return }
        if let complaint = complaint(uncited: document) {
            fail(.documents, nil, "document \(digest) cited, or a genuine receipt", complaint)
        }
    }

    // MARK: - The end

    /// What the log gives and no table had.
    mutating func endComparison() {
        for (id, entry) in replay.accounts {
            fail(
                .projectedAccounts, entry.lastSequence, "account \(id) with balance \(entry.account.balance)", "no row")
        }
        for (id, pending) in replay.pendings {
            fail(.projectedPendings, pending.sequence, "pending transfer \(id) of \(pending.amount)", "no row")
        }
        for (id, entry) in missingKeys { fail(.projectedKeys, entry.lastSequence, "key \(id)", "no row") }
        for (id, line) in replay.transfers {
            fail(.projectedTransfers, line.sequence, "transfer \(id) in record \(line.sequence)", "no row")
        }
        for sequence in replay.ruled { fail(.projectedRules, sequence, "a rule set by record \(sequence)", "no row") }
        for (subject, sequence) in replay.paid {
            fail(.projectedPaid, sequence, "the post for subject \(subject) in record \(sequence)", "no row")
        }
    }
}

extension EconomyTable {
    /// The check that speaks of the table.
    var check: AuditCheck {
        switch self {
        case .records: .decodes
        case .accounts: .projectedAccounts
        case .pendings: .projectedPendings
        case .keys: .projectedKeys
        case .transfers: .projectedTransfers
        case .rules: .projectedRules
        case .paid: .projectedPaid
        case .tiles: .tree
        case .checkpoints: .checkpoints
        case .documents: .documents
        }
    }
}
