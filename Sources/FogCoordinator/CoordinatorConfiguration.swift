package import FogCore
package import FogPlacement

/// What an operator may set; every bound has its default here.
package struct CoordinatorConfiguration: Sendable, Hashable {
    /// How often a worker renews. Default 10 s.
    package var heartbeatEvery: TimeSpan = .seconds(10)
    /// No word from a node for this long: no new work for it. Default 30 s.
    package var suspectAfter: TimeSpan = .seconds(30)
    /// No word for this long: its tasks may be granted again. Default 90 s.
    package var lostAfter: TimeSpan = .seconds(90)
    /// What the three above are at least for a worker whose calls come through a mixnet, where a word may take minutes.
    /// 1 min, 5 min, 10 min.
    package var mixHeartbeatEvery: TimeSpan = .minutes(1)
    package var mixSuspectAfter: TimeSpan = .minutes(5)
    package var mixLostAfter: TimeSpan = .minutes(10)
    /// A gap in the coordinator's own time that is longer than this extends every live lease. Default 10 s.
    package var ownPause: TimeSpan = .seconds(10)
    /// By how much leases are extended after a start or an own pause. Default 90 s.
    package var pauseExtension: TimeSpan = .seconds(90)
    /// How long beyond all that its task may take a reservation of credits stands. Far more than any wait for other
    /// owners' results: it only ever ends what was forgotten.
    package var reservationSlack: TimeSpan = .days(30)
    /// Host faults within ``breakerWindow`` that put a node on probation. Default 3.
    package var breakerFaults = 3
    package var breakerWindow: TimeSpan = .minutes(10)
    /// The first probation; each that follows doubles, up to ``maxProbation``. Default 10 min.
    package var probation: TimeSpan = .minutes(10)
    package var maxProbation: TimeSpan = .hours(24)
    /// Half-life of the usage that fair share weighs. Default 1 d.
    package var usageHalfLife: TimeSpan = .days(1)
    /// A waiting job gains a point of priority in this time. Default 10 min.
    package var agingStep: TimeSpan = .minutes(10)
    /// Steps that one placement round looks at. Default 256.
    package var shapesPerRound = 256
    /// Tasks that one poll may take. Default 128.
    package var leasesPerPoll = 128
    /// Jobs not settled at once, of one account. Default 10,000.
    package var openJobsPerAccount = 10_000
    /// Tasks not final at once, of one account. Default 10,000,000.
    package var queuedTasksPerAccount = 10_000_000
    /// Elements of one array or sweep. Default 1,000,000.
    package var tasksPerJob = 1_000_000
    /// Content, logs and uploads kept at once, of one account. Default 20 GiB.
    package var storedBytesPerAccount = ByteCount.gibibytes(20)
    /// Jobs taken in within a minute, of one account. Default 6,000.
    package var jobsPerMinute = 6000
    /// Requests under way at once, of one key. Default 256.
    package var openRequestsPerKey = 256
    /// Invitations open at once, of one inviter. Default 100.
    package var invitationsPerInviter = 100
    /// Free space of the disk below which nothing new is taken in. Default 2 GiB.
    package var diskFloor = ByteCount.gibibytes(2)
    /// The same as a share of the disk, in percent. Default 5.
    package var diskFloorPercent = 5
    /// Free space below which only running work may end. Default 256 MiB.
    package var diskReserve = ByteCount.mebibytes(256)
    /// Whether work is paid for. Off: prices are 0, use is still metered and logged.
    package var economy = false
    /// Credits a core-hour and a GiB-hour, for nodes that ask nothing else.
    package var coreHourPrice = Credits.credits(1)
    package var gibHourPrice = Credits(micro: 100_000)
    /// Whether the price of machines whose owners ask nothing moves with use, by region and class. Default true.
    package var movingPrices = true
    /// Trust of a node that the operator trusts, until its results earn more.
    package var operatorTrust = 0.95
    /// How likely a trusted node's result in an array is first asked of a stranger's node too, as an audit. Default 0.01.
    package var auditChance = 0.01
    /// Tasks of a step below which none of it is audited: the submitter waits for the last ones. Default 20.
    package var auditLeastTasks = 20
    /// With `verify: auto`, how long a result waits for another owner's machine to take a copy. Default 1 h.
    package var copyPatience: TimeSpan = .hours(1)
    /// Whether owners whose machines share a public address block count as one. Off where all come through one address.
    package var addressesLinkOwners = true
    /// The strategy for jobs that wish none.
    package var strategy = "nsga2"
    /// How much latency, balance, trust, cost and price count for jobs that do not say; nil = by their service class.
    package var placementWeights: ObjectiveWeights?
    /// The longest a search of placement may take. Default 200 ms.
    package var placementBudget: TimeSpan = .milliseconds(200)
    /// Threads of a search of placement. Default 1.
    package var placementThreads = 1
    /// All nodes count as verified by themselves (`fog dev` and single-organisation pools).
    package var trustAllNodes = false
    /// History of a job is kept this long after its end. Default 7 d.
    package var retention: TimeSpan = .days(7)
    /// For how long from now one may ask that a job's history be kept. Default 10 years.
    package var mostKept: TimeSpan = .days(3650)
    /// Blobs that nothing uses go after this long. Default 24 h.
    package var unusedBlobAge: TimeSpan = .hours(24)

    /// Every newcomer waits for an admin's approval, whatever its token says.
    package var approveNewcomers = false

    package init() {}
}

/// A point in time by both clocks: the wall's for what is written down, the boot clock's for durations.
package struct Moment: Sendable, Hashable {
    package var wall: Timestamp
    package var boot: TimeSpan

    package init(wall: Timestamp, boot: TimeSpan) {
        self.wall = wall
        self.boot = boot
    }

    package init(_ clock: some FogClock) {
        wall = clock.now
        boot = clock.sinceBoot
    }
}

/// A request that was understood and refused.
package struct CoordinatorFailure: CodedFailure, Equatable {
    /// `not_found`, `forbidden`, `conflict`, `idempotency_conflict`, `quota`, `unknown_worker`, `bad_manifest`, …
    package let code: String
    package let message: String
    /// Problems of a manifest, one line each.
    package var details: [String] = []
    /// When to ask again, where that helps.
    package var retryAfterSeconds: Int?

    package init(_ code: String, _ message: String, details: [String] = []) {
        self.code = code
        self.message = message
        self.details = details
    }

    package static let idempotencyConflict = CoordinatorFailure(
        "idempotency_conflict", "the idempotency key was used for another manifest or other inputs")

    package static let notFound = CoordinatorFailure(
        "not_found", "there is nothing here under that name, or it is not yours")
}

extension CoordinatorConfiguration {
    /// How long a worker's silence means nothing: between two heartbeats, before it is suspected, before it is lost.
    package func patience(with report: NodeReport) -> (heartbeat: TimeSpan, suspect: TimeSpan, lost: TimeSpan) {
        guard report.mix != nil else { return (heartbeatEvery, suspectAfter, lostAfter) }
        return (
            max(heartbeatEvery, mixHeartbeatEvery), max(suspectAfter, mixSuspectAfter), max(lostAfter, mixLostAfter)
        )
    }
}
