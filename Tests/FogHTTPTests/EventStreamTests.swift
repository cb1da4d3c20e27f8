import FogAPI
import FogCore
import FogHTTP
import FogNet
import FogTestSupport
import Synchronization
import Testing

@Suite("Event streams", .timeLimit(.minutes(10)))
struct EventStreamTests {
    private static let request = CarrierRequest(method: "GET", target: "/v1/jobs/x/events")
    private static let raw = "GET /v1/events HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n"

    @Test("events arrive in order with their ids, and the end of the stream is its end")
    func order() async throws {
        let feed = Feed()
        try await withServer(EndpointDouble(), streams: feed) { port, _ in
            try await withCarrier(port) { carrier in
                for index in 1...500 { feed.publish("\(index)") }
                feed.finish()
                var read: [ServerEvent] = []
                for try await event in carrier.events(Self.request) { read.append(event) }
                #expect(read == (1...500).map { ServerEvent(id: "\($0)", kind: "tick", data: "\($0)") })
            }
        }
    }

    @Test("a reader that comes back says where it was")
    func lastEventID() async throws {
        let feed = Feed()
        try await withServer(EndpointDouble(), streams: feed) { port, _ in
            try await withCarrier(port) { carrier in
                feed.finish()
                for try await _ in carrier.events(Self.request) {}
                var request = Self.request
                request.headers["last-event-id"] = "41"
                for try await _ in carrier.events(request) {}
            }
        }
        #expect(feed.asked == [nil, "41"])
    }

    @Test("events come as they happen, not when the stream ends")
    func live() async throws {
        let feed = Feed()
        try await withServer(EndpointDouble(), streams: feed) { port, _ in
            try await withCarrier(port) { carrier in
                var iterator = carrier.events(Self.request).makeAsyncIterator()
                for index in 1...5 {
                    feed.publish("\(index)")
                    let event = try await iterator.next()
                    #expect(event?.id == "\(index)")
                }
            }
        }
    }

    @Test("a refused stream is a problem, and its connection is kept")
    func refused() async throws {
        let feed = Feed(refusal: Problem(403, "missing_role", "no"))
        try await withServer(EndpointDouble(), streams: feed) { port, _ in
            try await withCarrier(port) { carrier in
                let problem = await #expect(throws: Problem.self) {
                    for try await _ in carrier.events(Self.request) {}
                }
                #expect(problem?.code == "missing_role")
            }
        }
    }

    @Test("without the accept header, or elsewhere, the endpoint answers")
    func ordinary() async throws {
        let feed = Feed()
        let endpoint = EndpointDouble()
        try await withServer(endpoint, streams: feed) { port, _ in
            try await withCarrier(port) { carrier in
                _ = try await carrier.send(Self.request, deadline: .minutes(5))
                let headers: CarrierHeaders = ["accept": "text/event-stream"]
                _ = try await carrier.send(
                    .init(method: "GET", target: "/v1/jobs", headers: headers), deadline: .minutes(5))
                _ = try await carrier.send(
                    .init(method: "POST", target: "/v1/events", headers: headers), deadline: .minutes(5))
            }
        }
        #expect(endpoint.requests == 3 && feed.asked.isEmpty)
    }

    @Test("readers who leave are let go: no stream stays open", arguments: [true, false])
    func readersLeave(byFIN: Bool) async throws {
        let feed = Feed()
        try await withServer(EndpointDouble(), streams: feed) { port, server in
            var connections = try (0..<20).map { _ in try RawConnection(port: port) }
            for connection in connections {
                try await connection.send(Self.raw)
                let found = try await connection.read(until: "retry: 2000\n\n")
                #expect(found.contains("text/event-stream"))
            }
            #expect(server.openEventStreams == 20)
            if byFIN { for connection in connections { connection.finishSending() } } else { connections = [] }
            try await eventually { server.openEventStreams == 0 && feed.open == 0 }
            withExtendedLifetime(connections) {}
        }
    }

    @Test("shutdown with 50 readers ends, and so does each stream")
    func shutdown() async throws {
        let feed = Feed()
        let connections = Mutex<[RawConnection]>([])
        try await withServer(EndpointDouble(), streams: feed) { port, _ in
            for _ in 0..<50 {
                let connection = try RawConnection(port: port)
                try await connection.send(Self.raw)
                _ = try await connection.read(until: "retry: 2000\n\n")
                connections.withLock { $0.append(connection) }
            }
        }
        #expect(feed.open == 0)
        for connection in connections.withLock({ $0 }) { _ = try await connection.readToEnd() }
    }

    @Test("a silent stream shows that it is alive")
    func keepAlive() async throws {
        var limits = HTTPServer.Limits()
        limits.eventSilence = .milliseconds(20)
        try await withServer(EndpointDouble(), streams: Feed(), limits: limits) { port, _ in
            let connection = try RawConnection(port: port)
            try await connection.send(Self.raw)
            let text = try await connection.read(until: ": keep-alive\n\n\r\n")
            #expect(text.hasPrefix("HTTP/1.1 200 "))
            _ = try await connection.read(until: ": keep-alive\n\n\r\n")
        }
    }

    @Test("beyond the bound of streams the answer is 503, and room comes back")
    func bound() async throws {
        var limits = HTTPServer.Limits()
        limits.eventStreams = 1
        let feed = Feed()
        try await withServer(EndpointDouble(), streams: feed, limits: limits) { port, server in
            let first = try RawConnection(port: port)
            try await first.send(Self.raw)
            _ = try await first.read(until: "retry: 2000\n\n")
            let second = try RawConnection(port: port)
            try await second.send(Self.raw)
            let refused = try await second.readToEnd()
            #expect(refused.hasPrefix("HTTP/1.1 503 "))
            #expect(feed.open == 1)
            first.finishSending()
            try await eventually { server.openEventStreams == 0 }
            let third = try RawConnection(port: port)
            try await third.send(Self.raw)
            let found = try await third.read(until: "retry: 2000\n\n")
            #expect(found.hasPrefix("HTTP/1.1 200 "))
        }
    }
}

/// Events that the test publishes, to every reader.
private final class Feed: EventStreaming {
    private struct State {
        var readers: [Int: AsyncStream<ServerEvent>.Continuation] = [:]
        var past: [ServerEvent] = []
        var isFinished = false
        var asked: [String?] = []
    }

    private let state = Mutex(State())
    private let refusal: Problem?

    init(refusal: Problem? = nil) { self.refusal = refusal }

    /// Streams whose reader is not known to have left.
    var open: Int { state.withLock { $0.readers.count } }
    var asked: [String?] { state.withLock { $0.asked } }

    func publish(_ id: String) {
        let event = ServerEvent(id: id, kind: "tick", data: id)
        state.withLock { state in
            state.past.append(event)
            for reader in state.readers.values { reader.yield(event) }
        }
    }

    func finish() {
        let readers = state.withLock { state in
            state.isFinished = true
            return Array(state.readers.values)
        }
        for reader in readers { reader.finish() }
    }

    func events(for request: CarrierRequest, after: String?) async -> EventReply {
        if let refusal { return .response(refusal.response) }
        let (stream, reader) = AsyncStream<ServerEvent>.makeStream(bufferingPolicy: .bufferingOldest(1024))
        let number = state.withLock { state in
            state.asked.append(after)
            for event in state.past { reader.yield(event) }
            let number = state.asked.count
            if !state.isFinished { state.readers[number] = reader }
            return state.isFinished ? nil : number as Int?
        }
        if let number {
            reader.onTermination = { _ in self.state.withLock { $0.readers[number] = nil } }
        } else {
            reader.finish()
        }
        return .stream(stream)
    }
}
