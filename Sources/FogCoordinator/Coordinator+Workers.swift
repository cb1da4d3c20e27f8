package import FogCore
package import FogJobs
package import FogPlacement
package import FogStore

/// The worker's side of the coordinator.
extension Coordinator {
    package func hello(
        _ hello: WorkerHello, from key: KeyID, origin: NetworkAddress? = nil
    ) async throws -> WorkerTerms {
        try await perform { core, now throws(CoordinatorFailure) in
            try core.hello(hello, from: key, origin: origin, at: now)
        }
    }

    /// Renews a worker's leases. An answer without orders is held back as long as the worker allows, so that an order
    /// that comes meanwhile reaches it at once.
    package func heartbeat(_ beat: Heartbeat, from key: KeyID) async -> HeartbeatAnswer {
        let now = now
        let answer = core.heartbeat(beat, from: key, at: now)
        dispatch(at: now)
        startFlush()
        guard let id = core.nodeOfKey[key], answer.isEmpty, let wait = beat.wait, wait > .zero else { return answer }
        await waitForOrders(id, atMost: min(wait, .seconds(60)))
        return core.orders(to: id, holding: beat.attempts.map(\.attempt))
    }

    /// What an audit of the mixnet found of a mix.
    package func learn(_ verdict: Evidence.Verdict, ofMix key: PublicKey, epoch: UInt64) async throws {
        try await perform { core, now throws(CoordinatorFailure) in
            core.learn(verdict, ofMix: key, epoch: epoch, at: now)
        }
    }

    private func waitForOrders(_ id: NodeID, atMost span: TimeSpan) async {
        orderWaiterCount += 1
        let number = orderWaiterCount
        let timeout = Task {
            try? await Task.sleep(for: span.duration)
            self.endOrderWait(id, number)
        }
        defer { timeout.cancel() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled { return continuation.resume() }
                // A newer heartbeat of the same worker lets the older one go.
                orderWaiters.updateValue((number, continuation), forKey: id)?.continuation.resume()
            }
        } onCancel: {
            // The heartbeat is let go as soon as the actor is free.
            Task { await self.endOrderWait(id, number) }
        }
    }

    private func endOrderWait(_ id: NodeID, _ number: UInt64) {
        guard orderWaiters[id]?.number == number else { return }
        orderWaiters.removeValue(forKey: id)?.continuation.resume()
    }

    /// Leases for a worker, as soon as there are some; none when the wait is over.
    ///
    /// Nothing leaves before its grant is on stable storage.
    package func poll(_ request: PollRequest, from key: KeyID) async throws -> PollAnswer {
        guard let id = core.nodeOfKey[key], core.nodes[id]?.liveness == .live || core.nodes[id]?.liveness == .suspect
        else { throw CoordinatorFailure("unknown_worker", "say hello first") }
        let now = now
        core.hear(id, allowance: request.allowance, at: now)
        core.nodes[id]?.want = min(max(0, request.want), PollRequest.wantLimit)
        core.placementWanted = true
        pollers.removeValue(forKey: id)?.continuation.resume(returning: ([], 0))
        dispatch(at: now)
        let leases = core.grant(to: id, at: now)
        let granted: ([Lease], UInt64)
        if leases.isEmpty, request.wait > .zero {
            granted = await waitForWork(id, atMost: min(request.wait, .seconds(60)))
        } else {
            core.nodes[id]?.want = 0
            granted = (leases, ticket())
        }
        guard !granted.0.isEmpty else { return PollAnswer(leases: []) }
        try await durable(granted.1)
        return PollAnswer(leases: withSecrets(granted.0))
    }

    private func waitForWork(_ id: NodeID, atMost span: TimeSpan) async -> ([Lease], UInt64) {
        pollerCount += 1
        let poll = pollerCount
        let timeout = Task {
            try? await Task.sleep(for: span.duration)
            self.endPoll(id, poll)
        }
        defer { timeout.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled {
                    continuation.resume(returning: ([], 0))
                } else {
                    pollers[id] = Poller(id: poll, continuation: continuation)
                }
            }
        } onCancel: {
            // The poll is let go as soon as the actor is free.
            Task { await self.endPoll(id, poll) }
        }
    }

    private func endPoll(_ id: NodeID, _ poll: UInt64) {
        guard pollers[id]?.id == poll else { return }
        core.nodes[id]?.want = 0
        core.nodes[id]?.plan = []
        pollers.removeValue(forKey: id)?.continuation.resume(returning: ([], 0))
    }

    /// Takes the ends of attempts, all that come together in one commit.
    package func complete(_ request: CompletionRequest, from key: KeyID) async throws -> CompletionAnswer {
        guard request.reports.count <= CompletionRequest.limit else {
            throw CoordinatorFailure(
                "too_large", "at most \(CompletionRequest.limit) reports at once, found \(request.reports.count)")
        }
        var verified: [Result<VerifiedReport, CoordinatorFailure>] = []
        for report in request.reports { verified.append(await verify(report)) }
        var verdicts: [CompletionVerdict?] = try await perform { core, now throws(CoordinatorFailure) in
            verified.map { result in
                switch result {
                case .failure(let failure):
                    return CompletionVerdict(attempt: nil, verdict: .rejected, detail: failure.message)
                case .success(let report): return core.complete(report, from: key, at: now)
                }
            }
        }
        for (index, verdict) in verdicts.enumerated() where verdict == nil {
            guard case .success(let report) = verified[index] else { continue }
            verdicts[index] = try await pastVerdict(report)
        }
        return CompletionAnswer(verdicts: verdicts.compactMap { $0 })
    }

    /// A report for an attempt that is not live: accepted before, or too late.
    private func pastVerdict(_ report: VerifiedReport) async throws -> CompletionVerdict {
        let id = report.receipt.receipt.attempt
        let node = core.nodeOfKey[report.receipt.receipt.node.id]
        guard let attempt = try await store.attempt(id), attempt.node == node else {
            return CompletionVerdict(attempt: id, verdict: .stale, detail: CoordinatorCore.notYours)
        }
        let digest = EvidenceDigest.of(report.receipt)
        if attempt.receipt == digest { return CompletionVerdict(attempt: id, verdict: .exists) }
        return CompletionVerdict(
            attempt: id, verdict: .stale, detail: "the lease ended: \(attempt.outcome?.rawValue ?? "granted again")")
    }

    /// Checks a report's signature and that everything it names is here.
    private func verify(_ report: AttemptReport) async -> Result<VerifiedReport, CoordinatorFailure> {
        do {
            let receipt = try SignedReceipt(bytes: report.receipt.bytes)
            guard report.contents.count == report.outputs.count else {
                throw CoreFailure("bad_report", "\(report.outputs.count) outputs, \(report.contents.count) contents")
            }
            var blobs: [BlobRecord] = []
            for (file, inline) in zip(report.outputs, report.contents) {
                if let bytes = inline?.bytes {
                    guard Digest.blake2b(bytes) == file.digest, Int64(bytes.count) == file.size else {
                        throw CoreFailure("bad_report", "the content of `\(file.name)` is not what its digest says")
                    }
                    blobs.append(
                        BlobRecord(digest: file.digest, size: file.size, inline: bytes, createdAt: clock.now))
                } else if try await store.blob(file.digest) == nil {
                    throw CoreFailure("missing_blob", "`\(file.name)` (\(file.digest)) was not uploaded")
                }
            }
            for file in report.checkpoint ?? [] where try await store.blob(file.digest) == nil {
                throw CoreFailure("missing_blob", "checkpoint `\(file.name)` (\(file.digest)) was not uploaded")
            }
            return .success(VerifiedReport(receipt: receipt, report: report, blobs: blobs))
        } catch let failure as any CodedFailure {
            return .failure(CoordinatorFailure(failure.code, failure.message))
        } catch {
            return .failure(CoordinatorFailure("unexpected", "\(error)"))
        }
    }

    package func checkpoint(_ report: CheckpointReport, from key: KeyID) async throws -> Bool {
        for file in report.files where try await store.blob(file.digest) == nil {
            throw CoordinatorFailure("missing_blob", "checkpoint `\(file.name)` was not uploaded")
        }
        return try await perform { core, now throws(CoordinatorFailure) in core.checkpoint(report, from: key, at: now) }
    }

    /// A piece of a log of a running attempt, at its offset.
    package func appendLog(_ attempt: AttemptID, stream: LogStream, offset: Int64, bytes: [UInt8], from key: KeyID)
        async throws -> Int64
    {
        guard let node = core.nodeOfKey[key],
            let live = core.jobs[attempt.task.job]?.tasks[attempt.task.number]?.attempt, live.record.id == attempt,
            live.record.node == node
        else { throw CoordinatorFailure("stale_lease", "the lease is not yours any more") }
        try core.checkDisk(isRunningWork: true)
        let size = try await content.appendLog(attempt, stream: stream, offset: offset, bytes: bytes)
        if let account = core.jobs[attempt.task.job]?.record.account {
            core.usageBook.set(stream, of: attempt, of: account, to: size)
        }
        return size
    }
}
