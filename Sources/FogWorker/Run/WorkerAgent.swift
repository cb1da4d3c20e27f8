import FogAPI
import FogCore
import FogJobs
import FogSandbox
import Logging
import ServiceLifecycle

/// A machine at work for a coordinator: takes leases, runs them within what the owner allows, and reports.
///
/// The actor decides and keeps the books; loops around it talk to the coordinator, and one runner a slot does the work
/// outside of it.
package actor WorkerAgent: Service {
    enum Phase { case starting, serving, draining, stopped }

    nonisolated let configuration: WorkerConfiguration
    nonisolated let client: FogClient
    nonisolated let logger: Logger
    nonisolated let host: SandboxHost
    nonisolated let executor: Executor
    nonisolated let spool: Spool
    nonisolated let source: any AllowanceSource
    nonisolated let slots: Int
    nonisolated let bandwidth: Bandwidth
    /// New with every start: tells the coordinator that what it knew of the former process is gone.
    nonisolated let incarnation = Base32.encode(SecureRandom.bytes(16))

    nonisolated let linkWake = Wake()
    nonisolated let listenWake = Wake()
    nonisolated let pollWake = Wake()
    nonisolated let deliveryWake = Wake()
    nonisolated let drainWake = Wake()
    nonisolated let stopWake = Wake()
    nonisolated let housekeepingWake = Wake()

    var phase = Phase.starting
    var report: NodeReport
    /// Programs and their versions, when the caller knows them.
    private let programs: [String: String]?
    var decision: HarvestDecision
    var terms: WorkerTerms?
    var needsHello = true
    /// When the coordinator last answered a hello or a heartbeat, by the boot clock.
    var lastAnswered: TimeSpan
    /// The coordinator does not speak with this program or its key any more: it drains and ends, results stay in the
    /// spool.
    var refusedForGood: Problem?
    /// Failed tries to deliver in a row.
    var failedDeliveries = 0

    /// Leases from arrival to report.
    var held: [AttemptID: HeldAttempt] = [:]
    /// Those of `held` that wait for a slot, oldest first.
    var waiting: [AttemptID] = []
    var idle: [Int: CheckedContinuation<Lease?, Never>] = [:]
    /// Orders that are on their way to a slot; it gets no new task until they arrived.
    var orders: [Int: Int] = [:]
    var usedCPU = Millicores.zero
    var usedMemory = ByteCount.zero
    var running = 0
    /// Processor time of all tasks that ended.
    var usedNanoseconds: Int64 = 0
    /// Mean time of a task in its slot, in milliseconds; nil before the first.
    var meanTask: Double?

    /// Reports until the coordinator has them.
    var undelivered: [AttemptID: FinishedAttempt] = [:]
    var outbox: [AttemptID] = []
    var delivered = 0

    /// - Parameter source: where allowances come from; nil = the configuration's policy.
    /// - Parameter programs: what is installed, when that is known; nil = found out by running them.
    /// - Throws: `no_launcher`, `sandbox_failed`, `disk_failed`, `bad_configuration`.
    package init(
        _ configuration: WorkerConfiguration, client: FogClient, source: (any AllowanceSource)? = nil,
        programs: [String: String]? = nil, logger: Logger = Logger(label: "fog.worker")
    ) throws {
        for folder in [configuration.stateDirectory, configuration.workFolder] { try Disk.makeFolders(folder) }
        let facts = MachineFacts.read(stateDirectory: configuration.stateDirectory)
        let slots = configuration.slots ?? facts.processors
        guard (1...WorkerConfiguration.maxSlots).contains(slots) else {
            throw WorkerFailure(
                "bad_configuration", "slots must be 1 to \(WorkerConfiguration.maxSlots), found \(slots)")
        }
        let cpu = configuration.cpu ?? .cores(Int64(facts.processors))
        let memory = configuration.memory ?? ByteCount(facts.memory.bytes / 10 * 9)
        self.configuration = configuration
        let client = client.withWorkerLink()
        self.client = client
        self.logger = logger
        self.slots = slots
        self.programs = programs
        var sandboxes = SandboxHost.Options()
        sandboxes.preparesAhead = configuration.preparesSandboxes
        host = try SandboxHost(launcherPath: configuration.launcherPath, options: sandboxes)
        spool = try Spool(folder: configuration.spoolFolder)
        let volumes = try SharedVolumes(configuration.volumes, stateDirectory: configuration.stateDirectory)
        if let mistake = ProgramProbe.mistake(in: configuration.programs) {
            throw WorkerFailure("bad_configuration", mistake)
        }
        let bandwidth = Bandwidth(clock: client.clock)
        self.bandwidth = bandwidth
        let cache = try ContentCache(folder: configuration.cacheFolder, limit: configuration.cacheLimit)
        let receiver = try ReceivingKeyFile.readOrCreate(in: configuration.stateDirectory)
        var proxies = ProxyHost.Options()
        proxies.exempt = configuration.proxyExempt
        proxies.coordinator = configuration.coordinatorPlace
        proxies.bandwidth = bandwidth
        executor = Executor(
            configuration: configuration, client: client, host: host,
            bandwidth: bandwidth, proxies: ProxyHost(proxies),
            staging: Staging(
                cache: cache, volumes: volumes, client: client, bandwidth: bandwidth, retry: configuration.retry),
            profiles: ProfileShelf(directory: configuration.profilesDirectory), pump: try LogPump(),
            processors: ProcessorPool(), spool: spool, receiver: receiver, logger: logger)
        self.source =
            source
            ?? DedicatedMachine(
                cpu: cpu, memory: memory, slots: slots, network: configuration.allowsNetwork)
        report = NodeReport(
            name: configuration.name, architecture: facts.architecture, cpu: cpu, memory: memory, disk: facts.disk)
        decision = HarvestDecision(
            Allowance(state: .closed, reason: "starting", cpuCap: cpu, memoryCap: memory, slots: slots))
        lastAnswered = client.clock.sinceBoot
    }

    // MARK: - Life

    /// Works until a graceful shutdown, which lets tasks finish, or until cancelled, which ends them.
    /// - Throws: ``Problem`` when the coordinator refuses this machine at the first hello, or, whenever that is, its
    ///   version (`upgrade_required`); then tasks were let finish, and what could not be delivered is in the spool.
    package func run() async throws {
        try await prepare()
        let drainWake = drainWake
        do {
            try await withGracefulShutdownHandler {
                try await work()
            } onGracefulShutdown: {
                drainWake.signal()
            }
        } catch {
            await close()
            throw error
        }
        await close()
    }

    private func prepare() async throws {
        // What a former process worked in: its tasks are gone, the sandbox has swept them.
        let folder = configuration.workFolder
        try await Disk.offload { () throws(WorkerFailure) in
            for name in Disk.names(folder) { Disk.removeTree(folder + "/" + name) }
        }
        let spool = spool
        for finished in try await Disk.offload({ () throws(WorkerFailure) in spool.load() }) { enqueue(finished) }
        report = await Capabilities.detect(configuration, host: host, programs: programs)
        let statement = CandidateStatement(
            machine: client.key.publicKey, coordinator: client.coordinatorKey, receiver: executor.receiver.publicBytes,
            capability: report.gpu > 0 ? .gpu : .cpu, region: report.region, at: client.clock.now)
        report.statement = Base64.encode(statement.signed(with: client.key).bytes)
        logger.info(
            "The worker is ready",
            metadata: [
                "name": "\(configuration.name)", "slots": "\(slots)", "profiles": "\(report.profiles)",
                "missing": "\(report.missingIsolation)", "undelivered": "\(undelivered.count)",
            ])
    }

    private func work() async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask { try await self.keepLink() }
            group.addTask { await self.keepListening() }
            group.addTask { await self.obey() }
            group.addTask { await self.keepPolling() }
            group.addTask { await self.keepDelivering() }
            group.addTask { await self.keepHouse() }
            for index in 0..<slots { group.addTask { await self.serve(index) } }
            group.addTask {
                await self.drainWake.wait()
                // Cancelled, not asked: nothing is waited for.
                if !Task.isCancelled { await self.drain() }
                await self.stop()
                return true
            }
            defer { group.cancelAll() }
            while let isOver = try await group.next() {
                if isOver { break }
            }
        }
        if let refusedForGood { throw refusedForGood }
    }

    /// One slot's work, task after task.
    private nonisolated func serve(_ index: Int) async -> Bool {
        while let lease = await next(index) {
            let before = client.clock.sinceBoot
            let finished = await executor.run(lease, slot: index, for: self)
            await finish(
                lease.attempt, with: finished, tookMilliseconds: (client.clock.sinceBoot - before).milliseconds)
        }
        return false
    }

    /// Nothing starts any more; runners that wait are let go.
    func stop() {
        phase = .stopped
        for continuation in idle.values { continuation.resume(returning: nil) }
        idle = [:]
    }

    private func close() async {
        stop()
        await persistAll()
        executor.pump.stop()
        await host.shutdown()
    }

    // MARK: - For people

    package var status: WorkerStatus {
        let now = client.clock.sinceBoot
        let silent = now - lastAnswered
        let patience = (terms?.heartbeatEvery ?? .seconds(10)) * 3
        return WorkerStatus(
            name: configuration.name, node: terms?.node,
            link: terms == nil ? .connecting : silent > patience ? .away : .connected, silentFor: silent,
            state: decision.allowance.state, reason: decision.allowance.reason, isDraining: phase == .draining,
            slots: slots,
            held: held.values.sorted { $0.lease.attempt < $1.lease.attempt }.map { attempt in
                .init(
                    attempt: attempt.lease.attempt, jobName: attempt.lease.jobName, state: attempt.state,
                    runningFor: attempt.startedAt.map { now - $0 })
            }, undelivered: undelivered.count, delivered: delivered, missingIsolation: report.missingIsolation)
    }
}
