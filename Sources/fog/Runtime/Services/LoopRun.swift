internal import FogCore
internal import FogMixnet
internal import Synchronization

/// Sends loops through the mixes of one epoch, spread over it, and notes what became of them.
actor LoopRun {
    private let consensus: Consensus
    private let view: MixNetworkView
    private let clock: any FogClock
    private var links: [UInt16: MixClient] = [:]
    private var readers: [Task<Void, Never>] = []
    private(set) var audit = LoopAudit()

    /// - Parameter epoch: that has its own consensus in the trust.
    init(_ trust: DirectoryTrust, epoch: UInt64, clock: any FogClock) throws {
        guard let consensus = trust.recent[epoch]?.consensus else {
            throw MixnetFailure("no_directory", "epoch \(epoch) has no consensus of its own")
        }
        (self.consensus, self.clock) = (consensus, clock)
        view = try MixNetworkView(consensus)
    }

    /// Nanoseconds of a clock that is never set.
    private static var now: Int64 {
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
    private static let start = ContinuousClock.now

    /// Sends the loops until a time, waits for the last of them, and closes the links.
    func run(_ count: Int, hops: Int, until end: Timestamp) async throws {
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await send(count, hops: hops, until: end)) } catch { outcome = .failure(error) }
        for link in links.values { await link.close() }
        for reader in readers { await reader.value }
        try outcome.get()
    }

    private func send(_ count: Int, hops: Int, until end: Timestamp) async throws {
        let chooser = RouteChooser(consensus)
        var generator = SystemRandomNumberGenerator()
        let pause = max(.milliseconds(1), TimeSpan(milliseconds: (end - clock.now).milliseconds / Int64(max(1, count))))
        for _ in 0..<count where clock.now < end {
            let route = try chooser.route(hops: hops, at: clock.now, using: &generator)
            await send(along: route)
            try await Task.sleep(for: pause.duration)
        }
        let times = DeliveryTimes(hops: hops, meanDelay: consensus.parameters.meanDelay)
        try await Task.sleep(for: times.roundTrip.duration)
    }

    /// One loop: a reply to nobody's question, that comes out for us at the last mix. A node that cannot be reached loses it.
    private func send(along route: [Int]) async {
        let epoch = consensus.epoch
        let nodes = route.compactMap { view.nodes[UInt16($0)] }
        let hops = nodes.compactMap { node in
            node.mixKeys[epoch].flatMap { try? Hop(index: node.index, publicKey: $0) }
        }
        guard hops.count == route.count, let first = nodes.first, let last = nodes.last,
            let (surb, secrets) = try? PacketMaker(suite: view.suite, epoch: epoch).surb(along: hops),
            let packet = try? surb.packet(SecureRandom.bytes(PacketSuite.bodyBytes))
        else { return }
        do {
            try await link(to: last).register([secrets.id])
            let entry = try await link(to: first)
            audit.sent(
                secrets.id, epoch: epoch, hops: secrets.hops, route: nodes.map(\.identity), at: Self.now)
            try await entry.send([packet])
        } catch {
            (links[first.index], links[last.index]) = (nil, nil)
            audit.sent(
                secrets.id, epoch: epoch, hops: secrets.hops, route: nodes.map(\.identity), at: Self.now)
        }
    }

    private func link(to node: MixNetworkView.Node) async throws -> MixClient {
        if let link = links[node.index] { return link }
        let link = try await MixClient.connect(to: node, network: view.network, suite: view.suite)
        links[node.index] = link
        // Ends with the link; ``run(_:hops:until:)`` waits for it.
        readers.append(
            Task { for await delivery in link.deliveries { self.returned(delivery.id, at: Self.now) } })
        return link
    }

    private func returned(_ id: [UInt8], at now: Int64) { _ = audit.returned(id, at: now) }
}
