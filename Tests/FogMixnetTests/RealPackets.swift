import FogCore
import FogMixnet

/// Real packets for a simulation: made by senders, opened hop by hop with the nodes' keys, as a network would.
final class RealPackets {
    let suite: PacketSuite
    private let keys: [MixKey]
    private let processor: HopProcessor
    private var vault = SURBVault()
    private let service: MixKey
    private static let epoch: UInt64 = 5

    init(_ suite: PacketSuite, nodes: Int) throws {
        self.suite = suite
        keys = try (0..<nodes).map { _ in try MixKey.generate(epoch: Self.epoch) }
        processor = HopProcessor(suite: suite)
        service = try MixKey.generate(epoch: 0)
    }

    private var maker: PacketMaker { PacketMaker(suite: suite, epoch: Self.epoch) }

    private func hops(_ route: [Int]) throws -> [Hop] {
        try route.map { try Hop(index: UInt16($0), publicKey: keys[$0].publicKey) }
    }

    func forward(_ frame: [UInt8], along route: [Int]) throws -> [UInt8] {
        let body = try FrameSeal.seal(MessageFrame(bytes: frame), to: .lasting(service.publicKey))
        return try maker.forward(body, along: hops(route)).bytes
    }

    func surb(along route: [Int]) throws -> [UInt8] {
        let (surb, secrets) = try maker.surb(along: hops(route))
        guard vault.keep(secrets) else { throw MixnetFailure("full", "too many SURBs are out") }
        return surb.bytes
    }

    /// The first node of a SURB's route, and the reply as a packet.
    func reply(_ frame: [UInt8], with surb: [UInt8]) throws -> [UInt8] {
        try SURB(bytes: surb, suite: suite).packet(frame + [UInt8](repeating: 0, count: FrameSeal.overhead))
    }

    /// Opens a packet at the nodes of a route; the frame that comes out of it for who awaits it.
    /// - Throws: when a node refuses it, or sends it elsewhere.
    func cross(_ packet: [UInt8], along route: [Int]) throws -> [UInt8] {
        var packet = packet
        for (place, node) in route.enumerated() {
            let result = packet.withUnsafeMutableBufferPointer { buffer in
                buffer.baseAddress.map { processor.process($0, with: keys[node]) }
            }
            let wanted: HopOutcome = place + 1 == route.count ? .final : .forward(UInt16(route[place + 1]))
            guard case .success(let outcome)? = result, outcome == wanted else {
                throw MixnetFailure("lost", "node \(node) did \(String(describing: result)) instead of \(wanted)")
            }
        }
        var id = [UInt8](repeating: 0, count: PacketSuite.surbIDBytes)
        id.withUnsafeMutableBufferPointer { $0.baseAddress.map { processor.copySURBID(to: $0) } }
        let payload = Array(packet.suffix(PacketSuite.payloadBytes))
        let frame =
            id.allSatisfy { $0 == 0 }
            ? Payload.body(of: payload).flatMap { FrameSeal.open($0, id: ServiceKey.lastingID, with: service)?.bytes }
            : vault.take(id, payload).map { Array($0.prefix(MessageFrame.byteCount)) }
        guard let frame else { throw MixnetFailure("lost", "a payload was changed on its way") }
        return frame
    }
}
