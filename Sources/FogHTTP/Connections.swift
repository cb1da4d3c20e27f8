internal import FogAPI
internal import FogCore
internal import FogNet
internal import Glibc
internal import HTTPTypes
internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTPTypes
internal import Synchronization

/// The open connections and what each of them waits for, so that a waiting handler is cancelled when its client leaves
/// or the server shuts down.
///
/// One callback a connection, not one a request: callbacks on a kept-alive connection's close would pile up, poll after
/// poll (2,000 polls measured: a plain `await` in a handler left all 2,000 waiting for ever and SIGTERM without end).
final class Connections: Sendable {
    private struct State {
        var connections: [ObjectIdentifier: Connection] = [:]
        var openRequests = 0
        var isShuttingDown = false
    }

    private let state = Mutex(State())
    private let requestLimit: Int

    init(requestLimit: Int) { self.requestLimit = requestLimit }

    var openRequests: Int { state.withLock { $0.openRequests } }
    var count: Int { state.withLock { $0.connections.count } }

    /// Runs one request of a connection.
    /// - Returns: nil, without running it, when as many are under way as there may be or the server shuts down.
    func run<Value: Sendable>(
        on channel: any Channel, _ operation: @escaping @Sendable (Connection) async -> Value
    ) async -> Value? {
        guard let connection = begin(channel) else { return nil }
        defer {
            connection.release()
            state.withLock { $0.openRequests -= 1 }
        }
        // Unstructured so that the connection's close can cancel it; awaited here, two lines below.
        let task = Task { await operation(connection) }
        connection.hold { task.cancel() }
        return await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }
    }

    /// Cancels the reading of bodies that are not there in time, until it is cancelled itself.
    ///
    /// One look at all connections now and then, because a timer for each body cost a tenth of a small request.
    /// - Parameter bodyTime: how long they have; one may get a quarter more, at most a second.
    func watchBodies(_ bodyTime: Duration) async {
        let pause = min(max(bodyTime / 4, .milliseconds(10)), .seconds(1))
        while (try? await Task.sleep(for: pause)) != nil {
            let now = ContinuousClock.now
            for connection in state.withLock({ Array($0.connections.values) }) { connection.expireBody(at: now) }
        }
    }

    /// Cancels what is under way and lets nothing begin.
    func shutDown() {
        let all = state.withLock { state in
            state.isShuttingDown = true
            return Array(state.connections.values)
        }
        for connection in all { connection.close() }
    }

    private func begin(_ channel: any Channel) -> Connection? {
        let id = ObjectIdentifier(channel)
        let (connection, isNew) = state.withLock { state -> (Connection?, Bool) in
            guard !state.isShuttingDown, state.openRequests < requestLimit else { return (nil, false) }
            state.openRequests += 1
            if let known = state.connections[id] { return (known, false) }
            let connection = Connection()
            state.connections[id] = connection
            return (connection, true)
        }
        if let connection, isNew {
            // The callback keeps the channel, so its identity is not given to another one before it has run.
            channel.closeFuture.whenComplete { _ in
                withExtendedLifetime(channel) { self.forget(id) }
                connection.close()
            }
        }
        return connection
    }

    private func forget(_ id: ObjectIdentifier) { state.withLock { $0.connections[id] = nil } }
}

/// One connection: HTTP/1.1 answers in order, so at most one request is under way.
final class Connection: Sendable {
    private struct State {
        var isClosed = false
        /// Nil while no body is read.
        var bodyDue: ContinuousClock.Instant?
        var isBodyLate = false
        var cancel: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    /// Cancels at once when the connection is closed already.
    fileprivate func hold(_ cancel: @escaping @Sendable () -> Void) {
        let isClosed = state.withLock { state in
            if !state.isClosed { state.cancel = cancel }
            return state.isClosed
        }
        if isClosed { cancel() }
    }

    fileprivate func release() { state.withLock { $0.cancel = nil } }

    func beginBody(within span: Duration) {
        state.withLock { state in
            state.bodyDue = .now + span
            state.isBodyLate = false
        }
    }

    /// Whether it took too long, and was cancelled.
    func endBody() -> Bool {
        state.withLock { state in
            state.bodyDue = nil
            return state.isBodyLate
        }
    }

    fileprivate func expireBody(at now: ContinuousClock.Instant) {
        let cancel = state.withLock { state -> (@Sendable () -> Void)? in
            guard let due = state.bodyDue, due <= now else { return nil }
            state.bodyDue = nil
            state.isBodyLate = true
            return state.cancel
        }
        cancel?()
    }

    fileprivate func close() {
        let cancel = state.withLock { state in
            state.isClosed = true
            defer { state.cancel = nil }
            return state.cancel
        }
        cancel?()
    }
}

/// Closes a connection whose client has sent its FIN, and one whose request head takes too long; says in a document
/// what is no HTTP.
///
/// The server allows half closure, so a FIN is only an event; closing makes it `closeFuture`'s, which ``Connections``
/// waits for. The head's time runs from its first byte; an idle connection has the server's idle time instead.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = NIOAny
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let headTime: TimeAmount
    private let acknowledgeTime: TimeSpan
    /// Why the decoder gave up; the library answers that with an empty 400.
    private var parserError: HTTPParserError?
    /// Parts that the decoder made: a head, a piece of a body, an end.
    fileprivate var parts = 0

    init(headTime: TimeAmount, acknowledgeTime: TimeSpan) {
        self.headTime = headTime
        self.acknowledgeTime = acknowledgeTime
    }

    func handlerAdded(context: ChannelHandlerContext) {
        // Without it the kernel repeats what nobody acknowledges for a quarter of an hour (tcp(7)). A channel that
        // is no TCP connection does not know the option, and needs it not.
        let option = ChannelOptions.tcpOption(NIOBSDSocket.Option(rawValue: TCP_USER_TIMEOUT))
        context.channel.setOption(option, value: Int(acknowledgeTime.milliseconds)).whenFailure { _ in }
        do {
            // In front of the decoder, where bytes are seen that make no part yet.
            let bytes = ByteGuard(parts: { [unowned self] in parts }, headTime: headTime)
            try context.pipeline.syncOperations.addHandler(bytes, position: .first)
        } catch {
            context.fireErrorCaught(error)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        parts += 1
        context.fireChannelRead(data)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        context.fireUserInboundEventTriggered(event)
        if case .inputClosed? = event as? ChannelEvent { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        parserError = error as? HTTPParserError ?? parserError
        context.fireErrorCaught(error)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard let parserError, case .head(let head) = unwrapOutboundIn(data), head.status == .badRequest,
            head.headerFields[.contentLength] == "0"
        else { return context.write(data, promise: promise) }
        let problem =
            parserError == .headerOverflow
            ? Problem(431, "headers_too_large", "the header fields are larger or more than the coordinator takes")
            : Problem(400, "bad_http", "this is not HTTP/1.1: \(parserError)")
        let body = problem.response.body
        var document = head
        document.status = .init(code: problem.status)
        document.headerFields[.contentType] = Problem.contentType
        document.headerFields[.contentLength] = String(body.count)
        context.write(wrapOutboundOut(.head(document)), promise: nil)
        context.write(wrapOutboundOut(.body(context.channel.allocator.buffer(bytes: body))), promise: promise)
    }
}

/// Closes the connection when bytes have come and nothing whole was made of them for too long.
private final class ByteGuard: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    private let parts: () -> Int
    private let headTime: TimeAmount
    private var timer: Scheduled<Void>?

    init(parts: @escaping () -> Int, headTime: TimeAmount) {
        self.parts = parts
        self.headTime = headTime
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let before = parts()
        context.fireChannelRead(data)
        if parts() != before {
            timer?.cancel()
            timer = nil
        } else if timer == nil {
            let channel = context.channel
            timer = context.eventLoop.scheduleTask(in: headTime) { channel.close(promise: nil) }
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
        context.fireChannelInactive()
    }
}
