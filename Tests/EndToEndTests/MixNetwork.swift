import FogAPI
import FogCore
import FogMixnet
import FogNet
import Foundation
import Glibc
import Testing

/// `fog mixnet dev`, and what a client knows of it.
final class MixNetwork: Sendable {
    let folder: TemporaryFolder
    /// What clients are given.
    let file: NetworkFile
    let path: String
    private let dev: Child
    private let carriers: [HTTPCarrier]
    private let trust: Trust

    private actor Trust {
        private var trust: DirectoryTrust
        private let client: DirectoryClient

        init(_ file: NetworkFile, _ carriers: [HTTPCarrier]) throws {
            trust = try DirectoryTrust(parameters: file.parameters, authorities: file.authorities.map(\.key))
            client = DirectoryClient(carriers)
        }

        func current(at now: Timestamp) async throws -> DirectoryTrust {
            let newest = trust.schedule.newestEpoch(at: now)
            if trust.accepted?.consensus.epoch ?? 0 < newest {
                trust = (try? await client.refreshed(trust, for: newest, at: now)) ?? trust
            }
            return trust
        }
    }

    init(_ options: String...) async throws {
        folder = try TemporaryFolder()
        dev = try Child(
            Places.fog, ["mixnet", "dev", "--state", "\(folder.path)/net"] + options,
            environment: Cloud.environment(home: folder.path))
        let line = try await dev.line(within: Cloud.patience) { $0.hasPrefix("ready ") }
        path = String(line.dropFirst("ready ".count))
        file = try NetworkFile(json: JSON(parsing: Array(Data(contentsOf: URL(filePath: path)))))
        carriers = try file.authorities.map { try HTTPCarrier($0.url) }
        trust = try Trust(file, carriers)
    }

    /// A test that throws has not stopped it; its processes end with the one that is killed now.
    deinit {
        let carriers = carriers
        Task { for carrier in carriers { await carrier.shutDown() } }
    }

    /// What the authorities agreed on, checked.
    func known() async throws -> DirectoryTrust { try await trust.current(at: SystemClock().now) }

    /// The consensus that holds now.
    func consensus() async throws -> Consensus { try await known().current(at: SystemClock().now) }

    /// A node of this test's, which the network names when this returns.
    func service(_ key: NoiseKey, loss: Double = 0) async throws -> (process: Child, identity: PublicKey) {
        let state = "\(folder.path)/service"
        let process = try Child(
            Places.fog,
            [
                "mixnode", "run", "--directory", path, "--role", "service", "--listen", "127.0.0.1:0", "--state", state,
                "--service", Hex.encode(key.publicKey), "--threads", "1", "--lose", "\(loss)",
            ], environment: Cloud.environment(home: folder.path))
        _ = try await process.line(within: Cloud.patience) { $0.hasPrefix("ready ") }
        let identity = try MixKeyStore(folder: state).identity.publicKey
        while try await consensus().index(of: identity) == nil { try await Task.sleep(for: .milliseconds(100)) }
        return (process, identity)
    }

    /// Ends it as an operator would.
    func stop() async throws -> Child.End {
        dev.signal(SIGTERM)
        return try await dev.end(within: Cloud.patience)
    }

    /// Command lines that name its folder, by process.
    func processes() throws -> [pid_t: String] {
        let numbers = try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { pid_t($0) }
        let all = numbers.compactMap { number in
            (try? String(contentsOfFile: "/proc/\(number)/cmdline", encoding: .utf8)).map { (number, $0) }
        }
        return Dictionary(uniqueKeysWithValues: all).filter { $0.value.contains("\(folder.path)/net") }
    }

    /// Kills one of its processes, as a machine does that loses its power.
    func kill(_ name: String) throws {
        let found = try processes().filter { $0.value.contains("\(folder.path)/net/\(name)\0") }.keys
        #expect(found.count == 1)
        for pid in found { Glibc.kill(pid, SIGKILL) }
    }

    /// Packets that its nodes have sent, as their last metrics say.
    func forwarded() throws -> Int {
        let place = "\(folder.path)/net"
        let nodes = try FileManager.default.contentsOfDirectory(atPath: place).filter { $0.hasPrefix("mix-") }
        return nodes.reduce(0) { sum, node in
            let text = (try? String(contentsOfFile: "\(place)/\(node)/metrics.prom", encoding: .utf8)) ?? ""
            let values = ["forwarded", "delivered"].compactMap { kind in
                text.split(separator: "\n").first { $0.hasPrefix("fog_mix_packets_\(kind)_total ") }
                    .flatMap { Int($0.split(separator: " ")[1]) }
            }
            return sum + values.reduce(0, +)
        }
    }
}

/// Links of a client, one to each node that it needed so far.
actor MixLinks {
    private var links: [PublicKey: MixClient] = [:]
    private let key: NoiseKey
    /// What comes over any of them.
    nonisolated let deliveries: AsyncStream<MixClient.Delivery>
    private let continuation: AsyncStream<MixClient.Delivery>.Continuation

    init(key: NoiseKey = .generate()) {
        self.key = key
        (deliveries, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(10_000))
    }

    func link(to index: Int, of view: MixNetworkView) async throws -> MixClient {
        let node = try #require(view.nodes[UInt16(index)])
        if let link = links[node.identity] { return link }
        let link = try await MixClient.connect(to: node, network: view.network, suite: view.suite, key: key)
        links[node.identity] = link
        // Ends with the link, which ``close()`` closes, or its node.
        Task { [continuation] in for await delivery in link.deliveries { continuation.yield(delivery) } }
        return link
    }

    func lose(_ index: Int, of view: MixNetworkView) {
        if let identity = view.nodes[UInt16(index)]?.identity { links[identity] = nil }
    }

    func close() async {
        for link in links.values { await link.close() }
        links = [:]
        continuation.finish()
    }
}

extension MixNetworkView {
    /// A route of places in the consensus as packets are made along it.
    func hops(_ route: [Int], epoch: UInt64) throws -> [Hop] {
        try route.map { place in
            let node = try #require(nodes[UInt16(place)])
            return try Hop(index: node.index, publicKey: #require(node.mixKeys[epoch]))
        }
    }
}
