internal import FogAPI
internal import FogCoordinator
internal import FogCore
internal import FogJobs
package import FogNet
internal import FogStore
internal import Logging
internal import Synchronization

/// `GET /v1/events` and `GET /v1/jobs/{job}/events` as live streams: the same events for the same people as the JSON
/// form gives, each with its sequence as id, so that a reader who comes back misses none and sees none twice.
extension Routes: EventStreaming {
    /// How long a stream sleeps at most before it looks whether its reader's key may still act.
    private static let longestWait = TimeSpan.seconds(2)
    /// Events read from the store at once.
    private static let batch = 100

    private static let streamed = [RoutePattern("GET /v1/events"), RoutePattern("GET /v1/jobs/{job}/events")]

    package func events(for request: CarrierRequest, after: String?) async -> EventReply {
        let path = RoutePattern.segments(of: request.path)
        for pattern in Self.streamed {
            guard let parameters = pattern.match(path) else { continue }
            let start = clock.sinceBoot
            let reply = await stream(request, at: pattern, path: parameters, after: after)
            let status = if case .response(let refusal) = reply { refusal.status } else { 200 }
            metrics.count(route: pattern.text, status: status, took: clock.sinceBoot - start)
            return reply
        }
        return .response(await handle(request))
    }

    private func stream(
        _ request: CarrierRequest, at pattern: RoutePattern, path: [String: String], after: String?
    ) async -> EventReply {
        do {
            let (asked, place) = try authentication.hold(request)
            try Self.check(asked.principal, at: pattern)
            let parameters = try RouteParameters(path: path, query: request.query, known: pattern.query)
            let cursor = try Self.lastEventID(after) ?? parameters.sequence("after") ?? 0
            let job =
                path["job"] == nil ? nil : try await coordinator.find(parameters["job"], for: asked.principal).id
            // Who may not read learns it here, in a document instead of a stream that ends.
            let first = try await coordinator.events(
                after: cursor, job: job, limit: Self.batch, wait: .zero, for: asked.principal)
            let reading = EventReading(cursor: cursor, pending: first, place: place, counted: metrics.openStream())
            return .stream(AsyncStream { await self.next(of: job, reading, asked) })
        } catch {
            return .response(problem(for: error, path: request.path).response)
        }
    }

    /// The next event, however long it takes; nil when the reader has left or may not read any more.
    private func next(of job: JobID?, _ reading: EventReading, _ asked: AuthenticatedRequest) async -> ServerEvent? {
        while !Task.isCancelled, authentication.mayAct(asked.principal) {
            if let event = reading.next() { return event }
            do {
                reading.append(
                    try await coordinator.events(
                        after: reading.cursor, job: job, limit: Self.batch, wait: Self.longestWait,
                        for: asked.principal))
            } catch {
                // A reader that comes back is told what is wrong.
                logger.debug("an event stream ends", metadata: ["error": "\(error)"])
                return nil
            }
        }
        return nil
    }

    static func lastEventID(_ text: String?) throws(Problem) -> UInt64? {
        guard let text else { return nil }
        guard let id = UInt64(text), id <= UInt64(Int64.max) else {
            throw Problem(400, "bad_event_id", "`Last-Event-ID` is an event's sequence, found `\(text.prefix(60))`")
        }
        return id
    }
}

/// Where one reader is.
private final class EventReading: Sendable {
    private let state: Mutex<(cursor: UInt64, pending: [EventRecord])>
    /// Given back with the stream.
    private let place: OpenPlace
    private let counted: OpenStream

    init(cursor: UInt64, pending: [EventRecord], place: OpenPlace, counted: OpenStream) {
        state = Mutex((cursor, pending.reversed()))
        self.place = place
        self.counted = counted
    }

    /// Of the last event that was taken.
    var cursor: UInt64 { state.withLock { $0.cursor } }

    func append(_ events: [EventRecord]) { state.withLock { $0.pending = events.reversed() } }

    func next() -> ServerEvent? {
        guard
            let record = state.withLock({ state -> EventRecord? in
                guard let record = state.pending.popLast() else { return nil }
                state.cursor = record.sequence
                return record
            })
        else { return nil }
        let data = (try? Wire.encode(EventBody(record))) ?? []
        return ServerEvent(
            id: String(record.sequence), kind: record.kind, data: String(decoding: data, as: UTF8.self))
    }
}
