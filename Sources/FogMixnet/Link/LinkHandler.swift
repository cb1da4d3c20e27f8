internal import FogCore
internal import NIOCore

/// Whose links they are. Everything is called on the link's event loop.
protocol LinkOwner: AnyObject {
    /// Whether the other end may stay; its lasting key is proven.
    func opened(_ link: LinkHandler, by key: [UInt8]) -> Bool
    /// Whether a frame may cost anything.
    func admits(_ link: LinkHandler) -> Bool
    /// Memory for a frame's plain text and tag; nil leaves the frame out.
    func room(_ link: LinkHandler) -> UnsafeMutablePointer<UInt8>?
    /// A frame that is whole, in the memory that ``room(_:)`` gave; false closes the link.
    func received(_ link: LinkHandler, _ frame: UnsafeMutablePointer<UInt8>) -> Bool
    /// The memory is not needed after all.
    func unused(_ link: LinkHandler, _ frame: UnsafeMutablePointer<UInt8>)
    /// All that had come was handed over.
    func paused(_ link: LinkHandler)
    func closed(_ link: LinkHandler)
}

/// One link: the handshake, then frames in both directions. Used on its event loop only.
final class LinkHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// A handshake that takes longer is given up.
    static let handshakeTime = TimeAmount.seconds(10)
    /// A frame that finds more than this unsent is not taken.
    static let unsentBytes = 4 << 20

    let id: Int
    let suite: PacketSuite
    private let frameBytes: Int
    private let plainBytes: Int
    /// Let go of it with the link: it has the link in turn, and forgets it when it is closed.
    private let owner: any LinkOwner
    private var handshake: NoiseHandshake?
    private var ciphers: (send: LinkCipher, receive: LinkCipher)?
    private var incoming = ByteBuffer()
    private var outgoing = ByteBuffer()
    private var context: ChannelHandlerContext?
    private var deadline: Scheduled<Void>?

    init(
        id: Int, _ role: NoiseHandshake.Role, key: NoiseKey, prologue: [UInt8], suite: PacketSuite,
        owner: any LinkOwner
    ) {
        self.id = id
        self.suite = suite
        frameBytes = LinkFrame.byteCount(suite)
        plainBytes = LinkFrame.plainBytes(suite)
        self.owner = owner
        handshake = NoiseHandshake(role, key: key, prologue: prologue)
    }

    var isOpen: Bool { ciphers != nil && context != nil }

    // MARK: - Sending

    /// Takes a frame for the next ``flush()``: kind and contents in place, with room for the tag behind them, which are
    /// encrypted where they lie. False when too much is unsent.
    func send(_ frame: UnsafeMutablePointer<UInt8>) -> Bool {
        guard let context, context.channel.isWritable, outgoing.readableBytes < Self.unsentBytes,
            ciphers?.send.seal(frame, count: plainBytes) == true
        else { return false }
        if outgoing.capacity == 0 { outgoing = context.channel.allocator.buffer(capacity: 64 * frameBytes) }
        outgoing.writeBytes(UnsafeRawBufferPointer(start: frame, count: frameBytes))
        return true
    }

    /// The same from an array of contents, filled up with zeros.
    func send(_ kind: LinkFrame.Kind, _ contents: [UInt8]) -> Bool {
        var frame = [UInt8](repeating: 0, count: frameBytes)
        frame[0] = kind.rawValue
        frame.replaceSubrange(1..<1 + contents.count, with: contents)
        return frame.withUnsafeMutableBufferPointer { buffer in buffer.baseAddress.map(send) ?? false }
    }

    func flush() {
        guard let context, outgoing.readableBytes > 0 else { return }
        let bytes = outgoing
        outgoing = ByteBuffer()
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
    }

    func close() { context?.close(promise: nil) }

    // MARK: - The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard deadline == nil else { return }
        let box = NIOLoopBound(self, eventLoop: context.eventLoop)
        deadline = context.eventLoop.scheduleTask(in: Self.handshakeTime) {
            if box.value.ciphers == nil { box.value.close() }
        }
        if handshake?.isOwnTurn == true { speak(context) }
    }

    private func speak(_ context: ChannelHandlerContext) {
        guard let message = try? handshake?.write() else { return context.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: message)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if incoming.readableBytes == 0 { incoming = bytes } else { incoming.writeBuffer(&bytes) }
        if handshake != nil, !shakeHands(context) { return context.close(promise: nil) }
        if ciphers != nil, !readFrames() { context.close(promise: nil) }
        incoming.discardReadBytes()
    }

    func channelReadComplete(context: ChannelHandlerContext) { owner.paused(self) }

    /// Reads what of the handshake has come; false for a link that must not stay.
    private func shakeHands(_ context: ChannelHandlerContext) -> Bool {
        while let current = handshake {
            if current.isDone {
                ciphers = current.split()
                handshake = nil
                deadline?.cancel()
                return current.theirKey.map { owner.opened(self, by: $0) } ?? false
            }
            let count = NoiseHandshake.messageBytes[current.step]
            guard let message = incoming.readBytes(length: count) else { return true }
            guard (try? handshake?.read(message)) != nil else { return false }
            if handshake?.isOwnTurn == true { speak(context) }
        }
        return true
    }

    private func readFrames() -> Bool {
        while incoming.readableBytes >= frameBytes {
            guard owner.admits(self), let room = owner.room(self) else {
                ciphers?.receive.skip()
                incoming.moveReaderIndex(forwardBy: frameBytes)
                continue
            }
            incoming.withUnsafeReadableBytes { bytes in
                guard let start = bytes.baseAddress else { return }
                UnsafeMutableRawPointer(room).copyMemory(from: start, byteCount: frameBytes)
            }
            incoming.moveReaderIndex(forwardBy: frameBytes)
            guard ciphers?.receive.open(room, count: plainBytes) == true else {
                owner.unused(self, room)
                return false
            }
            if !owner.received(self, room) { return false }
        }
        return true
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        self.context = nil
        owner.closed(self)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
