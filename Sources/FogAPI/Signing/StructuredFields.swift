internal import FogCore

/// The part of HTTP structured fields (RFC 9651) that message signatures need: dictionaries of inner lists of strings
/// and of byte sequences, with parameters.
///
/// Stricter than the RFC: a key twice is refused, and so is any text that is not its own canonical serialisation. So a
/// field has one form, and what was signed is what was sent.
package enum StructuredField {
    /// The longest field that is read, in bytes.
    package static let lengthLimit = 4096
    /// The most members of a dictionary, items of a list and parameters of either.
    package static let countLimit = 16

    package enum Bare: Hashable, Sendable {
        /// At most 15 digits (RFC 9651 section 3.3.1).
        case integer(Int64)
        /// Printable ASCII.
        case string(String)
        case bytes([UInt8])
        case boolean(Bool)
    }

    package struct Parameter: Hashable, Sendable {
        package var name: String
        package var value: Bare

        package init(_ name: String, _ value: Bare) {
            self.name = name
            self.value = value
        }
    }

    package struct Item: Hashable, Sendable {
        package var value: Bare
        package var parameters: [Parameter]

        package init(_ value: Bare, parameters: [Parameter] = []) {
            self.value = value
            self.parameters = parameters
        }
    }

    package struct InnerList: Hashable, Sendable {
        package var items: [Item]
        package var parameters: [Parameter]

        package init(items: [Item], parameters: [Parameter] = []) {
            self.items = items
            self.parameters = parameters
        }

        package subscript(_ name: String) -> Bare? { parameters.first { $0.name == name }?.value }
    }

    package enum Value: Hashable, Sendable {
        case item(Item)
        case list(InnerList)
    }

    package struct Member: Hashable, Sendable {
        package var key: String
        package var value: Value

        package init(_ key: String, _ value: Value) {
            self.key = key
            self.value = value
        }
    }

    /// What is wrong with a field, and where (bytes from 0).
    package struct Malformed: Error, Hashable, Sendable {
        package let message: String
    }

    /// - Throws: ``Malformed`` for anything but the canonical text of a dictionary within the limits.
    package static func dictionary(_ text: String) throws(Malformed) -> [Member] {
        guard text.utf8.count <= lengthLimit else {
            throw Malformed(message: "the field has \(text.utf8.count) bytes, at most \(lengthLimit)")
        }
        var parser = Parser(bytes: Array(text.utf8))
        let members = try parser.dictionary()
        guard serialize(members) == text else { throw Malformed(message: "the field is not in its canonical form") }
        return members
    }
}

// MARK: - Writing

extension StructuredField {
    package static func serialize(_ members: [Member]) -> String {
        members.map { member in
            switch member.value {
            case .item(let item): member.key + "=" + serialize(item)
            case .list(let list): member.key + "=" + serialize(list)
            }
        }.joined(separator: ", ")
    }

    package static func serialize(_ list: InnerList) -> String {
        "(" + list.items.map(serialize).joined(separator: " ") + ")" + serialize(list.parameters)
    }

    package static func serialize(_ item: Item) -> String { serialize(item.value) + serialize(item.parameters) }

    private static func serialize(_ parameters: [Parameter]) -> String {
        parameters.map { $0.value == .boolean(true) ? ";\($0.name)" : ";\($0.name)=\(serialize($0.value))" }.joined()
    }

    private static func serialize(_ value: Bare) -> String {
        switch value {
        case .integer(let number): String(number)
        case .boolean(let flag): flag ? "?1" : "?0"
        case .bytes(let bytes): ":" + Base64.encode(bytes) + ":"
        case .string(let text): quoted(text)
        }
    }

    private static func quoted(_ text: String) -> String {
        var out = "\""
        for character in text.unicodeScalars {
            if character == "\"" || character == "\\" { out.unicodeScalars.append("\\") }
            out.unicodeScalars.append(character)
        }
        return out + "\""
    }
}

// MARK: - Reading

private struct Parser {
    let bytes: [UInt8]
    var index = 0

    private func failure(_ wanted: String) -> StructuredField.Malformed {
        StructuredField.Malformed(message: "at byte \(index): wanted \(wanted)")
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard index < bytes.count, bytes[index] == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    private mutating func bytes(while condition: (UInt8) -> Bool) -> ArraySlice<UInt8> {
        let start = index
        while index < bytes.count, condition(bytes[index]) { index += 1 }
        return bytes[start..<index]
    }

    mutating func dictionary() throws(StructuredField.Malformed) -> [StructuredField.Member] {
        var members: [StructuredField.Member] = []
        while true {
            guard members.count < StructuredField.countLimit else { throw failure("fewer members") }
            let key = try key()
            guard !members.contains(where: { $0.key == key }) else { throw failure("the key `\(key)` once") }
            guard take("=") else { throw failure("`=`") }
            members.append(.init(key, try value()))
            if index == bytes.count { return members }
            guard take(","), take(" ") else { throw failure("`, ` or the end") }
        }
    }

    /// RFC 9651 section 3.1.2: `lcalpha` or `*`, then letters, digits, `_`, `-`, `.`, `*`.
    private mutating func key() throws(StructuredField.Malformed) -> String {
        guard index < bytes.count, (0x61...0x7a).contains(bytes[index]) || bytes[index] == 0x2a else {
            throw failure("a key")
        }
        let text = bytes { byte in
            (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte) || [0x5f, 0x2d, 0x2e, 0x2a].contains(byte)
        }
        return String(decoding: text, as: UTF8.self)
    }

    private mutating func value() throws(StructuredField.Malformed) -> StructuredField.Value {
        guard take("(") else { return .item(try item()) }
        var items: [StructuredField.Item] = []
        while !take(")") {
            guard items.count < StructuredField.countLimit else { throw failure("fewer items") }
            if !items.isEmpty, !take(" ") { throw failure("a space or `)`") }
            items.append(try item())
        }
        return .list(.init(items: items, parameters: try parameters()))
    }

    private mutating func item() throws(StructuredField.Malformed) -> StructuredField.Item {
        let value = try bare()
        return .init(value, parameters: try parameters())
    }

    private mutating func parameters() throws(StructuredField.Malformed) -> [StructuredField.Parameter] {
        var parameters: [StructuredField.Parameter] = []
        while take(";") {
            guard parameters.count < StructuredField.countLimit else { throw failure("fewer parameters") }
            let name = try key()
            guard !parameters.contains(where: { $0.name == name }) else { throw failure("`\(name)` once") }
            parameters.append(.init(name, take("=") ? try bare() : .boolean(true)))
        }
        return parameters
    }

    private mutating func bare() throws(StructuredField.Malformed) -> StructuredField.Bare {
        guard index < bytes.count else { throw failure("a value") }
        switch bytes[index] {
        case 0x22: return .string(try string())
        case 0x3a: return .bytes(try byteSequence())
        case 0x3f: return .boolean(try boolean())
        case 0x2d, 0x30...0x39: return .integer(try integer())
        default: throw failure("a string, an integer, a boolean or bytes")
        }
    }

    private mutating func string() throws(StructuredField.Malformed) -> String {
        index += 1
        var out: [UInt8] = []
        while index < bytes.count {
            var byte = bytes[index]
            if byte == 0x22 {
                index += 1
                return String(decoding: out, as: UTF8.self)
            }
            if byte == 0x5c {
                index += 1
                guard index < bytes.count, bytes[index] == 0x22 || bytes[index] == 0x5c else {
                    throw failure("`\"` or `\\` after `\\`")
                }
                byte = bytes[index]
            }
            guard (0x20...0x7e).contains(byte) else { throw failure("printable ASCII") }
            out.append(byte)
            index += 1
        }
        throw failure("a closing quote")
    }

    private mutating func byteSequence() throws(StructuredField.Malformed) -> [UInt8] {
        index += 1
        let text = bytes { $0 != 0x3a }
        guard take(":"), let decoded = Base64.decode(String(decoding: text, as: UTF8.self)) else {
            throw failure("bytes in base64 between colons")
        }
        return decoded
    }

    private mutating func boolean() throws(StructuredField.Malformed) -> Bool {
        index += 1
        if take("1") { return true }
        guard take("0") else { throw failure("`?0` or `?1`") }
        return false
    }

    private mutating func integer() throws(StructuredField.Malformed) -> Int64 {
        let start = index
        _ = take("-")
        let digits = bytes { (0x30...0x39).contains($0) }
        guard (1...15).contains(digits.count),
            let value = Int64(String(decoding: bytes[start..<index], as: UTF8.self))
        else { throw failure("an integer of at most 15 digits") }
        return value
    }
}
