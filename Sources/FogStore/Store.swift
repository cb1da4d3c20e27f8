package import FogCore
package import FogJobs
package import FogLedger
package import FogPlacement

/// Where the coordinator's state outlives the process: jobs, nodes, ledger and history in one transaction.
///
/// Two implementations pass one conformance suite: SQLite for every day, memory for the simulation. Nothing of either
/// crosses this border: no row id, no trigger's logic, no clock of the store. The caller makes all ids and times.
package protocol Store: Sendable {
    /// Applies each change whole or not at all, in order; those that wait together share one flush.
    ///
    /// When this returns, every applied change is on stable storage.
    /// - Throws: ``StoreFailure`` when the storage itself fails; then none of the changes was applied.
    func commit(_ changes: [Change]) async throws(StoreFailure) -> [CommitResult]

    // MARK: Starting

    /// Jobs that are not settled, with their canonical documents.
    func openJobs() async throws(StoreFailure) -> [StoredJob]
    /// Tasks of jobs that are not settled, in non-final states.
    func openTasks() async throws(StoreFailure) -> [TaskRecord]
    /// Attempts without an end.
    func openAttempts() async throws(StoreFailure) -> [AttemptRecord]
    func nodes() async throws(StoreFailure) -> [NodeRow]
    /// What is known of nodes' results.
    func reputations() async throws(StoreFailure) -> [Reputation.Key: Reputation]
    /// The newest epochs of the market that ended at a time or later, oldest first; nil = of all segments.
    func marketEpochs(
        of segment: MarketSegment?, since: Timestamp, limit: Int
    ) async throws(StoreFailure) -> [MarketEpoch]
    func principals() async throws(StoreFailure) -> [Principal]
    /// Invitations that have uses left, expired ones too.
    func invitations() async throws(StoreFailure) -> [Invitation]
    /// Keys that wait for approval or were refused it.
    func applicants() async throws(StoreFailure) -> [Applicant]
    /// Accounts that are not closed, open pendings, keys and the head of the log: what ``Ledger`` needs to go on. Nil
    /// while the log is empty.
    func ledgerState() async throws(StoreFailure) -> LedgerProjection?
    func settings() async throws(StoreFailure) -> [String: String]
    func lastEventSequence() async throws(StoreFailure) -> UInt64

    // MARK: Jobs

    func job(_ id: JobID) async throws(StoreFailure) -> StoredJob?
    /// Newest first.
    func jobs(_ filter: JobFilter) async throws(StoreFailure) -> [JobRecord]
    /// Ids whose text begins so; at most `limit`.
    func jobIDs(prefix: String, account: AccountID?, limit: Int) async throws(StoreFailure) -> [JobID]
    /// The job that was submitted under an idempotency key.
    func job(account: AccountID, idempotencyKey: String) async throws(StoreFailure) -> JobRecord?
    func task(_ id: TaskID) async throws(StoreFailure) -> TaskRecord?
    /// Tasks that have a row, by number.
    func tasks(of job: JobID, after number: UInt32?, states: Set<TaskState>?, limit: Int) async throws(StoreFailure)
        -> [TaskRecord]
    func attempt(_ id: AttemptID) async throws(StoreFailure) -> AttemptRecord?
    /// By task and token; `task` nil = all tasks of the job.
    func attempts(of job: JobID, task: UInt32?, after: AttemptID?, limit: Int) async throws(StoreFailure)
        -> [AttemptRecord]
    /// In order of sequence.
    func events(after sequence: UInt64, job: JobID?, limit: Int) async throws(StoreFailure) -> [EventRecord]
    /// How tasks of a job were placed, newest first; of each step the last ``StoredDecision/keptPerStep``.
    func decisions(of job: JobID) async throws(StoreFailure) -> [StoredDecision]

    // MARK: Content

    func blob(_ digest: Digest) async throws(StoreFailure) -> BlobRecord?
    /// Whether the account has a use of the blob: uploaded it, or a job of its own names it.
    func mayRead(_ digest: Digest, account: AccountID) async throws(StoreFailure) -> Bool
    /// What each account keeps: content that it has a use of, and the logs of its jobs' ended attempts.
    func contentUsage() async throws(StoreFailure) -> [AccountID: ContentUsage]
    func log(_ attempt: AttemptID, stream: LogStream) async throws(StoreFailure) -> [UInt8]?

    // MARK: Ledger

    /// A transfer of the past, with how it was resolved.
    func transfer(_ id: TransferID) async throws(StoreFailure) -> KnownTransfer?
    /// Whether a post was made for a subject.
    func isPaid(_ subject: SubjectID) async throws(StoreFailure) -> Bool
    /// The record that posted for a subject.
    func payment(of subject: SubjectID) async throws(StoreFailure) -> UInt64?
    func account(_ id: AccountID) async throws(StoreFailure) -> Account?
    /// Records that name the account, newest first.
    func ledgerRecords(of account: AccountID, before sequence: UInt64?, limit: Int) async throws(StoreFailure)
        -> [StoredLedgerRecord]
    func evidence(_ digest: Digest) async throws(StoreFailure) -> EvidenceDocument?
    /// Records from a sequence on, in order.
    func ledgerRecords(from sequence: UInt64, limit: Int) async throws(StoreFailure) -> [StoredLedgerRecord]
    /// The hashes that a tile of the log's tree has by now: none to 256.
    func hashes(of tile: TileID) async throws(StoreFailure) -> [Digest]
    /// The newest checkpoint; nil while nothing was signed.
    func checkpoint() async throws(StoreFailure) -> StoredCheckpoint?
    /// Reads the economy whole and as it was at one moment, whatever is committed meanwhile: for the audit.
    ///
    /// - Parameter body: runs at once, away from the caller; what it throws comes back as a ``StoreFailure``.
    func readEconomy<Answer: Sendable>(
        _ body: @escaping @Sendable (any EconomyReader) throws -> Answer
    ) async throws(StoreFailure) -> Answer

    // MARK: Housekeeping

    /// Removes the history of jobs that ended before a time (never ledger or evidence), at most `limit` jobs; the
    /// blobs that nothing uses any more are returned for their files to go.
    ///
    /// - Parameter keptBefore: jobs that are kept until this time or a later one stay.
    func prune(endedBefore: Timestamp, keptBefore: Timestamp, unusedBefore: Timestamp, limit: Int)
        async throws(StoreFailure) -> [Digest]
    /// What ``prune(endedBefore:keptBefore:unusedBefore:limit:)`` without a limit would remove. Nothing is changed.
    func prunable(endedBefore: Timestamp, keptBefore: Timestamp, unusedBefore: Timestamp) async throws(StoreFailure)
        -> Prunable
    /// A consistent copy of the whole store.
    func backup(to path: String) async throws(StoreFailure)
}

/// Everything that the audit vouches for, and what it must know besides, at one moment.
package protocol EconomyReader {
    /// Every row of a table, in the order of its key (documents in any order). What does not read is a row too.
    func rows(of table: EconomyTable, _ body: (EconomyRow) throws -> Void) throws
    /// - Throws: ``LedgerFailure`` when the row is there and does not read.
    func document(_ digest: Digest) throws -> EvidenceDocument?
    /// Jobs that are not settled.
    func openJobs() throws -> [JobID]
    /// Attempts without an end.
    func openAttempts() throws -> [AttemptID]
    /// The digests of the receipts that attempts name.
    func receipts(_ body: (AttemptID, Digest) throws -> Void) throws
    /// What the store itself finds wrong: a table, index or trigger that is missing or is not its own, and damage.
    ///
    /// - Parameter everyPage: read the whole file for damage, which takes as long as the file is large.
    func complaints(everyPage: Bool) throws -> [String]
    /// The few rows that a key stands for, so that what was added lately is found without what lies before it.
    func rows(under key: EconomyKey, _ body: (EconomyRow) throws -> Void) throws
    /// The hashes that a tile of the log's tree has by now.
    func hashes(of tile: TileID) throws -> [Digest]
}

extension EconomyReader {
    package func complaints() throws -> [String] { try complaints(everyPage: true) }
}

/// Rows of the economy that are found by a key.
package enum EconomyKey: Hashable, Sendable {
    /// The log from a record on, or one record of it.
    case records(from: UInt64)
    case record(UInt64)
    case newestRecord
    case account(AccountID)
    case transfer(TransferID)
    case paid(SubjectID)
    /// The first record that names an account.
    case firstRecord(of: AccountID)
    /// The last one below a sequence. Takes the time of all that follow it.
    case lastRecord(of: AccountID, below: UInt64)
    /// Those from a sequence on, in order.
    case accountRecords(AccountID, from: UInt64)
    /// Records that set a rule, in order.
    case rules(from: UInt64)
    /// From a number on, in order.
    case tiles(level: Int, from: UInt64)
    /// Of a size and above, in order, and the one before them.
    case checkpoints(from: UInt64)
}

/// What retention would let go of.
package struct Prunable: Hashable, Sendable {
    package var jobs = 0
    package var tasks = 0
    package var attempts = 0
    package var events = 0
    /// Small logs that lie in the store.
    package var logs = 0
    package var logBytes: Int64 = 0
    package var blobs = 0
    package var blobBytes: Int64 = 0

    package init() {}
}

/// A job and the canonical document it was made from.
package struct StoredJob: Hashable, Sendable {
    package var record: JobRecord
    package var document: String
    /// What its submitter signed to have it run; none for a job that an older version took in.
    package var request: Authorisation

    package init(record: JobRecord, document: String, request: Authorisation = .none) {
        self.record = record
        self.document = document
        self.request = request
    }
}

/// Which jobs to list.
package struct JobFilter: Hashable, Sendable {
    package var account: AccountID?
    package var states: Set<JobState>?
    package var label: (String, String)? {
        get { labelName.map { ($0, labelValue) } }
        set { (labelName, labelValue) = (newValue?.0, newValue?.1 ?? "") }
    }
    package var name: String?
    /// Only jobs older than this one (a page's cursor).
    package var before: JobID?
    /// At least 0.
    package var limit: Int
    private var labelName: String?
    private var labelValue = ""

    package init(
        account: AccountID? = nil, states: Set<JobState>? = nil, name: String? = nil, before: JobID? = nil,
        limit: Int = 100
    ) {
        self.account = account
        self.states = states
        self.name = name
        self.before = before
        self.limit = limit
    }
}

/// Content that the store vouches for. Small content lives in the store itself, so that it is as durable as the
/// transaction that names it; larger content is a file, flushed before it is named.
package struct BlobRecord: Hashable, Sendable {
    package var digest: Digest
    package var size: Int64
    /// The content, when it is at most ``inlineLimit``.
    package var inline: [UInt8]?
    package var createdAt: Timestamp

    package static let inlineLimit = 16 << 10

    package init(digest: Digest, size: Int64, inline: [UInt8]?, createdAt: Timestamp) {
        self.digest = digest
        self.size = size
        self.inline = inline
        self.createdAt = createdAt
    }
}

/// Why an account may read a blob: it uploaded it (no job), or a job of its own names it.
package struct BlobUse: Hashable, Sendable {
    package var digest: Digest
    package var account: AccountID
    package var job: JobID?
    package var at: Timestamp

    package init(digest: Digest, account: AccountID, job: JobID?, at: Timestamp) {
        self.digest = digest
        self.account = account
        self.job = job
        self.at = at
    }
}

package enum LogStream: String, Sendable, Codable, CaseIterable { case stdout, stderr }

/// A whole, small log that came with an attempt's end.
package struct StoredLog: Hashable, Sendable {
    package var attempt: AttemptID
    package var stream: LogStream
    package var bytes: [UInt8]

    package init(attempt: AttemptID, stream: LogStream, bytes: [UInt8]) {
        self.attempt = attempt
        self.stream = stream
        self.bytes = bytes
    }
}

/// What one decision does to the store, with what must still be true when it is applied.
package struct Change: Sendable {
    package var preconditions: [Precondition] = []
    package var principals: [Principal] = []
    /// Made, or with fewer uses left.
    package var invitations: [Digest: Invitation] = [:]
    /// Used up, expired or withdrawn.
    package var closedInvitations: Set<Digest> = []
    package var applicants: [PublicKey: Applicant] = [:]
    /// Approved, or refused long ago.
    package var closedApplicants: Set<PublicKey> = []
    package var newJobs: [StoredJob] = []
    /// The newest progress of each job that moved.
    package var progress: [JobID: JobProgress] = [:]
    package var tasks: [TaskID: TaskRecord] = [:]
    package var newAttempts: [AttemptRecord] = []
    package var endedAttempts: [AttemptRecord] = []
    /// Ended attempts that were paid after their end: once, and within their bound.
    package var latePayments: [AttemptID: Credits] = [:]
    package var nodes: [NodeID: NodeRow] = [:]
    package var reputations: [Reputation.Key: Reputation] = [:]
    /// One of the same segment and end replaces the other.
    package var marketEpochs: [MarketEpoch] = []
    /// Epochs that ended before go.
    package var marketKeptFrom: Timestamp?
    package var events: [EventRecord] = []
    /// One of the same step and time replaces the other.
    package var decisions: [StoredDecision] = []
    package var blobs: [BlobRecord] = []
    package var blobUses: [BlobUse] = []
    /// Uses that end; those that are not there are no failure.
    package var releasedUses: [BlobUse] = []
    package var logs: [StoredLog] = []
    package var evidence: [EvidenceDocument] = []
    package var ledger: LedgerChange?
    /// What the records of ``ledger`` add to the tree.
    package var tree: TreeChange?
    package var settings: [String: String] = [:]

    package init() {}
}

/// What must be true for a change to apply; otherwise it is `stale` and the caller decides again.
package enum Precondition: Hashable, Sendable {
    /// No job under this id, nor under this account's idempotency key.
    case jobIsNew(JobID, account: AccountID, idempotencyKey: String?)
    /// The task's stored token is this one (0 = no row yet) and its state is not final.
    case taskToken(TaskID, UInt32)
    /// The attempt exists and has no end.
    case attemptOpen(AttemptID)
    /// The ledger's newest record is this one (nil = the log is empty).
    case ledgerHead(UInt64?)
    /// The node is stored under this standing.
    case nodeStanding(NodeID, NodeRow.Standing)
    /// The invitation is stored with so many uses left.
    case invitationUses(Digest, Int)
}

package enum CommitResult: Hashable, Sendable {
    case applied
    /// A precondition did not hold: somebody was faster. Words for the log.
    case stale(String)
    /// What the change would make is there already.
    case exists(String)
    /// The schema forbids it: a broken invariant, never an ordinary outcome.
    case refused(String)
}

/// A row of the log as it lies in the store.
package struct StoredLedgerRecord: Hashable, Sendable {
    package let sequence: UInt64
    package let bytes: [UInt8]
    /// The leaf hash that was stored beside the bytes.
    package let hash: Digest

    package init(sequence: UInt64, bytes: [UInt8], hash: Digest) {
        self.sequence = sequence
        self.bytes = bytes
        self.hash = hash
    }
}
