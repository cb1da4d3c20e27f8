package import FogCore
package import FogJobs
package import FogLedger

/// A job that is not settled, in memory.
package struct ActiveJob: Sendable {
    package var record: JobRecord
    package let spec: JobSpec
    package let files: FileTable
    /// Of a job that runs part of another again: the elements its tasks stand for, in order; nil = all of them.
    package let selection: [UInt32]?
    /// Sizes of blobs that the manifest names itself.
    package var blobSizes: [Digest: Int64] = [:]
    package var steps: [ActiveStep]
    /// Tasks that have a row and are not final.
    package var tasks: [UInt32: ActiveTask] = [:]
    /// Leases of it that have no end yet.
    package var openAttempts = 0
    /// Price bounds of those leases together.
    package var reserved = Credits.zero
    /// The newest checkpoint of tasks that have one.
    package var checkpointFiles: [UInt32: [LeaseInput]] = [:]
    /// What its submitter signed: stands in the record that opens its escrow. None once it is open.
    package var request = Authorisation.none

    package init(record: JobRecord, spec: JobSpec, files: FileTable, selection: [UInt32]? = nil) {
        self.selection = selection
        self.record = record
        self.spec = spec
        self.files = files
        steps = spec.steps.enumerated().map { ActiveStep(ordinal: $0.offset, spec: $0.element, files: files) }
    }

    /// The step that a task belongs to.
    package func stepIndex(of number: UInt32) -> Int? {
        record.progress.steps.firstIndex { number >= $0.base && number < $0.base + $0.count }
    }

    /// Which element of its step a task is.
    package func element(of number: UInt32, step: Int) -> Int {
        let place = number - record.progress.steps[step].base
        return selection.map { Int($0[Int(place)]) } ?? Int(place)
    }

    package func taskID(_ number: UInt32) -> TaskID { TaskID(job: record.id, number: number) }

    /// Whether anything of it may start now.
    package var mayStart: Bool { record.progress.held == nil && record.progress.cancelReason == nil }
}

/// A step's queue, in memory.
package struct ActiveStep: Sendable {
    package let ordinal: Int
    package let spec: StepSpec
    /// What a node must have: the manifest's word and what its inputs ask for.
    package let requires: [Requirement]
    /// The oldest protocol whose workers understand its leases.
    package let protocolNeeded: Int
    /// Tasks that have a row and may be granted now, oldest first. An entry whose task is not ready any more is
    /// skipped when it is met.
    package var readyAgain: [UInt32] = []
    /// Tasks that wait for their time.
    package var backoff: [UInt32: Timestamp] = [:]
    /// Leases that are live now.
    package var out = 0
    /// Exponential moving average of how long its tasks that succeeded took.
    package var meanTask: TimeSpan?
    /// What succeeded tasks left, kept only while a later step needs it: element index -> files.
    package var results: [UInt32: [OutputFile]] = [:]
    package var isNeeded = false
    /// Tasks of which several owners' results were equal, and of which they differed, since the coordinator started.
    package var agreed = 0
    package var differed = 0

    package init(ordinal: Int, spec: StepSpec, files: FileTable) {
        self.ordinal = ordinal
        self.spec = spec
        requires = spec.requires + spec.derivedRequirements(files: files)
        protocolNeeded = requires.reduce(1) {
            if case .protocolVersion(let needed, _) = $1 { max($0, needed) } else { $0 }
        }
    }
}

/// A task with a row, in memory.
package struct ActiveTask: Sendable {
    package var record: TaskRecord
    package let step: Int
    /// The lease that holds the token now, if one does.
    package var attempt: LiveAttempt?

    package init(record: TaskRecord, step: Int, attempt: LiveAttempt? = nil) {
        self.record = record
        self.step = step
        self.attempt = attempt
    }

    /// Accounts whose results are held: no other copy goes to them.
    package var owners: [AccountID] { record.trail?.held.map(\.payee) ?? [] }

    /// Whether an attempt's result was taken and waits for others to agree.
    package func isHeld(_ id: AttemptID, receipt: Digest? = nil) -> Bool {
        record.trail?.held.contains { $0.id == id && (receipt == nil || $0.receipt == receipt) } ?? false
    }
}

/// What an attempt's result was held against.
package enum Standing: Sendable {
    /// Nothing.
    case alone
    case amongOthers
    /// An answer that was known before: an audit.
    case knownAnswer
}

/// A lease that has no end yet.
package struct LiveAttempt: Sendable {
    package var record: AttemptRecord
    package var state: AttemptState
    package let demand: ResourceRequest
    /// The node was lost: the token stays current until the task is granted again.
    package var isOrphan = false
    package var cancelWanted = false
    package var standing = Standing.alone
    /// Since when its worker's heartbeats do not name it, by the boot clock.
    package var missingSince: TimeSpan?
    /// Content that its worker may read while the lease lives.
    package var readable: Set<Digest> = []

    package init(record: AttemptRecord, state: AttemptState, demand: ResourceRequest) {
        self.record = record
        self.state = state
        self.demand = demand
    }
}
