import FogCore
import NIOCore
import NIOEmbedded
import Testing

@testable import FogHTTP

/// What ends a connection, on a clock that is turned by hand.
@Suite("The end of a connection")
struct ConnectionGuardTests {
    /// As TLS does: says goodbye when it is closed, and then waits for the client's.
    private final class Goodbye: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "bye")), promise: nil)
        }
    }

    @Test("a client that never says goodbye is not waited for; what was written before comes first")
    func goodbye() throws {
        let channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.addHandler(Goodbye())
        try channel.pipeline.syncOperations.addHandler(
            ConnectionGuard(headTime: .seconds(10), acknowledgeTime: .seconds(15)))
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        channel.close(promise: nil)
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(499))
        #expect(channel.isActive)
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        #expect(!channel.isActive)
        #expect(try channel.readOutbound(as: ByteBuffer.self) == ByteBuffer(string: "bye"))
    }

    @Test("without TLS a connection ends when it is closed, and nothing is left behind")
    func plain() throws {
        let channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.addHandler(
            ConnectionGuard(headTime: .seconds(10), acknowledgeTime: .seconds(15)))
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        channel.close(promise: nil)
        #expect(!channel.isActive)
        channel.embeddedEventLoop.advanceTime(by: .seconds(60))
        #expect(try channel.readOutbound(as: ByteBuffer.self) == nil)
    }
}
