package import FogCore

/// Sends one message: decides, each time a packet may leave, which fragment goes next, if any.
///
/// Of each open block as many fragments are kept under way as let its data arrive by what is known of losses: first the
/// data, then parity that was not sent before, and when all 255 fragments of a block were sent, the missing ones again. So
/// correction ahead and repetition are one rule. A fragment counts as lost when one that was sent later by more than the
/// spread of delays has arrived (as RFC 8985 has it for TCP), or by a timer when nothing is heard at all.
///
/// What is sent again is a new packet, with new keys and a route of its own: the layers below see to that.
package struct MessageSender: Sendable {
    /// What became of a fragment: told once for each, for the estimates of losses and of nodes.
    package struct Outcome: Hashable, Sendable {
        package let sequence: UInt32
        package let hasArrived: Bool
    }

    /// Fragments under way at once, over all blocks.
    package static let flightLimit = 1024
    /// Blocks that are open before the receiver has said how many it takes.
    private static let firstWindow = 8
    /// Standard deviations of the arrivals that are sent on top.
    private static let margin = 1.0
    /// Fragments that ask for a word of the receiver when there is none.
    private static let probes = 4
    private static let longestWait = TimeSpan.seconds(60)

    private struct Flight {
        let sequence: UInt32
        let block: Int
        let index: Int
        let sentAt: Timestamp
        var hasArrived = false
    }

    private struct Block {
        var acknowledged = FragmentSet()
        /// Fragments that were sent once.
        var used = 0
        var flying = 0
    }

    package let exchange: ExchangeID
    package let isAnswer: Bool
    package let layout: MessageLayout
    private let message: [UInt8]
    private let times: DeliveryTimes
    private var blocks: [Int: Block] = [:]
    /// In the order of sending.
    private var flights: [Flight] = []
    private var base = 0
    private var window = Self.firstWindow
    private var sequence: UInt32
    /// The time of sending of the newest fragment known to have arrived.
    private var newestArrival: Timestamp?
    private var heardAt: Timestamp?
    /// Since when something is under way that nothing was heard of.
    private var waitingSince: Timestamp?
    private var probed = 0
    private var probedAt: Timestamp?
    private var silences = 0
    /// Whether the receiver may have parts of the message already, from a sender that is gone.
    private var isResuming: Bool
    private var outcomes: [Outcome] = []
    /// Fragments handed out so far.
    package private(set) var sent = 0

    /// - Parameters:
    ///   - isResuming: the message was begun by a sender that is gone: the receiver is asked what it has first.
    ///   - sequence: where the numbers of fragments begin; a resumed message takes another one at random.
    package init(
        _ message: [UInt8], of exchange: ExchangeID, isAnswer: Bool, times: DeliveryTimes, isResuming: Bool = false,
        sequence: UInt32 = 0
    ) throws(MixnetFailure) {
        layout = try MessageLayout(length: message.count)
        self.message = message
        self.exchange = exchange
        self.isAnswer = isAnswer
        self.times = times
        self.isResuming = isResuming
        self.sequence = sequence
    }

    /// Whether the receiver has the whole message.
    package var isDone: Bool { base == layout.blocks }

    /// What became known since the last call.
    package mutating func takeOutcomes() -> [Outcome] {
        defer { outcomes = [] }
        return outcomes
    }

    // MARK: - Sending

    /// The fragment to send now; nil when enough is under way.
    /// - Parameter arriving: the share of packets that arrive, as far as is known.
    package mutating func next(at now: Timestamp, arriving: Double) -> MessageFrame? {
        guard !isDone else { return nil }
        forget(at: now)
        let isUnheard = (waitingSince.map { $0 + times.roundTrip + times.roundTrip <= now } ?? false)
        if !isUnheard, !isResuming || heardAt != nil, flights.count < Self.flightLimit {
            for number in base..<min(base + window, layout.blocks) where needsMore(number, arriving) {
                return depart(number, at: now)
            }
        }
        return mayProbe(at: now) ? depart(probedBlock, at: now) : nil
    }

    /// The ways are better than they were: what was lost is sent again at once.
    package mutating func encourage() { (silences, probedAt, probed) = (0, nil, 0) }

    private func needsMore(_ number: Int, _ share: Double) -> Bool {
        let block = blocks[number] ?? Block()
        let missing = layout.fragments(of: number) - block.acknowledged.count
        guard missing > 0 else { return false }
        let arriving = Double(block.flying) * share
        let spread = (arriving * (1 - share)).squareRoot()
        return arriving < Double(missing) + Self.margin * spread
    }

    /// When nobody has spoken for as long as an answer takes: a few fragments, then patience.
    private mutating func mayProbe(at now: Timestamp) -> Bool {
        let wait = min(times.roundTrip * Int64(1 << min(silences, 8)), Self.longestWait)
        if let probedAt {
            guard probedAt + wait <= now else { return false }
        } else if let waitingSince {
            guard waitingSince + wait <= now else { return false }
        }
        probed += 1
        if probed == Self.probes {
            (probed, probedAt) = (0, now)
            silences += 1
        }
        return true
    }

    /// The first block that is not whole, as far as is known.
    private var probedBlock: Int {
        (base..<layout.blocks).first { layout.fragments(of: $0) > (blocks[$0]?.acknowledged.count ?? 0) } ?? base
    }

    private mutating func depart(_ number: Int, at now: Timestamp) -> MessageFrame {
        var block = blocks[number] ?? Block()
        let data = layout.fragments(of: number)
        let index = nextIndex(number, block)
        block.used += 1
        block.flying += 1
        blocks[number] = block
        sequence &+= 1
        sent += 1
        if waitingSince == nil { waitingSince = now }
        flights.append(Flight(sequence: sequence, block: number, index: index, sentAt: now))
        var frame = MessageFrame(index < data ? .data : .parity, isAnswer: isAnswer, exchange: exchange)
        frame.block = UInt16(number)
        frame.index = UInt8(index)
        frame.count = UInt8(data)
        frame.length = UInt32(message.count)
        frame.sequence = sequence
        frame.content =
            index < data
            ? fragment(layout.start(of: number) + index)
            : ErasureCode(dataCount: data).parity(
                index, of: (0..<data).map { fragment(layout.start(of: number) + $0) })
        return frame
    }

    /// One that was not sent yet, or in turn one of which nothing is known.
    private func nextIndex(_ number: Int, _ block: Block) -> Int {
        let limit = ErasureCode.fragmentsLimit
        if block.used < limit, !block.acknowledged.contains(block.used) { return block.used }
        let start = block.used % limit
        return (0..<limit).lazy.map { (start + $0) % limit }.first { !block.acknowledged.contains($0) } ?? start
    }

    private func fragment(_ number: Int) -> [UInt8] {
        let bytes = Array(message[layout.range(ofFragment: number)])
        return bytes + [UInt8](repeating: 0, count: MessageFrame.contentBytes - bytes.count)
    }

    // MARK: - Hearing

    /// - Throws: `bad_frame` for a word about blocks that the message does not have.
    package mutating func receive(_ word: Acknowledgement, at now: Timestamp) throws(MixnetFailure) {
        guard word.base <= layout.blocks, word.blocks.last.map({ $0.number < layout.blocks }) ?? true else {
            throw MessageFrame.bad("an acknowledgement of block \(word.base) of \(layout.blocks)")
        }
        heardAt = now
        (waitingSince, silences, probedAt, probed) = (nil, 0, nil, 0)
        window = Int(word.window)
        base = max(base, Int(word.base))
        for told in word.blocks {
            let number = Int(told.number)
            var block = blocks[number] ?? Block()
            block.acknowledged.formUnion(told.fragments)
            blocks[number] = block
        }
        for place in flights.indices where !flights[place].hasArrived {
            let flight = flights[place]
            guard blocks[flight.block]?.acknowledged.contains(flight.index) == true else { continue }
            flights[place].hasArrived = true
            blocks[flight.block]?.flying -= 1
        }
        if let latest = flights.first(where: { $0.sequence == word.latest }) {
            newestArrival = max(newestArrival ?? latest.sentAt, latest.sentAt)
        }
        judge()
        for number in blocks.keys where number < base && blocks[number]?.flying == 0 { blocks[number] = nil }
    }

    /// Closes the account of what was sent so long before something that has arrived that it is lost, if not here.
    private mutating func judge() {
        guard let newestArrival else { return }
        let limit = newestArrival - times.oneWay
        let judged = flights.prefix { $0.sentAt <= limit }
        for flight in judged {
            outcomes.append(Outcome(sequence: flight.sequence, hasArrived: flight.hasArrived))
            if !flight.hasArrived { blocks[flight.block]?.flying -= 1 }
        }
        flights.removeFirst(judged.count)
        if outcomes.count > Self.flightLimit { outcomes.removeFirst(outcomes.count - Self.flightLimit) }
    }

    /// Counts on nothing any more of which the receiver should have spoken when it spoke last. While it says nothing at
    /// all, nothing is known, and sending more of everything would help nobody.
    private mutating func forget(at now: Timestamp) {
        guard let heardAt else { return }
        let limit = min(heardAt, now - times.roundTrip) - times.roundTrip
        guard let first = flights.first, first.sentAt <= limit else { return }
        let old = flights.prefix { $0.sentAt <= limit }
        for flight in old where !flight.hasArrived { blocks[flight.block]?.flying -= 1 }
        flights.removeFirst(old.count)
    }
}
