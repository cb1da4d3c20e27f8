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

    private static func circuit(routes: Circuit.Routes? = nil) -> Circuit {
        Circuit(
            id: 1, level: .private, owner: "a", service: SigningKey.generate().publicKey, epoch: 1,
            guardKey: SigningKey.generate().publicKey, routes: routes, createdAt: now, closesAt: now + .minutes(10),
            packetsLimit: 100)
    }

    @Test("a circuit is built by its first probe, degraded by lost or late ones, and established again")
    func health() {
        var circuit = Self.circuit()
        circuit.probed(nil, at: Self.now)
        #expect(circuit.state == .building)
        for _ in 0..<5 { circuit.probed(.milliseconds(200), at: Self.now) }
        #expect(circuit.state == .established)
        circuit.probed(nil, at: Self.now)
        #expect(circuit.state == .established)
        circuit.probed(nil, at: Self.now)
        #expect(circuit.state == .degraded)
        for _ in 0..<8 { circuit.probed(.milliseconds(200), at: Self.now) }
        #expect(circuit.state == .established)
        circuit.probed(.milliseconds(601), at: Self.now)
        #expect(circuit.state == .degraded)
    }

    @Test("a circuit is read back from its document, and one that is none is refused by its field")
    func documents() throws {
        var circuit = Self.circuit(routes: .init(out: [1, 2, 9], back: [2, 0, 1], loop: [1, 2, 0, 1]))
        #expect(try Circuit(json: JSON(parsing: circuit.json.compact)) == circuit)
        for took in [TimeSpan.milliseconds(80), nil, .milliseconds(90)] { circuit.probed(took, at: Self.now) }
        circuit.count(at: Self.now + .seconds(1))
        #expect(try Circuit(json: JSON(parsing: circuit.json.compact)) == circuit)
        let text = circuit.json.compact
        for (good, bad, field) in [
            ("\"0000000000000001\"", "\"1\"", "id"), ("\"established\"", "\"well\"", "state"),
            ("\"packets\":1,", "\"packets\":-1,", "packets"), ("\"out\":[1,2,9]", "\"out\":[1]", "routes"),
        ] {
            try #require(text.contains(good), "\(good) in \(text)")
            let failure = #expect(throws: MixnetFailure.self) {
                try Circuit(json: JSON(parsing: text.replacing(good, with: bad)))
            }
            #expect(failure?.message.hasPrefix("\(field): found") == true)
        }
    }

    /// A pool that follows a consensus of nine mixes and a service, by the first of its guards.
    private static func pool(
        _ consensus: Consensus, level: RouteLevel = .private, mode: Circuit.Mode = .perPacket, kept: [Circuit] = [],
        owner: String = "mine", entry: Int = 4, at now: Timestamp = now
    ) throws -> CircuitPool {
        let service = try #require(consensus.nodes.last).descriptor.identity
        var pool = CircuitPool(level: level, owner: owner, service: service, mode: mode, kept: kept)
        try pool.follow(consensus, entry: entry, at: now)
        return pool
    }

    @Test("circuits take turns by use, and are renewed before the old ones end")
    func turns() throws {
        var generator = SeededGenerator(seed: 6)
        let consensus = try Self.consensus(mixes: 9, services: 1)
        var none = CircuitPool(level: .private, owner: "mine", service: consensus.nodes[9].descriptor.identity)
        #expect(throws: MixnetFailure.self) { try none.route(.out, at: Self.now, using: &generator) }
        var pool = try Self.pool(consensus)
        try pool.maintain(at: Self.now, using: &generator)
        let early = #expect(throws: MixnetFailure.self) { try pool.route(.out, at: Self.now, using: &generator) }
        #expect(early?.code == "no_circuit")
        // What carries nothing need not wait, and is no use of a circuit.
        #expect(try pool.route(.out, isCover: true, at: Self.now, using: &generator).route.count == 3)
        #expect(pool.circuits.allSatisfy { $0.packets == 0 && $0.usedAt == nil })
        var used: [UInt64: Int] = [:]
        for second in 0..<3600 {
            let now = Self.now + .seconds(Int64(second))
            try pool.maintain(at: now, using: &generator)
            for _ in 0..<2 {
                let probe = try pool.probe(at: now, using: &generator)
                #expect(probe.route.first == 4 && probe.route.last == 4 && probe.route.count == 4)
                pool.ended(probe, took: .milliseconds(150), at: now)
            }
            let (circuit, out) = try pool.route(.out, at: now, using: &generator)
            used[circuit, default: 0] += 1
            #expect(out.count == 3 && out.first == 4 && out.last == 9)
            let back = try pool.route(.back, at: now, using: &generator)
            used[back.circuit, default: 0] += 1
            #expect(back.route.count == 3 && back.route.last == 4)
        }
        // Two at a time, for 8 to 12 minutes, less the fifth in which the next are there already.
        #expect((10...20).contains(used.count), "\(used)")
        #expect(pool.circuits.count <= 4 && pool.closed.count + pool.circuits.count == used.count)
        let first = used.values.sorted().suffix(2)
        #expect(first.allSatisfy { $0 > 150 }, "\(used)")
    }

    @Test("another process goes on with the circuits of the same owner, level, service and guard, and with no others")
    func kept() throws {
        var generator = SeededGenerator(seed: 10)
        let consensus = try Self.consensus(mixes: 9, services: 1)
        var first = try Self.pool(consensus)
        try first.maintain(at: Self.now, using: &generator)
        for _ in 0..<2 {
            first.ended(try first.probe(at: Self.now, using: &generator), took: .milliseconds(100), at: Self.now)
        }
        _ = try first.route(.out, at: Self.now, using: &generator)
        let kept = first.circuits
        #expect(kept.map(\.state) == [.established, .established] && kept.map(\.packets).max() == 1)
        let next = try Self.pool(consensus, kept: kept, at: Self.now + .seconds(59))
        #expect(next.circuits == kept && next.isReady(at: Self.now + .seconds(59)))
        // What was known a minute ago is asked again.
        let late = try Self.pool(consensus, kept: kept, at: Self.now + .minutes(1))
        #expect(late.circuits.map(\.state) == [.building, .building] && late.circuits.map(\.id) == kept.map(\.id))
        #expect(late.wantsProbe && !late.isReady(at: Self.now + .minutes(1)))
        #expect(try Self.pool(consensus, kept: kept, owner: "theirs").circuits == [])
        #expect(try Self.pool(consensus, level: .confidential, kept: kept).circuits == [])
        #expect(try Self.pool(consensus, mode: .pinned, kept: kept).circuits == [])
        let elsewhere = try Self.pool(consensus, kept: kept, entry: 3)
        #expect(elsewhere.circuits == [] && elsewhere.closed.map(\.id) == kept.map(\.id))
    }

    @Test("where every circuit is ill a few are kept, and others are built seldom")
    func allIll() throws {
        var generator = SeededGenerator(seed: 11)
        var pool = try Self.pool(try Self.consensus(mixes: 9, services: 1))
        for second in 0..<600 {
            let now = Self.now + .seconds(Int64(second))
            try pool.maintain(at: now, using: &generator)
            #expect(pool.circuits.count <= CircuitPool.openLimit)
            for _ in 0..<5 {
                let probe = try pool.probe(at: now, using: &generator)
                pool.ended(probe, took: generator.unit() < 0.5 ? .milliseconds(100) : nil, at: now)
            }
            if second > 5 { _ = try pool.route(.out, at: now, using: &generator) }
        }
        #expect(pool.closed.count + pool.circuits.count < 60, "\(pool.closed.count)")
    }

    @Test("a pinned circuit keeps its ways, its loop meets their nodes, and another epoch's take its place")
    func pinned() throws {
        var generator = SeededGenerator(seed: 7)
        let consensus = try Self.consensus(mixes: 12, services: 1)
        for level in [RouteLevel.private, .confidential, .secret] {
            var pool = try Self.pool(consensus, level: level, mode: .pinned, entry: 0)
            try pool.maintain(at: Self.now, using: &generator)
            for _ in 0..<2 {
                let probe = try pool.probe(at: Self.now, using: &generator)
                pool.ended(probe, took: .milliseconds(100), at: Self.now)
            }
            var routes: Set<[Int]> = []
            for _ in 0..<20 {
                _ = try pool.route(.out, at: Self.now, using: &generator)
                let out = try pool.route(.out, at: Self.now, using: &generator).route
                let back = try pool.route(.back, at: Self.now, using: &generator).route
                for route in [out, back] {
                    #expect(route.count == level.hops && Set(route).count == route.count)
                    let mixes = route.filter { $0 < 12 }
                    for (here, next) in zip(mixes, mixes.dropFirst()) { #expect(next % 3 == (here + 1) % 3) }
                }
                #expect(out.first == 0 && out.last == 12 && back.last == 0)
                routes.formUnion([out, back])
            }
            #expect(routes.count == 2 * CircuitPool.width)
            for circuit in pool.circuits {
                let ways = try #require(circuit.routes)
                let probed = Set(ways.loop)
                #expect(Set(ways.out).subtracting(probed) == [12])
                #expect(Set(ways.back).subtracting(probed).count == (level == .secret ? 1 : 0))
            }
            try pool.follow(try Self.consensus(mixes: 12, services: 1, epoch: 51), entry: 0, at: Self.now)
            #expect(!pool.isReady(at: Self.now))
            try pool.maintain(at: Self.now, using: &generator)
            for _ in 0..<2 {
                let probe = try pool.probe(at: Self.now, using: &generator)
                pool.ended(probe, took: .milliseconds(100), at: Self.now)
            }
            let (circuit, _) = try pool.route(.out, at: Self.now, using: &generator)
            #expect(pool.circuits.first { $0.id == circuit }?.epoch == 51)
            try pool.maintain(at: Self.now, using: &generator)
            #expect(pool.circuits.allSatisfy { $0.epoch == 51 } && pool.circuits.count == CircuitPool.width)
        }
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
    }
}
