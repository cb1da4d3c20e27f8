internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogHTTP
internal import FogManifestFile
internal import FogMixnet
import Foundation
internal import Logging
internal import ServiceLifecycle

/// `fog mixnode`: this machine as a mix.
struct MixnodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "mixnode", "Be a mix: take packets, delay each by its own time, send them on.",
        examples: ["fog mixnode run --network lab.json --index 0 --listen 127.0.0.1:7400"],
        subcommands: [MixnodeRun.self, MixnodeDescribe.self])
}

/// What both commands take.
struct MixnodeOptions: ParsableArguments {
    @Option(help: "The file of a test network (fog-mixnet-static-1).", completion: .file())
    var network: String

    @Option(help: "This node's index in the network, 0 to 65534.")
    var index: UInt16

    @Option(help: "The folder of its keys; default in the state folder.")
    var state: String?

    func validate() throws {
        guard index != PacketSuite.finalIndex else { throw ValidationError("--index must be 0 to 65534") }
    }

    func folder(_ session: Session) throws -> String {
        let folder = state ?? "\(session.folders.state)/mixnode-\(index)"
        try Disk.makeFolder(folder)
        return folder
    }

    func document() throws -> JSON { try JSON(parsing: LocalFile.read(network, limit: 4 << 20)) }
}

/// `fog mixnode describe`
struct MixnodeDescribe: SessionCommand {
    static let configuration = CommandConfiguration(
        "describe", "Print this node's entry for a network's file, with its keys of this epoch and the next two.",
        examples: ["fog mixnode describe --network lab.json --index 0 --layer 0 --address 127.0.0.1:7400"],
        more: "Keys are made where they are not there yet. Of the file only epoch_seconds is read.")

    @OptionGroup var node: MixnodeOptions

    @Option(help: "The layer that it stands in, from 0.")
    var layer: Int

    @Option(help: "Where others reach it, HOST:PORT.")
    var address: String

    @OptionGroup var common: LocalOptions

    func run(_ session: Session) async throws {
        guard let seconds = try node.document()["epoch_seconds"]?.integer, seconds > 0 else {
            throw MixnetFailure("bad_network", "epoch_seconds: a whole number of seconds is wanted")
        }
        let store = try MixKeyStore(folder: try node.folder(session))
        let epoch = UInt64(max(0, SystemClock().now.seconds) / seconds)
        let entry = try StaticNetwork.entry(store, index: node.index, layer: layer, address: address, epoch: epoch)
        if session.mode == .table { session.console.print(entry.pretty) } else { session.console.printLine(entry) }
    }
}

/// `fog mixnode run`
struct MixnodeRun: SessionCommand {
    static let configuration = CommandConfiguration(
        "run", "Be a mix of a network, in the foreground.",
        examples: ["fog mixnode run --network lab.json --index 0 --listen 127.0.0.1:7400"],
        more: """
            The file is read again when it changes. Ctrl-C closes the door, lets what waits leave at its time, and ends. \
            metrics.prom in the state folder is written every five seconds, for a collector of text files.
            """)

    @OptionGroup var node: MixnodeOptions

    @Option(help: "Where to listen, HOST:PORT; port 0 for any that is free.")
    var listen: String

    @Option(help: "Threads, 1 to 64; default one a processor.")
    var threads: Int?

    @Option(help: "Packets that may wait in each thread's queue, 1 to 10000.")
    var queue = 10_000

    @Option(help: "The link key, 64 hexadecimal digits, of the program that forward packets to this node are for.")
    var service: String?

    @OptionGroup var log: LogOptions
    @OptionGroup var common: LocalOptions

    func validate() throws {
        if let threads, !(1...64).contains(threads) {
            throw ValidationError("--threads must be 1 to 64, found \(threads)")
        }
        guard (1...10_000).contains(queue) else { throw ValidationError("--queue must be 1 to 10000, found \(queue)") }
        if let service, Hex.decode(service)?.count != 32 {
            throw ValidationError("--service must be 64 hexadecimal digits")
        }
    }

    func run(_ session: Session) async throws {
        let logger = ServiceRun.logger("fog.mixnode", log, verbose: common.verbose, quietly: session.mode == .quiet)
        let folder = try node.folder(session)
        let lock = try FolderLock(folder)
        defer { withExtendedLifetime(lock) {} }
        let address = try ServiceRun.address(listen)
        var options = MixNode.Options()
        options.host = address.host
        options.port = address.port
        options.threads = threads ?? ProcessInfo.processInfo.activeProcessorCount
        options.queueLimit = queue
        options.serviceKey = service.flatMap { Hex.decode($0) }
        let clock = SystemClock()
        let view = try StaticNetwork.view(try node.document())
        let store = try MixKeyStore(folder: folder)
        guard view.nodes[node.index]?.linkKey == store.link.publicKey else {
            throw MixnetFailure(
                "bad_network", "\(node.network) has no node \(node.index) with the link key of \(folder)")
        }
        let mix = try await MixNode.start(options, store: store, view: view, at: clock.now)
        if view.isTest { session.console.warn("NO ANONYMITY: this is a test network") }
        session.console.print("ready \(address.host):\(mix.port)")
        let drain = TimeSpan(milliseconds: view.meanDelay / 1_000_000 * Int64(DelayDraw.longest) + 1000)
        let service = MixService(mix: mix, view: view, node: node, folder: folder, drain: drain, logger: logger)
        try await ServiceRun.group([service], logger: logger).run()
    }
}

/// A mix as a part of the process: its epochs, its logs and its metrics, second by second.
private struct MixService: Service {
    let mix: MixNode
    let view: MixNetworkView
    let node: MixnodeOptions
    let folder: String
    let drain: TimeSpan
    let logger: Logger

    func run() async throws {
        let ended = await cancelWhenGracefulShutdown { () -> Result<Void, any Error> in
            do {
                try await tend()
                return .success(())
            } catch is CancellationError {
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        logger.info("Draining.")
        try await mix.drain(limit: drain)
        try ended.get()
    }

    private func tend() async throws {
        let clock = SystemClock()
        var (view, changed) = (view, modified())
        var second = 0
        while true {
            try await Task.sleep(for: .seconds(1))
            second += 1
            try await mix.syncLogs()
            let now = modified()
            if now != changed {
                changed = now
                do {
                    view = try StaticNetwork.view(try node.document())
                    logger.info("The network was read again.")
                } catch {
                    logger.error(
                        "The network's file cannot be used; what was read before stands.",
                        metadata: ["error": "\(error)"])
                }
            }
            try await mix.update(view, at: clock.now)
            if mix.liveEpochs.last != view.epoch(at: clock.now) {
                logger.warning(
                    "The key of this epoch was erased, since not all it opened is known; packets are refused.")
            }
            guard second % 5 == 0 else { continue }
            let (counters, waiting) = try await mix.counters()
            try Disk.write(Array(counters.metrics(waiting: waiting).utf8), to: "\(folder)/metrics.prom")
        }
    }

    private func modified() -> Date? {
        (try? FileManager.default.attributesOfItem(atPath: node.network))?[.modificationDate] as? Date
    }
}
