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
}
