import FogAPI
import FogCore
import FogJobs
import Logging

/// The link to the coordinator: hello, heartbeats, polls.
extension WorkerAgent {
    /// The most prefetched leases a slot.
    static let prefetchLimit = 64
    /// A slot's queue of short tasks should last so long, in milliseconds: about as long as fetching more may take.
    static let prefetchMilliseconds = 250.0
    static let longestBackoff = TimeSpan.seconds(60)
    /// Between two heartbeats that listen.
    static let leastPause = TimeSpan.milliseconds(100)
    /// A task that still runs after this long is told of, so that people see it running.
    static let tellRunningAfter = TimeSpan.milliseconds(300)

    // MARK: Hello and heartbeats

    /// Says hello whenever that is needed, and a heartbeat at once when something has changed here.
    func keepLink() async throws -> Bool {
        var failures = 0
        while !Task.isCancelled, phase != .stopped {
            do {
                if needsHello {
                    try await sayHello()
                    listenWake.signal()
                } else {
                    try await beat()
                }
                failures = 0
            } catch {
                failures += 1
                let refusal = Refusal(error)
                if refusal.isForGood, let problem = error as? Problem {
                    giveUp(problem, refusal)
                    return false
                }
                if case .refused = refusal, terms == nil { throw error }
                if refusal == .unknownWorker { needsHello = true }
                tell(error, refusal)
            }
            if needsHello, failures == 0 { continue }
            guard failures > 0 else {
                await linkWake.wait()
                continue
            }
            let every = terms?.heartbeatEvery ?? .seconds(10)
            var generator = SystemRandomNumberGenerator()
            let backoff = configuration.retry.wait(afterFailures: failures, using: &generator)
            await linkWake.wait(atMost: min(backoff, needsHello ? Self.longestBackoff : every))
        }
        return false
    }

    /// The tasks that run are let finish and everything is kept, as at any other end.
    private func giveUp(_ problem: Problem, _ refusal: Refusal) {
        let isOutdated = if case .outdated = refusal { true } else { false }
        logger.critical(
            isOutdated
                ? "The coordinator does not take this version of the program; the worker ends"
                : "The coordinator does not take this worker's key any more; the worker ends",
            metadata: ["error": "\(problem.message)", "undelivered": "\(undelivered.count)"])
        refusedForGood = problem
        drainWake.signal()
    }

    private func tell(_ error: any Error, _ refusal: Refusal) {
        var words: Logger.Metadata = ["error": "\(refusal.words)", "silent_for": "\(silence.brief)"]
        switch (error as? any CodedFailure)?.code {
        case "clock_skew":
            words["help"] = "timedatectl set-ntp true"
            logger.error("The clock of this machine is wrong", metadata: words)
        case "bad_answer", "bad_lease":
            logger.error("An answer does not come from the coordinator", metadata: words)
        default:
            let isRefusal = error is Problem
            logger.warning(
                isRefusal ? "The coordinator refused" : "The coordinator did not answer", metadata: words)
        }
    }

    /// Always has a heartbeat at the coordinator, which answers it when it has an order or when the next is due: the
    /// renewal of all leases, and the way on which orders come at once.
    func keepListening() async -> Bool {
        while !Task.isCancelled, phase != .stopped {
            guard let terms, !needsHello else {
                await listenWake.wait()
                continue
            }
            let before = client.clock.sinceBoot
            do {
                try await beat(waiting: terms.heartbeatEvery)
                // An answer that comes early gave an order; one that keeps coming early must not make a storm.
                let left = Self.leastPause - (client.clock.sinceBoot - before)
                if left > .zero { await listenWake.wait(atMost: left) }
            } catch {
                // The other loop tries again, finds out whether a hello is wanted, and tells what went wrong.
                linkWake.signal()
                await listenWake.wait(atMost: terms.heartbeatEvery)
            }
        }
        return false
    }

    var silence: TimeSpan { client.clock.sinceBoot - lastAnswered }

    /// Every attempt that is here: those that run or wait, and those whose results are not delivered.
    private var holding: [AttemptID] { Array(held.keys) + Array(undelivered.keys) }

    private func sayHello() async throws {
        let answer = try await client.hello(
            WorkerHello(report: report, allowance: decision.allowance, incarnation: incarnation, holding: holding))
        guard answer.coordinator.id == client.coordinator else {
            throw Problem(
                421, "wrong_coordinator", "hello was answered by \(answer.coordinator.id), wanted \(client.coordinator)"
            )
        }
        if terms?.node != answer.node {
            logger.info("The coordinator took the worker on", metadata: ["node_id": "\(answer.node)"])
        }
        terms = answer
        needsHello = false
        lastAnswered = client.clock.sinceBoot
        if phase == .starting { phase = .serving }
        for id in answer.stale { await drop(id) }
        failedDeliveries = 0
        deliveryWake.signal()
        pollWake.signal()
    }

    func beat(waiting wait: TimeSpan? = nil) async throws {
        let items =
            held.values.map { Heartbeat.Item(attempt: $0.lease.attempt, state: $0.state) }
            + undelivered.keys.map { Heartbeat.Item(attempt: $0, state: .uploading) }
        let answer = try await client.heartbeat(Heartbeat(allowance: decision.allowance, attempts: items, wait: wait))
        guard !answer.helloWanted else {
            needsHello = true
            linkWake.signal()
            return
        }
        lastAnswered = client.clock.sinceBoot
        if failedDeliveries > 0 { deliveryWake.signal() }
        // Only what was asked about: an attempt that came since was not judged.
        for id in answer.stale { await drop(id) }
        for id in answer.cancel { await end(id, .reporting(.cancelled, detail: "the job was cancelled")) }
        if answer.drain { await endAll(.reporting(.drained, detail: "the operator drains this node")) }
    }

    // MARK: Polling

    func keepPolling() async -> Bool {
        var failures = 0
        while !Task.isCancelled, phase != .stopped {
            let want = wanted
            guard want > 0, !needsHello else {
                await pollWake.wait()
                continue
            }
            do {
                let answer = try await client.poll(
                    PollRequest(allowance: decision.allowance, want: want, wait: configuration.pollWait))
                failures = 0
                accept(answer.leases)
                await returnUnwanted()
            } catch {
                guard !Task.isCancelled else { break }
                failures += 1
                let refusal = Refusal(error)
                if refusal == .unknownWorker {
                    needsHello = true
                    linkWake.signal()
                }
                // What else goes wrong, the heartbeats tell; leases come on this way alone.
                if (error as? any CodedFailure)?.code == "bad_lease" { tell(error, refusal) }
                var generator = SystemRandomNumberGenerator()
                await pollWake.wait(atMost: configuration.retry.wait(afterFailures: failures, using: &generator))
            }
        }
        return false
    }

    /// How many leases are asked for now: one a free slot, and for short tasks a store that lasts a while. A store that
    /// is more than half full is left alone, so that leases come by the dozen and not one by one.
    var wanted: Int {
        guard phase == .serving, decision.allowance.state == .open, undelivered.count < Spool.maxResults,
            undelivered.values.reduce(0, { $0 + $1.storedBytes }) < configuration.spoolLimit.bytes
        else { return 0 }
        let usable = min(slots, max(0, decision.allowance.slots))
        let store = prefetch * usable
        let free = max(0, usable - running)
        guard waiting.count <= store / 2 else { return 0 }
        return min(max(0, free + store - waiting.count), PollRequest.wantLimit)
    }

    /// Leases kept a slot beyond the running one; 0 unless tasks are short.
    var prefetch: Int {
        guard let meanTask, meanTask < Self.prefetchMilliseconds else { return 0 }
        return min(Self.prefetchLimit, Int((Self.prefetchMilliseconds / max(meanTask, 1)).rounded(.up)))
    }

    private func accept(_ leases: [Lease]) {
        let now = client.clock.sinceBoot
        for lease in leases where held[lease.attempt] == nil && undelivered[lease.attempt] == nil {
            // The clocks of both sides may differ by a minute, so a lease's term is never believed to be longer than
            // nine heartbeats, after which the coordinator counts a node as lost.
            let term = max(.zero, min(lease.expiresAt - client.clock.now, (terms?.heartbeatEvery ?? .seconds(10)) * 9))
            held[lease.attempt] = HeldAttempt(lease: lease, term: term, arrivedAt: now)
            waiting.append(lease.attempt)
        }
        tellWork()
        assign()
    }
}
