internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogMixnet

/// `fog context mix`
struct ContextMix: SessionCommand {
    static let configuration = CommandConfiguration(
        "mix", "Reach a coordinator through a mixnet, and no other way.",
        examples: [
            "fog context mix lab --network network.json --service fogkey1…/0f3a…",
            "fog context mix lab --direct",
        ],
        more: """
            The coordinator prints its service when it is run with --mix. The way is tried before it is saved. From then on every \
            command with this context goes through the mixnet; when that is not to be had, the command fails, and nothing goes \
            to the coordinator's address.
            """)

    @Argument(help: "The context's name in `fog context list`.")
    var name: String

    @Option(help: "The network's file.", completion: .file())
    var network: String?

    @Option(help: "The coordinator's service there, NODE/KEY.")
    var service: String?

    @Option(help: "Hops of each packet: private (3), confidential (5) or secret (7).")
    var level = "private"

    @Flag(
        help: "Send all packets of a circuit along one route: steadier, and its mixes see more that belongs together.")
    var pinned = false

    @Flag(help: "Go to the coordinator's address again.")
    var direct = false

    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard direct == (network == nil), direct == (service == nil) else {
            throw ValidationError("either --network and --service, or --direct alone, is wanted")
        }
    }

    func run(_ session: Session) async throws {
        var file = try session.contexts()
        var context = try file.require(name)
        context.mix = nil
        if let network, let service {
            context.mix = FogContext.MixWay(
                network: Disk.absolute(network), service: try MixServiceAddress(service).description, level: level,
                isPinned: pinned)
            let info = try await FogClient.info(of: session.carrier(for: context), deadline: session.settings.timeout)
            guard info.coordinator == context.coordinator else {
                throw CommandLineFailure(
                    "other_coordinator",
                    "the service is of the coordinator \(info.coordinator.id), and `\(name)` is \(context.coordinator.id)",
                    status: .denied)
            }
        }
        try file.put(context, makeCurrent: false)
        try file.save(session.folders.contextsFile)
        switch session.mode {
        case .json: session.console.print(context.json)
        case .quiet: session.console.print(name)
        case .table:
            session.console.print(context.mix == nil ? "\(name): direct" : "\(name): through the mixnet, \(level)")
        }
    }
}
