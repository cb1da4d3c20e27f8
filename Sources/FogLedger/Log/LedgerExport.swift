internal import FogCore

/// The log as others' programs read it, record by record. Equal logs give equal bytes; amounts are whole micro-credits,
/// so that no program rounds.
package struct LedgerExport: Sendable {
    package enum Format: String, Sendable, CaseIterable {
        /// JSON Lines: every record, amounts as strings.
        case jsonl
        /// RFC 4180: every posting.
        case csv
        /// Beancount: every posting, and the balances at the end.
        case beancount
        /// A journal of hledger: the same.
        case hledger
    }

    private struct Known {
        let kind: AccountKind
        let unit: LedgerUnit
        /// Posted, in micro-credits: credits less debits.
        var balance: Int64 = 0
    }

    package let format: Format
    private var accounts: [AccountID: Known] = [:]
    private var last: Timestamp?

    package init(_ format: Format) { self.format = format }

    /// What stands before the first record.
    package var head: String {
        switch format {
        case .jsonl: ""
        case .csv: "record,time,kind,transfer,subject,account,account_kind,micro_credits\r\n"
        case .beancount: "option \"title\" \"Fog ledger\"\noption \"operating_currency\" \"UFOG\"\n"
        case .hledger: "; Fog ledger, in micro-credits\ncommodity 1000. UFOG\ncommodity 1000. UQUOTA\n"
        }
    }

    /// What a record comes to.
    /// - Throws: `bad_record`, `newer_software` for bytes that do not read.
    package mutating func text(of bytes: [UInt8]) throws(LedgerFailure) -> String {
        let record = try LedgerRecord(decoding: bytes)
        last = record.time
        var opened: AccountID?
        if case .accountOpened(let opening) = record.body {
            accounts[opening.id] = Known(kind: opening.kind, unit: opening.unit)
            opened = opening.id
        }
        // A pending transfer reserves, and its void or expiry moves nothing.
        var posting: Transfer?
        if let transfer = record.transfer, transfer.kind != .pending, transfer.amount.micro > 0 {
            accounts[transfer.debit]?.balance -= transfer.amount.micro
            accounts[transfer.credit]?.balance += transfer.amount.micro
            posting = transfer
        }
        switch format {
        case .jsonl: return json(record, LedgerRecord.leafHash(bytes)).compact + "\n"
        case .csv: return posting.map { csv($0, record) } ?? ""
        case .beancount, .hledger:
            if let opened { return opening(opened, Self.day(record.time)) }
            return posting.map { transaction($0, record, LedgerRecord.leafHash(bytes)) } ?? ""
        }
    }

    /// What stands after the last record: every balance, asserted on the day after it.
    package var tail: String {
        guard let last, format == .beancount || format == .hledger else { return "" }
        let day = Self.day(last + .days(1))
        let lines = accounts.sorted { $0.key < $1.key }.map { id, known in
            format == .beancount
                ? "\(day) balance \(name(id)) \(known.balance) \(commodity(known.unit))\n"
                : "    \(name(id))  0 \(commodity(known.unit)) = \(known.balance) \(commodity(known.unit))\n"
        }
        return "\n" + (format == .hledger ? "\(day) * balances\n" : "") + lines.joined()
    }

    // MARK: - Forms

    private static func day(_ time: Timestamp) -> String { String(time.description.prefix(10)) }

    /// Millionths of a credit, or of a rule's quota.
    private func commodity(_ unit: LedgerUnit?) -> String { unit == .quota ? "UQUOTA" : "UFOG" }

    /// `Assets:User:KRG5…`; hledger takes the same names.
    private func name(_ id: AccountID) -> String {
        guard let kind = accounts[id]?.kind else { return "Assets:Unknown:\(id.description.uppercased())" }
        let word = kind.description.split { !$0.isLetter }.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
        let root = kind == .issuance ? "Equity" : "Assets"
        let isOnly = [.issuance, .treasury, .fees].contains(id)
        return isOnly ? "\(root):\(word)" : "\(root):\(word):\(id.description.uppercased())"
    }

    private func opening(_ id: AccountID, _ day: String) -> String {
        format == .beancount ? "\(day) open \(name(id)) \(commodity(accounts[id]?.unit))\n" : "account \(name(id))\n"
    }

    private func transaction(_ transfer: Transfer, _ record: LedgerRecord, _ hash: Digest) -> String {
        let (day, amount) = (Self.day(record.time), transfer.amount.micro)
        let head =
            format == .beancount
            ? "\(day) * \"\(transfer.kind)\"\n  record: \(record.sequence)\n  hash: \"\(hash)\"\n"
                + "  subject: \"\(record.subject)\"\n"
            : "\(day) * (\(record.sequence)) \(transfer.kind)\n    ; hash: \(hash)\n    ; subject: \(record.subject)\n"
        let unit = commodity(transfer.unit)
        return
            "\n\(head)    \(name(transfer.credit))  \(amount) \(unit)\n    \(name(transfer.debit))  -\(amount) \(unit)\n"
    }

    private func csv(_ transfer: Transfer, _ record: LedgerRecord) -> String {
        [(transfer.debit, -transfer.amount.micro), (transfer.credit, transfer.amount.micro)].map { id, amount in
            let kind = accounts[id]?.kind.description ?? ""
            return "\(record.sequence),\(record.time),\(transfer.kind),\(transfer.id),\(record.subject),\(id),\(kind),"
                + "\(amount)\r\n"
        }.joined()
    }

    private func json(_ record: LedgerRecord, _ hash: Digest) -> JSON {
        var members: [JSON.Member] = [
            .init("record", .integer(Int64(clamping: record.sequence))),
            .init("time", .string(record.time.description)),
            .init("hash", .string(hash.description)), .init("previous", .string(record.previous.description)),
            .init("subject", .string(record.subject.description)),
            .init("evidence", .string(record.evidence.description)),
        ]
        members.append(.init("bytes", .string(Base64.encode(record.encoded))))
        if let key = record.authorisation.key { members.append(.init("key", .string(key.description))) }
        func add(_ name: String, _ value: some CustomStringConvertible) {
            members.append(.init(name, .string(value.description)))
        }
        // Older records have no such member, so that exports of older logs stay the same bytes.
        if record.form == LedgerRecord.version {
            add("authorised_by", record.authorisation.isRequest ? "request" : "coordinator")
        }
        switch record.body {
        case .transfer(let transfer, let debitAfter, let creditAfter):
            add("type", transfer.kind)
            add("transfer", transfer.id)
            add("debit", transfer.debit)
            add("credit", transfer.credit)
            add("micro_credits", transfer.amount.micro)
            if let pending = transfer.pending { add("pending", pending) }
            if let expires = transfer.expires { add("expires", expires) }
            members.append(.init("debit_after", Self.json(debitAfter)))
            members.append(.init("credit_after", Self.json(creditAfter)))
        case .accountOpened(let opening):
            add("type", "account_opened")
            add("account", opening.id)
            add("account_kind", opening.kind)
            add("owner", opening.owner)
        case .accountClosed(let id, _):
            add("type", "account_closed")
            add("account", id)
        case .keyEnrolled(let enrolment):
            add("type", "key_enrolled")
            add("enrolled", enrolment.key)
            add("roles", enrolment.roles)
            add("account", enrolment.owner)
        case .rolesSet(let id, let roles):
            add("type", "roles_set")
            add("enrolled", id)
            add("roles", roles)
        case .keyRevoked(let id):
            add("type", "key_revoked")
            add("enrolled", id)
        default:
            // What has no words here is told by its type; the record itself is in the log.
            add("type", "0x" + Hex.encode([UInt8(record.type >> 8), UInt8(record.type & 0xff)]))
        }
        return .object(members)
    }

    /// Counters as decimal text: JSON's numbers are exact only up to 2^53.
    private static func json(_ counters: Counters) -> JSON {
        .object([
            "debits_pending": .string("\(counters.debitsPending)"),
            "debits_posted": .string("\(counters.debitsPosted)"),
            "credits_pending": .string("\(counters.creditsPending)"),
            "credits_posted": .string("\(counters.creditsPosted)"),
        ])
    }
}
