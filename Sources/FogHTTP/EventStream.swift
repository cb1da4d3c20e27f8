package import FogAPI
package import FogNet
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import ServiceLifecycle
internal import Synchronization

/// Who answers a `GET …/events` that accepts `text/event-stream`.
package protocol EventStreaming: Sendable {
    /// Authenticates and answers; called instead of the endpoint, so that a signed request's nonce is used once.
    /// - Parameter after: the reader's `Last-Event-ID`, or nil at its first call.
    func events(for request: CarrierRequest, after: String?) async -> EventReply
}

package enum EventReply: Sendable {
    /// Written as it comes, until it finishes or the reader leaves; then its `onTermination` is called. An event is only
    /// taken when the one before has been written, so the stream needs a bound of its own.
    case stream(AsyncStream<ServerEvent>)
    /// A refusal, or whatever else is not a stream.
    case response(CarrierResponse)
}

/// Writes event streams in the one form that lets go of readers who left and of a server that shuts down.
///
/// A plain `for await … { write }` does neither: with half closure allowed, a reader's FIN is no error, and a writer that
/// waits for the next event never finds out.
struct EventStreamWriter: Sendable {
    let silence: Duration
    let writeTime: Duration
    let slots: EventStreamSlots

    static func asks(_ request: CarrierRequest) -> Bool {
        request.method == "GET" && request.path.hasSuffix("/events")
            && request.headers["accept"]?.contains("text/event-stream") == true
    }

    /// Nil when as many streams are open as there may be.
    func response(
        _ events: AsyncStream<ServerEvent>, to request: Request, on channel: any Channel
    ) -> Response? {
        guard let slot = slots.take() else { return nil }
        let body = ResponseBody { writer in
            try await request.body.consumeWithCancellationOnInboundClose { _ in
                try await pump(events, into: &writer, on: channel)
            }
            try await writer.finish(nil)
            // The slot lives as long as this closure, also when it is never run.
            withExtendedLifetime(slot) {}
        }
        // The library ends the connection with the stream; said aloud, no client sends its next request into it.
        let headers: HTTPFields = [
            .contentType: "text/event-stream", .cacheControl: "no-store", .connection: "close",
        ]
        return Response(status: .ok, headers: headers, body: body)
    }

    private enum Turn: Sendable {
        case event(ServerEvent?)
        case silence
        case shutdown
    }

    private func pump(
        _ events: AsyncStream<ServerEvent>, into writer: inout any ResponseBodyWriter, on channel: any Channel
    ) async throws {
        let watch = WriteWatch()
        try await withThrowingTaskGroup(of: Turn.self) { group in
            defer { group.cancelAll() }
            group.addTask { await Self.next(of: events) }
            group.addTask { try await Self.silent(for: silence) }
            group.addTask {
                try await gracefulShutdown()
                return .shutdown
            }
            group.addTask {
                try await watch.wait(for: writeTime)
                // A write that waits for its reader cannot be cancelled; a closed connection ends it.
                channel.close(promise: nil)
                return .shutdown
            }
            // A first line at once, so that the reader knows it is connected and how soon to come back.
            try await watch.write("retry: 2000\n\n", to: &writer)
            while let turn = try await group.next() {
                switch turn {
                case .event(let event?):
                    try await watch.write(event.text, to: &writer)
                    group.addTask { await Self.next(of: events) }
                case .silence:
                    try await watch.write(": keep-alive\n\n", to: &writer)
                    group.addTask { try await Self.silent(for: silence) }
                case .event(nil), .shutdown: return
                }
            }
        }
    }

    private static func next(of events: AsyncStream<ServerEvent>) async -> Turn {
        var iterator = events.makeAsyncIterator()
        return .event(await iterator.next())
    }

    private static func silent(for duration: Duration) async throws -> Turn {
        try await Task.sleep(for: duration)
        return .silence
    }
}

/// When the write under way began.
private final class WriteWatch: Sendable {
    private let since = Mutex<ContinuousClock.Instant?>(nil)

    func write(_ text: String, to writer: inout any ResponseBodyWriter) async throws {
        since.withLock { $0 = .now }
        try await writer.write(ByteBuffer(string: text))
        since.withLock { $0 = nil }
    }

    /// Returns when a write takes longer than this.
    /// - Throws: when cancelled.
    func wait(for bound: Duration) async throws {
        while true {
            let left = since.withLock { $0.map { bound - (.now - $0) } } ?? bound
            if left <= .zero { return }
            try await Task.sleep(for: left)
        }
    }
}

/// Counts open event streams.
final class EventStreamSlots: Sendable {
    private let limit: Int
    private let count = Atomic<Int>(0)

    init(limit: Int) { self.limit = limit }

    var open: Int { count.load(ordering: .relaxed) }

    func take() -> Slot? {
        guard count.add(1, ordering: .relaxed).newValue <= limit else {
            count.subtract(1, ordering: .relaxed)
            return nil
        }
        return Slot(slots: self)
    }

    /// Gives its place back when the last to hold it lets go.
    final class Slot: Sendable {
        private let slots: EventStreamSlots

        fileprivate init(slots: EventStreamSlots) { self.slots = slots }
        deinit { slots.count.subtract(1, ordering: .relaxed) }
    }
}
