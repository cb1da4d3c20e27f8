package import FogCore

/// The Merkle tree of RFC 6962 section 2.1 over SHA-256: a leaf is H(0x00 || record), a node H(0x01 || left || right).
package enum MerkleTree {
    /// The root of a tree without leaves.
    package static let emptyRoot = Digest.sha256([])

    package static func node(_ left: Digest, _ right: Digest) -> Digest {
        withUnsafeTemporaryAllocation(byteCount: 65, alignment: 1) { buffer in
            buffer[0] = 1
            left.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: buffer[1..<33]).copyMemory(from: $0) }
            right.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: buffer[33...]).copyMemory(from: $0) }
            return Digest.sha256(UnsafeRawBufferPointer(buffer))
        }
    }

    /// Whether a leaf stands at a place of the tree with that root (RFC 9162 section 2.1.3.2).
    /// - Parameter proof: the leaf's sibling first.
    package static func verify(
        leaf: Digest, at index: UInt64, in head: TreeHead, proof: [Digest]
    ) -> Bool {
        guard index < head.size else { return false }
        var (place, last, hash) = (index, head.size - 1, leaf)
        for sibling in proof {
            guard last != 0 else { return false }
            if place & 1 == 1 || place == last {
                hash = node(sibling, hash)
                while place & 1 == 0, place != 0 { (place, last) = (place >> 1, last >> 1) }
            } else {
                hash = node(hash, sibling)
            }
            (place, last) = (place >> 1, last >> 1)
        }
        return last == 0 && hash == head.root
    }

    /// Whether the newer tree begins with the whole older one (RFC 9162 section 2.1.4.2). Of a tree without leaves
    /// nothing can be proved, so it is refused.
    package static func verify(from old: TreeHead, to new: TreeHead, proof: [Digest]) -> Bool {
        guard old.size > 0, old.size <= new.size else { return false }
        guard old.size < new.size else { return proof.isEmpty && old.root == new.root }
        // An older tree that is one perfect subtree stands in the proof without being written.
        let path = old.size & (old.size - 1) == 0 ? [old.root] + proof : proof
        guard let first = path.first else { return false }
        var (place, last) = (old.size - 1, new.size - 1)
        while place & 1 == 1 { (place, last) = (place >> 1, last >> 1) }
        var (older, newer) = (first, first)
        for hash in path.dropFirst() {
            guard last != 0 else { return false }
            if place & 1 == 1 || place == last {
                (older, newer) = (node(hash, older), node(hash, newer))
                while place & 1 == 0, place != 0 { (place, last) = (place >> 1, last >> 1) }
            } else {
                newer = node(newer, hash)
            }
            (place, last) = (place >> 1, last >> 1)
        }
        return last == 0 && older == old.root && newer == new.root
    }
}

/// How many leaves a tree has, and what they hash to.
package struct TreeHead: Hashable, Sendable {
    package let size: UInt64
    package let root: Digest

    package init(size: UInt64, root: Digest) {
        self.size = size
        self.root = root
    }

    package static let empty = TreeHead(size: 0, root: MerkleTree.emptyRoot)
}

/// A growing tree, kept as the roots of its perfect subtrees: at most 64 hashes, whatever its size.
package struct CompactRange: Hashable, Sendable {
    package private(set) var size: UInt64 = 0
    /// From the largest, on the left, to the smallest.
    private var roots: [Digest] = []

    package init() {}

    /// The tiles that a tree's right edge is made from, the highest first.
    package static func edge(ofSize size: UInt64) -> [TileID] {
        (0...TileID.maxLevel).reversed().compactMap { level in
            let shift = UInt64(level * TileID.height)
            return size >> shift > 0 ? TileID(level: level, number: size >> (shift + UInt64(TileID.height))) : nil
        }
    }

    /// A tree as its stored hashes give it: the perfect subtrees from the left, out of one tile of each level.
    /// - Parameter tiles: the hashes of ``edge(ofSize:)``; what is missing makes the tree shorter.
    package init(size: UInt64, tiles: [TileID: [Digest]]) {
        for tile in Self.edge(ofSize: size) {
            for hash in (tiles[tile] ?? []).prefix(tile.width(inTreeOf: size)) {
                guard self.size & ((1 << UInt64(tile.level * TileID.height)) - 1) == 0 else { return }
                _ = append(hash, height: tile.level * TileID.height)
            }
        }
    }

    /// Adds a leaf.
    /// - Returns: the tiles that it filled, lowest first.
    package mutating func append(_ leaf: Digest) -> [TileRoot] { append(leaf, height: 0) }

    /// Adds a perfect subtree of 2^height leaves; the size so far must be a multiple of that.
    package mutating func append(_ root: Digest, height: Int) -> [TileRoot] {
        precondition(size & ((1 << UInt64(height)) - 1) == 0, "a subtree begins at a multiple of its size")
        var filled: [TileRoot] = []
        var (hash, level, index) = (root, height, size >> UInt64(height))
        size += 1 << UInt64(height)
        while index & 1 == 1 {
            hash = MerkleTree.node(roots.removeLast(), hash)
            (level, index) = (level + 1, index >> 1)
            if level % TileID.height == 0 {
                filled.append(TileRoot(tile: TileID(level: level / TileID.height - 1, number: index), root: hash))
            }
        }
        roots.append(hash)
        return filled
    }

    package var root: Digest {
        guard var hash = roots.last else { return MerkleTree.emptyRoot }
        for left in roots.dropLast().reversed() { hash = MerkleTree.node(left, hash) }
        return hash
    }

    package var head: TreeHead { TreeHead(size: size, root: root) }
}
