/// Writes the one byte form of a value that is signed or hashed: big-endian integers, length-prefixed bytes.
package struct CanonicalWriter: Sendable {
    package private(set) var bytes: [UInt8] = []

    package init(reserving capacity: Int = 256) { bytes.reserveCapacity(capacity) }

    package mutating func write<Number: FixedWidthInteger>(_ value: Number) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    /// Bytes whose length the reader knows.
    package mutating func write(raw value: some Collection<UInt8>) { bytes.append(contentsOf: value) }

    /// A 32-bit length, then the bytes.
    package mutating func write(_ value: [UInt8]) {
        write(UInt32(value.count))
        bytes.append(contentsOf: value)
    }

    package mutating func write(_ value: String) {
        var copy = value
        copy.withUTF8 {
            write(UInt32($0.count))
            bytes.append(contentsOf: $0)
        }
    }

    package mutating func write(_ value: Digest) { bytes.append(contentsOf: value.bytes) }
    package mutating func write(_ value: Timestamp) { write(value.microseconds) }
    package mutating func write<Subject>(_ value: Identifier<Subject>) {
        write(value.high)
        write(value.low)
    }
}

/// Reads what ``CanonicalWriter`` wrote. Every length is checked before it is used, and whatever decodes must encode to
/// the same bytes: so a value has one form and a signature one meaning.
package struct CanonicalReader: Sendable {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    package init(_ bytes: [UInt8]) {
        self.bytes = bytes[...]
        position = 0
    }

    package var remaining: Int { bytes.count - position }

    package mutating func read<Number: FixedWidthInteger>(_: Number.Type = Number.self) throws(CoreFailure) -> Number {
        let size = MemoryLayout<Number>.size
        guard remaining >= size else { throw Self.short }
        var value: Number = 0
        for byte in bytes[position..<position + size] { value = value << 8 | Number(truncatingIfNeeded: byte) }
        position += size
        return value
    }

    package mutating func read(raw count: Int) throws(CoreFailure) -> [UInt8] {
        guard count >= 0, remaining >= count else { throw Self.short }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    /// Length-prefixed bytes, at most `limit` of them.
    package mutating func readBytes(limit: Int = 1 << 20) throws(CoreFailure) -> [UInt8] {
        let count = Int(try read(UInt32.self))
        guard count <= limit else { throw CoreFailure("bad_encoding", "a field of \(count) bytes is over \(limit)") }
        return try read(raw: count)
    }

    package mutating func readString(limit: Int = 1 << 20) throws(CoreFailure) -> String {
        let raw = try readBytes(limit: limit)
        guard let text = String(validating: raw, as: UTF8.self) else {
            throw CoreFailure("bad_encoding", "a text is not UTF-8")
        }
        return text
    }

    package mutating func readDigest() throws(CoreFailure) -> Digest { try Digest(bytes: read(raw: 32)) }
    package mutating func readTimestamp() throws(CoreFailure) -> Timestamp { Timestamp(microseconds: try read()) }
    package mutating func readIdentifier<Subject>(_: Subject.Type = Subject.self) throws(CoreFailure) -> Identifier<
        Subject
    > {
        Identifier(high: try read(), low: try read())
    }

    /// - Throws: `bad_encoding` when bytes are left over.
    package func end() throws(CoreFailure) {
        guard remaining == 0 else { throw CoreFailure("bad_encoding", "\(remaining) bytes follow the end") }
    }

    private static let short = CoreFailure("bad_encoding", "the bytes end too early")
}
