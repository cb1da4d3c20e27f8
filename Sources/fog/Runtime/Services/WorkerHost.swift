internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogNet
internal import FogSandbox
internal import FogWorker
internal import Logging

/// A worker agent as this installation runs it.
enum WorkerHost {
    struct Options: Sendable {
        var folder: String
        var name: String
        /// The coordinator's URL, where no task is led to; "" = not known.
        var server = ""
        var slots: Int?
        var cpu: Millicores?
        var memory: ByteCount?
        var labels: [String] = []
        var region = ""
        /// Content kept for later tasks; nil = the worker's own bound.
        var cache: ByteCount?
        var volumes: [String: String] = [:]
        var programs: [String] = []
        /// Whether the next sandbox of each slot is kept ready.
        var preparesSandboxes = true
        var allowUnsafe = false
        /// Whether tasks may reach the network where no policy speaks of it.
        var allowsNetwork = false
        /// Addresses that tasks may reach although they are private or loopback.
        var proxyExempt: [NetworkRange] = []
        /// The highest level of private work that it takes; nil = as high as its way to the coordinator allows.
        var privacy: PrivacyLevel?
        /// The level at which its calls go through a mixnet; nil = directly.
        var mix: PrivacyLevel?
        /// What running tasks get to finish when the worker is asked to stop; nil = the worker's own default.
        var drainGrace: TimeSpan?
    }

    /// What a call through a mixnet may take: 16 MiB cross in about six minutes at 20 ms a packet.
    private static let mixDeadline = TimeSpan.minutes(15)

    /// - Throws: when the launcher or the profiles cannot be found, or the folder cannot be used.
    static func agent(
        _ options: Options, carrier: any Carrier, key: SigningKey, coordinator: PublicKey,
        environment: [String: String],
        source: (any AllowanceSource)? = nil, logger: Logger
    ) throws -> WorkerAgent {
        var configuration = WorkerConfiguration(
            stateDirectory: options.folder, name: options.name, launcherPath: try Launcher.locate(),
            profilesDirectory: try ProfileFolder.locate(environment: environment))
        configuration.slots = options.slots
        configuration.cpu = options.cpu
        configuration.memory = options.memory
        configuration.labels = options.labels
        configuration.region = options.region
        configuration.cacheLimit = options.cache
        configuration.volumes = options.volumes
        configuration.programs = options.programs
        configuration.preparesSandboxes = options.preparesSandboxes
        configuration.allowUnsafe = options.allowUnsafe
        configuration.allowsNetwork = options.allowsNetwork
        configuration.proxyExempt = options.proxyExempt
        configuration.coordinatorPlace = WorkerConfiguration.CoordinatorPlace(url: options.server)
        configuration.software = FogVersion.current
        if let grace = options.drainGrace { configuration.drainGrace = grace }
        configuration.privacy = options.privacy ?? (options.mix == .secret ? .secret : .confidential)
        var client = FogClient(carrier: carrier, key: key, coordinator: coordinator)
        if let mix = options.mix {
            configuration.mix = mix
            // A link carries so many bytes a second whatever there is to say: few words, and long waits for answers.
            configuration.pollWait = .minutes(1)
            configuration.logInterval = .seconds(10)
            client.deadline = mixDeadline
        }
        return try WorkerAgent(configuration, client: client, source: source, logger: logger)
    }
}
