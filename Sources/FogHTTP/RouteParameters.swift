internal import FogAPI

/// The parameters of a matched path and its query.
struct RouteParameters: Sendable {
    private let path: [String: String]
    private let query: [String: String]

    /// - Parameter known: the parameters that the query may have.
    /// - Throws: 400 `bad_query` for a name that is not known, one that stands twice, and a value that is not taken:
    ///   there is nothing that one side says and the other passes over.
    init(path: [String: String], query text: String, known: [QueryParameter]) throws(Problem) {
        self.path = path
        var query: [String: String] = [:]
        // Bytes: a mark behind a separator makes a letter of both, which is no separator any more.
        for item in text.utf8.split(separator: UInt8(ascii: "&")) {
            let pair = item.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
                .map { Substring($0) }
            guard let name = percentDecoded(pair[0]), let value = percentDecoded(pair.count == 2 ? pair[1] : "") else {
                throw Problem(400, "bad_query", "the query is not percent-encoded UTF-8")
            }
            guard let parameter = known.first(where: { $0.name == name }) else {
                let names = known.map { "`\($0.name)`" }.joined(separator: ", ")
                throw Problem(
                    400, "bad_query",
                    "there is no parameter `\(name.prefix(60))` here, only \(names.isEmpty ? "the path" : names)")
            }
            guard parameter.takes(value) else {
                throw Problem(400, "bad_query", "`\(name)` must be \(parameter.wanted), found `\(value.prefix(60))`")
            }
            guard query.updateValue(value, forKey: name) == nil else {
                throw Problem(400, "bad_query", "`\(name)` stands twice")
            }
        }
        for parameter in known where parameter.isRequired && query[parameter.name] == nil {
            throw Problem(400, "bad_query", "`\(parameter.name)`, \(parameter.words), is missing")
        }
        self.query = query
    }

    subscript(_ name: String) -> String { path[name] ?? "" }

    func text(_ name: String) -> String? { query[name].flatMap { $0.isEmpty ? nil : $0 } }

    /// A value of the query that must parse, if it is there.
    func value<Value>(_ name: String, wanted: String, _ parse: (String) -> Value?) throws(Problem) -> Value? {
        guard let text = text(name) else { return nil }
        guard let value = parse(text) else {
            throw Problem(400, "bad_query", "`\(name)` must be \(wanted), found `\(text.prefix(60))`")
        }
        return value
    }

    func integer(_ name: String) throws(Problem) -> Int? {
        try value(name, wanted: "a whole number from 0") { Int($0).flatMap { $0 >= 0 ? $0 : nil } }
    }

    /// A size or a place in a file. Bounded, so that sums of two never overflow.
    func byteCount(_ name: String) throws(Problem) -> Int64? {
        try value(name, wanted: "a number of bytes from 0 to 2^53") {
            Int64($0).flatMap { (0...1 << 53).contains($0) ? $0 : nil }
        }
    }

    /// A place in a sequence that begins with 1; the stores keep them in signed columns.
    func sequence(_ name: String) throws(Problem) -> UInt64? {
        try value(name, wanted: "a sequence number from 0 to 2^63 - 1") {
            UInt64($0).flatMap { $0 <= UInt64(Int64.max) ? $0 : nil }
        }
    }
}

/// `%41` as `A`; nil for a broken escape or bytes that are not UTF-8.
func percentDecoded(_ text: Substring) -> String? {
    guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
        guard byte == UInt8(ascii: "%") else {
            bytes.append(byte)
            continue
        }
        // Digits alone: a number's reader would take a sign.
        guard let high = rest.popFirst().flatMap(hexDigit), let low = rest.popFirst().flatMap(hexDigit) else {
            return nil
        }
        bytes.append(high << 4 | low)
    }
    return String(validating: bytes, as: UTF8.self)
}

private func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
}
