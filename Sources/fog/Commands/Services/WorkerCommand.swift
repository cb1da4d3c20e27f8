internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogWorker
import Foundation
internal import Logging
internal import ServiceLifecycle

/// `fog worker`: this machine at work for others.
struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "worker", "Lend this machine to a pool.", examples: ["fog worker run"],
        subcommands: [
            WorkerRun.self, WorkerPolicy.self, WorkerPause.self, WorkerResume.self, WorkerHistory.self, WorkerTry.self,
            WorkerInstall.self, WorkerUninstall.self, WorkerLeave.self,
        ])
}

/// `fog worker run`
struct WorkerRun: SessionCommand {
    static let configuration = CommandConfiguration(
        "run", "Take tasks from the coordinator and run them, in the foreground.",
        examples: ["fog worker run", "fog worker run --slots 4 --label gpu --memory 8GiB"],
        more:
            "Ctrl-C lets running tasks finish for a while, hands the others back and keeps undelivered results on disk."
    )

    @Option(help: "The machine's name in the pool; default its host name.")
    var name: String?

    @Option(
        help: """
            personal, lab, dedicated, a file, or always (no sensor is asked); default fog worker policy edit's, else \
            personal with a battery and lab without.
            """)
    var policy: String?

    @Option(help: "Tasks at once, 1 to 256; default one a core.")
    var slots: Int?

    @Option(help: "What tasks may use together, in cores; default all.")
    var cpu: Double?

    @Option(help: "What tasks may use together; default 90 % of the machine's memory.")
    var memory: String?

    @Option(help: "A label that jobs may ask for; can be repeated.")
    var label: [String] = []

    @Option(help: "Where the machine is, in the pool's own words.")
    var region = ""

    @Option(help: "A folder that jobs may read as volume:NAME, NAME=PATH; can be repeated.")
    var volume: [String] = []

    @Option(help: "A program to look for and offer, beside the usual ones; can be repeated.")
    var program: [String] = []

    @Option(help: "What its cache may hold; default 10GiB, or a tenth of the free disk when that is less.")
    var cache: String?

    @Option(help: "The folder of its cache and results; default in the state folder.")
    var state: String?

    @Option(help: "What running tasks get to finish when the worker is told to stop.")
    var drainGrace = "30s"

    @Flag(help: "Keep the machine from falling asleep while tasks run here (systemd-inhibit).")
    var keepAwake = false

    @Flag(
        inversion: .prefixedNo,
        help: "Keep the next sandbox of each slot ready: tasks start sooner, for an idle process a slot.")
    var prepareAhead = true

    @Flag(help: "Also offer the profile none, which isolates nothing. For comparisons only.")
    var allowUnsafe = false

    @Option(
        help: """
            The highest level of private work to take: public (none), private, confidential or secret; default confidential, \
            and secret where the context goes through a mixnet at that level.
            """)
    var privacy: String?

    @OptionGroup var log: LogOptions

    @OptionGroup var common: CommonOptions

    func validate() throws {
        if let slots, !(1...256).contains(slots) { throw ValidationError("--slots must be 1 to 256, found \(slots)") }
        if let privacy, PrivacyLevel(rawValue: privacy) == nil {
            throw ValidationError("--privacy must be public, private, confidential or secret, found `\(privacy)`")
        }
        if let cpu, !(0.1...1024).contains(cpu) { throw ValidationError("--cpu must be 0.1 to 1024, found \(cpu)") }
    }

    func run(_ session: Session) async throws {
        let logger = ServiceRun.logger("fog.worker", log, verbose: common.verbose, quietly: session.mode == .quiet)
        let prepared = try await prepare(session, logger: logger)
        let (agent, context) = (prepared.agent, prepared.context)
        defer { withExtendedLifetime(prepared.lock) {} }
        if session.mode == .table {
            session.console.note(
                "\(prepared.name) works for \(context.mix.map { "\(context.name), through the mixnet (\($0.level))" } ?? context.server), policy \(prepared.policy)"
            )
        }
        var services: [any Service] = [agent]
        if let machine = prepared.machine { services.append(WorkerControl.socket(machine, prepared.folder, logger)) }
        services.append(
            LogWatch(
                client: try await session.client(),
                kept: try KeptCheckpoint(state: prepared.folder, coordinator: context.coordinator), logger: logger))
        if keepAwake {
            services.append(KeepAwake(logger: logger) { [agent] in await !agent.status.held.isEmpty })
        }
        if let manager = ServiceManager(environment: session.environment) {
            // That the agent answers at all is what is asked: a coordinator that is away is no reason to end.
            services.append(
                WatchdogService(manager: manager) { [agent] in
                    _ = await agent.status
                    return true
                })
            manager.ready("works for \(context.server)")
        }
        try await prepared.keeping { try await ServiceRun.group(services, logger: logger).run() }
    }

    /// The agent that these flags describe, its machine's governor, and the right to its folder, to be kept as long as
    /// it runs.
    func prepare(_ session: Session, logger: Logger) async throws
        -> Prepared
    {
        let context = try await session.resolve()
        let path = session.settings.identity ?? context.identityFile
        let name = name ?? String(ProcessInfo.processInfo.hostName.prefix { $0 != "." })
        var options = WorkerHost.Options(folder: state ?? "\(session.folders.state)/worker", name: name)
        options.slots = slots
        options.cpu = cpu.map { Millicores(Int64(($0 * 1000).rounded())) }
        options.memory = try memory.map { try ByteCount($0) }
        options.labels = label
        options.region = region
        options.cache = try cache.map { try ByteCount($0) }
        options.volumes = try NamedValues(volume, option: "--volume", wanted: "NAME=PATH").values
        options.programs = program
        options.preparesSandboxes = prepareAhead
        options.allowUnsafe = allowUnsafe
        options.server = context.server
        options.privacy = privacy.flatMap { PrivacyLevel(rawValue: $0) }
        options.mix = context.mix.flatMap { PrivacyLevel(rawValue: $0.level) }
        guard options.privacy != .secret || options.mix == .secret else {
            throw CommandLineFailure(
                "not_secret", "--privacy secret needs a context that goes through a mixnet at the level secret",
                help: "fog context mix \(context.name) --level secret --network FILE --service NODE/KEY", status: .usage
            )
        }
        options.proxyExempt = session.settings.proxyExempt
        options.drainGrace = try TimeSpan(drainGrace)
        let carrier = try session.carrier(for: context)
        let lock = try FolderLock(options.folder)
        let machine = try HarvestHost.machine(policy, options, session, logger: logger)
        let agent = try WorkerHost.agent(
            options, carrier: carrier, key: try KeyFile.read(path), coordinator: context.coordinator,
            environment: session.environment, source: machine?.machine, logger: logger)
        return Prepared(
            agent: agent, machine: machine?.machine, lock: lock, context: context, name: name, folder: options.folder,
            policy: machine?.policy ?? "\(PolicyFile.always): any hour, no matter who is at the machine")
    }

    /// What it takes to run.
    struct Prepared {
        let agent: WorkerAgent
        /// Nil when no sensor is asked.
        let machine: GovernedMachine?
        let lock: FolderLock
        let context: FogContext
        let name: String
        let folder: String
        let policy: String

        /// Writes what the machine gave however the body ends.
        func keeping(_ body: () async throws -> Void) async throws {
            do {
                try await body()
            } catch {
                await machine?.close()
                throw error
            }
            await machine?.close()
        }
    }
}
