package import FogCore

/// The end of an exchange that answers, to somebody of whom it knows nothing but SURBs.
package struct AnsweringEnd: Sendable {
    package enum Event: Hashable, Sendable {
        case request([UInt8])
        /// The other end wants no answer.
        case cancelled
        /// The other end has the whole answer.
        case done
    }

    /// A frame and the SURB to send it with.
    package struct Departure: Hashable, Sendable {
        package let frame: MessageFrame
        package let surb: [UInt8]
    }

    package let exchange: ExchangeID
    private let times: DeliveryTimes
    private var request: MessageReceiver?
    private var answer: MessageSender?
    private var stock = SURBStock()
    private var losses = LossEstimate()
    private var complainedAt: Timestamp?
    private var isRefusing = false
    /// When something of the other end arrived last.
    package private(set) var heardAt: Timestamp

    package init(exchange: ExchangeID, times: DeliveryTimes, at now: Timestamp) {
        self.exchange = exchange
        self.times = times
        heardAt = now
    }

    /// Bytes that the request takes in memory at most, as soon as its length is known.
    package var requestLength: Int { request?.layout.length ?? 0 }
    package var fragmentsSent: Int { answer?.sent ?? 0 }
    package var isDone: Bool { answer?.isDone ?? false }
    package func stock(at now: Timestamp) -> Int { stock.count(at: now) }

    /// Says what the other end asked for.
    /// - Throws: `bad_frame` unless the message has a length that messages may have.
    package mutating func answer(_ message: [UInt8], sequence: UInt32 = 0) throws(MixnetFailure) {
        answer = try MessageSender(message, of: exchange, isAnswer: true, times: times, sequence: sequence)
    }

    /// Says that the request is not taken.
    package mutating func refuse() {
        isRefusing = true
        request = nil
    }

    // MARK: - Life

    /// Takes a frame of the other end.
    /// - Throws: `bad_frame` for what the other end does not say.
    package mutating func receive(_ frame: MessageFrame, at now: Timestamp) throws(MixnetFailure) -> Event? {
        heardAt = now
        switch (frame.kind, frame.isAnswer) {
        case (.data, false), (.parity, false):
            guard !isRefusing else { return nil }
            if request == nil { request = try MessageReceiver(length: Int(frame.length), wordDelay: times.oneWay) }
            let message = try request?.take(frame, at: now)
            return message.map { .request($0) }
        case (.surbOffer, false):
            stock.add(try SURBBatch(frame), at: now)
            return nil
        case (.acknowledgement, true):
            guard var sender = answer else { throw MessageFrame.bad("nothing was answered yet") }
            try sender.receive(try Acknowledgement(content: frame.content), at: now)
            for outcome in sender.takeOutcomes() { losses.count(arrived: outcome.hasArrived) }
            answer = sender
            return sender.isDone ? .done : nil
        case (.control, false):
            switch try ControlWord(frame) {
            case .cancel: return .cancelled
            case .done: return .done
            case .needSURBs, .refused: throw MessageFrame.bad("the asking end does not say this")
            }
        default: throw MessageFrame.bad("the asking end sends no \(frame.kind)")
        }
    }

    /// What is to leave now; nil when there is nothing to say, or nothing to say it with.
    package mutating func next(at now: Timestamp) -> Departure? {
        if isRefusing {
            return depart(ControlWord.refused.frame(of: exchange, isAnswer: true), isControl: true, at: now)
        }
        if let wordAt = request?.wordAt, wordAt <= now, stock.count(at: now) > 0, let word = request?.word(at: now) {
            var frame = MessageFrame(.acknowledgement, isAnswer: false, exchange: exchange)
            frame.content = word.content
            return depart(frame, isControl: true, at: now)
        }
        guard answer != nil else { return nil }
        guard stock.count(at: now) > SURBStock.reserve else { return complain(at: now) }
        return answer?.next(at: now, arriving: losses.arriving).flatMap { depart($0, isControl: false, at: now) }
    }

    /// Asks for SURBs with one of the last, not more often than an answer takes.
    private mutating func complain(at now: Timestamp) -> Departure? {
        guard let answer, !answer.isDone, complainedAt.map({ $0 + times.roundTrip <= now }) ?? true else { return nil }
        let needed = min(answer.layout.fragments, SURBStock.limit)
        guard
            let departure = depart(
                ControlWord.needSURBs(UInt16(needed)).frame(of: exchange, isAnswer: true), isControl: true, at: now)
        else { return nil }
        complainedAt = now
        return departure
    }

    private mutating func depart(_ frame: MessageFrame, isControl: Bool, at now: Timestamp) -> Departure? {
        guard let surb = stock.take(isControl: isControl, at: now) else { return nil }
        var frame = frame
        frame.stock = UInt16(stock.count(at: now))
        return Departure(frame: frame, surb: surb)
    }
}
