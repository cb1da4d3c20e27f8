/// An address of the internet protocol, without port and zone.
///
/// Read only as inet_pton(3) reads it: four decimal numbers without leading zeros, or RFC 4291, section 2.2. What
/// inet_aton(3) makes an address of (`127.1`, `0x7f.1`, `017700000001`, `2130706433`) is none.
package enum NetworkAddress: Hashable, Sendable, CustomStringConvertible {
    case v4(UInt32)
    case v6(UInt64, UInt64)

    /// An address of version 4 in the clothes of version 6 (`::ffff:1.2.3.4`) is that of version 4.
    package init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        if let four = Self.four(bytes[...]) {
            self = .v4(four)
        } else if let six = Self.six(bytes) {
            self = Self.canonical(six.0, six.1)
        } else {
            return nil
        }
    }

    /// 4 or 16 bytes in network order; nil for another number of them.
    package init?(bytes: [UInt8]) {
        func joined(_ part: ArraySlice<UInt8>) -> UInt64 { part.reduce(0) { $0 << 8 | UInt64($1) } }
        switch bytes.count {
        case 4: self = .v4(UInt32(joined(bytes[...])))
        case 16: self = Self.canonical(joined(bytes[..<8]), joined(bytes[8...]))
        default: return nil
        }
    }

    /// In network order.
    package var bytes: [UInt8] {
        switch self {
        case .v4(let value): (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
        case .v6(let high, let low):
            [high, low].flatMap { half in (0..<8).map { UInt8(truncatingIfNeeded: half >> (56 - 8 * $0)) } }
        }
    }

    private static func canonical(_ high: UInt64, _ low: UInt64) -> NetworkAddress {
        high == 0 && low >> 32 == 0xffff ? .v4(UInt32(truncatingIfNeeded: low)) : .v6(high, low)
    }

    // MARK: - Reading

    private static func four(_ text: ArraySlice<UInt8>) -> UInt32? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.count), part.allSatisfy({ (0x30...0x39).contains($0) }),
                part.count == 1 || part.first != 0x30
            else { return nil }
            let number = part.reduce(0) { $0 * 10 + UInt32($1 - 0x30) }
            guard number <= 255 else { return nil }
            value = value << 8 | number
        }
        return value
    }

    private static func six(_ text: [UInt8]) -> (UInt64, UInt64)? {
        // At most one `::`, which stands for at least one group.
        guard text.count <= 45 else { return nil }
        var gap: Int?
        for index in text.indices.dropLast() where text[index] == 0x3a && text[index + 1] == 0x3a {
            guard gap == nil else { return nil }
            gap = index
        }
        guard let gap else {
            let groups = groups(text[...], mayEndInFour: true)
            return groups.flatMap { $0.count == 8 ? joined($0) : nil }
        }
        guard let head = gap == 0 ? [] : groups(text[..<gap], mayEndInFour: false),
            let tail = gap + 2 == text.count ? [] : groups(text[(gap + 2)...], mayEndInFour: true),
            head.count + tail.count <= 7
        else { return nil }
        return joined(head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail)
    }

    private static func groups(_ text: ArraySlice<UInt8>, mayEndInFour: Bool) -> [UInt16]? {
        var groups: [UInt16] = []
        let parts = text.split(separator: 0x3a, omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if mayEndInFour, index == parts.count - 1, let four = four(part) {
                groups += [UInt16(four >> 16), UInt16(truncatingIfNeeded: four)]
                continue
            }
            guard (1...4).contains(part.count) else { return nil }
            var value: UInt16 = 0
            for byte in part {
                guard let digit = hexadecimal(byte) else { return nil }
                value = value << 4 | UInt16(digit)
            }
            groups.append(value)
        }
        return groups.count <= 8 ? groups : nil
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }

    private static func joined(_ groups: [UInt16]) -> (UInt64, UInt64) {
        func half(_ part: ArraySlice<UInt16>) -> UInt64 { part.reduce(0) { $0 << 16 | UInt64($1) } }
        return (half(groups[..<4]), half(groups[4...]))
    }

    // MARK: - Writing

    /// As RFC 5952 writes it.
    package var description: String {
        guard case .v6(let high, let low) = self else { return bytes.map(String.init).joined(separator: ".") }
        let groups = [high, low].flatMap { half in (0..<4).map { UInt16(truncatingIfNeeded: half >> (48 - 16 * $0)) } }
        var longest = 0..<0
        var start = 0
        for index in 0...8 where index == 8 || groups[index] != 0 {
            if index - start > max(1, longest.count) { longest = start..<index }
            start = index + 1
        }
        func text(_ part: ArraySlice<UInt16>) -> String {
            part.map { String($0, radix: 16) }.joined(separator: ":")
        }
        guard !longest.isEmpty else { return text(groups[...]) }
        return text(groups[..<longest.lowerBound]) + "::" + text(groups[longest.upperBound...])
    }
}

/// Addresses that begin with the same bits: `10.0.0.0/8`, `fd00::/8`.
package struct NetworkRange: Hashable, Sendable, CustomStringConvertible {
    package let address: NetworkAddress
    package let bits: Int

    /// `ADDRESS/BITS`, or one address alone. Bits behind the prefix must be 0: nobody means 10.1.2.3/8.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let address = NetworkAddress(parts[0]) else { return nil }
        let width = address.bytes.count * 8
        var bits = width
        if parts.count == 2 {
            guard (1...3).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                parts[1] == "0" || !parts[1].hasPrefix("0"), let count = Int(parts[1]), count <= width
            else { return nil }
            bits = count
        }
        self.init(address, bits)
        guard Self.prefix(address.bytes, bits) == address.bytes else { return nil }
    }

    package init(_ address: NetworkAddress, _ bits: Int) { (self.address, self.bits) = (address, bits) }

    package func contains(_ other: NetworkAddress) -> Bool {
        let (own, others) = (address.bytes, other.bytes)
        return own.count == others.count && Self.prefix(own, bits) == Self.prefix(others, bits)
    }

    package var description: String { "\(address)/\(bits)" }

    private static func prefix(_ bytes: [UInt8], _ bits: Int) -> [UInt8] {
        bytes.enumerated().map { index, byte in
            let left = min(8, max(0, bits - index * 8))
            return left == 0 ? 0 : byte & (0xff << UInt8(8 - left))
        }
    }
}
