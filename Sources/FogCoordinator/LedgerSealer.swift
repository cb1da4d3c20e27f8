package import FogCore
internal import FogLedger
package import FogStore

/// Keeps the tree over the log and signs its head: each change of the ledger leaves with a checkpoint of its end, so that
/// records and checkpoint reach the disk together.
package struct LedgerSealer: Sendable {
    private let key: SigningKey
    private var tree = CompactRange()
    /// The number of the checkpoint that the next change writes, unless its time is over.
    private var number: UInt64 = 0
    /// Ledger time of the first change under that number.
    private var begun: Timestamp?

    /// For how long the newest checkpoint is written over before it is kept.
    private static let keptEvery = TimeSpan.minutes(1)

    /// For an empty log.
    package init(key: SigningKey) { self.key = key }

    /// Goes on from what is stored. A log that an older version wrote gets its tree here.
    /// - Throws: `corrupt` when the stored tree is not the one that was signed last.
    package static func open(_ store: any Store, key: SigningKey) async throws -> LedgerSealer {
        var sealer = LedgerSealer(key: key)
        let count = try await store.ledgerState()?.head.count ?? 0
        guard let newest = try await store.checkpoint() else {
            try await sealer.raise(store, to: count)
            return sealer
        }
        sealer.number = newest.number + 1
        sealer.tree = try await Self.edge(of: store, size: count)
        let signed = try Checkpoint(text: SignedNote(newest.note).text).head
        guard signed == sealer.tree.head else {
            throw StoreFailure(
                "corrupt",
                "the log has \(count) records and root \(sealer.tree.root), its newest checkpoint says \(signed.size) "
                    + "and \(signed.root); fog ledger audit --database FILE tells more")
        }
        return sealer
    }

    private static func edge(of store: any Store, size: UInt64) async throws -> CompactRange {
        var tiles: [TileID: [Digest]] = [:]
        for tile in CompactRange.edge(ofSize: size) { tiles[tile] = try await store.hashes(of: tile) }
        return CompactRange(size: size, tiles: tiles)
    }

    private mutating func raise(_ store: any Store, to count: UInt64) async throws {
        guard count > 0 else { return }
        var filled: [TileRoot] = []
        while tree.size < count {
            let tile = TileID(level: 0, number: tree.size / UInt64(TileID.width))
            let hashes = try await store.hashes(of: tile)
            guard !hashes.isEmpty else {
                throw StoreFailure("corrupt", "record \(tree.size) of \(count) is missing in the log")
            }
            for hash in hashes { filled += tree.append(hash) }
        }
        var change = Change()
        change.tree = try sign(filled)
        number += 1
        guard try await store.commit([change]) == [.applied] else {
            throw StoreFailure("unexpected", "the tree over the log could not be written")
        }
    }

    private func sign(_ filled: [TileRoot]) throws(LedgerFailure) -> TreeChange {
        let checkpoint = Checkpoint(origin: Checkpoint.origin(of: key.publicKey), head: tree.head)
        return TreeChange(
            filled: filled,
            checkpoint: StoredCheckpoint(number: number, size: tree.size, note: try checkpoint.signed(by: key).bytes))
    }

    /// Adds what a change writes to the log, and signs.
    mutating func seal(_ change: inout Change) {
        guard let ledger = change.ledger, let last = ledger.rows.last else { return }
        if let begun, last.record.time - begun >= Self.keptEvery {
            number += 1
            self.begun = last.record.time
        } else if begun == nil {
            begun = last.record.time
        }
        let filled = ledger.rows.flatMap { tree.append($0.hash) }
        do {
            change.tree = try sign(filled)
        } catch {
            preconditionFailure("the log's name has neither spaces nor a plus sign: \(error.message)")
        }
    }
}
