internal import FogCore
internal import NIOCore
internal import NIOPosix

/// One thread of a node: its links, its engine, its clock.
// Unchecked: everything in it is touched on its event loop alone; other threads reach it by `loop.execute`.
final class MixShard: LinkOwner, @unchecked Sendable {
    /// Links at once.
    static let linkLimit = 4096
    /// Handshakes a second, each of which costs four scalar multiplications, and at once.
    private static let handshakeRate: Int64 = 200
    /// What a node of the network may bring; no node forwards more.
    private static let nodeRate: Int64 = 50_000
    /// Packets that wait for a link which is being made.
    private static let waitingLimit = 1024
    private static let retryAfter: Int64 = 1_000_000_000
    /// Departures within a fiftieth of the mean delay leave with one write, in the order of their times: so little says
    /// nothing about when they came, and a wake and a write for each would cost as much as the link's encryption.
    private var tick: Int64 { max(100_000, min(1_000_000, view.meanDelay / 50)) }
    private static let dummyMean: Int64 = 5_000_000_000

    let number: Int
    let loop: any EventLoop
    let shared: MixShared
    let engine: MixEngine
    private var view: MixNetworkView
    /// By the low byte of their epochs: packets name nodes by the indices that they have in theirs.
    private var views: [UInt8: MixNetworkView] = [:]
    /// Of the links of all nodes in any of the views.
    private var nodeKeys: Set<[UInt8]>
    private var prologue: [UInt8]
    private var epoch: UInt64 = 0

    private struct Link {
        let handler: LinkHandler
        let key: [UInt8]
        var bucket: TokenBucket
        var isNode: Bool
    }
    private enum Way {
        case making([PacketBuffer])
        case open(LinkHandler)
        /// Not to be tried again before this time.
        case down(until: Int64)
    }
    private var links: [Int: Link] = [:]
    /// By link key: indices change with the epoch, links stay.
    private var ways: [[UInt8]: Way] = [:]
    /// The node that a link of ours was made to.
    private var targets: [Int: [UInt8]] = [:]
    private var nextLink = 0
    private var handshakes: TokenBucket
    private var room: PacketBuffer?
    private var wake: Scheduled<Void>?
    private var wakeTime = Int64.max
    private var loops: PoissonStream?
    private var dummies: PoissonStream
    private(set) var isDraining = false
    private let loss: Double
    /// Where a delivery for another thread's link goes.
    private let deliver: @Sendable (MixShared.Place, _ id: [UInt8], _ payload: [UInt8]) -> Void

    init(
        number: Int, loop: any EventLoop, shared: MixShared, view: MixNetworkView, limit: Int,
        loss: Double, isHasty: Bool, deliver: @escaping @Sendable (MixShared.Place, [UInt8], [UInt8]) -> Void
    ) {
        self.number = number
        self.loop = loop
        self.shared = shared
        self.view = view
        nodeKeys = Set(view.nodes.values.map(\.linkKey))
        self.loss = loss
        self.deliver = deliver
        engine = MixEngine(suite: view.suite, meanDelay: view.meanDelay, limit: limit)
        engine.isHasty = isHasty
        prologue = LinkFrame.prologue(network: view.network, suite: view.suite)
        let now = Self.now
        handshakes = TokenBucket(rate: Self.handshakeRate, burst: Self.handshakeRate, at: now)
        dummies = PoissonStream(mean: Self.dummyMean, at: now)
        if number == 0, view.mixLoopMean > 0 { loops = PoissonStream(mean: view.mixLoopMean, at: now) }
    }

    static var now: Int64 { Int64(clamping: NIODeadline.now().uptimeNanoseconds) }

    // MARK: - Changes from outside, on the loop

    /// - Parameter views: by epoch, the current one's among them.
    func update(_ views: [UInt64: MixNetworkView], epoch: UInt64, live: [(keys: EpochKeys, log: ReplayLog)]) {
        let loopMean = view.mixLoopMean
        view = views[epoch] ?? view
        self.views = Dictionary(views.map { (UInt8(truncatingIfNeeded: $0), $1) }) { first, _ in first }
        self.epoch = epoch
        shared.enter(epoch)
        engine.meanDelay = view.meanDelay
        engine.use(live.map(\.keys)) { keys in live.first { $0.keys === keys }?.log }
        if number == 0, view.mixLoopMean != loopMean {
            loops = view.mixLoopMean > 0 ? PoissonStream(mean: view.mixLoopMean, at: Self.now) : nil
        }
        nodeKeys = Set(views.values.flatMap { $0.nodes.values.map(\.linkKey) })
        for (key, way) in ways where !nodeKeys.contains(key) {
            if case .open(let link) = way { link.close() }
        }
        // A node that made its link before this one had heard of it is charged as a node from now on.
        for id in links.keys { recharge(id) }
        schedule()
    }

    private func recharge(_ id: Int) {
        guard var link = links[id], link.isNode != isNode(link.key) else { return }
        link.isNode.toggle()
        link.bucket = bucket(isNode: link.isNode)
        links[id] = link
    }

    private func isNode(_ key: [UInt8]) -> Bool { nodeKeys.contains(key) || key == shared.serviceKey }

    private func bucket(isNode: Bool) -> TokenBucket {
        let rate = isNode ? Self.nodeRate : view.clientRate
        return TokenBucket(rate: rate, burst: max(rate, 32), at: Self.now)
    }

    func syncLogs() { try? engine.syncLogs() }

    /// Takes nothing any more; what waits leaves at its time.
    func drain() { isDraining = true }

    func end() {
        wake?.cancel()
        try? engine.endLogs()
        for link in links.values { link.handler.close() }
    }

    // MARK: - Links

    /// A handler for a link that somebody made to this node; nil when there are too many.
    func accept() -> LinkHandler? {
        guard links.count < Self.linkLimit, !isDraining, handshakes.take(at: Self.now) else { return nil }
        return handler(.responder)
    }

    private func handler(_ role: NoiseHandshake.Role) -> LinkHandler {
        nextLink += 1
        return LinkHandler(
            id: nextLink, role, key: shared.key, prologue: prologue, suite: engine.suite, owner: self)
    }

    func opened(_ link: LinkHandler, by key: [UInt8]) -> Bool {
        if let target = targets[link.id] {
            guard target == key else { return false }
            links[link.id] = Link(handler: link, key: key, bucket: bucket(isNode: true), isNode: true)
            if case .making(let waiting)? = ways[target] {
                ways[target] = .open(link)
                for buffer in waiting { send(buffer, over: link) }
                link.flush()
            }
            return true
        }
        let isNode = isNode(key)
        links[link.id] = Link(handler: link, key: key, bucket: bucket(isNode: isNode), isNode: isNode)
        if key == shared.serviceKey { shared.serve(at: MixShared.Place(shard: number, link: link.id)) }
        return true
    }

    func closed(_ link: LinkHandler) {
        links[link.id] = nil
        shared.leave(MixShared.Place(shard: number, link: link.id))
        guard let target = targets.removeValue(forKey: link.id) else { return }
        if case .making(let waiting)? = ways[target] { for buffer in waiting { engine.fail(buffer, .linkDown) } }
        ways[target] = .down(until: Self.now + Self.retryAfter)
    }

    // MARK: - What comes

    func admits(_ link: LinkHandler) -> Bool {
        guard !isDraining else { return false }
        if links[link.id]?.bucket.take(at: Self.now) == true { return true }
        engine.count { $0.received += 1 }
        engine.drop(.rateLimit)
        return false
    }

    func room(_ link: LinkHandler) -> UnsafeMutablePointer<UInt8>? {
        guard let buffer = engine.take() else { return nil }
        room = buffer
        return frame(of: buffer)
    }

    /// Where a frame begins so that its packet lies where the engine wants it.
    private func frame(of buffer: PacketBuffer) -> UnsafeMutablePointer<UInt8> {
        engine.packet(in: buffer) - LinkFrame.kindBytes
    }

    func unused(_ link: LinkHandler, _ frame: UnsafeMutablePointer<UInt8>) {
        if let buffer = room { engine.pool.give(back: buffer) }
        room = nil
    }

    func received(_ link: LinkHandler, _ frame: UnsafeMutablePointer<UInt8>) -> Bool {
        guard let buffer = room else { return false }
        room = nil
        if frame[0] == LinkFrame.Kind.packet.rawValue {
            engine.accept(buffer, at: Self.now)
            return true
        }
        defer { engine.pool.give(back: buffer) }
        switch LinkFrame.Kind(rawValue: frame[0]) {
        case .dummy: return true
        case .register:
            let contents = UnsafeBufferPointer(start: frame + LinkFrame.kindBytes, count: engine.suite.packetBytes)
            guard let ids = LinkFrame.registered(contents) else { return false }
            shared.register(ids, at: MixShared.Place(shard: number, link: link.id))
            return true
        case .packet, .delivery, nil: return false
        }
    }

    func paused(_ link: LinkHandler) {
        engine.process(at: Self.now)
        schedule()
    }

    // MARK: - What leaves

    private func schedule() {
        var next = min(engine.next ?? .max, dummies.next)
        if let loops, !isDraining { next = min(next, loops.next) }
        next = max(next, Self.now) + tick
        guard next < wakeTime - tick || wake == nil else { return }
        wake?.cancel()
        wakeTime = next
        wake = loop.scheduleTask(deadline: .uptimeNanoseconds(UInt64(clamping: next))) { [weak self] in self?.run() }
    }

    private func run() {
        wake = nil
        wakeTime = .max
        let now = Self.now
        while let departure = engine.departure(at: now) {
            switch departure {
            case .forward(let buffer, let next): forward(buffer, to: next, at: now)
            case .delivery(let buffer):
                let (id, payload) = engine.delivery(in: buffer)
                engine.pool.give(back: buffer)
                end(id, payload)
            }
        }
        if !isDraining { for _ in 0..<(loops?.due(at: now) ?? 0) { sendLoop(at: now) } }
        if dummies.due(at: now) > 0 { sendDummies() }
        for case .open(let link) in ways.values { link.flush() }
        schedule()
    }

    private func forward(_ buffer: PacketBuffer, to next: UInt16, at now: Int64) {
        let own = views[engine.packet(in: buffer)[1]] ?? view
        guard let node = own.nodes[next] else { return engine.fail(buffer, .unknownNode) }
        switch ways[node.linkKey] {
        case .open(let link): send(buffer, over: link)
        case .making(var waiting):
            guard waiting.count < Self.waitingLimit else { return engine.fail(buffer, .linkFull) }
            waiting.append(buffer)
            ways[node.linkKey] = .making(waiting)
        case .down(let until) where until > now: engine.fail(buffer, .linkDown)
        case .down, nil:
            ways[node.linkKey] = .making([buffer])
            connect(to: node)
        }
    }

    private func send(_ buffer: PacketBuffer, over link: LinkHandler) {
        guard !isLost() else { return engine.fail(buffer, .rehearsed) }
        let frame = frame(of: buffer)
        frame[0] = LinkFrame.Kind.packet.rawValue
        guard link.send(frame) else { return engine.fail(buffer, .linkFull) }
        engine.pool.give(back: buffer)
    }

    /// Whether the rehearsal of bad links takes what is about to be sent.
    private func isLost() -> Bool { loss > 0 && Double.random(in: 0..<1) < loss }

    private func connect(to node: MixNetworkView.Node) {
        let handler = handler(.initiator)
        targets[handler.id] = node.linkKey
        let box = NIOLoopBound(handler, eventLoop: loop)
        ClientBootstrap(group: loop)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 1 << 16))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(
                .writeBufferWaterMark, value: .init(low: LinkHandler.unsentBytes / 2, high: LinkHandler.unsentBytes)
            )
            .connectTimeout(LinkHandler.handshakeTime)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(box.value) }
            }
            .connect(host: node.host, port: node.port)
            .whenFailure { [self] _ in loop.execute { self.closed(box.value) } }
    }

    // MARK: - The end of a route

    private func end(_ id: [UInt8], _ payload: [UInt8]) {
        if id.allSatisfy({ $0 == 0 }) {
            guard let body = Payload.body(of: payload) else { return unclaimed() }
            if shared.ended(Array(body.prefix(MixShared.loopIDBytes))) {
                return engine.count {
                    $0.delivered -= 1
                    $0.loopsReturned += 1
                }
            }
        }
        guard let place = shared.claim(id) else { return unclaimed() }
        deliver(place, id, payload)
    }

    private func unclaimed() { drop(.unclaimed) }

    /// A packet whose route ended here, and that nobody gets.
    private func drop(_ cause: DropCause) {
        engine.count { $0.delivered -= 1 }
        engine.drop(cause)
    }

    func hand(_ id: [UInt8], _ payload: [UInt8], to link: Int) {
        guard !isLost() else { return drop(.rehearsed) }
        guard let handler = links[link]?.handler, handler.send(.delivery, id + payload) else { return unclaimed() }
        handler.flush()
    }

    // MARK: - Cover

    /// A packet to itself over the other layers: cover, and a sign that they are there.
    private func sendLoop(at now: Int64) {
        guard let own = view.node(shared.key.publicKey), let route = view.loop(of: own, epoch: epoch),
            let buffer = engine.pool.take()
        else { return }
        let id = SecureRandom.bytes(MixShared.loopIDBytes)
        let body = id + SecureRandom.bytes(PacketSuite.bodyBytes - id.count)
        guard shared.began(id, at: now),
            let made = try? PacketMaker(suite: view.suite, epoch: epoch).forward(body, along: route)
        else { return engine.pool.give(back: buffer) }
        engine.packet(in: buffer).update(from: made.bytes, count: made.bytes.count)
        engine.count {
            $0.loopsSent += 1
            // It is none that was forwarded for another; when it cannot be sent that is taken back.
            $0.forwarded += 1
        }
        forward(buffer, to: made.first, at: now)
        engine.count { $0.forwarded -= 1 }
    }

    private func sendDummies() {
        for case .open(let link) in ways.values where link.send(.dummy, []) { engine.count { $0.dummies += 1 } }
    }
}
