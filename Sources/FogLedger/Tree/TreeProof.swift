package import FogCore

/// A proof in the making: the subtrees whose hashes it consists of, and the tiles they are made from.
package struct TreeProof: Hashable, Sendable {
    /// Leaves from `start` up to `end`, hashed as a tree of their own.
    private struct Part: Hashable {
        let start: UInt64
        let end: UInt64
    }

    private let parts: [Part]
    private let size: UInt64

    private init(_ parts: [Part], _ size: UInt64) {
        self.parts = parts
        self.size = size
    }

    /// That a leaf stands at a place of a tree (RFC 6962 section 2.1.1). Nil when the tree has no such place.
    package static func inclusion(of index: UInt64, in size: UInt64) -> TreeProof? {
        guard index < size else { return nil }
        var parts: [Part] = []
        var (low, high) = (UInt64(0), size)
        while high - low > 1 {
            let middle = low + Self.split(high - low)
            if index < middle {
                parts.append(Part(start: middle, end: high))
                high = middle
            } else {
                parts.append(Part(start: low, end: middle))
                low = middle
            }
        }
        return TreeProof(parts.reversed(), size)
    }

    /// That a tree begins with an older one (RFC 6962 section 2.1.2). Nil unless 0 < old <= size.
    package static func consistency(from old: UInt64, to size: UInt64) -> TreeProof? {
        guard old > 0, old <= size else { return nil }
        var parts: [Part] = []
        var (low, high, isWhole) = (UInt64(0), size, true)
        while old != high {
            let middle = low + Self.split(high - low)
            if old <= middle {
                parts.append(Part(start: middle, end: high))
                high = middle
            } else {
                parts.append(Part(start: low, end: middle))
                (low, isWhole) = (middle, false)
            }
        }
        if !isWhole { parts.append(Part(start: low, end: high)) }
        return TreeProof(parts.reversed(), size)
    }

    /// The whole tree's root, as a proof of one hash.
    package static func root(of size: UInt64) -> TreeProof { TreeProof([Part(start: 0, end: size)], size) }

    /// The largest power of two below a number above 1.
    private static func split(_ count: UInt64) -> UInt64 { 1 << UInt64(63 - (count - 1).leadingZeroBitCount) }

    // MARK: - From tiles

    /// The tiles that ``hashes(_:)`` asks for, with the width that each has in the tree: a few of each level.
    package var tiles: [TileID: Int] {
        var found: [TileID: Int] = [:]
        for part in parts {
            for subtree in Self.subtrees(part) {
                let tile = Self.place(subtree).tile
                found[tile] = tile.width(inTreeOf: size)
            }
        }
        return found
    }

    /// The proof, from the tiles' hashes.
    /// - Throws: `no_tile` when a tile is missing or shorter than the tree makes it.
    package func hashes(_ tiles: [TileID: [Digest]]) throws(LedgerFailure) -> [Digest] {
        var hashes: [Digest] = []
        for part in parts {
            var joined: Digest?
            for subtree in Self.subtrees(part).reversed() {
                let hash = try Self.hash(subtree, tiles)
                joined = joined.map { MerkleTree.node(hash, $0) } ?? hash
            }
            hashes.append(joined ?? MerkleTree.emptyRoot)
        }
        return hashes
    }

    /// 2^height leaves from index * 2^height on.
    private struct Subtree {
        let height: Int
        let index: UInt64
    }

    /// The perfect subtrees that a part consists of, from the left.
    private static func subtrees(_ part: Part) -> [Subtree] {
        var (subtrees, start) = ([Subtree](), part.start)
        while start < part.end {
            let fitting = 63 - (part.end - start).leadingZeroBitCount
            let height = start == 0 ? fitting : min(fitting, start.trailingZeroBitCount)
            subtrees.append(Subtree(height: height, index: start >> UInt64(height)))
            start += 1 << UInt64(height)
        }
        return subtrees
    }

    /// The tile that has the subtree's leaves, and where they begin in it.
    private static func place(_ subtree: Subtree) -> (tile: TileID, offset: Int, count: Int) {
        let rest = subtree.height % TileID.height
        let first = subtree.index << UInt64(rest)
        return (
            TileID(level: subtree.height / TileID.height, number: first / UInt64(TileID.width)),
            Int(first % UInt64(TileID.width)), 1 << rest
        )
    }

    private static func hash(_ subtree: Subtree, _ tiles: [TileID: [Digest]]) throws(LedgerFailure) -> Digest {
        let (tile, offset, count) = place(subtree)
        guard let hashes = tiles[tile], hashes.count >= offset + count else {
            throw LedgerFailure(
                "no_tile", "tile \(tile.path()) has \(tiles[tile]?.count ?? 0) hashes, wanted \(offset + count)")
        }
        var level = Array(hashes[offset..<offset + count])
        while level.count > 1 {
            level = stride(from: 0, to: level.count, by: 2).map { MerkleTree.node(level[$0], level[$0 + 1]) }
        }
        return level[0]
    }
}
