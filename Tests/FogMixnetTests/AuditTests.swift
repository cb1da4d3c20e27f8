import FogCore
import FogMixnet
import Foundation
import Testing

/// Mixes without sockets, in virtual time: real engines with real keys and real delays, and documents as authorities sign them.
private struct AuditWorld {
    static let epoch: UInt64 = 50
    let parameters: NetworkParameters
    let authority = SigningKey.generate()
    private(set) var nodes: [PublicKey] = []
    private var engines: [MixEngine] = []
    private var keys: [MixKey] = []
    private(set) var trust: DirectoryTrust
    private var chance = SeededGenerator(seed: 11)
    private static let random = Digest.blake2b([3])

    /// - Parameters:
    ///   - hasty: the mix that lets packets go at once.
    ///   - silent: the mix that proves nothing.
    init(mixes: Int = 9, hasty: Int? = nil, silent: Int? = nil) throws {
        parameters = try NetworkParameters(name: "audit", kind: .test, meanDelay: .milliseconds(50))
        trust = try DirectoryTrust(parameters: parameters, authorities: [authority.publicKey])
        let identities = (0..<mixes).map { _ in SigningKey.generate() }.sorted { $0.publicKey < $1.publicKey }
        nodes = identities.map(\.publicKey)
        var (past, later) = ([Consensus.Node](), [Consensus.Node]())
        for (place, identity) in identities.enumerated() {
            let (key, vrf) = (try MixKey.generate(epoch: Self.epoch), try VRFKey.generate())
            let input = DelayDraw.input(
                network: parameters.networkID, node: identity.publicKey, epoch: Self.epoch, randomness: Self.random)
            let (output, proof) = vrf.prove(input)
            let engine = MixEngine(suite: .k400, meanDelay: 50_000_000, limit: 64)
            engine.isHasty = place == hasty
            let own = EpochKeys(key: key, draw: DelayDraw(output: output), replays: ReplaySet(limit: 100_000))
            engine.use([own]) { _ in nil }
            engines.append(engine)
            keys.append(key)
            func node(_ epoch: UInt64, _ proof: [UInt8]) throws -> Consensus.Node {
                let mixKeys = [key.publicKey] + (0..<2).map { _ in SecureRandom.bytes(32) }
                let descriptor = try MixDescriptor(
                    network: parameters.networkID, epoch: epoch, identity: identity.publicKey, role: .mix,
                    addresses: ["127.0.0.1:\(4000 + place)"], linkKey: SecureRandom.bytes(32), mixKeys: mixKeys,
                    vrfKey: vrf.publicKey.bytes, delayProof: proof, bandwidth: 1000)
                return Consensus.Node(
                    descriptor: descriptor, layer: place % 3, bandwidth: 1000, hasProvedDelays: !proof.isEmpty)
            }
            past.append(try node(Self.epoch, []))
            later.append(try node(Self.epoch + 2, place == silent ? [] : proof))
        }
        try accept(past, Self.epoch)
        try accept(later, Self.epoch + 2)
    }

    private mutating func accept(_ nodes: [Consensus.Node], _ epoch: UInt64) throws {
        let consensus = Consensus(
            parameters: parameters, epoch: epoch, previous: .zero, random: Self.random, voters: [authority.publicKey],
            nodes: nodes)
        let statement = Statement(
            .consensus, network: parameters.networkID, epoch: epoch, digest: consensus.digest, signedWith: authority)
        let now = parameters.schedule.time(of: epoch)
        _ = try trust.accept(SignedConsensus(consensus, signatures: [statement]), at: now)
    }

    var past: Consensus { get throws { try #require(trust.recent[Self.epoch]?.consensus) } }
    var later: Consensus { get throws { try #require(trust.recent[Self.epoch + 2]?.consensus) } }

    /// Sends loops of three hops, one in each layer; `loses` says with what chance a mix loses one.
    mutating func audit(_ count: Int, loses: (Int) -> Double = { _ in 0 }) throws -> LoopAudit {
        var audit = LoopAudit()
        var start: Int64 = 1_000_000_000
        for _ in 0..<count {
            start += 100_000_000
            let first = Int.random(in: 0..<3, using: &chance)
            let route = (0..<3).map { hop in
                3 * Int.random(in: 0..<nodes.count / 3, using: &chance) + (first + hop) % 3
            }
            let hops = try route.map { try Hop(index: UInt16($0), publicKey: keys[$0].publicKey) }
            let made = try PacketMaker(suite: .k400, epoch: Self.epoch)
                .forward([UInt8](repeating: 0, count: PacketSuite.bodyBytes), along: hops)
            let id = SecureRandom.bytes(16)
            audit.sent(id, epoch: Self.epoch, hops: made.hops, route: route.map { nodes[$0] }, at: start)
            if let end = try cross(made.bytes, route, start, loses) { _ = audit.returned(id, at: end) }
        }
        return audit
    }

    /// When the packet has left the last mix; nil when it is lost.
    private mutating func cross(
        _ packet: [UInt8], _ route: [Int], _ start: Int64, _ loses: (Int) -> Double
    ) throws -> Int64? {
        var (packet, now) = (packet, start)
        for place in route {
            let engine = engines[place]
            let buffer = try #require(engine.take())
            engine.packet(in: buffer).update(from: packet, count: packet.count)
            engine.accept(buffer, at: now)
            engine.process(at: now)
            now = try #require(engine.next)
            let out: PacketBuffer
            switch try #require(engine.departure(at: now)) {
            case .forward(let buffer, _), .delivery(let buffer): out = buffer
            }
            packet = Array(UnsafeBufferPointer(start: engine.packet(in: out), count: packet.count))
            engine.pool.give(back: out)
            // A link that takes a few milliseconds, not always as many.
            now += 2_000_000 + Int64(chance.unit() * 10_000_000)
            if chance.unit() < loses(place) { return nil }
        }
        return now
    }
}

@Suite("Audits of mixes")
struct AuditTests {
    @Test("a mix that lets packets go at once is named, and nobody else, from loops, proofs and two documents")
    func hasty() throws {
        var world = try AuditWorld(hasty: 4)
        let audit = try world.audit(200)
        #expect(audit.count(of: AuditWorld.epoch) == (200, 200))
        let findings = try #require(audit.findings(of: AuditWorld.epoch, world.trust))
        #expect(findings.count == 9)
        for (place, node) in world.nodes.enumerated() {
            #expect(findings[node]?.faults == (place == 4 ? [.cheats] : []), "mix \(place)")
            #expect(findings[node]?.delays?.verdict == (place == 4 ? .cheats : .honest))
        }
        // Without the proofs nothing can be said.
        #expect(audit.findings(of: AuditWorld.epoch + 2, world.trust) == nil)
    }

    @Test("a mix that lets fewer packets through than the others is named; losses that all have alike name nobody")
    func lossy() throws {
        var world = try AuditWorld()
        let audit = try world.audit(600) { $0 == 7 ? 0.5 : 0.1 }
        let findings = try #require(audit.findings(of: AuditWorld.epoch, world.trust))
        for (place, node) in world.nodes.enumerated() {
            #expect(findings[node]?.faults == (place == 7 ? [.loses] : []), "mix \(place)")
        }
        let second = try world.audit(600) { _ in 0.3 }
        let fair = try #require(second.findings(of: AuditWorld.epoch, world.trust))
        #expect(fair.values.allSatisfy { $0.faults.isEmpty })
    }

    @Test("who is in every loop cannot be told from the way to it, and is not blamed for it")
    func guardedLosses() {
        var chance = SeededGenerator(seed: 2)
        let nodes = (0..<7).map { _ in SigningKey.generate().publicKey }
        let loops = (0..<400).map { _ in
            (
                route: [
                    nodes[0], nodes[Int.random(in: 1..<4, using: &chance)],
                    nodes[Int.random(in: 4..<7, using: &chance)],
                ],
                hasArrived: chance.unit() < 0.5
            )
        }
        let shares = NodeShares(loops).shares
        #expect(shares.values.allSatisfy { !$0.isLossy })
        #expect((shares[nodes[0]]?.value ?? 1) < 0.85)
    }

    @Test("a mix that proves nothing is known by the consensus; loops through it say nothing of the others' delays")
    func silent() throws {
        var world = try AuditWorld(silent: 2)
        let audit = try world.audit(200)
        let findings = try #require(audit.findings(of: AuditWorld.epoch, world.trust))
        #expect(findings[world.nodes[2]]?.hasProved == false && findings[world.nodes[2]]?.delays == nil)
        #expect(findings[world.nodes[3]]?.delays?.verdict == .honest)
        var reputation = MixReputation()
        reputation.take(try world.later, past: try world.past)
        for (place, node) in world.nodes.enumerated() {
            #expect(reputation.faults(of: node, in: AuditWorld.epoch + 2) == (place == 2 ? [.unproved] : []))
        }
    }

    @Test("when hardly anybody proved anything, nobody is blamed for it")
    func nobodyProved() throws {
        let world = try AuditWorld()
        // A document in which no proof was in time.
        let late = try world.later
        let bare = Consensus(
            parameters: late.parameters, epoch: late.epoch, previous: .zero, random: late.random, voters: late.voters,
            nodes: late.nodes.map {
                .init(descriptor: $0.descriptor, layer: $0.layer, bandwidth: $0.bandwidth, hasProvedDelays: false)
            })
        var reputation = MixReputation()
        reputation.take(bare, past: try world.past)
        #expect(reputation == MixReputation())
    }

    @Test("routes avoid whom an audit named, by its key, until it is forgotten")
    func avoided() throws {
        var world = try AuditWorld(hasty: 4)
        let audit = try world.audit(200)
        let findings = try #require(audit.findings(of: AuditWorld.epoch, world.trust))
        var reputation = MixReputation()
        reputation.take(findings, of: AuditWorld.epoch)
        let later = try world.later
        #expect(reputation.weights(in: later) == [4: 0.01])
        let service = world.nodes[8]
        var pool = CircuitPool(level: .private, owner: "", service: service)
        var generator = SeededGenerator(seed: 5)
        try pool.follow(later, entry: 0, at: .zero)
        func visits(_ quality: RouteQuality) throws -> Int {
            try (0..<900).count { _ in
                try RouteChooser(later).route(
                    hops: 3, quality: quality, at: .zero, using: &generator
                ).contains(4)
            }
        }
        // A third of all routes, while nothing is known.
        #expect((200...400).contains(try visits(pool.quality)))
        pool.take(reputation)
        #expect(try visits(pool.quality) < 30)
        // Another document, another number: it is the key that is known.
        let without = Consensus(
            parameters: later.parameters, epoch: later.epoch + 1, previous: .zero, random: .zero, voters: later.voters,
            nodes: Array(later.nodes.dropFirst(2)))
        try pool.follow(without, entry: 0, at: .zero)
        #expect(pool.quality.standing == [2: 0.01])
        // Another process knows it by its key as well.
        var known = try MixReputation(json: JSON(parsing: reputation.json.compact))
        #expect(known == reputation)
        known.merge(MixReputation())
        #expect(known == reputation)
        #expect(throws: MixnetFailure.self) { try MixReputation(json: .object(["nodes": .array([.null])])) }
        #expect(reputation.faults(of: world.nodes[4], in: AuditWorld.epoch + MixReputation.memoryEpochs) == [])
    }

    @Test("what is known of losses goes with the nodes into the next consensus, not with their numbers")
    func renumbered() {
        var quality = RouteQuality()
        let now = Timestamp(seconds: 1000)
        // Mix 3 is dead.
        for number in 0..<40 {
            quality.count([number % 3, 3], hasArrived: false, at: now)
            for other in 0..<3 { quality.count([other, 4], hasArrived: true, at: now) }
        }
        #expect(quality.blamed(at: now) == [3])
        quality.renumber { $0 == 0 ? nil : $0 - 1 }
        #expect(quality.blamed(at: now) == [2])
        #expect(quality.weight(of: 3, at: now) == 1 && quality.weight(of: 2, at: now) == NodeHealth.blamedWeight)
    }

    @Test("loops beyond the bound, and of epochs long past, are not kept")
    func bounds() {
        var audit = LoopAudit()
        for epoch in 1...9 as ClosedRange<UInt64> {
            for number in 0..<(epoch == 9 ? 5000 : 1) {
                audit.sent(
                    [UInt8(number % 256), UInt8(number / 256), UInt8(epoch)], epoch: epoch, hops: [], route: [], at: 0)
            }
        }
        #expect(audit.epochs == [6, 7, 8, 9] && audit.count(of: 9).sent == LoopAudit.loopsLimit)
        let known = [audit.returned([0, 0, 9], at: 5), audit.returned([0, 0, 1], at: 5)]
        #expect(known == [true, false])
    }
}
