import FogCore
import FogMixnet
import FogNet
import Foundation
import Testing

/// Nodes of a directory: real authorities and nodes, sockets of the loopback, and epochs that pass when the test says so.
private final class MemberWorld {
    let folder = NSTemporaryDirectory() + "fog-mix-\(UUID().uuidString.prefix(8))"
    let clock: SetClock
    let directory: TestDirectory
    let schedule: EpochSchedule
    var disks: [MemberDisk] = []
    var members: [MixMember] = []
    static let first: UInt64 = 1000

    init(
        mixes: Int, layers: Int, suite: PacketSuite = .k400, epoch: TimeSpan = .hours(1),
        change: (inout NetworkParameters) -> Void = { _ in }
    ) async throws {
        var parameters = try NetworkParameters(
            name: "lab", kind: .test, suite: suite, epochLength: epoch, layers: layers, meanDelay: .milliseconds(1),
            mixLoopInterval: .milliseconds(50))
        change(&parameters)
        schedule = parameters.schedule
        clock = SetClock(schedule.time(of: Self.first))
        directory = try TestDirectory(parameters, count: 4, clock: clock)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for number in 0..<mixes {
            disks.append(MemberDisk())
            members.append(try await start(number))
        }
    }

    func start(_ number: Int) async throws -> MixMember {
        let carrier = MemoryCarrier(directory)
        var options = MixNode.Options()
        options.threads = 1
        return try await MixMember.start(
            options, profile: .init(address: "127.0.0.1:0"), store: try MixKeyStore(folder: "\(folder)/\(number)"),
            membership: try disks[number].membership(directory), client: DirectoryClient([carrier, carrier]),
            clock: clock, keeping: disks[number].keeping, tell: { _ in })
    }

    /// Goes to a time of an epoch, eighth by eighth, and lets everybody do what is due.
    func pass(to epoch: UInt64, eighths: Int64) async throws {
        let end = schedule.time(of: epoch, eighths: eighths)
        var (at, step) = (schedule.epoch(at: clock.now), Int64(0))
        while schedule.time(of: at, eighths: step) <= end {
            let time = schedule.time(of: at, eighths: step)
            // A minute after each eighth begins, when last epoch's packets are all where they go.
            if time >= clock.now {
                clock.set(time + .seconds(60))
                await directory.tick()
                for member in members {
                    try await member.turn()
                    try await member.describe()
                    try await member.refresh()
                    try await member.turn()
                }
            }
            (at, step) = step == 7 ? (at + 1, 0) : (at, step + 1)
        }
    }

    func end() async throws {
        for member in members { try await member.drain(limit: .seconds(1)) }
        try FileManager.default.removeItem(atPath: folder)
    }
}

@Suite("Members of a directory", .timeLimit(.minutes(5)))
struct MemberTests {
    private static let first = MemberWorld.first

    /// A packet over all layers from a client to the last mix, where nobody claims it.
    private func cross(_ world: MemberWorld) async throws {
        let epoch = world.schedule.epoch(at: world.clock.now)
        let view = try #require(await world.members[0].membership.view(of: epoch))
        let nodes = (0..<view.layers).compactMap { layer in view.nodes.values.first { $0.layer == layer } }
        let route = try nodes.map { try Hop(index: $0.index, publicKey: #require($0.mixKeys[epoch])) }
        let last = try #require(world.members.first { $0.identity == nodes.last?.identity })
        let before = try await last.counters().counters.dropped[.unclaimed] ?? 0
        let client = try await MixClient.connect(to: nodes[0], network: view.network, suite: view.suite)
        let body = [UInt8](repeating: 1, count: PacketSuite.bodyBytes)
        try await client.send([try PacketMaker(suite: view.suite, epoch: epoch).forward(body, along: route).bytes])
        while try await last.counters().counters.dropped[.unclaimed] ?? 0 == before {
            try await Task.sleep(for: .milliseconds(5))
        }
        await client.close()
    }

    @Test("a node is in the network an epoch after it asked, carries packets, proves its delays, and goes on for years")
    func life() async throws {
        let world = try await MemberWorld(mixes: 2, layers: 2)
        try await world.pass(to: Self.first, eighths: 4)
        #expect(await world.members[0].node.liveEpochs == [])
        for epoch in (Self.first + 1)...(Self.first + 4) {
            try await world.pass(to: epoch, eighths: 4)
            #expect(await world.members[0].node.liveEpochs == [epoch])
            try await cross(world)
        }
        // The consensus of an epoch shows who proved what it owed two epochs before.
        let (early, late) = (
            try #require(await world.directory.consensus(of: Self.first + 2)),
            try #require(await world.directory.consensus(of: Self.first + 4))
        )
        #expect(early.nodes.map(\.hasProvedDelays) == [false, false])
        #expect(late.nodes.map(\.hasProvedDelays) == [true, true])
        #expect(Set(late.nodes.map(\.layer)) == [0, 1])
        // Keys of what is over are off the disk; those ahead were told.
        let files = try FileManager.default.contentsOfDirectory(atPath: "\(world.folder)/0/mix")
        let keys = files.filter { $0.hasSuffix(".key") }.sorted()
        #expect(keys == (4...7).map { "\(Self.first + UInt64($0)).key" })
        try await world.end()
    }

    @Test("without a consensus that is still good, a node opens nothing; with the next one it does again")
    func expiry() async throws {
        let world = try await MemberWorld(mixes: 1, layers: 1)
        try await world.pass(to: Self.first + 1, eighths: 4)
        #expect(await world.members[0].node.liveEpochs == [Self.first + 1])
        await world.directory.leave()
        // Its successors go by it.
        try await world.pass(to: Self.first + 3, eighths: 4)
        #expect(await world.members[0].node.liveEpochs == [Self.first + 3])
        try await cross(world)
        try await world.pass(to: Self.first + 4, eighths: 1)
        #expect(await world.members[0].node.liveEpochs == [])
        #expect(try await world.members[0].membership.views(at: world.clock.now).view.nodes.isEmpty)
        try await world.end()
    }

    @Test("a node that was started anew says what it said before, and is not led back")
    func restart() async throws {
        let world = try await MemberWorld(mixes: 1, layers: 1)
        try await world.pass(to: Self.first + 3, eighths: 0)
        let said = try #require(await world.directory.descriptors.last)
        #expect(said.descriptor.epoch == Self.first + 4 && !said.descriptor.delayProof.isEmpty)
        let seen = try #require(await world.members[0].membership.trust.accepted)
        try await world.members[0].drain(limit: .seconds(1))
        world.members[0] = try await world.start(0)
        try await world.members[0].turn()
        #expect(await world.members[0].membership.trust.accepted == seen)
        #expect(await world.members[0].node.liveEpochs == [Self.first + 3])
        try await world.members[0].describe()
        #expect(await world.directory.descriptors.last == said)
        // The proofs go on: what is owed follows from what is kept.
        try await world.pass(to: Self.first + 5, eighths: 0)
        #expect(await world.directory.consensus(of: Self.first + 5)?.nodes.map(\.hasProvedDelays) == [true])
        var trust = await world.members[0].membership.trust
        let older = try #require(trust.recent[Self.first + 3])
        #expect(throws: MixnetFailure.self) { _ = try trust.accept(older, at: world.clock.now) }
        try await world.end()
    }

    @Test("the key of the next epoch is open a little before it begins, and the last one's a little after")
    func overlap() async throws {
        let world = try await MemberWorld(mixes: 1, layers: 1)
        try await world.pass(to: Self.first + 2, eighths: 7)
        let begin = world.schedule.time(of: Self.first + 3)
        for (time, live) in [
            (begin - .seconds(1), [2]), (begin - .milliseconds(50), [2, 3]), (begin, [2, 3]),
            (begin + .milliseconds(69), [2, 3]), (begin + .milliseconds(70), [3]),
        ] {
            world.clock.set(time)
            try await world.members[0].turn()
            #expect(await world.members[0].node.liveEpochs == live.map { Self.first + UInt64($0) })
        }
        try await world.end()
    }

    @Test("a client that knows only what is to come waits, and one that comes in between finds both")
    func newcomer() async throws {
        let world = try await MemberWorld(mixes: 1, layers: 1)
        try await world.pass(to: Self.first, eighths: 6)
        let client = DirectoryClient([MemoryCarrier(world.directory)])
        let none = try DirectoryTrust(
            parameters: world.directory.parameters, authorities: world.directory.keys.map(\.publicKey))
        // Only the first consensus is there, and its epoch has not begun.
        let early = try await client.refreshed(none, at: world.clock.now)
        #expect(early.accepted?.consensus.epoch == Self.first + 1)
        #expect(throws: MixnetFailure.self) { try early.current(at: world.clock.now) }
        try await world.pass(to: Self.first + 1, eighths: 6)
        let trust = try await client.refreshed(none, at: world.clock.now)
        #expect(trust.recent.keys.sorted() == [Self.first + 1, Self.first + 2])
        #expect(try trust.current(at: world.clock.now).epoch == Self.first + 1)
        #expect(trust.accepted?.consensus.epoch == Self.first + 2)
        try await world.end()
    }

    @Test("a random value that comes late changes the delays of its epoch, not its key")
    func lateRandom() async throws {
        let network = try await TestNetwork(layers: 1)
        let node = try #require(network.nodes[0])
        let epoch = network.view.epoch(at: network.time)
        func view(_ random: Digest?) throws -> MixNetworkView {
            try MixNetworkView(
                network: network.view.network, isTest: true, suite: .k400, layers: 1, epochLength: .hours(1),
                meanDelay: network.options.mean, mixLoopMean: 0, clientRate: 10_000,
                nodes: Array(network.view.nodes.values), randomness: { _ in random })
        }
        let sender = try await network.client(0)
        let body = [UInt8](repeating: 1, count: PacketSuite.bodyBytes)
        let packet = try network.maker.forward(body, along: network.route).bytes
        try await sender.send([packet])
        _ = try await network.wait(0) { $0.dropped == [.unclaimed: 1] }
        try await node.update(view(.blake2b([7])), at: network.time)
        // The same key, and all that was seen under it.
        try await sender.send([packet, try network.maker.forward(body, along: network.route).bytes])
        _ = try await network.wait(0) { $0.dropped == [.unclaimed: 2, .replayed: 1] }
        // Without a value nothing is opened.
        try await node.update(view(nil), at: network.time)
        #expect(node.liveEpochs == [])
        try await sender.send([try network.maker.forward(body, along: network.route).bytes])
        _ = try await network.wait(0) { $0.dropped == [.unclaimed: 2, .replayed: 1, .badPrefix: 1] }
        try await node.update(network.view, at: network.time)
        try await sender.send([packet])
        _ = try await network.wait(0) { $0.dropped == [.unclaimed: 2, .replayed: 2, .badPrefix: 1] }
        let next = network.view.start(of: epoch + 1) + .seconds(60)
        try await node.update(view(.blake2b([9])), at: next)
        let input = DelayDraw.input(
            network: network.view.network, node: try #require(network.view.nodes[0]).identity, epoch: epoch,
            randomness: .blake2b([7]))
        let key = try MixKeyStore(folder: "\(network.folder)/0").vrf.publicKey
        let proof = try #require(node.delayProof(of: epoch, in: view(.blake2b([7]))))
        #expect(key.output(for: input, proof: proof) != nil)
        await sender.close()
        try await network.end()
    }

    @Test("traffic is told for whole epochs, as a power of two")
    func traffic() throws {
        let schedule = try EpochSchedule(length: .seconds(100))
        var meter = TrafficMeter()
        func at(_ epoch: UInt64, _ seconds: Int64 = 0) -> Timestamp { schedule.time(of: epoch) + .seconds(seconds) }
        meter.note(7, at: at(5, 80), schedule: schedule)
        meter.note(900_000, at: at(6), schedule: schedule)
        // A fifth of an epoch tells nothing.
        #expect(meter.told == 0)
        meter.note(900_100, at: at(6, 50), schedule: schedule)
        meter.note(901_700, at: at(7), schedule: schedule)
        #expect(meter.told == 16)
        meter.note(901_799, at: at(8), schedule: schedule)
        #expect(meter.told == 0)
        meter.note(901_999, at: at(9, 1), schedule: schedule)
        #expect(meter.told == 1)
    }
}
