internal import FogCommandLine
internal import FogCore
internal import FogMixnet
import Foundation

/// A mix between a generator and a sink, over sockets of the loopback.
///
/// The sink is a mix that holds no key, so it drops what comes unopened. Counted is the CPU time of the mix's own threads;
/// what the generator and the sink take is told apart.
struct MixNodeLoad {
    let suite: PacketSuite
    /// Of the mix; the generator has a link to each.
    private let threads: Int
    private let folder: String
    private let stores: [MixKeyStore]
    private let identities = [SigningKey.generate().publicKey, SigningKey.generate().publicKey]
    private let made: [[UInt8]]
    /// Far from both ends of an epoch, whenever it runs.
    private static let time = Timestamp(seconds: 1_800_000_000)
    private static let length = TimeSpan.seconds(800_000)
    private static let chunk = 128

    init(suite: PacketSuite, packets: Int, threads: Int, folder: String) throws {
        self.suite = suite
        self.threads = threads
        self.folder = folder
        stores = try (0..<2).map { try MixKeyStore(folder: "\(folder)/\($0)") }
        let epoch = UInt64(Self.time.seconds / 800_000)
        let route = try zip([UInt16(0), 1], stores).map { index, store in
            guard let key = try store.announced(from: epoch)[epoch] else {
                throw CommandLineFailure("bench_failed", "a mix has no key")
            }
            return try Hop(index: index, publicKey: key)
        }
        let maker = PacketMaker(suite: suite, epoch: epoch)
        made = try (0..<packets).map { _ in
            try maker.forward(SecureRandom.bytes(PacketSuite.bodyBytes), along: route).bytes
        }
    }

    struct Figures {
        /// Packets a second of the mix's own CPU time.
        let perSecond: Double
        /// Packets a second as time passes, with everything on the same machine, until the last one was taken; those that
        /// wait for their time then were paid for.
        let asTimePasses: Double
        /// Share of all CPU time that the generator and the sink took.
        let others: Double
    }

    func run() async throws -> Figures {
        // What the last run saw would be replays.
        for index in 0..<2 {
            let path = "\(folder)/\(index)/mix"
            for name in try FileManager.default.contentsOfDirectory(atPath: path) where name.contains(".seen.") {
                try FileManager.default.removeItem(atPath: "\(path)/\(name)")
            }
        }
        let sink = try await start(1, port: 0, with: [entry(1, port: 1)], at: Timestamp(seconds: 0))
        let view = [entry(0, port: 1), entry(1, port: sink.port)]
        let mix = try await start(0, port: 0, with: view, at: Self.time)
        do {
            let figures = try await drive(mix, at: entry(0, port: mix.port))
            try await mix.drain(limit: .seconds(1))
            try await sink.drain(limit: .seconds(1))
            return figures
        } catch {
            try? await mix.drain(limit: .zero)
            try? await sink.drain(limit: .zero)
            throw error
        }
    }

    private func drive(_ mix: MixNode, at node: MixNetworkView.Node) async throws -> Figures {
        var clients: [MixClient] = []
        for _ in 0..<threads { clients.append(try await MixClient.connect(to: node, network: .zero, suite: suite)) }
        var taken = 0
        let (own, all, watch) = (try await mix.cpuSeconds(), Self.cpu(), Stopwatch())
        for (number, start) in stride(from: 0, to: made.count, by: Self.chunk).enumerated() {
            let packets = Array(made[start..<min(start + Self.chunk, made.count)])
            // The generator waits rather than have the links take more than they can hold. It asks seldom: the answer is
            // as long in coming as what the mix has before it.
            while taken + 8 * threads * Self.chunk < start {
                try await Task.sleep(for: .milliseconds(1))
                taken = try await mix.counters().counters.received
            }
            try await clients[number % threads].send(packets)
        }
        var wall = 0.0
        while true {
            let counters = try await mix.counters().counters
            if wall == 0, counters.received >= made.count { wall = watch.seconds }
            if counters.forwarded + counters.dropped.values.reduce(0, +) >= made.count { break }
            guard watch.seconds < 120 else { throw CommandLineFailure("bench_failed", "packets stayed in the mix") }
            try await Task.sleep(for: .milliseconds(1))
        }
        let seconds = try await mix.cpuSeconds() - own
        let counters = try await mix.counters().counters
        guard counters.forwarded == made.count else {
            throw CommandLineFailure("bench_failed", "of \(made.count) packets some were dropped: \(counters.dropped)")
        }
        for client in clients { await client.close() }
        return Figures(
            perSecond: Double(made.count) / seconds, asTimePasses: Double(made.count) / wall,
            others: 1 - seconds / max(seconds, Self.cpu() - all))
    }

    private func start(
        _ index: UInt16, port: Int, with nodes: [MixNetworkView.Node], at time: Timestamp
    ) async throws -> MixNode {
        var options = MixNode.Options()
        options.port = port
        options.threads = index == 0 ? threads : 1
        let view = try MixNetworkView(
            network: .zero, isTest: true, suite: suite, layers: 2, epochLength: Self.length, meanDelay: 50_000_000,
            mixLoopMean: 0, clientRate: 1_000_000, nodes: nodes, randomness: { _ in .zero })
        return try await MixNode.start(options, store: stores[Int(index)], view: view, at: time)
    }

    private func entry(_ index: UInt16, port: Int) -> MixNetworkView.Node {
        MixNetworkView.Node(
            index: index, layer: Int(index), identity: identities[Int(index)],
            linkKey: stores[Int(index)].link.publicKey, host: "127.0.0.1", port: port, mixKeys: [:])
    }

    /// Of this process, all threads.
    private static func cpu() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
