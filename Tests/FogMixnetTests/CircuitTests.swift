import FogCore
import FogMixnet
import Testing

@Suite struct CircuitTests {
    private static let now = Timestamp(seconds: 2_000_000)

    /// A consensus of mixes in three layers, by order; `families` names the mixes' families.
    private static func consensus(
        mixes: Int, families: [String] = [], bandwidths: [UInt32] = [], services: Int = 0, epoch: UInt64 = 50,
        kind: NetworkParameters.Kind = .test, traffic: UInt32 = 0
    ) throws -> Consensus {
        let parameters = try NetworkParameters(name: "routes", kind: kind)
        let nodes = try (0..<mixes + services).map { number in
            let key = try SigningKey(seed: [UInt8](repeating: UInt8(number + 1), count: 32))
            let descriptor = try MixDescriptor(
                network: parameters.networkID, epoch: epoch, identity: key.publicKey,
                role: number < mixes ? .mix : .service, family: number < families.count ? families[number] : "",
                addresses: ["127.0.0.1:4000"], linkKey: [UInt8](repeating: 1, count: 32),
                mixKeys: (0..<3).map { [UInt8](repeating: UInt8($0), count: 32) },
                vrfKey: [UInt8](repeating: 3, count: 32), bandwidth: 1000, traffic: traffic)
            return Consensus.Node(
                descriptor: descriptor, layer: number < mixes ? number % 3 : nil,
                bandwidth: number < bandwidths.count ? bandwidths[number] : 1000, hasProvedDelays: true)
        }
        return Consensus(
            parameters: parameters, epoch: epoch, previous: .zero, random: .zero, voters: [], nodes: nodes)
    }

    @Test("routes go from layer to layer, begin with the guard, end with the service, and meet no node twice")
    func routes() throws {
        let consensus = try Self.consensus(mixes: 9, services: 1)
        let chooser = RouteChooser(consensus)
        var generator = SeededGenerator(seed: 1)
        for level in RouteLevel.allCases {
            for _ in 0..<50 {
                let route = try chooser.route(
                    hops: level.hops, first: level == .open ? nil : 4, last: level == .open ? nil : 9, at: Self.now,
                    using: &generator)
                #expect(route.count == level.hops)
                #expect(Set(route).count == route.count)
                guard level != .open else { continue }
                #expect(route.first == 4 && route.last == 9)
                for (here, next) in zip(route.dropLast(), route.dropLast().dropFirst()) {
                    #expect(next % 3 == (here + 1) % 3)
                }
            }
        }
        let whole = try chooser.route(hops: 7, first: 4, at: Self.now, using: &generator)
        #expect(Set(whole).count == 7)
    }

    @Test("a family is in a route once, and a network with too few says so")
    func families() throws {
        var generator = SeededGenerator(seed: 2)
        let consensus = try Self.consensus(mixes: 9, families: ["one", "", "", "", "one", "", "", "", "one"])
        let chooser = RouteChooser(consensus)
        for _ in 0..<200 {
            let route = try chooser.route(hops: 5, at: Self.now, using: &generator)
            #expect(route.count { [0, 4, 8].contains($0) } <= 1)
        }
        let few = RouteChooser(try Self.consensus(mixes: 9, families: Array(repeating: "one", count: 7)))
        #expect(throws: MixnetFailure.self) { try few.route(hops: 5, at: Self.now, using: &generator) }
    }

    @Test("nodes are drawn by bandwidth, and hardly ever when packets get lost in them")
    func weights() throws {
        var generator = SeededGenerator(seed: 3)
        let chooser = RouteChooser(try Self.consensus(mixes: 6, bandwidths: [3000, 1000, 1000, 1000, 1000, 1000]))
        var quality = RouteQuality()
        func share(_ quality: RouteQuality, _ generator: inout SeededGenerator) throws -> Double {
            var count = 0
            for _ in 0..<1000 {
                let route = try chooser.route(
                    hops: 3, quality: quality, at: Self.now, using: &generator)
                if route.contains(0) { count += 1 }
            }
            return Double(count) / 1000
        }
        let before = try share(quality, &generator)
        #expect(abs(before - 0.75) < 0.06, "\(before)")
        while quality.verdicts == 0 {
            let route = try chooser.route(hops: 3, quality: quality, at: Self.now, using: &generator)
            quality.count(route, hasArrived: !route.contains(0), at: Self.now)
        }
        let after = try share(quality, &generator)
        #expect(after < 0.2, "\(after)")
    }

    @Test("guards are three, of different families, kept over epochs and restarts, and replaced by age alone")
    func guards() throws {
        var generator = SeededGenerator(seed: 4)
        let consensus = try Self.consensus(mixes: 12, families: Array(repeating: "one", count: 6))
        var guards = GuardSet()
        #expect(guards.update(consensus, at: Self.now, using: &generator))
        #expect(guards.guards.count == 3)
        #expect(
            guards.guards.count { one in consensus.nodes[..<6].contains { $0.descriptor.identity == one.key } } <= 1)
        let kept = try GuardSet(json: JSON(parsing: guards.json.compact))
        #expect(kept.guards == guards.guards)
        #expect(!guards.update(consensus, at: Self.now + .minutes(20), using: &generator))
        let first = try #require(guards.current(in: consensus, at: Self.now))
        // One that does not answer is passed over for a while; nothing new is drawn for it.
        guards.failed(guards.guards[0].key, at: Self.now)
        let second = try #require(guards.current(in: consensus, at: Self.now))
        #expect(second != first)
        #expect(guards.guards.map(\.key) == kept.guards.map(\.key))
        #expect(guards.current(in: consensus, at: Self.now + GuardSet.pause) == first)
        for one in guards.guards { #expect((60...120).contains((one.until - Self.now).seconds / 86400)) }
        // Seen daily, they leave at their age.
        var now = Self.now
        for _ in 0..<59 {
            now = now + .days(1)
            _ = guards.update(consensus, at: now, using: &generator)
        }
        #expect(guards.guards.map(\.key) == kept.guards.map(\.key))
        for _ in 0..<62 {
            now = now + .days(1)
            _ = guards.update(consensus, at: now, using: &generator)
        }
        #expect(guards.guards.count == 3)
        #expect(guards.guards.allSatisfy { one in !kept.guards.contains(one) })
    }

    @Test("a circuit is built by its first probe, degraded by lost or late ones, and established again")
    func health() {
        var circuit = Circuit(
            id: 1, level: .private, owner: "a", mode: .perPacket, epoch: 1,
            guardKey: SigningKey.generate().publicKey, route: nil, createdAt: Self.now,
            closesAt: Self.now + .minutes(10),
            packetsLimit: 100)
        circuit.probed(nil)
        #expect(circuit.state == .building)
        for _ in 0..<5 { circuit.probed(.milliseconds(200)) }
        #expect(circuit.state == .established)
        circuit.probed(nil)
        #expect(circuit.state == .established)
        circuit.probed(nil)
        #expect(circuit.state == .degraded)
        for _ in 0..<8 { circuit.probed(.milliseconds(200)) }
        #expect(circuit.state == .established)
        circuit.probed(.milliseconds(601))
        #expect(circuit.state == .degraded)
    }

    @Test("pools share no circuit, take turns by use, and renew before the old ones end")
    func pools() throws {
        var generator = SeededGenerator(seed: 6)
        var pool = CircuitPool()
        let mine = CircuitPool.Key(level: .private, owner: "mine")
        let theirs = CircuitPool.Key(level: .private, owner: "theirs")
        #expect(throws: MixnetFailure.self) { try pool.route(mine, at: Self.now, using: &generator) }
        let consensus = try Self.consensus(mixes: 9)
        pool.follow(consensus, guardIndex: 4, anonymity: Anonymity(consensus, using: &generator))
        #expect(throws: MixnetFailure.self) { try pool.route(mine, at: Self.now, using: &generator) }
        try pool.maintain(theirs, at: Self.now, using: &generator)
        var (used, waits): ([UInt64: Int], Int) = ([:], 0)
        var now = Self.now
        for second in 0..<3600 {
            now = Self.now + .seconds(Int64(second))
            for probe in try pool.probes(at: now, using: &generator) {
                #expect(probe.route.first == 4)
                pool.ended(probe, took: .milliseconds(150), at: now)
            }
            do throws(MixnetFailure) {
                let (circuit, route) = try pool.route(mine, at: now, using: &generator)
                used[circuit, default: 0] += 1
                #expect(route.count == 3 && route.first == 4)
            } catch {
                #expect(error.code == "no_circuit")
                waits += 1
            }
            try pool.maintain(theirs, at: now, using: &generator)
        }
        let own = Set(used.keys)
        #expect(pool.circuits.filter { $0.owner == "theirs" }.allSatisfy { !own.contains($0.id) })
        // Two at a time, for 8 to 12 minutes, less the fifth in which the next are there already.
        #expect((10...20).contains(used.count), "\(used)")
        #expect(waits == 0)
        #expect(pool.circuits.count <= 8)
        let first = used.keys.sorted().prefix(2).compactMap { used[$0] }
        #expect(first.allSatisfy { $0 > 150 }, "\(used)")
    }

    @Test("a pinned circuit keeps its route, and another epoch's network takes its place")
    func pinned() throws {
        var generator = SeededGenerator(seed: 7)
        var pool = CircuitPool(mode: .pinned)
        let key = CircuitPool.Key(level: .confidential, owner: "mine")
        let consensus = try Self.consensus(mixes: 9)
        let anonymity = Anonymity(consensus, using: &generator)
        pool.follow(consensus, guardIndex: 0, anonymity: anonymity)
        try pool.maintain(key, at: Self.now, using: &generator)
        for probe in try pool.probes(at: Self.now, using: &generator) {
            pool.ended(probe, took: .milliseconds(100), at: Self.now)
        }
        var routes: Set<[Int]> = []
        for _ in 0..<40 { routes.insert(try pool.route(key, at: Self.now, using: &generator).route) }
        #expect(routes.count == CircuitPool.width)
        pool.follow(try Self.consensus(mixes: 9, epoch: 51), guardIndex: 0, anonymity: anonymity)
        try pool.maintain(key, at: Self.now, using: &generator)
        for probe in try pool.probes(at: Self.now + .seconds(6), using: &generator) {
            pool.ended(probe, took: .milliseconds(100), at: Self.now)
        }
        let (circuit, _) = try pool.route(key, at: Self.now + .seconds(6), using: &generator)
        #expect(pool.circuits.first { $0.id == circuit }?.epoch == 51)
        #expect(pool.circuits.allSatisfy { $0.epoch == 51 })
    }

    @Test(
        "the entropy is that of an independent simulation",
        arguments: [
            // clients x rate, layers, mean delay; the range over its seeds 1 to 4, and a tenth of a bit around it.
            (200.0, 1, 0.05, 2.5...3.3), (200.0, 3, 0.05, 5.5...6.1), (200.0, 5, 0.05, 6.2...6.5),
            (10.0, 3, 0.05, 0.4...1.3), (200.0, 3, 0.2, 7.8...8.1),
        ])
    func entropy(_ arrivals: Double, _ layers: Int, _ delay: Double, _ range: ClosedRange<Double>) {
        var generator = SeededGenerator(seed: 8)
        let estimate = AnonymityEstimate.simulate(
            arrivals: arrivals, layers: layers, width: 3, delay: delay, targets: layers == 1 ? 60 : 12,
            using: &generator)
        #expect(range.contains(estimate.entropy), "\(estimate)")
        #expect(abs(estimate.meanPool - arrivals / 3 * delay) < 0.001)
    }

    @Test("a live network refuses the levels that it is too small for, a test network none")
    func refusals() throws {
        var generator = SeededGenerator(seed: 9)
        func refused(_ kind: NetworkParameters.Kind, _ traffic: UInt32) throws -> [RouteLevel] {
            let anonymity = Anonymity(
                try Self.consensus(mixes: 9, kind: kind, traffic: traffic), using: &generator)
            return RouteLevel.allCases.filter { anonymity.refusal(of: $0) != nil }
        }
        #expect(try refused(.live, 0) == [.private, .confidential, .secret])
        #expect(try refused(.live, 128) == [.secret])
        #expect(try refused(.live, 256) == [])
        #expect(try refused(.test, 0) == [])
        var pool = CircuitPool()
        let consensus = try Self.consensus(mixes: 9, kind: .live)
        pool.follow(consensus, guardIndex: 0, anonymity: Anonymity(consensus, using: &generator))
        let failure = #expect(throws: MixnetFailure.self) {
            try pool.route(.init(level: .private, owner: "mine"), at: Self.now, using: &generator)
        }
        #expect(failure?.code == "set_too_small")
    }
}
