internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogNet
internal import Synchronization

/// One command's surroundings: settings, folders, the terminal, and the way to the coordinator when it is asked for.
final class Session: Sendable {
    let settings: Settings
    let folders: Folders
    let console: Console
    let environment: [String: String]
    let clock: any FogClock = SystemClock()
    private let carriers = Mutex<[String: HTTPCarrier]>([:])
    private let mixWays = Mutex<[MixOwner: MixWayCarrier]>([:])

    var mode: OutputMode { settings.output }
    var now: Timestamp { clock.now }

    init(_ options: some SessionOptions, environment: [String: String] = CurrentEnvironment.variables) async throws {
        self.environment = environment
        folders = try Folders(environment: environment)
        settings = try await Settings(
            flags: options.flags, environment: environment, files: Settings.files(folders))
        console = Console(
            color: settings.color, isVerbose: options.verbose, isQuiet: settings.output == .quiet,
            environment: environment)
    }

    /// Runs a command's body and closes the connections however it ends.
    static func with(_ options: some SessionOptions, _ body: (Session) async throws -> Void) async throws {
        let session = try await Session(options)
        do {
            try await body(session)
        } catch {
            session.console.show(live: nil)
            await session.close()
            throw error
        }
        session.console.show(live: nil)
        await session.close()
    }

    private func close() async {
        let open = carriers.withLock { carriers in
            defer { carriers = [:] }
            return Array(carriers.values)
        }
        for carrier in open { await carrier.shutDown() }
        let ways = mixWays.withLock { ways in
            defer { ways = [:] }
            return Array(ways.values)
        }
        for way in ways { await way.shutDown() }
    }

    // MARK: The coordinator

    /// Whose packets go which way: those of two keys never share a circuit.
    private struct MixOwner: Hashable {
        let way: FogContext.MixWay
        let key: KeyID
    }

    /// The one carrier of this process to an address.
    /// - Parameter pin: the coordinator's key, when nobody else's certificate will do.
    func carrier(to server: String, pin: PublicKey? = nil) throws -> HTTPCarrier {
        let place = pin.map { "\(server) \($0.id)" } ?? server
        return try carriers.withLock { carriers in
            if let carrier = carriers[place] { return carrier }
            var options = HTTPCarrier.Options()
            options.allowsPlaintext = settings.allowsPlaintext
            options.pin = pin
            options.proxy = try ProxySetting(environment: environment).proxy(for: server)
            let carrier = try HTTPCarrier(server, options: options)
            carriers[place] = carrier
            return carrier
        }
    }

    /// The way that a context names: through the mixnet when it names that, and then no other.
    func carrier(for context: FogContext) throws -> any Carrier {
        guard let mix = context.mix else {
            return try carrier(to: context.server, pin: context.isPinned ? context.coordinator : nil)
        }
        return try carrier(
            through: mix, of: try KeyFile.read(settings.identity ?? context.identityFile).publicKey.id)
    }

    /// - Parameter key: whose packets they are.
    func carrier(through mix: FogContext.MixWay, of key: KeyID) throws -> any Carrier {
        let owner = MixOwner(way: mix, key: key)
        let (way, isNew) = try mixWays.withLock { ways in
            if let way = ways[owner] { return (way, false) }
            let way = try MixWayCarrier(mix, owner: owner.key, state: folders.state)
            ways[owner] = way
            return (way, true)
        }
        if isNew, way.isTest { console.warn("NO ANONYMITY: the mixnet is a test network") }
        return way.carrier
    }

    /// The keys of this user's private jobs.
    var jobKeys: JobKeyShelf { JobKeyShelf(state: folders.state) }

    func contexts() throws -> ContextsFile { try ContextsFile.load(folders.contextsFile) }

    /// Who is asked, and as whom.
    func resolve() async throws -> FogContext {
        let contexts = try contexts()
        let chosen = try settings.context.map { try contexts.require($0) }
        guard let server = settings.server else {
            guard let context = chosen ?? contexts.currentContext else {
                throw CommandLineFailure(
                    "no_coordinator", "no coordinator is known here",
                    help: "start one on this machine: fog dev; or join one: fog join TOKEN", status: .usage)
            }
            return context
        }
        if var context = chosen ?? contexts.contexts.first(where: { $0.server == server }) {
            context.server = server
            return context
        }
        // An address of no context: its key tells whether it is one of ours at another door.
        let info = try await FogClient.info(of: carrier(to: server))
        if var context = contexts.contexts.first(where: { $0.coordinator == info.coordinator }) {
            context.server = server
            return context
        }
        guard Self.isThisMachine(server) else {
            throw CommandLineFailure(
                "unknown_coordinator",
                "\(server) was never joined from here: nothing says that its key \(info.coordinator.id) is the right one",
                help: "ask its operator for a token: fog join TOKEN", status: .denied)
        }
        return FogContext(
            name: "", server: server, coordinator: info.coordinator, identityFile: folders.identityFile)
    }

    func client() async throws -> FogClient {
        let context = try await resolve()
        let path = settings.identity ?? context.identityFile
        console.detail("coordinator \(context.server) (\(context.coordinator.id)), key \(path)")
        var client = FogClient(
            carrier: try carrier(for: context), key: try KeyFile.read(path), coordinator: context.coordinator,
            clock: clock)
        client.deadline = settings.timeout
        client.naming = jobKeys
        client.traceparent = environment["TRACEPARENT"].flatMap { TraceParent($0)?.description }
        return client
    }

    private static func isThisMachine(_ server: String) -> Bool {
        let host = server.split(separator: "/").dropFirst().first ?? ""
        return host.hasPrefix("127.") || host.hasPrefix("[::1]") || host == "localhost" || host.hasPrefix("localhost:")
    }

    // MARK: Printing

    /// Prints a thing as the user wants it: as a document, as its id, or for people.
    func show(_ body: some Encodable, id: String, _ people: () -> Void) throws {
        switch mode {
        case .json: console.print(try Documents.document(of: body))
        case .quiet: console.print(id)
        case .table: people()
        }
    }
}

/// A command that speaks to the coordinator or to the files of this installation.
protocol SessionCommand: AsyncParsableCommand {
    associatedtype Options: SessionOptions
    var common: Options { get }
    func run(_ session: Session) async throws
}

extension SessionCommand {
    func run() async throws { try await Session.with(common, run) }
}

extension ExitStatus {
    /// Ends the command with this status and no words.
    var exit: ExitCode { ExitCode(rawValue) }
}
