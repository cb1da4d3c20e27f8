import FogCore
import FogJobs

/// What the owner lets Fog use from now on, and what an eviction by it is called.
package struct HarvestDecision: Hashable, Sendable {
    package var allowance: Allowance
    /// The outcome of attempts that end because of it.
    package var eviction: Outcome
    /// From the order to leave to SIGKILL; meanwhile a task gets a twentieth of a core.
    package var evictGrace: TimeSpan
    /// Tasks run only on what everybody else leaves of processor and disk.
    package var isIdlePriority: Bool

    package init(
        _ allowance: Allowance, eviction: Outcome = .evictedUser, evictGrace: TimeSpan = .seconds(10),
        isIdlePriority: Bool = false
    ) {
        self.allowance = allowance
        self.eviction = eviction
        self.evictGrace = evictGrace
        self.isIdlePriority = isIdlePriority
    }
}

/// What a worker has in hand, for whoever decides how far the machine is lent.
package struct HarvestWork: Hashable, Sendable {
    /// Tasks that are here, waiting ones included.
    package var held = 0
    package var running = 0
    /// Processor time of all tasks that ended since the start.
    package var used = TimeSpan.zero

    package init(held: Int = 0, running: Int = 0, used: TimeSpan = .zero) {
        self.held = held
        self.running = running
        self.used = used
    }
}

/// Where allowances come from. The lease loop obeys the newest.
package protocol AllowanceSource: Sendable {
    /// The present decision first, then each change. Read by one agent, once.
    func decisions() -> AsyncStream<HarvestDecision>
    /// Tells what the agent has in hand whenever that changes. Returns at once.
    func working(_ work: HarvestWork)
}

extension AllowanceSource {
    package func working(_ work: HarvestWork) {}
}

/// A machine without any rule: one decision, for ever. No sensor is asked, so what runs here depends on nothing else.
package struct DedicatedMachine: AllowanceSource {
    private let allowance: Allowance

    /// - Parameter network: whether tasks may reach the hosts that their jobs name.
    package init(cpu: Millicores, memory: ByteCount, slots: Int, network: Bool = false) {
        allowance = Allowance(
            state: .open, reason: "policy always: no sensor is asked", cpuCap: cpu, memoryCap: memory, slots: slots,
            network: network)
    }

    package func decisions() -> AsyncStream<HarvestDecision> {
        AsyncStream { continuation in
            continuation.yield(HarvestDecision(allowance))
            // Not finished: the agent goes on by the last decision until it is cancelled.
        }
    }
}
