internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogMixnet
import Foundation
internal import Logging
internal import ServiceLifecycle

/// A node that goes by what directory authorities agree on.
struct DirectoryNode {
    let network: String
    let folder: String
    let profile: MixMembership.Profile
    /// What ends with it, and ends it.
    let beside: [any Service]

    func run(_ options: MixNode.Options, _ session: Session, _ logger: Logger) async throws {
        let lock = try FolderLock(folder, for: "node")
        defer { withExtendedLifetime(lock) {} }
        let file = try DirectoryPlaces.network(network)
        guard options.loss == 0 && !options.isHasty || file.parameters.kind == .test else {
            throw CommandLineFailure(
                "live_network", "\(network) is of a live network, which is no place to rehearse faults",
                help: "without --lose and --hasty", status: .usage)
        }
        let kept = MixnodeFolder(folder)
        let trust = try DirectoryTrust(
            parameters: file.parameters, authorities: file.authorities.map(\.key), before: try kept.consensus())
        let membership = MixMembership(
            parameters: file.parameters, trust: trust, descriptor: try kept.descriptor())
        let ways = try DirectoryPlaces.carriers(file).map(\.carrier)
        let result: Result<Void, any Error>
        do {
            result = .success(try await run(options, file, kept, membership, ways, session, logger))
        } catch {
            result = .failure(error)
        }
        for way in ways { await way.shutDown() }
        try result.get()
    }

    private func run(
        _ options: MixNode.Options, _ file: NetworkFile, _ kept: MixnodeFolder, _ membership: MixMembership,
        _ ways: [HTTPCarrier], _ session: Session, _ logger: Logger
    ) async throws {
        let member = try await MixMember.start(
            options, profile: profile, store: try MixKeyStore(folder: folder), membership: membership,
            client: DirectoryClient(ways), keeping: kept.keeping
        ) { Self.tell($0, logger) }
        let port = await member.node.port
        MixnodeRun.announceReady("\(options.host):\(port)", isTest: file.parameters.kind == .test, session)
        let host = DirectoryNodeHost(member: member, folder: folder, logger: logger)
        try await ServiceRun.group([host] + beside, logger: logger).run()
    }

    static func tell(_ event: MixMember.Event, _ logger: Logger) {
        switch event {
        case .accepted(let consensus):
            logger.info(
                "a consensus was accepted",
                metadata: [
                    "epoch": "\(consensus.epoch)", "digest": "\(consensus.digest)", "nodes": "\(consensus.nodes.count)",
                ])
        case .entered(let epoch, nil, _):
            logger.warning("there is no consensus for this epoch; nothing is opened", metadata: ["epoch": "\(epoch)"])
        case .entered(let epoch, let consensus?, let isListed):
            logger.info(
                isListed ? "an epoch begins" : "an epoch begins, and this node is not in its network",
                metadata: ["epoch": "\(epoch)", "consensus": "\(consensus)"])
        case .described(let epoch, let takers, let count, let refusals):
            logger.log(
                level: refusals.isEmpty ? .debug : .warning, "a descriptor was handed in",
                metadata: [
                    "epoch": "\(epoch)", "takers": "\(takers) of \(count)",
                    "refusals": "\(refusals.joined(separator: "; "))",
                ])
        case .refused(let failure): logger.warning("the directory is of no use", metadata: ["reason": "\(failure)"])
        case .burnt(let epoch):
            logger.warning(
                "the key of this epoch was erased, since not all it opened is known; packets are refused",
                metadata: ["epoch": "\(epoch)"])
        case .changedSuite(let suite):
            logger.notice("the network speaks another suite now", metadata: ["suite": "\(suite)"])
        }
    }
}

/// A node as a part of the process: its network, and its metrics every five seconds.
private struct DirectoryNodeHost: Service {
    let member: MixMember
    let folder: String
    let logger: Logger

    func run() async throws {
        let ended = await cancelWhenGracefulShutdown { () -> Result<Void, any Error> in
            do {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await member.run() }
                    group.addTask { try await writeMetrics() }
                    defer { group.cancelAll() }
                    try await group.next()
                }
                return .success(())
            } catch is CancellationError {
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        logger.info("Draining.")
        let mean = await member.membership.parameters.meanDelay.milliseconds * 1_000_000
        try await member.drain(limit: .drain(mean))
        try ended.get()
    }

    private func writeMetrics() async throws {
        while true {
            try await Task.sleep(for: .seconds(5))
            let (counters, waiting) = try await member.counters()
            let text = counters.metrics(waiting: waiting) + (await member.metrics())
            try Disk.write(Array(text.utf8), to: "\(folder)/metrics.prom")
        }
    }
}

/// What a node keeps of its network: the last few consensus documents, and what it said of itself last.
struct MixnodeFolder: Sendable {
    private let folder: String

    init(_ folder: String) { self.folder = folder }

    func consensus() throws -> [SignedConsensus] {
        let place = "\(folder)/consensus"
        guard Disk.exists(place) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: place).filter { UInt64($0) != nil }.sorted().map {
            try SignedConsensus(bytes: Array(Data(contentsOf: URL(filePath: "\(place)/\($0)"))))
        }
    }

    func descriptor() throws -> SignedDescriptor? {
        try Disk.readSmall("\(folder)/descriptor").map { try SignedDescriptor(bytes: $0) }
    }

    var keeping: MixMember.Keeping {
        MixMember.Keeping(
            consensus: { documents in
                let place = "\(folder)/consensus"
                try Disk.makeFolder(place, mode: 0o700)
                let there = try FileManager.default.contentsOfDirectory(atPath: place)
                for (epoch, signed) in documents where !there.contains("\(epoch)") {
                    try Disk.write(signed.bytes, to: "\(place)/\(epoch)")
                }
                for name in there where UInt64(name).map({ documents[$0] == nil }) ?? false {
                    try FileManager.default.removeItem(atPath: "\(place)/\(name)")
                }
            },
            descriptor: { try Disk.write($0.bytes, to: "\(folder)/descriptor", mode: 0o600) })
    }
}
