import FogCore
import FogMixnet
import Foundation
import Testing

/// What fuzzing the parsers of untrusted bytes found of ways through them, and one document of each kind that is well made.
///
/// A line of a file is one input in base64, in the form of its target in `Fuzz/`.
@Suite struct CorpusTests {
    private func inputs(_ name: String) throws -> [[UInt8]] {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Corpora")
        let text = try String(contentsOf: folder.appending(path: "\(name).txt"), encoding: .utf8)
        return try text.split(separator: "\n").map { Array(try #require(Data(base64Encoded: String($0)))) }
    }

    @Test("what is handed to an authority is refused, or read and written again byte for byte")
    func descriptors() throws {
        var kinds: Set<UInt8> = []
        for bytes in try inputs("descriptor") {
            guard let message = try? DirectoryMessage(bytes: bytes) else { continue }
            #expect(message.bytes == bytes)
            kinds.insert(bytes[0])
        }
        #expect(kinds == [1, 2, 3, 4, 5])
    }

    @Test("consensus documents and proofs are refused, or read and written again byte for byte")
    func consensus() throws {
        var kinds: Set<UInt8> = []
        for bytes in try inputs("consensus") {
            guard let kind = bytes.first.map({ $0 % 3 }) else { continue }
            let rest = Array(bytes.dropFirst())
            let written: [UInt8]? =
                switch kind {
                case 0: try? SignedConsensus(bytes: rest).bytes
                case 1: try? Consensus(bytes: rest).bytes
                default: try? Equivocation(bytes: rest).bytes
                }
            guard let written else { continue }
            #expect(written == rest)
            kinds.insert(kind)
        }
        #expect(kinds == [0, 1, 2])
    }

    @Test("what comes out of the mixnet whole is refused, or read, written and read again as the same")
    func carrierMessages() throws {
        var kinds: Set<UInt8> = []
        for bytes in try inputs("carrier") {
            guard let message = try? CarrierMessage(bytes: bytes) else { continue }
            let written = try message.bytes
            #expect(try CarrierMessage(bytes: written) == message && written.count == bytes.count)
            kinds.insert(bytes[0])
        }
        #expect(kinds == [0, 1, 2, 3])
    }

    @Test("frames one after another leave both ends of an exchange within their bounds")
    func messages() throws {
        let times = DeliveryTimes(hops: 3, meanDelay: .milliseconds(50))
        var kinds: Set<UInt8> = []
        for bytes in try inputs("message") {
            var now = Timestamp(seconds: 1000)
            var answering = AnsweringEnd(exchange: ExchangeID(1), times: times, at: now)
            var asking = try AskingEnd(
                [UInt8](repeating: 1, count: 3000), exchange: ExchangeID(1), surbBytes: 434, times: times)
            var place = 0
            while place < bytes.count {
                let count = min(Int(bytes[place]) + MessageFrame.headerBytes, bytes.count - place - 1)
                let part = Array(bytes[place + 1..<place + 1 + count])
                place += 1 + count
                now = now + .milliseconds(50)
                let whole = part + [UInt8](repeating: 0, count: MessageFrame.byteCount - part.count)
                guard let frame = try? MessageFrame(bytes: whole) else { continue }
                #expect(frame.bytes == whole)
                kinds.insert(frame.kind.rawValue)
                if case .request = try? answering.receive(frame, at: now) { try answering.answer([1, 2, 3]) }
                _ = try? asking.receive(frame, at: now)
                #expect(answering.stock(at: now) <= SURBStock.limit)
                _ = answering.next(at: now)
                let batch = SURBBatch(expires: now + .minutes(1), surbs: [[UInt8](repeating: 1, count: 434)])
                _ = try asking.next(at: now, arriving: 0.5) { _ in batch }
            }
        }
        #expect(kinds.isSuperset(of: [1, 3, 4, 7]))
    }

    @Test("packets are refused unchanged, or lead where their maker sent them; SURBs have one form")
    func packets() throws {
        let key = try MixKey(secret: [UInt8](repeating: 1, count: 32), epoch: 3)
        var taken: Set<String> = []
        for bytes in try inputs("packet") {
            let suite: PacketSuite = bytes[0] % 2 == 0 ? .k400 : .s176
            var packet = Array(bytes.dropFirst().prefix(suite.packetBytes))
            packet += [UInt8](repeating: 0, count: suite.packetBytes - packet.count)
            let before = packet
            let result = packet.withUnsafeMutableBufferPointer { buffer in
                buffer.baseAddress.map { HopProcessor(suite: suite).process($0, with: key) }
            }
            if case .success(let outcome)? = result {
                #expect(outcome == .final || outcome == .forward(2))
                taken.insert("\(suite) \(outcome)")
            } else {
                #expect(packet.prefix(suite.headerBytes) == before.prefix(suite.headerBytes))
            }
            let offered = Array(bytes.dropFirst())
            if let surb = try? SURB(bytes: offered, suite: suite) { #expect(surb.bytes == offered) }
        }
        #expect(taken == ["fog-k400 forward(2)", "fog-s176 forward(2)"])
    }

    @Test("what another did not write is no part of a handshake, and no frame")
    func frames() throws {
        let prologue = LinkFrame.prologue(network: .zero, suite: .k400)
        func key(_ byte: UInt8) throws -> NoiseKey { try NoiseKey(secret: [UInt8](repeating: byte, count: 32)) }
        var kinds: Set<UInt8> = []
        for bytes in try inputs("frame") {
            let rest = Array(bytes.dropFirst())
            kinds.insert(bytes[0] % 5)
            var asking = NoiseHandshake(.initiator, key: try key(1), prologue: prologue)
            var node = NoiseHandshake(.responder, key: try key(2), prologue: prologue)
            let hello = try asking.write()
            switch bytes[0] % 5 {
            case 0: if (try? node.read(rest)) != nil { #expect(node.theirKey == nil) }
            case 1: #expect(throws: (any Error).self) { try asking.read(rest) }
            case 2:
                _ = try node.read(hello)
                _ = try node.write()
                #expect(throws: (any Error).self) { try node.read(rest) }
            case 3:
                _ = try node.read(hello)
                _ = try asking.read(try node.write())
                _ = try node.read(try asking.write())
                let count = LinkFrame.byteCount(.k400)
                var frame = Array(rest.prefix(count)) + [UInt8](repeating: 0, count: max(0, count - rest.count))
                var receive = node.split().receive
                let isTaken = frame.withUnsafeMutableBufferPointer { buffer in
                    buffer.baseAddress.map { receive.open($0, count: count - LinkCipher.tagBytes) } ?? false
                }
                #expect(!isTaken)
            default:
                let ids = rest.withUnsafeBufferPointer { LinkFrame.registered($0) } ?? []
                #expect(ids.allSatisfy { $0.count == 16 } && ids.count * 16 <= rest.count)
            }
        }
        #expect(kinds == [0, 1, 2, 3, 4])
    }
}
