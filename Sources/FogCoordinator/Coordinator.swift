internal import Dispatch
package import FogCore
internal import FogJobs
internal import FogLedger
internal import FogPlacement
package import FogStore
package import Logging
internal import ServiceLifecycle

/// The coordinator at work: decides on values, commits, then lets the answers go.
///
/// Whatever was decided while a commit was under way goes into the next one, so that many requests share a flush
/// without any timer. An answer leaves only when everything that it rests on is on stable storage.
package actor Coordinator: Service {
    package nonisolated let key: PublicKey
    let signingKey: SigningKey
    let store: any Store
    let clock: any FogClock
    let content: ContentStore
    let logger: Logger
    /// Keys whose enrolment is on stable storage.
    package nonisolated let directory = PrincipalDirectory()
    var core: CoordinatorCore

    // The state of the commit loop.
    private var taken: UInt64 = 0
    private var committed: UInt64 = 0
    private var isFlushing = false
    private var waiters: [(ticket: UInt64, continuation: CheckedContinuation<Void, any Error>)] = []
    var failure: StoreFailure?
    /// Polls that wait for work, one a node.
    var pollers: [NodeID: Poller] = [:]
    var pollerCount: UInt64 = 0
    /// Heartbeats whose answers are held back until there is an order, one a node.
    var orderWaiters: [NodeID: (number: UInt64, continuation: CheckedContinuation<Void, Never>)] = [:]
    var orderWaiterCount: UInt64 = 0
    var runningAudit: Task<AuditReport, any Error>?
    /// Of what was added lately.
    var runningPartialAudit: Task<AuditReport, any Error>?
    var quotaKeeping = QuotaKeeping()
    let space: SpaceProbe
    /// Jobs whose secrets lie on the disk, and those of them that are being taken in.
    var secretJobs: Set<JobID> = []
    var admitting: Set<JobID> = []
    /// Large content that is whole on the disk and whose row is being written.
    var arriving: Set<Digest> = []
    /// What was due then is gone, or goes next.
    var lastPrune: Timestamp?
    /// No placement round before this time.
    private var nextRound = ContinuousClock.now
    private var isRoundScheduled = false
    private var isSearching = false
    private let searches = DispatchQueue(label: "fog.placement")
    /// Readers of events that wait for the next one.
    private var eventWaiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
    private var eventWaiterCount: UInt64 = 0
    /// Commits with events so far: tells a reader whether there was one since it asked the store.
    private(set) var eventCommits: UInt64 = 0
    /// The operator's hook.
    var notifier: Notifier?
    /// The newest checkpoint that witnesses cosigned, with their lines.
    package internal(set) var cosigned: [UInt8]?
    /// Commits so far, for the figures.
    package private(set) var commits = 0

    private static let pruneEvery = TimeSpan.minutes(10)

    struct Poller {
        let id: UInt64
        let continuation: CheckedContinuation<([Lease], UInt64), Never>
    }

    /// Reads the store and goes on where it was left.
    /// - Parameter space: the free space where everything is kept; nil = unknown, which bounds nothing.
    package static func open(
        store: any Store, content: ContentStore, key: SigningKey, rules: CoordinatorConfiguration,
        clock: any FogClock = SystemClock(), logger: Logger, space: @escaping SpaceProbe = { nil }
    ) async throws -> Coordinator {
        let coordinator = Coordinator(
            store: store, content: content, key: key, rules: rules, clock: clock, logger: logger, space: space)
        try await coordinator.recover()
        return coordinator
    }

    private init(
        store: any Store, content: ContentStore, key: SigningKey, rules: CoordinatorConfiguration,
        clock: any FogClock, logger: Logger, space: @escaping SpaceProbe
    ) {
        self.space = space
        self.store = store
        self.content = content
        self.clock = clock
        self.logger = logger
        signingKey = key
        self.key = key.publicKey
        core = CoordinatorCore(
            rules: rules, key: key.publicKey, ledger: Ledger(), eventSequence: 0, seed: 0, at: Moment(clock))
    }

    var now: Moment { Moment(wall: clock.now, boot: clock.sinceBoot) }

    // MARK: Life

    /// Turns time into decisions until the service is told to stop; then finishes the commit under way.
    package func run() async throws {
        let ticks = AsyncStream<Void> { continuation in
            let task = Task {
                while !Task.isCancelled {
                    try? await Task.sleep(for: .milliseconds(250))
                    continuation.yield()
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
        var nextPrune = clock.sinceBoot + .minutes(1)
        for await _ in ticks.cancelOnGracefulShutdown() {
            tick()
            if clock.sinceBoot >= nextPrune {
                nextPrune = clock.sinceBoot + Self.pruneEvery
                do {
                    try await prune()
                } catch {
                    logger.error("history could not be pruned", metadata: ["error": "\(error)"])
                }
            }
        }
        releasePollers()
        try? await durable(ticket())
    }

    /// What time does: silence is noticed, waiting work is placed, bounds are looked at.
    package func tick() {
        let now = now
        keepQuotas(at: now)
        core.tick(at: now)
        dispatch(at: now)
        startFlush()
    }

    /// Memory is made again from what is on the disk.
    func recover() async throws {
        let state = try await StoredStateReader(store: store, content: content).read()
        let usage = try await exactUsage()
        let seed = SecureRandom.bytes(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        core = CoordinatorCore(
            recovering: state, rules: core.rules, key: key, seed: seed, at: Moment(clock))
        core.sealer = try await LedgerSealer.open(store, key: signingKey)
        core.usageBook.replace(usage)
        findSecrets()
        try await findEpoch()
        core.disk = DiskLevel(space(), rules: core.rules)
        directory.replace(core.principals)
        core.attributeRecords(at: now)
        if state.ledger == nil || state.ledger?.head.count == 0 {
            core.openBooks(at: now)
        }
        core.keepEconomy(at: now)
        try await durable(ticket())
        logger.info(
            "coordinator recovered",
            metadata: [
                "open_jobs": "\(state.jobs.count)", "nodes": "\(state.nodes.count)",
                "live_attempts": "\(state.attempts.count)",
            ])
    }

    // MARK: Deciding and committing

    /// One decision: applied to the core, committed, and only then answered.
    func perform<Result: Sendable>(
        _ decide: (inout CoordinatorCore, Moment) throws(CoordinatorFailure) -> Result
    ) async throws -> Result {
        try checkAlive()
        let now = now
        let result = try decide(&core, now)
        dispatch(at: now)
        try await durable(ticket())
        return result
    }

    private func checkAlive() throws {
        if let failure { throw failure }
    }

    /// The commit that will hold everything decided so far.
    func ticket() -> UInt64 { core.hasChange ? taken + 1 : taken }

    /// Waits until a commit is on stable storage.
    func durable(_ ticket: UInt64) async throws {
        if committed >= ticket { return }
        try await withCheckedThrowingContinuation { continuation in
            waiters.append((ticket, continuation))
            startFlush()
        }
    }

    func startFlush() {
        guard !isFlushing, core.hasChange else { return }
        isFlushing = true
        // Ends when there is nothing more to commit; everyone who needs its end waits in `durable`.
        Task { await flush() }
    }

    private func flush() async {
        while failure == nil, let change = core.takeChange() {
            taken += 1
            let ticket = taken
            let ordered = core.orderedNodes
            core.orderedNodes = []
            do {
                let results = try await store.commit([change])
                guard results.first == .applied else {
                    throw StoreFailure("unexpected", "a commit was not applied: \(results)")
                }
                committed = ticket
                commits += 1
                directory.add(change.principals)
                let done = waiters.filter { $0.ticket <= ticket }
                waiters.removeAll { $0.ticket <= ticket }
                for waiter in done { waiter.continuation.resume() }
                if !change.events.isEmpty { tell(change.events) }
                dropSecretsOfEndedJobs()
                for id in ordered { orderWaiters.removeValue(forKey: id)?.continuation.resume() }
            } catch {
                await fail(error)
            }
        }
        isFlushing = false
    }

    /// The storage failed: nothing that was decided since the last commit may be told to anyone. Memory is made again
    /// from the disk, so that the coordinator goes on when the storage does.
    private func fail(_ error: any Error) async {
        let failure = error as? StoreFailure ?? StoreFailure("unexpected", "\(error)")
        logger.error("commit failed", metadata: ["code": "\(failure.code)", "message": "\(failure.message)"])
        self.failure = failure
        let all = waiters
        waiters = []
        for waiter in all { waiter.continuation.resume(throwing: failure) }
        releasePollers()
        do {
            try await recover()
            committed = taken
            self.failure = nil
        } catch {
            logger.critical("the store cannot be read", metadata: ["error": "\(error)"])
        }
    }

    // MARK: Waking

    /// Places what waits and hands it to the polls that wait for it.
    ///
    /// A round takes the longer the more machines there are; it is held so seldom that placement never takes more than
    /// a fifth of the coordinator's time. What comes in between is placed together.
    func dispatch(at now: Moment) {
        guard core.placementWanted, !isSearching else { return }
        let start = ContinuousClock.now
        guard start >= nextRound else { return scheduleRound() }
        defer { nextRound = .now + (.now - start) * 4 }
        switch core.placementQuestion(at: now) {
        case .nothing: return
        case .plans(let nodes): grant(to: nodes, at: now)
        case .problem(let problem) where Placement.needsSearch(problem): search(problem)
        case .problem(let problem):
            grant(to: core.adopt(Placement.place(problem, clock: clock), of: problem, at: now), at: now)
        }
    }

    /// A search may take all of its budget: it runs beside the coordinator, which goes on answering, and what came of it
    /// is taken over as advice on a state that may have moved on.
    private func search(_ problem: PlacementProblem) {
        isSearching = true
        let clock = clock
        searches.async {
            let outcome = Placement.place(problem, clock: clock)
            // Ends with one turn of the coordinator.
            Task { await self.finish(outcome, of: problem) }
        }
    }

    private func finish(_ outcome: PlacementOutcome, of problem: PlacementProblem) {
        isSearching = false
        let now = now
        grant(to: core.adopt(outcome, of: problem, at: now), at: now)
        dispatch(at: now)
        startFlush()
    }

    private func grant(to nodes: [NodeID], at now: Moment) {
        for id in nodes {
            guard let poller = pollers[id] else { continue }
            let leases = core.grant(to: id, at: now)
            guard !leases.isEmpty else { continue }
            pollers[id] = nil
            core.nodes[id]?.want = 0
            poller.continuation.resume(returning: (leases, ticket()))
        }
    }

    private func scheduleRound() {
        guard !isRoundScheduled else { return }
        isRoundScheduled = true
        let wait = ContinuousClock.now.duration(to: nextRound)
        // Ends by itself after one round; a round that is missed at shutdown places nothing.
        Task {
            try? await Task.sleep(for: wait)
            isRoundScheduled = false
            dispatch(at: self.now)
            startFlush()
        }
    }

    func releasePollers() {
        let all = pollers
        pollers = [:]
        for poller in all.values { poller.continuation.resume(returning: ([], 0)) }
        let held = orderWaiters
        orderWaiters = [:]
        for waiter in held.values { waiter.continuation.resume() }
        wakeEventWaiters()
    }

    /// Lets everybody know of events that are on stable storage.
    private func tell(_ events: [EventRecord]) {
        wakeEventWaiters()
        notifier?.offer(events)
        EventLog.write(events, to: logger)
    }

    private func wakeEventWaiters() {
        eventCommits += 1
        let all = eventWaiters
        eventWaiters = [:]
        for waiter in all.values { waiter.resume() }
    }

    /// Waits for a committed event, at most so long.
    ///
    /// - Parameter seen: ``eventCommits`` as it was before the store was asked. A commit that came between the question
    ///   and this call would otherwise wake nobody, and the reader would sleep until its time is over.
    func waitForEvent(after seen: UInt64, atMost span: TimeSpan) async {
        guard eventCommits == seen else { return }
        eventWaiterCount += 1
        let id = eventWaiterCount
        let timeout = Task {
            try? await Task.sleep(for: span.duration)
            self.endEventWait(id)
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled {
                    continuation.resume()
                } else {
                    eventWaiters[id] = continuation
                }
            }
        } onCancel: {
            // The waiter is let go as soon as the actor is free.
            Task { await self.endEventWait(id) }
        }
        timeout.cancel()
    }

    private func endEventWait(_ id: UInt64) {
        eventWaiters.removeValue(forKey: id)?.resume()
    }
}
