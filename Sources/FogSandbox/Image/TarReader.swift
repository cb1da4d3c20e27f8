/// What a tar archive holds, one thing after another.
package enum TarEvent {
    /// A checked entry; the content of a file follows in pieces.
    case entry(TarEntry)
    case content(ArraySlice<UInt8>)
    case endOfContent
}

/// A reader of tar archives (POSIX.1-2001 `ustar` and `pax`, and GNU's long names) that is given bytes as they come.
///
/// Pure: bytes in, entries out. Archives come from strangers, so what is not needed for the root of a task is refused
/// with the entry's name: names that leave the archive, devices, FIFOs, sparse files, and every number, length or order
/// that another reader might read in another way.
package struct TarReader {
    package static let blockBytes = 512
    /// Of a long name or a pax header.
    package static let maxMetadataBytes = 64 << 10

    private enum State {
        case header
        /// A file's content: bytes left, and padding behind them.
        case content(left: Int64, padding: Int)
        /// A long name or pax header.
        case metadata(UInt8, left: Int, padding: Int)
        case padding(Int)
        /// One block of zeros was seen; a second one ends the archive.
        case ending
        case ended
    }

    private var state = State.header
    private var block: [UInt8] = []
    private var metadata: [UInt8] = []
    private var pending = Pending()
    private var position: Int64 = 0

    /// What long names and pax headers say of the entry that follows.
    private struct Pending {
        var path: [UInt8]?
        var link: [UInt8]?
        var size: Int64?
        var modified: Int64?
        var isAny = false
    }

    package init() {}

    /// Whether the archive's end was read; what comes behind it does not count.
    package var hasEnded: Bool { if case .ended = state { true } else { false } }

    /// - Throws: `bad_image` for what cannot be read or is refused, and what `emit` throws.
    package mutating func read(
        _ bytes: ArraySlice<UInt8>, _ emit: (TarEvent) throws(SandboxFailure) -> Void
    ) throws(SandboxFailure) {
        var rest = bytes
        while !rest.isEmpty {
            switch state {
            case .ended: return
            case .header, .ending:
                block += take(&rest, Self.blockBytes - block.count)
                guard block.count == Self.blockBytes else { return }
                let header = block
                block.removeAll(keepingCapacity: true)
                try readHeader(header, emit)
            case .content(let left, let padding):
                let piece = rest.prefix(Int(min(Int64(rest.count), left)))
                rest = rest.dropFirst(piece.count)
                position += Int64(piece.count)
                try emit(.content(piece))
                if left > Int64(piece.count) {
                    state = .content(left: left - Int64(piece.count), padding: padding)
                } else {
                    try emit(.endOfContent)
                    state = padding > 0 ? .padding(padding) : .header
                }
            case .metadata(let kind, let left, let padding):
                let piece = take(&rest, left)
                metadata += piece
                guard piece.count == left else {
                    state = .metadata(kind, left: left - piece.count, padding: padding)
                    return
                }
                try readMetadata(kind)
                state = padding > 0 ? .padding(padding) : .header
            case .padding(let left):
                let count = take(&rest, left).count
                state = count == left ? .header : .padding(left - count)
            }
        }
    }

    /// To be called behind the last byte.
    /// - Throws: `bad_image` when the archive stops before its end.
    package func finish() throws(SandboxFailure) {
        guard hasEnded else {
            throw Self.refused("the archive stops after \(position) bytes, without the two empty blocks of its end")
        }
    }

    private mutating func take(_ rest: inout ArraySlice<UInt8>, _ count: Int) -> ArraySlice<UInt8> {
        let piece = rest.prefix(count)
        rest = rest.dropFirst(piece.count)
        position += Int64(piece.count)
        return piece
    }

    static func refused(_ message: String) -> SandboxFailure { SandboxFailure("bad_image", message) }

    // MARK: - Headers

    private mutating func readHeader(
        _ block: [UInt8], _ emit: (TarEvent) throws(SandboxFailure) -> Void
    ) throws(SandboxFailure) {
        if block.allSatisfy({ $0 == 0 }) {
            if case .ending = state {
                guard !pending.isAny else { throw Self.refused("the archive ends behind the name of an entry") }
                state = .ended
            } else {
                state = .ending
            }
            return
        }
        if case .ending = state { throw Self.refused("the archive goes on behind an empty block") }
        let header = try TarHeader(block, at: position - Int64(Self.blockBytes))
        let kind = header.kind
        if [UInt8(ascii: "L"), UInt8(ascii: "K"), UInt8(ascii: "x"), UInt8(ascii: "g")].contains(kind) {
            guard (1...Int64(Self.maxMetadataBytes)).contains(header.size) else {
                throw Self.refused(
                    "a name or header of \(header.size) bytes, at most \(Self.maxMetadataBytes), at \(position)")
            }
            metadata = []
            state = .metadata(kind, left: Int(header.size), padding: Self.padding(header.size))
            return
        }
        let entry = try TarEntry(
            header, path: pending.path, link: pending.link, size: pending.size, modified: pending.modified,
            offset: position)
        pending = Pending()
        try emit(.entry(entry))
        guard case .file(let size) = entry.kind else { return state = .header }
        if size > 0 {
            state = .content(left: size, padding: Self.padding(size))
        } else {
            try emit(.endOfContent)
            state = .header
        }
    }

    private static func padding(_ size: Int64) -> Int { Int((512 - size % 512) % 512) }

    // MARK: - Long names

    private mutating func readMetadata(_ kind: UInt8) throws(SandboxFailure) {
        defer { metadata = [] }
        switch kind {
        case UInt8(ascii: "L"): pending.path = try Self.text(metadata)
        case UInt8(ascii: "K"): pending.link = try Self.text(metadata)
        default: try readPax(isGlobal: kind == UInt8(ascii: "g"))
        }
        if kind != UInt8(ascii: "g") { pending.isAny = true }
    }

    /// Up to the first zero byte, which GNU tar writes behind the name.
    private static func text(_ bytes: [UInt8]) throws(SandboxFailure) -> [UInt8] {
        let end = bytes.firstIndex(of: 0) ?? bytes.endIndex
        guard bytes[end...].allSatisfy({ $0 == 0 }) else { throw refused("a long name has a zero byte in it") }
        return Array(bytes[..<end])
    }

    /// Records of `LENGTH KEY=VALUE\n`.
    private mutating func readPax(isGlobal: Bool) throws(SandboxFailure) {
        var rest = metadata[...]
        while !rest.isEmpty {
            guard let space = rest.firstIndex(of: UInt8(ascii: " ")), space - rest.startIndex <= 6,
                let length = Self.decimal(rest[..<space]), length >= space - rest.startIndex + 3,
                length <= rest.count, rest[rest.startIndex + Int(length) - 1] == UInt8(ascii: "\n")
            else { throw Self.refused("a pax header at \(position) does not read") }
            let record = rest[(space + 1)..<(rest.startIndex + Int(length) - 1)]
            rest = rest.dropFirst(Int(length))
            guard let equals = record.firstIndex(of: UInt8(ascii: "=")) else {
                throw Self.refused("a pax header at \(position) has a record without =")
            }
            let key = String(decoding: record[..<equals], as: UTF8.self)
            try take(key, Array(record[(equals + 1)...]), isGlobal: isGlobal)
        }
    }

    private mutating func take(_ key: String, _ value: [UInt8], isGlobal: Bool) throws(SandboxFailure) {
        if key.hasPrefix("GNU.sparse") { throw Self.refused("a sparse file at \(position): write it in full") }
        guard ["path", "linkpath", "size", "mtime"].contains(key) else { return }
        guard !isGlobal || key == "mtime" else { throw Self.refused("a global pax header that sets `\(key)`") }
        guard !isGlobal else { return }
        guard !value.contains(0) else { throw Self.refused("a pax `\(key)` with a zero byte at \(position)") }
        switch key {
        case "path": pending.path = value
        case "linkpath": pending.link = value
        case "mtime": pending.modified = Self.decimal(value.prefix { $0 != UInt8(ascii: ".") }) ?? 0
        default:
            guard let size = Self.decimal(value[...]) else {
                throw Self.refused("a pax size at \(position) does not read")
            }
            pending.size = size
        }
    }

    private static func decimal(_ text: ArraySlice<UInt8>) -> Int64? {
        guard (1...18).contains(text.count), text.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return text.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
    }
}
