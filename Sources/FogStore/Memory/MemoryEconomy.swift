internal import FogCore
internal import FogJobs
internal import FogLedger

/// The economy in memory, as it was when it was asked for.
struct MemoryEconomy: EconomyReader {
    let state: MemoryState

    func rows(of table: EconomyTable, _ body: (EconomyRow) throws -> Void) throws {
        switch table {
        case .records:
            for row in state.records {
                try body(.record(sequence: row.record.sequence, bytes: row.bytes, hash: row.hash.bytes))
            }
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
        case .accountRecords:
            // Nothing but the log itself is kept here.
            let pairs = state.records.flatMap { row in row.record.accounts.map { ($0, row.record.sequence) } }
            for (account, sequence) in pairs.sorted(by: { $0 < $1 }) {
                try body(.accountRecord(account, sequence: sequence))
            }
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

    func complaints() -> [String] { [] }
}
