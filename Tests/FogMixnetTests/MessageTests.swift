import FogCore
import FogMixnet
import Testing

@Suite struct MessageTests {
    private static let times = DeliveryTimes(hops: 3, meanDelay: .milliseconds(50))
    private static let start = Timestamp(seconds: 1_000)

    private static func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
        var generator = SeededGenerator(seed: seed)
        return (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    }

    @Test(
        "a message is cut and put together again at every length where its layout changes",
        arguments: [
            1, 931, 932, 933, 932 * 64, 932 * 64 + 1, 932 * 65, 932 * 128, 932 * 129 - 1, 200_000,
        ])
    func everyLength(_ length: Int) throws {
        let message = Self.bytes(length, seed: 3)
        var sender = try MessageSender(message, of: ExchangeID(7), isAnswer: false, times: Self.times)
        var receiver = try MessageReceiver(length: length)
        var now = Self.start
        var whole: [UInt8]?
        var fragments = 0
        while whole == nil {
            now = now + .milliseconds(10)
            if let word = receiver.word(at: now) { try sender.receive(word, at: now) }
            guard let frame = sender.next(at: now, arriving: 0.99) else { continue }
            fragments += 1
            let read = try MessageFrame(bytes: frame.bytes)
            #expect(read.bytes == frame.bytes)
            whole = try receiver.take(read, at: now)
        }
        #expect(whole == message)
        #expect(fragments <= receiver.layout.fragments + 2 * receiver.layout.blocks)
        let last = receiver.word(at: now)
        try sender.receive(try #require(last), at: now)
        #expect(sender.isDone)
        #expect(sender.next(at: now + .hours(1), arriving: 0.99) == nil)
    }

    @Test("any sixty-four of a block's fragments give it back, and sixty-three do not")
    func anyFragments() throws {
        let message = Self.bytes(932 * 64, seed: 5)
        var sender = try MessageSender(message, of: ExchangeID(7), isAnswer: false, times: Self.times)
        // So few are said to arrive that all 255 leave at once.
        let frames = (0..<255).compactMap { _ in sender.next(at: Self.start, arriving: 0.05) }
        #expect(frames.count == 255)
        #expect(Set(frames.map(\.index)).count == 255)
        var generator = SeededGenerator(seed: 11)
        for _ in 0..<3 {
            var receiver = try MessageReceiver(length: message.count)
            let chosen = frames.shuffled(using: &generator).prefix(64)
            for frame in chosen.dropLast() { #expect(try receiver.take(frame, at: Self.start) == nil) }
            #expect(receiver.missing == 1)
            #expect(try receiver.take(chosen[63], at: Self.start) == message)
        }
    }

    @Test("a receiver takes blocks of its window only, and each fragment once")
    func window() throws {
        let blocks = MessageReceiver.windowLimit + 2
        var receiver = try MessageReceiver(length: 932 * 64 * blocks)
        var frame = MessageFrame(.data, isAnswer: false, exchange: ExchangeID(1))
        frame.length = UInt32(932 * 64 * blocks)
        frame.count = 64
        frame.block = UInt16(MessageReceiver.windowLimit)
        #expect(try receiver.take(frame, at: Self.start) == nil)
        #expect(receiver.received == 0)
        frame.block = UInt16(MessageReceiver.windowLimit - 1)
        for _ in 0..<2 { #expect(try receiver.take(frame, at: Self.start) == nil) }
        #expect(receiver.missing == 64 * blocks - 1)
    }

    @Test("word of as many blocks as may be told fills no more than a frame")
    func longestWord() throws {
        let blocks = (0..<UInt16(Acknowledgement.blocksLimit)).map { number in
            Acknowledgement.Block(number: number, fragments: FragmentSet())
        }
        let word = Acknowledgement(base: 0, window: 8, latest: 1, received: 1, blocks: blocks)
        var frame = MessageFrame(.acknowledgement, isAnswer: false, exchange: ExchangeID(1))
        frame.content = word.content
        #expect(try Acknowledgement(content: MessageFrame(bytes: frame.bytes).content).blocks == blocks)
    }

    @Test("a sender stays within the window that the receiver gives")
    func backPressure() throws {
        let message = Self.bytes(932 * 64 * 4, seed: 6)
        var sender = try MessageSender(message, of: ExchangeID(7), isAnswer: false, times: Self.times)
        try sender.receive(
            Acknowledgement(base: 0, window: 1, latest: 0, received: 0, blocks: []), at: Self.start)
        var blocks: Set<UInt16> = []
        while let frame = sender.next(at: Self.start, arriving: 0.9) { blocks.insert(frame.block) }
        #expect(blocks == [0])
        try sender.receive(
            Acknowledgement(base: 1, window: 2, latest: 0, received: 0, blocks: []), at: Self.start)
        while let frame = sender.next(at: Self.start, arriving: 0.9) { blocks.insert(frame.block) }
        #expect(blocks == [0, 1, 2])
    }

    @Test("frames that no end writes are refused")
    func badFrames() throws {
        var frame = MessageFrame(.data, isAnswer: false, exchange: ExchangeID(1))
        frame.length = 932 * 65
        frame.count = 33
        let good = frame.bytes
        _ = try MessageFrame(bytes: good)
        // kind, flags, block, index, count, length: each where it cannot be.
        for (place, value) in [(0, 0), (0, 8), (1, 2), (10, 1), (11, 2), (12, 33), (13, 34), (14, 255), (16, 0)] {
            var bad = good
            bad[place] = UInt8(value)
            #expect(throws: MixnetFailure.self, "byte \(place) as \(value)") { try MessageFrame(bytes: bad) }
        }
        #expect(throws: MixnetFailure.self) { try MessageFrame(bytes: Array(good.dropLast())) }
        var offer = SURBBatch(expires: Self.start, surbs: [[1, 2], [3, 4]]).frame(of: ExchangeID(1))
        #expect(try SURBBatch(offer).surbs == [[1, 2], [3, 4]])
        offer.count = 255
        offer.length = 932
        #expect(throws: MixnetFailure.self) { try SURBBatch(offer) }
    }

    @Test("the last SURBs are kept for words that must get through, and expired ones are none")
    func stock() {
        var stock = SURBStock()
        let surbs = (0..<5).map { [UInt8($0)] }
        stock.add(SURBBatch(expires: Self.start + .minutes(1), surbs: surbs), at: Self.start)
        #expect(stock.take(isControl: false, at: Self.start) == [4])
        #expect(stock.take(isControl: false, at: Self.start) == [3])
        #expect(stock.take(isControl: false, at: Self.start) == nil)
        #expect(stock.take(isControl: true, at: Self.start) == [2])
        #expect(stock.count(at: Self.start) == 2)
        #expect(stock.take(isControl: true, at: Self.start + .minutes(1)) == nil)
    }

    @Test("Erlang's quantiles are those of tables")
    func quantiles() {
        // Half the chi-squared quantiles with twice the degrees of freedom.
        for (stages, probability, value) in [(1, 0.99, 4.6052), (5, 0.99, 11.6046), (10, 0.999, 22.6574)] {
            #expect(abs(DeliveryTimes.erlangQuantile(probability, stages: stages) - value) < 0.001)
        }
    }
}
