package import FogCore
package import FogJobs
package import FogLedger
package import FogPlacement
package import FogStore

/// The coordinator's decisions: values in, a change for the store and answers out.
///
/// A value without clock, socket or disk. Every method takes the moment, changes this value and adds what must be
/// stored to ``change``; the service commits that change and only then lets the answers go. When a commit fails, this
/// value is thrown away and made again from the store, so that memory never runs ahead of the disk for long.
package struct CoordinatorCore: Sendable {
    package var rules: CoordinatorConfiguration
    package let key: PublicKey
    package var generator: SeededGenerator
    package var jobs: [JobID: ActiveJob] = [:]
    package var nodes: [NodeID: ActiveNode] = [:]
    package var nodeOfKey: [KeyID: NodeID] = [:]
    /// What nodes' results were; a node without an entry is a newcomer.
    package var reputations: [Reputation.Key: Reputation] = [:]
    /// Which owners count as one; made anew before a round when machines or their addresses have changed.
    var kinship = Kinship()
    var isKinshipStale = true
    var stakeLinks = StakeLinks()
    /// Nodes whose results do not count by themselves.
    var strangers = 0
    /// Tasks of `verify: auto` with results that wait for other owners, and since when by the boot clock.
    var awaiting: [TaskID: TimeSpan] = [:]
    var nextAwaitingReview = TimeSpan.zero
    package var principals: [KeyID: Principal] = [:]
    /// Invitations that let somebody in, by the hash of their secret.
    package var invitations: [Digest: Invitation] = [:]
    /// Keys that wait for an admin's approval, and those that were refused it.
    package var applicants: [KeyID: Applicant] = [:]
    /// What accounts are called.
    private(set) var owners: [AccountID: String] = [:]
    package var ledger: Ledger
    /// The epoch whose pools are filled; nil when it is not known yet.
    package var begunEpoch: SubjectID?
    var nextEconomy: TimeSpan = .zero
    /// Index prices, kept in the store epoch by epoch.
    package var market = MarketBook()
    var nextMarketSample: TimeSpan = .zero
    /// What the last round's market sold, by step.
    var sales: [ShapeKey: MarketSale] = [:]
    package var recentTransfers = RecentTransfers()
    /// Signs what the log becomes; nil where nobody is to hold it against the coordinator.
    package var sealer: LedgerSealer?
    package var fairShare: FairShare
    package var placementMemory: PlacementMemory?
    /// Every new fencing token lies above it; 0 unless the store was restored from a backup.
    var fencingFloor: UInt32 = 0
    /// Trace ids of open jobs that have one, for their events.
    var traces: [JobID: String] = [:]
    /// What is decided and not yet taken by ``takeChange()``.
    package var change = Change()
    package var hasChange = false
    package var eventSequence: UInt64
    /// Whether work or capacity appeared since the last placement round.
    package var placementWanted = true
    /// Decisions whose first grant is not made yet, and when one of the step was written last, by the boot clock.
    var openDecisions: [ShapeKey: PlacementDecision] = [:]
    var decidedAt: [ShapeKey: TimeSpan] = [:]
    /// Attempts whose grant is in the change that is being made: the store has not seen them.
    var fresh: Set<AttemptID> = []
    /// Nodes for which there are orders since the last commit.
    var orderedNodes: Set<NodeID> = []
    /// The last snapshot of the pool in the history, and when the next may be made.
    var lastTopology: [String: String] = [:]
    var nextTopology: TimeSpan = .zero
    var nextShareSave: TimeSpan = .zero
    /// Nodes that may have a plan.
    var plannedNodes: Set<NodeID> = []
    /// Steps that got nothing in a round that left machines free.
    var stepsAside: Set<ShapeKey> = []
    var placementRounds = 0
    /// The boot clock at the last tick, to notice the coordinator's own pauses.
    package var lastTick: TimeSpan
    /// Submits of late by account and idempotency key: catches two that come at the same time.
    package var recentKeys: [IdempotencySlot: (job: JobID, digest: Digest)] = [:]
    /// Leases granted in all, for the figures.
    package var grants = 0
    package var completions = 0
    /// What accounts keep and how fast they submit.
    package var usageBook = UsageBook()
    package var disk = DiskLevel.ample
    var nextQuotaReview = TimeSpan.zero

    package init(
        rules: CoordinatorConfiguration, key: PublicKey, ledger: Ledger, eventSequence: UInt64, seed: UInt64,
        at now: Moment
    ) {
        self.rules = rules
        self.key = key
        self.ledger = ledger
        self.eventSequence = eventSequence
        generator = SeededGenerator(seed: seed)
        fairShare = FairShare(halfLife: rules.usageHalfLife)
        lastTick = now.boot
    }

    // MARK: What is to be stored

    /// Hands over everything decided so far, as one change.
    package mutating func takeChange() -> Change? {
        guard hasChange else { return nil }
        defer {
            fresh = []
            change = Change()
            hasChange = false
        }
        sealer?.seal(&change)
        return change
    }

    mutating func note(
        _ kind: String, at now: Moment, job: JobID? = nil, task: UInt32? = nil, token: UInt32? = nil,
        node: NodeID? = nil, detail: [String: String] = [:]
    ) {
        eventSequence += 1
        var event = EventRecord(kind, at: now.wall, job: job, task: task, token: token, node: node, detail: detail)
        if let trace = job.flatMap({ traces[$0] }) { event.detail["trace_id"] = trace }
        event.sequence = eventSequence
        change.events.append(event)
        hasChange = true
    }

    /// Works on a job in place: taken out of the dictionary meanwhile, so that nothing of it is copied, and put back
    /// unless it is settled.
    mutating func withJob<Result>(
        _ id: JobID, _ body: (inout CoordinatorCore, inout ActiveJob) -> Result
    ) -> Result? {
        guard var job = jobs.removeValue(forKey: id) else { return nil }
        let result = body(&self, &job)
        if job.record.progress.settled {
            traces[id] = nil
            forgetDecisions(of: id, steps: job.steps.count)
        } else {
            jobs[id] = job
        }
        return result
    }

    mutating func saveProgress(of job: ActiveJob) {
        change.progress[job.record.id] = job.record.progress
        hasChange = true
    }

    mutating func save(_ task: TaskRecord) {
        change.tasks[task.id] = task
        hasChange = true
    }

    mutating func save(_ node: ActiveNode) {
        nodes[node.row.id] = node
        change.nodes[node.row.id] = node.row
        hasChange = true
    }

    mutating func save(_ row: Principal) {
        principals[row.key.id] = row
        learnName(of: row)
        change.principals.append(row)
        hasChange = true
    }

    /// Applies a chain to the ledger and joins what it writes to the change.
    @discardableResult
    package mutating func post(_ entries: [LedgerEntry], at now: Moment) -> LedgerRefusal? {
        guard !entries.isEmpty else { return nil }
        switch ledger.apply(entries, at: now.wall, lookup: .empty, using: &generator) {
        case .applied(let applied):
            if change.ledger == nil {
                change.ledger = applied
            } else {
                change.ledger?.append(applied)
            }
            hasChange = true
            return nil
        case .exists: return nil
        case .refused(let refusal, _): return refusal
        }
    }

    // MARK: Finding

    /// An account is called by the first key that was enrolled for it.
    mutating func learnName(of principal: Principal) {
        guard owners[principal.account] == nil else { return }
        owners[principal.account] = principal.name
    }

    /// Who may act under a key; nil also for one that is revoked or suspended.
    package func principal(_ id: KeyID) -> Principal? { principals[id].flatMap { $0.isActive ? $0 : nil } }

    package func node(of key: KeyID) -> ActiveNode? { nodeOfKey[key].flatMap { nodes[$0] } }

    /// A job that the principal may ask for: its account's own, or any where its role reaches everybody's.
    package func visible(
        _ id: JobID, to principal: Principal, asking capability: Capability = .seeJobs
    ) -> ActiveJob? {
        guard let job = jobs[id],
            job.record.account == principal.account || principal.mayForEverybody(capability)
        else { return nil }
        return job
    }
}

/// Under what a repeated submit is found again.
package struct IdempotencySlot: Hashable, Sendable {
    package let account: AccountID
    package let key: String

    package init(account: AccountID, key: String) {
        self.account = account
        self.key = key
    }
}
