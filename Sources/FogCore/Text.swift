/// Text forms of bytes: hexadecimal, base64 (RFC 4648 section 4), and Fog's base32 for ids.
package enum Hex {
    private static let digits = Array("0123456789abcdef".utf8)

    package static func encode(_ bytes: some Sequence<UInt8>) -> String {
        var out: [UInt8] = []
        for byte in bytes {
            out.append(digits[Int(byte >> 4)])
            out.append(digits[Int(byte & 15)])
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// Nil when the text has an odd length or a character outside `0-9a-f` (upper case is refused: one text a value).
    package static func decode(_ text: some StringProtocol) -> [UInt8]? {
        let source = Array(text.utf8)
        guard source.count % 2 == 0 else { return nil }
        var out: [UInt8] = []
        out.reserveCapacity(source.count / 2)
        for index in stride(from: 0, to: source.count, by: 2) {
            guard let high = value(source[index]), let low = value(source[index + 1]) else { return nil }
            out.append(high << 4 | low)
        }
        return out
    }

    private static func value(_ character: UInt8) -> UInt8? {
        switch character {
        case 0x30...0x39: character - 0x30
        case 0x61...0x66: character - 0x61 + 10
        default: nil
        }
    }
}

/// Base64 with padding, as RFC 9421 and RFC 9530 write byte sequences.
package enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let values: [UInt8] = {
        var table = [UInt8](repeating: 0xff, count: 256)
        for (index, character) in alphabet.enumerated() { table[Int(character)] = UInt8(index) }
        return table
    }()

    package static func encode(_ bytes: [UInt8]) -> String {
        var out: [UInt8] = []
        out.reserveCapacity((bytes.count + 2) / 3 * 4)
        var index = 0
        while index < bytes.count {
            let first = bytes[index]
            let second = index + 1 < bytes.count ? bytes[index + 1] : 0
            let third = index + 2 < bytes.count ? bytes[index + 2] : 0
            out.append(alphabet[Int(first >> 2)])
            out.append(alphabet[Int((first & 3) << 4 | second >> 4)])
            out.append(index + 1 < bytes.count ? alphabet[Int((second & 15) << 2 | third >> 6)] : 0x3d)
            out.append(index + 2 < bytes.count ? alphabet[Int(third & 63)] : 0x3d)
            index += 3
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// Nil for anything but the one canonical encoding of some bytes.
    package static func decode(_ text: some StringProtocol) -> [UInt8]? {
        let source = Array(text.utf8)
        guard source.count % 4 == 0 else { return nil }
        var out: [UInt8] = []
        out.reserveCapacity(source.count / 4 * 3)
        var index = 0
        while index < source.count {
            let last = index + 4 == source.count
            let padding = last ? (source[index + 2] == 0x3d ? 2 : source[index + 3] == 0x3d ? 1 : 0) : 0
            if padding == 2, source[index + 3] != 0x3d { return nil }
            var group: UInt32 = 0
            for offset in 0..<4 {
                if offset >= 4 - padding {
                    group <<= 6
                    continue
                }
                let value = values[Int(source[index + offset])]
                guard value != 0xff else { return nil }
                group = group << 6 | UInt32(value)
            }
            let unused: UInt32 = padding == 2 ? 0xffff : padding == 1 ? 0xff : 0
            guard group & unused == 0 else { return nil }
            out.append(UInt8(group >> 16 & 0xff))
            if padding < 2 { out.append(UInt8(group >> 8 & 0xff)) }
            if padding < 1 { out.append(UInt8(group & 0xff)) }
            index += 4
        }
        return out
    }
}

/// Lower-case base32 without the letters i, l, o and u (Crockford's alphabet): safe to read aloud and to double-click.
package enum Base32 {
    private static let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)
    private static let values: [UInt8] = {
        var table = [UInt8](repeating: 0xff, count: 256)
        for (index, character) in alphabet.enumerated() { table[Int(character)] = UInt8(index) }
        return table
    }()

    package static func encode(_ bytes: [UInt8]) -> String {
        var out: [UInt8] = []
        var buffer: UInt32 = 0
        var bits = 0
        for byte in bytes {
            buffer = buffer << 8 | UInt32(byte)
            bits += 8
            while bits >= 5 {
                bits -= 5
                out.append(alphabet[Int(buffer >> UInt32(bits) & 31)])
            }
            buffer &= (1 << UInt32(bits)) - 1
        }
        if bits > 0 { out.append(alphabet[Int(buffer << UInt32(5 - bits) & 31)]) }
        return String(decoding: out, as: UTF8.self)
    }

    /// Nil for a character outside the alphabet or for bits that would be lost.
    package static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var out: [UInt8] = []
        var buffer: UInt32 = 0
        var bits = 0
        for character in text.utf8 {
            let value = values[Int(character)]
            guard value != 0xff else { return nil }
            buffer = buffer << 5 | UInt32(value)
            bits += 5
            if bits >= 8 {
                bits -= 8
                out.append(UInt8(buffer >> UInt32(bits) & 0xff))
                buffer &= (1 << UInt32(bits)) - 1
            }
        }
        return bits < 5 && buffer == 0 ? out : nil
    }
}

/// Edits between two words, a swap of neighbours being one (Damerau 1964, optimal string alignment), for "did you mean".
package func editDistance(_ first: some StringProtocol, _ second: some StringProtocol) -> Int {
    let source = Array(first.utf8), target = Array(second.utf8)
    var beforePrevious: [Int] = []
    var previous = Array(0...target.count)
    for (row, from) in source.enumerated() {
        var current = [row + 1]
        for (column, to) in target.enumerated() {
            var best = min(previous[column] + (from == to ? 0 : 1), previous[column + 1] + 1, current[column] + 1)
            if row > 0, column > 0, from == target[column - 1], source[row - 1] == to {
                best = min(best, beforePrevious[column - 1] + 1)
            }
            current.append(best)
        }
        (beforePrevious, previous) = (previous, current)
    }
    return previous[target.count]
}

/// The candidate nearest to a mistyped word, at distance 2 or less (1 for words of three letters or fewer).
package func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
    let limit = word.utf8.count <= 3 ? 1 : 2
    return candidates.map { ($0, editDistance(word, $0)) }
        .filter { $0.1 <= limit }
        .min { ($0.1, $0.0) < ($1.1, $1.0) }?.0
}

extension StringProtocol {
    /// Whether a slash is hidden from whoever reads characters: a mark behind it joins it to one (`/` and U+0301 are one
    /// character, which is no `/`). The system divides paths at bytes, so such a name has parts that a look at its
    /// characters never sees: `../` and a mark would pass for one plain name. A path that holds none of these has the same
    /// parts for both.
    package var hidesSlash: Bool {
        guard utf8.contains(where: { $0 >= 0x80 }) else { return false }
        return utf8.count { $0 == UInt8(ascii: "/") } != count { $0 == "/" }
    }
}
