internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogMixnet
import Foundation

/// `fog bench mix`: what a core does as a mix, and whether the replay set is exact.
struct BenchMix: SessionCommand {
    static let configuration = CommandConfiguration(
        "mix", "Time a core at a mix's work: a packet opened, looked up among the replays, and stripped.",
        examples: [
            "fog bench mix", "fog bench mix --vs-floor ./mix_floor", "fog bench mix --replays 10000000",
            "fog bench mix --node", "fog bench mix --node --threads 2 --packets 100000",
        ],
        more: """
            Packets are made beforehand and taken through one hop in batches of 128, by the CPU time of one thread. The \
            command of --vs-floor runs before and after each run; it prints JSON in which fog_s176 and fog_k400 are packets \
            a second of a core. With --replays so many tags are put into the replay set and asked for again: exit 1 when a \
            fresh one was dropped or a replay would have been delivered.
            """)

    @Option(help: "Packets of each run, 128 to 100000.")
    var packets = 4096

    @Option(help: "Check the replay set with so many tags instead, 1 to 100000000.")
    var replays: Int?

    @Flag(help: "Time a whole mix instead, from socket to socket.")
    var node = false

    @Option(help: "Threads of the mix of --node, 1 to 64.")
    var threads = 1

    @OptionGroup var bench: BenchOptions
    @OptionGroup var common: LocalOptions

    func validate() throws {
        guard (128...100_000).contains(packets) else {
            throw ValidationError("--packets must be 128 to 100000, found \(packets)")
        }
        guard (1...64).contains(threads) else { throw ValidationError("--threads must be 1 to 64, found \(threads)") }
        if let replays, !(1...100_000_000).contains(replays) {
            throw ValidationError("--replays must be 1 to 100000000, found \(replays)")
        }
    }

    func run(_ session: Session) async throws {
        if let replays { return try check(replays, session) }
        if node { return try await wholeNode(session) }
        let loads = try PacketSuite.allCases.map { try MixLoad(suite: $0, packets: packets) }
        for load in loads { _ = try load.packetsPerSecond() }
        var (rates, ratios) = ([PacketSuite: [Double]](), [PacketSuite: [Double]]())
        var floors: [PacketSuite: [Double]] = [:]
        var before = try floor()
        for _ in 0..<bench.runs {
            for load in loads { rates[load.suite, default: []].append(try load.packetsPerSecond()) }
            let after = try floor()
            for (suite, value) in after {
                let mean = (value + (before[suite] ?? value)) / 2
                floors[suite, default: []].append(mean)
                if let rate = rates[suite]?.last { ratios[suite, default: []].append(rate / mean) }
            }
            before = after
        }
        for suite in PacketSuite.allCases {
            if let values = floors[suite] {
                show("floor-\(suite)", "packets/s", values, "a core, the same work in C", session)
            }
            show("\(suite)", "packets/s", rates[suite] ?? [], "a core, \(packets) packets", session)
            if let values = ratios[suite] { show("\(suite)-of-floor", "ratio", values, "", session) }
        }
    }

    /// A mix's own CPU time a packet, beside what the hop's work alone would take.
    private func wholeNode(_ session: Session) async throws {
        let folder = NSTemporaryDirectory() + "fog-bench-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for suite in PacketSuite.allCases {
            try Disk.makeFolder("\(folder)/\(suite)")
            let load = try MixNodeLoad(
                suite: suite, packets: packets, threads: threads, folder: "\(folder)/\(suite)")
            var (rates, walls, others, floors, ratios) = ([Double](), [Double](), [Double](), [Double](), [Double]())
            for _ in 0..<bench.runs {
                let before = try floor()[suite]
                let figures = try await load.run()
                rates.append(figures.perSecond)
                walls.append(figures.asTimePasses)
                others.append(figures.others)
                if let before, let after = try floor()[suite] {
                    floors.append((before + after) / 2)
                    ratios.append(figures.perSecond * 2 / (before + after))
                }
            }
            if !floors.isEmpty { show("floor-\(suite)", "packets/s", floors, "a core, a hop alone in C", session) }
            show("node-\(suite)", "packets/s", rates, "of the mix's own CPU time, socket to socket", session)
            show("node-\(suite)-wall", "packets/s", walls, "with generator and sink on this machine", session)
            show("node-\(suite)-others", "ratio", others, "of all CPU time: generator and sink", session)
            if !ratios.isEmpty { show("node-\(suite)-of-floor", "ratio", ratios, "", session) }
        }
    }

    private func floor() throws -> [PacketSuite: Double] {
        guard let command = bench.vsFloor else { return [:] }
        let text = try SpawnFloor.output(command: command, environment: ["N": String(packets)])
        let document = try JSON(parsing: Array(text.utf8))
        let rates = document["hop_pkt_per_s_core"] ?? document
        var found: [PacketSuite: Double] = [:]
        for suite in PacketSuite.allCases {
            let name = suite.description.replacingOccurrences(of: "-", with: "_")
            guard let rate = rates[name]?.number, rate > 0 else {
                throw CommandLineFailure("bench_failed", "`\(command)` prints no number \(name)")
            }
            found[suite] = rate
        }
        return found
    }

    private func check(_ count: Int, _ session: Session) throws {
        let set = ReplaySet(limit: count + count / 8 + 1024)
        var (fresh, known) = (SeededGenerator(seed: 1), SeededGenerator(seed: 1))
        var (dropped, delivered) = (0, 0)
        var watch = Stopwatch()
        for _ in 0..<count where set.insert(ReplayTag(high: fresh.next(), low: fresh.next())) != .fresh { dropped += 1 }
        show("replay-insert", "tags/s", [Double(count) / watch.seconds], "\(count) fresh tags", session)
        watch = Stopwatch()
        for _ in 0..<count where set.insert(ReplayTag(high: known.next(), low: known.next())) != .replayed {
            delivered += 1
        }
        show("replay-lookup", "tags/s", [Double(count) / watch.seconds], "the same once more", session)
        show("replay-dropped", "tags", [Double(dropped)], "fresh, and taken for replays", session)
        show("replay-delivered", "tags", [Double(delivered)], "replays, and taken for fresh", session)
        if dropped + delivered > 0 { throw ExitCode.failure }
    }

    private func show(_ name: String, _ unit: String, _ values: [Double], _ note: String, _ session: Session) {
        BenchFigure(bench: "mix", name: name, unit: unit, values: values, note: note).show(session)
    }
}

/// Packets for one hop, made beforehand.
private struct MixLoad {
    let suite: PacketSuite
    private let key: MixKey
    private let made: [[UInt8]]
    private let pool: PacketPool

    init(suite: PacketSuite, packets count: Int) throws {
        let key = try MixKey.generate(epoch: 1)
        let route = [
            try Hop(index: 1, publicKey: key.publicKey),
            try Hop(index: 2, publicKey: try MixKey.generate(epoch: 1).publicKey),
        ]
        let maker = PacketMaker(suite: suite, epoch: 1)
        made = try (0..<count).map { _ in
            try maker.forward(SecureRandom.bytes(PacketSuite.bodyBytes), along: route).bytes
        }
        self.suite = suite
        self.key = key
        pool = PacketPool()
    }

    private static let batch = 128

    /// Of this thread's CPU time: other load of the machine matters less.
    func packetsPerSecond() throws -> Double {
        let processor = HopProcessor(suite: suite)
        let replays = ReplaySet()
        var buffers: [PacketBuffer] = []
        for _ in 0..<Self.batch {
            guard let buffer = pool.take() else { throw CommandLineFailure("bench_failed", "the pool is empty") }
            buffers.append(buffer)
        }
        defer { for buffer in buffers { pool.give(back: buffer) } }
        var (seconds, forwarded) = (0.0, 0)
        for start in stride(from: 0, to: made.count, by: Self.batch) {
            let batch = made[start..<min(start + Self.batch, made.count)]
            for (buffer, packet) in zip(buffers, batch) {
                pool.bytes(of: buffer).update(from: packet, count: packet.count)
            }
            let begin = Self.cpu()
            for buffer in buffers.prefix(batch.count) {
                let packet = pool.bytes(of: buffer)
                guard processor.open(packet, with: key) == nil, replays.insert(processor.tag) == .fresh else {
                    continue
                }
                if processor.strip(packet) == .forward(2) { forwarded += 1 }
            }
            seconds += Self.cpu() - begin
        }
        guard forwarded == made.count else {
            throw CommandLineFailure("bench_failed", "\(made.count - forwarded) of \(made.count) packets were refused")
        }
        return Double(made.count) / seconds
    }

    private static func cpu() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
