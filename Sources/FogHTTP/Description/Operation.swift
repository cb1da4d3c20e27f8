internal import FogCoordinator
internal import FogCore

/// One operation of the API: what may be sent, and all that can come back. The query is what the door takes; the rest is
/// held against every answer that the tests see.
struct Operation: Sendable {
    enum Content: Sendable {
        case none
        case json(any (Decodable & Sendable).Type)
        /// A JSON document whose form is written by hand.
        case document(JSON)
        case text(String)
        case bytes
    }

    /// What a member of a body may be, beyond its type: keywords of JSON Schema by the member's path.
    typealias Bounds = [String: [JSON.Member]]

    /// `GET /v1/jobs/{job}`
    let route: String
    let summary: String
    var query: [QueryParameter] = []
    var headers: [JSON] = []
    var body = Content.none
    var bounds: Bounds = [:]
    /// A body that may be left out.
    var isBodyOptional = false
    var answers: [Int: Content]
    /// Also as a stream of events (text/event-stream).
    var isStreamed = false
    /// Statuses of refusals beyond those that follow from what the operation is.
    var others: Set<Int> = []

    init(
        _ route: String, _ summary: String, query: [QueryParameter] = [], headers: [JSON] = [],
        body: Content = .none, bounds: Bounds = [:], isBodyOptional: Bool = false, _ answers: [Int: Content],
        isStreamed: Bool = false, others: Set<Int> = []
    ) {
        self.route = route
        self.summary = summary
        self.query = query
        self.headers = headers
        self.body = body
        self.bounds = bounds
        self.isBodyOptional = isBodyOptional
        self.answers = answers
        self.isStreamed = isStreamed
        self.others = others
    }

    var method: String { String(route.prefix { $0 != " " }) }
    var path: String { String(route.drop { $0 != " " }.dropFirst()) }
    var parameters: [String] {
        path.split(separator: "/").filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) }
    }

    /// Whether a signature is wanted.
    var isSigned: Bool { Routes.capabilities[route] != nil || route == "POST /v1/join" }
    var isVersioned: Bool { path.hasPrefix("/v1/") && path != "/v1/info" }

    /// What can be answered instead of what was wanted.
    var refusals: Set<Int> {
        // The door's own: bytes that are no request, bodies too slow or too large, heads too large, no room.
        var statuses: Set<Int> = [400, 408, 413, 431, 503]
        if isVersioned { statuses.insert(426) }
        if isSigned { statuses.formUnion([401, 429]) }
        if let rule = Routes.capabilities[route]?.rule, !Self.everybody.isSubset(of: rule.roles) {
            statuses.insert(403)
        }
        if !parameters.isEmpty { statuses.insert(404) }
        // A beginning or a name can be that of several.
        if !Self.ambiguous.isDisjoint(with: parameters) { statuses.insert(409) }
        return statuses.union(others)
    }

    private static let everybody = Routes.everybody
    private static let ambiguous: Set = ["job", "node", "enrolment", "identity"]
}

extension RoutePattern {
    /// What the query may have: nothing where nobody described the route.
    var query: [QueryParameter] { Operation.of(self)?.query ?? [] }
}

extension Operation.Bounds {
    static func text(_ range: ClosedRange<Int64>) -> [JSON.Member] {
        [.init("minLength", .integer(range.lowerBound)), .init("maxLength", .integer(range.upperBound))]
    }

    static func count(_ range: ClosedRange<Int64>) -> [JSON.Member] {
        [.init("minItems", .integer(range.lowerBound)), .init("maxItems", .integer(range.upperBound))]
    }

    static func number(_ range: ClosedRange<Int64>) -> [JSON.Member] {
        [.init("minimum", .integer(range.lowerBound)), .init("maximum", .integer(range.upperBound))]
    }

    static func pattern(_ pattern: String) -> [JSON.Member] { [.init("pattern", .string(pattern))] }
}
