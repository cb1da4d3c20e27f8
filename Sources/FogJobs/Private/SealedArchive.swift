package import FogCore

/// How large what is sealed looks.
package enum SizeBucket {
    package static let least: Int64 = 4096
    /// Up to here the next power of two, beyond it steps of an eighth of one.
    static let coarse: Int64 = 1 << 20

    /// The bucket that holds so many bytes; 1.125 times as many at most beyond 1 MiB.
    package static func holding(_ bytes: Int64) -> Int64 {
        var power = least
        while power < bytes, power < Int64.max / 2 { power *= 2 }
        guard bytes > coarse else { return power }
        let step = power / 16
        return (bytes + step - 1) / step * step
    }
}

/// Several contents as one sealed one: a head that says what they are, the contents, and zeros up to the bucket.
///
/// It is made and read piece by piece, since it may be larger than memory.
package struct ArchiveWriter: Sendable {
    private var sealer: PieceSealer
    private var pending: [UInt8] = []
    /// Plain bytes that are to come, padding among them.
    private var left: Int64
    private var padding: Int64
    private var isBegun = false
    private let headBytes: [UInt8]

    /// - Parameters:
    ///   - head: what is in it, and in which order.
    ///   - contentBytes: of all contents together.
    ///   - salt: 32 bytes that no other content of this part has; nil = random ones.
    package init(_ seal: JobSeal, _ part: JobSeal.Part, head: JSON, contentBytes: Int64, salt: Digest? = nil) {
        let (purpose, context) = seal.purpose(part)
        sealer = PieceSealer(
            key: seal.key, purpose: purpose, context: context, salt: salt?.bytes ?? SecureRandom.bytes(32))
        let text = Array(head.canonical.utf8)
        var writer = CanonicalWriter(reserving: text.count + 8)
        writer.write(UInt64(text.count))
        writer.write(raw: text)
        headBytes = writer.bytes
        let used = Int64(headBytes.count) + contentBytes
        left = SizeBucket.holding(used)
        padding = left - used
    }

    /// Of the whole, once it is sealed.
    package var sealedSize: Int64 { SealedPieces.sealedSize(of: left) }

    /// Takes the next bytes of the contents, and gives what is sealed by now.
    package mutating func add(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var out: [UInt8] = []
        if !isBegun {
            isBegun = true
            out = sealer.head
            pending = headBytes
        }
        pending += bytes
        var taken = 0
        // The last piece is told apart by what is left, so a full one waits until more is known to follow.
        while pending.count - taken >= SealedPieces.pieceBytes, left > Int64(SealedPieces.pieceBytes) {
            out += sealer.seal(Array(pending[taken..<taken + SealedPieces.pieceBytes]), isLast: false)
            taken += SealedPieces.pieceBytes
            left -= Int64(SealedPieces.pieceBytes)
        }
        pending.removeFirst(taken)
        return out
    }

    /// Sealed bytes that follow the contents; nil when all is said. To be called until then.
    package mutating func finish() -> [UInt8]? {
        if left < 0 { return nil }
        let zeros = Int(min(padding, 1 << 20))
        padding -= Int64(zeros)
        var out = add([UInt8](repeating: 0, count: zeros))
        if padding == 0 {
            precondition(Int64(pending.count) == left, "an archive holds what was announced")
            out += sealer.seal(pending, isLast: true)
            (pending, left) = ([], -1)
        }
        return out
    }

    /// A small archive at once.
    package static func seal(
        _ seal: JobSeal, _ part: JobSeal.Part, head: JSON, contents: [[UInt8]], salt: Digest? = nil
    ) -> [UInt8] {
        var writer = ArchiveWriter(
            seal, part, head: head, contentBytes: contents.reduce(0) { $0 + Int64($1.count) }, salt: salt)
        var out: [UInt8] = []
        for content in contents { out += writer.add(content) }
        while let more = writer.finish() { out += more }
        return out
    }
}

/// Reads an archive from its beginning to its end.
package struct ArchiveReader {
    /// Of a head, in bytes: as many as a million files need.
    package static let headLimit = 256 << 20

    package let head: JSON
    private var opener: PieceOpener
    private let source: (Int64, Int) throws -> [UInt8]
    private let size: Int64
    private var position: Int64
    private var plain: ArraySlice<UInt8> = []

    /// - Parameters:
    ///   - size: of what is sealed.
    ///   - source: bytes of it from an offset, so many; fewer is an end.
    /// - Throws: `bad_seal` for what does not open, `bad_archive` for what has no head, and what the source throws.
    package init(
        _ seal: JobSeal, _ part: JobSeal.Part, size: Int64, source: @escaping (Int64, Int) throws -> [UInt8]
    ) throws {
        let (purpose, context) = seal.purpose(part)
        let start = try source(0, SealedPieces.headBytes)
        var opener = try PieceOpener(key: seal.key, purpose: purpose, context: context, head: start)
        var position = Int64(SealedPieces.headBytes)
        var plain: ArraySlice<UInt8> = []
        func fill(to count: Int) throws {
            while plain.count < count {
                let piece = try Self.piece(&opener, at: &position, of: size, source)
                guard let piece else { throw JobsFailure("bad_archive", "what was sealed ends in its head") }
                plain += piece
            }
        }
        try fill(to: 8)
        let length = plain.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length <= UInt64(Self.headLimit) else {
            throw JobsFailure("bad_archive", "its head has \(length) bytes, at most \(Self.headLimit)")
        }
        plain = plain.dropFirst(8)
        try fill(to: Int(length))
        head = try JSON(parsing: Array(plain.prefix(Int(length))))
        (self.opener, self.source, self.size, self.position) = (opener, source, size, position)
        self.plain = plain.dropFirst(Int(length))
    }

    private static func piece(
        _ opener: inout PieceOpener, at position: inout Int64, of size: Int64,
        _ source: (Int64, Int) throws -> [UInt8]
    ) throws -> [UInt8]? {
        guard position < size else { return nil }
        let count = Int(min(Int64(SealedPieces.pieceBytes + SealedPieces.tagBytes), size - position))
        let sealed = try source(position, count)
        position += Int64(count)
        return try opener.open(sealed, isLast: position >= size)
    }

    /// The next bytes of the contents, at most so many and at least one.
    /// - Throws: `bad_archive` when there are no more.
    package mutating func read(_ count: Int) throws -> ArraySlice<UInt8> {
        while plain.isEmpty {
            guard let piece = try Self.piece(&opener, at: &position, of: size, source) else {
                throw JobsFailure("bad_archive", "what was sealed ends before its contents do")
            }
            plain = piece[...]
        }
        defer { plain = plain.dropFirst(min(count, plain.count)) }
        return plain.prefix(count)
    }

    /// Reads one content to its end.
    package mutating func read(_ size: Int64, into receive: (ArraySlice<UInt8>) throws -> Void) throws {
        var left = size
        while left > 0 {
            let bytes = try read(Int(min(left, 1 << 20)))
            try receive(bytes)
            left -= Int64(bytes.count)
        }
    }

    /// Reads what is left: only then it is known that nothing was cut off.
    package mutating func finish() throws {
        while try Self.piece(&opener, at: &position, of: size, source) != nil {}
    }

    /// A small archive from memory: its head and its contents of these sizes.
    package static func open(
        _ bytes: [UInt8], _ seal: JobSeal, _ part: JobSeal.Part, sizes: (JSON) throws -> [Int64]
    ) throws -> (head: JSON, contents: [[UInt8]]) {
        var reader = try ArchiveReader(seal, part, size: Int64(bytes.count)) { offset, count in
            Array(bytes.dropFirst(Int(offset)).prefix(count))
        }
        let contents = try sizes(reader.head).map { size in
            var content: [UInt8] = []
            try reader.read(size) { content += $0 }
            return content
        }
        try reader.finish()
        return (reader.head, contents)
    }
}
