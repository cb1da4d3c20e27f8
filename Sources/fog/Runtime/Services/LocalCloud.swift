internal import FogAPI
internal import FogCommandLine
internal import FogCoordinator
internal import FogCore
internal import FogHTTP
internal import FogJobs
internal import FogNet
internal import FogWorker
internal import Logging
internal import ServiceLifecycle

/// A whole small cloud in one process: a coordinator, its workers, one person's key with credits.
///
/// The parts meet over HTTP on loopback as they would on many machines; nothing is taken short.
struct LocalCloud: Sendable {
    /// The name of the context that commands on this machine use.
    static let context = "dev"

    struct Options: Sendable {
        /// Where all of it is kept; started again on the same folder it goes on where it was.
        var folder: String
        var address: HTTPServer.Address
        var workers = 1
        /// Tasks at once of each worker; nil = the cores, shared among the workers.
        var slots: Int?
        var credits = Credits.credits(10_000)
        /// The bounds of its coordinator.
        var rules = CoordinatorConfiguration()
        var allowUnsafe = false
        var volumes: [String: String] = [:]
        /// Addresses that tasks may reach although they are private or loopback.
        var proxyExempt: [NetworkRange] = []
        var mixDoor: MixDoor.Options?
        var identityFile: String
        var environment: [String: String]
    }

    let host: CoordinatorHost
    private let options: Options
    private let bound: AsyncStream<String>
    private let logger: Logger

    static func open(_ options: Options, logger: Logger) async throws -> LocalCloud {
        let (bound, continuation) = AsyncStream.makeStream(of: String.self)
        var hostOptions = CoordinatorHost.Options(
            folder: "\(options.folder)/coordinator", name: context, address: options.address)
        hostOptions.rules = options.rules
        hostOptions.rules.economy = true
        hostOptions.rules.trustAllNodes = true
        hostOptions.mixDoor = options.mixDoor
        let host = try await CoordinatorHost.open(hostOptions, logger: logger) { url in
            continuation.yield(url)
            continuation.finish()
        }
        return LocalCloud(host: host, options: options, bound: bound, logger: logger)
    }

    /// Serves until it is told to stop.
    /// - Parameter onReady: called with the URL when the first worker may take work.
    func run(onReady: @escaping @Sendable (String) async throws -> Void) async throws {
        let workers = LocalWorkers(bound: bound) { url in
            let agents = try await makeWorkers(url)
            // Said when the coordinator knows every worker, so that what is asked next finds them.
            Task {
                while await !allConnected(agents.map(\.0)) { try await Task.sleep(for: .milliseconds(20)) }
                try await onReady(url)
            }
            return agents
        }
        try await ServiceRun.group(host.services + [workers], logger: logger).run()
    }

    private func allConnected(_ workers: [WorkerAgent]) async -> Bool {
        for worker in workers where await worker.status.link != .connected { return false }
        return true
    }

    private func makeWorkers(_ url: String) async throws -> [(WorkerAgent, HTTPCarrier)] {
        let (key, _) = try KeyFile.readOrCreate(options.identityFile)
        let operatorPrincipal = try await host.enrolOperator(
            key, name: "operator", credits: options.credits)
        var workers: [(WorkerAgent, HTTPCarrier)] = []
        for index in 1...max(1, options.workers) {
            let folder = "\(options.folder)/worker-\(index)"
            let name = "dev-\(index)"
            let (workerKey, _) = try KeyFile.readOrCreate("\(folder)/worker.key")
            if await host.coordinator.principal(workerKey.publicKey.id) == nil {
                // The machine is the operator's own: what it earns goes back to the same account.
                _ = try await host.coordinator.enrol(
                    workerKey, name: name, roles: [.worker], account: operatorPrincipal.account)
            }
            let carrier = try HTTPCarrier(url)
            var worker = WorkerHost.Options(folder: folder, name: name)
            worker.slots = options.slots
            worker.allowUnsafe = options.allowUnsafe
            worker.server = url
            worker.volumes = options.volumes
            // Its owner is who submits.
            worker.allowsNetwork = true
            worker.proxyExempt = options.proxyExempt
            worker.drainGrace = .seconds(5)
            workers.append(
                (
                    try WorkerHost.agent(
                        worker, carrier: carrier, key: workerKey, coordinator: host.key.publicKey,
                        environment: options.environment, logger: logger), carrier
                ))
        }
        return workers
    }
}

/// The workers of a ``LocalCloud``: they start when the server's address is known.
private struct LocalWorkers: Service {
    let bound: AsyncStream<String>
    let make: @Sendable (String) async throws -> [(WorkerAgent, HTTPCarrier)]

    func run() async throws {
        for await url in bound.cancelOnGracefulShutdown() {
            let workers = try await make(url)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (agent, carrier) in workers {
                    group.addTask {
                        do {
                            try await agent.run()
                        } catch {
                            await carrier.shutDown()
                            throw error
                        }
                        await carrier.shutDown()
                    }
                }
                try await group.waitForAll()
            }
        }
    }
}
