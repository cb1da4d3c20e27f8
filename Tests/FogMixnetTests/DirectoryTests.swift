import FogCore
import FogMixnet
import Testing

@Suite struct DirectoryTests {
    typealias Fault = DirectorySimulation.Fault

    private static let pairs: [[Fault]] = Fault.allCases.flatMap { first in
        Fault.allCases.filter { $0.rawValue >= first.rawValue }.map { [first, $0] }
    }

    @Test("seven sound authorities publish equal bytes in every epoch, with all nodes in balanced layers")
    func sound() throws {
        var simulation = try DirectorySimulation(faults: [:], seed: 1)
        try simulation.run(epochs: 4)
        for epoch in UInt64(101)...104 {
            #expect(Set(simulation.published.values.map { $0[epoch] }).count == 1)
            #expect(simulation.published.count == 7)
        }
        let consensus = try #require(simulation.authorities[0].latest).consensus
        #expect(consensus.nodes.count == 9)
        #expect((0..<3).map { consensus.layer($0).count } == [3, 3, 3])
        #expect(consensus.voters.count == 7)
        let before = try #require(simulation.authorities[0].consensus(of: 103)).consensus
        #expect(consensus.previous == before.digest)
        #expect(consensus.random != before.random)
        #expect(simulation.failures == [])
        #expect(simulation.reports.isEmpty)
    }

    @Test("with one faulty authority, the sound ones publish equal bytes in every epoch", arguments: Fault.allCases)
    func one(_ fault: Fault) throws {
        for number in [0, 3] {
            var simulation = try DirectorySimulation(faults: [number: fault], seed: 2)
            try simulation.run(epochs: 4)
            try check(simulation, faults: [number: fault], mustPublish: true)
        }
    }

    @Test("with two faulty authorities, the sound ones publish equal bytes or nothing", arguments: pairs)
    func two(_ pair: [Fault]) throws {
        for (first, second) in [(0, 1), (2, 5)] {
            let faults = [first: pair[0], second: pair[1]]
            var simulation = try DirectorySimulation(faults: faults, seed: 3)
            try simulation.run(epochs: 3)
            try check(simulation, faults: faults, mustPublish: false)
        }
    }

    private func check(
        _ simulation: DirectorySimulation, faults: [Int: Fault], mustPublish: Bool
    ) throws {
        let sound = (0..<7).filter { faults[$0] == nil }
        for epoch in UInt64(101)...104 {
            // What anybody published, the faulty ones as well: there is one document at most.
            let documents = Set(simulation.published.values.compactMap { $0[epoch] })
            #expect(documents.count <= 1, "epoch \(epoch), \(faults)")
            if mustPublish {
                for number in sound {
                    #expect(simulation.published[number]?[epoch] != nil, "\(number), epoch \(epoch)")
                }
            }
        }
        let guilty = Set(faults.filter { $0.value == .equivocating }.map { simulation.keys[$0.key].publicKey })
        for number in sound { #expect(simulation.reports[number] ?? [] == guilty, "\(number) of \(faults)") }
    }

    @Test("a threshold leaves no room for two documents: more than two thirds have to sign")
    func threshold() {
        #expect([1, 3, 4, 5, 7, 10].map { SignedConsensus.threshold(of: $0) } == [1, 3, 3, 4, 5, 7])
    }

    @Test("an authority that starts again in the same epoch says what it said before")
    func restart() throws {
        let simulation = try DirectorySimulation(faults: [:], seed: 1)
        let configuration = simulation.authorities[0].configuration
        let schedule = simulation.parameters.schedule
        var authority = Authority(configuration)
        _ = authority.tick(at: schedule.time(of: 10)) { [UInt8](repeating: 1, count: 32) }
        let effects = authority.tick(at: schedule.time(of: 10, eighths: 1)) { [] }
        guard case .keep(let record) = effects.first, case .send(let said) = effects.last else {
            Issue.record("a vote is kept, then sent: \(effects)")
            return
        }
        #expect(try DirectoryRecord(bytes: record.bytes) == record)
        var again = Authority(configuration, restoring: record)
        let later = again.tick(at: schedule.time(of: 10, eighths: 1) + .milliseconds(400)) {
            [UInt8](repeating: 2, count: 32)
        }
        #expect(later.contains(.send(said)))
    }

    @Test("a client takes what enough pinned authorities signed, never goes back, and stands still when it is too old")
    func trust() throws {
        var simulation = try DirectorySimulation(faults: [:], seed: 5)
        try simulation.run(epochs: 3)
        let (parameters, keys) = (simulation.parameters, simulation.keys.map(\.publicKey))
        let (older, newer) = (
            try #require(simulation.authorities[0].consensus(of: 102)),
            try #require(simulation.authorities[0].consensus(of: 103))
        )
        let now = parameters.schedule.time(of: 103)
        var trust = try DirectoryTrust(parameters: parameters, authorities: keys)
        #expect(code { _ = try trust.current(at: now) } == "no_directory")
        #expect(try trust.accept(SignedConsensus(bytes: newer.bytes), at: now))
        #expect(try !trust.accept(newer, at: now))
        #expect(code { _ = try trust.accept(older, at: now) } == "rolled_back")
        let few = SignedConsensus(newer.consensus, signatures: Array(newer.signatures.prefix(4)))
        var fresh = try DirectoryTrust(parameters: parameters, authorities: keys)
        #expect(code { _ = try fresh.accept(few, at: now) } == "too_few_signatures")
        let strangers = try (0..<7).map { try SigningKey(seed: [UInt8](repeating: UInt8($0 + 50), count: 32)) }
        let forged = SignedConsensus(
            newer.consensus,
            signatures: strangers.map {
                Statement(
                    .consensus, network: parameters.networkID, epoch: 103, digest: newer.consensus.digest,
                    signedWith: $0)
            })
        #expect(code { _ = try fresh.accept(forged, at: now) } == "too_few_signatures")
        #expect(code { _ = try fresh.accept(newer, at: parameters.schedule.time(of: 100)) } == "wrong_epoch")
        var live = parameters
        live.kind = .live
        var other = try DirectoryTrust(parameters: live, authorities: keys)
        #expect(code { _ = try other.accept(newer, at: now) } == "wrong_network")
        #expect(try trust.current(at: parameters.schedule.time(of: 106) - .milliseconds(1)).epoch == 103)
        #expect(code { _ = try trust.current(at: parameters.schedule.time(of: 106)) } == "consensus_expired")
    }

    @Test("two documents of one epoch with enough signatures are a fork, and neither replaces the other")
    func fork() throws {
        var simulation = try DirectorySimulation(faults: [:], seed: 5)
        try simulation.run(epochs: 2)
        let good = try #require(simulation.authorities[0].latest)
        let now = simulation.parameters.schedule.time(of: good.consensus.epoch)
        let other = Consensus(
            parameters: simulation.parameters, epoch: good.consensus.epoch, previous: .zero, random: .zero,
            voters: good.consensus.voters, nodes: good.consensus.nodes)
        let forked = SignedConsensus(
            other,
            signatures: simulation.keys.map {
                Statement(
                    .consensus, network: simulation.parameters.networkID, epoch: other.epoch, digest: other.digest,
                    signedWith: $0)
            })
        var trust = try DirectoryTrust(
            parameters: simulation.parameters, authorities: simulation.keys.map(\.publicKey))
        _ = try trust.accept(good, at: now)
        #expect(code { _ = try trust.accept(forked, at: now) } == "forked")
        #expect(trust.accepted == good)
        // And the statements of any one signer of both prove it.
        let proof = try #require(Equivocation(good.signatures[0], forked.signatures[0]))
        #expect(try Equivocation(bytes: proof.bytes) == proof)
        #expect(Equivocation(good.signatures[0], good.signatures[0]) == nil)
    }

    @Test("documents have one form: any changed byte is refused or changes what was signed")
    func oneForm() throws {
        var simulation = try DirectorySimulation(faults: [:], seed: 7)
        try simulation.run(epochs: 1)
        let signed = try #require(simulation.authorities[0].latest)
        let bytes = signed.bytes
        #expect(try SignedConsensus(bytes: bytes).bytes == bytes)
        for place in stride(from: 0, to: bytes.count, by: 41) {
            var changed = bytes
            changed[place] ^= 0x04
            #expect(throws: MixnetFailure.self, "byte \(place)") { try SignedConsensus(bytes: changed) }
        }
        let node = try DirectorySimulation.descriptor(
            simulation.nodeKeys[0], epoch: 9, parameters: simulation.parameters)
        for place in node.bytes.indices {
            var changed = node.bytes
            changed[place] ^= 0x40
            #expect(throws: MixnetFailure.self, "byte \(place)") { try SignedDescriptor(bytes: changed) }
        }
    }

    private func code(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch {
            return (error as? MixnetFailure)?.code
        }
    }
}
