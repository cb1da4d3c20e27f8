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
        subcommands: [CoordinatorRun.self])
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

    @Flag(help: "Work is paid for in credits.")
    var economy = false

    @Flag(help: "All nodes belong to one organisation: results count without a second opinion.")
    var trustAllNodes = false

    @Option(help: "How often workers report, 1s to 1m.")
    var heartbeat = "10s"

    @Option(help: "Silence after which a node gets no new work.")
    var suspectAfter = "30s"

    @Option(help: "Silence after which a node's tasks run elsewhere.")
    var lostAfter = "90s"

    @Option(help: "How long the history of ended jobs is kept.")
    var retention = "7d"

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let address = try ServiceRun.address(listen)
        guard ServiceRun.isLoopback(address.host) else {
            throw CommandLineFailure(
                "refused_plaintext", "a coordinator speaks plain HTTP on loopback only, found `\(address.host)`",
                help: "put a proxy with TLS before it and name its address by --url", status: .usage)
        }
        var options = CoordinatorHost.Options(
            folder: state ?? "\(session.folders.state)/coordinator", name: name, address: address, url: url)
        options.rules = try rules()
        let identityFile = session.settings.identity ?? session.folders.identityFile
        let logger = ServiceRun.logger("fog.coordinator", verbose: common.verbose, quietly: session.mode == .quiet)
        let (operatorKey, isNew) = try KeyFile.readOrCreate(identityFile)
        if isNew { session.console.note("made a key: \(identityFile)") }
        let (contextName, folder) = (name, options.folder)
        let host = try await CoordinatorHost.open(options, logger: logger) { [url] bound in
            let server = url ?? bound
            do {
                try Self.save(bound, name: contextName, folder: folder, identityFile: identityFile, session)
            } catch {
                logger.error("the context was not saved", metadata: ["error": "\(error)"])
            }
            session.console.print(
                session.mode == .json
                    ? JSON.object(["state": .string("ready"), "server": .string(server)]).compact : "ready \(server)")
        }
        _ = try await host.enrolOperator(operatorKey.publicKey, name: "operator", credits: .zero)
        try await ServiceRun.group([host.coordinator, host.server], logger: logger).run()
    }

    /// Commands of this user on this machine find the coordinator by its context.
    private static func save(
        _ server: String, name: String, folder: String, identityFile: String, _ session: Session
    ) throws {
        let key = try KeyFile.read("\(folder)/coordinator.key").publicKey
        var contexts = try session.contexts()
        let context = FogContext(
            name: contexts.freeName(for: name, coordinator: key), server: server, coordinator: key,
            identityFile: identityFile)
        try contexts.put(context, makeCurrent: contexts.currentContext == nil)
        try contexts.save(session.folders.contextsFile)
    }

    private func rules() throws -> CoordinatorConfiguration {
        var rules = CoordinatorConfiguration()
        rules.economy = economy
        rules.trustAllNodes = trustAllNodes
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
