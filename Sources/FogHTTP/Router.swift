internal import FogAPI
internal import FogNet

/// Which route a path is: segments, of which some are names of parameters.
struct RoutePattern: Sendable {
    private enum Segment: Sendable {
        case literal(Substring)
        case parameter(String)
    }

    let method: String
    let text: String
    /// What stands of the route in the API's description.
    var operation: Operation? { Operation.of(self) }
    private let segments: [Segment]

    /// `GET /v1/jobs/{job}/tasks`
    init(_ text: String) {
        let parts = text.split(separator: " ")
        precondition(parts.count == 2, "a route reads `GET /v1/jobs/{job}`")
        method = String(parts[0])
        self.text = String(parts[1])
        segments = parts[1].split(separator: "/").map {
            $0.hasPrefix("{") ? .parameter(String($0.dropFirst().dropLast())) : .literal($0)
        }
    }

    var parameterCount: Int { segments.count { if case .parameter = $0 { true } else { false } } }

    /// The parameters, percent-decoded; nil when the path is another's.
    func match(_ path: [Substring]) -> [String: String]? {
        guard path.count == segments.count else { return nil }
        var parameters: [String: String] = [:]
        for (segment, part) in zip(segments, path) {
            switch segment {
            case .literal(let text): if text != part { return nil }
            case .parameter(let name):
                guard let value = percentDecoded(part), !value.isEmpty else { return nil }
                parameters[name] = value
            }
        }
        return parameters
    }
}

/// The parameters of a matched path and its query.
struct RouteParameters: Sendable {
    private let path: [String: String]
    private let query: [String: String]

    /// - Parameter operation: says which parameters the query may have; nil = none.
    /// - Throws: 400 `bad_query` for a name that the operation does not know, one that stands twice, and a value that it
    ///   does not take: there is nothing that one side says and the other passes over.
    init(path: [String: String], query text: String, of operation: Operation?) throws(Problem) {
        self.path = path
        let known = operation?.query ?? []
        var query: [String: String] = [:]
        for item in text.split(separator: "&") {
            let pair = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
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
        guard let high = rest.popFirst(), let low = rest.popFirst(),
            let value = UInt8(String(decoding: [high, low], as: UTF8.self), radix: 16)
        else { return nil }
        bytes.append(value)
    }
    return String(validating: bytes, as: UTF8.self)
}
