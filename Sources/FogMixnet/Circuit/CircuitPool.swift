package import FogCore

/// The circuits of one owner at one level to one service: a few that take turns by what they carried.
///
/// Pure: it says which probes to send, is told what became of them, and hands out routes.
package struct CircuitPool: Sendable {
    /// Circuits that are good at once, beside those on their way in and out.
    package static let width = 2
    package static let openLimit = 6
    package static let packetsLimit = 20_000
    /// A circuit's life is drawn from it, in seconds.
    package static let lifeSeconds: ClosedRange<Int64> = 480...720
    /// An ill circuit may recover for so long from its beginning before another one is built in its place: where all are ill,
    /// others would be no better.
    package static let recovery = TimeSpan.seconds(30)
    /// What was known of a circuit so long ago is not believed.
    package static let memory = TimeSpan.minutes(1)
    private static let closedLimit = 32

    package enum Direction: Sendable {
        /// From the guard to the service.
        case out
        /// From the service to the guard.
        case back
    }

    /// A loop to send: it begins and ends with the guard.
    package struct Probe: Hashable, Sendable {
        /// Nil for a loop that is cover alone.
        package let circuit: UInt64?
        package let route: [Int]
    }

    private struct Network {
        let chooser: RouteChooser
        let entry: Int
        let service: Int

        var consensus: Consensus { chooser.consensus }
        var guardKey: PublicKey { consensus.nodes[entry].descriptor.identity }
    }

    package let level: RouteLevel
    package let owner: String
    package let service: PublicKey
    package let mode: Circuit.Mode
    package private(set) var quality = RouteQuality()
    private var network: Network?
    private var reputation = MixReputation()
    /// Those that are open.
    package private(set) var circuits: [Circuit]
    /// The last that were closed, for whoever asks what happened.
    package private(set) var closed: [Circuit] = []
    /// When a probe was last sent over each.
    private var sentAt: [UInt64: Timestamp] = [:]
    /// Counts what happened to circuits, other than that they were used and probed.
    package private(set) var changes = 0

    /// - Parameter kept: circuits of another process; those of the same owner, level, service and mode are gone on with.
    package init(
        level: RouteLevel, owner: String, service: PublicKey, mode: Circuit.Mode = .perPacket, kept: [Circuit] = []
    ) {
        self.level = level
        self.owner = owner
        self.service = service
        self.mode = mode
        circuits = Array(
            kept.filter {
                $0.level == level && $0.owner == owner && $0.service == service && $0.mode == mode
                    && $0.state != .closed
            }.prefix(Self.openLimit))
    }

    /// Of the network that it goes by.
    // Inlined, it makes the optimizer of Swift 6.3.1 fail ("Found ownership error") where circuits change as well.
    @inline(never) package var epoch: UInt64? { network?.consensus.epoch }
    package var guardKey: PublicKey? { network?.guardKey }

    /// Goes on with another epoch's network, or another guard; circuits of the last epoch last until theirs are built.
    /// - Throws: `no_service` when the service is not in the network.
    package mutating func follow(
        _ consensus: Consensus, entry: Int, at now: Timestamp
    ) throws(MixnetFailure) {
        precondition(consensus.nodes[entry].layer != nil, "a guard is a mix")
        guard let place = consensus.index(of: service) else {
            throw MixnetFailure(
                "no_service", "the service's node \(service) is not in the network of epoch \(consensus.epoch)")
        }
        if let before = network?.consensus, before.epoch != consensus.epoch {
            let places = Dictionary(
                consensus.nodes.enumerated().map { ($1.descriptor.identity, $0) },
                uniquingKeysWith: { first, _ in first })
            quality.renumber { places[before.nodes[$0].descriptor.identity] }
        }
        quality.standing = reputation.weights(in: consensus)
        let isFirst = network == nil
        let next = Network(chooser: RouteChooser(consensus), entry: entry, service: place)
        network = next
        // No packet of ours begins elsewhere than at the guard.
        close { $0.guardKey != next.guardKey || !$0.isOf(consensus) }
        guard isFirst else { return }
        for place in circuits.indices where (circuits[place].probedAt ?? .zero) + Self.memory <= now {
            circuits[place].restart()
        }
    }

    /// Takes what mixes are known to have done wrong: routes avoid them from now on.
    package mutating func take(_ reputation: MixReputation) {
        self.reputation = reputation
        if let consensus = network?.consensus { quality.standing = reputation.weights(in: consensus) }
    }

    /// What became of a packet that went along a route of this epoch.
    package mutating func learn(_ route: [Int], hasArrived: Bool, at now: Timestamp) {
        quality.count(route, hasArrived: hasArrived, at: now)
    }

    // MARK: - Routes

    /// A route for one packet, by the circuit that carried least.
    /// - Parameter isCover: it carries nothing: that is not counted, and a circuit that is not built yet will do.
    /// - Throws: `no_directory` before there is a consensus, `no_circuit` while none is established, `no_route`.
    package mutating func route(
        _ direction: Direction, isCover: Bool = false, at now: Timestamp,
        using generator: inout some RandomNumberGenerator
    ) throws(MixnetFailure) -> (circuit: UInt64, route: [Int]) {
        let network = try known()
        guard let place = choice(isCover: isCover, at: now) else {
            throw MixnetFailure(
                "no_circuit",
                "no circuit of level \(level) is established: no loop over \(circuits.count) circuits has come back yet"
            )
        }
        let route =
            switch (circuits[place].routes, direction) {
            case (let routes?, .out): routes.out
            case (let routes?, .back): routes.back
            case (nil, _): try draw(direction, in: network, at: now, using: &generator)
            }
        if !isCover { circuits[place].count(at: now) }
        return (circuits[place].id, route)
    }

    /// Whether something that is to be said may go out now.
    package func isReady(at now: Timestamp) -> Bool { choice(isCover: false, at: now) != nil }

    /// Whether the network has routes of the level at all, there and back.
    /// - Throws: as ``route(_:isCover:at:using:)``, but not for the want of a circuit.
    package func look(at now: Timestamp, using generator: inout some RandomNumberGenerator) throws(MixnetFailure) {
        let network = try known()
        _ = try draw(.out, in: network, at: now, using: &generator)
        _ = try draw(.back, in: network, at: now, using: &generator)
    }

    private func known() throws(MixnetFailure) -> Network {
        guard let network else {
            throw MixnetFailure("no_directory", "there is no consensus to choose a route from")
        }
        return network
    }

    private func choice(isCover: Bool, at now: Timestamp) -> Int? {
        // One whose packets have routes of their own goes on in the next epoch, until its successors are there.
        let usable = circuits.indices.filter {
            (circuits[$0].epoch == epoch || circuits[$0].mode == .perPacket) && !circuits[$0].isOver(at: now)
        }
        for state in [Circuit.State.established, .degraded] + (isCover ? [.building] : []) {
            let places = usable.filter { circuits[$0].state == state }
            if let place = places.min(by: { circuits[$0].packets < circuits[$1].packets }) { return place }
        }
        return nil
    }

    private func draw(
        _ direction: Direction, in network: Network, at now: Timestamp,
        using generator: inout some RandomNumberGenerator
    ) throws(MixnetFailure) -> [Int] {
        switch direction {
        case .out:
            try network.chooser.route(
                hops: level.hops, first: network.entry, last: network.service, quality: quality, at: now,
                using: &generator)
        case .back:
            try network.chooser.route(
                hops: level.hops, last: network.entry, quality: quality, at: now, using: &generator)
        }
    }

    // MARK: - Life

    /// Makes what is wanting, and closes what is over.
    package mutating func maintain(
        at now: Timestamp, using generator: inout some RandomNumberGenerator
    ) throws(MixnetFailure) {
        let network = try known()
        close { $0.isOver(at: now) }
        func isFresh(_ circuit: Circuit) -> Bool {
            circuit.epoch == network.consensus.epoch && !circuit.isAging(at: now)
                && (circuit.state != .degraded || circuit.createdAt + Self.recovery > now)
        }
        var fresh = circuits.count { isFresh($0) }
        while fresh < Self.width, circuits.count < Self.openLimit {
            circuits.append(try made(in: network, at: now, using: &generator))
            fresh += 1
            changes += 1
        }
        // What ages, is ill or of another epoch goes when its successors are there.
        let ready = circuits.count { isFresh($0) && $0.state != .building }
        if ready >= Self.width { close { !isFresh($0) } }
    }

    private func made(
        in network: Network, at now: Timestamp, using generator: inout some RandomNumberGenerator
    ) throws(MixnetFailure) -> Circuit {
        let life = TimeSpan.seconds(Int64.random(in: Self.lifeSeconds, using: &generator))
        var routes: Circuit.Routes?
        if mode == .pinned {
            routes = try network.chooser.pinned(
                hops: level.hops, entry: network.entry, service: network.service, quality: quality, at: now,
                using: &generator)
        }
        return Circuit(
            id: generator.next(), level: level, owner: owner, service: service, epoch: network.consensus.epoch,
            guardKey: network.guardKey, routes: routes, createdAt: now, closesAt: now + life,
            packetsLimit: Self.packetsLimit)
    }

    private mutating func close(_ isOver: (Circuit) -> Bool) {
        for var circuit in circuits where isOver(circuit) {
            circuit.close()
            closed.append(circuit)
            sentAt[circuit.id] = nil
            changes += 1
        }
        if closed.count > Self.closedLimit { closed.removeFirst(closed.count - Self.closedLimit) }
        circuits.removeAll(where: isOver)
    }

    // MARK: - Health

    /// The loop to send now: over the circuit that was probed the longest ago, or over none while there is none.
    package mutating func probe(
        at now: Timestamp, using generator: inout some RandomNumberGenerator
    ) throws(MixnetFailure) -> Probe {
        let due = nextToProbe(at: now)
        if let routes = due?.routes { return Probe(circuit: due?.id, route: routes.loop) }
        return Probe(circuit: due?.id, route: try drawnLoop(at: now, using: &generator))
    }

    private mutating func nextToProbe(at now: Timestamp) -> Circuit? {
        let (current, sent) = (epoch, sentAt)
        var due: (at: Timestamp, id: UInt64, place: Int)?
        for (place, circuit) in circuits.enumerated() where circuit.epoch == current {
            let at = sent[circuit.id] ?? .zero
            if let found = due, (found.at, found.id) < (at, circuit.id) { continue }
            due = (at, circuit.id, place)
        }
        guard let due else { return nil }
        sentAt[due.id] = now
        return circuits[due.place]
    }

    private func drawnLoop(
        at now: Timestamp, using generator: inout some RandomNumberGenerator
    ) throws(MixnetFailure) -> [Int] {
        let network = try known()
        let hops = min(network.consensus.parameters.layers + 1, PacketSuite.slots)
        return try network.chooser.route(
            hops: hops, first: network.entry, last: network.entry, quality: quality, at: now, using: &generator)
    }

    /// Whether a circuit waits for its first probe, which then goes in the place of another packet.
    package var wantsProbe: Bool {
        circuits.contains { $0.epoch == epoch && $0.state == .building && sentAt[$0.id] == nil }
    }

    /// - Parameter took: nil when the loop did not come back in the time that nearly all take.
    package mutating func ended(_ probe: Probe, took: TimeSpan?, at now: Timestamp) {
        quality.count(probe.route, hasArrived: took != nil, at: now)
        note(probe, took, at: now)
    }

    /// A loop that was given up came back: on a machine that is busy, all may.
    package mutating func cameLate(_ probe: Probe, took: TimeSpan, at now: Timestamp) { note(probe, took, at: now) }

    private mutating func note(_ probe: Probe, _ took: TimeSpan?, at now: Timestamp) {
        for place in circuits.indices where circuits[place].id == probe.circuit {
            let before = circuits[place].state
            circuits[place].probed(took, at: now)
            if circuits[place].state != before { changes += 1 }
        }
    }
}

extension Circuit {
    /// Whether its places are places of a network: what was read from disk may be of any.
    fileprivate func isOf(_ consensus: Consensus) -> Bool {
        guard let routes, epoch == consensus.epoch else { return true }
        return (routes.out + routes.back + routes.loop).allSatisfy { consensus.nodes.indices.contains($0) }
    }
}
