import FogAPI
import FogCore
import FogJobs
import FogSandbox
import Logging

/// Which lease runs where, and how it is ended.
extension WorkerAgent {
    // MARK: Slots

    /// The next lease for a slot; nil when the agent stops.
    func next(_ index: Int) async -> Lease? {
        if phase == .stopped { return nil }
        return await withCheckedContinuation { continuation in
            idle[index] = continuation
            assign()
        }
    }

    /// Gives waiting leases to idle slots, oldest first; one that does not fit now lets smaller ones pass.
    func assign() {
        guard decision.allowance.state == .open, phase == .serving || phase == .draining else { return }
        while running < decision.allowance.slots, let index = freeSlot, let place = waiting.firstIndex(where: fits) {
            let id = waiting.remove(at: place)
            guard let lease = held[id]?.lease else { continue }
            held[id]?.state = .staging
            running += 1
            usedCPU = usedCPU + lease.resources.cpu
            usedMemory = usedMemory + lease.resources.memory
            idle.removeValue(forKey: index)?.resume(returning: lease)
            tellWork()
        }
        if wanted > 0 { pollWake.signal() }
    }

    private var freeSlot: Int? { idle.keys.filter { orders[$0, default: 0] == 0 }.min() }

    private func fits(_ id: AttemptID) -> Bool {
        guard let resources = held[id]?.lease.resources else { return true }
        // What is larger than the caps runs alone: they were lowered after it was granted.
        guard running > 0 else { return true }
        return usedCPU + resources.cpu <= decision.allowance.cpuCap
            && usedMemory + resources.memory <= decision.allowance.memoryCap
    }

    /// Whether a task with this profile is to run at idle priority.
    /// - Throws: `profile_refused`, `network_refused` where the owner allows less.
    func admit(_ lease: Lease, _ profile: SandboxProfile) throws(WorkerFailure) -> Bool {
        if let ceiling = decision.allowance.profileCeiling, !ceiling.contains(profile.name) {
            throw WorkerFailure("profile_refused", "the owner allows no profile `\(profile.name)`")
        }
        guard lease.allowHosts == nil || decision.allowance.network == true else {
            throw WorkerFailure("network_refused", "the owner lets no task reach the network")
        }
        return decision.isIdlePriority
    }

    /// The program is about to start. A wish that came before it is answered, and the program is not started.
    func started(
        _ id: AttemptID, in sandbox: SandboxSlot, at index: Int, place: AttemptPlace, logs: [LogCapture]
    ) -> EndWish? {
        guard held[id] != nil else { return .silently }
        if let wish = held[id]?.wish { return wish }
        held[id]?.state = .running
        held[id]?.startedAt = client.clock.sinceBoot
        held[id]?.slot = (index, sandbox)
        held[id]?.place = place
        held[id]?.logs = logs
        // The owner came back while it was being staged.
        if decision.allowance.state == .frozen { housekeepingWake.signal() }
        return nil
    }

    /// The program has ended: from here on no order reaches its slot.
    func ended(_ id: AttemptID) -> EndedAttempt {
        let attempt = held[id]
        held[id]?.slot = nil
        held[id]?.state = .uploading
        held[id]?.companion = nil
        return EndedAttempt(
            wish: attempt == nil ? .silently : attempt?.wish, companion: attempt?.companion,
            coordinator: terms?.coordinator, isAway: failedDeliveries > 0)
    }

    /// The slot is free again.
    func finish(_ id: AttemptID, with finished: FinishedAttempt?, tookMilliseconds took: Int64) {
        running -= 1
        if let attempt = held.removeValue(forKey: id) {
            usedCPU = usedCPU - attempt.lease.resources.cpu
            usedMemory = usedMemory - attempt.lease.resources.memory
            if let finished, attempt.wish != .silently {
                enqueue(finished)
            } else if let finished {
                discard(finished)
            }
        }
        usedNanoseconds += finished?.cpuNanoseconds ?? 0
        tellWork()
        meanTask = meanTask.map { $0 + (Double(took) - $0) / 8 } ?? Double(took)
        if held.isEmpty, phase == .draining { drainWake.signal() }
    }

    // MARK: Ending

    /// What a task gets of a core while it leaves its owner's machine.
    static let leavingCPU = Millicores(50)

    /// Ends one attempt; the first wish stays.
    func end(_ id: AttemptID, _ wish: EndWish) async {
        guard let attempt = held[id], attempt.wish == nil || wish == .silently else { return }
        held[id]?.wish = wish
        if let place = waiting.firstIndex(of: id) {
            waiting.remove(at: place)
            held[id] = nil
            tellWork()
            await reportUnrun(attempt.lease, wish)
        } else {
            await terminate(id)
        }
    }

    func endAll(_ wish: EndWish) async {
        for id in Array(held.keys) { await end(id, wish) }
    }

    /// Not ours any more: whatever there is of it goes, without a word.
    func drop(_ id: AttemptID) async {
        if let finished = undelivered.removeValue(forKey: id) { discard(finished) }
        await end(id, .silently)
    }

    private func reportUnrun(_ lease: Lease, _ wish: EndWish) async {
        guard let (outcome, detail) = wish.report,
            let finished = await executor.unrun(lease, outcome, detail, coordinator: terms?.coordinator)
        else { return }
        enqueue(finished)
    }

    /// Sends the order that a wish asks for. While it is on its way the slot gets no other task, which it would hit.
    func terminate(_ id: AttemptID) async {
        guard let attempt = held[id], let wish = attempt.wish, let (index, sandbox) = attempt.slot else { return }
        orders[index, default: 0] += 1
        switch wish {
        case .silently: await sandbox.terminate(grace: .zero)
        case .evicting: await sandbox.evict(grace: decision.evictGrace, cpu: Self.leavingCPU)
        case .reporting: await sandbox.terminate(grace: attempt.lease.killGrace)
        }
        orders[index, default: 1] -= 1
        assign()
    }

    // MARK: Housekeeping

    /// Looks after running tasks: companions for the longer ones, leases without an answer, orders that came too early.
    func keepHouse() async -> Bool {
        while !Task.isCancelled, phase != .stopped {
            await housekeepingWake.wait(atMost: min(configuration.logInterval, .seconds(1)))
            await tidy()
        }
        return false
    }

    private func tidy() async {
        let now = client.clock.sinceBoot
        for (id, attempt) in held {
            let silent = now - max(lastAnswered, attempt.arrivedAt)
            if silent > patience(of: attempt) {
                logger.warning(
                    "A task is given up: the coordinator was silent for too long",
                    metadata: ["attempt": "\(id)", "silent_for": "\(silent.brief)"])
                await end(id, .silently)
            } else if attempt.wish != nil {
                await terminate(id)
            } else if let started = attempt.startedAt, attempt.slot != nil {
                if !attempt.isTold, now - started >= Self.tellRunningAfter {
                    held[id]?.isTold = true
                    linkWake.signal()
                }
                // What a private task writes goes out sealed, at its end.
                if attempt.companion == nil, attempt.lease.seal == nil, now - started >= configuration.logInterval {
                    accompany(id)
                }
                if decision.allowance.state == .frozen, attempt.state == .running { freeze(id) }
            }
        }
    }

    /// How long a task goes on without the coordinator. An exclusive one must be dead before its lease ends, because
    /// then it may be granted again.
    private func patience(of attempt: HeldAttempt) -> TimeSpan {
        guard attempt.lease.exclusive else { return attempt.lease.disconnectGrace }
        let margin = configuration.logInterval + .seconds(1)
        return min(attempt.lease.disconnectGrace, max(.zero, attempt.term - margin))
    }

    /// The executor waits for the companion when the program has ended.
    private func accompany(_ id: AttemptID) {
        guard let attempt = held[id], let place = attempt.place else { return }
        let companion = Companion(
            lease: attempt.lease, place: place, logs: attempt.logs, interval: configuration.logInterval,
            courier: Courier(client: client, bandwidth: bandwidth), logger: logger)
        held[id]?.companion = Task {
            if await companion.run() == .stale { await self.drop(id) }
        }
    }
}
