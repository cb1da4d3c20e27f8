package import FogCore

/// A tile of the tree as C2SP tlog-tiles cuts it: up to 256 hashes beside each other, on every eighth level.
package struct TileID: Hashable, Sendable {
    /// Levels of the tree in one tile.
    package static let height = 8
    /// Hashes in a full tile.
    package static let width = 256
    /// The highest level that a tree of 2^63 leaves has.
    package static let maxLevel = 7

    /// 0 for the tiles of leaf hashes.
    package let level: Int
    package let number: UInt64

    package init(level: Int, number: UInt64) {
        self.level = level
        self.number = number
    }

    /// How many hashes it has in a tree of so many leaves; 0 when it is not there.
    package func width(inTreeOf size: UInt64) -> Int {
        let hashes = size >> UInt64(level * Self.height)
        let before = number.multipliedReportingOverflow(by: UInt64(Self.width))
        guard !before.overflow, hashes > before.partialValue else { return 0 }
        return Int(min(UInt64(Self.width), hashes - before.partialValue))
    }

    /// `0/x001/234`, and with fewer than 256 hashes `0/x001/234.p/7`.
    package func path(width: Int = Self.width) -> String { "\(level)/" + Self.path(number: number, width: width) }

    /// A tile's or a bundle's number in groups of three digits, all but the last with an `x`.
    package static func path(number: UInt64, width: Int = Self.width) -> String {
        func group(_ value: UInt64) -> String {
            let digits = String(value)
            return String(repeating: "0", count: 3 - digits.count) + digits
        }
        var (text, rest) = (group(number % 1000), number / 1000)
        while rest > 0 { (text, rest) = ("x\(group(rest % 1000))/\(text)", rest / 1000) }
        return width < Self.width ? "\(text).p/\(width)" : text
    }
}

/// What a request for a tile or a bundle of entries names.
package struct TileRequest: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case hashes(level: Int)
        case entries
    }

    package let kind: Kind
    package let number: UInt64
    /// 1 to 256.
    package let width: Int

    /// Reads what follows `tile/`, in the one form that it has. Nil for any other text.
    package init?(_ path: some StringProtocol) {
        var parts = path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        guard parts.count >= 2, parts.count <= 10 else { return nil }
        let first = parts.removeFirst()
        if first == "entries" {
            kind = .entries
        } else {
            guard let level = Int(first), (0...TileID.maxLevel).contains(level), String(level) == first else {
                return nil
            }
            kind = .hashes(level: level)
        }
        var width = TileID.width
        if parts.count >= 2, parts[parts.count - 2].hasSuffix(".p") {
            guard let found = Int(parts[parts.count - 1]), (1..<TileID.width).contains(found) else { return nil }
            width = found
            parts.removeLast()
            parts[parts.count - 1].removeLast(2)
        }
        var number: UInt64 = 0
        for part in parts {
            guard let group = UInt64(part.hasPrefix("x") ? part.dropFirst() : part[...]), group < 1000 else {
                return nil
            }
            let (product, over) = number.multipliedReportingOverflow(by: 1000)
            guard !over, product <= .max - group else { return nil }
            number = product + group
        }
        self.number = number
        self.width = width
        // One form only: what reads another way than it is written is nobody's path.
        guard Array(path.utf8) == Array((first + "/" + TileID.path(number: number, width: width)).utf8) else {
            return nil
        }
    }
}

/// A full tile's root: one hash of the tile above.
package struct TileRoot: Hashable, Sendable {
    package let tile: TileID
    package let root: Digest

    package init(tile: TileID, root: Digest) {
        self.tile = tile
        self.root = root
    }
}
