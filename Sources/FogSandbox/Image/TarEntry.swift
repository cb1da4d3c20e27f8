/// A block that begins an entry, its fields read and its checksum checked.
struct TarHeader {
    let path: [UInt8]
    let link: [UInt8]
    let mode: UInt32
    let size: Int64
    let modified: Int64
    let kind: UInt8

    init(_ block: [UInt8], at position: Int64) throws(SandboxFailure) {
        func field(_ range: Range<Int>) -> [UInt8] { Array(block[range].prefix { $0 != 0 }) }
        let unsigned = block.indices.reduce(0) { $0 + ((148..<156).contains($1) ? 32 : Int(block[$1])) }
        guard let checksum = Self.number(block[148..<156]), checksum == Int64(unsigned) else {
            throw TarReader.refused("no tar header at \(position): its checksum is wrong")
        }
        guard let size = Self.number(block[124..<136]), let mode = Self.number(block[100..<108]) else {
            throw TarReader.refused("a tar header at \(position) has a number that does not read")
        }
        self.size = size
        self.mode = UInt32(truncatingIfNeeded: mode)
        // A time before 1970, or one that does not read, is no reason to refuse a file.
        modified = Self.number(block[136..<148]) ?? 0
        kind = block[156]
        link = field(157..<257)
        let name = field(0..<100)
        // GNU's own magic has no prefix; other fields stand in its place.
        let prefix = Array(block[257..<263]) == Array("ustar\0".utf8) ? field(345..<500) : []
        path = prefix.isEmpty ? name : prefix + [UInt8(ascii: "/")] + name
    }

    /// Octal digits between spaces, ended by a space or zero byte; or binary, marked by the first bit (GNU).
    static func number(_ field: ArraySlice<UInt8>) -> Int64? {
        guard let first = field.first else { return nil }
        if first & 0x80 != 0 {
            guard first == 0x80 else { return nil }
            var value: Int64 = 0
            for byte in field.dropFirst() {
                guard value < 1 << 55 else { return nil }
                value = value << 8 | Int64(byte)
            }
            return value
        }
        let digits = field.drop { $0 == 0x20 }.prefix { $0 != 0 && $0 != 0x20 }
        guard digits.count <= 20, digits.allSatisfy({ (0x30...0x37).contains($0) }) else { return nil }
        return digits.reduce(0) { $0 << 3 | Int64($1 - 0x30) }
    }
}

/// One thing of an archive, under a name that lies in it.
package struct TarEntry: Hashable, Sendable {
    package static let maxPathBytes = 4095
    package static let maxDepth = 64

    package enum Kind: Hashable, Sendable {
        case file(size: Int64)
        case folder
        /// As it stands; an absolute one counts from the archive's root.
        case link(target: [UInt8])
        /// Another name of an earlier file.
        case hardLink(target: [[UInt8]])
    }

    /// Plain names; empty for the root itself.
    package let path: [[UInt8]]
    package let kind: Kind
    /// Nine bits; the others are dropped.
    package let mode: UInt32
    /// Seconds since 1970.
    package let modified: Int64
    /// Where the content begins.
    package let offset: Int64

    /// The name for people.
    package var name: String { Self.shown(Array(path.joined(separator: [UInt8(ascii: "/")]))) }

    init(
        _ header: TarHeader, path longPath: [UInt8]?, link longLink: [UInt8]?, size longSize: Int64?,
        modified longTime: Int64?, offset: Int64
    ) throws(SandboxFailure) {
        let name = longPath ?? header.path, target = longLink ?? header.link, size = longSize ?? header.size
        path = try Self.components(name, of: name)
        mode = header.mode & 0o777
        modified = longTime ?? header.modified
        self.offset = offset
        let shown = Self.shown(name)
        switch header.kind {
        case 0, UInt8(ascii: "0"), UInt8(ascii: "7"):
            // Before POSIX a final slash said that it is a folder.
            kind = name.last == UInt8(ascii: "/") ? .folder : .file(size: size)
        case UInt8(ascii: "1"): kind = .hardLink(target: try Self.components(target, of: name))
        case UInt8(ascii: "2"):
            try Self.checkLink(target, at: path)
            kind = .link(target: target)
        case UInt8(ascii: "5"): kind = .folder
        case UInt8(ascii: "3"), UInt8(ascii: "4"):
            throw TarReader.refused("`\(shown)` is a device; leave /dev out, the sandbox has its own")
        case UInt8(ascii: "6"): throw TarReader.refused("`\(shown)` is a FIFO; only files, folders and links are taken")
        case UInt8(ascii: "S"): throw TarReader.refused("`\(shown)` is a sparse file: write it in full")
        default: throw TarReader.refused("`\(shown)` is of the kind \(header.kind), which is not known")
        }
        switch kind {
        case .file:
            guard !path.isEmpty, size >= 0 else { throw TarReader.refused("`\(shown)` is no name of a file") }
        case .folder:
            guard size == 0 else { throw TarReader.refused("`\(shown)` is a folder with content") }
        case .link, .hardLink:
            guard !path.isEmpty, size == 0 else { throw TarReader.refused("`\(shown)` is a link with content") }
        }
    }

    /// Without `./` and a final slash.
    private static func components(_ name: [UInt8], of entry: [UInt8]) throws(SandboxFailure) -> [[UInt8]] {
        let shown = shown(entry)
        let words = name == entry ? "`\(shown)`" : "the hard link `\(shown)` to `\(Self.shown(name))`"
        guard !name.isEmpty, name.count <= maxPathBytes else {
            throw TarReader.refused("\(words) has no name, or one longer than \(maxPathBytes) bytes")
        }
        guard name.first != UInt8(ascii: "/") else { throw TarReader.refused("\(words) is absolute") }
        var parts: [[UInt8]] = []
        for part in name.split(separator: UInt8(ascii: "/")) where part != [UInt8(ascii: ".")] {
            guard Array(part) != Array("..".utf8) else { throw TarReader.refused("\(words) leaves the image by `..`") }
            guard part.count <= 255, !part.contains(0) else {
                throw TarReader.refused("\(words) has a part longer than 255 bytes, or a zero byte")
            }
            parts.append(Array(part))
        }
        guard parts.count <= maxDepth else { throw TarReader.refused("\(words) lies deeper than \(maxDepth) folders") }
        return parts
    }

    /// Nothing follows a link while the image is unpacked, and in the sandbox `/` is the image's own root; a target
    /// with more `..` than there are folders is refused all the same: it was written for another place.
    private static func checkLink(_ target: [UInt8], at path: [[UInt8]]) throws(SandboxFailure) {
        let shown = shown(Array(path.joined(separator: [UInt8(ascii: "/")])))
        guard !target.isEmpty, target.count <= maxPathBytes, !target.contains(0) else {
            throw TarReader.refused("the link `\(shown)` has no target, or one longer than \(maxPathBytes) bytes")
        }
        var depth = target.first == UInt8(ascii: "/") ? 0 : path.count - 1
        for part in target.split(separator: UInt8(ascii: "/")) where part != [UInt8(ascii: ".")] {
            depth += Array(part) == Array("..".utf8) ? -1 : 1
            guard depth >= 0 else {
                throw TarReader.refused("the link `\(shown)` leads out of the image, to `\(Self.shown(target))`")
            }
        }
    }

    static func shown(_ name: [UInt8]) -> String {
        let text = String(decoding: name.prefix(200), as: UTF8.self)
        return String(
            String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? "?" : $0 }))
    }
}
