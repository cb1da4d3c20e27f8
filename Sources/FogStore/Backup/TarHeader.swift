/// The 512 bytes before each file of an archive: POSIX.1-1988 `ustar`, with GNU's binary sizes from 8 GiB on.
///
/// Only what a backup needs: regular files with plain relative names of at most 100 bytes.
struct TarHeader: Equatable {
    static let blockSize = 512
    static let nameLimit = 100
    private static let octalLimit: Int64 = 1 << 33

    var name: String
    var size: Int64
    /// Seconds since 1970.
    var modified: Int64

    /// Bytes between the end of a file and the next header.
    var padding: Int { Int((Int64(Self.blockSize) - size % Int64(Self.blockSize)) % Int64(Self.blockSize)) }

    /// Names lead nowhere but into the folder: plain parts, none that begins with a dot.
    static func isName(_ name: String) -> Bool {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        return name.utf8.count <= nameLimit && !parts.isEmpty && parts.allSatisfy { Folder.isPlain(String($0)) }
    }

    // MARK: - Writing

    var bytes: [UInt8] {
        var block = [UInt8](repeating: 0, count: Self.blockSize)
        func put(_ text: String, at offset: Int) {
            for (index, byte) in text.utf8.enumerated() { block[offset + index] = byte }
        }
        put(name, at: 0)
        put("0000600\0" + "0000000\0" + "0000000\0", at: 100)
        if size < Self.octalLimit {
            put(Self.octal(size, digits: 11), at: 124)
        } else {
            block[124] = 0x80
            for index in 0..<8 { block[128 + index] = UInt8(truncatingIfNeeded: size >> Int64(56 - 8 * index)) }
        }
        put(Self.octal(min(max(0, modified), Self.octalLimit - 1), digits: 11), at: 136)
        put("        ", at: 148)
        put("0", at: 156)
        put("ustar\u{0}00", at: 257)
        put(Self.octal(Self.sum(block), digits: 6) + "\0 ", at: 148)
        return block
    }

    private static func octal(_ value: Int64, digits: Int) -> String {
        let text = String(value, radix: 8)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }

    private static func sum(_ block: [UInt8]) -> Int64 { block.reduce(0) { $0 + Int64($1) } }

    // MARK: - Reading

    init(name: String, size: Int64, modified: Int64 = 0) {
        self.name = name
        self.size = size
        self.modified = modified
    }

    /// Nil for the block of zeros that ends an archive.
    /// - Throws: `bad_archive` for anything that a backup does not hold, naming the entry.
    static func read(_ block: [UInt8]) throws(StoreFailure) -> TarHeader? {
        guard block.count == blockSize else { throw broken("the archive ends in the middle of a header") }
        if block.allSatisfy({ $0 == 0 }) { return nil }
        var unsummed = block
        for index in 148..<156 { unsummed[index] = UInt8(ascii: " ") }
        guard let stored = number(block[148..<156]), stored == sum(unsummed) else {
            throw broken("a header's checksum is wrong")
        }
        let name = String(decoding: block[0..<nameLimit].prefix { $0 != 0 }, as: UTF8.self)
        // A name that is no backup's is not repeated: it may hold anything.
        guard isName(name), block[345..<500].allSatisfy({ $0 == 0 }) else {
            throw broken("an entry's name is not one of a backup's")
        }
        guard block[156] == UInt8(ascii: "0") else { throw broken("\(name) is no regular file") }
        guard let size = number(block[124..<136]), size >= 0 else { throw broken("\(name) has no size") }
        return TarHeader(name: name, size: size, modified: number(block[136..<148]) ?? 0)
    }

    static func broken(_ words: String) -> StoreFailure {
        StoreFailure("bad_archive", "the file is no whole backup: \(words)")
    }

    private static func number(_ field: ArraySlice<UInt8>) -> Int64? {
        if field.first == 0x80 {
            guard field.dropFirst().dropLast(8).allSatisfy({ $0 == 0 }) else { return nil }
            let value = field.suffix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            return Int64(exactly: value)
        }
        let digits = field.drop { $0 == UInt8(ascii: " ") }.prefix { $0 != 0 && $0 != UInt8(ascii: " ") }
        // A number's reader would take a sign.
        guard digits.allSatisfy({ (0x30...0x37).contains($0) }) else { return nil }
        return Int64(String(decoding: digits, as: UTF8.self), radix: 8)
    }
}
