internal import AsyncHTTPClient
package import FogCore
package import FogNet
internal import NIOCore
internal import NIOHTTP1

/// One server-sent event (WHATWG HTML section 9.2).
package struct ServerEvent: Hashable, Sendable {
    /// The cursor a reader gives back as `Last-Event-ID`.
    package var id: String?
    /// The field `event`; `message` when it is left out.
    package var kind: String
    package var data: String

    package init(id: String? = nil, kind: String = "message", data: String) {
        self.id = id
        self.kind = kind
        self.data = data
    }

    /// The event as it goes over the wire. Line breaks in id and kind are dropped: they would begin another field.
    package var text: String {
        var out = ""
        if let id { out += "id: \(Self.oneLine(id))\n" }
        if kind != "message" { out += "event: \(Self.oneLine(kind))\n" }
        for line in data.split(separator: "\n", omittingEmptySubsequences: false) { out += "data: \(line)\n" }
        return out + "\n"
    }

    private static func oneLine(_ text: String) -> String {
        String(text.unicodeScalars.filter { $0 != "\n" && $0 != "\r" && $0 != "\0" })
    }
}

/// Takes an event stream apart as it comes, however its bytes are cut.
package struct ServerEventParser: Sendable {
    /// The longest event, in bytes.
    package static let eventLimit = 1 << 20

    private var line: [UInt8] = []
    private var sawReturn = false
    private var data: [String] = []
    private var dataLength = 0
    private var kind = ""
    private var id: String?
    private var ready: [ServerEvent] = []

    package init() {}

    /// - Throws: `too_large` for an event beyond the limit.
    package mutating func feed(_ bytes: some Sequence<UInt8>) throws(CarrierFailure) {
        for byte in bytes {
            let afterReturn = sawReturn
            sawReturn = byte == 0x0d
            switch byte {
            case 0x0a where afterReturn: continue
            case 0x0a, 0x0d: endLine()
            default:
                line.append(byte)
                guard line.count + dataLength <= Self.eventLimit else {
                    throw CarrierFailure("too_large", "an event is longer than \(Self.eventLimit) bytes")
                }
            }
        }
    }

    /// The next event that is whole.
    package mutating func next() -> ServerEvent? { ready.isEmpty ? nil : ready.removeFirst() }

    private mutating func endLine() {
        defer { line.removeAll(keepingCapacity: true) }
        guard !line.isEmpty else { return dispatch() }
        let name = line.prefix { $0 != 0x3a }
        var value = line.dropFirst(name.count + 1)
        if value.first == 0x20 { value = value.dropFirst() }
        let text = String(decoding: value, as: UTF8.self)
        switch String(decoding: name, as: UTF8.self) {
        case "data":
            data.append(text)
            dataLength += value.count + 1
        case "event": kind = text
        case "id" where !text.contains("\0"): id = text
        // `retry`, comments (an empty name) and what is not known.
        default: break
        }
    }

    private mutating func dispatch() {
        if !data.isEmpty {
            ready.append(.init(id: id, kind: kind.isEmpty ? "message" : kind, data: data.joined(separator: "\n")))
        }
        data = []
        dataLength = 0
        kind = ""
    }
}

/// The events of one stream, read as they are asked for: a reader that is slow slows the sender, none is dropped.
package struct ServerEvents: AsyncSequence {
    package typealias Element = ServerEvent
    package typealias Failure = any Error

    let carrier: HTTPCarrier
    let request: CarrierRequest
    let deadline: TimeSpan

    package func makeAsyncIterator() -> Iterator { Iterator(events: self) }

    package struct Iterator: AsyncIteratorProtocol {
        fileprivate let events: ServerEvents
        private var body: HTTPClientResponse.Body.AsyncIterator?
        private var parser = ServerEventParser()

        fileprivate init(events: ServerEvents) { self.events = events }

        /// Nil when the coordinator has ended the stream.
        /// - Throws: ``CarrierFailure`` when the stream breaks off, ``Problem`` when it was refused.
        package mutating func next() async throws -> ServerEvent? {
            while true {
                if let event = parser.next() { return event }
                do {
                    if body == nil { body = try await open() }
                    guard let chunk = try await body?.next() else { return nil }
                    try parser.feed(chunk.readableBytesView)
                } catch let problem as Problem {
                    throw problem
                } catch {
                    throw events.carrier.failure(error, deadline: events.deadline)
                }
            }
        }

        private func open() async throws -> HTTPClientResponse.Body.AsyncIterator {
            let response = try await events.carrier.open(events.request, deadline: events.deadline)
            guard response.status.code == 200 else {
                let body = try await response.body.collect(upTo: ServerEventParser.eventLimit)
                throw Problem(
                    CarrierResponse(
                        status: Int(response.status.code), headers: HTTPCarrier.headers(response.headers),
                        body: Array(body.readableBytesView))) ?? .unexpected
            }
            return response.body.makeAsyncIterator()
        }
    }
}

extension HTTPCarrier {
    /// The events that the coordinator answers a `GET …/events` with. Each iteration asks anew; to go on where a stream
    /// broke off, the request carries `last-event-id`.
    /// - Parameter deadline: for the head of the answer; the stream itself lasts until either side ends it.
    package func events(_ request: CarrierRequest, deadline: TimeSpan = .seconds(30)) -> ServerEvents {
        var request = request
        request.headers["accept"] = "text/event-stream"
        return ServerEvents(carrier: self, request: request, deadline: deadline)
    }
}
