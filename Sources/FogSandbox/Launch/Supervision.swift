import FogSandboxPlan

/// When a running task is stopped: a pure state machine over nanoseconds since boot.
struct Supervision: Sendable {
    enum Effect: Hashable, Sendable {
        case order(PlanOrder)
        /// At what the task takes, see ``TaskWatch``.
        case look
        /// The launcher does not do what it is told; its death takes the task along.
        case killLauncher
    }

    /// The task is looked at this often.
    static let lookInterval: Int64 = 100_000_000
    /// From SIGKILL to the death of the launcher.
    static let patience: Int64 = 5_000_000_000

    /// Why the task is being ended; the first reason stays.
    private(set) var cause: Ending?
    private(set) var isFrozen = false
    private let grace: Int64
    private var wallLeft: Int64
    private var wallSince: Int64
    private var graceEnd: Int64?
    private var patienceEnd: Int64?
    private var lookDue: Int64

    init(wallLimit: Int64, grace: Int64, now: Int64) {
        self.grace = grace
        wallLeft = wallLimit
        wallSince = now
        lookDue = now &+ Self.lookInterval
    }

    /// When ``tick(_:)`` has something to do; nil = not before somebody calls.
    var next: Int64? {
        var times: [Int64] = []
        if let patienceEnd { times.append(patienceEnd) }
        if isFrozen { return times.min() }
        if let graceEnd { times.append(graceEnd) } else if cause == nil { times.append(wallSince &+ wallLeft) }
        if cause == nil { times.append(lookDue) }
        return times.min()
    }

    mutating func tick(_ now: Int64) -> [Effect] {
        if let patienceEnd, now >= patienceEnd {
            self.patienceEnd = nil
            return [.killLauncher]
        }
        guard !isFrozen else { return [] }
        if let graceEnd, now >= graceEnd {
            self.graceEnd = nil
            patienceEnd = now &+ Self.patience
            return [.order(.kill)]
        }
        guard cause == nil else { return [] }
        if now >= wallSince &+ wallLeft { return end(.timeout, grace: grace, now) }
        guard now >= lookDue else { return [] }
        lookDue = now &+ Self.lookInterval
        return [.look]
    }

    /// Begins the end: SIGTERM and, after the grace, SIGKILL; with no grace SIGKILL at once. A frozen task is to be
    /// thawed first.
    mutating func end(_ cause: Ending, grace: Int64, _ now: Int64) -> [Effect] {
        self.cause = self.cause ?? cause
        if grace <= 0 {
            graceEnd = nil
            patienceEnd = patienceEnd ?? now &+ Self.patience
            return [.order(.kill)]
        }
        if patienceEnd != nil { return [] }
        let isFirst = graceEnd == nil
        graceEnd = min(graceEnd ?? .max, now &+ grace)
        return isFirst ? [.order(.terminate)] : []
    }

    mutating func freeze(_ now: Int64) {
        guard !isFrozen else { return }
        isFrozen = true
        wallLeft -= now - wallSince
    }

    mutating func thaw(_ now: Int64) {
        guard isFrozen else { return }
        isFrozen = false
        wallSince = now
        lookDue = now &+ Self.lookInterval
    }
}
