internal import FogCore

/// The tree over the log, and what was signed of it.
extension Audit {
    /// What the tree amounts to, record by record.
    struct TreeReplay {
        var range = CompactRange()
        /// Full tiles that no row was found for.
        var tiles: [TileID: Digest] = [:]
        /// Roots that somebody asks for, by the tree's size; zero until the log is that long.
        var roots: [UInt64: Digest?] = [:]
        /// The stored checkpoint before.
        var last: StoredCheckpoint?

        mutating func append(_ leaf: Digest) {
            for filled in range.append(leaf) { tiles[filled.tile] = filled.root }
            if roots[range.size] != nil { roots[range.size] = range.root }
        }
    }

    /// A checkpoint that somebody else kept. All of these come before the log.
    package mutating func require(_ outside: OutsideCheckpoint) {
        expect(rootOfSize: outside.size)
        self.outside.append(outside)
    }

    /// Says that a root will be compared; before the log.
    package mutating func expect(rootOfSize size: UInt64) {
        // What an incremental audit begins with is known; of a new log, the root of nothing.
        tree.roots.updateValue(size == tree.range.size ? tree.range.root : .none, forKey: size)
    }

    /// The stored checkpoint before those that are judged.
    package mutating func goOn(from stored: StoredCheckpoint) { tree.last = stored }

    mutating func compare(_ filled: TileRoot) {
        let last = lastRecord(below: filled.tile)
        guard let root = tree.tiles.removeValue(forKey: filled.tile) else {
            return fail(.tree, last, "no tile \(filled.tile.path()) above the log", "a row with \(filled.root)")
        }
        if root != filled.root { fail(.tree, last, "tile \(filled.tile.path()) with \(root)", "\(filled.root)") }
    }

    /// The last record that a tile covers, if there is such a one.
    private func lastRecord(below tile: TileID) -> UInt64? {
        let shift = UInt64(TileID.height * (tile.level + 1))
        guard (0...TileID.maxLevel).contains(tile.level), shift < 64, tile.number < .max >> shift else { return nil }
        let last = ((tile.number + 1) << shift) - 1
        return last < head.count ? last : nil
    }

    mutating func compare(_ stored: StoredCheckpoint) {
        let sequence = (1...max(1, head.count)).contains(stored.size) ? stored.size - 1 : nil
        let number = tree.last.map { $0.number + 1 } ?? 0
        if stored.number != number {
            fail(.checkpoints, sequence, "checkpoint \(number)", "checkpoint \(stored.number)")
        }
        if let last = tree.last, stored.size <= last.size {
            fail(.checkpoints, sequence, "a checkpoint above size \(last.size)", "one of size \(stored.size)")
        }
        tree.last = stored
        do throws(LedgerFailure) {
            try check(stored)
        } catch {
            fail(.checkpoints, sequence, "checkpoint \(stored.number) that holds", error.message)
        }
    }

    private func check(_ stored: StoredCheckpoint) throws(LedgerFailure) {
        guard let coordinator else { throw Self.bad("signed by a coordinator that the log does not name") }
        let verified = try VerifiedCheckpoint(stored.note, key: NoteKey(coordinator: coordinator))
        guard verified.note.signatures.count == 1, verified.checkpoint.extensions.isEmpty,
            verified.note.bytes == stored.note
        else { throw Self.bad("written another way than the coordinator writes it") }
        guard verified.head.size == stored.size else {
            throw Self.bad("of size \(verified.head.size) in a row of size \(stored.size)")
        }
        try check(verified.head)
    }

    private func check(_ head: TreeHead) throws(LedgerFailure) {
        guard let known = tree.roots[head.size], let root = known else {
            throw Self.bad("of \(head.size) records, the log has \(self.head.count)")
        }
        guard root == head.root else {
            throw Self.bad("of root \(head.root), the log's first \(head.size) records have \(root)")
        }
    }

    private static func bad(_ words: String) -> LedgerFailure { LedgerFailure("bad_checkpoint", words) }

    /// The end: what was not there, and what others hold against it.
    mutating func endTree() {
        for (tile, root) in tree.tiles {
            fail(.tree, lastRecord(below: tile), "tile \(tile.path()) with \(root)", "no row")
        }
        if head.count > 0, tree.last?.size != head.count {
            fail(
                .checkpoints, head.count - 1, "a newest checkpoint of size \(head.count)",
                tree.last.map { "of size \($0.size)" } ?? "none")
        }
        for outside in outside {
            do throws(LedgerFailure) {
                guard let coordinator else { throw Self.bad("of a coordinator that the log does not name") }
                try check(try VerifiedCheckpoint(outside.note, key: NoteKey(coordinator: coordinator)).head)
            } catch {
                let sequence = outside.size <= head.count ? outside.size &- 1 : head.count &- 1
                fail(.outside, head.count > 0 ? sequence : nil, "checkpoint \(outside.name) in this log", error.message)
            }
        }
    }
}

/// A checkpoint that was kept elsewhere: the only thing that shows a log cut short or written anew.
package struct OutsideCheckpoint: Hashable, Sendable {
    /// For people: the file, or whoever kept it.
    package let name: String
    package let note: [UInt8]
    package let size: UInt64

    /// - Throws: `bad_note`, `bad_checkpoint` for bytes that are none.
    package init(name: String, note: [UInt8]) throws(LedgerFailure) {
        self.name = name
        self.note = note
        size = try Checkpoint(text: SignedNote(note).text).head.size
    }
}
