package import FogCore

/// A job as it is stored: what was asked (never changes) and how far it is (changes with every commit).
package struct JobRecord: Hashable, Sendable, Codable {
    package var id: JobID
    package var name: String
    /// The account that pays.
    package var account: AccountID
    package var submitter: PublicKey
    package var submittedAt: Timestamp
    package var idempotencyKey: String?
    /// BLAKE2b-256 of the canonical document.
    package var documentDigest: Digest
    /// Blob with the concrete files behind the inputs' sources; nil when there are none.
    package var fileTable: Digest?
    package var labels: [String: String]
    package var priority: Int
    /// Where it stands in its submitter's trace.
    package var trace: TraceParent?
    /// A core-hour and a GiB-hour, of a job that was reserved: fixed when it was taken in.
    package var reservedCore: Credits?
    package var reservedGibibyte: Credits?
    package var progress: JobProgress

    package init(
        id: JobID, name: String, account: AccountID, submitter: PublicKey, submittedAt: Timestamp,
        idempotencyKey: String?, documentDigest: Digest, fileTable: Digest?, labels: [String: String], priority: Int,
        progress: JobProgress
    ) {
        self.id = id
        self.name = name
        self.account = account
        self.submitter = submitter
        self.submittedAt = submittedAt
        self.idempotencyKey = idempotencyKey
        self.documentDigest = documentDigest
        self.fileTable = fileTable
        self.labels = labels
        self.priority = priority
        self.progress = progress
    }

    package var state: JobState { progress.state }
}

/// How far a job is.
package struct JobProgress: Hashable, Sendable, Codable {
    package var steps: [StepProgress]
    /// Why nothing new starts; nil = not held.
    package var held: String?
    package var cancelReason: String?
    package var firstGrantAt: Timestamp?
    package var finishedAt: Timestamp?
    package var budget: Credits
    /// Posted to workers so far.
    package var spent: Credits
    /// Whether the escrow account exists.
    package var escrowOpen: Bool
    /// The escrow was emptied and closed, and every task is final.
    package var settled: Bool
    package var deadlineMissed: Bool
    /// Its history stays at least until then, whatever retention says; nil = as long as every job's.
    package var keptUntil: Timestamp?
    /// The key of a private job, sealed to the machines that may run it; nil for a public one.
    package var keys: SealedKeys?

    package init(steps: [StepProgress], budget: Credits) {
        self.steps = steps
        self.budget = budget
        spent = .zero
        escrowOpen = false
        settled = false
        deadlineMissed = false
    }

    package var counts: TaskCounts { steps.reduce(TaskCounts()) { $0 + $1.counts } }
    package var state: JobState { counts.jobState(cancelled: cancelReason != nil) }

    /// Whether retention lets go of a job that ended before one time and was kept until before another.
    package func isDue(endedBefore: Timestamp, keptBefore: Timestamp) -> Bool {
        guard settled, let finishedAt else { return false }
        return finishedAt < endedBefore && (keptUntil.map { $0 < keptBefore } ?? true)
    }
}

/// How far one step is. Tasks before `cursor` have a row of their own; the rest exist as this number alone.
package struct StepProgress: Hashable, Sendable, Codable {
    package var name: String
    /// Number of the step's first task in the job.
    package var base: UInt32
    package var count: UInt32
    /// Tasks of this step that were granted once and have a row: `base ..< base + cursor`.
    package var cursor: UInt32
    /// The state of the others, all alike: blocked, ready, skipped or cancelled.
    package var untouchedState: TaskState
    package var counts: TaskCounts

    package init(name: String, base: UInt32, count: UInt32, blocked: Bool) {
        self.name = name
        self.base = base
        self.count = count
        cursor = 0
        untouchedState = blocked ? .blocked : .ready
        counts = TaskCounts([untouchedState: Int(count)])
    }

    /// Tasks that have no row.
    package var untouched: UInt32 { count - cursor }

    /// Moves all tasks that have no row.
    package mutating func moveUntouched(to state: TaskState) {
        counts.move(Int(untouched), from: untouchedState, to: state)
        untouchedState = state
    }
}

/// A task that was granted at least once, or was held or ended by itself.
package struct TaskRecord: Hashable, Sendable, Codable {
    package var id: TaskID
    package var state: TaskState
    /// The fencing token of the newest lease; 0 before the first.
    package var token: UInt32
    package var taskFailures: Int
    package var hostFailures: Int
    package var evictions: Int
    package var notBefore: Timestamp?
    package var heldReason: String?
    /// More than the manifest asks, after an attempt ran out of memory.
    package var memory: ByteCount?
    /// The newest checkpoint, as a file table blob.
    package var checkpoint: Digest?
    package var finishedAt: Timestamp?
    /// The attempt whose result was accepted.
    package var winner: UInt32?
    /// Which of its ended attempts may be paid yet; nil while there is none.
    package var trail: WorkTrail?

    package init(id: TaskID, state: TaskState) {
        self.id = id
        self.state = state
        token = 0
        taskFailures = 0
        hostFailures = 0
        evictions = 0
    }
}

/// One lease of a task: written when it is granted, once more when it ends, never after.
package struct AttemptRecord: Hashable, Sendable, Codable {
    package var id: AttemptID
    package var node: NodeID
    /// The account that is paid.
    package var payee: AccountID
    package var grantedAt: Timestamp
    /// The most this attempt can cost, fixed at the grant.
    package var priceBound: Credits
    /// A core-hour and a GiB-hour, fixed at the grant; nil for attempts that were granted before there were asks.
    package var coreRate: Credits?
    package var gibRate: Credits?
    /// What the machine's owner gets of a core-hour where that is less than the submitter pays; the pool keeps the rest.
    package var sellerRate: Credits?
    package var endedAt: Timestamp?
    package var outcome: Outcome?
    package var exitCode: Int?
    package var signal: Int?
    /// For people: which limit, which file, which step of the launch.
    package var detail: String?
    package var usage: Usage?
    package var paid: Credits
    /// SHA-256 of the signed receipt in the evidence documents.
    package var receipt: Digest?
    /// The files the attempt left, empty unless it succeeded.
    package var outputs: [OutputFile]
    package var stdoutSize: Int64
    package var stderrSize: Int64

    package var isOpen: Bool { endedAt == nil }

    package init(
        id: AttemptID, node: NodeID, payee: AccountID, grantedAt: Timestamp, priceBound: Credits
    ) {
        self.id = id
        self.node = node
        self.payee = payee
        self.grantedAt = grantedAt
        self.priceBound = priceBound
        paid = .zero
        outputs = []
        stdoutSize = 0
        stderrSize = 0
    }
}

/// A collected output: content by digest, never a path on the worker.
package struct OutputFile: Hashable, Sendable, Codable, Comparable {
    package var name: String
    package var size: Int64
    package var executable: Bool
    package var digest: Digest

    package init(name: String, size: Int64, executable: Bool, digest: Digest) {
        self.name = name
        self.size = size
        self.executable = executable
        self.digest = digest
    }

    package static func < (first: OutputFile, second: OutputFile) -> Bool {
        first.name.utf8.lexicographicallyPrecedes(second.name.utf8)
    }
}

/// What an attempt used, and where that was read.
package struct Usage: Hashable, Sendable, Codable {
    package enum Source: String, Sendable, Codable, CaseIterable {
        case cgroupV2 = "cgroup_v2"
        case cgroupV1 = "cgroup_v1"
        case rusage
    }

    package var cpuNanoseconds: Int64
    package var wallNanoseconds: Int64
    package var peakBytes: Int64
    package var bytesIn: Int64
    package var bytesOut: Int64
    package var source: Source

    private enum CodingKeys: String, CodingKey {
        case cpuNanoseconds = "cpu_ns"
        case wallNanoseconds = "wall_ns"
        case peakBytes = "peak_bytes"
        case bytesIn = "in"
        case bytesOut = "out"
        case source
    }

    package init(
        cpuNanoseconds: Int64, wallNanoseconds: Int64, peakBytes: Int64, bytesIn: Int64 = 0, bytesOut: Int64 = 0,
        source: Source
    ) {
        self.cpuNanoseconds = cpuNanoseconds
        self.wallNanoseconds = wallNanoseconds
        self.peakBytes = peakBytes
        self.bytesIn = bytesIn
        self.bytesOut = bytesOut
        self.source = source
    }
}

/// One line of the append-only history.
package struct EventRecord: Hashable, Sendable, Codable {
    /// Dense from 1 in one coordinator's history; a reader's cursor. Given by the coordinator, 0 before that.
    package var sequence: UInt64 = 0
    /// `job_submitted`, `task_granted`, `task_succeeded`, `node_lost`, …
    package var kind: String
    package var at: Timestamp
    package var job: JobID?
    package var task: UInt32?
    package var token: UInt32?
    package var node: NodeID?
    /// Small, in words or numbers; never the content of a job.
    package var detail: [String: String]

    package init(
        _ kind: String, at: Timestamp, job: JobID? = nil, task: UInt32? = nil, token: UInt32? = nil,
        node: NodeID? = nil, detail: [String: String] = [:]
    ) {
        self.kind = kind
        self.at = at
        self.job = job
        self.task = task
        self.token = token
        self.node = node
        self.detail = detail
    }
}
