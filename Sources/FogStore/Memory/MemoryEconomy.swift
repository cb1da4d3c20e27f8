internal import FogCore
internal import FogJobs
internal import FogLedger

/// The economy in memory, as it was when it was asked for.
struct MemoryEconomy: EconomyReader {
    let state: MemoryState

    func rows(of table: EconomyTable, _ body: (EconomyRow) throws -> Void) throws {
        switch table {
        case .records:
            for row in state.records { try tell(row, body) }
        case .accounts:
            for account in state.accounts.values.sorted(by: { $0.id < $1.id }) { try body(.account(account)) }
        case .pendings:
            for pending in state.pendings.values.sorted(by: { $0.id < $1.id }) { try body(.pending(pending)) }
        case .keys:
            for key in state.keys.values.sorted(by: { $0.key < $1.key }) { try body(.key(key)) }
        case .transfers:
            for (id, row) in state.transfers.sorted(by: { $0.key < $1.key }) {
                try body(.transfer(id, sequence: row.record.sequence, resolution: row.resolution))
            }
        case .rules:
            for row in state.records where row.record.rule != nil { try body(.rule(sequence: row.record.sequence)) }
        case .paid:
            for (subject, sequence) in state.paid.sorted(by: { $0.key < $1.key }) {
                try body(.paid(subject, sequence: sequence))
            }
        case .tiles:
            let order = state.tiles.sorted { ($0.key.level, $0.key.number) < ($1.key.level, $1.key.number) }
            for (tile, root) in order { try body(.tile(TileRoot(tile: tile, root: root))) }
        case .checkpoints: for checkpoint in state.checkpoints { try body(.checkpoint(checkpoint)) }
        case .documents: for (digest, document) in state.evidence { try body(.document(document, under: digest)) }
        }
    }

    func document(_ digest: Digest) -> EvidenceDocument? { state.evidence[digest] }

    func openJobs() -> [JobID] { state.jobs.values.filter { !$0.record.progress.settled }.map(\.record.id) }

    func openAttempts() -> [AttemptID] { state.attempts.values.filter(\.isOpen).map(\.id) }

    func receipts(_ body: (AttemptID, Digest) throws -> Void) throws {
        for attempt in state.attempts.values {
            if let receipt = attempt.receipt { try body(attempt.id, receipt) }
        }
    }

    func complaints(everyPage: Bool) -> [String] { [] }

    func rows(under key: EconomyKey, _ body: (EconomyRow) throws -> Void) throws {
        func records(of account: AccountID) -> [LedgerRow] {
            state.records.filter { $0.record.accounts.contains(account) }
        }
        func point(_ account: AccountID, to row: LedgerRow?) throws {
            if let row { try body(.accountRecord(account, sequence: row.record.sequence)) }
        }
        switch key {
        case .records(let from):
            for row in state.records where row.record.sequence >= from { try tell(row, body) }
        case .record(let sequence):
            for row in state.records where row.record.sequence == sequence { try tell(row, body) }
        case .newestRecord: if let row = state.records.last { try tell(row, body) }
        case .account(let id): if let account = state.accounts[id] { try body(.account(account)) }
        case .transfer(let id):
            if let row = state.transfers[id] {
                try body(.transfer(id, sequence: row.record.sequence, resolution: row.resolution))
            }
        case .paid(let subject):
            if let sequence = state.paid[subject] { try body(.paid(subject, sequence: sequence)) }
        case .firstRecord(let account): try point(account, to: records(of: account).first)
        case .lastRecord(let account, let end):
            try point(account, to: records(of: account).last { $0.record.sequence < end })
        case .accountRecords(let account, let start):
            for row in records(of: account) where row.record.sequence >= start { try point(account, to: row) }
        case .rules(let start):
            for row in state.records where row.record.rule != nil && row.record.sequence >= start {
                try body(.rule(sequence: row.record.sequence))
            }
        case .tiles(let level, let start):
            try rows(of: .tiles) { row in
                guard case .tile(let root) = row, root.tile.level == level, root.tile.number >= start else { return }
                try body(row)
            }
        case .checkpoints(let size):
            let first = state.checkpoints.firstIndex { $0.size >= size } ?? state.checkpoints.endIndex
            for checkpoint in state.checkpoints[max(0, first - 1)...] { try body(.checkpoint(checkpoint)) }
        }
    }

    private func tell(_ row: LedgerRow, _ body: (EconomyRow) throws -> Void) throws {
        let sequence = row.record.sequence
        try body(.record(sequence: sequence, bytes: row.bytes, hash: row.hash.bytes, earlier: row.earlier))
    }

    func hashes(of tile: TileID) -> [Digest] {
        let (first, over) = tile.number.multipliedReportingOverflow(by: UInt64(TileID.width))
        guard !over else { return [] }
        if tile.level == 0 {
            return state.records.dropFirst(Int(clamping: first)).prefix(TileID.width).map(\.hash)
        }
        return (0..<UInt64(TileID.width)).lazy
            .map { state.tiles[TileID(level: tile.level - 1, number: first &+ $0)] }
            .prefix { $0 != nil }.compactMap { $0 }
    }
}
