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

        package init() {}
    }

    /// How much longer than its epoch a key is kept, in means of the delay: packets that were made at its end are still
    /// on their way.
    private static let grace = Int64(DelayDraw.longest) * Int64(PacketSuite.slots)

    package let port: Int
    private let group: MultiThreadedEventLoopGroup
    private let shards: [MixShard]
    private let listener: any Channel
    private let store: MixKeyStore
    private let boot: [UInt8]
    private let state: Mutex<State>

    private struct State {
        var view: MixNetworkView
        var live: [UInt64: (keys: EpochKeys, logs: [ReplayLog], proof: [UInt8])] = [:]
        var epoch: UInt64 = 0
        var proofs: [UInt64: [UInt8]] = [:]
    }

    /// Epochs whose proofs are kept.
    private static let proofLimit = 16

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
                number: number, loop: loop, shared: shared, view: view, limit: options.queueLimit, deliver: deliver)
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
        state = Mutex(State(view: view))
    }

    // MARK: - Epochs

    /// Takes a view of the network, and the keys that are live at a time. To be called at least once an epoch.
    package func update(_ view: MixNetworkView, at time: Timestamp) async throws {
        let epoch = view.epoch(at: time)
        // A packet of the epoch before may still be on its way.
        let age = time - view.start(of: epoch)
        let keepsLast = epoch > 0 && age.milliseconds * 1_000_000 < Self.grace * max(1, view.meanDelay)
        let wanted = keepsLast ? [epoch - 1, epoch] : [epoch]
        var live = state.withLock { $0.live }
        var proofs = state.withLock { $0.proofs }
        for (number, entry) in live where !wanted.contains(number) {
            proofs[number] = entry.proof
            live[number] = nil
        }
        if proofs.count > Self.proofLimit { proofs.keys.min().map { proofs[$0] = nil } }
        for number in wanted where live[number] == nil {
            let input = DelayDraw.input(
                network: view.network, node: store.identity.publicKey, epoch: number,
                randomness: view.randomness(number))
            let (output, proof) = store.vrf.prove(input)
            guard
                let opened = try store.open(
                    number, draw: DelayDraw(output: output), threads: shards.count, boot: boot)
            else { continue }
            live[number] = (opened.keys, opened.logs, proof)
        }
        try await hand(live, view, epoch)
        state.withLock { state in
            state.live = live
            state.proofs = proofs
            state.view = view
            state.epoch = epoch
        }
        if let first = wanted.first { try store.erase(before: first) }
    }

    /// Gives each thread the keys, and its own log of each.
    private func hand(
        _ live: [UInt64: (keys: EpochKeys, logs: [ReplayLog], proof: [UInt8])], _ view: MixNetworkView, _ epoch: UInt64
    ) async throws {
        let entries = live.values.map { ($0.keys, $0.logs) }
        for (number, shard) in shards.enumerated() {
            // Each log goes to one thread, which alone writes to it.
            let own = entries.map { (keys: $0, log: $1[number]) }
            try await shard.loop.submit { shard.update(view, epoch: epoch, live: own) }.get()
        }
    }

    /// Epochs whose packets this node opens now. One that should be live and is not was burnt.
    package var liveEpochs: [UInt64] { state.withLock { $0.live.keys.sorted() } }

    /// The proof of the delays that this node owed to an epoch's packets; nil as long as it opens such packets, since who
    /// has the proof knows the delays.
    package func delayProof(of epoch: UInt64) -> [UInt8]? { state.withLock { $0.proofs[epoch] } }

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
