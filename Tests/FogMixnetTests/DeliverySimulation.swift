import FogCore
import FogMixnet
import Glibc

/// An exchange between two ends over mixes that delay, links that lose and a mix that dies, in virtual time, with packets
/// that are only counted, or with real ones.
struct DeliverySimulation {
    struct Conditions {
        var requestBytes = 1 << 20
        var answerBytes = 1
        var hops = 5
        var mixes = 9
        var loss = 0.1
        var meanDelay = 0.05
        /// Packets that each end may send in a second.
        var rate = 100.0
        /// Loops of the asker in a second: they tell of the nodes.
        var loopRate = 5.0
        /// The mix that dies, and after how much of the fragments that the request needs.
        var killed: (mix: Int, afterFragments: Int)?
        /// When the asker is replaced by a new one that knows no more than the message.
        var restartAfterFragments: Int?
        var longest = TimeSpan.minutes(60)
        /// Of the packets; nil = none are made.
        var suite: PacketSuite?
    }

    struct Report {
        var isExact = false
        var fragmentsSent = 0
        var answerFragmentsSent = 0
        var surbsOffered = 0
        var packets = 0
        var seconds = 0.0
        var blamed: [Int] = []
        var leastStock = Int.max
    }

    private enum Event {
        case askerSlot, answererSlot, loopSlot
        case loopVerdict([Int], hasArrived: Bool)
        case arrival([UInt8], toAnswerer: Bool)
    }

    private var surbBytes: Int { (conditions.suite ?? .k400).surbBytes }
    private let conditions: Conditions
    private var generator: SeededGenerator
    private var queue = EventQueue<Double, Event>()
    private var clock = 0.0
    private var quality = RouteQuality()
    private var routes: [UInt32: [Int]] = [:]
    /// By the bytes of the SURB, or its number.
    private var surbRoutes: [[UInt8]: [Int]] = [:]
    private var isKilled = false
    private var report = Report()
    private var real: RealPackets?

    init(_ conditions: Conditions, seed: UInt64) {
        self.conditions = conditions
        generator = SeededGenerator(seed: seed)
    }

    private var now: Timestamp { Timestamp(microseconds: 1_000_000_000 + Int64(clock * 1e6)) }

    mutating func run() throws -> Report {
        real = try conditions.suite.map { try RealPackets($0, nodes: conditions.mixes) }
        let message = (0..<conditions.requestBytes).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
        let reply = (0..<conditions.answerBytes).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
        let times = DeliveryTimes(hops: conditions.hops, meanDelay: .milliseconds(Int64(conditions.meanDelay * 1000)))
        let exchange = ExchangeID(using: &generator)
        var asker = try AskingEnd(message, exchange: exchange, surbBytes: surbBytes, times: times)
        var answerer = AnsweringEnd(exchange: exchange, times: times, at: now)
        var sentBefore = 0
        var mayRestart = conditions.restartAfterFragments != nil
        push(0, .askerSlot)
        push(0, .loopSlot)
        push(0, .answererSlot)
        while let item = queue.pop(), item.at < conditions.longest.seconds {
            clock = item.at
            switch item.event {
            case .askerSlot:
                if let frame = try asker.next(at: now, arriving: quality.arriving, making: { try surbs($0) }) {
                    try leave(frame)
                }
                for outcome in asker.takeOutcomes() {
                    guard let route = routes.removeValue(forKey: outcome.sequence) else { continue }
                    learn(route, outcome.hasArrived, &asker)
                }
                if mayRestart, asker.fragmentsSent >= conditions.restartAfterFragments ?? 0 {
                    mayRestart = false
                    sentBefore = asker.fragmentsSent
                    asker = try AskingEnd(
                        message, exchange: exchange, surbBytes: surbBytes, times: times, isResuming: true,
                        sequence: UInt32(truncatingIfNeeded: generator.next()))
                }
                if let killed = conditions.killed, asker.fragmentsSent >= killed.afterFragments { isKilled = true }
                push(exponential(1 / conditions.rate), .askerSlot)
            case .loopSlot:
                let loop = route()
                report.packets += 1
                push(times.roundTrip.seconds, .loopVerdict(loop, hasArrived: transit(loop) != nil))
                push(exponential(1 / conditions.loopRate), .loopSlot)
            case .loopVerdict(let route, let hasArrived): learn(route, hasArrived, &asker)
            case .answererSlot:
                report.leastStock = min(report.leastStock, answerer.stock(at: now))
                if let departure = answerer.next(at: now) { try answer(departure) }
                push(exponential(1 / conditions.rate), .answererSlot)
            case .arrival(let bytes, toAnswerer: true):
                let read = try MessageFrame(bytes: bytes)
                if case .request(let bytes) = try answerer.receive(read, at: now) {
                    report.isExact = bytes == message
                    try answerer.answer(reply)
                }
            case .arrival(let bytes, toAnswerer: false):
                let read = try MessageFrame(bytes: bytes)
                if case .answer(let bytes) = try asker.receive(read, at: now) {
                    report.isExact = report.isExact && bytes == reply
                    report.seconds = clock
                    report.fragmentsSent = sentBefore + asker.fragmentsSent
                    report.answerFragmentsSent = answerer.fragmentsSent
                    report.surbsOffered = asker.surbsOffered
                    report.blamed = quality.blamed(at: now)
                    return report
                }
            }
        }
        report.isExact = false
        return report
    }

    // MARK: - The network

    private mutating func leave(_ frame: MessageFrame) throws {
        let route = route()
        if frame.kind == .data || frame.kind == .parity { routes[frame.sequence] = route }
        report.packets += 1
        guard let delay = transit(route) else { return }
        let bytes = try real.map { try $0.cross($0.forward(frame.bytes, along: route), along: route) }
        push(delay, .arrival(bytes ?? frame.bytes, toAnswerer: true))
    }

    private mutating func answer(_ departure: AnsweringEnd.Departure) throws {
        let route = try surbRoutes[real == nil ? Array(departure.surb.prefix(4)) : departure.surb].required()
        report.packets += 1
        guard let delay = transit(route) else { return }
        let frame = departure.frame.bytes
        let bytes = try real.map { try $0.cross($0.reply(frame, with: departure.surb), along: route) }
        push(delay, .arrival(bytes ?? frame, toAnswerer: false))
    }

    /// Seconds that a packet takes; nil for one that is lost.
    private mutating func transit(_ route: [Int]) -> Double? {
        var delay = 0.0
        for node in route {
            if generator.unit() < conditions.loss || (isKilled && node == conditions.killed?.mix) { return nil }
            delay += exponential(conditions.meanDelay)
        }
        return generator.unit() < conditions.loss ? nil : delay
    }

    private mutating func learn(_ route: [Int], _ hasArrived: Bool, _ asker: inout AskingEnd) {
        let verdicts = quality.verdicts
        quality.count(route, hasArrived: hasArrived, at: now)
        if quality.verdicts > verdicts { asker.encourage() }
    }

    /// Without packets a SURB is the number of its route.
    private mutating func surbs(_ count: Int) throws -> SURBBatch {
        let surbs = try (0..<count).map { _ in
            let route = route()
            let number = (0..<4).map { UInt8(truncatingIfNeeded: surbRoutes.count >> (24 - 8 * $0)) }
            let bytes = try real?.surb(along: route) ?? number + [UInt8](repeating: 0, count: surbBytes - 4)
            surbRoutes[real == nil ? number : bytes] = route
            return bytes
        }
        return SURBBatch(expires: now + .minutes(20), surbs: surbs)
    }

    /// Three layers, walked in turn; no mix twice.
    private mutating func route() -> [Int] {
        var route: [Int] = []
        for hop in 0..<conditions.hops {
            let layer = (0..<conditions.mixes).filter { $0 % 3 == hop % 3 && !route.contains($0) }
            let weights = layer.map { quality.weight(of: $0, at: now) }
            var draw = generator.unit() * weights.reduce(0, +)
            var place = 0
            while place < layer.count - 1, draw >= weights[place] {
                draw -= weights[place]
                place += 1
            }
            route.append(layer[place])
        }
        return route
    }

    // MARK: - Time

    private mutating func exponential(_ mean: Double) -> Double { -mean * log(1 - generator.unit()) }

    private mutating func push(_ after: Double, _ event: Event) { queue.push(event, at: clock + after) }
}

extension Optional {
    fileprivate func required() throws -> Wrapped {
        guard let self else { throw MixnetFailure("missing", "a SURB that nobody made") }
        return self
    }
}
