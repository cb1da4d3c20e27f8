import FogAPI
import FogCore
import FogJobs
import Logging

/// Results on their way to the coordinator.
extension WorkerAgent {
    /// From asking a task to end until it must have ended.
    static let endPatience = TimeSpan.seconds(30)
    /// What delivery gets at the end; what is left then is on disk for the next start.
    static let lastDelivery = TimeSpan.seconds(10)
    /// How long reports gather while more tasks wait here, and how many are enough.
    static let gathering = Duration.milliseconds(10)
    static let fullBatch = 64
    /// Bytes of reports in one request, far below what a carrier takes.
    static let requestLimit: Int64 = 16 << 20

    func enqueue(_ finished: FinishedAttempt) {
        undelivered[finished.attempt] = finished
        outbox.append(finished.attempt)
        deliveryWake.signal()
    }

    /// Sends whatever waits in one request; while one is under way the next batch gathers. When nothing more is about
    /// to end a report goes at once; while more leases wait here it stays a moment, so that many share a request and
    /// the coordinator's flush.
    func keepDelivering() async -> Bool {
        while !Task.isCancelled {
            guard !outbox.isEmpty, terms != nil, !needsHello else {
                await deliveryWake.wait()
                continue
            }
            if !waiting.isEmpty, outbox.count < Self.fullBatch, phase == .serving {
                try? await Task.sleep(for: Self.gathering)
            }
            if await deliverBatch() { continue }
            failedDeliveries += 1
            await persistAll()
            var generator = SystemRandomNumberGenerator()
            await deliveryWake.wait(
                atMost: configuration.retry.wait(afterFailures: failedDeliveries, using: &generator))
        }
        return false
    }

    /// False = the coordinator did not take it; all is in the outbox again.
    private func deliverBatch() async -> Bool {
        let batch = await readyBatch()
        guard let batch else { return false }
        guard !batch.isEmpty else { return true }
        do {
            let answer = try await client.complete(CompletionRequest(reports: batch.map(\.report)))
            failedDeliveries = 0
            settle(batch, answer)
            return true
        } catch {
            let refusal = Refusal(error)
            if refusal == .unknownWorker {
                needsHello = true
                linkWake.signal()
            }
            logger.warning(
                "Results could not be delivered",
                metadata: ["results": "\(batch.count)", "error": "\(refusal.words)"])
            outbox = batch.map(\.attempt) + outbox
            return false
        }
    }

    /// Takes reports off the outbox and sends what content they still lack; nil when the coordinator is away.
    private func readyBatch() async -> [FinishedAttempt]? {
        var batch: [FinishedAttempt] = []
        var bytes: Int64 = 0
        while batch.count < CompletionRequest.limit, bytes < Self.requestLimit, !outbox.isEmpty {
            let id = outbox.removeFirst()
            guard var finished = undelivered[id] else { continue }
            if finished.needsUpload {
                switch await Courier(client: client, bandwidth: bandwidth).send(&finished) {
                case nil: if undelivered[id] != nil { undelivered[id] = finished }
                case .stale:
                    await drop(id)
                    continue
                case .refused(let code, let message):
                    logger.error(
                        "The coordinator refuses a result's content for good",
                        metadata: ["attempt": "\(id)", "code": "\(code)", "error": "\(message)"])
                    await drop(id)
                    continue
                case .away(let words), .outdated(let words), .keyEnded(let words):
                    logger.warning("A result's content could not be sent", metadata: ["error": "\(words)"])
                    outbox = batch.map(\.attempt) + [id] + outbox
                    return nil
                case .unknownWorker:
                    needsHello = true
                    linkWake.signal()
                    outbox = batch.map(\.attempt) + [id] + outbox
                    return nil
                }
            }
            batch.append(finished)
            bytes += finished.report.roughSize
        }
        return batch
    }

    private func settle(_ batch: [FinishedAttempt], _ answer: CompletionAnswer) {
        var byAttempt: [AttemptID: CompletionVerdict] = [:]
        for verdict in answer.verdicts { if let id = verdict.attempt { byAttempt[id] = verdict } }
        for (index, finished) in batch.enumerated() {
            let inOrder = answer.verdicts.count == batch.count ? answer.verdicts[index] : nil
            let verdict = byAttempt[finished.attempt] ?? (inOrder?.attempt == nil ? inOrder : nil)
            guard let verdict else {
                outbox.append(finished.attempt)
                continue
            }
            switch verdict.verdict {
            case .accepted, .exists: delivered += 1
            case .stale:
                logger.info("A result came too late", metadata: ["attempt": "\(finished.attempt)"])
            case .rejected:
                logger.error(
                    "The coordinator rejected a result",
                    metadata: ["attempt": "\(finished.attempt)", "detail": "\(verdict.detail ?? "")"])
            }
            undelivered[finished.attempt] = nil
            discard(finished)
        }
        if outbox.isEmpty, phase == .draining { drainWake.signal() }
        if wanted > 0 { pollWake.signal() }
    }

    /// Removes what a result has on disk.
    nonisolated func discard(_ finished: FinishedAttempt) {
        guard finished.folder != nil else { return }
        let spool = spool
        // Nobody waits for it: a folder that stays is removed at the next start.
        Task { _ = try? await Disk.offload { () throws(WorkerFailure) in spool.remove(finished) } }
    }

    /// Writes every report to disk that is not there yet.
    func persistAll() async {
        let spool = spool
        for finished in undelivered.values where !finished.isDurable {
            do throws(WorkerFailure) {
                let kept = try await Disk.offload { () throws(WorkerFailure) in try spool.keep(finished) }
                if undelivered[kept.attempt] != nil { undelivered[kept.attempt] = kept } else { discard(kept) }
            } catch {
                logger.error(
                    "A result could not be kept on disk",
                    metadata: ["attempt": "\(finished.attempt)", "error": "\(error)"])
            }
        }
    }

    // MARK: - The end

    /// Hands back what it holds: waiting leases at once, running ones after a grace, results last.
    func drain() async {
        phase = .draining
        logger.info("The worker drains", metadata: ["held": "\(held.count)"])
        let reason = EndWish.reporting(.drained, detail: "the worker was stopped")
        for id in waiting { await end(id, reason) }
        await waitUntil(atMost: configuration.drainGrace) { self.held.isEmpty }
        await endAll(reason)
        await waitUntil(atMost: Self.endPatience) { self.held.isEmpty }
        await waitUntil(atMost: Self.lastDelivery) { self.undelivered.isEmpty || self.refusedForGood != nil }
        decision.allowance.state = .closed
        decision.allowance.reason = "the worker was stopped"
        // One may have been granted to the poll that is about to be cut off: a closed worker that leaves it out gives
        // it back.
        try? await beat()
    }

    private func waitUntil(atMost span: TimeSpan, _ condition: () -> Bool) async {
        let end = client.clock.sinceBoot + span
        while !condition(), !Task.isCancelled {
            let left = end - client.clock.sinceBoot
            guard left > .zero else { return }
            await drainWake.wait(atMost: left)
        }
    }
}

extension AttemptReport {
    /// Bytes it takes in a request, about.
    var roughSize: Int64 {
        let contents = contents.reduce(0) { $0 + ($1?.bytes.count ?? 0) }
        let logs = (stdout?.bytes.count ?? 0) + (stderr?.bytes.count ?? 0)
        return Int64((contents + logs) * 4 / 3 + outputs.count * 300 + 1500)
    }
}
