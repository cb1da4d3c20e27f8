package import FogCore

/// What a log asks of a witness: C2SP tlog-witness, `add-checkpoint`.
///
/// `old SIZE`, a line of base64 for each hash of the consistency proof, an empty line, the signed checkpoint.
package struct WitnessRequest: Hashable, Sendable {
    /// Of the checkpoint that the witness cosigned last.
    package let oldSize: UInt64
    package let proof: [Digest]
    /// The signed note, as it came.
    package let note: [UInt8]

    /// A proof has at most so many hashes.
    package static let maxProof = 63
    /// The longest request that is read, in bytes.
    package static let maxBytes = 64 << 10

    package init(oldSize: UInt64, proof: [Digest], note: [UInt8]) {
        (self.oldSize, self.proof, self.note) = (oldSize, proof, note)
    }

    /// - Throws: `bad_request` for bytes that are none.
    package init(_ bytes: [UInt8]) throws(LedgerFailure) {
        func failure(_ words: String) -> LedgerFailure { LedgerFailure("bad_request", words) }
        guard bytes.count <= Self.maxBytes else {
            throw failure("a request has at most \(Self.maxBytes) bytes, found \(bytes.count)")
        }
        guard let blank = bytes.indices.dropFirst().first(where: { bytes[$0] == 0x0a && bytes[$0 - 1] == 0x0a }) else {
            throw failure("a request is `old SIZE`, hashes, an empty line and a checkpoint")
        }
        var lines = bytes[..<blank].split(separator: 0x0a, omittingEmptySubsequences: false).dropLast()
            .map { String(decoding: $0, as: UTF8.self) }
        let first = lines.isEmpty ? "" : lines.removeFirst()
        guard first.hasPrefix("old "), let size = UInt64(first.dropFirst(4)), "old \(size)" == first else {
            throw failure("the first line reads `old SIZE`, found `\(first.prefix(80))`")
        }
        guard lines.count <= Self.maxProof else {
            throw failure("a proof has at most \(Self.maxProof) hashes, found \(lines.count)")
        }
        var proof: [Digest] = []
        for line in lines {
            guard let raw = Base64.decode(line), let hash = try? Digest(bytes: raw) else {
                throw failure("a hash of the proof is 32 bytes in base64, found `\(line.prefix(80))`")
            }
            proof.append(hash)
        }
        self.init(oldSize: size, proof: proof, note: Array(bytes[(blank + 1)...]))
    }

    package var bytes: [UInt8] {
        let lines = (["old \(oldSize)"] + proof.map { Base64.encode($0.bytes) }).map { $0 + "\n" }.joined()
        return Array((lines + "\n").utf8) + note
    }
}

/// What a witness makes of a request.
package enum WitnessVerdict: Hashable, Sendable {
    /// To be kept as the newest, then cosigned.
    case consistent(VerifiedCheckpoint)
    /// 400: no request at all, or an old size above the checkpoint's.
    case malformed(String)
    /// 404
    case unknownLog(String)
    /// 403: not signed by the log, or wrongly in its name.
    case unsigned(String)
    /// 409, with the size that was cosigned last.
    case conflict(UInt64)
    /// 422: another history than the one that was cosigned. `proof` is what shows it: the two checkpoints.
    case inconsistent(String, kept: TreeHead, shown: VerifiedCheckpoint)

    /// Of HTTP.
    package var status: Int {
        switch self {
        case .consistent: 200
        case .malformed: 400
        case .unsigned: 403
        case .unknownLog: 404
        case .conflict: 409
        case .inconsistent: 422
        }
    }
}

/// Judges what logs ask: a decision over values. Who keeps the newest head asks, stores and only then signs.
package enum Witness {
    /// - Parameters:
    ///   - logs: the keys of logs that are witnessed.
    ///   - latest: the head that was cosigned last for an origin; nil for none.
    package static func judge(
        _ body: [UInt8], logs: [NoteKey], latest: (_ origin: String) -> TreeHead?
    ) -> WitnessVerdict {
        let request: WitnessRequest
        let origin: String
        do throws(LedgerFailure) {
            request = try WitnessRequest(body)
            origin = try Checkpoint(text: SignedNote(request.note).text).origin
        } catch {
            return .malformed(error.message)
        }
        guard let key = logs.first(where: { $0.name == origin && $0.kind == .note }) else {
            return .unknownLog("no key is known for the log `\(origin.prefix(120))`")
        }
        let shown: VerifiedCheckpoint
        do throws(LedgerFailure) { shown = try VerifiedCheckpoint(request.note, key: key) } catch {
            return .unsigned(error.message)
        }
        let size = shown.head.size
        guard request.oldSize <= size else {
            return .malformed("the old size \(request.oldSize) is above the checkpoint's, \(size)")
        }
        let kept = latest(origin) ?? TreeHead(size: 0, root: MerkleTree.emptyRoot)
        guard request.oldSize == kept.size else { return .conflict(kept.size) }
        func inconsistent(_ words: String) -> WitnessVerdict { .inconsistent(words, kept: kept, shown: shown) }
        guard size > 0 || shown.head.root == MerkleTree.emptyRoot else {
            return inconsistent("an empty tree has the hash of nothing as its root, found \(shown.head.root)")
        }
        if request.oldSize == 0 {
            guard request.proof.isEmpty else {
                return inconsistent("nothing is to be proved from an empty tree, found \(request.proof.count) hashes")
            }
        } else if size == kept.size {
            guard request.proof.isEmpty, shown.head.root == kept.root else {
                return inconsistent("the tree of \(size) records has the root \(kept.root), found \(shown.head.root)")
            }
        } else if !MerkleTree.verify(from: kept, to: shown.head, proof: request.proof) {
            return inconsistent(
                "the tree of \(size) records does not begin with the \(kept.size) that were cosigned")
        }
        return .consistent(shown)
    }
}
