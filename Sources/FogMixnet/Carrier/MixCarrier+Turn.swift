internal import FogCore
internal import FogNet

/// What leaves and what comes.
extension MixCarrier {
    /// Ids that are told to the guard before the last are used.
    private static let spareLow = 24
    private static let straysLimit = 64
    private static let loopsLimit = 256
    /// Round trips that a loop is waited for after it was counted as lost.
    private static let lateness: Int64 = 10
    private static let longestPause = TimeSpan.milliseconds(20)
    /// A key is asked for so long before the one at hand may not be sealed to any more.
    private static let renewal = TimeSpan.minutes(2)

    private enum Slot {
        case packet([UInt8])
        case registration([[UInt8]])
    }

    func turn() async {
        while !Task.isCancelled {
            let now = clock.now
            checkDeadlines(at: now)
            judgeLoops(at: now)
            for slot in slots(at: now) {
                do {
                    switch slot {
                    case .packet(let bytes): try await gate?.link.send([bytes])
                    case .registration(let ids): try await gate?.link.register(ids)
                    }
                } catch {
                    // A link that is full loses a packet, as any other may; one that is closed is made again.
                    if (error as? MixnetFailure)?.code != "link_full" { gate = nil }
                    break
                }
            }
            let next = min(payloads?.next ?? .max, loopStream?.next ?? .max)
            let pause = min(max(next - MixShard.now, 200_000), Self.longestPause.milliseconds * 1_000_000)
            try? await Task.sleep(for: .nanoseconds(pause))
        }
    }

    /// What is due now. At the turn of an epoch nothing is, until its consensus is taken.
    private func slots(at now: Timestamp) -> [Slot] {
        guard let paths, gate != nil, paths.epoch == paths.view.epoch(at: now), pool.epoch == paths.consensus.epoch
        else {
            return []
        }
        var slots: [Slot] = []
        for _ in 0..<(payloads?.due(at: MixShard.now) ?? 0) {
            if let slot = (try? slot(paths, at: now)) ?? (try? cover(paths, at: now)) { slots.append(slot) }
        }
        for _ in 0..<(loopStream?.due(at: MixShard.now) ?? 0) {
            if let packet = try? loop(paths, at: now) { slots.append(.packet(packet)) }
        }
        return slots
    }

    private func slot(_ paths: MixPaths, at now: Timestamp) throws -> Slot {
        // In the place of a packet, so that who watches the link counts the same frames.
        if spareIDs.count < Self.spareLow {
            let ids = (0..<LinkFrame.idsPerFrame(paths.view.suite)).map { _ in
                SecureRandom.bytes(PacketSuite.surbIDBytes)
            }
            spareIDs += ids
            return .registration(ids)
        }
        if pool.wantsProbe, let packet = try loop(paths, at: now) { return .packet(packet) }
        guard pool.isReady(at: now) else { return try cover(paths, at: now) }
        askForKey(at: now)
        let good = key.flatMap { now < $0.until ? $0 : nil }
        if let good, let stray = strays.popLast() {
            return try seal(ControlWord.done.frame(of: stray, isAnswer: false), to: good, paths, at: now).slot
        }
        for _ in turns.indices {
            guard let id = turns.first, let exchange = exchanges[id] else {
                turns.removeFirst()
                continue
            }
            turns.append(turns.removeFirst())
            guard let key = exchange.isHello ? try .lasting(service.key) : good else { continue }
            if let frame = try next(of: exchange, paths, at: now) {
                let (slot, route) = try seal(frame, to: key, paths, at: now)
                exchange.hasSent = true
                if frame.kind == .data || frame.kind == .parity { exchange.routes[frame.sequence] = route }
                return slot
            }
            if exchange.end.isDone { forget(id) }
        }
        return try cover(paths, at: now)
    }

    /// A packet like any other, which the service throws away.
    private func cover(_ paths: MixPaths, at now: Timestamp) throws -> Slot {
        let good = key.flatMap { now < $0.until ? $0 : nil }
        let key = try good ?? ServiceKey.lasting(service.key)
        let frame = MessageFrame(.drop, isAnswer: false, exchange: .random())
        return try seal(frame, to: key, paths, isCover: true, at: now).slot
    }

    /// The oldest id that the guard knows and no SURB has.
    private func takeID() -> [UInt8]? { spareIDs.isEmpty ? nil : spareIDs.removeFirst() }

    private func next(of exchange: Exchange, _ paths: MixPaths, at now: Timestamp) throws -> MessageFrame? {
        if let left = exchange.farewells {
            guard left > 0 else {
                forget(exchange.end.exchange)
                return nil
            }
            exchange.farewells = left - 1
        }
        let frame = try exchange.end.next(at: now, arriving: pool.quality.arriving) { count in
            try self.surbs(count, paths, at: now)
        }
        for outcome in exchange.end.takeOutcomes() {
            guard let route = exchange.routes.removeValue(forKey: outcome.sequence) else { continue }
            learn(route, outcome.hasArrived, at: now)
        }
        return frame
    }

    private func seal(
        _ frame: MessageFrame, to key: ServiceKey, _ paths: MixPaths, isCover: Bool = false, at now: Timestamp
    ) throws -> (slot: Slot, route: [Int]) {
        var generator = SystemRandomNumberGenerator()
        let (_, route) = try pool.route(.out, isCover: isCover, at: now, using: &generator)
        return (.packet(try paths.packet(FrameSeal.seal(frame, to: key), along: route).bytes), route)
    }

    private func surbs(_ count: Int, _ paths: MixPaths, at now: Timestamp) throws -> SURBBatch {
        var surbs: [[UInt8]] = []
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<count {
            guard let id = takeID() else { break }
            let (_, route) = try pool.route(.back, at: now, using: &generator)
            let (surb, secrets) = try paths.surb(along: route, id: id)
            guard vault.keep(secrets) else { throw MixnetFailure("vault_full", "too many SURBs are out") }
            surbs.append(surb.bytes)
        }
        guard !surbs.isEmpty else { throw MixnetFailure("no_ids", "the guard knows no more ids") }
        return SURBBatch(expires: paths.end, surbs: surbs)
    }

    // MARK: - Loops

    /// A packet to oneself: cover, and word of a circuit and the nodes.
    private func loop(_ paths: MixPaths, at now: Timestamp) throws -> [UInt8]? {
        guard loops.count < Self.loopsLimit, gate != nil, let id = takeID() else { return nil }
        var generator = SystemRandomNumberGenerator()
        let probe = try pool.probe(at: now, using: &generator)
        let (surb, secrets) = try paths.surb(along: probe.route, id: id)
        loops[id] = (probe, now, false)
        if paths.epoch == paths.consensus.epoch {
            audit.sent(
                id, epoch: paths.epoch, hops: secrets.hops,
                route: probe.route.map { paths.consensus.nodes[$0].descriptor.identity }, at: MixShard.now)
        }
        return try surb.packet(SecureRandom.bytes(PacketSuite.bodyBytes))
    }

    private func judgeLoops(at now: Timestamp) {
        for (id, loop) in loops {
            if loop.sentAt + times.roundTrip * Self.lateness <= now { loops[id] = nil }
            guard !loop.isLate, loop.sentAt + times.roundTrip <= now else { continue }
            loops[id]?.isLate = true
            ended(loop.probe, took: nil, at: now)
        }
    }

    private func ended(_ probe: CircuitPool.Probe, took: TimeSpan?, at now: Timestamp) {
        let verdicts = pool.quality.verdicts
        pool.ended(probe, took: took, at: now)
        if pool.quality.verdicts > verdicts { encourage() }
    }

    private func learn(_ route: [Int], _ hasArrived: Bool, at now: Timestamp) {
        let verdicts = pool.quality.verdicts
        pool.learn(route, hasArrived: hasArrived, at: now)
        if pool.quality.verdicts > verdicts { encourage() }
    }

    // MARK: - The service's key

    /// Asks for a key in time, and again when the service is silent: it may have begun anew and lost the one at hand.
    private func askForKey(at now: Timestamp) {
        let isWanted = key.map { now + Self.renewal >= $0.until } ?? true
        let isSilent =
            exchanges.values.contains { $0.hasSent && !$0.isHello && $0.farewells == nil }
            && (heardAt.map { $0 + .seconds(15) + times.roundTrip * 4 <= now } ?? true)
        let pause = min(times.roundTrip * Int64(4 << min(silences, 6)), .minutes(1))
        guard isWanted || isSilent, !exchanges.values.contains(where: { $0.isHello && !$0.end.isDone }),
            askedForKeyAt.map({ $0 + pause <= now }) ?? true
        else { return }
        askedForKeyAt = now
        silences += 1
        begin(
            .random(), CarrierMessage.helloBytes, isHello: true, deadline: now + .seconds(30),
            nil)
    }

    private func took(_ next: ServiceKey, of life: UInt64) {
        if let instance, instance != life {
            fail(
                .init(
                    "unreachable", "the service has begun anew: whether it acted on the request is not known"))
        }
        (key, instance, silences) = (next, life, 0)
    }

    // MARK: - What comes

    func take(_ delivery: MixClient.Delivery) {
        let now = clock.now
        let isLoop = audit.returned(delivery.id, at: MixShard.now)
        if let loop = loops.removeValue(forKey: delivery.id) {
            // One that was given up as lost says of the nodes no more than that; of the circuit, that there is a way.
            if loop.isLate { return pool.cameLate(loop.probe, took: now - loop.sentAt, at: now) }
            return ended(loop.probe, took: now - loop.sentAt, at: now)
        }
        guard !isLoop else { return }
        guard let body = vault.take(delivery.id, delivery.payload),
            body[MessageFrame.byteCount...].allSatisfy({ $0 == 0 }),
            let frame = try? MessageFrame(bytes: Array(body.prefix(MessageFrame.byteCount)))
        else { return }
        heardAt = now
        guard let exchange = exchanges[frame.exchange] else {
            if frame.isAnswer, strays.count < Self.straysLimit, !strays.contains(frame.exchange) {
                strays.append(frame.exchange)
            }
            return
        }
        guard exchange.farewells == nil, let event = try? exchange.end.receive(frame, at: now) else { return }
        answered(frame.exchange, exchange, event)
    }

    private func answered(_ id: ExchangeID, _ exchange: Exchange, _ event: AskingEnd.Event) {
        switch event {
        case .refused:
            if exchange.isHello { return forget(id) }
            end(id, .failure(CarrierFailure("unreachable", "the service takes no such request now: it has too many")))
            forget(id)
        case .answer(let bytes):
            let message = try? CarrierMessage(bytes: bytes)
            switch (message, exchange.isHello) {
            case (.key(let life, let key), true): took(key, of: life)
            case (.response(let response), false): end(id, .success(response))
            default: end(id, .failure(CarrierFailure("protocol", "the service's answer is none")))
            }
        }
    }
}
