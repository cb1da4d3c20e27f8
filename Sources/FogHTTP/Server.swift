package import FogAPI
package import FogCore
package import FogNet
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import HummingbirdTLS
package import Logging
internal import NIOCore
internal import ServiceLifecycle

/// The HTTP door: brings every request to the endpoint and its answer back.
///
/// It knows no route but the form of an event stream; who may do what is the endpoint's to say.
package struct HTTPServer: Service {
    package struct Address: Hashable, Sendable {
        package var host: String
        /// 0 asks the kernel for a free one.
        package var port: Int

        package init(host: String = "127.0.0.1", port: Int = 0) {
            self.host = host
            self.port = port
        }
    }

    package struct Limits: Sendable {
        /// The largest body, in bytes.
        package var bodyBytes = CarrierRequest.bodyLimit
        /// All header fields of a request together, in bytes.
        package var headerBytes = 64 << 10
        /// From the first byte of a request to the end of its head.
        package var headTime = TimeSpan.seconds(10)
        /// From the head to the end of the body.
        package var bodyTime = TimeSpan.seconds(300)
        /// A connection without a request; longer than clients keep theirs (``HTTPCarrier/Options/idleTime``).
        package var idleTime = TimeSpan.seconds(75)
        /// Connections that are accepted; more wait in the kernel's backlog.
        package var connections = 8192
        /// Requests under way, waiting polls among them; beyond it 503.
        package var openRequests = 8192
        /// Readers of event streams; beyond it 503.
        package var eventStreams = 2048
        /// Between two signs of life in an event stream.
        package var eventSilence = TimeSpan.seconds(5)
        /// One write to a reader of events that does not read: it is cut off, and may go on where it stopped.
        package var eventWriteTime = TimeSpan.seconds(15)
        /// Bytes that were sent and not acknowledged for so long end the connection: its client vanished without a FIN.
        /// Together with ``eventSilence`` it bounds how long a reader that is gone is kept.
        package var acknowledgeTime = TimeSpan.seconds(15)

        package init() {}
    }

    /// Asked with a request's head before its body is read: an answer, 429 or 503, turns it away.
    package typealias Admission = @Sendable (_ head: CarrierRequest) -> Problem?

    private let door: Door
    private let address: Address
    private let limits: Limits
    private let identity: ServerIdentity?
    private let logger: Logger
    private let onBound: @Sendable (_ port: Int) async -> Void

    /// - Parameters:
    ///   - identity: what TLS is served under; nil = plain HTTP.
    ///   - onBound: called once with the port, when connections are accepted.
    package init(
        endpoint: any CarrierEndpoint, streams: (any EventStreaming)? = nil, address: Address = Address(),
        limits: Limits = Limits(), identity: ServerIdentity? = nil, logger: Logger,
        admission: @escaping Admission = { _ in nil },
        onBound: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
    ) {
        door = Door(endpoint: endpoint, streams: streams, limits: limits, logger: logger, admission: admission)
        self.address = address
        self.limits = limits
        self.identity = identity
        self.logger = logger
        self.onBound = onBound
    }

    /// Serves until graceful shutdown or cancellation.
    /// - Throws: when the address cannot be bound.
    package func run() async throws {
        let (headTime, acknowledgeTime) = (TimeAmount(limits.headTime), limits.acknowledgeTime)
        let plain = HTTPServerBuilder.http1(
            configuration: .init(
                additionalChannelHandlers: [ConnectionGuard(headTime: headTime, acknowledgeTime: acknowledgeTime)],
                idleTimeout: TimeAmount(limits.idleTime),
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: limits.headerBytes, maxHeaderListSize: limits.headerBytes,
                    maxHeaderFieldCount: 100)))
        let application = Application(
            responder: door,
            server: try identity.map { try .tls(plain, tlsConfiguration: $0.configuration()) } ?? plain,
            configuration: .init(
                address: .hostname(address.host, port: address.port), backlog: 4096,
                availableConnectionsDelegate: .maximum(limits.connections, logger: logger)),
            onServerRunning: { channel in await onBound(channel.localAddress?.port ?? address.port) },
            logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await door.connections.watchBodies(limits.bodyTime.duration) }
            defer { group.cancelAll() }
            try await withGracefulShutdownHandler {
                try await application.run()
            } onGracefulShutdown: {
                door.connections.shutDown()
            }
        }
    }

    /// Requests under way now.
    package var openRequests: Int { door.connections.openRequests }
    /// Connections that asked for something and are open now.
    package var openConnections: Int { door.connections.count }
    /// Event streams open now.
    package var openEventStreams: Int { door.writer.slots.open }
}

extension TimeAmount {
    fileprivate init(_ span: TimeSpan) { self = .milliseconds(span.milliseconds) }
}

/// What the door needs to know beside the request.
struct DoorContext: InitializableFromSource {
    let channel: any Channel

    init(source: ApplicationRequestContextSource) { channel = source.channel }
}

/// Turns requests of the HTTP library into the carrier's, and answers back.
struct Door: HTTPResponder {
    let endpoint: any CarrierEndpoint
    let streams: (any EventStreaming)?
    let limits: HTTPServer.Limits
    let logger: Logger
    let admission: HTTPServer.Admission
    let connections: Connections
    let writer: EventStreamWriter

    /// How long a connection stays open after an answer that came before the whole request: closed at once, the client
    /// might lose the answer to a reset.
    private static let linger = TimeAmount.seconds(2)

    init(
        endpoint: any CarrierEndpoint, streams: (any EventStreaming)?, limits: HTTPServer.Limits, logger: Logger,
        admission: @escaping HTTPServer.Admission
    ) {
        self.endpoint = endpoint
        self.streams = streams
        self.limits = limits
        self.logger = logger
        self.admission = admission
        connections = Connections(requestLimit: limits.openRequests)
        writer = EventStreamWriter(
            silence: limits.eventSilence.duration, writeTime: limits.eventWriteTime.duration,
            slots: EventStreamSlots(limit: limits.eventStreams))
    }

    func respond(to request: Request, context: DoorContext) async throws -> Response {
        let channel = context.channel
        let response = await connections.run(on: channel) { await answer(request, on: channel, $0) }
        return response ?? refuse(Self.busy, on: channel)
    }

    private static let busy = Problem(
        503, "overloaded", "the coordinator has as many requests under way as it takes", retryAfterSeconds: 1)

    private func answer(
        _ request: Request, on channel: any Channel, _ connection: Connection
    ) async -> Response {
        guard let target = request.head.path, target.utf8.first == UInt8(ascii: "/") else {
            return refuse(Problem(400, "bad_target", "a request's target begins with `/`"), on: channel)
        }
        var carried = CarrierRequest(
            method: request.method.rawValue, target: target, headers: CarrierHeaders(request.headers))
        carried.origin = channel.remoteAddress?.ipAddress
        if let problem = admission(carried) { return refuse(problem, on: channel) }
        if let streams, EventStreamWriter.asks(carried) {
            switch await streams.events(for: carried, after: carried.headers["last-event-id"]) {
            case .stream(let events):
                return writer.response(events, to: request, on: channel) ?? refuse(Self.busy, on: channel)
            case .response(let response): return Response(response, to: request)
            }
        }
        do throws(Problem) {
            carried.body = try await body(of: request, on: connection)
        } catch {
            return refuse(error, on: channel)
        }
        return Response(await endpoint.handle(carried), to: request)
    }

    /// An answer after which the connection is of no use, because the request was not read to its end.
    private func refuse(_ problem: Problem, on channel: any Channel) -> Response {
        let response = problem.response
        var headers = HTTPFields(response.headers)
        headers[.connection] = "close"
        let linger = Self.linger
        let body = ResponseBody(contentLength: response.body.count) { writer in
            try await writer.write(ByteBuffer(bytes: response.body))
            try await writer.finish(nil)
            channel.eventLoop.scheduleTask(in: linger) { channel.close(promise: nil) }
        }
        return Response(status: .init(code: response.status), headers: headers, body: body)
    }

    // MARK: - Bodies

    private func body(of request: Request, on connection: Connection) async throws(Problem) -> [UInt8] {
        let stated = request.headers[.contentLength].flatMap { Int($0) }
        if let stated, stated > limits.bodyBytes { throw tooLarge }
        guard stated ?? 0 > 0 || request.headers[.transferEncoding] != nil else { return [] }
        connection.beginBody(within: limits.bodyTime.duration)
        let outcome = await collect(request, expecting: stated)
        guard !connection.endBody() else {
            throw Problem(408, "body_too_slow", "the body took longer than \(limits.bodyTime)")
        }
        // The client has left, or the server shuts down.
        if Task.isCancelled { throw Self.busy }
        return try outcome.get()
    }

    private func collect(_ request: Request, expecting length: Int?) async -> Result<[UInt8], Problem> {
        var body: [UInt8] = []
        // A stated length is the client's word: no more is reserved on it than arrives soon anyway.
        body.reserveCapacity(min(length ?? 0, 1 << 20))
        do {
            for try await buffer in request.body {
                guard body.count + buffer.readableBytes <= limits.bodyBytes else { return .failure(tooLarge) }
                body.append(contentsOf: buffer.readableBytesView)
            }
        } catch {
            logger.debug("A request's body broke off", metadata: ["error": "\(error)"])
            return .failure(Problem(400, "body_broken", "the body broke off"))
        }
        guard length == nil || length == body.count else {
            return .failure(Problem(400, "body_broken", "the body has \(body.count) of \(length ?? 0) bytes"))
        }
        return .success(body)
    }

    private var tooLarge: Problem {
        Problem(413, "too_large", "a body has at most \(limits.bodyBytes) bytes")
    }
}

// MARK: - Between the two libraries

extension CarrierHeaders {
    /// Lower-case names; values of a name that came more than once are joined (RFC 9110 section 5.3).
    fileprivate init(_ fields: HTTPFields) {
        self = [:]
        for field in fields {
            let name = field.name.canonicalName
            self[name] = self[name].map { $0 + ", " + field.value } ?? field.value
        }
    }
}

extension HTTPFields {
    /// Fields of the connection are the HTTP library's to write.
    fileprivate init(_ headers: CarrierHeaders) {
        self.init()
        for (name, value) in headers where !["content-length", "transfer-encoding", "connection"].contains(name) {
            guard let name = HTTPField.Name(name) else { continue }
            self[name] = value
        }
    }
}

extension Response {
    fileprivate init(_ response: CarrierResponse, to request: Request) {
        var headers = HTTPFields(response.headers)
        guard request.method != .head else {
            headers[.contentLength] = String(response.body.count)
            self.init(status: .init(code: response.status), headers: headers)
            return
        }
        let body = response.body.isEmpty ? ResponseBody() : ResponseBody(byteBuffer: ByteBuffer(bytes: response.body))
        self.init(status: .init(code: response.status), headers: headers, body: body)
    }
}
