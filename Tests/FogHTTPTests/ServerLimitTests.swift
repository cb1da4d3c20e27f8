import FogAPI
import FogCore
import FogHTTP
import FogNet
import FogTestSupport
import Synchronization
import Testing

@Suite("The HTTP server's limits", .timeLimit(.minutes(10)))
struct ServerLimitTests {
    private static func limits(_ change: (inout HTTPServer.Limits) -> Void) -> HTTPServer.Limits {
        var limits = HTTPServer.Limits()
        change(&limits)
        return limits
    }

    private static func code(_ answer: String) throws -> String? {
        let body = try #require(answer.split(separator: "\r\n\r\n", maxSplits: 1).last)
        return try Problem(JSON(parsing: String(body))).code
    }

    @Test("a body that is announced too large is refused before it is sent")
    func announcedTooLarge() async throws {
        let endpoint = EndpointDouble()
        try await withServer(endpoint) { port, _ in
            let connection = try RawConnection(port: port)
            try await connection.send("POST /mirror HTTP/1.1\r\nhost: x\r\ncontent-length: 67108865\r\n\r\n")
            let answer = try await connection.readToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 413 "))
            #expect(answer.lowercased().contains("connection: close"))
            #expect(try Self.code(answer) == "too_large")
        }
        #expect(endpoint.requests == 0)
    }

    @Test("a body that grows too large, of a length nobody announced, is refused")
    func growsTooLarge() async throws {
        let endpoint = EndpointDouble()
        try await withServer(endpoint, limits: Self.limits { $0.bodyBytes = 1000 }) { port, _ in
            let connection = try RawConnection(port: port)
            try await connection.send("POST /mirror HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
            let chunk = "100\r\n" + String(repeating: "x", count: 256) + "\r\n"
            for _ in 0..<4 { try await connection.send(chunk) }
            let answer = try await connection.readToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 413 "))
            #expect(try Self.code(answer) == "too_large")
        }
        #expect(endpoint.requests == 0)
    }

    @Test("a head that does not end is cut off, whether it drips or stands still", arguments: [true, false])
    func slowHead(drips: Bool) async throws {
        let endpoint = EndpointDouble()
        try await withServer(endpoint, limits: Self.limits { $0.headTime = .milliseconds(200) }) { port, _ in
            let connection = try RawConnection(port: port)
            try await connection.send("GET /echo HTTP/1.1\r\n")
            while drips, try await connection.send("x-a: b\r\n") { try await Task.sleep(for: .milliseconds(5)) }
            let found = try await connection.readToEnd()
            #expect(found.isEmpty)
        }
        #expect(endpoint.requests == 0)
    }

    @Test("a connection that never says anything is cut off")
    func silent() async throws {
        try await withServer(EndpointDouble(), limits: Self.limits { $0.idleTime = .milliseconds(100) }) { port, _ in
            let connection = try RawConnection(port: port)
            let answer = try await connection.readToEnd()
            #expect(answer.isEmpty)
        }
    }

    @Test("a body that does not end is answered 408")
    func slowBody() async throws {
        let endpoint = EndpointDouble()
        try await withServer(endpoint, limits: Self.limits { $0.bodyTime = .milliseconds(100) }) { port, _ in
            let connection = try RawConnection(port: port)
            try await connection.send("POST /mirror HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc")
            let answer = try await connection.readToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 408 "))
            #expect(try Self.code(answer) == "body_too_slow")
        }
        #expect(endpoint.requests == 0)
    }

    @Test(
        "a body that breaks off never reaches the endpoint",
        arguments: ["content-length: 10", "transfer-encoding: chunked"])
    func brokenBody(_ header: String) async throws {
        let endpoint = EndpointDouble()
        try await withServer(endpoint) { port, server in
            let connection = try RawConnection(port: port)
            try await connection.send("POST /mirror HTTP/1.1\r\nhost: x\r\n\(header)\r\n\r\n")
            try await eventually { server.openRequests == 1 }
            try await connection.send(header.hasPrefix("content") ? "abc" : "5\r\nabc")
            connection.finishSending()
            try await eventually { server.openRequests == 0 }
        }
        #expect(endpoint.requests == 0)
    }

    @Test("shutdown does not wait for a body that does not come")
    func shutdownDuringBody() async throws {
        let endpoint = EndpointDouble()
        let connection = Mutex<RawConnection?>(nil)
        try await withServer(endpoint) { port, server in
            let raw = try RawConnection(port: port)
            connection.withLock { $0 = raw }
            try await raw.send("POST /mirror HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc")
            try await eventually { server.openRequests == 1 }
        }
        #expect(endpoint.requests == 0)
        withExtendedLifetime(connection) {}
    }

    @Test(
        "what is not HTTP, or too much of it, is refused",
        arguments: [
            "\u{16}\u{3}\u{1}\r\n\r\n", "GET\r\n\r\n", "GET /\u{1} HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nx: " + String(repeating: "y", count: 70_000) + "\r\n\r\n",
            "GET / HTTP/1.1\r\n" + (0..<200).map { "x\($0): y\r\n" }.joined() + "\r\n",
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
        ])
    func garbage(_ text: String) async throws {
        let endpoint = EndpointDouble()
        try await withServer(endpoint) { port, _ in
            let connection = try RawConnection(port: port)
            try await connection.send(text)
            let answer = try await connection.readToEnd()
            #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 4"), "\(answer.prefix(80))")
        }
        #expect(endpoint.requests == 0)
    }

    @Test("beyond the bound of open requests the answer is 503 with Retry-After, and room comes back")
    func openRequests() async throws {
        let endpoint = EndpointDouble()
        try await withServer(endpoint, limits: Self.limits { $0.openRequests = 3 }) { port, server in
            let waiting = try (0..<3).map { _ in try RawConnection(port: port) }
            for connection in waiting { try await connection.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n") }
            try await eventually { endpoint.waiting == 3 }
            let fourth = try RawConnection(port: port)
            try await fourth.send("GET /status/200 HTTP/1.1\r\nhost: x\r\n\r\n")
            let answer = try await fourth.readToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 503 ") && answer.contains("retry-after: 1"))
            #expect(try Self.code(answer) == "overloaded")
            waiting[0].finishSending()
            try await eventually { server.openRequests == 2 }
            let fifth = try RawConnection(port: port)
            try await fifth.send("GET /status/200 HTTP/1.1\r\nhost: x\r\n\r\n")
            let found = try await fifth.read(until: "status 200")
            #expect(found.hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test("admission turns requests away by their head, before the body")
    func admission() async throws {
        let endpoint = EndpointDouble()
        let admission: HTTPServer.Admission = { head in
            head.path == "/status/200" ? nil : Problem(429, "too_many_requests", "wait", retryAfterSeconds: 9)
        }
        try await withServer(endpoint, admission: admission) { port, _ in
            let connection = try RawConnection(port: port)
            try await connection.send("POST /mirror HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n")
            let answer = try await connection.readToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 429 ") && answer.contains("retry-after: 9"))
            try await withCarrier(port) { carrier in
                let admitted = try await carrier.send(
                    .init(method: "GET", target: "/status/200"), deadline: .minutes(5))
                #expect(admitted.status == 200)
            }
        }
        #expect(endpoint.requests == 1)
    }

    @Test("a HEAD request is answered with the length of the body and no body")
    func head() async throws {
        try await withServer(EndpointDouble()) { port, _ in
            let connection = try RawConnection(port: port)
            try await connection.send("HEAD /status/200 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            let answer = try await connection.readToEnd()
            #expect(
                answer.hasPrefix("HTTP/1.1 200 ") && answer.lowercased().contains("content-length: 10")
                    && answer.hasSuffix("\r\n\r\n"))
        }
    }

    @Test("a field that came in two lines is one, its values joined")
    func repeatedField() async throws {
        try await withServer(EndpointDouble()) { port, _ in
            let connection = try RawConnection(port: port)
            try await connection.send(
                "GET /echo HTTP/1.1\r\nhost: x\r\nX-Echo: a\r\nx-echo: b\r\nconnection: close\r\n\r\n")
            let found = try await connection.readToEnd()
            #expect(found.contains("x-echo: a, b\n"))
        }
    }
}
