import FogCore
import FogLedger
import Testing

@Suite("Audit of the tree")
struct TreeAuditTests {
    private let log: HonestLog
    private let tree: [EconomyRow]

    init() throws {
        log = try HonestLog(seed: 21)
        tree = try log.fixture.tree
    }

    private var checkpoints: [StoredCheckpoint] {
        tree.compactMap { if case .checkpoint(let stored) = $0 { stored } else { nil } }
    }

    private func audit(_ checkpoints: [StoredCheckpoint]) throws -> AuditFinding {
        let tiles = tree.filter { if case .tile = $0 { true } else { false } }
        let report = try log.fixture.audit(tree: tiles + checkpoints.map { .checkpoint($0) })
        #expect(report.failed.allSatisfy { $0.check == .checkpoints })
        return try #require(report[.checkpoints])
    }

    @Test("the honest tree has tiles and checkpoints, and raises no alarm")
    func honest() throws {
        #expect(checkpoints.count > 2 && tree.count > checkpoints.count)
        #expect(try audit(checkpoints).verdict == .ok)
    }

    @Test("a checkpoint that is missing, moved, altered or another's is named")
    func checkpointRows() throws {
        for index in checkpoints.indices {
            var missing = checkpoints
            missing.remove(at: index)
            #expect(try audit(missing).verdict == .failed, "without \(index)")
            var changed = checkpoints
            let old = changed[index]
            changed[index] = StoredCheckpoint(number: old.number, size: old.size + 1, note: old.note)
            #expect(try audit(changed).sequence == min(old.size, UInt64(log.rows.count) - 1))
            changed[index] = StoredCheckpoint(number: old.number, size: old.size, note: old.note + [0x0a])
            #expect(try audit(changed).verdict == .failed)
            // Signed a second time over the same line: still genuine, and not what was written.
            let note = try SignedNote(old.note)
            let doubled = SignedNote(text: note.text, signatures: note.signatures + note.signatures)
            changed[index] = StoredCheckpoint(number: old.number, size: old.size, note: doubled.bytes)
            #expect(try audit(changed).verdict == .failed)
        }
        let swapped = [checkpoints[1], checkpoints[0]] + checkpoints[2...]
        #expect(try audit(Array(swapped)).failures > 1)
    }

    @Test("a root that the log never had, and a signature of another key, are named at their place")
    func forged() throws {
        let size = checkpoints[0].size
        let other = TreeHead(size: size, root: log.rows[0].hash)
        var changed = checkpoints
        changed[0] = try log.fixture.checkpoint(0, of: other)
        #expect(try audit(changed).sequence == size - 1)
        changed[0] = try log.fixture.checkpoint(
            0, of: Checkpoint(text: SignedNote(checkpoints[0].note).text).head, by: .generate())
        #expect(try audit(changed).sequence == size - 1)
    }

    @Test("a tile's root that is changed, missing or too many is named")
    func tiles() throws {
        guard case .tile(let tile) = tree[0] else { return #expect(Bool(false), "no tile") }
        let rest = Array(tree.dropFirst())
        let changed = EconomyRow.tile(TileRoot(tile: tile.tile, root: log.rows[0].hash))
        let surplus = EconomyRow.tile(TileRoot(tile: TileID(level: 3, number: 0), root: tile.root))
        for rows in [rest, [changed] + rest, tree + [surplus]] {
            let report = try log.fixture.audit(tree: rows)
            #expect(report.failed.map(\.check) == [.tree])
        }
        #expect(try log.fixture.audit(tree: rest)[.tree]?.sequence == 255)
    }

    @Test("a log that was cut with all its tables, or written anew, fails only against a checkpoint from outside")
    func rollback() throws {
        let kept = try OutsideCheckpoint(name: "kept", note: checkpoints[1].note)
        #expect(try log.fixture.audit(outside: [kept]).ok)
        let earlier = try LedgerFixture(seed: 1)
        #expect(try earlier.audit(coordinator: earlier.key.publicKey).ok)
        let report = try earlier.audit(coordinator: earlier.key.publicKey, outside: [kept])
        #expect(report.failed.map(\.check) == [.outside])
        let fork = try HonestLog(seed: 22)
        let forked = try fork.fixture.audit(outside: [kept])
        #expect(forked.failed.map(\.check) == [.outside])
        #expect(forked.firstBadSequence == checkpoints[1].size - 1)
    }
}
