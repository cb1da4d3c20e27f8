import FogAPI
import FogCore
import FogJobs
import FogNet
import Testing

@testable import FogHTTP

/// What nobody who means well would send. It is refused in words, and does no harm.
@Suite("Hostile input", .timeLimit(.minutes(10)))
struct HostileInputTests {
    /// An answer below 500; a refusal is a document.
    private func expectOrderly(_ answer: CarrierResponse, _ what: String) {
        if answer.status >= 300 { expectRefusal(answer, nil, what) }
    }

    // MARK: - Paths and queries

    private static let segments = [
        "..", ".", "%2e%2e", "%2E%2e%2f%2e%2e%2fetc%2fpasswd", "%00", "a%00b", "%c0%af", "%c0%ae%c0%ae", "%ed%a0%80",
        "%f8%88%80%80%80", "%ff", "a%2fb", "%", "%4", "%zz", "%-1", "%+1", "%25", "'", "%27%20OR%201=1--", "*", "%5f",
        "%F0%9F%92%A9", "-1", "9223372036854775808", "\u{7f}", String(repeating: "a", count: 5000),
        String(repeating: "%61", count: 5000),
    ]

    @Test("no path parameter of any route takes what is not a name")
    func pathParameters() async throws {
        try await Pool.with { pool in
            let things = try await Things.make(in: pool)
            for item in try RouteTable.cases(things) where item.route.contains("{") {
                let parts = item.route.split(separator: " ")[1].split(separator: "/")
                let query = item.target.split(separator: "?").dropFirst().map { "?" + $0 }.joined()
                for segment in Self.segments {
                    let path = parts.map { $0.hasPrefix("{") ? segment : String($0) }.joined(separator: "/")
                    let name = item.roles.contains(.worker) && !item.roles.contains(.admin) ? "worker" : "admin"
                    let answer = try await pool.ask(item.method, "/\(path)\(query)", by: name, body: item.body)
                    expectRefusal(answer, [400, 404], "\(item.method) /\(path.prefix(120))")
                }
            }
            try await pool.isUnharmed()
        }
    }

    private static let values = [
        "-1", "0", "1", "2147483648", "4294967296", "9007199254740993", "9223372036854775807", "9223372036854775808",
        "18446744073709551615", "18446744073709551616", "-9223372036854775808", "1e9", "0x10", "%00", "%ff", "%", "a",
        "'", "%c0%af", "=", "a=b=c", "%00=%00", ",", "ready,", String(repeating: "9", count: 3000),
    ]

    /// What each route reads of its query.
    private static let queries = [
        "GET /v1/jobs": ["state", "limit", "name", "before", "label"],
        "GET /v1/jobs/{job}/tasks": ["state", "after", "limit"],
        "GET /v1/jobs/{job}/attempts": ["task", "after", "limit"], "GET /v1/jobs/{job}/events": ["after", "limit"],
        "GET /v1/jobs/{job}/logs": ["task", "token", "stream", "offset", "limit"],
        "PUT /v1/blobs/{digest}": ["total", "offset"], "GET /v1/blobs/{digest}": ["offset", "length"],
        "GET /v1/ledger/accounts/{account}/history": ["before", "limit"],
        "GET /v1/ledger/accounts/{account}/earnings": ["before", "limit"],
        "GET /v1/ledger/jobs/{job}/history": ["before", "limit"],
    ]

    @Test("no query parameter breaks a route, whatever its value")
    func queries() async throws {
        try await Pool.with { pool in
            let things = try await Things.make(in: pool)
            for item in try RouteTable.cases(things) where item.method == "GET" || item.method == "PUT" {
                for name in Self.queries[item.route] ?? [] {
                    for value in Self.values {
                        let target = "\(item.target.prefix { $0 != "?" })?\(name)=\(value)"
                        let answer = try await pool.ask(item.method, target, by: "ada", body: item.body)
                        expectOrderly(answer, "\(item.method) \(target.prefix(120))")
                    }
                }
                for query in ["wait=-5s", "wait=9223372036854775807d", "wait=abc", "wait=%00", "&&==&=&", "%=%"] {
                    let answer = try await pool.ask(
                        item.method, "\(item.target.prefix { $0 != "?" })?\(query)", by: "ada")
                    expectOrderly(answer, "\(item.route) \(query)")
                }
            }
            try await pool.isUnharmed()
        }
    }

    @Test("a blob's places are numbers that add up")
    func blobPlaces() async throws {
        try await Pool.with { pool in
            let digest = Digest.blake2b([1])
            for (query, status) in [
                ("", 400), ("?total=-1", 400), ("?total=0", 400), ("?total=9223372036854775807", 400),
                ("?total=2&offset=9223372036854775807", 400), ("?total=9007199254740992&offset=9007199254740992", 400),
                ("?total=1&offset=-1", 400), ("?total=1&offset=1", 400), ("?total=x", 400),
                ("?total=1000000&offset=5", 409), ("?total=2", 400),
            ] {
                let answer = try await pool.ask("PUT", "/v1/blobs/\(digest)\(query)", by: "ada", body: [1])
                expectRefusal(answer, [status], query)
            }
            let small = try await pool.ask("PUT", "/v1/blobs/\(digest)?total=1", by: "ada", body: [2])
            expectRefusal(small, [400], code: "bad_digest", "another small content")
            let large = [UInt8](repeating: 7, count: 1 << 20)
            let wrong = try await pool.ask("PUT", "/v1/blobs/\(digest)?total=\(1 << 20)", by: "ada", body: large)
            expectRefusal(wrong, [400], code: "bad_digest", "another large content")
            let half = "/v1/blobs/\(Digest.blake2b(large))?total=\(1 << 20)"
            let first = try await pool.ask("PUT", half, by: "ada", body: Array(large.prefix(1000)))
            #expect(first.status == 200)
            for offset in [0, 999, 1001] {
                let answer = try await pool.ask("PUT", "\(half)&offset=\(offset)", by: "ada", body: [7])
                expectRefusal(answer, [409], code: "wrong_offset", "offset \(offset) of 1000")
            }
            let over = try await pool.ask("PUT", "\(half)&offset=1000", by: "ada", body: large)
            expectRefusal(over, [400], code: "bad_range", "beyond its size")
            let rest = try await pool.ask("PUT", "\(half)&offset=1000", by: "ada", body: Array(large.dropFirst(1000)))
            #expect(rest.status == 200)
            let huge = [UInt8](repeating: 7, count: (4 << 20) + 1)
            let beyond = try await pool.ask(
                "PUT", "/v1/blobs/\(Digest.blake2b(huge))?total=\(huge.count)", by: "ada", body: huge)
            expectRefusal(beyond, [413], code: "too_large", "beyond what the coordinator keeps")
            for digest in ["00", String(repeating: "g", count: 64), String(repeating: "0", count: 63)] {
                let answer = try await pool.ask("PUT", "/v1/blobs/\(digest)?total=1", by: "ada", body: [1])
                expectRefusal(answer, [400], digest)
            }
            try await pool.isUnharmed()
        }
    }

    @Test("a log is sent without gaps, by who holds the lease")
    func logPlaces() async throws {
        try await Pool.with { pool in
            let hello = RouteTable.hello(.open)
            #expect(try await pool.ask("POST", "/v1/worker/hello", by: "worker", body: hello).status == 200)
            let job = try await pool.submit()
            let wanted = PollRequest(allowance: RouteTable.allowance(.open), want: 1, wait: .minutes(1))
            let polled = try await pool.ask("POST", "/v1/worker/poll", by: "worker", body: Wire.encode(wanted))
            let lease = try #require(try Wire.decode(PollAnswer.self, from: polled.body).leases.first)
            #expect(lease.attempt.task.job == job)
            let target = "/v1/worker/logs?attempt=\(lease.attempt)&stream=stdout"
            #expect(try await pool.ask("POST", target, by: "worker", body: [65, 66]).status == 200)
            let gap = try await pool.ask("POST", "\(target)&offset=3", by: "worker", body: [68])
            let problem = expectRefusal(gap, [409], code: "wrong_offset", "a gap")
            #expect(
                problem?.detail.contains("/") == false, "the coordinator's paths are its own: \(problem?.detail ?? "")")
            for query in ["&offset=-1", "&offset=9223372036854775807", "&offset=x", "&stream=none", "&attempt=1"] {
                expectRefusal(try await pool.ask("POST", target + query, by: "worker", body: [68]), [400], query)
            }
            for query in ["offset=-10&limit=5", "offset=9223372036854775807", "offset=1&limit=0"] {
                let answer = try await pool.ask("GET", "/v1/jobs/\(job)/logs?\(query)", by: "ada")
                expectOrderly(answer, query)
            }
            let read = try await pool.ask("GET", "/v1/jobs/\(job)/logs?offset=1", by: "ada")
            #expect(read.body == [66])
            try await pool.isUnharmed()
        }
    }

    // MARK: - Bodies

    private static func nested(_ open: String, _ close: String) -> [UInt8] {
        Array((String(repeating: open, count: 10_000) + String(repeating: close, count: 10_000)).utf8)
    }

    private static let garbage: [(String, [UInt8])] = [
        ("nothing", []), ("null", Array("null".utf8)), ("a list", Array("[]".utf8)), ("a text", Array("\"x\"".utf8)),
        ("a number", Array("1".utf8)), ("half", Array("{\"reason\":".utf8)), ("not UTF-8", [0x22, 0xff, 0xfe, 0x22]),
        ("UTF-16", [0xff, 0xfe, 0x7b, 0, 0x7d, 0]), ("NUL", [0]), ("not a number", Array("{\"credits\":NaN}".utf8)),
        ("10,000 lists", nested("[", "]")), ("10,000 objects", nested("{\"a\":", "}")),
        ("open lists", [UInt8](repeating: 0x5b, count: 10_000)),
        ("a megabyte of spaces", [UInt8](repeating: 0x20, count: 1 << 20)),
        ("a huge number", Array("{\"want\":1\(String(repeating: "0", count: 5000))}".utf8)),
    ]

    /// Routes that read their body as JSON, and who may ask them.
    private static func readers(_ things: Things) throws -> [RouteCase] {
        try RouteTable.cases(things).filter { item in
            // Of a thing that nobody has, the body is never read.
            item.method == "POST" && item.body.count > 2 && !item.route.hasSuffix("/worker/logs")
                && !item.route.contains("{enrolment}") && !item.route.contains("{identity}")
        }
    }

    private static func asker(of item: RouteCase) -> String {
        item.roles.contains(.admin) ? "admin" : item.roles.contains(.worker) ? "worker" : "ada"
    }

    @Test("a body that is not the JSON wanted is refused by every route that reads one")
    func garbageBodies() async throws {
        try await Pool.with { pool in
            let things = try await Things.make(in: pool)
            let items = try Self.readers(things)
            #expect(items.count >= 12)
            for item in items {
                for (name, body) in Self.garbage {
                    let answer = try await pool.ask(item.method, item.target, by: Self.asker(of: item), body: body)
                    expectRefusal(answer, [400, 413, 422], "\(item.route): \(name)")
                }
            }
            for (name, body) in Self.garbage {
                let text = String(decoding: body.prefix(60_000), as: UTF8.self)
                let submit = try Wire.encode(SubmitBody(document: text, fileTable: nil))
                let answer = try await pool.ask("POST", "/v1/jobs", by: "ada", body: submit)
                expectRefusal(answer, [400, 413, 422], "a manifest: \(name)")
                let joined = try await pool.send(CarrierRequest(method: "POST", target: "/v1/join", body: body))
                expectRefusal(joined, [400, 401, 413, 422], "joining: \(name)")
            }
            try await pool.isUnharmed()
        }
    }

    private static let wrong: [JSON] = [
        .null, .bool(true), .integer(-1), .integer(0), .integer(.max), .integer(.min), .double(1e300), .double(0.5),
        .string(""), .string("\0"), .string("-1"), .string("9223372036854775807"), .string("-9223372036854775808"),
        .string("9223372036854775807d"), .string("1e999"), .string("../.."),
        .string(String(repeating: "x", count: 5000)), .array([]), .array([.null]), .object([JSON.Member]()),
    ]

    /// The document with each of its values replaced by each of the others, and with each of its members left out.
    private static func mutations(_ json: JSON) -> [JSON] {
        var all: [JSON] = []
        switch json {
        case .object(let members):
            for index in members.indices {
                var rest = members
                rest.remove(at: index)
                all.append(.object(rest))
                // A long wait is no harm; the test has not the time for it.
                for value in wrong + mutations(members[index].value) where members[index].name != "wait" {
                    var changed = members
                    changed[index] = .init(members[index].name, value)
                    all.append(.object(changed))
                }
            }
        case .array(let elements):
            all.append(.array([JSON](repeating: elements.first ?? .null, count: 2000)))
            for index in elements.indices {
                for value in wrong + mutations(elements[index]) {
                    var changed = elements
                    changed[index] = value
                    all.append(.array(changed))
                }
            }
        default: break
        }
        return all
    }

    @Test("every member of every body, of every wrong type and value", arguments: ["worker", "admin"])
    func mutatedBodies(by asker: String) async throws {
        try await Pool.with { pool in
            let things = try await Things.make(in: pool)
            for item in try Self.readers(things) where Self.asker(of: item) == asker {
                for mutation in Self.mutations(try JSON(parsing: item.body)) {
                    let body = Array(mutation.compact.utf8)
                    let answer = try await pool.ask(item.method, item.target, by: asker, body: body)
                    expectOrderly(answer, "\(item.route) \(mutation.compact.prefix(200))")
                }
            }
            try await pool.isUnharmed()
        }
    }

    @Test("every member of a manifest, of every wrong type and value")
    func mutatedManifests() async throws {
        try await Pool.with { pool in
            let manifest = """
                {"array":"0-3","budget":"5cr","command":["true"],"deadline":"1h","env":{"A":"b"},\
                "labels":{"team":"render"},"name":"job","placement":{"min_trust":0.1},"priority":5,\
                "resources":{"cpu":"1","memory":"512MiB"},"retry":{"max_attempts":2},"timeout":{"total":"1h"}}
                """
            for mutation in Self.mutations(try JSON(parsing: manifest)) {
                let body = try Wire.encode(SubmitBody(document: mutation.compact, fileTable: nil))
                let answer = try await pool.ask("POST", "/v1/jobs?dry_run=1", by: "ada", body: body)
                expectOrderly(answer, "\(mutation.compact.prefix(300))")
                let taken = try await pool.ask("POST", "/v1/jobs", by: "ada", body: body)
                expectOrderly(taken, "\(mutation.compact.prefix(300))")
            }
            try await pool.isUnharmed()
        }
    }

    // MARK: - Idempotency keys

    @Test("an idempotency key is one job, for one account, whatever is in it")
    func idempotencyKeys() async throws {
        try await Pool.with { pool in
            func submit(_ key: String, _ name: String, by person: String = "ada") async throws -> CarrierResponse {
                try await pool.ask(
                    "POST", "/v1/jobs", by: person, headers: ["fog-idempotency-key": key], body: Pool.document(name))
            }
            for key in ["k", "'; DROP TABLE jobs; --", String(repeating: "k", count: 255)] {
                let first = try await submit(key, "one")
                let again = try await submit(key, "one")
                #expect(first.status == 201 && again.status == 200, "\(key)")
                let ids = try [first, again].map { try Wire.decode(JobBody.self, from: $0.body).id }
                #expect(ids[0] == ids[1])
                expectRefusal(try await submit(key, "two"), [409], code: "idempotency_conflict", key)
                #expect(try await submit(key, "one", by: "eve").status == 201)
            }
            let long = String(repeating: "k", count: 256)
            expectRefusal(try await submit(long, "one"), [400], code: "bad_idempotency_key", "256 bytes")
            let all = try await withThrowingTaskGroup(of: CarrierResponse.self) { group in
                for _ in 0..<20 { group.addTask { try await submit("at once", "one") } }
                return try await group.reduce(into: [CarrierResponse]()) { $0.append($1) }
            }
            let ids = Set(all.compactMap { try? Wire.decode(JobBody.self, from: $0.body).id })
            #expect(ids.count == 1 && all.allSatisfy { $0.status < 300 }, "\(all.map(\.status))")
            try await pool.isUnharmed()
        }
    }

    // MARK: - What is hardly HTTP

    private static let notHTTP = [
        "\u{16}\u{3}\u{1}\r\n\r\n", "GET\r\n\r\n", "GET /v1/me\r\n\r\n", "GET /v1/me HTTP/9.9\r\n\r\n",
        "GET /\u{1} HTTP/1.1\r\nhost: x\r\n\r\n", "GET  /v1/me HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "GET /v1/me HTTP/1.1\r\nhost : x\r\n\r\n", "GET /v1/me HTTP/1.1\r\nx: a\r\n b\r\n\u{0}: c\r\n\r\n",
        "GET http://evil.example/v1/me HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "CONNECT evil.example:443 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "TRACE /v1/me HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "PATCH /v1/jobs HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "GET /v1/../v1/me HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "GET /../../etc/passwd HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "GET /" + String(repeating: "a", count: 100_000) + " HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "GET /v1/me HTTP/1.1\r\nx: " + String(repeating: "y", count: 70_000) + "\r\n\r\n",
        "GET /v1/me HTTP/1.1\r\n" + (0..<200).map { "x\($0): y\r\n" }.joined() + "\r\n",
        "POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        "POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n",
        "POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: 67108865\r\n\r\n",
        "POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /v1/jobs HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "POST /v1/jobs HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        "POST /v1/jobs HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: gzip, chunked\r\n\r\n"
            + "0\r\n\r\n",
    ]

    @Test("what is not HTTP, or not for us, is refused in a document")
    func malformed() async throws {
        try await Pool.with { pool in
            for text in Self.notHTTP {
                expectRefusal(try await pool.send(raw: Array(text.utf8)), nil, "\(text.prefix(80))")
            }
            try await pool.isUnharmed()
        }
    }

    @Test("a head that drips is cut off, and the coordinator minds the others meanwhile")
    func slowHead() async throws {
        var limits = HTTPServer.Limits()
        limits.headTime = .milliseconds(200)
        try await Pool.with(limits: limits) { pool in
            let connection = try RawConnection(port: pool.port)
            try await connection.send("POST /v1/jobs HTTP/1.1\r\n")
            _ = try await pool.submit()
            while try await connection.send("x-a: b\r\n") { try await Task.sleep(for: .milliseconds(5)) }
            try await pool.isUnharmed()
        }
    }
}
