import FogAPI
import FogCore
import FogJobs
import FogNet
import Synchronization
import Testing

@testable import FogHTTP

/// Live views over the real routes: who may see them, where they go on, and when they end.
@Suite("Live events", .timeLimit(.minutes(10)))
struct LiveEventTests {
    /// The first events of a stream.
    private func read(
        _ count: Int, of target: String, by name: String, after: String? = nil, in pool: Pool
    ) async throws -> [ServerEvent] {
        var request = try pool.signed("GET", target, by: name)
        request.headers["last-event-id"] = after
        var events: [ServerEvent] = []
        try await withCarrier(pool.port) { carrier in
            for try await event in carrier.events(request) {
                events.append(event)
                if events.count == count { break }
            }
        }
        return events
    }

    private func list(_ target: String, by name: String, in pool: Pool) async throws -> [EventBody] {
        try Wire.decode(EventListBody.self, from: try await pool.ask("GET", target, by: name).body).events
    }

    @Test("a stream is the JSON form, event by event, with the sequence as id", arguments: ["ada", "admin"])
    func sameEvents(reader: String) async throws {
        try await Pool.with { pool in
            let job = try await pool.submit()
            _ = try await pool.submit("another")
            for action in ["hold", "cancel"] {
                let body = try Wire.encode(ReasonBody(reason: "a test"))
                let answer = try await pool.ask("POST", "/v1/jobs/\(job)/\(action)", by: "ada", body: body)
                #expect(answer.status == 200)
            }
            for target in ["/v1/jobs/\(job)/events", "/v1/events"] where reader == "admin" || target != "/v1/events" {
                let listed = try await list(target, by: reader, in: pool)
                #expect(listed.count >= 3)
                let streamed = try await read(listed.count, of: target, by: reader, in: pool)
                #expect(streamed.map(\.id) == listed.map { String($0.sequence) })
                #expect(streamed.map(\.kind) == listed.map(\.kind))
                let bodies = try streamed.map { try Wire.decode(EventBody.self, from: Array($0.data.utf8)) }
                #expect(bodies == listed)
                // From every event on, neither it again nor any left out.
                for index in listed.indices.dropLast() {
                    let rest = try await read(
                        listed.count - index - 1, of: target, by: reader, after: streamed[index].id, in: pool)
                    #expect(rest.map(\.id) == streamed[(index + 1)...].map(\.id))
                }
            }
        }
    }

    @Test("`after` is where a first reader begins, and `Last-Event-ID` is the better word")
    func cursors() async throws {
        try await Pool.with { pool in
            let job = try await pool.submit()
            let body = try Wire.encode(ReasonBody(reason: "a test"))
            _ = try await pool.ask("POST", "/v1/jobs/\(job)/hold", by: "ada", body: body)
            _ = try await pool.ask("POST", "/v1/jobs/\(job)/cancel", by: "ada", body: body)
            let listed = try await list("/v1/jobs/\(job)/events", by: "ada", in: pool)
            try #require(listed.count >= 3)
            let target = "/v1/jobs/\(job)/events?after=\(listed[0].sequence)"
            #expect(try await read(1, of: target, by: "ada", in: pool)[0].id == String(listed[1].sequence))
            let later = try await read(1, of: target, by: "ada", after: String(listed[1].sequence), in: pool)
            #expect(later[0].id == String(listed[2].sequence))
        }
    }

    @Test("what happens is told while it happens")
    func live() async throws {
        try await Pool.with { pool in
            let job = try await pool.submit()
            let request = try pool.signed("GET", "/v1/jobs/\(job)/events", by: "ada")
            try await withCarrier(pool.port) { carrier in
                var events = carrier.events(request).makeAsyncIterator()
                var seen: [ServerEvent] = []
                for (action, kind) in [("hold", "held"), ("release", "released"), ("cancel", "cancel")] {
                    let body = try Wire.encode(ReasonBody(reason: "a test"))
                    let answer = try await pool.ask("POST", "/v1/jobs/\(job)/\(action)", by: "ada", body: body)
                    #expect(answer.status == 200)
                    repeat {
                        seen.append(try #require(try await events.next()))
                    } while !seen[seen.count - 1].kind
                        .contains(kind)
                }
                let sequences = seen.compactMap { $0.id.flatMap { UInt64($0) } }
                #expect(sequences.count == seen.count && sequences == sequences.sorted())
                #expect(Set(sequences).count == sequences.count)
            }
        }
    }

    @Test("who may not read the list may not read the stream, and is told so in a document")
    func refusals() async throws {
        try await Pool.with { pool in
            let job = try await pool.submit()
            let stream: CarrierHeaders = ["accept": "text/event-stream"]
            func ask(_ target: String, by name: String, _ more: CarrierHeaders = [:]) async throws -> CarrierResponse {
                var request = try pool.signed("GET", target, by: name)
                for (name, value) in stream { request.headers[name] = value }
                for (name, value) in more { request.headers[name] = value }
                return try await pool.send(request)
            }
            for (target, name) in [
                ("/v1/jobs/\(job)/events", "eve"), ("/v1/jobs/\(job)/events", "worker"), ("/v1/events", "ada"),
                ("/v1/jobs/none/events", "admin"),
            ] {
                let streamed = try await ask(target, by: name)
                let listed = try await pool.ask("GET", target, by: name)
                expectRefusal(streamed, [403, 404], "\(name) at \(target)")
                #expect(streamed.status == listed.status && streamed.body == listed.body, "\(name) at \(target)")
            }
            let unsigned = CarrierRequest(method: "GET", target: "/v1/events", headers: stream)
            expectRefusal(try await pool.send(unsigned), [401], code: "signature_missing", "unsigned")
            for id in ["-1", "x", "9223372036854775808", "1 2"] {
                let answer = try await ask("/v1/events", by: "admin", ["last-event-id": id])
                expectRefusal(answer, [400], code: "bad_event_id", id)
            }
            expectRefusal(
                try await ask("/v1/events?after=18446744073709551615", by: "admin"), [400], code: "bad_query", "after")
            expectRefusal(try await ask("/other/events", by: "admin"), [404], code: "no_such_path", "another path")
            var twice = try pool.signed("GET", "/v1/nothing/here/events", by: "admin")
            twice.headers["accept"] = "text/event-stream"
            expectRefusal(try await pool.send(twice), [404], code: "no_such_path", "another path")
            try await pool.isUnharmed()
        }
    }

    @Test("a signed request opens one stream")
    func replay() async throws {
        try await Pool.with { pool in
            _ = try await pool.submit()
            var request = try pool.signed("GET", "/v1/events", by: "admin")
            request.headers["accept"] = "text/event-stream"
            let signed = request
            try await withCarrier(pool.port) { carrier in
                var events = carrier.events(signed).makeAsyncIterator()
                #expect(try await events.next() != nil)
                expectRefusal(try await pool.send(signed), [401], code: "replayed", "the same again")
            }
        }
    }

    private func open(_ target: String, by name: String, in pool: Pool) async throws -> RawConnection {
        let request = try pool.signed("GET", target, by: name)
        var head = "GET \(target) HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n"
        for (name, value) in request.headers { head += "\(name): \(value)\r\n" }
        let connection = try RawConnection(port: pool.port)
        try await connection.send(head + "\r\n")
        let found = try await connection.read(until: "\n\n")
        #expect(found.hasPrefix("HTTP/1.1 200 ") && found.contains("text/event-stream"))
        return connection
    }

    @Test("readers who leave are let go of, and their places with them", arguments: [true, false])
    func readersLeave(byFIN: Bool) async throws {
        try await Pool.with { pool in
            let job = try await pool.submit()
            var readers: [RawConnection] = []
            for _ in 0..<20 { readers.append(try await open("/v1/jobs/\(job)/events", by: "ada", in: pool)) }
            #expect(pool.server.openEventStreams == 20)
            #expect(pool.authentication.openRequests == 20)
            if byFIN { for reader in readers { reader.finishSending() } } else { readers = [] }
            try await eventually { pool.server.openEventStreams == 0 && pool.authentication.openRequests == 0 }
            withExtendedLifetime(readers) {}
            try await pool.isUnharmed()
        }
    }

    @Test("a stream in which nothing happens shows that it lives")
    func keepAlive() async throws {
        var limits = HTTPServer.Limits()
        limits.eventSilence = .milliseconds(50)
        try await Pool.with(limits: limits) { pool in
            let job = try await pool.submit()
            let reader = try await open("/v1/jobs/\(job)/events?after=1000000", by: "ada", in: pool)
            #expect(try await reader.read(until: ": keep-alive\n\n").contains(": keep-alive\n\n"))
        }
    }

    @Test("shutdown ends the streams, and does not wait for their readers")
    func shutdown() async throws {
        let readers = Mutex<[RawConnection]>([])
        try await Pool.with { pool in
            let job = try await pool.submit()
            for _ in 0..<20 {
                let reader = try await open("/v1/jobs/\(job)/events", by: "ada", in: pool)
                readers.withLock { $0.append(reader) }
            }
        }
        for reader in readers.withLock({ $0 }) { _ = try await reader.readToEnd() }
    }

    @Test("the metrics page counts who reads, until they have left")
    func counted() async throws {
        try await Pool.with { pool in
            func counted() async throws -> String? {
                let page = try await pool.send(CarrierRequest(method: "GET", target: "/metrics"))
                return String(decoding: page.body, as: UTF8.self).split(separator: "\n")
                    .first { $0.hasPrefix("fog_event_streams_count ") }.map(String.init)
            }
            #expect(try await counted() == "fog_event_streams_count 0")
            var readers: [RawConnection] = []
            for _ in 0..<3 { readers.append(try await open("/v1/events", by: "admin", in: pool)) }
            #expect(try await counted() == "fog_event_streams_count 3")
            readers = []
            while try await counted() != "fog_event_streams_count 0" { try await Task.sleep(for: .milliseconds(5)) }
        }
    }

    @Test("one person's streams are bounded")
    func bounded() async throws {
        try await Pool.with(openRequests: 3) { pool in
            _ = try await pool.submit()
            var readers: [RawConnection] = []
            for _ in 0..<3 { readers.append(try await open("/v1/events", by: "admin", in: pool)) }
            var request = try pool.signed("GET", "/v1/events", by: "admin")
            request.headers["accept"] = "text/event-stream"
            expectRefusal(try await pool.send(request), [429], code: "too_many_requests", "one more")
            readers = []
            try await eventually { pool.authentication.openRequests == 0 }
            _ = try await open("/v1/events", by: "admin", in: pool)
        }
    }
}
