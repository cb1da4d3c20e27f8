internal import FogCore

/// What a carrier keeps in order beside the packets: the network, the guard, the deadlines.
extension MixCarrier {
    private static let longestPause = TimeSpan.milliseconds(500)

    func keep() async {
        while !Task.isCancelled {
            let now = clock.now
            do throws(MixnetFailure) {
                try await follow(at: now)
                try await enter(at: now)
                try look(at: now)
                note(nil, at: now)
            } catch {
                if error.code != "no_guard" { paths = nil }
                note(error, at: now)
            }
            checkDeadlines(at: clock.now)
            let pause = paths.map { min(max($0.end - clock.now, .milliseconds(1)), Self.longestPause) }
            try? await Task.sleep(for: (pause ?? Self.longestPause).duration)
        }
    }

    /// Goes on with the consensus that holds now.
    private func follow(at now: Timestamp) async throws(MixnetFailure) {
        let consensus = try await source.consensus(at: now)
        let parameters = consensus.parameters
        if let paths, paths.consensus.epoch == consensus.epoch, paths.epoch == paths.view.epoch(at: now) { return }
        let next = try MixPaths(consensus, at: now)
        if parameters.kind == .live {
            var generator = SystemRandomNumberGenerator()
            if let refusal = Anonymity(consensus, using: &generator).refusal(of: options.level) { throw refusal }
        }
        guard consensus.index(of: service.node) != nil else {
            throw MixnetFailure(
                "no_service", "the service's node \(service.node) is not in the network of epoch \(consensus.epoch)")
        }
        var generator = SystemRandomNumberGenerator()
        if guards.update(consensus, at: now, using: &generator) {
            do { try options.keepingGuards(guards) } catch { throw .wrapping(error) }
        }
        times = DeliveryTimes(hops: options.level.hops, meanDelay: parameters.meanDelay)
        // Nodes have other places now, and what was learnt goes by places.
        if paths?.consensus.epoch != consensus.epoch {
            quality = RouteQuality()
            loops = [:]
            for exchange in exchanges.values { exchange.routes = [:] }
        }
        vault.expire(before: next.epoch > 0 ? next.epoch - 1 : 0)
        if payloads == nil {
            payloads = PoissonStream(mean: parameters.payloadInterval.milliseconds * 1_000_000, at: MixShard.now)
            loopStream = PoissonStream(mean: parameters.loopInterval.milliseconds * 1_000_000, at: MixShard.now)
        }
        if let gate {
            if let place = consensus.index(of: gate.identity) {
                self.gate = (place, gate.identity, gate.link)
            } else {
                self.gate = nil
                await gate.link.close()
            }
        }
        paths = next
        // SURBs of the last epoch are soon of no use.
        encourage()
    }

    /// Makes the link to the guard when there is none.
    private func enter(at now: Timestamp) async throws(MixnetFailure) {
        guard gate == nil, let paths else { return }
        guard let place = guards.current(in: paths.consensus, at: now), let node = paths.view.nodes[UInt16(place)]
        else {
            throw MixnetFailure("no_guard", "none of the \(guards.guards.count) guards answers; they are tried again")
        }
        do {
            let link = try await MixClient.connect(to: node, network: paths.view.network, suite: paths.view.suite)
            gate = (place, node.identity, link)
            spareIDs = []
            loops = [:]
            // Ends with the link, which ``shutDown()`` closes, or its node.
            Task {
                for await delivery in link.deliveries { self.take(delivery) }
                self.lost(link)
            }
            encourage()
        } catch {
            guards.failed(node.identity, at: now)
            throw MixnetFailure("no_guard", "the guard does not answer: \(error)")
        }
    }

    /// Whether the network has routes of the level at all: there, and back to the guard.
    private func look(at now: Timestamp) throws(MixnetFailure) {
        guard let paths, let place = gate?.place else { return }
        let end = paths.consensus.index(of: service.node)
        _ = try paths.route(hops: options.level.hops, first: place, last: end, quality, at: now)
        _ = try paths.route(hops: options.level.hops, last: place, quality, at: now)
    }

    private func lost(_ link: MixClient) { if gate?.link === link { gate = nil } }

    /// The ways are others than they were: what may be lost is made good at once.
    func encourage() { for exchange in exchanges.values { exchange.end.encourage() } }
}
