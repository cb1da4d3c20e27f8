package import FogCore

/// What an attempt's end means for its task: pure, and the only place where it is decided.
package enum TaskLifecycle {
    package enum Next: Hashable, Sendable {
        case succeeded
        case failed
        case cancelled
        /// Again, at once.
        case ready
        /// Again, not before the time.
        case backoff(until: Timestamp)
        /// A person must look at it.
        case held(String)

        package var isFinal: Bool { self == .succeeded || self == .failed || self == .cancelled }
    }

    /// Counts the outcome into the task and says what comes next.
    ///
    /// Task faults count against `max_attempts` and can be limited to some exit codes; host faults never use up the
    /// task's own tries; an eviction uses up neither, and is not counted at all when the task left a new checkpoint.
    package static func end(
        _ outcome: Outcome, exitCode: Int?, task: inout TaskRecord, policy: RetryPolicy, requestedMemory: ByteCount,
        cancelled: Bool, madeProgress: Bool = false, at now: Timestamp,
        using generator: inout some RandomNumberGenerator
    ) -> Next {
        if outcome == .success { return .succeeded }
        if cancelled { return .cancelled }
        switch outcome.fault {
        case .none: return .succeeded
        case .task:
            task.taskFailures += 1
            guard task.taskFailures < policy.maxAttempts, mayRetry(exitCode: exitCode, policy: policy) else {
                return .failed
            }
            if outcome == .outOfMemory { raiseMemory(of: &task, requested: requestedMemory, policy: policy) }
            return .backoff(until: now + policy.backoff.wait(afterFailures: task.taskFailures, using: &generator))
        case .host:
            task.hostFailures += 1
            guard task.hostFailures < policy.maxHostFailures else {
                return .held("host_failures: \(task.hostFailures) machines failed it, last by \(outcome.rawValue)")
            }
            return .ready
        case .policy:
            if !madeProgress { task.evictions += 1 }
            guard task.evictions < policy.maxEvictions else {
                return .held("evictions: moved \(task.evictions) times; give it `checkpoint.every` or a shorter `time`")
            }
            return .ready
        case .withdrawn: return .ready
        }
    }

    private static func mayRetry(exitCode: Int?, policy: RetryPolicy) -> Bool {
        guard let exitCode, exitCode != 0 else { return true }
        if policy.notOnExitCodes.contains(exitCode) { return false }
        return policy.onExitCodes?.contains(exitCode) ?? true
    }

    private static func raiseMemory(of task: inout TaskRecord, requested: ByteCount, policy: RetryPolicy) {
        guard let ceiling = policy.maxMemory else { return }
        let doubled = ByteCount((task.memory ?? requested).bytes * 2)
        task.memory = min(doubled, ceiling)
    }
}
