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
        bandwidth.setLimit(new.allowance.bandwidthCap)
        executor.proxies.setAllowed(new.allowance.network == true)
        switch new.allowance.state {
        case .frozen:
            await freezeAll()
        case .evicting, .closed:
            // Each has its twentieth of a core, if need be beside the owner's own work.
            host.setStanding(.ordinary)
            await endAll(.evicting(new.eviction, detail: new.allowance.reason))
        case .open, .throttled:
            host.setStanding(new.isIdlePriority ? .idle : .ordinary)
            for id in Array(held.keys) { await thaw(id) }
            await evictBeyondMemory()
            await applyCaps()
        }
        assign()
        // Told at once: `job explain` should not be wrong for a whole heartbeat.
        linkWake.signal()
    }

    /// All at once: the owner waits.
    private func freezeAll() async {
        for id in Array(held.keys) { freeze(id) }
        // A task of the idle class would have to wait for a processor in order to stop. All are ordered to by now: what
        // is not would take the processor from us.
        host.hurry()
        for id in Array(held.keys) { await held[id]?.slot?.sandbox.waitUntilFrozen() }
        host.settle()
    }

    /// Tells the governor what is in hand.
    func tellWork() {
        let used = TimeSpan.milliseconds(usedNanoseconds / 1_000_000)
        source.working(HarvestWork(held: held.count, running: running, used: used))
    }

    /// Leases that were on their way when the owner closed the machine go back at once.
    func returnUnwanted() async {
        guard decision.allowance.state == .closed || decision.allowance.state == .evicting, phase == .serving else {
            return
        }
        let wish = EndWish.reporting(decision.eviction, detail: decision.allowance.reason)
        for id in waiting { await end(id, wish) }
    }

    func freeze(_ id: AttemptID) {
        guard let (_, sandbox) = held[id]?.slot, held[id]?.state == .running else { return }
        held[id]?.state = .suspended
        sandbox.freeze()
    }

    private func thaw(_ id: AttemptID) async {
        guard let (index, sandbox) = held[id]?.slot, held[id]?.state == .suspended else { return }
        held[id]?.state = .running
        orders[index, default: 0] += 1
        await sandbox.thaw()
        orders[index, default: 1] -= 1
    }

    /// Lets go what no longer fits a lowered memory cap, the youngest first; one task may stay, whatever its size.
    private func evictBeyondMemory() async {
        let running = held.values.filter { $0.slot != nil && $0.wish == nil }
        for attempt in Eviction.beyond(
            decision.allowance.memoryCap,
            of: running.map { ($0.lease.attempt, $0.lease.resources.memory, $0.arrivedAt) })
        {
            await end(
                attempt,
                .evicting(
                    .evictedUser,
                    detail: "the owner lowered the memory cap to \(decision.allowance.memoryCap): "
                        + decision.allowance.reason))
        }
    }

    /// Shares the processor cap among running tasks in proportion to what they asked for.
    private func applyCaps() async {
        let cap = decision.allowance.cpuCap.count
        let share = usedCPU.count > cap ? Double(cap) / Double(usedCPU.count) : 1
        for attempt in held.values {
            guard let (index, sandbox) = attempt.slot, attempt.wish == nil else { continue }
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

/// Which tasks go when less room is left: pure.
enum Eviction {
    /// The youngest until the rest fits, at least one stays.
    static func beyond<ID>(_ cap: ByteCount, of tasks: [(id: ID, memory: ByteCount, since: TimeSpan)]) -> [ID] {
        var used = tasks.reduce(ByteCount.zero) { $0 + $1.memory }
        var going: [ID] = []
        for task in tasks.sorted(by: { $0.since > $1.since }) {
            guard used > cap, going.count < tasks.count - 1 else { break }
            used = used - task.memory
            going.append(task.id)
        }
        return going
    }
}
