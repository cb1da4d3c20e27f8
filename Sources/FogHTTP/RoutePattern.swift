/// Which route a path is: segments, of which some are names of parameters.
struct RoutePattern: Sendable {
    private enum Segment: Sendable {
        case literal(Substring)
        case parameter(String)
    }

    let method: String
    let text: String
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

    /// What stands between slashes: bytes, whatever letters a mark behind one would make with it.
    static func segments(of path: String) -> [Substring] {
        path.utf8.split(separator: UInt8(ascii: "/")).map { Substring($0) }
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
