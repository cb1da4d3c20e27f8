internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogMixnet
internal import ServiceLifecycle

/// `fog mixnet dev`: a whole network on this machine.
struct MixnetDev: SessionCommand {
    static let configuration = CommandConfiguration(
        "dev", "Run a whole test network on this machine: authorities and mixes, a process each.",
        examples: ["fog mixnet dev", "fog mixnet dev --mixes 9 --authorities 4 --epoch 10s"],
        more: """
            Prints `ready FILE` when the network is there, which takes one to two epochs; FILE is what clients are given. Each start is a new \
            network with new keys. It listens on loopback only, gives no anonymity, and says so. Ctrl-C ends it.
            """)

    @Option(help: "How many mixes, 1 to 64.")
    var mixes = 9

    @Option(help: "How many directory authorities, 1 to 31.")
    var authorities = 4

    @Option(help: "Layers that the mixes stand in, 1 to 7.")
    var layers = 3

    @Option(help: "How long an epoch lasts, 2s to 24h.")
    var epoch = "10s"

    @Option(help: "How long a mix holds a packet, on average.")
    var meanDelay = "5ms"

    @Option(help: "Between two packets of a client, on average.")
    var payloadInterval = "20ms"

    @Option(help: "Between two loops of a client, on average.")
    var loopInterval = "200ms"

    @Option(help: "The packet suite, fog-k400 or fog-s176.")
    var suite = "fog-k400"

    @Option(help: "The share of packets to lose on each link, 0 to 0.9, to rehearse bad ones.")
    var lose = 0.0

    @Option(help: "The folder for its files, emptied first; default in the state folder.")
    var state: String?

    @OptionGroup var log: LogOptions
    @OptionGroup var common: LocalOptions

    func validate() throws {
        guard (1...64).contains(mixes) else { throw ValidationError("--mixes must be 1 to 64, found \(mixes)") }
        guard (1...NetworkFile.authoritiesLimit).contains(authorities) else {
            throw ValidationError("--authorities must be 1 to \(NetworkFile.authoritiesLimit), found \(authorities)")
        }
        guard (0...0.9).contains(lose) else { throw ValidationError("--lose must be 0 to 0.9, found \(lose)") }
        guard (1...mixes).contains(layers) else {
            throw ValidationError("--layers must be 1 to the number of mixes, \(mixes), found \(layers)")
        }
    }

    func run(_ session: Session) async throws {
        let logger = ServiceRun.logger("fog.mixnet", log, verbose: common.verbose, quietly: true)
        let folder = state.map { Disk.absolute($0) } ?? "\(session.folders.state)/mixnet-dev"
        let lock = try FolderLock(folder, for: "network")
        defer { withExtendedLifetime(lock) {} }
        let network = try DevNetwork(
            folder: folder, parameters: try parameters(), mixes: mixes, authorities: authorities, loss: lose,
            environment: session.environment)
        session.console.warn("NO ANONYMITY: this is a test network")
        session.console.note("ready in one to two epochs of \(epoch); logs: \(folder)/logs")
        let host = DevNetworkHost(network: network, console: session.console) {
            Self.announce(network.file, session)
        }
        try await ServiceRun.group([host], logger: logger).run()
    }

    private func parameters() throws -> NetworkParameters {
        // Another name each time: nobody takes the documents of one start for those of another.
        try NetworkParameters(
            name: "dev-\(Hex.encode(SecureRandom.bytes(4)))", kind: .test, suite: PacketSuite(name: suite),
            epochLength: TimeSpan(epoch), layers: layers, meanDelay: TimeSpan(meanDelay),
            payloadInterval: TimeSpan(payloadInterval), loopInterval: TimeSpan(loopInterval))
    }

    private static func announce(_ file: String, _ session: Session) {
        switch session.mode {
        case .json: session.console.printLine(.object(["state": .string("ready"), "network": .string(file)]))
        case .quiet: session.console.print(file)
        case .table:
            session.console.print("ready \(file)")
            session.console.note("try, in another terminal: fog directory show \(file)")
        }
    }
}
