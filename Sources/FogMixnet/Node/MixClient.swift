package import FogCore
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// A client's link to the node where its packets enter, or where replies to it come out.
package final class MixClient: Sendable {
    /// What came for this client.
    package struct Delivery: Sendable, Hashable {
        /// Of the SURB; all zero in a forward packet, which only a node's service gets.
        package let id: [UInt8]
        package let payload: [UInt8]
    }

    /// Deliveries that wait for their reader; beyond them the newest is lost, and its sender repeats it.
    package static let deliveryLimit = 4096

    private let end: ClientEnd
    private let channel: any Channel
    package let deliveries: AsyncStream<Delivery>

    /// - Parameter key: the client's own, for this link; a new one for each keeps links apart.
    /// - Throws: `link_failed` when the node cannot be reached, or is another.
    package static func connect(
        to node: MixNetworkView.Node, network: Digest, suite: PacketSuite, key: NoiseKey = .generate()
    ) async throws -> MixClient {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let (stream, continuation) = AsyncStream.makeStream(
            of: Delivery.self, bufferingPolicy: .bufferingOldest(deliveryLimit))
        let end = ClientEnd(node: node.linkKey, suite: suite, ready: loop.makePromise(), deliveries: continuation)
        let prologue = LinkFrame.prologue(network: network, suite: suite)
        let channel: any Channel
        do {
            channel = try await ClientBootstrap(group: loop)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .connectTimeout(LinkHandler.handshakeTime)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(end.begin(key, prologue))
                    }
                }
                .connect(host: node.host, port: node.port).get()
        } catch {
            end.fail()
            throw MixnetFailure("link_failed", "no link to \(node.host):\(node.port): \(error)")
        }
        do {
            try await end.ready.futureResult.get()
        } catch {
            try? await channel.close()
            throw error
        }
        return MixClient(end, channel, stream)
    }

    private init(_ end: ClientEnd, _ channel: any Channel, _ deliveries: AsyncStream<Delivery>) {
        self.end = end
        self.channel = channel
        self.deliveries = deliveries
    }

    /// Sends packets at once; when each is to go is the caller's stream's to say.
    /// - Throws: `link_full`, `link_closed`, `bad_packet`.
    package func send(_ packets: [[UInt8]]) async throws {
        for packet in packets where packet.count != end.suite.packetBytes {
            throw MixnetFailure("bad_packet", "a packet has \(end.suite.packetBytes) bytes, found \(packet.count)")
        }
        try await channel.eventLoop.submit { [end] in try end.send(.packet, packets) }.get()
    }

    /// Tells the node which replies are to come over this link.
    package func register(_ ids: [[UInt8]]) async throws {
        let most = LinkFrame.idsPerFrame(end.suite)
        let frames = stride(from: 0, to: ids.count, by: most).map {
            LinkFrame.registration(Array(ids[$0..<min($0 + most, ids.count)]))
        }
        try await channel.eventLoop.submit { [end] in try end.send(.register, frames) }.get()
    }

    package func close() async { try? await channel.close() }
}

/// The client's half of its link.
// Unchecked: after `begin` everything in it is touched on the channel's event loop alone.
private final class ClientEnd: LinkOwner, @unchecked Sendable {
    let node: [UInt8]
    let suite: PacketSuite
    let ready: EventLoopPromise<Void>
    private let deliveries: AsyncStream<MixClient.Delivery>.Continuation
    private let frame: UnsafeMutablePointer<UInt8>
    private var handler: LinkHandler?
    private var isReady = false

    init(
        node: [UInt8], suite: PacketSuite, ready: EventLoopPromise<Void>,
        deliveries: AsyncStream<MixClient.Delivery>.Continuation
    ) {
        self.node = node
        self.suite = suite
        self.ready = ready
        self.deliveries = deliveries
        frame = .allocate(capacity: PacketPool.bufferBytes)
        frame.initialize(repeating: 0, count: PacketPool.bufferBytes)
    }

    deinit { frame.deallocate() }

    func begin(_ key: NoiseKey, _ prologue: [UInt8]) -> LinkHandler {
        let made = LinkHandler(id: 0, .initiator, key: key, prologue: prologue, suite: suite, owner: self)
        handler = made
        return made
    }

    func fail() { ready.fail(MixnetFailure("link_failed", "the node cannot be reached")) }

    func send(_ kind: LinkFrame.Kind, _ contents: [[UInt8]]) throws {
        guard let handler, handler.isOpen else { throw MixnetFailure("link_closed", "the node has closed the link") }
        for entry in contents where !handler.send(kind, entry) {
            handler.flush()
            throw MixnetFailure("link_full", "the node does not read as fast as it is sent to")
        }
        handler.flush()
    }

    func opened(_ link: LinkHandler, by key: [UInt8]) -> Bool {
        guard key == node else { return false }
        isReady = true
        ready.succeed()
        return true
    }

    func admits(_ link: LinkHandler) -> Bool { true }
    func room(_ link: LinkHandler) -> UnsafeMutablePointer<UInt8>? { frame }
    func unused(_ link: LinkHandler, _ frame: UnsafeMutablePointer<UInt8>) {}
    func paused(_ link: LinkHandler) {}

    func received(_ link: LinkHandler, _ frame: UnsafeMutablePointer<UInt8>) -> Bool {
        switch LinkFrame.Kind(rawValue: frame[0]) {
        case .dummy: return true
        case .delivery:
            let id = Array(UnsafeBufferPointer(start: frame + 1, count: PacketSuite.surbIDBytes))
            let start = frame + 1 + PacketSuite.surbIDBytes
            deliveries.yield(
                MixClient.Delivery(
                    id: id, payload: Array(UnsafeBufferPointer(start: start, count: PacketSuite.payloadBytes))))
            return true
        case .packet, .register, nil: return false
        }
    }

    func closed(_ link: LinkHandler) {
        if !isReady { fail() }
        deliveries.finish()
        handler = nil
    }
}
