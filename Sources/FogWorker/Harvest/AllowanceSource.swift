import FogCore
import FogJobs

/// By which rules a machine's owner lends it.
package enum HarvestPolicy: String, Sendable, Codable, CaseIterable {
    /// Always open: no presence, no window.
    case dedicated
}

/// What the owner lets Fog use from now on, and what an eviction by it is called.
package struct HarvestDecision: Hashable, Sendable {
    package var allowance: Allowance
    /// The outcome of attempts that end because of it.
    package var eviction: Outcome

    package init(_ allowance: Allowance, eviction: Outcome = .evictedUser) {
        self.allowance = allowance
        self.eviction = eviction
    }
}

/// Where allowances come from. The lease loop obeys the newest.
package protocol AllowanceSource: Sendable {
    /// The present decision first, then each change. Read by one agent, once.
    func decisions() -> AsyncStream<HarvestDecision>
}

/// The policy `dedicated`: one decision, for ever.
package struct DedicatedMachine: AllowanceSource {
    private let allowance: Allowance

    package init(cpu: Millicores, memory: ByteCount, slots: Int) {
        allowance = Allowance(
            state: .open, reason: "policy dedicated: no presence, no window", cpuCap: cpu, memoryCap: memory,
            slots: slots)
    }

    package func decisions() -> AsyncStream<HarvestDecision> {
        AsyncStream { continuation in
            continuation.yield(HarvestDecision(allowance))
            // Not finished: the agent goes on by the last decision until it is cancelled.
        }
    }
}
