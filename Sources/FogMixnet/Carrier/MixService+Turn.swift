internal import FogCore

/// What comes to a service and what leaves it.
extension MixService {
    private static let viewsLimit = 4
    private static let longestPause = TimeSpan.milliseconds(20)

    // MARK: - Keeping

    func keep() async {
        while !Task.isCancelled {
            let now = clock.now
            do throws(MixnetFailure) {
                try await follow(at: now)
                note(nil)
            } catch {
                paths = nil
                note(error)
            }
            await connect(at: now)
            expire(at: clock.now)
            let end = paths.map { max($0.end - clock.now, .milliseconds(1)) }
            try? await Task.sleep(for: min(end ?? .milliseconds(500), .milliseconds(500)).duration)
        }
    }

    private func follow(at now: Timestamp) async throws(MixnetFailure) {
        let consensus = try await source.consensus(at: now)
        if let paths, paths.consensus.epoch == consensus.epoch, paths.epoch == paths.view.epoch(at: now) { return }
        let next = try MixPaths(consensus, at: now)
        guard consensus.index(of: address.node) != nil else {
            throw MixnetFailure(
                "no_service", "the own node \(address.node) is not in the network of epoch \(consensus.epoch)")
        }
        paths = next
        views[UInt8(truncatingIfNeeded: next.epoch)] = (next.epoch, next.view)
        views = views.filter { $1.epoch + UInt64(Self.viewsLimit) > next.epoch }
        let parameters = consensus.parameters
        times = DeliveryTimes(hops: 3, meanDelay: parameters.meanDelay)
        let mean = Self.mean(consensus)
        if mean != streamMean { (stream, streamMean) = (PoissonStream(mean: mean, at: MixShard.now), mean) }
    }

    /// Nanoseconds between two packets: so many that the mix which is chosen most gets as much as any client may bring it.
    static func mean(_ consensus: Consensus) -> Int64 {
        let interval = consensus.parameters.payloadInterval.milliseconds * 1_000_000
        var most = 0.0
        for layer in 0..<consensus.parameters.layers {
            let mixes = consensus.layer(layer).map { Double(consensus.nodes[$0].bandwidth) }
            let sum = mixes.reduce(0, +)
            guard let widest = mixes.max(), sum > 0 else { continue }
            most = max(most, widest / sum / Double(consensus.parameters.layers))
        }
        return max(100_000, Int64(Double(interval) * max(most, 1.0 / Double(linksLimit))))
    }

    /// A link to the own node, which brings, and one to each mix, where answers enter.
    private func connect(at now: Timestamp) async {
        guard let paths else { return }
        let nodes = paths.view.nodes.values.filter { $0.layer != nil || $0.identity == address.node }
        let wanted = Set(nodes.map(\.identity))
        for (identity, link) in links where !wanted.contains(identity) {
            links[identity] = nil
            await link.close()
        }
        let missing = nodes.filter { links[$0.identity] == nil && (retryAt[$0.identity].map { $0 <= now } ?? true) }
        retryAt = retryAt.filter { wanted.contains($0.key) }
        await withTaskGroup(of: (PublicKey, MixClient?).self) { group in
            for node in missing.prefix(max(0, Self.linksLimit - links.count)) {
                let key = node.identity == address.node ? linkKey : .generate()
                group.addTask {
                    let link = try? await MixClient.connect(
                        to: node, network: paths.view.network, suite: paths.view.suite, key: key)
                    return (node.identity, link)
                }
            }
            for await (identity, link) in group {
                guard let link else {
                    retryAt[identity] = now + .seconds(2)
                    continue
                }
                links[identity] = link
                // Ends with the link, which ``shutDown()`` closes, or its node.
                Task {
                    for await delivery in link.deliveries { self.take(delivery) }
                    self.lost(link, identity)
                }
            }
        }
    }

    private func lost(_ link: MixClient, _ identity: PublicKey) {
        if links[identity] === link { links[identity] = nil }
    }

    // MARK: - What comes

    func take(_ delivery: MixClient.Delivery) {
        let now = clock.now
        guard delivery.id.allSatisfy({ $0 == 0 }), let body = Payload.body(of: delivery.payload),
            let (frame, isLasting) = ring.open(body, at: now), frame.kind != .drop, frame.kind != .loop
        else { return }
        guard let exchange = exchanges[frame.exchange] ?? begin(frame, isHello: isLasting, at: now),
            exchange.isHello == isLasting
        else { return }
        let isData = frame.kind == .data || frame.kind == .parity
        if isData, exchange.counted == 0 {
            let length = Int(frame.length)
            let mayCome =
                isLasting
                ? length == CarrierMessage.helloBytes.count
                : requestBytes + length <= options.requestBytesLimit
            guard mayCome else { return exchange.end.refuse() }
            exchange.counted = length
            requestBytes += length
        }
        // What the other end does not say is nothing that came.
        guard let event = try? exchange.end.receive(frame, at: now) else { return }
        switch event {
        case .request(let bytes): asked(bytes, frame.exchange, exchange, at: now)
        case .cancelled, .done: forget(frame.exchange)
        }
    }

    // MARK: - What leaves

    func turn() async {
        while !Task.isCancelled {
            let now = clock.now
            if paths?.epoch == paths?.view.epoch(at: now) {
                for _ in 0..<(stream?.due(at: MixShard.now) ?? 0) { await leave(at: now) }
            }
            let pause = min(
                max((stream?.next ?? .max) - MixShard.now, 200_000), Self.longestPause.milliseconds * 1_000_000)
            try? await Task.sleep(for: .nanoseconds(pause))
        }
    }

    private func leave(at now: Timestamp) async {
        guard let (packet, first) = departure(at: now) ?? (try? cover(at: now)), let link = links[first] else { return }
        // A packet that cannot leave is lost as any other may be.
        try? await link.send([packet])
    }

    private func departure(at now: Timestamp) -> (packet: [UInt8], first: PublicKey)? {
        guard let paths else { return nil }
        for _ in turns.indices {
            let id = turns.removeFirst()
            turns.append(id)
            guard let exchange = exchanges[id], let departure = exchange.end.next(at: now) else { continue }
            if departure.frame.kind == .control, case .refused? = try? ControlWord(departure.frame) {
                exchange.refusals = (exchange.refusals ?? 0) + 1
                if exchange.refusals ?? 0 >= 3 { forget(id) }
            }
            let body = departure.frame.bytes + [UInt8](repeating: 0, count: FrameSeal.overhead)
            guard let surb = try? SURB(bytes: departure.surb, suite: paths.view.suite),
                let node = views[surb.epochByte]?.view.nodes[surb.first], let packet = try? surb.packet(body)
            else { continue }
            return (packet, node.identity)
        }
        return nil
    }

    /// A packet over the network to the own node: cover on both sides of it.
    private func cover(at now: Timestamp) throws -> (packet: [UInt8], first: PublicKey)? {
        guard let paths else { return nil }
        let route = try paths.route(
            hops: RouteLevel.private.hops, to: paths.consensus.index(of: address.node), at: now)
        let frame = MessageFrame(.drop, isAnswer: false, exchange: .random())
        let packet = try paths.packet(FrameSeal.seal(frame, to: .lasting(address.key)), along: route)
        return paths.view.nodes[packet.first].map { (packet.bytes, $0.identity) }
    }
}
