package import FogCore
internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// A mix: listens, mixes, sends on, until it is drained.
package final class MixNode: Sendable {
    package struct Options: Sendable {
        package var host = "127.0.0.1"
        /// 0 for any that is free.
        package var port = 0
        /// Threads, each with its own links and queue.
        package var threads = 2
        /// Packets that may wait in each thread's queue.
        package var queueLimit = 10_000
        /// The link key of the program that forward packets to this node are for; none without one.
        package var serviceKey: [UInt8]?
        /// The share of packets that are lost on each link away from here, to rehearse bad ones: in a test network only.
        package var loss = 0.0
        /// Lets packets go at once, to rehearse the audit of delays: in a test network only.
        package var isHasty = false

        package init() {}
    }

    /// How much longer than its epoch a key is kept, in means of the delay: packets that were made at its end are still
    /// on their way.
    private static let grace = Int64(DelayDraw.longest) * Int64(PacketSuite.slots)

    package let port: Int
    /// Another one takes another node: frames have one size.
    package let suite: PacketSuite
    private let group: MultiThreadedEventLoopGroup
    private let shards: [MixShard]
    private let listener: any Channel
    private let store: MixKeyStore
    private let boot: [UInt8]
    private let state: Mutex<State>

    private struct Live {
        let keys: EpochKeys
        let logs: [ReplayLog]
        let random: Digest
    }

    private struct State {
        var views: [UInt64: MixNetworkView]
        var live: [UInt64: Live] = [:]
        var epoch: UInt64 = 0
    }

    /// A node that is not in the view yet only listens: nobody names it.
    /// - Throws: what the system says of the address.
    package static func start(
        _ options: Options, store: MixKeyStore, view: MixNetworkView, at time: Timestamp
    ) async throws -> MixNode {
        let boot = try MixKeyStore.boot()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: max(1, options.threads))
        do {
            let shards = makeShards(group, options, store, view)
            let listener = try await listen(group, options, shards)
            let node = MixNode(
                group: group, shards: shards, listener: listener, store: store, boot: boot,
                view: view)
            try await node.update(view, at: time)
            return node
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
    }

    private static func makeShards(
        _ group: MultiThreadedEventLoopGroup, _ options: Options, _ store: MixKeyStore, _ view: MixNetworkView
    ) -> [MixShard] {
        let shared = MixShared(key: store.link, serviceKey: options.serviceKey)
        let made = Mutex<[MixShard]>([])
        let deliver: @Sendable (MixShared.Place, [UInt8], [UInt8]) -> Void = { place, id, payload in
            let shard = made.withLock { $0.indices.contains(place.shard) ? $0[place.shard] : nil }
            shard?.loop.execute { shard?.hand(id, payload, to: place.link) }
        }
        let shards = group.makeIterator().enumerated().map { number, loop in
            MixShard(
                number: number, loop: loop, shared: shared, view: view, limit: options.queueLimit,
                loss: view.isTest ? options.loss : 0,
                isHasty: view.isTest && options.isHasty, deliver: deliver)
        }
        made.withLock { $0 = shards }
        return shards
    }

    private static func listen(
        _ group: MultiThreadedEventLoopGroup, _ options: Options, _ shards: [MixShard]
    ) async throws -> any Channel {
        try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 1 << 16))
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(
                .writeBufferWaterMark, value: .init(low: LinkHandler.unsentBytes / 2, high: LinkHandler.unsentBytes)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let shard = shards.first(where: { $0.loop === channel.eventLoop }),
                        let handler = shard.accept()
                    else { throw MixnetFailure("busy", "the node takes no more links now") }
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .bind(host: options.host, port: options.port).get()
    }

    private init(
        group: MultiThreadedEventLoopGroup, shards: [MixShard], listener: any Channel, store: MixKeyStore,
        boot: [UInt8], view: MixNetworkView
    ) {
        self.group = group
        self.shards = shards
        self.listener = listener
        self.store = store
        self.boot = boot
        port = listener.localAddress?.port ?? 0
        suite = view.suite
        state = Mutex(State(views: [:]))
    }

    // MARK: - Epochs

    /// Takes a view of the network, and the keys that are live at a time. To be called at least once an epoch.
    /// - Parameters:
    ///   - before: of the epoch before, when it was another one and this node was not there to take it.
    ///   - next: of the epoch that comes: its key is opened a little before it begins, for whose clock is ahead.
    /// - Throws: `other_suite` for a view of another packet suite than the node was started with.
    package func update(
        _ view: MixNetworkView, before: MixNetworkView? = nil, next: MixNetworkView? = nil, at time: Timestamp
    ) async throws {
        guard view.suite == suite else {
            throw MixnetFailure("other_suite", "the network speaks \(view.suite), and this node \(suite)")
        }
        let epoch = view.epoch(at: time)
        let known = state.withLock { $0 }
        var views = [epoch: view]
        views[epoch + 1] = next
        if epoch > 0 { views[epoch - 1] = before ?? known.views[epoch - 1] ?? view }
        let wanted = Self.liveEpochs(view, hasNext: next != nil, at: time)
        var live = known.live.filter { wanted.contains($0.key) }
        for number in wanted {
            guard let random = (views[number] ?? view).randomness(number) else {
                live[number] = nil
                continue
            }
            if let entry = live[number], entry.random == random { continue }
            live[number] = try open(number, random, view.network, live[number])
        }
        try await hand(live, views, epoch)
        let now = (live, views)
        state.withLock { $0 = State(views: now.1, live: now.0, epoch: epoch) }
        if let first = wanted.first { try store.erase(before: first) }
    }

    private static func liveEpochs(_ view: MixNetworkView, hasNext: Bool, at time: Timestamp) -> [UInt64] {
        let epoch = view.epoch(at: time)
        let grace = Self.grace * max(1, view.meanDelay) / 1_000_000
        var wanted = [epoch]
        // A packet of the epoch before may still be on its way.
        if epoch > 0, (time - view.start(of: epoch)).milliseconds < grace { wanted.insert(epoch - 1, at: 0) }
        let lead = min(grace, view.epochLength.milliseconds / EpochSchedule.eighths)
        if hasNext, (view.start(of: epoch + 1) - time).milliseconds <= lead { wanted.append(epoch + 1) }
        return wanted
    }

    /// The keys of an epoch; with another random value than before the same keys, and other delays. Nil for a burnt one.
    private func open(
        _ number: UInt64, _ random: Digest, _ network: Digest, _ earlier: Live?
    ) throws(MixnetFailure) -> Live? {
        let input = DelayDraw.input(
            network: network, node: store.identity.publicKey, epoch: number, randomness: random)
        let draw = DelayDraw(output: store.vrf.prove(input).output)
        if let earlier {
            let keys = EpochKeys(key: earlier.keys.key, draw: draw, replays: earlier.keys.replays)
            return Live(keys: keys, logs: earlier.logs, random: random)
        }
        return try store.open(number, draw: draw, threads: shards.count, boot: boot).map {
            Live(keys: $0.keys, logs: $0.logs, random: random)
        }
    }

    /// Gives each thread the keys, and its own log of each.
    private func hand(_ live: [UInt64: Live], _ views: [UInt64: MixNetworkView], _ epoch: UInt64) async throws {
        let entries = live.values.map { ($0.keys, $0.logs) }
        for (number, shard) in shards.enumerated() {
            // Each log goes to one thread, which alone writes to it.
            let own = entries.map { (keys: $0, log: $1[number]) }
            try await shard.loop.submit { shard.update(views, epoch: epoch, live: own) }.get()
        }
    }

    /// Epochs whose packets this node opens now. One that should be live and is not was burnt.
    package var liveEpochs: [UInt64] { state.withLock { $0.live.keys.sorted() } }

    /// The proof of the delays that this node owed to an epoch's packets; nil as long as it opens such packets, since who
    /// has the proof knows the delays.
    /// - Parameter view: one that knows the epoch's random value; nil = the newest that this node was given.
    package func delayProof(of epoch: UInt64, in view: MixNetworkView? = nil) -> [UInt8]? {
        let state = state.withLock { $0 }
        guard epoch < state.epoch, state.live[epoch] == nil, let view = view ?? state.views[state.epoch],
            let random = view.randomness(epoch)
        else { return nil }
        let input = DelayDraw.input(
            network: view.network, node: store.identity.publicKey, epoch: epoch, randomness: random)
        return store.vrf.prove(input).proof
    }

    /// Makes the tags seen so far outlive the machine; to be called once a second.
    package func syncLogs() async throws {
        for shard in shards { try await shard.loop.submit { shard.syncLogs() }.get() }
    }

    // MARK: - What it did

    package func counters() async throws -> (counters: MixCounters, waiting: Int) {
        var (sum, waiting) = (MixCounters(), 0)
        for shard in shards {
            let (counters, held) = try await shard.loop.submit { (shard.engine.counters, shard.engine.waiting) }.get()
            sum = sum + counters
            waiting += held
        }
        return (sum, waiting)
    }

    /// Seconds of CPU time that its threads have taken so far.
    package func cpuSeconds() async throws -> Double {
        var sum = 0.0
        for shard in shards {
            sum += try await shard.loop.submit {
                var time = timespec()
                clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
                return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
            }.get()
        }
        return sum
    }

    // MARK: - The end

    /// Takes nothing more, lets what waits leave at its time, and ends. No packet waits longer than the limit.
    package func drain(limit: TimeSpan) async throws {
        try? await listener.close()
        for shard in shards { try await shard.loop.submit { shard.drain() }.get() }
        let deadline = ContinuousClock.now + limit.duration
        while try await counters().waiting > 0, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(10))
        }
        for shard in shards { try await shard.loop.submit { shard.end() }.get() }
        try await group.shutdownGracefully()
    }
}
