import FogCore
import FogJobs
import FogSandbox
import Logging

/// Obedience to the machine's owner.
extension WorkerAgent {
    func obey() async -> Bool {
        for await decision in source.decisions() { await apply(decision) }
        return false
    }

    func apply(_ new: HarvestDecision) async {
        let old = decision
        decision = new
        if old.allowance.state != new.allowance.state {
            logger.info(
                "The owner's rules changed",
                metadata: ["state": "\(new.allowance.state.rawValue)", "reason": "\(new.allowance.reason)"])
        }
        switch new.allowance.state {
        case .frozen:
            for id in Array(held.keys) { await freeze(id) }
        case .evicting, .closed:
            await endAll(.reporting(new.eviction, detail: new.allowance.reason))
        case .open, .throttled:
            for id in Array(held.keys) { await thaw(id) }
            await applyCaps()
        }
        assign()
        // Told at once: `job explain` should not be wrong for a whole heartbeat.
        linkWake.signal()
    }

    func freeze(_ id: AttemptID) async {
        guard let (index, sandbox) = held[id]?.slot, held[id]?.state == .running else { return }
        held[id]?.state = .suspended
        orders[index, default: 0] += 1
        await sandbox.freeze()
        orders[index, default: 1] -= 1
    }

    private func thaw(_ id: AttemptID) async {
        guard let (index, sandbox) = held[id]?.slot, held[id]?.state == .suspended else { return }
        held[id]?.state = .running
        orders[index, default: 0] += 1
        await sandbox.thaw()
        orders[index, default: 1] -= 1
    }

    /// Shares the processor cap among running tasks in proportion to what they asked for.
    private func applyCaps() async {
        let cap = decision.allowance.cpuCap.count
        let share = usedCPU.count > cap ? Double(cap) / Double(usedCPU.count) : 1
        for attempt in held.values {
            guard let (index, sandbox) = attempt.slot else { continue }
            orders[index, default: 0] += 1
            do {
                try await sandbox.limitCPU(Millicores(max(1, Int64(Double(attempt.lease.resources.cpu.count) * share))))
            } catch {
                logger.warning("A processor cap was not applied", metadata: ["error": "\(error)"])
            }
            orders[index, default: 1] -= 1
        }
    }
}
