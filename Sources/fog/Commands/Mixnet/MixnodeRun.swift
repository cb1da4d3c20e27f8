internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogHTTP
internal import FogMixnet
import Foundation
internal import Logging

/// `fog mixnode run`
struct MixnodeRun: SessionCommand {
    static let configuration = CommandConfiguration(
        "run", "Be a node of a network, in the foreground.",
        examples: [
            "fog mixnode run --directory network.json --listen 0.0.0.0:7400 --announce mix.example:7400",
            "fog mixnode run --network lab.json --index 0 --listen 127.0.0.1:7400",
        ],
        more: """
            With --directory it asks the authorities of that file to name it, and goes by what they agree on: it is in the network \
            from the next epoch on, or the one after. With --network it goes by a file alone, which is read again when it changes. \
            Ctrl-C closes the door, lets what waits leave at its time, and ends. metrics.prom in the state folder is written every \
            five seconds, for a collector of text files.
            """)

    @Option(help: "The network's file, which names its directory authorities.", completion: .file())
    var directory: String?

    @Option(help: "Instead: the file of a test network without authorities (fog-mixnet-static-1).", completion: .file())
    var network: String?

    @Option(help: "With --network: this node's index there, 0 to 65534.")
    var index: UInt16?

    @Option(help: "Where to listen, HOST:PORT; port 0 for any that is free.")
    var listen: String

    @Option(help: "With --directory: where others reach it, HOST:PORT; default as it listens.")
    var announce: String?

    @Option(help: "With --directory: mix, or service, which is only the end of routes.")
    var role = "mix"

    @Option(help: "With --directory: a word that all nodes of one operator say, so that they are never in one route.")
    var family = ""

    @Option(help: "With --directory: packets a second that it claims to take.")
    var bandwidth: UInt32 = 5_000

    @Option(help: "The folder of its keys; default in the state folder.")
    var state: String?

    @Option(help: "Threads, 1 to 64; default one a processor.")
    var threads: Int?

    @Option(help: "Packets that may wait in each thread's queue, 1 to 10000.")
    var queue = 10_000

    @Option(help: "The link key, 64 hexadecimal digits, of the program that forward packets to this node are for.")
    var service: String?

    @Option(help: "The share of packets to lose on each link, 0 to 0.9, to rehearse bad ones; test networks only.")
    var lose = 0.0

    @Flag(help: "Let packets go at once, to rehearse the audit of delays; test networks only.")
    var hasty = false

    @OptionGroup var lifeline: LifelineOptions
    @OptionGroup var log: LogOptions
    @OptionGroup var common: LocalOptions

    func validate() throws {
        guard (directory == nil) != (network == nil) else {
            throw ValidationError("one of --directory and --network is wanted")
        }
        guard (network == nil) == (index == nil), index != PacketSuite.finalIndex else {
            throw ValidationError("--index, 0 to 65534, goes with --network")
        }
        guard ["mix", "service"].contains(role) else {
            throw ValidationError("--role must be mix or service, found \(role)")
        }
        if let threads, !(1...64).contains(threads) {
            throw ValidationError("--threads must be 1 to 64, found \(threads)")
        }
        guard (1...10_000).contains(queue) else { throw ValidationError("--queue must be 1 to 10000, found \(queue)") }
        guard (0...0.9).contains(lose) else { throw ValidationError("--lose must be 0 to 0.9, found \(lose)") }
        if let service, Hex.decode(service)?.count != 32 {
            throw ValidationError("--service must be 64 hexadecimal digits")
        }
    }

    func run(_ session: Session) async throws {
        let logger = ServiceRun.logger("fog.mixnode", log, verbose: common.verbose, quietly: session.mode == .quiet)
        let address = try ServiceRun.address(listen)
        var options = MixNode.Options()
        options.host = address.host
        options.port = address.port
        options.threads = threads ?? ProcessInfo.processInfo.activeProcessorCount
        options.queueLimit = queue
        options.loss = lose
        options.isHasty = hasty
        options.serviceKey = service.flatMap { Hex.decode($0) }
        if let network, let index {
            let folder = try MixnodePlaces.folder(state, "mixnode-\(index)", session)
            let node = StaticNode(network: network, index: index, folder: folder)
            try await node.run(options, session, logger)
        } else if let directory {
            let folder = try MixnodePlaces.folder(state, "mixnode", session)
            let node = DirectoryNode(
                network: directory, folder: folder, profile: try profile(address.host), beside: lifeline.services)
            try await node.run(options, session, logger)
        }
    }

    private func profile(_ host: String) throws -> MixMembership.Profile {
        if announce == nil, ["0.0.0.0", "::", "[::]"].contains(host) {
            throw CommandLineFailure(
                "bad_address", "nobody reaches a node at \(host)", help: "--announce HOST:PORT", status: .usage)
        }
        // The port that it listens on is put in once it is known.
        if let announce { _ = try ServiceRun.address(announce) }
        var profile = MixMembership.Profile(address: announce ?? "\(host):0")
        profile.role = role == "service" ? .service : .mix
        profile.family = family
        profile.bandwidth = bandwidth
        return profile
    }

    /// Tells that the node listens, in the way that all services do.
    static func announceReady(_ address: String, isTest: Bool, _ session: Session) {
        if isTest { session.console.warn("NO ANONYMITY: this is a test network") }
        session.console.print(
            session.mode == .json
                ? JSON.object(["state": .string("ready"), "address": .string(address)]).compact : "ready \(address)")
    }
}
