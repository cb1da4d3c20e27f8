import FogCore
import FogMixnet
import Foundation
import Synchronization
import Testing

/// Both ends of one exchange over the processes of a network: real packets, real links, a route of its own for each.
actor MixExchange {
    struct Conditions: Sendable {
        var hops = 5
        /// Between two packets of an end.
        var interval = TimeSpan.milliseconds(4)
        /// Between two loops of the asker: they tell of the nodes.
        var loopInterval = TimeSpan.milliseconds(200)
        /// The share of packets that are lost before they reach the first node.
        var loss = 0.0
    }

    struct Report: Sendable {
        var seconds = 0.0
        /// Fragments of the request that were handed out.
        var fragments = 0
        /// Packets that left the ends, loops among them.
        var packets = 0
        var blamed = 0
        var epochs: Set<UInt64> = []
    }

    private let network: MixNetwork
    private let service: PublicKey
    private let conditions: Conditions
    private let clock = SystemClock()
    private let times: DeliveryTimes
    private let (asking, answering): (MixLinks, MixLinks)
    private var asker: AskingEnd
    private var answerer: AnsweringEnd
    private var vault = SURBVault()
    /// What frames to the answerer are sealed to.
    private let sealing: MixKey
    private var quality = RouteQuality()
    /// The network, its nodes, and the chooser, by epoch.
    private var known: [UInt64: (consensus: Consensus, view: MixNetworkView)] = [:]
    private var nodes: [PublicKey] = []
    private var routes: [UInt32: [Int]] = [:]
    private var loops: [[UInt8]: (route: [Int], sentAt: Timestamp)] = [:]
    private let reply: [UInt8]
    private var report = Report()
    private(set) var request: [UInt8]?
    private(set) var answer: [UInt8]?

    init(
        _ network: MixNetwork, service: PublicKey, key: NoiseKey, message: [UInt8], reply: [UInt8],
        _ conditions: Conditions = Conditions()
    ) throws {
        (self.network, self.service, self.conditions, self.reply) = (network, service, conditions, reply)
        let parameters = network.file.parameters
        sealing = try MixKey.generate(epoch: 0)
        times = DeliveryTimes(hops: conditions.hops, meanDelay: parameters.meanDelay)
        (asking, answering) = (MixLinks(), MixLinks(key: key))
        var generator = SystemRandomNumberGenerator()
        let exchange = ExchangeID(using: &generator)
        asker = try AskingEnd(message, exchange: exchange, surbBytes: parameters.suite.surbBytes, times: times)
        answerer = AnsweringEnd(exchange: exchange, times: times, at: clock.now)
    }

    /// Runs until the answer is whole.
    /// - Parameter midway: called once, when so many fragments were sent.
    func run(midway: (fragments: Int, act: @Sendable () throws -> Void)? = nil) async throws -> Report {
        let begin = clock.sinceBoot
        try await look()
        let entry = try #require(try view().consensus.index(of: service))
        _ = try await answering.link(to: entry, of: view().view)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.ask(midway) }
            group.addTask { try await self.respond() }
            group.addTask { try await self.keepLooking() }
            group.addTask { try await self.loop() }
            group.addTask { for await delivery in self.asking.deliveries { try await self.hear(delivery) } }
            group.addTask { for await delivery in self.answering.deliveries { try await self.serve(delivery) } }
            try await group.next()
            group.cancelAll()
        }
        await asking.close()
        await answering.close()
        report.seconds = (clock.sinceBoot - begin).seconds
        report.fragments = asker.fragmentsSent
        return report
    }

    // MARK: - The network

    private func keepLooking() async throws {
        while !Task.isCancelled {
            try await look()
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    private func look() async throws {
        for signed in try await network.known().recent.values where known[signed.consensus.epoch] == nil {
            known[signed.consensus.epoch] = (signed.consensus, try MixNetworkView(signed.consensus))
        }
        known = known.filter { $0.key + 3 > clockEpoch }
        // A node is known by its place in the consensus: with other nodes, what was known of them is of others.
        let now = try view().consensus.nodes.map(\.descriptor.identity)
        if now != nodes { (nodes, quality, routes) = (now, RouteQuality(), [:]) }
    }

    private var clockEpoch: UInt64 { network.file.parameters.schedule.epoch(at: clock.now) }

    /// The network of an epoch, its own or the last before it.
    private func view(of epoch: UInt64? = nil) throws -> (consensus: Consensus, view: MixNetworkView) {
        let epoch = epoch ?? clockEpoch
        return try #require(known.keys.filter { $0 <= epoch }.max().flatMap { known[$0] })
    }

    /// Waits while the network has too few nodes for one: on a busy machine some may miss an epoch.
    private func route(last: PublicKey?) async throws -> (route: [Int], epoch: UInt64, view: MixNetworkView) {
        while true {
            var generator = SystemRandomNumberGenerator()
            let (epoch, known) = (clockEpoch, try view())
            let place = last.flatMap { known.consensus.index(of: $0) }
            if last == nil || place != nil,
                let route = try? RouteChooser(known.consensus).route(
                    hops: conditions.hops, last: place, quality: quality, at: clock.now, using: &generator)
            {
                return (route, epoch, known.view)
            }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    /// SURBs for an offer, known at the nodes where replies to them come out.
    private func surbs(_ count: Int) async throws -> SURBBatch {
        var (surbs, expires) = ([[UInt8]](), Timestamp.zero)
        for _ in 0..<count {
            let (back, epoch, view) = try await route(last: nil)
            let (surb, secrets) = try PacketMaker(suite: view.suite, epoch: epoch)
                .surb(along: view.hops(back, epoch: epoch))
            _ = vault.keep(secrets)
            await register(secrets.id, at: back.last ?? 0, view)
            surbs.append(surb.bytes)
            expires = network.file.parameters.schedule.time(of: epoch + 1)
        }
        return SURBBatch(expires: expires, surbs: surbs)
    }

    private func register(_ id: [UInt8], at last: Int, _ view: MixNetworkView) async {
        do {
            try await asking.link(to: last, of: view).register([id])
        } catch {
            await asking.lose(last, of: view)
        }
    }

    /// One packet over the link to its first node, if that is there and the link does not lose it.
    private func send(_ packet: [UInt8], to first: Int, over links: MixLinks, _ view: MixNetworkView) async {
        report.packets += 1
        guard Double.random(in: 0..<1) >= conditions.loss else { return }
        do {
            try await links.link(to: first, of: view).send([packet])
        } catch {
            await links.lose(first, of: view)
        }
    }

    // MARK: - The asker

    private func ask(_ midway: (fragments: Int, act: @Sendable () throws -> Void)?) async throws {
        var midway = midway
        var batch: SURBBatch?
        while answer == nil {
            let now = clock.now
            // They are made beforehand: the end does not wait while it is asked.
            if batch == nil {
                let perOffer = SURBBatch.capacity(surbBytes: network.file.parameters.suite.surbBytes)
                batch = try await surbs(perOffer)
            }
            let ready = batch
            var isUsed = false
            let frame = try asker.next(at: now, arriving: quality.arriving) { _ in
                isUsed = true
                return try #require(ready)
            }
            if isUsed || (ready?.expires ?? now) <= now { batch = nil }
            if let frame {
                let (way, epoch, view) = try await route(last: service)
                if frame.kind == .data || frame.kind == .parity { routes[frame.sequence] = way }
                report.epochs.insert(epoch)
                let packet = try PacketMaker(suite: view.suite, epoch: epoch)
                    .forward(
                        FrameSeal.seal(frame, to: .lasting(sealing.publicKey)), along: view.hops(way, epoch: epoch))
                await send(packet.bytes, to: way[0], over: asking, view)
            }
            for outcome in asker.takeOutcomes() {
                if let route = routes.removeValue(forKey: outcome.sequence) { learn(route, outcome.hasArrived) }
            }
            if let (fragments, act) = midway, asker.fragmentsSent >= fragments {
                midway = nil
                try act()
            }
            try await Task.sleep(for: conditions.interval.duration)
        }
    }

    private func learn(_ route: [Int], _ hasArrived: Bool) {
        let before = quality.verdicts
        quality.count(route, hasArrived: hasArrived, at: clock.now)
        guard quality.verdicts > before else { return }
        report.blamed += 1
        asker.encourage()
    }

    /// Loops over the mixes: SURBs of its own that it uses itself.
    private func loop() async throws {
        while !Task.isCancelled {
            try await Task.sleep(for: conditions.loopInterval.duration)
            let now = clock.now
            for (id, loop) in loops where loop.sentAt + times.roundTrip < now {
                loops[id] = nil
                learn(loop.route, false)
            }
            let (way, epoch, view) = try await route(last: nil)
            let (surb, secrets) = try PacketMaker(suite: view.suite, epoch: epoch)
                .surb(along: view.hops(way, epoch: epoch))
            _ = vault.keep(secrets)
            loops[secrets.id] = (way, now)
            await register(secrets.id, at: way.last ?? 0, view)
            let body = [UInt8](repeating: 0, count: PacketSuite.bodyBytes)
            await send(try surb.packet(body), to: way[0], over: asking, view)
        }
    }

    private func hear(_ delivery: MixClient.Delivery) throws {
        let body = vault.take(delivery.id, delivery.payload)
        if let loop = loops.removeValue(forKey: delivery.id) { return learn(loop.route, true) }
        guard let body else { return }
        if case .answer(let bytes) = try asker.receive(
            MessageFrame(bytes: Array(body.prefix(MessageFrame.byteCount))), at: clock.now)
        {
            answer = bytes
        }
    }

    // MARK: - The answerer

    private func serve(_ delivery: MixClient.Delivery) throws {
        guard let body = Payload.body(of: delivery.payload),
            let frame = FrameSeal.open(body, id: ServiceKey.lastingID, with: sealing),
            case .request(let bytes) = try answerer.receive(frame, at: clock.now)
        else { return }
        request = bytes
        try answerer.answer(reply)
    }

    private func respond() async throws {
        while !Task.isCancelled {
            if let departure = answerer.next(at: clock.now) {
                let suite = network.file.parameters.suite
                let surb = try SURB(bytes: departure.surb, suite: suite)
                let epoch = [clockEpoch, clockEpoch - 1].first { UInt8(truncatingIfNeeded: $0) == surb.epochByte }
                if let epoch {
                    let (first, then) = (Int(surb.first), try view(of: epoch).view)
                    let body = departure.frame.bytes + [UInt8](repeating: 0, count: FrameSeal.overhead)
                    await send(try surb.packet(body), to: first, over: answering, then)
                }
            }
            try await Task.sleep(for: conditions.interval.duration)
        }
    }
}
