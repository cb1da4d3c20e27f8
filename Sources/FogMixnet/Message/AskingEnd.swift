package import FogCore

/// The end of an exchange that asks: sends the request and SURBs, and puts the answer together.
///
/// Pure: it is given what arrives, and asked for what is to leave whenever a packet may.
package struct AskingEnd: Sendable {
    /// Makes SURBs for the other end to answer with; none when no route can be had.
    package typealias SURBMaker = (_ count: Int) throws -> SURBBatch

    package enum Event: Hashable, Sendable {
        case answer([UInt8])
        case refused
    }

    package let exchange: ExchangeID
    private let surbsPerOffer: Int
    private let times: DeliveryTimes
    private var request: MessageSender
    private var answer: MessageReceiver?
    private var supply: SURBSupply
    /// Fragments that the other end asked SURBs for, before any fragment of the answer told more.
    private var asked = 0
    private var farewells = 0

    /// - Parameters:
    ///   - surbBytes: of one SURB of the network's suite.
    ///   - isResuming: the request was begun by an end that is gone.
    /// - Throws: `bad_frame` unless the message has a length that messages may have.
    package init(
        _ message: [UInt8], exchange: ExchangeID, surbBytes: Int, times: DeliveryTimes, isResuming: Bool = false,
        sequence: UInt32 = 0
    ) throws(MixnetFailure) {
        self.exchange = exchange
        self.times = times
        surbsPerOffer = SURBBatch.capacity(surbBytes: surbBytes)
        request = try MessageSender(
            message, of: exchange, isAnswer: false, times: times, isResuming: isResuming, sequence: sequence)
        supply = SURBSupply(times: times)
    }

    /// Whether the request has arrived whole, as far as is known.
    package var hasAsked: Bool { request.isDone || answer != nil }
    package var isDone: Bool { answer?.isWhole ?? false }
    /// Fragments of the request that were handed out.
    package var fragmentsSent: Int { request.sent }
    package var surbsOffered: Int { supply.offered }
    /// What became of fragments of the request, since the last call.
    package mutating func takeOutcomes() -> [MessageSender.Outcome] { request.takeOutcomes() }

    /// Tells the other end that no answer is wanted: the next packets say so.
    package mutating func cancel() { farewells = 3 }

    /// A node was found that swallowed packets: what it may have swallowed is made good at once, SURBs as well.
    package mutating func encourage() {
        request.encourage()
        supply.distrust()
    }

    // MARK: - Life

    /// The frame to send now; nil when there is nothing to say.
    /// - Parameter arriving: the share of packets that arrive, as far as is known.
    /// - Throws: what the maker throws.
    package mutating func next(
        at now: Timestamp, arriving: Double, making surbs: SURBMaker
    ) throws -> MessageFrame? {
        if farewells > 0 {
            farewells -= 1
            return ControlWord.cancel.frame(of: exchange, isAnswer: false)
        }
        if let word = answer?.word(at: now) {
            var frame = MessageFrame(.acknowledgement, isAnswer: true, exchange: exchange)
            frame.content = word.content
            return frame
        }
        guard !isDone else { return nil }
        if supply.wantsOffer(missing: answer?.missing ?? asked, arriving: arriving, at: now) {
            supply.offer(surbsPerOffer, at: now)
            return try surbs(surbsPerOffer).frame(of: exchange)
        }
        return hasAsked ? nil : request.next(at: now, arriving: arriving)
    }

    /// Takes a frame of the other end.
    /// - Returns: the answer, once.
    /// - Throws: `bad_frame` for what the other end does not say.
    package mutating func receive(_ frame: MessageFrame, at now: Timestamp) throws(MixnetFailure) -> Event? {
        supply.hear(stock: Int(frame.stock), at: now)
        switch (frame.kind, frame.isAnswer) {
        case (.data, true), (.parity, true):
            if answer == nil { answer = try MessageReceiver(length: Int(frame.length), wordDelay: times.oneWay) }
            let message = try answer?.take(frame, at: now)
            return message.map { .answer($0) }
        case (.acknowledgement, false):
            try request.receive(try Acknowledgement(content: frame.content), at: now)
            return nil
        case (.control, true):
            switch try ControlWord(frame) {
            case .needSURBs(let count): asked = min(Int(count), SURBStock.limit)
            case .refused: return .refused
            case .cancel, .done: throw MessageFrame.bad("the answering end does not say this")
            }
            return nil
        default: throw MessageFrame.bad("the answering end sends no \(frame.kind)")
        }
    }
}
