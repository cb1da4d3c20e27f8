internal import ArgumentParser
internal import FogCommandLine
internal import FogCoordinator
internal import FogCore
internal import FogHTTP
internal import FogJobs

/// `fog dev`: a whole cloud on this machine.
struct DevCommand: SessionCommand {
    static let configuration = CommandConfiguration(
        "dev", "Run a coordinator and workers on this machine, with a key and credits to try them.",
        examples: ["fog dev", "fog dev --workers 2 --listen 127.0.0.1:0"],
        more:
            "Prints `ready URL` when jobs can be submitted. Ctrl-C ends it; started again it goes on where it was. It listens on loopback only."
    )

    /// Where `fog dev` listens when nobody says otherwise.
    static let defaultAddress = "127.0.0.1:8364"

    @Option(help: "HOST:PORT to listen on, loopback only; port 0 takes a free one.")
    var listen = defaultAddress

    @Option(help: "How many workers, 1 to 64.")
    var workers = 1

    @Option(help: "Tasks at once of each worker; default one a core, shared among the workers.")
    var slots: Int?

    @Option(help: "A folder that jobs may read as volume:NAME, NAME=PATH; can be repeated.")
    var volume: [String] = []

    @Flag(help: "Also offer the profile none, which isolates nothing. For comparisons only.")
    var allowUnsafe = false

    @OptionGroup var mixDoor: MixDoorOptions

    @OptionGroup var log: LogOptions

    @OptionGroup var common: LocalOptions

    func validate() throws {
        guard (1...64).contains(workers) else { throw ValidationError("--workers must be 1 to 64, found \(workers)") }
        if let slots, !(1...256).contains(slots) { throw ValidationError("--slots must be 1 to 256, found \(slots)") }
    }

    func run(_ session: Session) async throws {
        let address = try ServiceRun.address(listen)
        guard ServiceRun.isLoopback(address.host) else {
            throw CommandLineFailure(
                "not_loopback", "fog dev listens on loopback only, found `\(address.host)`",
                help: "for other machines: fog coordinator run --listen \(listen)", status: .usage)
        }
        var options = LocalCloud.Options(
            folder: "\(session.folders.state)/dev", address: address,
            identityFile: session.settings.identity ?? session.folders.identityFile, environment: session.environment)
        options.workers = workers
        options.rules.take(session.settings)
        options.slots = slots ?? max(1, Self.processors / workers)
        options.allowUnsafe = allowUnsafe
        options.volumes = try NamedValues(volume, option: "--volume", wanted: "NAME=PATH").values
        options.proxyExempt = session.settings.proxyExempt
        options.mixDoor = try mixDoor.door
        let final = options
        let cloud = try await LocalCloud.open(
            final, logger: ServiceRun.logger("fog.dev", log, verbose: common.verbose, quietly: true))
        cloud.host.mixDoor?.announce(session)
        try await cloud.run { url in
            try Self.save(url, final, cloud, session)
            Self.announce(url, session)
        }
    }

    private static var processors: Int { CurrentMachine.processors }

    /// Makes the coordinator the one that commands without flags mean.
    private static func save(
        _ url: String, _ options: LocalCloud.Options, _ cloud: LocalCloud, _ session: Session
    ) throws {
        var contexts = try session.contexts()
        let name = contexts.freeName(for: LocalCloud.context, coordinator: cloud.host.key.publicKey)
        try contexts.put(
            FogContext(
                name: name, server: url, coordinator: cloud.host.key.publicKey, identityFile: options.identityFile,
                mix: contexts[name]?.mix),
            makeCurrent: true)
        try contexts.save(session.folders.contextsFile)
    }

    private static func announce(_ url: String, _ session: Session) {
        switch session.mode {
        case .json: session.console.printLine(.object(["state": .string("ready"), "server": .string(url)]))
        case .quiet: session.console.print(url)
        case .table:
            session.console.print("ready \(url)")
            session.console.note("try, in another terminal: fog run -- echo hi")
            session.console.note("Ctrl-C ends it; state: \(session.folders.state)/dev")
        }
    }
}
