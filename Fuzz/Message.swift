import FogCore

@testable import FogMixnet

/// Frames that come out of packets, one after another as they lie, at both ends of exchanges: whatever they say, an end
/// refuses it or goes on, and holds no more than its bounds allow.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzMessage(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    let bytes = input(data, size)
    let times = DeliveryTimes(hops: 3, meanDelay: .milliseconds(50))
    var now = Timestamp(seconds: 1000)
    var answering = AnsweringEnd(exchange: ExchangeID(1), times: times, at: now)
    guard
        var asking = try? AskingEnd(
            [UInt8](repeating: 1, count: 3000), exchange: ExchangeID(1), surbBytes: 434, times: times),
        var sender = try? MessageSender(
            [UInt8](repeating: 1, count: 70_000), of: ExchangeID(1), isAnswer: false, times: times)
    else { return 0 }
    var place = 0
    while place < bytes.count {
        // A frame is long for a fuzzer: its header and what it likes of the content, the rest zeros.
        let count = min(Int(bytes[place]) + MessageFrame.headerBytes, bytes.count - place - 1)
        let part = Array(bytes[place + 1..<place + 1 + count])
        place += 1 + count
        let whole = part + [UInt8](repeating: 0, count: MessageFrame.byteCount - part.count)
        now = now + .milliseconds(50)
        guard let frame = try? MessageFrame(bytes: whole) else { continue }
        hold(frame.bytes == whole, "two forms of one frame")
        if let word = try? Acknowledgement(content: frame.content) {
            let padded = word.content + [UInt8](repeating: 0, count: MessageFrame.contentBytes - word.content.count)
            hold(padded == frame.content, "two forms of one acknowledgement")
            try? sender.receive(word, at: now)
        }
        if case .request = try? answering.receive(frame, at: now) { try? answering.answer([1, 2, 3]) }
        _ = try? asking.receive(frame, at: now)
        hold(answering.stock(at: now) <= SURBStock.limit, "more SURBs than are kept")
        _ = answering.next(at: now)
        _ = sender.next(at: now, arriving: 0.5)
        let batch = SURBBatch(expires: now + .minutes(1), surbs: [[UInt8](repeating: 1, count: 434)])
        _ = try? asking.next(at: now, arriving: 0.5) { _ in batch }
    }
    return 0
}

@_cdecl("LLVMFuzzerInitialize")
public func seedMessage(_ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    func part(_ frame: MessageFrame) -> [UInt8] { [120] + Array(frame.bytes.prefix(144)) }
    var data = MessageFrame(.data, isAnswer: false, exchange: ExchangeID(1))
    (data.length, data.count) = (932, 1)
    var answer = data
    answer.isAnswer = true
    var word = MessageFrame(.acknowledgement, isAnswer: false, exchange: ExchangeID(1))
    var fragments = FragmentSet()
    fragments.insert(2)
    word.content =
        Acknowledgement(
            base: 0, window: 8, latest: 3, received: 4, blocks: [.init(number: 1, fragments: fragments)]
        ).content
    let offer = SURBBatch(expires: Timestamp(seconds: 2000), surbs: [[1, 2], [3, 4]]).frame(of: ExchangeID(1))
    let words = [ControlWord.cancel, .done, .needSURBs(9), .refused].map {
        $0.frame(of: ExchangeID(1), isAnswer: $0 == .refused || $0 == .needSURBs(9))
    }
    for (number, frame) in ([data, answer, word, offer] + words).enumerated() {
        writeSeed("frame-\(number)", part(frame))
    }
    writeSeed("exchange", part(offer) + part(data) + part(word) + part(answer))
    return 0
}
