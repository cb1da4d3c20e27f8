import FogAPI
import FogCore
import FogHTTP
import FogNet
import FogTestSupport
import Testing

@Suite("The HTTP carrier", .timeLimit(.minutes(10)))
struct HTTPCarrierTests {
    private static let conformance = CarrierConformance { endpoint, body in
        try await withServer(endpoint) { port, _ in
            try await withCarrier(port) { try await body($0) }
        }
    }

    @Test("over loopback it keeps every rule", arguments: CarrierConformance.Rule.allCases)
    func conforms(_ rule: CarrierConformance.Rule) async throws {
        try await Self.conformance.check(rule)
    }

    @Test(
        "with a bad network in front of it, it keeps every rule",
        arguments: CarrierConformance.Rule.allCases, [4, 5] as [UInt64])
    func conformsWhenLossy(_ rule: CarrierConformance.Rule, seed: UInt64) async throws {
        try await CarrierConformance { endpoint, body in
            try await withServer(endpoint) { port, _ in
                try await withCarrier(port) { try await body(LossyCarrier($0, seed: seed)) }
            }
        }.check(rule)
    }

    /// Where somebody listened a moment ago.
    private static func closedPort() async throws -> Int {
        let (ports, gone) = AsyncStream<Int>.makeStream()
        try await withServer(EndpointDouble()) { port, _ in gone.yield(port) }
        var iterator = ports.makeAsyncIterator()
        return try #require(await iterator.next())
    }

    @Test("nobody listens at a host with a name, or at the proxy: said in words, with the way")
    func unreachableByName() async throws {
        let port = try await Self.closedPort()
        for (url, proxy, words) in [
            ("http://localhost:\(port)", nil, "http://localhost:\(port) cannot be reached: Connection refused"),
            (
                "https://pool.example:8365", HTTPCarrier.Proxy(host: "127.0.0.1", port: port),
                "https://pool.example:8365 cannot be reached, through the proxy 127.0.0.1:\(port): Connection refused"
            ),
        ] {
            var options = HTTPCarrier.Options()
            options.proxy = proxy
            let carrier = try HTTPCarrier(url, options: options)
            let failure = await #expect(throws: CarrierFailure.self) {
                try await carrier.send(CarrierRequest(method: "GET", target: "/x"), deadline: .seconds(20))
            }
            await carrier.shutDown()
            #expect(failure?.code == "unreachable")
            #expect(failure?.message == words)
        }
    }

    @Test("nobody listens: unreachable, at once and not at the deadline")
    func unreachable() async throws {
        let port = try await Self.closedPort()
        try await withCarrier(port) { carrier in
            let failure = await #expect(throws: CarrierFailure.self) {
                try await carrier.send(.init(method: "GET", target: "/"), deadline: .minutes(30))
            }
            #expect(failure?.code == "unreachable")
        }
    }

    @Test(
        "plain HTTP goes to this machine only, unless it is allowed",
        arguments: [
            ("http://127.0.0.1:1", nil), ("http://127.8.9.10", nil), ("http://localhost:1/", nil),
            ("http://[::1]:1", nil),
            ("https://fog.example", nil), ("https://10.0.0.1:7070", nil),
            ("http://10.0.0.1:1", "refused_plaintext"), ("http://fog.example", "refused_plaintext"),
            ("http://127.0.0.1.example", "refused_plaintext"), ("http://localhost.example", "refused_plaintext"),
            ("http://127.0.0.1@evil.example", "protocol"), ("http://[fe80::1]", "refused_plaintext"),
            ("ftp://127.0.0.1", "protocol"), ("127.0.0.1", "protocol"), ("http://", "protocol"),
            ("http://127.0.0.1:0", "protocol"), ("http://127.0.0.1:99999", "protocol"),
            ("http://127.0.0.1/path", "protocol"), ("http://127.0.0.1:80?x", "protocol"), ("", "protocol"),
        ] as [(String, String?)])
    func plaintext(_ base: String, _ code: String?) async throws {
        do throws(CarrierFailure) {
            let carrier = try HTTPCarrier(base)
            await carrier.shutDown()
            #expect(code == nil)
        } catch {
            #expect(error.code == code)
        }
        var options = HTTPCarrier.Options()
        options.allowsPlaintext = true
        guard code != "protocol" else { return }
        await (try HTTPCarrier(base, options: options)).shutDown()
    }

    @Test(
        "a target that something on the way would encode anew is not sent",
        arguments: [
            "", "x", "//\u{e9}", "/a b", "/a#b", "/\"", "/{x}", "/|", "/a\r\nHost: x", "http://x/", "/^", "/<>",
        ])
    func targets(_ target: String) async throws {
        let endpoint = EndpointDouble()
        try await withServer(endpoint) { port, _ in
            try await withCarrier(port) { carrier in
                let failure = await #expect(throws: CarrierFailure.self) {
                    try await carrier.send(.init(method: "GET", target: target), deadline: .minutes(5))
                }
                #expect(failure?.code == "protocol")
            }
        }
        #expect(endpoint.requests == 0)
    }

    @Test("fields of the connection are not the caller's to set")
    func hopByHop() async throws {
        let endpoint = EndpointDouble()
        try await withServer(endpoint) { port, _ in
            try await withCarrier(port) { carrier in
                let headers: CarrierHeaders = [
                    "content-length": "1", "transfer-encoding": "chunked", "connection": "close",
                    "host": "evil.example",
                ]
                let request = CarrierRequest(
                    method: "POST", target: "/mirror", headers: headers, body: Array("abc".utf8))
                let answer = try await carrier.send(request, deadline: .minutes(5))
                #expect(answer.body == request.body)
            }
        }
    }

    @Test("after shutting down, a request fails and does not hang")
    func shutDown() async throws {
        try await withServer(EndpointDouble()) { port, _ in
            let carrier = try HTTPCarrier("http://127.0.0.1:\(port)")
            await carrier.shutDown()
            await #expect(throws: CarrierFailure.self) {
                try await carrier.send(.init(method: "GET", target: "/"), deadline: .minutes(30))
            }
        }
    }

    @Test("a carrier that nobody shut down, used or not, takes nothing with it when it is let go")
    func letGo() async throws {
        try await withServer(EndpointDouble()) { port, _ in
            for uses in 0...1 {
                let carrier = try HTTPCarrier("http://127.0.0.1:\(port)")
                for _ in 0..<uses {
                    _ = try await carrier.send(.init(method: "GET", target: "/"), deadline: .minutes(5))
                }
            }
            try await withCarrier(port) { carrier in
                _ = try await carrier.send(.init(method: "GET", target: "/"), deadline: .minutes(5))
            }
        }
    }
}
