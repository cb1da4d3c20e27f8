package import FogCore

/// What a log says of its tree, signed: C2SP tlog-checkpoint.
package struct Checkpoint: Hashable, Sendable {
    /// The log's name, which is also the name of its key.
    package let origin: String
    package let head: TreeHead
    /// Lines that others may add; none of ours.
    package let extensions: [String]

    package init(origin: String, head: TreeHead) {
        self.origin = origin
        self.head = head
        extensions = []
    }

    /// - Throws: `bad_checkpoint` for a text that is none.
    package init(text: String) throws(LedgerFailure) {
        var lines = text.utf8.split(separator: 0x0a, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        func failure(_ words: String) -> LedgerFailure { LedgerFailure("bad_checkpoint", words) }
        guard lines.count >= 4, lines.removeLast().isEmpty, !lines.contains(where: \.isEmpty) else {
            throw failure("a checkpoint has an origin, a size and a root, each on a line, and no empty line")
        }
        guard let size = UInt64(lines[1]), String(size) == lines[1] else {
            throw failure("a size is a decimal number, found `\(lines[1].prefix(40))`")
        }
        guard let raw = Base64.decode(lines[2]), let root = try? Digest(bytes: raw) else {
            throw failure("a root is 32 bytes in base64, found `\(lines[2].prefix(80))`")
        }
        origin = lines[0]
        head = TreeHead(size: size, root: root)
        extensions = Array(lines[3...])
    }

    package var text: String {
        ([origin, String(head.size), Base64.encode(head.root.bytes)] + extensions).map { $0 + "\n" }.joined()
    }

    /// What the log of a coordinator is called.
    package static func origin(of coordinator: PublicKey) -> String { "fog.ledger/\(coordinator.id)" }

    /// Signed in the coordinator's name.
    package func signed(by key: SigningKey) throws(LedgerFailure) -> SignedNote {
        SignedNote(text: text, signatures: [try key.sign(note: text, as: origin)])
    }
}

/// A checkpoint whose log's signature was verified, with the note it came in.
package struct VerifiedCheckpoint: Hashable, Sendable {
    package let note: SignedNote
    package let checkpoint: Checkpoint

    package var head: TreeHead { checkpoint.head }

    /// - Parameter key: the log's.
    /// - Throws: `bad_note`, `bad_checkpoint`, `wrong_log` for another origin, `bad_signature` for one that is missing
    ///   or does not fit.
    package init(_ bytes: [UInt8], key: NoteKey) throws(LedgerFailure) {
        note = try SignedNote(bytes)
        checkpoint = try Checkpoint(text: note.text)
        guard checkpoint.origin == key.name else {
            throw LedgerFailure(
                "wrong_log", "the checkpoint is of `\(checkpoint.origin.prefix(120))`, wanted `\(key.name)`")
        }
        guard try !note.signatures(by: key).isEmpty else {
            throw LedgerFailure("bad_signature", "the checkpoint is not signed with the key of `\(key.name)`")
        }
    }

    /// The witnesses among some that cosigned it, each once.
    /// - Throws: `bad_signature` for a cosignature in the name of one of them that does not fit.
    package func witnesses(among keys: [NoteKey]) throws(LedgerFailure) -> [NoteKey] {
        var found: [NoteKey] = []
        for key in Set(keys) where key.kind == .cosignature {
            if try !note.signatures(by: key).isEmpty { found.append(key) }
        }
        return found
    }
}

extension NoteKey {
    /// The key that a coordinator's log is signed with.
    package init(coordinator: PublicKey) throws(LedgerFailure) {
        try self.init(name: Checkpoint.origin(of: coordinator), key: coordinator)
    }
}

/// A checkpoint as the store keeps it. The newest is always of the log's end; older ones are kept about one a minute.
package struct StoredCheckpoint: Hashable, Sendable {
    /// Dense from 0, so that none is missing unseen.
    package let number: UInt64
    package let size: UInt64
    package let note: [UInt8]

    package init(number: UInt64, size: UInt64, note: [UInt8]) {
        self.number = number
        self.size = size
        self.note = note
    }
}

/// What a change of the log adds to its tree, written with it.
package struct TreeChange: Hashable, Sendable {
    package let filled: [TileRoot]
    /// Takes the place of the stored one with its number, if there is one.
    package let checkpoint: StoredCheckpoint

    package init(filled: [TileRoot], checkpoint: StoredCheckpoint) {
        self.filled = filled
        self.checkpoint = checkpoint
    }
}
