internal import FogAPI
internal import FogCore
internal import FogNet
internal import Glibc
internal import HTTPTypes
internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTPTypes

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
    private var bytes: ByteGuard?

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
            self.bytes = bytes
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

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        context.close(mode: mode, promise: promise)
        if mode == .all { bytes?.closeSoon() }
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

/// Closes the connection when bytes have come and nothing whole was made of them for too long, and when TLS waits too
/// long for the client's goodbye.
private final class ByteGuard: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    /// From the server's goodbye to the connection's end without the client's. The library waits for five seconds, and
    /// clients that keep idle connections say none: each shutdown under TLS took so long.
    private static let goodbyeTime = TimeAmount.milliseconds(500)

    private let parts: () -> Int
    private let headTime: TimeAmount
    private var timer: Scheduled<Void>?
    private var goodbye: Scheduled<Void>?
    private var context: ChannelHandlerContext?

    init(parts: @escaping () -> Int, headTime: TimeAmount) {
        self.parts = parts
        self.headTime = headTime
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    /// Nothing for a connection that is closed already, as one without TLS is at once.
    func closeSoon() {
        guard let context, context.channel.isActive, goodbye == nil else { return }
        goodbye = context.eventLoop.assumeIsolated().scheduleTask(in: Self.goodbyeTime) { [weak self] in self?.end() }
    }

    /// Behind all that was written before: an answer to a slow reader is not cut off.
    private func end() {
        guard let context else { return }
        let empty = NIOAny(context.channel.allocator.buffer(capacity: 0))
        context.writeAndFlush(empty).assumeIsolated().whenComplete { [weak self] _ in
            self?.context?.close(promise: nil)
        }
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
        goodbye?.cancel()
        goodbye = nil
        context.fireChannelInactive()
    }
}
