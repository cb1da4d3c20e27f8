internal import FogCore

/// What a carrier keeps in order beside the packets: the network, the guard, the deadlines.
extension MixCarrier {
    private static let longestPause = TimeSpan.milliseconds(500)
    /// Between two times that the circuits are kept for what they carried alone.
    private static let keepingPause = TimeSpan.seconds(30)
    /// What is no reason to forget the network.
    private static let passing: Set<String> = ["no_guard", "no_circuit"]

    func keep() async {
        while !Task.isCancelled {
            let now = clock.now
            do throws(MixnetFailure) {
                try await follow(at: now)
                try await enter(at: now)
                try circulate(at: now)
                note(nil, at: now)
            } catch {
                if !Self.passing.contains(error.code) { paths = nil }
                note(error, at: now)
            }
            if pool.changes != keptCircuits.changes || keptCircuits.at + Self.keepingPause <= now {
                keepCircuits(at: now)
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
        let recent = await source.recent()
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
        // Nodes have other places now; what is under way is known by its places.
        if paths?.consensus.epoch != consensus.epoch {
            loops = [:]
            for exchange in exchanges.values { exchange.routes = [:] }
            learn(from: recent)
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

    /// Keeps the circuits in order: by the network and the guard that there are now.
    /// - Throws: `no_circuit` while no loop over any has come back, `no_route`, and what else there are no circuits for.
    private func circulate(at now: Timestamp) throws(MixnetFailure) {
        guard let paths, let gate else { return }
        var generator = SystemRandomNumberGenerator()
        if pool.epoch != paths.consensus.epoch || pool.guardKey != gate.identity {
            try pool.follow(paths.consensus, entry: gate.place, at: now)
        }
        try pool.look(at: now, using: &generator)
        try pool.maintain(at: now, using: &generator)
        guard pool.isReady(at: now) else {
            throw MixnetFailure(
                "no_circuit",
                "no circuit of level \(options.level) is established: none of the loops over it has come back yet")
        }
    }

    /// What the consensus says of delays two epochs before, and what loops of that epoch do.
    private func learn(from recent: [Consensus]) {
        let before = reputation
        let known = Dictionary(recent.map { ($0.epoch, $0) }, uniquingKeysWith: { first, _ in first })
        for later in recent {
            guard later.epoch > 2, let past = known[later.epoch - 2] else { continue }
            reputation.take(later, past: past)
            guard audit.epochs.contains(past.epoch) else { continue }
            reputation.take(audit.findings(of: past, provedIn: later), of: past.epoch)
            audit.forget(past.epoch)
        }
        guard reputation != before else { return }
        pool.take(reputation)
        // What cannot be written is known here all the same, and found again.
        try? options.keepingReputation(reputation)
    }

    /// Keeps the circuits for who asks about them and for who goes on with them. That it fails harms neither.
    func keepCircuits(at now: Timestamp) {
        keptCircuits = (now, pool.changes)
        try? options.keepingCircuits(pool.closed + pool.circuits)
    }

    private func lost(_ link: MixClient) { if gate?.link === link { gate = nil } }

    /// The ways are others than they were: what may be lost is made good at once.
    func encourage() { for exchange in exchanges.values { exchange.end.encourage() } }
}
