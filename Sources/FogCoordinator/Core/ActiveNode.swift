package import FogCore
package import FogJobs
package import FogPlacement

/// A machine in the registry, with what is known of it only while it talks.
package struct ActiveNode: Sendable {
    package enum Liveness: String, Sendable, Codable { case offline, live, suspect, lost }

    package var row: NodeRow
    package var liveness: Liveness = .offline
    package var allowance: Allowance?
    /// The state of the allowance that the history knows, and since when by the boot clock.
    package var noted: (state: Allowance.State, at: TimeSpan)?
    /// Up to when its present stay is in its record; nil = it is not lent.
    package var lentSince: Timestamp?
    /// What ``StayRecord/expected(from:)`` said, and when by the boot clock.
    package var forecast: (stay: TimeSpan?, at: TimeSpan)?
    package var incarnation = ""
    /// Where it speaks from, as the carrier saw it.
    package var origin: NetworkAddress?
    /// By the boot clock.
    package var lastHeard: TimeSpan = .zero
    /// It is not judged before this time (after a start or an own pause of the coordinator).
    package var judgedFrom: TimeSpan = .zero
    package var leases: Set<AttemptID> = []
    package var reserved = ResourceRequest(cpu: .zero, memory: .zero, disk: .zero, time: .zero)
    /// Leases that its waiting poll may take.
    package var want = 0
    /// Exponential moving average of how long its tasks take.
    package var meanTask: TimeSpan?
    /// Whose programs could not be started here since the last success.
    package var failedLaunches: Set<AccountID> = []
    /// What placement proposes for it: advisory, dropped after two rounds.
    package var plan: [PlannedGrant] = []

    package init(row: NodeRow) { self.row = row }

    package mutating func reserve(_ demand: ResourceRequest) {
        reserved.cpu = reserved.cpu + demand.cpu
        reserved.memory = reserved.memory + demand.memory
        reserved.disk = reserved.disk + demand.disk
        reserved.gpu += demand.gpu
    }

    package mutating func release(_ demand: ResourceRequest) {
        reserved.cpu = reserved.cpu - demand.cpu
        reserved.memory = reserved.memory - demand.memory
        reserved.disk = reserved.disk - demand.disk
        reserved.gpu -= demand.gpu
    }

    /// How many tasks deep the machine's own queue may be: enough for a quarter of a second.
    package var prefetchDepth: Int {
        guard let meanTask else { return 1 }
        let milliseconds = max(1, meanTask.milliseconds)
        return Int(min(64, max(1, (250 + milliseconds - 1) / milliseconds)))
    }

    /// Why it takes no new work, or nil.
    package func whyClosed(at now: Timestamp) -> String? {
        switch row.standing {
        case .cordoned: return "cordoned by the operator"
        case .draining: return "draining"
        case .revoked: return "revoked"
        case .active: break
        }
        switch liveness {
        case .offline: return "not connected"
        case .suspect: return "suspect: no word for a while"
        case .lost: return "lost"
        case .live: break
        }
        if let until = row.probationUntil, until > now { return "on probation until \(until.plain) after host faults" }
        if let allowance, allowance.state != .open { return "\(allowance.state.rawValue): \(allowance.reason)" }
        return nil
    }
}

/// A proposal of placement for one node.
package struct PlannedGrant: Sendable, Hashable {
    package var job: JobID
    package var step: Int
    /// How many tasks of the step.
    package var count: Int
    /// One task that was granted before; nil = whichever is next.
    package var again: UInt32?
    /// What placement counted on, where it is not what the machine asks.
    package var sale: PurchaseTerms.Sale?
    /// Rounds it has waited for the node's poll.
    package var age = 0
}
