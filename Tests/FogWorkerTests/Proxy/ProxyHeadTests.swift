import FogJobs
import Testing

@testable import FogWorker

@Suite("What is asked of a proxy")
struct ProxyHeadTests {
    private func read(_ text: String, limits: ProxyLimits = ProxyLimits()) throws -> (
        request: ProxyRequest, rest: [UInt8]
    )? {
        var head = ProxyHead(limits: limits)
        return try head.append(Array(text.utf8))
    }

    @Test(
        "a tunnel",
        arguments: [
            ("example.org:443", "example.org"), ("EXAMPLE.org.:443", "example.org"), ("192.0.2.7:443", "192.0.2.7"),
            ("[2001:db8::1]:443", "[2001:db8::1]"), ("[::ffff:192.0.2.7]:443", "192.0.2.7"),
        ])
    func tunnel(target: String, host: String) throws {
        let (request, rest) = try #require(
            try read("CONNECT \(target) HTTP/1.1\r\nHost: whatever\r\nUser-Agent: x y\r\n\r\n\u{16}tls"))
        #expect(request.isTunnel && request.host.description == host && request.port == 443)
        #expect(rest == Array("\u{16}tls".utf8))
    }

    @Test("a plain request is written anew for the server: its own Host, no word between client and proxy")
    func plain() throws {
        let (request, rest) = try #require(
            try read(
                "POST http://Example.org:8080?a=b HTTP/1.1\r\nHOST: other.example\r\nConnection: x-own, close\r\n"
                    + "X-Own: secret\r\nProxy-Authorization: Basic abc\r\nProxy-Connection: keep-alive\r\n"
                    + "Keep-Alive: 5\r\nUpgrade: h2c\r\nTE: trailers\r\nContent-Length: 3\r\nX-Kept:  as it is \r\n\r\nabc"
            ))
        #expect(request.host.description == "example.org" && request.port == 8080)
        #expect(
            String(decoding: try #require(request.head), as: UTF8.self)
                == "POST /?a=b HTTP/1.1\r\nHost: example.org:8080\r\nConnection: close\r\nContent-Length: 3\r\n"
                + "X-Kept:  as it is \r\n\r\n")
        #expect(rest == Array("abc".utf8))
        let root = try #require(try read("GET HTTP://example.org HTTP/1.0\r\n\r\n"))
        #expect(
            String(decoding: root.request.head ?? [], as: UTF8.self)
                == "GET / HTTP/1.0\r\nHost: example.org\r\nConnection: close\r\n\r\n")
    }

    /// Each is refused with 400: what two readers might read differently.
    static let bad = [
        "\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET https://a.example/ HTTP/1.1\r\n\r\n", "OPTIONS * HTTP/1.1\r\n\r\n",
        "CONNECT a.example HTTP/1.1\r\n\r\n", "CONNECT a.example: HTTP/1.1\r\n\r\n", "CONNECT :443 HTTP/1.1\r\n\r\n",
        "CONNECT a.example:0 HTTP/1.1\r\n\r\n", "CONNECT a.example:65536 HTTP/1.1\r\n\r\n",
        "CONNECT a.example:4294967739 HTTP/1.1\r\n\r\n", "CONNECT a.example:0443 HTTP/1.1\r\n\r\n",
        "CONNECT a.example:+443 HTTP/1.1\r\n\r\n", "CONNECT a.example:-1 HTTP/1.1\r\n\r\n",
        "CONNECT a.example:443:443 HTTP/1.1\r\n\r\n", "CONNECT user@a.example:443 HTTP/1.1\r\n\r\n",
        "CONNECT a.example%00.b.example:443 HTTP/1.1\r\n\r\n", "CONNECT http://a.example:443/ HTTP/1.1\r\n\r\n",
        "CONNECT a.example:443/ HTTP/1.1\r\n\r\n", "CONNECT 127.1:443 HTTP/1.1\r\n\r\n",
        "CONNECT 0x7f000001:443 HTTP/1.1\r\n\r\n", "CONNECT 2130706433:443 HTTP/1.1\r\n\r\n",
        "CONNECT 0177.0.0.1:443 HTTP/1.1\r\n\r\n", "CONNECT ::1:443 HTTP/1.1\r\n\r\n",
        "CONNECT [::1%25lo]:443 HTTP/1.1\r\n\r\n", "CONNECT a.example:443\r\n\r\n", "CONNECT a.example:443 \r\n\r\n",
        "CONNECT  a.example:443 HTTP/1.1\r\n\r\n", "CONNECT a.example:443 HTTP/1.1 \r\n\r\n",
        "CONNECT a.example:443 HTTP/2.0\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST http://a.example/ HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "POST http://a.example/ HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET http://a.example@b.example/ HTTP/1.1\r\n\r\n", "GET http://a.example#@b.example/ HTTP/1.1\r\n\r\n",
        "GET http://a.example/x y HTTP/1.1\r\n\r\n", "GET http://a.example\\@b.example/ HTTP/1.1\r\n\r\n",
        "GET http:///a.example/ HTTP/1.1\r\n\r\n", "GET http:a.example/ HTTP/1.1\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\nHost: a\n\n", "CONNECT a.example:443 HTTP/1.1\r\nHost: a\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\rHost: a\r\n\r\n", "CONNECT a.example:443 HTTP/1.1\r\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nX: a\0b\r\n\r\n", "CONNECT a.example:443\0 HTTP/1.1\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nX: a\r\n folded\r\n\r\n", "CONNECT a.example:443 HTTP/1.1\r\nX : a\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\n: a\r\n\r\n", "CONNECT a.example:443 HTTP/1.1\r\nnothing\r\n\r\n",
        "CONNECT a.example\r\n:443 HTTP/1.1\r\n\r\n", "\u{5}\u{1}\0", "\u{16}\u{3}\u{1}",
        "C\u{f6}NNECT a.example:443 HTTP/1.1\r\n\r\n", "CONNECT \u{e4}.example:443 HTTP/1.1\r\n\r\n",
    ]

    @Test("what could be read in two ways is refused", arguments: bad)
    func refused(text: String) throws {
        let refusal = try #require(throws: ProxyRefusal.self) { try read(text) }
        #expect(refusal.status == 400 && refusal.code == "bad_request")
    }

    @Test("a head that dribbles is read once it is whole, and not before")
    func dribbling() throws {
        let text = Array("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n".utf8)
        var head = ProxyHead()
        for byte in text.dropLast() { #expect(try head.append([byte]) == nil) }
        let (request, rest) = try #require(try head.append([text[text.count - 1]]))
        #expect(request.host == .name("a.example") && rest.isEmpty)
    }

    @Test("heads have bounds")
    func bounds() throws {
        var limits = ProxyLimits()
        (limits.headBytes, limits.headerCount) = (200, 3)
        let line = "CONNECT a.example:443 HTTP/1.1\r\n"
        func code(_ text: String) throws -> String? {
            do {
                return try read(text, limits: limits) == nil ? nil : "read"
            } catch let refusal as ProxyRefusal {
                #expect(refusal.status == 431)
                return refusal.code
            }
        }
        #expect(try code(line + "A: b\r\nA: b\r\nA: b\r\n\r\n") == "read")
        #expect(try code(line + "A: b\r\nA: b\r\nA: b\r\nA: b\r\n\r\n") == "head_too_large")
        let long = line + "A: " + String(repeating: "x", count: 199 - line.utf8.count - 7)
        #expect(try code(long + "\r\n\r\n") == "read")
        #expect(try code(long + "xx\r\n\r\n") == "head_too_large")
        #expect(try code(String(repeating: "x", count: 199)) == nil)
        #expect(try code(String(repeating: "x", count: 200)) == "head_too_large")
    }

    @Test("an answer says status, code and reason, and repeats nothing that could be read as a header")
    func answers() {
        let answer = String(decoding: ProxyRefusal(403, "host_not_allowed", "no\r\nX: y \u{e4}").answer, as: UTF8.self)
        let parts = answer.components(separatedBy: "\r\n\r\n")
        #expect(parts.count == 2)
        #expect(
            parts[0].hasPrefix("HTTP/1.1 403 Forbidden\r\n") && parts[0].contains("\r\nFog-Error: host_not_allowed\r\n")
        )
        #expect(parts[0].contains("\r\nContent-Length: \(parts[1].utf8.count)\r\n"))
        #expect(parts[1] == "no??X: y ? (host_not_allowed)\n")
    }
}

extension String {
    fileprivate func components(separatedBy separator: String) -> [String] {
        split(separator: separator, omittingEmptySubsequences: false).map(String.init)
    }
}
