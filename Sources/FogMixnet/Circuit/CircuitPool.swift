package import FogCore

/// All circuits of a client: pools by level and owner, each with a few circuits that take turns by what they carried.
///
/// Pure: it says which probes to send, is told what became of them, and hands out routes.
package struct CircuitPool: Sendable {
    /// Circuits that a pool has open at once, beside those on their way in and out.
    package static let width = 2
    package static let poolsLimit = 64
    package static let packetsLimit = 20_000
    /// A circuit's life is drawn from it, in seconds.
    package static let lifeSeconds: ClosedRange<Int64> = 480...720
    /// Between two probes of a circuit.
    package static let probeInterval = TimeSpan.seconds(5)
    private static let closedLimit = 32

    package struct Key: Hashable, Sendable, Comparable {
        package let level: RouteLevel
        package let owner: String

        package init(level: RouteLevel, owner: String) {
            self.level = level
            self.owner = owner
        }

        package static func < (first: Key, second: Key) -> Bool {
            (first.level, first.owner) < (second.level, second.owner)
        }
    }

    /// A loop to send: its route ends where it begins.
    package struct Probe: Hashable, Sendable {
        package let circuit: UInt64
        package let route: [Int]
    }

    package let mode: Circuit.Mode
    package var quality = RouteQuality()
    private var chooser: RouteChooser?
    private var guardIndex: Int?
    private var anonymity: Anonymity?
    private var reputation = MixReputation()
    private var open: [Key: [Circuit]] = [:]
    /// The last that were closed, for whoever asks what happened.
    package private(set) var closed: [Circuit] = []
    private var probedAt: [UInt64: Timestamp] = [:]
    private var nextID: UInt64 = 1

    package init(mode: Circuit.Mode = .perPacket) { self.mode = mode }

    package var circuits: [Circuit] { open.keys.sorted().flatMap { open[$0] ?? [] } }

    /// Goes on with another epoch's network; circuits of the last one are used until theirs are built.
    /// - Parameter anonymity: what the network gives now, by which a live one refuses levels.
    package mutating func follow(_ consensus: Consensus, guardIndex: Int, anonymity: Anonymity) {
        precondition(consensus.nodes[guardIndex].layer != nil, "a guard is a mix")
        if let before = chooser?.consensus {
            let places = Dictionary(
                consensus.nodes.enumerated().map { ($1.descriptor.identity, $0) },
                uniquingKeysWith: { first, _ in first })
            quality.renumber { places[before.nodes[$0].descriptor.identity] }
        }
        quality.standing = reputation.weights(in: consensus)
        chooser = RouteChooser(consensus)
        self.guardIndex = guardIndex
        self.anonymity = anonymity
    }

    /// Takes what mixes are known to have done wrong: routes avoid them from now on.
    package mutating func take(_ reputation: MixReputation) {
        self.reputation = reputation
        if let consensus = chooser?.consensus { quality.standing = reputation.weights(in: consensus) }
    }

    /// A route for one packet, by the circuit of the pool that carried least.
    /// - Parameter last: the service that it goes to; nil = to a mix.
    /// - Throws: `no_directory` before there is a consensus, `set_too_small` for a level that the network is too small for,
    ///   `no_circuit` while none is established, `no_route`, `too_many_pools`.
    package mutating func route(
        _ key: Key, last: Int? = nil, at now: Timestamp, using generator: inout some RandomNumberGenerator
    ) throws(MixnetFailure) -> (circuit: UInt64, route: [Int]) {
        if let refusal = anonymity?.refusal(of: key.level) { throw refusal }
        try maintain(key, at: now, using: &generator)
        guard let chooser, var pool = open[key] else { throw Self.noDirectory }
        let usable = pool.indices.filter { pool[$0].epoch == chooser.consensus.epoch && !pool[$0].isOver(at: now) }
        let good = usable.filter { pool[$0].state == .established }
        let fair = usable.filter { pool[$0].state == .degraded }
        guard let place = (good.isEmpty ? fair : good).min(by: { pool[$0].packets < pool[$1].packets }) else {
            throw MixnetFailure("no_circuit", "no circuit of level \(key.level) is established yet")
        }
        let route: [Int]
        if let pinned = pool[place].route {
            route = last.map { Array(pinned.dropLast()) + [$0] } ?? pinned
        } else {
            route = try chooser.route(
                hops: key.level.hops, first: guardIndex, last: last, quality: quality, at: now, using: &generator)
        }
        pool[place].count()
        open[key] = pool
        return (pool[place].id, route)
    }

    /// Makes what the pool lacks, and closes what is over.
    package mutating func maintain(
        _ key: Key, at now: Timestamp, using generator: inout some RandomNumberGenerator
    ) throws(MixnetFailure) {
        guard let chooser, let guardIndex else { throw Self.noDirectory }
        guard open[key] != nil || open.count < Self.poolsLimit else {
            throw MixnetFailure("too_many_pools", "\(Self.poolsLimit) owners and levels have circuits, and no more can")
        }
        var pool = open[key] ?? []
        let epoch = chooser.consensus.epoch
        func isFresh(_ circuit: Circuit) -> Bool {
            circuit.epoch == epoch && circuit.state != .degraded && !circuit.isAging(at: now)
        }
        var fresh = pool.count { isFresh($0) }
        while fresh < Self.width {
            let life = TimeSpan.seconds(Int64.random(in: Self.lifeSeconds, using: &generator))
            let route =
                mode == .pinned
                ? try chooser.route(
                    hops: key.level.hops, first: guardIndex, quality: quality, at: now, using: &generator) : nil
            pool.append(
                Circuit(
                    id: nextID, level: key.level, owner: key.owner, mode: mode, epoch: epoch,
                    guardKey: chooser.consensus.nodes[guardIndex].descriptor.identity, route: route, createdAt: now,
                    closesAt: now + life, packetsLimit: Self.packetsLimit))
            nextID += 1
            fresh += 1
        }
        // What ages, is ill or of another epoch goes when its successors are there; what is over goes.
        let ready = pool.count { isFresh($0) && $0.state == .established }
        for place in pool.indices {
            let circuit = pool[place]
            let isReplaced = ready >= Self.width && !isFresh(circuit)
            if circuit.isOver(at: now) || isReplaced { pool[place].close() }
        }
        for circuit in pool where circuit.state == .closed {
            closed.append(circuit)
            probedAt[circuit.id] = nil
        }
        if closed.count > Self.closedLimit { closed.removeFirst(closed.count - Self.closedLimit) }
        open[key] = pool.filter { $0.state != .closed }
    }

    /// The owner has nothing to send any more.
    package mutating func close(_ key: Key) {
        for var circuit in open.removeValue(forKey: key) ?? [] {
            circuit.close()
            closed.append(circuit)
            probedAt[circuit.id] = nil
        }
    }

    // MARK: - Health

    /// The loops that are due now.
    package mutating func probes(
        at now: Timestamp, using generator: inout some RandomNumberGenerator
    ) throws(MixnetFailure) -> [Probe] {
        guard let chooser else { return [] }
        var probes: [Probe] = []
        for circuit in circuits where circuit.epoch == chooser.consensus.epoch {
            if let last = probedAt[circuit.id], last + Self.probeInterval > now { continue }
            probedAt[circuit.id] = now
            if let pinned = circuit.route {
                probes.append(Probe(circuit: circuit.id, route: pinned))
            } else {
                let route = try chooser.route(
                    hops: circuit.level.hops, first: guardIndex, quality: quality, at: now, using: &generator)
                probes.append(Probe(circuit: circuit.id, route: route))
            }
        }
        return probes
    }

    /// - Parameter took: nil when the loop did not come back in the time that nearly all take.
    package mutating func ended(_ probe: Probe, took: TimeSpan?, at now: Timestamp) {
        quality.count(probe.route, hasArrived: took != nil, at: now)
        for key in open.keys {
            for place in (open[key] ?? []).indices where open[key]?[place].id == probe.circuit {
                open[key]?[place].probed(took)
            }
        }
    }

    private static let noDirectory = MixnetFailure("no_directory", "there is no consensus to choose a route from")
}
