import FogAPI
import FogCore
import FogHTTP
import FogNet
import FogTestSupport
import Testing

/// What is done to a connection by those who want to be read in two ways, or not to be read to the end.
@Suite("Hostile connections", .timeLimit(.minutes(10)))
struct HostileConnectionTests {
    private static func limits(_ change: (inout HTTPServer.Limits) -> Void) -> HTTPServer.Limits {
        var limits = HTTPServer.Limits()
        change(&limits)
        return limits
    }

    /// Status codes of the answers in what came over a connection.
    private static func statuses(_ text: String) -> [Int] {
        text.split(separator: "HTTP/1.1 ", omittingEmptySubsequences: false).dropFirst().compactMap {
            Int($0.prefix(3))
        }
    }

    // MARK: - Slowness

    @Test(
        "a body that drips is cut off like one that stands still",
        arguments: ["content-length: 100000", "transfer-encoding: chunked"])
    func drippingBody(_ header: String) async throws {
        let endpoint = EndpointDouble()
        try await withServer(endpoint, limits: Self.limits { $0.bodyTime = .milliseconds(150) }) { port, server in
            let connection = try RawConnection(port: port)
            try await connection.send("POST /mirror HTTP/1.1\r\nhost: x\r\n\(header)\r\n\r\n")
            let piece = header.hasPrefix("content") ? "a" : "1\r\na\r\n"
            while try await connection.send(piece), server.openRequests > 0 || endpoint.requests > 0 {
                try await Task.sleep(for: .milliseconds(5))
            }
            let answer = try await connection.readToEnd()
            #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 408 "), "\(answer.prefix(80))")
            try await eventually { server.openRequests == 0 }
        }
        #expect(endpoint.requests == 0)
    }

    @Test("many connections that drip their heads keep nobody else waiting, and all are cut off")
    func manySlowHeads() async throws {
        try await withServer(EndpointDouble(), limits: Self.limits { $0.headTime = .milliseconds(300) }) { port, _ in
            let slow = try (0..<200).map { _ in try RawConnection(port: port) }
            for connection in slow { try await connection.send("GET /echo HTTP/1.1\r\nx-slow: ") }
            let other = try RawConnection(port: port)
            try await other.send("GET /status/200 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            #expect(try await other.readToEnd().hasPrefix("HTTP/1.1 200 "))
            for connection in slow {
                while try await connection.send("y") { try await Task.sleep(for: .milliseconds(2)) }
            }
        }
    }

    // MARK: - Pipelining

    @Test("requests that come all at once are answered one after the other, in their order")
    func pipelined() async throws {
        let endpoint = EndpointDouble()
        try await withServer(endpoint) { port, _ in
            let connection = try RawConnection(port: port)
            let wanted = (0..<60).map { 200 + $0 % 4 }
            let requests = wanted.map { "GET /status/\($0) HTTP/1.1\r\nhost: x\r\n\r\n" }.joined()
            try await connection.send(requests + "GET /status/299 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            #expect(Self.statuses(try await connection.readToEnd()) == wanted.map { $0 } + [299])
        }
        #expect(endpoint.requests == 61)
    }

    @Test(
        "what stands behind a request that was refused unread is no request",
        arguments: [
            "content-length: 67108865\r\n\r\n", "transfer-encoding: chunked\r\n\r\nFFFFFFF\r\n",
            "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", "content-length: 1, 2\r\n\r\n",
        ])
    func behindRefused(_ rest: String) async throws {
        let endpoint = EndpointDouble()
        try await withServer(endpoint, limits: Self.limits { $0.bodyBytes = 1000 }) { port, _ in
            let connection = try RawConnection(port: port)
            let smuggled = String(repeating: "GET /status/200 HTTP/1.1\r\nhost: x\r\n\r\n", count: 50)
            try await connection.send("POST /mirror HTTP/1.1\r\nhost: x\r\n\(rest)\(smuggled)")
            let statuses = Self.statuses(try await connection.readToEnd())
            #expect(statuses.count <= 1 && statuses.allSatisfy { (400..<500).contains($0) }, "\(statuses)")
        }
        #expect(endpoint.requests == 0)
    }

    /// Heads that two readers could take to end in two places. Behind each stands `GET /smuggled`.
    private static let ambiguous = [
        "content-length: 0\r\ncontent-length: 44", "content-length: 44\r\ncontent-length: 0",
        "content-length: 0, 44", "content-length: +44", "content-length: 0x2c", "content-length: 44 44",
        "content-length: -0", "content-length: 4_4", "content-length:", "content-length: 44;",
        "content-length: 18446744073709551660", "content-length: 44\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 44", "transfer-encoding: chunked, identity",
        "transfer-encoding: xchunked", "transfer-encoding: identity",
        "transfer-encoding: chunked\r\ntransfer-encoding: x",
        "transfer-encoding: x\r\ntransfer-encoding: chunked\r\ncontent-length: 44", "transfer-encoding:\u{b}chunked",
        "transfer-encoding : chunked", "content-length : 44", " content-length: 44", "transfer-encoding: \"chunked\"",
        "transfer-encoding: chunked;x=y", "x: y\rcontent-length: 44",
        "x: y\ncontent-length: 44\ntransfer-encoding: chunked",
        "x: \u{0}\r\ncontent-length: 44", "content_length: 44\r\ncontent-length: 1\r\ncontent-length: 2",
    ]

    @Test("a head that can be read in two ways is not read at all", arguments: ambiguous)
    func smuggling(_ head: String) async throws {
        let endpoint = EndpointDouble()
        try await withServer(endpoint) { port, _ in
            let connection = try RawConnection(port: port)
            try await connection.send(
                "POST /once HTTP/1.1\r\nhost: x\r\nfog-idempotency-key: front\r\n\(head)\r\n\r\n"
                    + "0\r\n\r\nPOST /once HTTP/1.1\r\nhost: x\r\nfog-idempotency-key: smuggled\r\ncontent-length: 0\r\n"
                    + "connection: close\r\n\r\n")
            connection.finishSending()
            let statuses = Self.statuses(try await connection.readToEnd())
            #expect(statuses.count <= 1, "\(statuses)")
        }
        #expect(!endpoint.effects.contains("smuggled"))
    }

    /// Chunks that two readers could take to end in two places.
    @Test(
        "a chunked body that can be read in two ways is refused",
        arguments: [
            "0x5\r\nhello\r\n0\r\n\r\n", "+5\r\nhello\r\n0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n",
            " 5\r\nhello\r\n0\r\n\r\n",
            "5 \u{b}\r\nhello\r\n0\r\n\r\n", "5\r\nhelloXX0\r\n\r\n", "5\r\nhello0\r\n\r\n",
            "\r\n5\r\nhello\r\n0\r\n\r\n",
            "10000000000000005\r\nhello\r\n0\r\n\r\n", "5\u{0}\r\nhello\r\n0\r\n\r\n", ";5\r\nhello\r\n0\r\n\r\n",
        ])
    func chunks(_ body: String) async throws {
        let endpoint = EndpointDouble()
        try await withServer(endpoint) { port, _ in
            let connection = try RawConnection(port: port)
            try await connection.send(
                "POST /once HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n\(body)"
                    + "POST /once HTTP/1.1\r\nhost: x\r\nfog-idempotency-key: smuggled\r\ncontent-length: 0\r\n\r\n")
            connection.finishSending()
            let statuses = Self.statuses(try await connection.readToEnd())
            #expect(statuses.allSatisfy { (400..<500).contains($0) }, "\(statuses)")
        }
        #expect(endpoint.requests == 0)
    }

    // MARK: - Paths

    /// Ways to write a path that another reader would take for another.
    private static let targets = [
        "/v1/%6de", "/%76%31/me", "/v1%2fme", "/v1/..%2fme", "/v1/%2e%2e/v1/me", "/v1/%252e%252e/me", "/v1/me%00",
        "/v1/me%0d%0ax:y", "/v1/me;x=y", "/v1/me.json", "/V1/ME", "/v1/me%20", "/v1\\me", "/./v1/me", "/v1/./me",
        "/v1/jobs/../me", "/v1/jobs/%2e%2e/me", "/v1/jobs/..;/me", "/install/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/install/..%2fcoordinator.key", "/metrics/../v1/me", "/healthz/../v1/me", "/healthz%2f..%2fv1%2fme",
        "/v1/me#x",
        "http://127.0.0.1/v1/me", "https://user:pass@127.0.0.1/v1/me", "//127.0.0.1/v1/me", "v1/me", "*", "?", "/%",
        "/%zz",
    ]

    @Test("a path written in another way is no path, signed or not")
    func paths() async throws {
        try await Pool.with { pool in
            for target in Self.targets {
                for method in ["GET", "POST"] {
                    let plain = CarrierRequest(method: method, target: target)
                    expectRefusal(try await pool.exchange(plain), [400, 401, 404, 405], "\(method) \(target)")
                    guard let signed = try? pool.signed(method, target, by: "admin") else { continue }
                    expectRefusal(try await pool.exchange(signed), [400, 401, 404, 405], "\(method) \(target), signed")
                }
            }
            try await pool.isUnharmed()
        }
    }

    // MARK: - Garbage

    /// Bytes of no meaning, or pieces of HTTP put together by chance.
    private static func garbage(_ generator: inout SeededGenerator) -> [UInt8] {
        let words = [
            "GET ", "POST ", "PUT ", "/v1/jobs", "/v1/join", "/", "?", "%00", " HTTP/1.1", " HTTP/2.0", "\r\n",
            "\r\n\r\n",
            "host: x\r\n", "content-length: ", "transfer-encoding: chunked\r\n", "expect: 100-continue\r\n",
            "upgrade: h2c\r\nconnection: upgrade\r\n", "connection: close\r\n", "signature: fog=:AAAA:\r\n",
            "signature-input: fog=(\"@method\")", "9", "-1", "ffffffff\r\n", "{\"document\":", "\u{0}",
            "\u{16}\u{3}\u{1}",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "accept: text/event-stream\r\n", "é", "0\r\n\r\n",
        ]
        var bytes: [UInt8] = []
        for _ in 0..<Int.random(in: 1...20, using: &generator) {
            if Bool.random(using: &generator) {
                bytes += Array(words[Int.random(in: 0..<words.count, using: &generator)].utf8)
            } else {
                bytes += (0..<Int.random(in: 1...60, using: &generator)).map { _ in
                    UInt8.random(in: 0...255, using: &generator)
                }
            }
        }
        return bytes
    }

    @Test("10,000 requests of garbage: none is taken, none keeps its connection, and the coordinator serves")
    func manyOfGarbage() async throws {
        let limits = Self.limits {
            $0.headTime = .milliseconds(100)
            $0.bodyTime = .milliseconds(100)
            $0.idleTime = .milliseconds(200)
        }
        try await Pool.with(limits: limits) { pool in
            try await withThrowingTaskGroup(of: [Int].self) { group in
                for worker in 0..<40 {
                    group.addTask {
                        var generator = SeededGenerator(seed: UInt64(worker))
                        var found: [Int] = []
                        for number in 0..<250 {
                            let connection = try RawConnection(port: pool.port)
                            try await connection.send(bytes: Self.garbage(&generator))
                            // The others are cut off by the coordinator.
                            if number % 2 == 0 { connection.finishSending() }
                            found += Self.statuses(String(decoding: try await connection.bytesToEnd(), as: UTF8.self))
                        }
                        return found
                    }
                }
                for try await statuses in group {
                    #expect(statuses.allSatisfy { (400..<500).contains($0) }, "\(Set(statuses))")
                    #expect(!statuses.isEmpty)
                }
            }
            try await eventually { pool.server.openRequests == 0 && pool.server.openConnections == 0 }
            #expect(pool.authentication.openRequests == 0)
            try await pool.isUnharmed()
        }
    }
}
