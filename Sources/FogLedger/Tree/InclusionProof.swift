package import FogCore

/// A file that proves one record to anybody, offline: C2SP tlog-proof, with the record itself as its extra data.
package struct InclusionProof: Hashable, Sendable {
    /// The record's bytes.
    package let record: [UInt8]
    package let index: UInt64
    /// The leaf's sibling first.
    package let path: [Digest]
    package let checkpoint: [UInt8]

    package init(record: [UInt8], index: UInt64, path: [Digest], checkpoint: [UInt8]) {
        self.record = record
        self.index = index
        self.path = path
        self.checkpoint = checkpoint
    }

    private static let firstLine = "c2sp.org/tlog-proof@v1"
    /// A path in a tree of 2^63 leaves has so many.
    private static let maxPath = 63
    /// The longest file that is read, in bytes.
    package static let maxBytes = 1 << 21

    /// - Throws: `bad_proof` for bytes that are no such file. Nothing is verified yet.
    package init(decoding bytes: [UInt8]) throws(LedgerFailure) {
        func failure(_ words: String) -> LedgerFailure { LedgerFailure("bad_proof", words) }
        guard bytes.count <= Self.maxBytes else {
            throw failure("a proof has at most \(Self.maxBytes) bytes, found \(bytes.count)")
        }
        let end = (1..<max(1, bytes.count)).first { bytes[$0 - 1] == 0x0a && bytes[$0] == 0x0a }
        guard let end else { throw failure("a proof is lines, an empty line and a checkpoint") }
        var lines = bytes[..<(end - 1)].split(separator: 0x0a, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }[...]
        guard lines.popFirst() == Self.firstLine else {
            throw failure("the file does not begin with \(Self.firstLine)")
        }
        guard let extra = lines.popFirst(), extra.hasPrefix("extra "), let record = Base64.decode(extra.dropFirst(6))
        else { throw failure("the second line is `extra` and the record in base64") }
        guard let line = lines.popFirst(), line.hasPrefix("index "), let index = UInt64(line.dropFirst(6)),
            line == "index \(index)"
        else { throw failure("the third line is `index` and a decimal number") }
        guard lines.count <= Self.maxPath else {
            throw failure("a path of \(lines.count) hashes is over \(Self.maxPath)")
        }
        path = try lines.map { line throws(LedgerFailure) in
            guard let raw = Base64.decode(line), let hash = try? Digest(bytes: raw) else {
                throw failure("a hash is 32 bytes in base64, found `\(line.prefix(80))`")
            }
            return hash
        }
        self.record = record
        self.index = index
        checkpoint = Array(bytes[(end + 1)...])
        guard encoded == bytes else { throw failure("the file is not written the one way that it can be") }
    }

    package var encoded: [UInt8] {
        var text = "\(Self.firstLine)\nextra \(Base64.encode(record))\nindex \(index)\n"
        for hash in path { text += Base64.encode(hash.bytes) + "\n" }
        return Array((text + "\n").utf8) + checkpoint
    }

    /// Verifies the file whole.
    /// - Parameters:
    ///   - key: the log's.
    ///   - witnesses: whose cosignatures count, of which `quorum` must be there.
    /// - Throws: what ``VerifiedCheckpoint/init(_:key:)`` throws, `not_included`, `no_quorum`, `bad_record`.
    package func verify(key: NoteKey, witnesses: [NoteKey] = [], quorum: Int = 0) throws(LedgerFailure)
        -> (record: LedgerRecord, checkpoint: VerifiedCheckpoint, witnesses: [NoteKey])
    {
        try verify(key: key, policy: WitnessPolicy(witnesses, quorum: quorum))
    }

    package func verify(key: NoteKey, policy: WitnessPolicy) throws(LedgerFailure)
        -> (record: LedgerRecord, checkpoint: VerifiedCheckpoint, witnesses: [NoteKey])
    {
        let checkpoint = try VerifiedCheckpoint(self.checkpoint, key: key)
        let leaf = LedgerRecord.leafHash(record)
        guard MerkleTree.verify(leaf: leaf, at: index, in: checkpoint.head, proof: path) else {
            throw LedgerFailure(
                "not_included", "the record does not stand at \(index) of the tree of \(checkpoint.head.size) records")
        }
        let decoded = try LedgerRecord(decoding: record)
        guard decoded.sequence == index else {
            throw LedgerFailure("bad_record", "the record calls itself \(decoded.sequence) and stands at \(index)")
        }
        return (decoded, checkpoint, try policy.check(checkpoint.note))
    }
}
