package import FogCore

/// A text with signatures below it, as C2SP signed-note has it.
package struct SignedNote: Hashable, Sendable {
    /// Ends with a newline.
    package let text: String
    package private(set) var signatures: [NoteSignature]

    /// The most signatures that are read.
    package static let maxSignatures = 100
    /// The longest note that is read, in bytes.
    package static let maxBytes = 1 << 20

    package init(text: String, signatures: [NoteSignature]) {
        self.text = text
        self.signatures = signatures
    }

    /// - Throws: `bad_note` for bytes that are no signed note; signatures are not verified yet.
    package init(_ bytes: [UInt8]) throws(LedgerFailure) {
        guard bytes.count <= Self.maxBytes, let whole = String(validating: bytes, as: UTF8.self) else {
            throw LedgerFailure("bad_note", "a note is UTF-8 of at most \(Self.maxBytes) bytes, found \(bytes.count)")
        }
        guard !bytes.contains(where: { $0 < 0x20 && $0 != 0x0a || $0 == 0x7f }) else {
            throw LedgerFailure("bad_note", "a note has no control characters but newlines")
        }
        guard bytes.last == 0x0a, let blank = Self.lastBlankLine(bytes) else {
            throw LedgerFailure("bad_note", "a note is a text, an empty line and lines of signatures")
        }
        text = String(decoding: whole.utf8.prefix(blank), as: UTF8.self)
        let lines = bytes[(blank + 1)...].dropLast().split(separator: 0x0a, omittingEmptySubsequences: false)
        guard lines.count <= Self.maxSignatures else {
            throw LedgerFailure("bad_note", "a note has at most \(Self.maxSignatures) signatures, found \(lines.count)")
        }
        signatures = []
        for line in lines { signatures.append(try NoteSignature(line: String(decoding: line, as: UTF8.self))) }
    }

    /// Where the text ends: behind the newline before the last empty line.
    private static func lastBlankLine(_ bytes: [UInt8]) -> Int? {
        guard bytes.count >= 3 else { return nil }
        return (1..<bytes.count - 1).last { bytes[$0 - 1] == 0x0a && bytes[$0] == 0x0a }
    }

    package var bytes: [UInt8] { Array((text + "\n" + signatures.map(\.line).joined()).utf8) }

    package mutating func add(_ signature: NoteSignature) { signatures.append(signature) }

    /// The signatures that a key made, verified. Those of other keys are passed over.
    /// - Throws: `bad_signature` when one in the key's own name does not verify.
    package func signatures(by key: NoteKey) throws(LedgerFailure) -> [NoteSignature] {
        var found: [NoteSignature] = []
        for signature in signatures where signature.name == key.name && signature.hash == key.hash {
            guard key.verifies(signature, of: text) else {
                throw LedgerFailure("bad_signature", "the signature of \(key.name) does not fit the note")
            }
            found.append(signature)
        }
        return found
    }
}

/// One line below a note: `— name base64(key hash, signature)`.
package struct NoteSignature: Hashable, Sendable {
    package let name: String
    /// The first 4 bytes of a hash of name and key: which key of that name.
    package let hash: [UInt8]
    package let bytes: [UInt8]

    package init(name: String, hash: [UInt8], bytes: [UInt8]) {
        self.name = name
        self.hash = hash
        self.bytes = bytes
    }

    /// - Throws: `bad_note`
    fileprivate init(line: String) throws(LedgerFailure) {
        let parts = line.unicodeScalars.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, parts[0] == "\u{2014}", NoteKey.isName(parts[1]), let raw = Base64.decode(parts[2]),
            raw.count > 4
        else {
            throw LedgerFailure("bad_note", "a signature reads `\u{2014} NAME BASE64`, found `\(line.prefix(120))`")
        }
        self.init(name: parts[1], hash: Array(raw[..<4]), bytes: Array(raw[4...]))
    }

    package var line: String { "\u{2014} \(name) \(Base64.encode(hash + bytes))\n" }
}

/// Who signs notes: a name and an Ed25519 key, for notes themselves or for cosignatures.
package struct NoteKey: Hashable, Sendable, CustomStringConvertible {
    /// The types of C2SP signed-note that are known here.
    package enum Kind: UInt8, Sendable {
        /// Over the note's text.
        case note = 1
        /// Over a time and the note's text: a witness's (C2SP tlog-cosignature).
        case cosignature = 4
    }

    package let name: String
    package let kind: Kind
    package let key: PublicKey
    package let hash: [UInt8]

    /// - Throws: `bad_note_key` for an empty name or one with a space or a plus sign.
    package init(name: String, kind: Kind = .note, key: PublicKey) throws(LedgerFailure) {
        guard Self.isName(name) else {
            throw LedgerFailure("bad_note_key", "a key's name has no spaces and no +, found `\(name.prefix(120))`")
        }
        self.name = name
        self.kind = kind
        self.key = key
        hash = Array(Digest.sha256(Array(name.utf8) + [0x0a, kind.rawValue] + key.bytes).bytes.prefix(4))
    }

    /// Reads a verifier key: `name+hash+base64(type, key)`.
    /// - Throws: `bad_note_key`
    package init(_ text: some StringProtocol) throws(LedgerFailure) {
        let parts = text.utf8.split(separator: UInt8(ascii: "+"), maxSplits: 2, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        guard parts.count == 3, let raw = Base64.decode(parts[2]), raw.count == 33, let kind = Kind(rawValue: raw[0]),
            let key = try? PublicKey(bytes: raw[1...])
        else {
            throw LedgerFailure("bad_note_key", "a verifier key reads NAME+HASH+BASE64, found `\(text.prefix(160))`")
        }
        try self.init(name: parts[0], kind: kind, key: key)
        guard Hex.encode(hash) == parts[1] else {
            throw LedgerFailure("bad_note_key", "the key's hash is \(Hex.encode(hash)), found \(parts[1].prefix(80))")
        }
    }

    package var description: String { "\(name)+\(Hex.encode(hash))+\(Base64.encode([kind.rawValue] + key.bytes))" }

    static func isName(_ name: String) -> Bool {
        !name.isEmpty && !name.unicodeScalars.contains { $0.properties.isWhitespace || $0 == "+" }
    }

    func verifies(_ signature: NoteSignature, of text: String) -> Bool {
        switch kind {
        case .note:
            guard let raw = try? Signature(bytes: signature.bytes) else { return false }
            return key.verifies(raw, of: Array(text.utf8))
        case .cosignature:
            guard let cosignature = Cosignature(signature) else { return false }
            return key.verifies(cosignature.signature, of: Cosignature.message(text, at: cosignature.seconds))
        }
    }
}

extension SigningKey {
    /// Signs a note's text under a name.
    package func sign(note text: String, as name: String) throws(LedgerFailure) -> NoteSignature {
        let key = try NoteKey(name: name, key: publicKey)
        return NoteSignature(name: name, hash: key.hash, bytes: sign(Array(text.utf8)).bytes)
    }

    /// A witness's signature over a checkpoint.
    package func cosign(_ text: String, as name: String, at time: Timestamp) throws(LedgerFailure) -> NoteSignature {
        let key = try NoteKey(name: name, kind: .cosignature, key: publicKey)
        let seconds = UInt64(max(0, time.microseconds / 1_000_000))
        let raw = sign(Cosignature.message(text, at: seconds)).bytes
        return NoteSignature(
            name: name, hash: key.hash, bytes: withUnsafeBytes(of: seconds.bigEndian, Array.init) + raw)
    }
}

/// What a witness says: I saw this checkpoint then, and it was consistent with all that I saw before.
package struct Cosignature: Hashable, Sendable {
    /// Unix time.
    package let seconds: UInt64
    package let signature: Signature

    package init?(_ line: NoteSignature) {
        guard line.bytes.count == 72, let signature = try? Signature(bytes: line.bytes[8...]) else { return nil }
        seconds = line.bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) }
        self.signature = signature
    }

    static func message(_ text: String, at seconds: UInt64) -> [UInt8] {
        Array("cosignature/v1\ntime \(seconds)\n\(text)".utf8)
    }
}
