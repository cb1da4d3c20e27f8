import FogCore
import FogMixnet
import Foundation
import Testing

/// Nodes in this process, one a layer, over sockets of the loopback.
struct TestNetwork {
    let folder: String
    var view: MixNetworkView
    var nodes: [UInt16: MixNode] = [:]
    private var stores: [UInt16: MixKeyStore] = [:]
    let options: (mean: Int64, loops: Int64, rate: Int64, suite: PacketSuite)
    /// An hour's epoch never ends while a test runs.
    let time = Timestamp(seconds: 3600 * 1000 + 60)

    init(
        layers: Int, suite: PacketSuite = .k400, mean: Int64 = 5_000_000, loops: Int64 = 0, rate: Int64 = 10_000
    ) async throws {
        folder = NSTemporaryDirectory() + "fog-mix-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        options = (mean, loops, rate, suite)
        view = try MixNetworkView(
            network: .blake2b([1]), isTest: true, suite: suite, layers: layers, epochLength: .hours(1),
            meanDelay: mean, mixLoopMean: loops, clientRate: rate, nodes: [], randomness: { _ in .zero })
        // Ports are known once nodes listen, so they begin with a view of themselves and get the whole one.
        var entries: [MixNetworkView.Node] = []
        for index in 0..<UInt16(layers) {
            try await start(index, port: 0)
            if let entry = entry(index, port: nodes[index]?.port ?? 0) { entries.append(entry) }
        }
        view = try with(entries)
        for node in nodes.values { try await node.update(view, at: time) }
    }

    func with(_ entries: [MixNetworkView.Node]) throws -> MixNetworkView {
        try MixNetworkView(
            network: view.network, isTest: true, suite: options.suite, layers: view.layers, epochLength: .hours(1),
            meanDelay: options.mean, mixLoopMean: options.loops, clientRate: options.rate, nodes: entries,
            randomness: { _ in .zero })
    }

    private func entry(_ index: UInt16, port: Int) -> MixNetworkView.Node? {
        guard let store = stores[index], let keys = try? store.announced(from: view.epoch(at: time)) else { return nil }
        return MixNetworkView.Node(
            index: index, layer: Int(index), identity: store.identity.publicKey, linkKey: store.link.publicKey,
            host: "127.0.0.1", port: port, mixKeys: keys)
    }

    mutating func start(_ index: UInt16, port: Int, service: [UInt8]? = nil, loss: Double = 0) async throws {
        let store = try MixKeyStore(folder: "\(folder)/\(index)")
        stores[index] = store
        var options = MixNode.Options()
        options.port = port
        options.serviceKey = service
        options.loss = loss
        let own = view.nodes.isEmpty ? try with([try #require(entry(index, port: port))]) : view
        while true {
            do {
                nodes[index] = try await MixNode.start(options, store: store, view: own, at: time)
                return
            } catch  where port != 0 && "\(error)".contains("in use") {
                // A connection of somebody else has the number meanwhile; a test's time limit ends a wait that is in vain.
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    var route: [Hop] {
        get throws {
            let epoch = view.epoch(at: time)
            return try view.nodes.values.sorted { ($0.layer ?? 0) < ($1.layer ?? 0) }.map {
                try Hop(index: $0.index, publicKey: #require($0.mixKeys[epoch]))
            }
        }
    }

    var maker: PacketMaker { PacketMaker(suite: options.suite, epoch: view.epoch(at: time)) }

    func client(_ index: UInt16, key: NoiseKey = .generate()) async throws -> MixClient {
        try await MixClient.connect(
            to: #require(view.nodes[index]), network: view.network, suite: options.suite, key: key)
    }

    /// Until a node's counters say so; a test's time limit ends a wait that is in vain.
    func wait(_ index: UInt16, until holds: (MixCounters) -> Bool) async throws -> MixCounters {
        let node = try #require(nodes[index])
        while true {
            let counters = try await node.counters().counters
            if holds(counters) { return counters }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    func end() async throws {
        for node in nodes.values { try await node.drain(limit: .seconds(5)) }
        try FileManager.default.removeItem(atPath: folder)
    }
}

@Suite("Mix nodes", .timeLimit(.minutes(5)))
struct NodeTests {
    @Test(
        "replies travel through three nodes and come back to who registered their SURBs",
        arguments: PacketSuite.allCases)
    func replies(suite: PacketSuite) async throws {
        let network = try await TestNetwork(layers: 3, suite: suite)
        let (sender, receiver) = (try await network.client(0), try await network.client(2))
        var bodies: [[UInt8]: [UInt8]] = [:]
        var (secrets, packets) = ([[UInt8]: SURBSecrets](), [[UInt8]]())
        for _ in 0..<40 {
            let (surb, kept) = try network.maker.surb(along: network.route)
            secrets[kept.id] = kept
            bodies[kept.id] = SecureRandom.bytes(PacketSuite.bodyBytes)
            packets.append(try surb.packet(try #require(bodies[kept.id])))
        }
        try await receiver.register(Array(secrets.keys))
        try await sender.send(packets)
        var came = 0
        for await delivery in receiver.deliveries {
            let opened = secrets.removeValue(forKey: delivery.id)?.open(delivery.payload)
            #expect(opened != nil && opened == bodies[delivery.id])
            came += 1
            if came == 40 { break }
        }
        #expect(secrets.isEmpty)
        // Replays, and packets nobody awaits, come out nowhere.
        try await sender.send([packets[0], packets[39]])
        let body = [UInt8](repeating: 1, count: PacketSuite.bodyBytes)
        try await sender.send([try network.maker.forward(body, along: network.route).bytes])
        #expect(try await network.wait(0) { $0.received == 43 }.dropped == [.replayed: 2])
        #expect(try await network.wait(2) { $0.dropped != [:] }.dropped == [.unclaimed: 1])
        #expect(try await network.wait(1) { $0.forwarded == 41 }.dropped == [:])
        await sender.close()
        await receiver.close()
        try await network.end()
    }

    @Test("forward packets to a node go to its service, and to nobody else")
    func service() async throws {
        var network = try await TestNetwork(layers: 2)
        let key = NoiseKey.generate()
        let port = try #require(network.nodes[1]?.port)
        try await network.nodes[1]?.drain(limit: .seconds(1))
        try await network.start(1, port: port, service: key.publicKey)
        let (other, service) = (try await network.client(1), try await network.client(1, key: key))
        let sender = try await network.client(0)
        let body = SecureRandom.bytes(PacketSuite.bodyBytes)
        try await sender.send([try network.maker.forward(body, along: network.route).bytes])
        for await delivery in service.deliveries {
            #expect(Payload.body(of: delivery.payload) == body && delivery.id == [UInt8](repeating: 0, count: 16))
            break
        }
        await other.close()
        for await delivery in other.deliveries { Issue.record("\(delivery)") }
        for client in [service, sender] { await client.close() }
        try await network.end()
    }

    @Test("a node that comes back knows the packets it saw")
    func restart() async throws {
        var network = try await TestNetwork(layers: 2)
        let port = try #require(network.nodes[0]?.port)
        let body = [UInt8](repeating: 1, count: PacketSuite.bodyBytes)
        let packets = try (0..<20).map { _ in try network.maker.forward(body, along: network.route).bytes }
        var sender = try await network.client(0)
        try await sender.send(packets)
        _ = try await network.wait(0) { $0.forwarded == 20 }
        await sender.close()
        try await network.nodes[0]?.drain(limit: .seconds(5))
        try await network.start(0, port: port)
        sender = try await network.client(0)
        try await sender.send(packets)
        #expect(try await network.wait(0) { $0.received == 20 }.dropped == [.replayed: 20])
        await sender.close()
        try await network.end()
    }

    /// The first node is left as it is, with nothing ended: what is on disk is what a killed process leaves.
    @Test("a node that takes the place of a killed one knows the packets that it saw")
    func killed() async throws {
        var network = try await TestNetwork(layers: 2)
        let left = try #require(network.nodes[0])
        let body = [UInt8](repeating: 1, count: PacketSuite.bodyBytes)
        let packets = try (0..<20).map { _ in try network.maker.forward(body, along: network.route).bytes }
        let sender = try await network.client(0)
        try await sender.send(packets)
        _ = try await network.wait(0) { $0.forwarded == 20 }
        try await network.start(0, port: 0)
        let node = try #require(network.view.nodes[0])
        let moved = MixNetworkView.Node(
            index: 0, layer: 0, identity: node.identity, linkKey: node.linkKey, host: node.host,
            port: try #require(network.nodes[0]?.port), mixKeys: node.mixKeys)
        let again = try await MixClient.connect(to: moved, network: network.view.network, suite: .k400)
        try await again.send(packets)
        #expect(try await network.wait(0) { $0.received == 20 }.dropped == [.replayed: 20])
        for client in [sender, again] { await client.close() }
        try await left.drain(limit: .seconds(1))
        try await network.end()
    }

    @Test("a client that brings more than its rate is charged before anything is computed")
    func rate() async throws {
        let network = try await TestNetwork(layers: 1, rate: 50)
        let sender = try await network.client(0)
        let junk = [[UInt8]](repeating: [UInt8](repeating: 9, count: PacketSuite.k400.packetBytes), count: 500)
        try await sender.send(junk)
        let counters = try await network.wait(0) { $0.received == 500 }
        let refused = counters.dropped[.badPrefix] ?? 0
        #expect(refused >= 50 && refused < 400)
        #expect(counters.dropped[.rateLimit] == 500 - refused)
        // The link stands: what comes within the rate is taken.
        let before = refused
        try await Task.sleep(for: .milliseconds(100))
        try await sender.send([junk[0]])
        #expect(try await network.wait(0) { $0.received == 501 }.dropped[.badPrefix] == before + 1)
        await sender.close()
        try await network.end()
    }

    @Test("ids of replies that never came are forgotten with their epoch, and leave room for others")
    func forgotten() async throws {
        let network = try await TestNetwork(layers: 1)
        let node = try #require(network.nodes[0])
        let epoch = network.view.epoch(at: network.time)
        let client = try await network.client(0)
        func ids() -> [[UInt8]] { (0..<3000).map { _ in SecureRandom.bytes(16) } }
        try await client.register(ids())
        try await node.update(network.view, at: network.view.start(of: epoch + 2) + .seconds(60))
        // Two of three thousand would be more than a link may have out, and close it.
        try await client.register(ids())
        let maker = PacketMaker(suite: .k400, epoch: epoch + 2)
        let key = try #require(network.view.nodes[0]?.mixKeys[epoch + 2])
        let (surb, secrets) = try maker.surb(along: [Hop(index: 0, publicKey: key)])
        try await client.register([secrets.id])
        let body = SecureRandom.bytes(PacketSuite.bodyBytes)
        try await client.send([try surb.packet(body)])
        var deliveries = client.deliveries.makeAsyncIterator()
        let reply = try #require(await deliveries.next())
        #expect(reply.id == secrets.id && secrets.open(reply.payload) == body)
        await client.close()
        try await network.end()
    }

    @Test("a node that rehearses bad links loses about the share that it is told, and counts it")
    func rehearsal() async throws {
        var network = try await TestNetwork(layers: 2)
        let port = try #require(network.nodes[0]?.port)
        try await network.nodes[0]?.drain(limit: .seconds(1))
        try await network.start(0, port: port, loss: 0.3)
        let sender = try await network.client(0)
        let body = [UInt8](repeating: 1, count: PacketSuite.bodyBytes)
        try await sender.send(try (0..<500).map { _ in try network.maker.forward(body, along: network.route).bytes })
        let counters = try await network.wait(0) { $0.forwarded + ($0.dropped[.rehearsed] ?? 0) == 500 }
        // Five standard deviations of a binomial of 500 at 0.3.
        #expect((99...201).contains(counters.dropped[.rehearsed] ?? 0))
        await sender.close()
        try await network.end()
    }

    @Test("a node's own loops come back over the other layers")
    func loops() async throws {
        let network = try await TestNetwork(layers: 3, loops: 10_000_000)
        let counters = try await network.wait(1) { $0.loopsReturned >= 5 }
        // Threads are asked one after the other, so a loop may have come back to one since the other told what it sent.
        #expect(counters.loopsSent > 0 && counters.delivered == 0)
        try await network.end()
    }

    @Test("a link to another network, or to another node than it should be, is not made")
    func others() async throws {
        let network = try await TestNetwork(layers: 1)
        let node = try #require(network.view.nodes[0])
        await #expect(throws: MixnetFailure.self) {
            try await MixClient.connect(to: node, network: .blake2b([2]), suite: .k400)
        }
        await #expect(throws: MixnetFailure.self) {
            try await MixClient.connect(to: node, network: network.view.network, suite: .s176)
        }
        let other = MixNetworkView.Node(
            index: 0, layer: 0, identity: node.identity, linkKey: NoiseKey.generate().publicKey, host: node.host,
            port: node.port, mixKeys: [:])
        await #expect(throws: MixnetFailure.self) {
            try await MixClient.connect(to: other, network: network.view.network, suite: .k400)
        }
        try await network.end()
    }

    @Test("a node gives no packet to somebody who answers in another's place")
    func impostor() async throws {
        let network = try await TestNetwork(layers: 2)
        let entries = network.view.nodes.values.map { node in
            node.index == 0
                ? node
                : MixNetworkView.Node(
                    index: 1, layer: 1, identity: node.identity, linkKey: NoiseKey.generate().publicKey,
                    host: node.host, port: node.port, mixKeys: node.mixKeys)
        }
        try await network.nodes[0]?.update(try network.with(entries), at: network.time)
        let sender = try await network.client(0)
        let body = [UInt8](repeating: 1, count: PacketSuite.bodyBytes)
        try await sender.send([try network.maker.forward(body, along: network.route).bytes])
        #expect(try await network.wait(0) { $0.dropped != [:] }.dropped == [.linkDown: 1])
        #expect(try await network.nodes[1]?.counters().counters.received == 0)
        await sender.close()
        try await network.end()
    }

    @Test("an old epoch's key is kept as long as its packets travel, then erased from the disk")
    func erasure() async throws {
        let network = try await TestNetwork(layers: 1)
        let node = try #require(network.nodes[0])
        let epoch = network.view.epoch(at: network.time)
        let next = network.view.start(of: epoch + 1)
        let path = "\(network.folder)/0/mix/\(epoch).key"
        try await node.update(network.view, at: next)
        #expect(node.liveEpochs == [epoch, epoch + 1] && node.delayProof(of: epoch) == nil)
        #expect(FileManager.default.fileExists(atPath: path))
        try await node.update(network.view, at: next + .seconds(60))
        #expect(node.liveEpochs == [epoch + 1] && node.delayProof(of: epoch + 1) == nil)
        let own = try #require(network.view.nodes[0])
        let input = DelayDraw.input(
            network: network.view.network, node: own.identity, epoch: epoch,
            randomness: try #require(network.view.randomness(epoch)))
        let proof = try #require(node.delayProof(of: epoch))
        let key = try MixKeyStore(folder: "\(network.folder)/0").vrf.publicKey
        #expect(key.output(for: input, proof: proof) != nil)
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(!FileManager.default.fileExists(atPath: "\(network.folder)/0/mix/\(epoch).seen.0"))
        try await network.end()
    }
}

@Suite("Epochs", .timeLimit(.minutes(5)))
struct EpochTests {
    /// Packets of the old epoch find their nodes by the old indices, those of the new one by the new.
    @Test("nodes may have other indices in the next epoch while packets of the last one travel")
    func indices() async throws {
        let network = try await TestNetwork(layers: 3)
        let epoch = network.view.epoch(at: network.time)
        let turned = network.view.nodes.values.map { node in
            MixNetworkView.Node(
                index: (node.index + 1) % 3, layer: node.layer, identity: node.identity, linkKey: node.linkKey,
                host: node.host, port: node.port, mixKeys: node.mixKeys)
        }
        let next = try network.with(turned)
        for node in network.nodes.values { try await node.update(next, at: next.start(of: epoch + 1)) }
        let sender = try await network.client(0)
        let body = [UInt8](repeating: 1, count: PacketSuite.bodyBytes)
        let new = try next.nodes.values.sorted { ($0.layer ?? 0) < ($1.layer ?? 0) }.map {
            try Hop(index: $0.index, publicKey: #require($0.mixKeys[epoch + 1]))
        }
        try await sender.send([try network.maker.forward(body, along: network.route).bytes])
        _ = try await network.wait(2) { $0.dropped == [.unclaimed: 1] }
        try await sender.send([
            try PacketMaker(suite: .k400, epoch: epoch + 1).forward(body, along: new).bytes
        ])
        _ = try await network.wait(2) { $0.dropped == [.unclaimed: 2] }
        await sender.close()
        try await network.end()
    }
}

@Suite("Nodes of a consensus", .timeLimit(.minutes(5)))
struct ConsensusNodeTests {
    @Test("nodes that a consensus names carry packets made from it")
    func consensus() async throws {
        let folder = NSTemporaryDirectory() + "fog-mix-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let parameters = try NetworkParameters(
            name: "lab", kind: .test, epochLength: .hours(1), layers: 2, meanDelay: .milliseconds(1))
        let epoch: UInt64 = 1000
        let time = parameters.schedule.time(of: epoch, eighths: 1)
        func consensus(_ nodes: [Consensus.Node]) -> Consensus {
            Consensus(
                parameters: parameters, epoch: epoch, previous: .zero, random: .blake2b([1]), voters: [], nodes: nodes)
        }
        let empty = try MixNetworkView(consensus([]))
        #expect(empty.isTest && empty.epoch(at: time) == epoch && empty.clientRate == 66)
        let stores = try (0..<2).map { try MixKeyStore(folder: "\(folder)/\($0)") }
        var (mixes, entries) = ([MixNode](), [Consensus.Node]())
        for (layer, store) in stores.enumerated() {
            let mix = try await MixNode.start(MixNode.Options(), store: store, view: empty, at: time)
            let signed = try store.descriptor(
                network: parameters.networkID, epoch: epoch, address: "127.0.0.1:\(mix.port)", proof: nil,
                bandwidth: 100)
            #expect(try SignedDescriptor(bytes: signed.bytes) == signed)
            entries.append(
                Consensus.Node(descriptor: signed.descriptor, layer: layer, bandwidth: 100, hasProvedDelays: false))
            mixes.append(mix)
        }
        let view = try MixNetworkView(consensus(entries))
        for mix in mixes { try await mix.update(view, at: time) }
        let route = try [view.nodes[0], view.nodes[1]].map {
            try Hop(index: #require($0).index, publicKey: #require($0?.mixKeys[epoch]))
        }
        let entry = try #require(view.nodes[0])
        let client = try await MixClient.connect(to: entry, network: view.network, suite: view.suite)
        let body = [UInt8](repeating: 1, count: PacketSuite.bodyBytes)
        try await client.send([try PacketMaker(suite: view.suite, epoch: epoch).forward(body, along: route).bytes])
        // A loop of the first mix may have come before the second knew the network.
        while try await mixes[1].counters().counters.dropped[.unclaimed] != 1 {
            try await Task.sleep(for: .milliseconds(5))
        }
        // The authorities' check of what the node owed, once the epoch is over.
        let later = parameters.schedule.time(of: epoch + 2, eighths: 1)
        try await mixes[0].update(view, at: later)
        let input = DelayDraw.input(
            network: parameters.networkID, node: stores[0].identity.publicKey, epoch: epoch, randomness: .blake2b([1]))
        let key = try VRFPublicKey(bytes: entries[0].descriptor.vrfKey)
        #expect(key.output(for: input, proof: try #require(mixes[0].delayProof(of: epoch))) != nil)
        await client.close()
        for mix in mixes { try await mix.drain(limit: .seconds(1)) }
    }
}

@Suite("Static networks")
struct StaticNetworkTests {
    static func document(_ changes: [String: JSON] = [:], node: [String: JSON] = [:]) throws -> JSON {
        let key = SigningKey.generate().publicKey.description
        var entry: [(String, JSON)] = [
            ("index", 0), ("layer", 0), ("address", "127.0.0.1:7400"), ("identity", .string(key)),
            ("link_key", .string(String(repeating: "ab", count: 32))),
            ("mix_keys", .object(["7": .string(String(repeating: "cd", count: 32))])),
        ]
        entry = entry.map { ($0.0, node[$0.0] ?? $0.1) }
        let members: [(String, JSON)] = [
            ("format", "fog-mixnet-static-1"), ("name", "lab"), ("kind", "test"), ("suite", "fog-k400"), ("layers", 1),
            ("epoch_seconds", 1200), ("mean_delay_ms", 50), ("mix_loop_ms", 1000), ("client_rate", 60),
            ("nodes", .array([.object(entry.map { JSON.Member($0.0, $0.1) })])),
        ]
        return .object(members.map { JSON.Member($0.0, changes[$0.0] ?? $0.1) })
    }

    @Test("a file is read, and its entry for a node is what describe prints")
    func read() throws {
        let view = try StaticNetwork.view(Self.document())
        #expect(view.isTest && view.suite == .k400 && view.meanDelay == 50_000_000)
        #expect(view.nodes[0]?.port == 7400 && view.nodes[0]?.mixKeys[7]?.count == 32)
        #expect(view.epoch(at: view.start(of: 5)) == 5)
        let folder = NSTemporaryDirectory() + "fog-mix-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = try MixKeyStore(folder: folder)
        let entry = try StaticNetwork.entry(store, index: 3, layer: 0, address: "127.0.0.1:1", epoch: 9)
        let node = try #require(try StaticNetwork.view(Self.document(["nodes": .array([entry])])).nodes[3])
        #expect(node.linkKey == store.link.publicKey && node.mixKeys.keys.sorted() == [9, 10, 11])
        // The same keys when it is asked again, by another process.
        #expect(try MixKeyStore(folder: folder).announced(from: 9) == node.mixKeys)
    }

    @Test(
        "what is wrong is named",
        arguments: [
            ("kind", JSON("live")), ("suite", "fog-k1"), ("layers", 8), ("epoch_seconds", 0), ("mean_delay_ms", -1),
            ("client_rate", 0), ("nodes", .array([])), ("name", ""), ("format", "x"),
        ])
    func wrong(member: String, value: JSON) throws {
        let document = try Self.document([member: value])
        #expect(throws: MixnetFailure.self) { try StaticNetwork.view(document) }
    }

    @Test(
        "what is wrong in a node is named",
        arguments: [
            ("index", JSON.integer(65535)), ("layer", 1), ("address", "nowhere"), ("identity", "fogkey1"),
            ("link_key", "ab"), ("mix_keys", .object(["x": ""])),
        ])
    func wrongNode(member: String, value: JSON) throws {
        let document = try Self.document(node: [member: value])
        #expect(throws: MixnetFailure.self) { try StaticNetwork.view(document) }
    }
}
