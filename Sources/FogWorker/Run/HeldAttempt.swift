import FogCore
import FogJobs
import FogSandbox

/// A lease that the agent has, from its arrival until its report is finished.
struct HeldAttempt {
    let lease: Lease
    var state = AttemptState.accepted
    /// How long the lease lasts without an answer of the coordinator, for exclusive jobs.
    let term: TimeSpan
    let arrivedAt: TimeSpan
    /// When its program started.
    var startedAt: TimeSpan?
    /// The coordinator was told that it runs.
    var isTold = false
    /// The slot that runs its program, while it does.
    var slot: (index: Int, sandbox: SandboxSlot)?
    var place: AttemptPlace?
    var logs: [LogCapture] = []
    var wish: EndWish?
    var companion: Task<Void, Never>?
}

/// What the executor learns when a program has ended.
struct EndedAttempt: Sendable {
    let wish: EndWish?
    let companion: Task<Void, Never>?
    let coordinator: PublicKey?
    /// The coordinator did not answer lately: do not wait for it.
    let isAway: Bool
}
