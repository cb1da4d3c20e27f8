import FogCore
import FogLedger
import Testing

@Suite("Tree of the log")
struct TreeTests {
    @Test("RFC 6962: leaves, nodes and the roots of all sizes")
    func roots() throws {
        let file = try vectors("rfc6962_merkle.json")
        let leaves = try #require(file["leaf_inputs_hex"]?.array).map { try #require(Hex.decode($0.string ?? "x")) }
        let roots = try #require(file["root_hex_by_size"]?.array).map { $0.string }
        let levels = try #require(file["node_hashes_hex_by_level"]?.array)
        var range = CompactRange()
        #expect(range.root.description == roots[0])
        for (index, leaf) in leaves.enumerated() {
            let hash = LedgerRecord.leafHash(leaf)
            #expect(hash.description == levels[0].array?[index].string)
            #expect(range.append(hash).isEmpty)
            #expect(range.root.description == roots[index + 1])
        }
        let pairs = try #require(levels[0].array).map { try Digest($0.string ?? "") }
        #expect(MerkleTree.node(pairs[0], pairs[1]).description == levels[1].array?[0].string)
    }

    @Test("RFC 6962: 98 proofs of inclusion and 98 of consistency, good and bad")
    func proofs() throws {
        let file = try vectors("rfc6962_merkle.json")
        func hash(_ json: JSON?) throws -> Digest? {
            json?.string.flatMap { Base64.decode($0) }.flatMap { try? Digest(bytes: $0) }
        }
        func path(_ json: JSON) throws -> [Digest]? {
            let hashes = try (json["proof"]?.array ?? []).map(hash)
            return hashes.contains(nil) ? nil : hashes.compactMap { $0 }
        }
        // The one that is no Int64 is 2^64 - 1.
        func number(_ json: JSON?) -> UInt64 { UInt64(bitPattern: json?.integer ?? -1) }
        let inclusion = try #require(file["inclusion"]?.array), consistency = try #require(file["consistency"]?.array)
        #expect(inclusion.count == 98 && consistency.count == 98)
        for vector in inclusion {
            var holds = false
            if let root = try hash(vector["root"]), let leaf = try hash(vector["leafHash"]), let path = try path(vector)
            {
                holds = MerkleTree.verify(
                    leaf: leaf, at: number(vector["leafIdx"]),
                    in: TreeHead(size: number(vector["treeSize"]), root: root), proof: path)
            }
            #expect(holds == (vector["wantErr"]?.bool == false), "\(vector["file"]?.string ?? "")")
        }
        for vector in consistency {
            // Some roots are no hashes at all; equal ones of equal trees count all the same.
            let roots = [vector["root1"], vector["root2"]].map { $0?.string.flatMap { Base64.decode($0) } ?? [] }
            let digests = try roots.map { try $0.count == 32 ? Digest(bytes: $0) : Digest.sha256($0) }
            var holds = false
            if let path = try path(vector) {
                holds = MerkleTree.verify(
                    from: TreeHead(size: number(vector["size1"]), root: digests[0]),
                    to: TreeHead(size: number(vector["size2"]), root: digests[1]), proof: path)
            }
            #expect(holds == (vector["wantErr"]?.bool == false), "\(vector["file"]?.string ?? "")")
        }
    }

    // MARK: - A log made by Tessera

    @Test("every checkpoint, tile and bundle of a log made by others is what we make of its leaves")
    func tessera() throws {
        let file = try vectors("tlog_tiles_log.json")
        let key = try NoteKey(#require(file["vkey"]?.string))
        let leaves = try #require(file["leaves_utf8"]?.array).map {
            LedgerRecord.leafHash(Array(($0.string ?? "").utf8))
        }
        func bytes(_ path: String) throws -> [UInt8] {
            try #require(file["files_base64"]?[path]?.string.flatMap { Base64.decode($0) }, "\(path)")
        }
        var range = CompactRange()
        for size in 0...leaves.count {
            let note = try bytes("checkpoint.\(size)")
            let verified = try VerifiedCheckpoint(note, key: key)
            #expect(verified.head == range.head)
            #expect(verified.note.bytes == note && verified.checkpoint.text == verified.note.text)
            if size > 0 {
                let tile = TileID(level: 0, number: 0)
                let path = "tile/" + tile.path(width: size)
                #expect(tile.width(inTreeOf: UInt64(size)) == size)
                #expect(try bytes(path) == leaves[..<size].flatMap(\.bytes), "\(path)")
                #expect(TileRequest(path.dropFirst(5))?.width == size)
            }
            if size < leaves.count { _ = range.append(leaves[size]) }
        }
        let last = try VerifiedCheckpoint(bytes("checkpoint"), key: key)
        for index in leaves.indices {
            let proof = try #require(TreeProof.inclusion(of: UInt64(index), in: 15))
            let path = try proof.hashes([TileID(level: 0, number: 0): leaves])
            #expect(MerkleTree.verify(leaf: leaves[index], at: UInt64(index), in: last.head, proof: path))
            #expect(!MerkleTree.verify(leaf: leaves[(index + 1) % 15], at: UInt64(index), in: last.head, proof: path))
        }
    }

    @Test("the order of numbers in a path is C2SP's, and each has one form")
    func paths() {
        #expect(TileID(level: 0, number: 1_234_067).path() == "0/x001/x234/067")
        #expect(TileID(level: 2, number: 5).path(width: 7) == "2/005.p/7")
        for number in [0, 1, 255, 999, 1000, 999_999, 1_000_000, UInt64.max / 1000] as [UInt64] {
            for width in [1, 255, 256] {
                let request = TileRequest("3/" + TileID.path(number: number, width: width))
                #expect(request?.number == number && request?.width == width && request?.kind == .hashes(level: 3))
            }
        }
        let wrong = [
            "0/1", "0/0001", "0/x000/001", "0/x001", "x0/001", "0/001.p/0", "0/001.p/256", "0/001.p/01", "0/001.p",
            "8/001",
            "00/001", "0/+01", "0/001/", "/001", "0/", "entries", "entries/x1/001", "-1/001", "0/001.p/+1", "",
        ]
        for path in wrong { #expect(TileRequest(path) == nil, "\(path)") }
        #expect(TileRequest("entries/x001/234.p/9")?.kind == .entries)
    }

    // MARK: - Against the definition

    /// MTH of RFC 6962 section 2.1, word for word.
    static func defined(_ leaves: ArraySlice<Digest>) -> Digest {
        guard leaves.count > 1 else { return leaves.first ?? MerkleTree.emptyRoot }
        var half = 1
        while half * 2 < leaves.count { half *= 2 }
        let middle = leaves.startIndex + half
        return MerkleTree.node(defined(leaves[..<middle]), defined(leaves[middle...]))
    }

    @Test("proofs made from tiles hold, for trees with one, two and three levels of tiles")
    func fromTiles() throws {
        var random = SeededGenerator(seed: 11)
        let leaves = (0..<70_000).map { LedgerRecord.leafHash(Array("leaf \($0)".utf8)) }
        var (range, tiles) = (CompactRange(), [TileID: [Digest]]())
        var heads: [UInt64: TreeHead] = [:]
        let sizes: Set<UInt64> = [1, 2, 3, 255, 256, 257, 511, 512, 700, 65_535, 65_536, 65_537, 69_999, 70_000]
        for (index, leaf) in leaves.enumerated() {
            tiles[TileID(level: 0, number: UInt64(index) / 256), default: []].append(leaf)
            for filled in range.append(leaf) {
                tiles[TileID(level: filled.tile.level + 1, number: filled.tile.number / 256), default: []]
                    .append(filled.root)
            }
            if sizes.contains(range.size) { heads[range.size] = range.head }
        }
        #expect(range.root == Self.defined(leaves[...]))
        #expect(tiles[TileID(level: 2, number: 0)]?.count == 1)
        for size in sizes.sorted() {
            let head = try #require(heads[size])
            #expect(try TreeProof.root(of: size).hashes(tiles) == [head.root])
            for _ in 0..<20 {
                let index = random.next() % size
                let proof = try #require(TreeProof.inclusion(of: index, in: size))
                // Only what it names, no wider than the tree makes it: what somebody else's server would give.
                let given = try proof.tiles.reduce(into: [TileID: [Digest]]()) { given, tile in
                    given[tile.key] = Array(try #require(tiles[tile.key]).prefix(tile.value))
                }
                let path = try proof.hashes(given)
                #expect(MerkleTree.verify(leaf: leaves[Int(index)], at: index, in: head, proof: path))
                #expect(!MerkleTree.verify(leaf: leaves[Int(index)], at: index + 1, in: head, proof: path))
            }
            for old in sizes where old <= size {
                let older = try #require(heads[old])
                let proof = try #require(TreeProof.consistency(from: old, to: size)).hashes(tiles)
                #expect(MerkleTree.verify(from: older, to: head, proof: proof))
                let forked = TreeHead(size: old, root: MerkleTree.node(older.root, older.root))
                #expect(!MerkleTree.verify(from: forked, to: head, proof: proof))
            }
        }
        #expect(TreeProof.inclusion(of: 5, in: 5) == nil && TreeProof.consistency(from: 0, to: 5) == nil)
        #expect(throws: LedgerFailure.self) { try TreeProof.root(of: 300).hashes([:]) }
    }
}
