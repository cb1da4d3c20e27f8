/// A text with `{name}` places in it.
///
/// Only names of the step's own parameters are places; `${x}`, other braces and everything else stay as they are, so
/// that shell, awk and JSON texts pass unharmed. `{{` gives `{`.
struct Template {
    enum Piece: Equatable {
        case literal(String)
        /// `{name}`; literal when the step has no such parameter.
        case place(String)
    }

    let pieces: [Piece]

    init(_ text: String) {
        let bytes = Array(text.utf8)
        var pieces: [Piece] = []
        var literal: [UInt8] = []
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            let next = index + 1 < bytes.count ? bytes[index + 1] : 0
            if byte == UInt8(ascii: "$"), next == UInt8(ascii: "{") {
                literal += [byte, next]
                index += 2
            } else if byte == UInt8(ascii: "{"), next == UInt8(ascii: "{") {
                literal.append(byte)
                index += 2
            } else if byte == UInt8(ascii: "{"), let end = Self.nameEnd(in: bytes, from: index + 1) {
                if !literal.isEmpty { pieces.append(.literal(String(decoding: literal, as: UTF8.self))) }
                literal = []
                pieces.append(.place(String(decoding: bytes[index + 1..<end], as: UTF8.self)))
                index = end + 1
            } else {
                literal.append(byte)
                index += 1
            }
        }
        if !literal.isEmpty { pieces.append(.literal(String(decoding: literal, as: UTF8.self))) }
        self.pieces = pieces
    }

    /// Where the `}` stands after a name, or nil when there is none.
    private static func nameEnd(in bytes: [UInt8], from start: Int) -> Int? {
        var index = start
        while index < bytes.count, isNameByte(bytes[index], first: index == start) { index += 1 }
        return index > start && index < bytes.count && bytes[index] == UInt8(ascii: "}") ? index : nil
    }

    private static func isNameByte(_ byte: UInt8, first: Bool) -> Bool {
        switch byte {
        case 0x41...0x5a, 0x61...0x7a, 0x5f: true
        case 0x30...0x39: !first
        default: false
        }
    }

    /// `[A-Za-z_][A-Za-z0-9_]*`, at most 63 long: parameters, and environment variables (POSIX 8.1).
    static func isName(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return (1...ManifestLimits.maxNameBytes).contains(bytes.count)
            && bytes.indices.allSatisfy { isNameByte(bytes[$0], first: $0 == 0) }
    }

    /// Every `{name}`, also of no parameter.
    var places: [String] {
        pieces.compactMap { if case .place(let name) = $0 { name } else { nil } }
    }

    /// The text with every place filled that has a value.
    func filled(_ value: (String) -> String?) -> String {
        var out = ""
        for piece in pieces {
            switch piece {
            case .literal(let text): out += text
            case .place(let name): out += value(name) ?? "{\(name)}"
            }
        }
        return out
    }

    /// A text that a template turns into the given one.
    static func escaped(_ text: String) -> String {
        var out = ""
        for character in text { out += character == "{" ? "{{" : String(character) }
        return out
    }
}
