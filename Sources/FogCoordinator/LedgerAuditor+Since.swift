internal import FogCore
internal import FogLedger
internal import FogStore

/// An audit of what was added to a log since a record: its time goes with what was added, not with the log's length.
extension LedgerAuditor {
    /// What later records speak of.
    private struct Named {
        var accounts: Set<AccountID> = []
        var pendings: Set<TransferID> = []
        var causes: Set<TransferID> = []
        var transfers: [TransferID] = []
        var paid: [SubjectID] = []
        var enrolled: Set<KeyID> = []
        var changed: Set<KeyID> = []
        var revoked: Set<KeyID> = []

        mutating func add(_ record: LedgerRecord) {
            accounts.formUnion(record.accounts)
            switch record.body {
            case .transfer(let transfer, _, _):
                transfers.append(transfer.id)
                if let pending = transfer.pending { pendings.insert(pending) }
                if transfer.kind == .correct {
                    causes.insert(TransferID(high: record.subject.high, low: record.subject.low))
                }
                if record.pays { paid.append(record.subject) }
            case .keyEnrolled(let enrolment): enrolled.insert(enrolment.key.id)
            case .rolesSet(let id, _): changed.insert(id)
            case .keyRevoked(let id): revoked.insert(id)
            default: return
            }
        }
    }

    /// - Parameter wanted: records below it were judged before.
    static func judge(
        _ economy: any EconomyReader, since wanted: UInt64, coordinator: PublicKey?, outside: [OutsideCheckpoint],
        work: Set<SubjectID>, _ complaints: [String], verifiesRequests: Bool,
        progress: (UInt64, UInt64) -> Void
    ) throws -> AuditReport {
        let count = try count(economy)
        let start = try Self.start(wanted: wanted, count, outside)
        var named = Named()
        try economy.rows(under: .records(from: start)) { row in
            guard case .record(_, let bytes, _, _) = row, let record = try? LedgerRecord(decoding: bytes) else {
                return
            }
            named.add(record)
        }
        let base = try base(economy, at: start, named)
        let coordinator = try coordinator ?? Self.coordinator(economy, base)
        var audit = Audit(since: base, coordinator: coordinator, sources: sources(economy, work))
        audit.verifiesRequests = verifiesRequests
        for checkpoint in outside { audit.require(checkpoint) }
        try economy.rows(under: .checkpoints(from: start)) { row in
            if case .checkpoint(let stored) = row, stored.size >= start { audit.expect(rootOfSize: stored.size) }
        }
        for complaint in try complaints + economy.complaints(everyPage: false) { audit.take(complaint: complaint) }
        try economy.rows(under: .records(from: start)) { row in
            try audit.take(row)
            if case .record(let sequence, _, _, _) = row, (sequence &+ 1) % stride == 0 {
                progress(sequence &+ 1 - start, count - start)
            }
        }
        for key in keys(of: named, start, base) { try economy.rows(under: key) { try audit.take($0) } }
        for table in [EconomyTable.pendings, .keys] { try economy.rows(of: table) { try audit.take($0) } }
        try economy.rows(under: .checkpoints(from: start)) { row in
            if case .checkpoint(let stored) = row, stored.size < start {
                audit.goOn(from: stored)
            } else {
                try audit.take(row)
            }
        }
        return audit.report()
    }

    /// Where to begin. A checkpoint beyond the log's end is for the audit to tell.
    private static func start(
        wanted: UInt64, _ count: UInt64, _ outside: [OutsideCheckpoint]
    ) throws -> UInt64 {
        guard wanted > count else { return wanted }
        guard outside.contains(where: { $0.size > count }) else {
            throw StoreFailure("bad_since", "the log has \(count) records, so none were judged up to \(wanted)")
        }
        return count
    }

    /// The rows that must agree with later records.
    private static func keys(of named: Named, _ start: UInt64, _ base: AuditBase) -> [EconomyKey] {
        var keys: [EconomyKey] = []
        for account in named.accounts.sorted() {
            if account != .rulebook { keys.append(.account(account)) }
        }
        keys.append(.rules(from: start))
        let earlier = base.transfers.compactMap { $0.transfer?.id }
        keys += Set(named.transfers + earlier).sorted().map { .transfer($0) }
        keys += Set(named.paid).sorted().map { .paid($0) }
        for level in 0...TileID.maxLevel {
            keys.append(.tiles(level: level, from: start >> UInt64((level + 1) * TileID.height)))
        }
        return keys
    }

    // MARK: - What stood before

    private static func base(_ economy: any EconomyReader, at start: UInt64, _ named: Named) throws -> AuditBase {
        guard start > 0 else { return AuditBase(head: .empty(origin: .zero), tree: CompactRange()) }
        guard let last = try record(start - 1, economy) else {
            throw StoreFailure("bad_since", "record \(start - 1) does not read: audit the whole log")
        }
        var tiles: [TileID: [Digest]] = [:]
        for tile in CompactRange.edge(ofSize: start) { tiles[tile] = try economy.hashes(of: tile) }
        var base = AuditBase(
            head: LedgerHead(count: start, hash: LedgerRecord.leafHash(last.encoded), time: last.time),
            tree: CompactRange(size: start, tiles: tiles))
        base.form = last.form
        for id in named.pendings.union(named.causes).sorted() {
            if let record = try transfer(id, below: start, economy) { base.transfers.append(record) }
        }
        try economy.rows(of: .pendings) { row in
            if case .pending(let pending) = row, pending.sequence < start { base.pendings.append(pending) }
        }
        for record in base.transfers {
            guard let pending = Pending(record), named.pendings.contains(pending.id),
                try !ended(pending, below: start, economy)
            else { continue }
            base.pendings.append(pending)
        }
        try economy.rows(of: .keys) { row in
            guard case .key(var key) = row, !named.enrolled.contains(key.key.id) else { return }
            // Who is the coordinator is not guessed.
            if named.changed.contains(key.key.id) { key.roles.formUnion(.all.subtracting(.coordinator)) }
            if named.revoked.contains(key.key.id) { key.isRevoked = false }
            base.keys.append(key)
        }
        try economy.rows(under: .rules(from: 0)) { row in
            guard case .rule(let sequence) = row, sequence < start,
                let rule = try record(sequence, economy)?.rule
            else { return }
            base.rules.append(rule)
        }
        try addEmission(to: &base, economy)
        for id in named.accounts.sorted() where id != .rulebook {
            guard let found = try account(id, below: start, base.pendings, economy) else { continue }
            base.accounts.append(found)
            if found.0.kind == .escrow { base.payers[id] = try payer(of: id, base, economy) }
        }
        return base
    }

    /// The key that the log names as the coordinator's: enrolled in that role, or else of the first grant.
    private static func coordinator(_ economy: any EconomyReader, _ base: AuditBase) throws -> PublicKey? {
        if let key = base.coordinator { return key }
        struct Found: Error { let key: PublicKey }
        do {
            try economy.rows(under: .accountRecords(.issuance, from: 0)) { row in
                guard case .accountRecord(_, let sequence) = row, let record = try record(sequence, economy),
                    record.transfer?.kind == .issue, let document = try? economy.document(record.evidence),
                    let grant = try? GrantDocument(decoding: document.bytes)
                else { return }
                throw Found(key: grant.signer)
            }
        } catch let found as Found { return found.key }
        return nil
    }

    /// A record of the log, whose bytes must have their stored hash. Nil when there is none, or it does not read.
    private static func record(_ sequence: UInt64, _ economy: any EconomyReader) throws -> LedgerRecord? {
        var found: LedgerRecord?
        try economy.rows(under: .record(sequence)) { row in
            guard case .record(_, let bytes, let hash, _) = row, LedgerRecord.leafHash(bytes).bytes == hash else {
                return
            }
            found = try? LedgerRecord(decoding: bytes)
        }
        return found
    }

    private static func transfer(
        _ id: TransferID, below start: UInt64, _ economy: any EconomyReader
    ) throws -> LedgerRecord? {
        var place: UInt64?
        try economy.rows(under: .transfer(id)) { row in
            if case .transfer(_, let sequence, _) = row { place = sequence }
        }
        guard let place, place < start, let found = try record(place, economy), found.transfer?.id == id else {
            return nil
        }
        return found
    }

    /// Whether a pending transfer had ended by then: looked for under the account that it reserves from.
    private static func ended(
        _ pending: Pending, below start: UInt64, _ economy: any EconomyReader
    ) throws -> Bool {
        var isOver = false
        try economy.rows(under: .accountRecords(pending.debit, from: pending.sequence + 1)) { row in
            guard !isOver, case .accountRecord(_, let sequence) = row, sequence < start else { return }
            isOver = try record(sequence, economy)?.transfer?.pending == pending.id
        }
        return isOver
    }

    /// What the pools got in the epoch under way: back over the records of issuance to its beginning.
    private static func addEmission(to base: inout AuditBase, _ economy: any EconomyReader) throws {
        guard let beginning = base.epochStart else { return }
        var end = base.head.count
        while true {
            var last: UInt64?
            try economy.rows(under: .lastRecord(of: .issuance, below: end)) { row in
                if case .accountRecord(_, let sequence) = row { last = sequence }
            }
            guard let last, let found = try record(last, economy), found.time >= beginning else { return }
            if let transfer = found.transfer, transfer.kind == .fund {
                base.emitted[found.subject, default: 0] += Int128(transfer.amount.micro)
            }
            end = last
        }
    }

    /// The account whose key asked for an escrow.
    private static func payer(
        of escrow: AccountID, _ base: AuditBase, _ economy: any EconomyReader
    ) throws -> AccountID? {
        var asked: KeyID?
        try economy.rows(under: .firstRecord(of: escrow)) { row in
            guard case .accountRecord(_, let sequence) = row, let first = try record(sequence, economy),
                first.authorisation.isRequest
            else { return }
            asked = first.authorisation.key
        }
        return base.keys.first { $0.key.id == asked }?.owner
    }

    /// An account as its records below a sequence leave it.
    private static func account(
        _ id: AccountID, below start: UInt64, _ pendings: [Pending], _ economy: any EconomyReader
    ) throws -> (Account, UInt64)? {
        func place(_ key: EconomyKey) throws -> UInt64? {
            var place: UInt64?
            try economy.rows(under: key) { row in
                if case .accountRecord(_, let sequence) = row { place = sequence }
            }
            return place
        }
        guard let first = try place(.firstRecord(of: id)), first < start,
            case .accountOpened(let opening)? = try record(first, economy)?.body, opening.id == id
        else { return nil }
        var end = start
        var newest: UInt64?
        while let last = try place(.lastRecord(of: id, below: end)) {
            guard let found = try record(last, economy) else { return nil }
            newest = newest ?? last
            guard let counters = found.counters(of: id) else {
                end = last
                continue
            }
            var isClosed = false
            if case .accountClosed = found.body { isClosed = true }
            let open = pendings.count { $0.debit == id || $0.credit == id }
            let account = Account(
                id: id, kind: opening.kind, unit: opening.unit, owner: opening.owner, counters: counters,
                openPendings: Int32(clamping: open), isClosed: isClosed, firstRecord: first, lastRecord: newest ?? last)
            return (account, last)
        }
        return nil
    }
}
