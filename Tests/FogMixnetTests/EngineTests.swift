import FogCore
import FogMixnet
import Foundation
import Testing

@Suite("Mix engine")
struct EngineTests {
    static func keys(_ key: MixKey) throws -> EpochKeys {
        EpochKeys(key: key, draw: DelayDraw(output: try VRFKey.generate().prove([1]).output), replays: ReplaySet())
    }

    /// Puts packets into an engine at a time.
    static func feed(_ engine: MixEngine, _ packets: [[UInt8]], at now: Int64) {
        for packet in packets {
            guard let buffer = engine.take() else { continue }
            engine.packet(in: buffer).update(from: packet, count: packet.count)
            engine.accept(buffer, at: now)
        }
        engine.process(at: now)
    }

    /// Everything that leaves until a time, with the time.
    static func drain(_ engine: MixEngine, until end: Int64) -> [(time: Int64, next: UInt16?, payload: [UInt8])] {
        var out: [(time: Int64, next: UInt16?, payload: [UInt8])] = []
        while let time = engine.next, time <= end {
            guard let departure = engine.departure(at: time) else { break }
            switch departure {
            case .forward(let buffer, let next):
                out.append((time, next, []))
                engine.pool.give(back: buffer)
            case .delivery(let buffer):
                out.append((time, nil, engine.delivery(in: buffer).payload))
                engine.pool.give(back: buffer)
            }
        }
        return out
    }

    @Test(
        "each packet leaves once, by its own delay; a replay and a changed one do not", arguments: PacketSuite.allCases)
    func once(suite: PacketSuite) throws {
        let route = try TestRoute(suite: suite, hops: 2)
        let engine = MixEngine(suite: suite, meanDelay: 50_000_000)
        engine.use([try Self.keys(route.keys[0])]) { _ in nil }
        let body = SecureRandom.bytes(PacketSuite.bodyBytes)
        let packets = try (0..<300).map { _ in try route.maker.forward(body, along: route.hops).bytes }
        Self.feed(engine, packets, at: 0)
        var changed = packets[0]
        changed[60] ^= 1
        Self.feed(engine, [packets[7], changed, packets[299]], at: 1)
        #expect(engine.waiting == 300)
        #expect(engine.counters.dropped == [.replayed: 2, .badMAC: 1])
        let out = Self.drain(engine, until: 100 * 50_000_000)
        #expect(out.count == 300 && out.allSatisfy { $0.next == route.hops[1].index })
        #expect(Set(out.map(\.time)).count == 300)
        #expect(engine.pool.used == 0)
        #expect(engine.counters.received == 303 && engine.counters.forwarded == 300)
    }

    @Test("a route's end delivers the body, or the reply with its SURB's id", arguments: PacketSuite.allCases)
    func deliveries(suite: PacketSuite) throws {
        let route = try TestRoute(suite: suite, hops: 1)
        let engine = MixEngine(suite: suite, meanDelay: 1)
        engine.use([try Self.keys(route.keys[0])]) { _ in nil }
        let body = SecureRandom.bytes(PacketSuite.bodyBytes)
        let (surb, secrets) = try route.maker.surb(along: route.hops)
        Self.feed(engine, [try route.maker.forward(body, along: route.hops).bytes], at: 0)
        #expect(Self.drain(engine, until: 100).map { Payload.body(of: $0.payload) } == [body])
        Self.feed(engine, [try surb.packet(body)], at: 200)
        guard case .delivery(let buffer)? = engine.departure(at: 300) else {
            Issue.record("no delivery")
            return
        }
        let (id, payload) = engine.delivery(in: buffer)
        #expect(id == secrets.id && secrets.open(payload) == body)
    }

    @Test("a full queue drops the newest and counts it")
    func full() throws {
        let route = try TestRoute(suite: .k400, hops: 2)
        let engine = MixEngine(suite: .k400, meanDelay: 1_000_000_000, limit: 20)
        engine.use([try Self.keys(route.keys[0])]) { _ in nil }
        let body = [UInt8](repeating: 0, count: PacketSuite.bodyBytes)
        let packets = try (0..<30).map { _ in try route.maker.forward(body, along: route.hops).bytes }
        Self.feed(engine, packets, at: 0)
        #expect(engine.waiting == 20 && engine.counters.dropped == [.queueFull: 10])
        #expect(engine.pool.used == 20)
        #expect(Self.drain(engine, until: .max / 2).count == 20)
    }

    @Test("two epochs' keys are live at once, and an erased one opens nothing")
    func epochs() throws {
        let (old, new) = (try TestRoute(suite: .k400, hops: 2), try TestRoute(suite: .k400, hops: 2, epoch: 6))
        let engine = MixEngine(suite: .k400, meanDelay: 1)
        let (first, second) = (try Self.keys(old.keys[0]), try Self.keys(new.keys[0]))
        engine.use([first, second]) { _ in nil }
        let body = [UInt8](repeating: 0, count: PacketSuite.bodyBytes)
        Self.feed(
            engine,
            [try old.maker.forward(body, along: old.hops).bytes, try new.maker.forward(body, along: new.hops).bytes],
            at: 0)
        #expect(engine.waiting == 2)
        engine.use([second]) { _ in nil }
        Self.feed(engine, [try old.maker.forward(body, along: old.hops).bytes], at: 1)
        #expect(engine.counters.dropped == [.badPrefix: 1])
    }

    /// A log that may hold one tag.
    @Test("a packet whose tag cannot be written does not leave")
    func disk() throws {
        let route = try TestRoute(suite: .k400, hops: 2)
        let engine = MixEngine(suite: .k400, meanDelay: 1)
        let keys = try Self.keys(route.keys[0])
        let path = FileManager.default.temporaryDirectory.appending(path: "fog-engine-\(UUID().uuidString)").path
        defer { ReplayLog.remove(path) }
        let (log, _) = try ReplayLog.open(
            path, epoch: 1, key: [1], boot: [UInt8](repeating: 1, count: 16), into: keys.replays, limit: 1)
        engine.use([keys]) { _ in log }
        let body = [UInt8](repeating: 0, count: PacketSuite.bodyBytes)
        let packets = try (0..<3).map { _ in try route.maker.forward(body, along: route.hops).bytes }
        Self.feed(engine, [packets[0]], at: 0)
        Self.feed(engine, [packets[1], packets[2]], at: 0)
        #expect(engine.waiting == 1 && engine.counters.dropped == [.replayLogFailed: 2])
        #expect(engine.pool.used == 1)
    }

    @Test("tags that were on disk when the process went are replays to the next one")
    func killed() throws {
        let route = try TestRoute(suite: .k400, hops: 2)
        let path = FileManager.default.temporaryDirectory.appending(path: "fog-engine-\(UUID().uuidString)").path
        defer { ReplayLog.remove(path) }
        let boot = [UInt8](repeating: 1, count: 16)
        let body = [UInt8](repeating: 0, count: PacketSuite.bodyBytes)
        let packets = try (0..<200).map { _ in try route.maker.forward(body, along: route.hops).bytes }
        for (round, wanted) in [(0, 200), (1, 0)] {
            let engine = MixEngine(suite: .k400, meanDelay: 1)
            let keys = try Self.keys(route.keys[0])
            try engine.use([keys]) { keys in
                try ReplayLog.open(path, epoch: 1, key: [1], boot: boot, into: keys.replays).log
            }
            Self.feed(engine, packets, at: 0)
            #expect(engine.waiting == wanted, "round \(round)")
        }
    }

    // MARK: - Parts

    @Test("a bucket lets its burst pass and then its rate")
    func bucket() {
        var bucket = TokenBucket(rate: 1000, burst: 10, at: 0)
        let burst = (0..<20).count { _ in bucket.take(at: 0) }
        #expect(burst == 10)
        let early = bucket.take(at: 999_999)
        let due = bucket.take(at: 1_000_000)
        let again = bucket.take(at: 1_000_000)
        #expect([early, due, again] == [false, true, false])
        let passed = (1...10_000).count { bucket.take(at: Int64($0) * 250_000 + 1_000_000) }
        #expect(passed == 2500)
        // A clock that goes back gives nothing, and a long rest no more than the burst.
        let back = bucket.take(at: 0)
        let rested = (0..<100).count { _ in bucket.take(at: .max) }
        #expect(!back && rested == 10)
    }

    @Test("a queue gives what is due, the earliest first, equal times in their order")
    func queue() {
        var chance = SeededGenerator(seed: 4)
        var queue = DelayQueue<Int>(limit: 5000)
        let times = (0..<5000).map { _ in Int64(chance.next() % 1000) }
        for (number, time) in times.enumerated() {
            let pushed = queue.push(number, due: time)
            #expect(pushed)
        }
        let over = queue.push(0, due: 0)
        #expect(!over)
        var out: [Int] = []
        for now in stride(from: Int64(0), through: 1000, by: 100) {
            while let number = queue.pop(at: now) {
                #expect(times[number] <= now)
                out.append(number)
            }
            #expect(queue.next ?? 1001 > now)
        }
        #expect(out == times.indices.sorted { (times[$0], $0) < (times[$1], $1) })
    }

    @Test("a stream's gaps are exponential, and a long sleep is not made up for")
    func stream() {
        var chance = SeededGenerator(seed: 9)
        var stream = PoissonStream(mean: 1_000_000, at: 0) { chance.unit() }
        var (times, now) = ([Int64](), Int64(0))
        for _ in 0..<20_000 {
            now = stream.next
            times.append(now)
            _ = stream.due(at: now) { chance.unit() }
        }
        let gaps = zip(times, times.dropFirst()).map { Double($1 - $0) / 1e6 }.sorted()
        let distance = gaps.enumerated().map { abs((Double($0) + 0.5) / Double(gaps.count) - (1 - exp(-$1))) }.max()
        #expect((distance ?? 1) < 1.95 / Double(gaps.count).squareRoot())
        let late = stream.due(at: now + 1_000_000_000_000) { chance.unit() }
        #expect(late == 8 && stream.next > now + 1_000_000_000_000)
    }

    @Test("metrics name every cause")
    func metrics() {
        let text = MixCounters().metrics(waiting: 3)
        for cause in DropCause.allCases { #expect(text.contains("{cause=\"\(cause.rawValue)\"} 0")) }
        #expect(text.contains("fog_mix_packets_waiting 3"))
    }
}
