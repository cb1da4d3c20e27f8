import FogNet
import Testing

@testable import FogHTTP

/// Reading a request's target: bytes, by RFC 3986.
@Suite("Targets of requests")
struct RouteParametersTests {
    private static let known = [
        QueryParameter("before", .text(pattern: nil, wanted: "a name"), ""),
        QueryParameter("limit", .integer(0...9), ""),
    ]

    private static func read(_ query: String) -> RouteParameters? {
        try? RouteParameters(path: [:], query: query, known: known)
    }

    @Test("an escape is two digits, in either case", arguments: ["%+1", "%-1", "% 1", "%0x", "%1", "%", "%g0", "%٣١"])
    func escapes(_ escape: String) {
        #expect(percentDecoded(escape[...]) == nil)
        #expect(Self.read("before=\(escape)") == nil)
        #expect(percentDecoded("%c3%A9") == "é")
    }

    @Test("a mark that makes a letter of a separator hides nothing", arguments: ["\u{301}", "\u{731}", "\u{338}"])
    func marks(_ mark: String) {
        // What stands behind the separator is another parameter, which nobody knows.
        #expect(Self.read("before=1&\(mark)x=2") == nil)
        #expect(Self.read("before=1&before\(mark)=2") == nil)
        #expect(Self.read("before=\(mark)1&limit=2")?.text("before") == "\(mark)1")
        let request = CarrierRequest(method: "GET", target: "/v1/\(mark)jobs?\(mark)a")
        #expect(request.path == "/v1/\(mark)jobs" && request.query == "\(mark)a")
        #expect(RoutePattern.segments(of: request.path) == ["v1", "\(mark)jobs"])
        #expect(
            RoutePattern("GET /v1/{name}").match(RoutePattern.segments(of: request.path)) == ["name": "\(mark)jobs"])
    }
}
