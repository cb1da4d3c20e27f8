/// How an attempt ended. An eviction ends an attempt, never a task.
package enum Outcome: String, Sendable, Codable, CaseIterable {
    case success
    case exitNonzero = "exit_nonzero"
    case signaled
    case timeout
    case outOfMemory = "oom"
    case diskExceeded = "disk_exceeded"
    case sandboxViolation = "sandbox_violation"
    case outputMissing = "output_missing"
    /// The task took a checkpoint and asked to be run again.
    case checkpointed
    case evictedUser = "evicted_user"
    case evictedThermal = "evicted_thermal"
    case evictedBattery = "evicted_battery"
    case evictedWindow = "evicted_window"
    case drained
    case leaseExpired = "lease_expired"
    case workerLost = "worker_lost"
    case stageInFailed = "stage_in_failed"
    case stageOutFailed = "stage_out_failed"
    /// The program could not be started: no interpreter, no library, wrong format.
    case launchFailed = "launch_failed"
    case rejectedByQuorum = "rejected_by_quorum"
    case cancelled
    case superseded

    /// Who is to answer for an attempt's end.
    package enum Fault: String, Sendable, Codable {
        /// Nobody.
        case none
        /// The task: counts against `max_attempts`.
        case task
        /// The machine: counts against `max_host_failures` and the node's standing.
        case host
        /// The owner's policy: counts against `max_evictions` only.
        case policy
        /// The submitter or the coordinator ended it.
        case withdrawn
    }

    package var fault: Fault {
        switch self {
        case .success: .none
        case .exitNonzero, .signaled, .timeout, .outOfMemory, .diskExceeded, .sandboxViolation, .outputMissing: .task
        case .leaseExpired, .workerLost, .stageInFailed, .stageOutFailed, .launchFailed, .rejectedByQuorum: .host
        case .evictedUser, .evictedThermal, .evictedBattery, .evictedWindow, .drained, .checkpointed: .policy
        case .cancelled, .superseded: .withdrawn
        }
    }

    /// Whether a worker may say it of its own attempt; the others are the coordinator's to say.
    package var isReportable: Bool {
        switch self {
        case .leaseExpired, .workerLost, .rejectedByQuorum, .superseded: false
        default: true
        }
    }
}
