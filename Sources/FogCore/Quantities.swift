/// A number of bytes. JSON writes the number.
package struct ByteCount: Hashable, Sendable, Comparable, CustomStringConvertible, Codable {
    package let bytes: Int64

    package init(_ bytes: Int64) { self.bytes = bytes }

    package static func kibibytes(_ count: Int64) -> ByteCount { ByteCount(count << 10) }
    package static func mebibytes(_ count: Int64) -> ByteCount { ByteCount(count << 20) }
    package static func gibibytes(_ count: Int64) -> ByteCount { ByteCount(count << 30) }
    package static let zero = ByteCount(0)

    private static let units: [(Substring, Int64)] = [
        ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
    ]

    /// A whole number and a unit: `512MiB`, `4GiB`.
    /// - Throws: `bad_size`; a bare or decimal unit (`4G`, `4GB`) is answered with what to write instead.
    package init(_ text: some StringProtocol) throws(CoreFailure) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit = text.dropFirst(digits.count)
        guard let count = Int64(digits), count >= 0 else {
            throw CoreFailure("bad_size", "a size reads 512MiB or 4GiB, found `\(text.prefix(40))`")
        }
        guard let scale = Self.units.first(where: { $0.0 == unit })?.1 else {
            let letter = unit.first.map { String($0).uppercased() } ?? ""
            let advice =
                ["K", "M", "G", "T"].contains(letter)
                ? "write \(digits)\(letter)iB" : "write \(digits)MiB or \(digits)GiB"
            throw CoreFailure("bad_size", "`\(text.prefix(40))` has no unit that says how many bytes: \(advice)")
        }
        guard count <= Int64.max / scale else {
            throw CoreFailure("bad_size", "`\(text.prefix(40))` is more than 2^63 bytes")
        }
        bytes = count * scale
    }

    package var description: String {
        guard bytes != 0 else { return "0B" }
        for (unit, scale) in Self.units.reversed() where bytes % scale == 0 { return "\(bytes / scale)\(unit)" }
        return "\(bytes)B"
    }

    /// For people, to one decimal: `1.4GiB`.
    package var brief: String {
        for (unit, scale) in Self.units.reversed() where bytes >= scale {
            let tenths = (bytes * 10 / scale)
            return tenths % 10 == 0 || scale == 1 ? "\(bytes / scale)\(unit)" : "\(tenths / 10).\(tenths % 10)\(unit)"
        }
        return "0B"
    }

    package static func < (first: ByteCount, second: ByteCount) -> Bool { first.bytes < second.bytes }
    package static func + (first: ByteCount, second: ByteCount) -> ByteCount { ByteCount(first.bytes + second.bytes) }
    package static func - (first: ByteCount, second: ByteCount) -> ByteCount { ByteCount(first.bytes - second.bytes) }

    package init(from decoder: any Decoder) throws { bytes = try decoder.singleValueContainer().decode(Int64.self) }
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(bytes)
    }
}

/// Thousandths of a processor core. JSON writes the number.
package struct Millicores: Hashable, Sendable, Comparable, CustomStringConvertible, Codable {
    package let count: Int64

    package init(_ count: Int64) { self.count = count }
    package static func cores(_ count: Int64) -> Millicores { Millicores(count * 1000) }
    package static let zero = Millicores(0)

    package var cores: Double { Double(count) / 1000 }
    /// `2`, `0.5`.
    package var description: String {
        guard count % 1000 != 0 else { return String(count / 1000) }
        var fraction = String(count % 1000 + 1000).dropFirst()
        while fraction.hasSuffix("0") { fraction = fraction.dropLast() }
        return "\(count / 1000).\(fraction)"
    }

    package static func < (first: Millicores, second: Millicores) -> Bool { first.count < second.count }
    package static func + (first: Millicores, second: Millicores) -> Millicores {
        Millicores(first.count + second.count)
    }
    package static func - (first: Millicores, second: Millicores) -> Millicores {
        Millicores(first.count - second.count)
    }

    package init(from decoder: any Decoder) throws { count = try decoder.singleValueContainer().decode(Int64.self) }
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(count)
    }
}

/// An amount of money in millionths of a credit. JSON writes it as a decimal text, since JSON numbers are exact to
/// 2^53 only.
package struct Credits: Hashable, Sendable, Comparable, CustomStringConvertible, Codable {
    package let micro: Int64

    package init(micro: Int64) { self.micro = micro }
    package static func credits(_ count: Int64) -> Credits { Credits(micro: count * 1_000_000) }
    package static let zero = Credits(micro: 0)

    /// A decimal with at most six places: `12`, `0.25`.
    /// - Throws: `bad_amount` for a sign, an exponent, a seventh place or more than 2^62 micro-credits.
    package init(_ text: some StringProtocol) throws(CoreFailure) {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let fraction = parts.count == 2 ? String(parts[1]) : ""
        guard !parts.isEmpty, !parts[0].isEmpty, parts.count == 1 || !fraction.isEmpty, fraction.utf8.count <= 6,
            (parts[0] + fraction).utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let rest = Int64(fraction + String(repeating: "0", count: 6 - fraction.utf8.count))
        else {
            throw CoreFailure("bad_amount", "an amount reads 12 or 0.25, found `\(text.prefix(40))`")
        }
        guard let whole = Int64(parts[0]), whole <= (1 << 62) / 1_000_000 else {
            throw CoreFailure(
                "bad_amount",
                "an amount is at most \((1 << 62) / 1_000_000 as Int64) credits, found `\(text.prefix(40))`")
        }
        micro = whole * 1_000_000 + rest
    }

    package var description: String {
        let magnitude = micro.magnitude
        var fraction = String(magnitude % 1_000_000 + 1_000_000).dropFirst()
        while fraction.count > 0, fraction.hasSuffix("0") { fraction = fraction.dropLast() }
        return (micro < 0 ? "-" : "") + String(magnitude / 1_000_000) + (fraction.isEmpty ? "" : "." + fraction)
    }

    package static func < (first: Credits, second: Credits) -> Bool { first.micro < second.micro }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        if text.hasPrefix("-") {
            micro = -(try Credits(text.dropFirst())).micro
        } else {
            micro = try Credits(text).micro
        }
    }
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
