import FogCore
import FogMixnet
import FogNet
import Foundation

/// A clock that goes on from a time: an epoch that begins now does not end while a test runs.
struct ShiftedClock: FogClock {
    private let start: Timestamp
    private let zero = SystemClock().sinceBoot

    init(_ start: Timestamp) { self.start = start }

    var now: Timestamp { start + (SystemClock().sinceBoot - zero) }
    var sinceBoot: TimeSpan { SystemClock().sinceBoot }
}

/// Tells a consensus that the test made, until it takes it away.
actor FixedNetwork: MixNetworkSource {
    private var consensus: Consensus?

    init(_ consensus: Consensus) { self.consensus = consensus }

    func lose() { consensus = nil }

    func consensus(at now: Timestamp) throws(MixnetFailure) -> Consensus {
        guard let consensus else { throw MixnetFailure("no_directory", "no consensus of this network was seen") }
        return consensus
    }
}

/// Mixes in this process, one a layer, and a service's node, over sockets of the loopback, with a consensus of the test's.
final class CarrierNetwork: Sendable {
    let folder: String
    let consensus: Consensus
    let source: FixedNetwork
    let clock: ShiftedClock
    let nodes: [MixNode]
    let service: MixService
    private let secret = SecureRandom.bytes(32)
    private let linkKey: NoiseKey

    /// The epoch's length is an hour, and it has just begun.
    private static let start = Timestamp(seconds: 3600 * 1000 + 60)

    init(
        _ endpoint: any CarrierEndpoint, suite: PacketSuite = .k400, mixes: Int = 3,
        interval: TimeSpan = .milliseconds(2), loss: Double = 0,
        options: MixService.Options = .init(), isServing: Bool = true
    ) async throws {
        folder = NSTemporaryDirectory() + "fog-mix-\(UUID().uuidString.prefix(8))"
        clock = ShiftedClock(Self.start)
        let parameters = try NetworkParameters(
            name: "carrier", kind: .test, suite: suite, epochLength: .hours(1), meanDelay: .milliseconds(1),
            payloadInterval: interval, loopInterval: .milliseconds(20), mixLoopInterval: .milliseconds(200))
        let epoch = parameters.schedule.epoch(at: clock.now)
        let linkKey = NoiseKey.generate()
        var (started, entries): ([MixNode], [Consensus.Node]) = ([], [])
        for number in 0...mixes {
            let path = "\(folder)/\(number)"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            let store = try MixKeyStore(folder: path)
            var options = MixNode.Options()
            options.threads = 1
            options.loss = loss
            options.serviceKey = number == mixes ? linkKey.publicKey : nil
            let node = try await MixNode.start(
                options, store: store, view: try MixNetworkView(parameters), at: clock.now)
            started.append(node)
            let signed = try store.descriptor(
                network: parameters.networkID, epoch: epoch, role: number == mixes ? .service : .mix,
                address: "127.0.0.1:\(node.port)", proof: nil, bandwidth: 1000)
            entries.append(
                Consensus.Node(
                    descriptor: signed.descriptor, layer: number == mixes ? nil : number % 3, bandwidth: 1000,
                    hasProvedDelays: true))
        }
        let identity = entries[mixes].descriptor.identity
        let made = Consensus(
            parameters: parameters, epoch: epoch, previous: .zero, random: .zero, voters: [],
            nodes: entries.sorted { $0.descriptor.identity < $1.descriptor.identity })
        for node in started { try await node.update(MixNetworkView(made), at: clock.now) }
        (nodes, consensus, source, self.linkKey) = (started, made, FixedNetwork(made), linkKey)
        service = try MixService(
            node: identity, secret: secret, linkKey: linkKey, over: source, to: endpoint, options: options, clock: clock
        )
        if isServing { await service.start() }
    }

    /// The service after its program was started anew: another life under the same keys.
    func serviceAgain(_ endpoint: any CarrierEndpoint) async throws -> MixService {
        await service.shutDown()
        let next = try MixService(
            node: service.address.node, secret: secret, linkKey: linkKey, over: source, to: endpoint, clock: clock)
        await next.start()
        return next
    }

    func carrier(_ change: (inout MixCarrier.Options) -> Void = { _ in }) throws -> MixCarrier {
        var options = MixCarrier.Options()
        change(&options)
        return try MixCarrier(to: service.address, over: source, options: options, clock: clock)
    }

    func end() async throws {
        await service.shutDown()
        for node in nodes { try await node.drain(limit: .seconds(1)) }
        try FileManager.default.removeItem(atPath: folder)
    }
}
