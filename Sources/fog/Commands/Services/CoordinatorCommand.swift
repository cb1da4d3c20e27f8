internal import ArgumentParser
internal import FogCommandLine
internal import FogCoordinator
internal import FogCore
internal import FogHTTP
internal import FogJobs
internal import Logging
internal import ServiceLifecycle

/// `fog coordinator`: the part that queues, places and pays.
struct CoordinatorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "coordinator", "Run the coordinator of a pool.", examples: ["fog coordinator run"],
        subcommands: [
            CoordinatorRun.self, CoordinatorBackup.self, CoordinatorRestore.self, CoordinatorGC.self,
            CoordinatorInstall.self, CoordinatorUninstall.self,
        ])
}

/// `fog coordinator run`
struct CoordinatorRun: SessionCommand {
    static let configuration = CommandConfiguration(
        "run", "Run a coordinator in the foreground.",
        examples: ["fog coordinator run", "fog coordinator run --listen 127.0.0.1:8365 --name lab --economy"],
        more:
            "The first start makes its key and enrols yours as the operator's. Workers join with a token: fog enroll create --role worker."
    )

    static let defaultAddress = "127.0.0.1:8365"

    @Option(help: "HOST:PORT to listen on; port 0 takes a free one.")
    var listen = defaultAddress

    @Option(help: "What the pool is called.")
    var name = "fog"

    @Option(help: "The address that tokens name; default what it listens on.")
    var url: String?

    @Option(help: "The folder of its database and content; default in the state folder.")
    var state: String?

    @Flag(help: "Serve TLS on loopback too; on every other address it is served anyway.")
    var tls = false

    @Flag(help: "Plain HTTP on an address that is not loopback: whoever is between reads everything.")
    var insecurePlaintext = false

    @Flag(help: "Every newcomer waits until an admin approves: fog enroll approve.")
    var approve = false

    @Flag(help: "Work is paid for in credits.")
    var economy = false

    @Flag(help: "With --economy, keep the operator's price where owners ask nothing, however much is booked.")
    var fixedPrices = false

    @Flag(help: "All nodes belong to one organisation: results count without a second opinion.")
    var trustAllNodes = false

    @Flag(help: "Machines come through one public address (a proxy): owners who share one still count apart.")
    var oneAddress = false

    @Option(help: "How often workers report, 1s to 1m.")
    var heartbeat = "10s"

    @Option(help: "Silence after which a node gets no new work.")
    var suspectAfter = "30s"

    @Option(help: "Silence after which a node's tasks run elsewhere.")
    var lostAfter = "90s"

    @Option(help: "A folder of packages (.tar.gz, .deb) that it hands out at /install, for newcomers.")
    var installFiles: String?

    @Option(help: "How long the history of ended jobs is kept.")
    var retention = "7d"

    @Option(help: "A witness that cosigns its checkpoints, KEY@URL as fog witness run prints it; repeat it for more.")
    var witness: [String] = []

    @OptionGroup var mixDoor: MixDoorOptions

    @OptionGroup var log: LogOptions

    @OptionGroup var common: LocalOptions

    func run(_ session: Session) async throws {
        let address = try ServiceRun.address(listen)
        var options = CoordinatorHost.Options(
            folder: state ?? "\(session.folders.state)/coordinator", name: name, address: address, url: url)
        options.servesTLS = !insecurePlaintext && (tls || !ServiceRun.isLoopback(address.host))
        options.rules = try rules()
        options.rules.take(session.settings)
        options.notices = try session.settings.notices(environment: session.environment)
        options.mixDoor = try mixDoor.door
        options.witnesses = try witness.map { try WitnessDoor.Place($0) }
        options.installFolder = installFiles.map { Disk.absolute($0) }
        let manager = ServiceManager(environment: session.environment)
        let identityFile = session.settings.identity ?? session.folders.identityFile
        let logger = ServiceRun.logger("fog.coordinator", log, verbose: common.verbose, quietly: session.mode == .quiet)
        let (operatorKey, isNew) = try KeyFile.readOrCreate(identityFile)
        if isNew { session.console.note("made a key: \(identityFile)") }
        let (contextName, folder) = (name, options.folder)
        let host = try await CoordinatorHost.open(options, logger: logger) {
            [url, isPinned = options.servesTLS] bound in
            let server = url ?? bound
            do {
                try Self.save(
                    bound, isPinned: isPinned, name: contextName, folder: folder, identityFile: identityFile, session)
            } catch {
                logger.error("the context was not saved", metadata: ["error": "\(error)"])
            }
            session.console.print(
                session.mode == .json
                    ? JSON.object(["state": .string("ready"), "server": .string(server)]).compact : "ready \(server)")
            manager?.ready("serves \(server)")
        }
        _ = try await host.enrolOperator(operatorKey, name: "operator", credits: .zero)
        host.mixDoor?.announce(session)
        var services = host.services
        if let manager {
            services.append(WatchdogService(manager: manager) { [host] in await host.coordinator.isReady })
        }
        try await ServiceRun.group(services, logger: logger).run()
    }

    /// Commands of this user on this machine find the coordinator by its context.
    private static func save(
        _ server: String, isPinned: Bool, name: String, folder: String, identityFile: String, _ session: Session
    ) throws {
        let key = try KeyFile.read("\(folder)/coordinator.key").publicKey
        var contexts = try session.contexts()
        let free = contexts.freeName(for: name, coordinator: key)
        let context = FogContext(
            name: free, server: server, coordinator: key, identityFile: identityFile, isPinned: isPinned,
            mix: contexts[free]?.mix)
        try contexts.put(context, makeCurrent: contexts.currentContext == nil)
        try contexts.save(session.folders.contextsFile)
    }

    private func rules() throws -> CoordinatorConfiguration {
        var rules = CoordinatorConfiguration()
        rules.economy = economy
        rules.movingPrices = !fixedPrices
        rules.approveNewcomers = approve
        rules.trustAllNodes = trustAllNodes
        rules.addressesLinkOwners = !oneAddress
        rules.heartbeatEvery = try Self.span(heartbeat, "--heartbeat", .seconds(1)...(.minutes(1)))
        rules.suspectAfter = try Self.span(suspectAfter, "--suspect-after", .seconds(2)...(.hours(1)))
        rules.lostAfter = try Self.span(lostAfter, "--lost-after", .seconds(3)...(.hours(24)))
        rules.retention = try Self.span(retention, "--retention", .hours(1)...(.days(3650)))
        // After its own absence it gives every node the time that a lost one has.
        rules.pauseExtension = rules.lostAfter
        guard rules.heartbeatEvery < rules.suspectAfter, rules.suspectAfter < rules.lostAfter else {
            throw CommandLineFailure(
                "bad_times",
                "--heartbeat must be below --suspect-after, and that below --lost-after; found \(heartbeat), \(suspectAfter), \(lostAfter)",
                status: .usage)
        }
        return rules
    }

    private static func span(_ text: String, _ name: String, _ range: ClosedRange<TimeSpan>) throws -> TimeSpan {
        guard let span = try? TimeSpan(text), range.contains(span) else {
            throw CommandLineFailure(
                "bad_time", "\(name) must be \(range.lowerBound.brief) to \(range.upperBound.brief), found `\(text)`",
                status: .usage)
        }
        return span
    }
}
