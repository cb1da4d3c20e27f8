import FogCore
import FogMixnet

/// Packets: the first byte chooses the suite, what follows is the packet as it would come from a link, cut or filled with
/// zeros. Only a header that a sender made for this node may be taken, whatever its payload.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzPacket(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    let bytes = input(data, size)
    guard let first = bytes.first else { return 0 }
    let well = first % 2 == 0 ? Well.k400 : Well.s176
    let suite = well.suite
    var packet = Array(bytes.dropFirst().prefix(suite.packetBytes))
    packet += [UInt8](repeating: 0, count: suite.packetBytes - packet.count)
    let header = Array(packet.prefix(suite.headerBytes))
    let result = packet.withUnsafeMutableBufferPointer { buffer in
        buffer.baseAddress.map { well.processor.process($0, with: well.key) }
    }
    if case .success(let outcome)? = result {
        hold(well.headers.contains(header), "a header that nobody made was taken: \(Hex.encode(header))")
        hold(outcome == .final || outcome == .forward(2), "the route led elsewhere: \(outcome)")
    } else {
        hold(Array(packet.prefix(suite.headerBytes)) == header, "a refused packet was changed")
    }
    let body = Payload.body(of: packet.suffix(PacketSuite.payloadBytes))
    hold(body == nil || body?.count == PacketSuite.bodyBytes, "a body has another length")
    // The same bytes as a SURB somebody offers.
    let offered = Array(bytes.dropFirst())
    if let surb = try? SURB(bytes: offered, suite: suite) {
        hold(surb.bytes == offered, "a SURB has two forms: \(Hex.encode(offered))")
        let reply = try? surb.packet([UInt8](repeating: 0, count: PacketSuite.bodyBytes))
        hold(reply?.count == suite.packetBytes, "a reply has another length")
    }
    return 0
}

/// A node, and packets that were made for it.
private struct Well {
    let suite: PacketSuite
    let key: MixKey
    let processor: HopProcessor
    let packets: [[UInt8]]
    let surb: [UInt8]
    let headers: [[UInt8]]

    nonisolated(unsafe) static let k400 = Well(.k400)
    nonisolated(unsafe) static let s176 = Well(.s176)

    private init(_ suite: PacketSuite) {
        let body = [UInt8](repeating: 7, count: PacketSuite.bodyBytes)
        func secrets(_ hops: Int) throws -> HeaderSecrets {
            let ephemerals = (0..<(suite == .s176 ? 1 : hops)).map { [UInt8](repeating: UInt8($0 + 9), count: 32) }
            return try HeaderSecrets(
                suite: suite, hops: hops, ephemerals: ephemerals, pad: [UInt8](repeating: 5, count: suite.slotsBytes))
        }
        guard let key = try? MixKey(secret: [UInt8](repeating: 1, count: 32), epoch: 3),
            let far = try? MixKey(secret: [UInt8](repeating: 2, count: 32), epoch: 3),
            let here = try? Hop(index: 1, publicKey: key.publicKey),
            let there = try? Hop(index: 2, publicKey: far.publicKey),
            let last = try? PacketMaker(suite: suite, epoch: 3).forward(body, along: [here], secrets: secrets(1)),
            let onward = try? PacketMaker(suite: suite, epoch: 3)
                .forward(body, along: [here, there], secrets: secrets(2)),
            let reply = try? PacketMaker(suite: suite, epoch: 3).surb(
                along: [here, there], id: [UInt8](repeating: 4, count: 16), key: [UInt8](repeating: 6, count: 32),
                secrets: secrets(2)),
            let replied = try? reply.surb.packet(body)
        else { fatalError("no packets") }
        self.suite = suite
        self.key = key
        processor = HopProcessor(suite: suite)
        packets = [last.bytes, onward.bytes, replied]
        surb = reply.surb.bytes
        headers = packets.map { Array($0.prefix(suite.headerBytes)) }
    }
}

@_cdecl("LLVMFuzzerInitialize")
public func seedPacket(_ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    for (first, well) in [(UInt8(0), Well.k400), (1, Well.s176)] {
        for (number, packet) in well.packets.enumerated() { writeSeed("\(well.suite)-\(number)", [first] + packet) }
        writeSeed("\(well.suite)-surb", [first] + well.surb)
    }
    return 0
}
