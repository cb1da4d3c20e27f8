#if canImport(Glibc)
    internal import Glibc
#endif

/// A JSON document (RFC 8259) as a value. Objects keep their members in the order they were written; a name twice is
/// refused (RFC 7493 section 2.3).
package enum JSON: Hashable, Sendable {
    case null
    case bool(Bool)
    /// A number without fraction or exponent that fits 64 bits.
    case integer(Int64)
    /// Any other finite number.
    case double(Double)
    case string(String)
    case array([JSON])
    case object([Member])

    package struct Member: Hashable, Sendable {
        package let name: String
        package let value: JSON

        package init(_ name: String, _ value: JSON) {
            self.name = name
            self.value = value
        }
    }

    /// An object from pairs, in their order, without those that are nil.
    package static func object(_ members: KeyValuePairs<String, JSON?>) -> JSON {
        .object(members.compactMap { name, value in value.map { Member(name, $0) } })
    }

    package subscript(_ name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    package var string: String? { if case .string(let value) = self { value } else { nil } }
    package var integer: Int64? { if case .integer(let value) = self { value } else { nil } }
    package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    package var array: [JSON]? { if case .array(let value) = self { value } else { nil } }
    package var members: [Member]? { if case .object(let value) = self { value } else { nil } }
    package var number: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByFloatLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(integerLiteral value: Int64) { self = .integer(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(arrayLiteral elements: JSON...) { self = .array(elements) }
    package init(floatLiteral value: Double) { self = .double(value) }
}

// MARK: - Writing

extension JSON {
    /// The canonical form of RFC 8785 (JCS): no white space, members sorted by UTF-16 code units, ECMAScript numbers.
    package var canonical: String {
        var out = ""
        write(into: &out, style: .canonical, indent: 0)
        return out
    }

    /// On one line, members in their own order.
    package var compact: String {
        var out = ""
        write(into: &out, style: .compact, indent: 0)
        return out
    }

    /// Two spaces of indentation, members in their own order.
    package var pretty: String {
        var out = ""
        write(into: &out, style: .pretty, indent: 0)
        return out
    }

    private enum Style { case canonical, compact, pretty }

    private func write(into out: inout String, style: Style, indent: Int) {
        switch self {
        case .null: out += "null"
        case .bool(let value): out += value ? "true" : "false"
        case .integer(let value):
            out += style == .canonical && value.magnitude > 1 << 53 ? Self.ecmaScript(Double(value)) : String(value)
        case .double(let value): out += Self.ecmaScript(value)
        case .string(let value): Self.write(string: value, into: &out)
        case .array(let elements):
            Self.write(elements, "[", "]", into: &out, style: style, indent: indent) { element, out in
                element.write(into: &out, style: style, indent: indent + 1)
            }
        case .object(let members):
            let ordered =
                style == .canonical
                ? members.sorted { $0.name.utf16.lexicographicallyPrecedes($1.name.utf16) } : members
            Self.write(ordered, "{", "}", into: &out, style: style, indent: indent) { member, out in
                Self.write(string: member.name, into: &out)
                out += style == .pretty ? ": " : ":"
                member.value.write(into: &out, style: style, indent: indent + 1)
            }
        }
    }

    private static func write<Element>(
        _ elements: [Element], _ open: String, _ close: String, into out: inout String, style: Style, indent: Int,
        _ body: (Element, inout String) -> Void
    ) {
        out += open
        for (index, element) in elements.enumerated() {
            if index > 0 { out += "," }
            if style == .pretty { out += "\n" + String(repeating: "  ", count: indent + 1) }
            body(element, &out)
        }
        if style == .pretty, !elements.isEmpty { out += "\n" + String(repeating: "  ", count: indent) }
        out += close
    }

    private static func write(string: String, into out: inout String) {
        out += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\u{8}": out += "\\b"
            case "\u{9}": out += "\\t"
            case "\u{a}": out += "\\n"
            case "\u{c}": out += "\\f"
            case "\u{d}": out += "\\r"
            case _ where scalar.value < 0x20:
                out += "\\u00" + Hex.encode([UInt8(scalar.value)])
            default: out.unicodeScalars.append(scalar)
            }
        }
        out += "\""
    }

    /// Number::toString of ECMAScript (RFC 8785 section 3.2.2.3), from Swift's shortest round-trip digits.
    static func ecmaScript(_ value: Double) -> String {
        precondition(value.isFinite, "JSON has no NaN and no infinity")
        if value == 0 { return "0" }
        var digits = ""
        var exponent = 0
        let text = String(describing: value.magnitude).lowercased()
        let parts = text.split(separator: "e")
        if parts.count == 2 { exponent = Int(parts[1]) ?? 0 }
        let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        digits = String(mantissa[0])
        var point = digits.utf8.count + exponent
        if mantissa.count == 2 { digits += mantissa[1] }
        let leading = digits.prefix { $0 == "0" }.count
        digits = String(digits.dropFirst(leading))
        point -= leading
        while digits.hasSuffix("0") { digits.removeLast() }
        let count = digits.utf8.count
        let sign = value < 0 ? "-" : ""
        if count <= point, point <= 21 { return sign + digits + String(repeating: "0", count: point - count) }
        if 0 < point, point <= 21 { return sign + digits.prefix(point) + "." + digits.dropFirst(point) }
        if -6 < point, point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + digits }
        let scientific = point - 1
        let fraction = count == 1 ? "" : "." + digits.dropFirst()
        return sign + digits.prefix(1) + fraction + "e" + (scientific < 0 ? "-" : "+") + String(abs(scientific))
    }
}

// MARK: - Reading

extension JSON {
    /// - Parameter maxDepth: nesting beyond it is refused, so that hostile input cannot exhaust the stack.
    /// - Throws: `bad_json` with the line and column of the first mistake.
    package init(parsing text: String, maxDepth: Int = 64) throws(CoreFailure) {
        try self.init(parsing: Array(text.utf8), maxDepth: maxDepth)
    }

    package init(parsing bytes: [UInt8], maxDepth: Int = 64) throws(CoreFailure) {
        var parser = JSONParser(bytes: bytes, maxDepth: maxDepth)
        self = try parser.document()
    }
}

/// Where a value stands in its text: line and column from 1, columns in characters.
package struct SourceMark: Hashable, Sendable, Codable {
    package var line: Int
    package var column: Int

    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }
}

private struct JSONParser {
    let bytes: [UInt8]
    let maxDepth: Int
    var index = 0

    mutating func document() throws(CoreFailure) -> JSON {
        let value = try self.value(depth: 0)
        skipSpace()
        guard index == bytes.count else { throw failure("nothing more after the document") }
        return value
    }

    private func failure(_ wanted: String) -> CoreFailure {
        let read = bytes.prefix(index)
        let line = read.count { $0 == 0x0a } + 1
        let column = String(decoding: read.suffix(from: (read.lastIndex(of: 0x0a) ?? -1) + 1), as: UTF8.self).count + 1
        let found = index < bytes.count ? "`\(String(decoding: bytes[index...].prefix(12), as: UTF8.self))`" : "the end"
        return CoreFailure("bad_json", "\(line):\(column): found \(found), wanted \(wanted)")
    }

    private mutating func skipSpace() {
        while index < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[index]) { index += 1 }
    }

    private mutating func take(_ character: UInt8) -> Bool {
        guard index < bytes.count, bytes[index] == character else { return false }
        index += 1
        return true
    }

    private mutating func value(depth: Int) throws(CoreFailure) -> JSON {
        skipSpace()
        guard depth < maxDepth else { throw failure("nesting of at most \(maxDepth)") }
        guard index < bytes.count else { throw failure("a value") }
        switch bytes[index] {
        case 0x7b: return try object(depth: depth)
        case 0x5b: return try array(depth: depth)
        case 0x22: return .string(try string())
        case 0x74: return try word("true", .bool(true))
        case 0x66: return try word("false", .bool(false))
        case 0x6e: return try word("null", .null)
        case 0x2d, 0x30...0x39: return try number()
        default: throw failure("a value")
        }
    }

    private mutating func word(_ text: String, _ value: JSON) throws(CoreFailure) -> JSON {
        guard bytes[index...].starts(with: text.utf8) else { throw failure("`\(text)`") }
        index += text.utf8.count
        return value
    }

    private mutating func array(depth: Int) throws(CoreFailure) -> JSON {
        index += 1
        var elements: [JSON] = []
        skipSpace()
        if take(0x5d) { return .array([]) }
        while true {
            elements.append(try value(depth: depth + 1))
            skipSpace()
            if take(0x5d) { return .array(elements) }
            guard take(0x2c) else { throw failure("`,` or `]`") }
        }
    }

    private mutating func object(depth: Int) throws(CoreFailure) -> JSON {
        index += 1
        var members: [JSON.Member] = []
        var names: Set<String> = []
        skipSpace()
        if take(0x7d) { return .object([]) }
        while true {
            skipSpace()
            guard index < bytes.count, bytes[index] == 0x22 else { throw failure("a name in quotes") }
            let start = index
            let name = try string()
            guard names.insert(name).inserted else {
                index = start
                throw failure("each name once; `\(name)` stands twice")
            }
            skipSpace()
            guard take(0x3a) else { throw failure("`:`") }
            members.append(.init(name, try value(depth: depth + 1)))
            skipSpace()
            if take(0x7d) { return .object(members) }
            guard take(0x2c) else { throw failure("`,` or `}`") }
        }
    }

    private mutating func number() throws(CoreFailure) -> JSON {
        let start = index
        _ = take(0x2d)
        func digits(_ parser: inout JSONParser) -> Int {
            let from = parser.index
            while parser.index < parser.bytes.count, (0x30...0x39).contains(parser.bytes[parser.index]) {
                parser.index += 1
            }
            return parser.index - from
        }
        let whole = index
        guard digits(&self) > 0, bytes[whole] != 0x30 || index == whole + 1 else { throw failure("a number") }
        var integral = true
        if take(0x2e) {
            integral = false
            guard digits(&self) > 0 else { throw failure("digits after the point") }
        }
        if take(0x65) || take(0x45) {
            integral = false
            if !take(0x2b) { _ = take(0x2d) }
            guard digits(&self) > 0 else { throw failure("digits of the exponent") }
        }
        let text = String(decoding: bytes[start..<index], as: UTF8.self)
        if integral, let value = Int64(text) { return .integer(value) }
        guard let value = Double(text), value.isFinite else {
            index = start
            throw failure("a number within the range of a double")
        }
        return .double(value)
    }

    private mutating func string() throws(CoreFailure) -> String {
        index += 1
        var out: [UInt8] = []
        while index < bytes.count {
            let byte = bytes[index]
            switch byte {
            case 0x22:
                index += 1
                guard let text = String(validating: out, as: UTF8.self) else { throw failure("a text in UTF-8") }
                return text
            case 0x5c:
                index += 1
                try escape(into: &out)
            case ..<0x20: throw failure("`\"` (a control character must be escaped)")
            default:
                out.append(byte)
                index += 1
            }
        }
        throw failure("`\"`")
    }

    private mutating func escape(into out: inout [UInt8]) throws(CoreFailure) {
        guard index < bytes.count else { throw failure("an escape") }
        let escapes: [UInt8: UInt8] = [
            0x22: 0x22, 0x5c: 0x5c, 0x2f: 0x2f, 0x62: 8, 0x66: 12, 0x6e: 10, 0x72: 13, 0x74: 9,
        ]
        if let plain = escapes[bytes[index]] {
            out.append(plain)
            index += 1
            return
        }
        guard take(0x75) else { throw failure("an escape") }
        var unit = try hexUnit()
        if (0xd800..<0xdc00).contains(unit) {
            guard take(0x5c), take(0x75) else { throw failure("the second half of a surrogate pair") }
            let low = try hexUnit()
            guard (0xdc00..<0xe000).contains(low) else { throw failure("the second half of a surrogate pair") }
            unit = 0x10000 + (unit - 0xd800) << 10 + (low - 0xdc00)
        }
        guard let scalar = Unicode.Scalar(unit) else { throw failure("no lone surrogate") }
        out.append(contentsOf: String(Character(scalar)).utf8)
    }

    private mutating func hexUnit() throws(CoreFailure) -> UInt32 {
        guard index + 4 <= bytes.count,
            let unit = UInt32(String(decoding: bytes[index..<index + 4], as: UTF8.self), radix: 16),
            bytes[index] != 0x2b, bytes[index] != 0x2d
        else { throw failure("four hexadecimal digits") }
        index += 4
        return unit
    }
}
