package import FogCore
package import FogJobs
internal import FogLedger
internal import FogPlacement
package import FogStore

/// A report whose signature was verified and whose content is at hand.
package struct VerifiedReport: Sendable {
    package var receipt: SignedReceipt
    package var report: AttemptReport
    /// Content that came with the report, to be stored with its acceptance.
    package var blobs: [BlobRecord]

    package init(receipt: SignedReceipt, report: AttemptReport, blobs: [BlobRecord]) {
        self.receipt = receipt
        self.report = report
        self.blobs = blobs
    }
}

extension CoordinatorCore {
    /// Said of a lease that is another's and of one that never was alike.
    static let notYours = "the lease is not yours"

    /// Accepts a result once: the attempt's end, the task's next state, the payment and the evidence are one change.
    ///
    /// Nil when the attempt is not live here: the caller then looks in the store whether it was accepted before.
    package mutating func complete(_ verified: VerifiedReport, from key: KeyID, at now: Moment) -> CompletionVerdict? {
        let receipt = verified.receipt.receipt
        let id = receipt.attempt
        guard receipt.node.id == key, receipt.coordinator == self.key else {
            return CompletionVerdict(
                attempt: id, verdict: .rejected, detail: "the receipt is another node's or another coordinator's")
        }
        guard let node = nodeOfKey[key] else {
            return CompletionVerdict(attempt: id, verdict: .rejected, detail: "the node is not enrolled")
        }
        let verdict: CompletionVerdict?? = withJob(id.task.job) { core, job in
            core.complete(verified, node: node, of: &job, at: now)
        }
        return verdict ?? nil
    }

    private mutating func complete(
        _ verified: VerifiedReport, node: NodeID, of job: inout ActiveJob, at now: Moment
    ) -> CompletionVerdict? {
        let receipt = verified.receipt.receipt
        let id = receipt.attempt
        guard let task = job.tasks[id.task.number], var attempt = task.attempt, attempt.record.id == id else {
            let isHeld = job.tasks[id.task.number]?.isHeld(id, receipt: EvidenceDigest.of(verified.receipt)) ?? false
            return isHeld ? CompletionVerdict(attempt: id, verdict: .exists) : nil
        }
        guard attempt.record.node == node else {
            return CompletionVerdict(attempt: id, verdict: .stale, detail: Self.notYours)
        }
        if let mistake = Self.mistake(in: verified, attempt: attempt) {
            return CompletionVerdict(attempt: id, verdict: .rejected, detail: mistake)
        }
        if attempt.isOrphan {
            // It was only late: nobody else was given the task, so its token is still current.
            attempt.isOrphan = false
            job.steps[task.step].out += 1
            if attempt.record.payee != job.record.account {
                learn(.late, of: node, CapabilityClass(of: attempt.demand), at: now)
            }
        }
        let evidence = EvidenceDocument(kind: .receipt, bytes: verified.receipt.bytes)
        let outcome = receipt.outcome
        attempt.record.exitCode = receipt.exitCode
        attempt.record.signal = receipt.signal
        attempt.record.detail = verified.report.detail
        attempt.record.usage = receipt.usage
        attempt.record.receipt = evidence.digest
        attempt.record.outputs = outcome == .success ? verified.report.outputs : []
        attempt.record.stdoutSize = verified.report.stdoutSize
        attempt.record.stderrSize = verified.report.stderrSize
        change.evidence.append(evidence)
        if outcome == .success,
            wantsOthers(attempt.record, of: task, in: job, at: now)
                || wantsAudit(attempt.record, of: task, in: job, at: now)
        {
            keepContent(verified, of: job, at: now)
            learn(receipt.usage, of: attempt.record.node, step: &job.steps[task.step], success: true)
            hold(attempt, of: &job, at: now)
            completions += 1
            return CompletionVerdict(attempt: id, verdict: .accepted)
        }
        let amount = payment(for: outcome, usage: receipt.usage, attempt: attempt, of: task, in: job, at: now)
        let late = latePayments(after: attempt.record, outcome: outcome, paying: amount, of: &job)
        keepContent(verified, of: job, at: now)
        learn(
            receipt.usage, of: attempt.record.node, step: &job.steps[task.step], success: outcome == .success)
        end(
            &attempt, of: &job, as: outcome, detail: verified.report.detail, paying: amount,
            evidence: evidence.digest, late: late, at: now)
        job.tasks[id.task.number]?.attempt = nil
        var madeProgress = false
        if outcome == .success {
            judgeHeld(by: attempt.record, of: &job, at: now)
            win(attempt.record, of: &job)
        } else if let checkpoint = verified.report.checkpoint {
            keepCheckpoint(checkpoint, of: id, in: &job, at: now)
            madeProgress = job.tasks[id.task.number]?.record.checkpoint != task.record.checkpoint
        }
        remember(attempt, usage: receipt.usage, receipt: evidence.digest, isPaid: amount != nil, in: &job, at: now)
        completions += 1
        if outcome.fault == .host {
            if isEvidence(outcome, against: node, of: job.record.account) { fault(of: attempt.record.node, at: now) }
        } else if outcome == .success {
            didWell(node, at: now)
        }
        settle(
            id.task.number, of: &job, outcome: outcome, exitCode: receipt.exitCode, madeProgress: madeProgress, at: now)
        return CompletionVerdict(attempt: id, verdict: .accepted)
    }

    /// The result that counts: later steps read it, and the task has its winner.
    mutating func win(_ attempt: AttemptRecord, of job: inout ActiveJob) {
        let number = attempt.id.task.number
        guard let step = job.tasks[number]?.step else { return }
        job.tasks[number]?.record.winner = attempt.id.token
        guard job.steps[step].isNeeded else { return }
        job.steps[step].results[number - job.record.progress.steps[step].base] = attempt.outputs
    }

    mutating func didWell(_ node: NodeID, at now: Moment) {
        guard var row = nodes[node]?.row else { return }
        nodes[node]?.failedLaunches = []
        Breaker.success(&row, at: now.wall)
        guard row != nodes[node]?.row else { return }
        nodes[node]?.row = row
        if let active = nodes[node] { save(active) }
    }

    /// Whether a host fault says something of the machine. A program that cannot be started may be the job's own
    /// mistake, so each account counts once until something succeeds there: nobody's typos close a pool.
    private mutating func isEvidence(_ outcome: Outcome, against node: NodeID, of account: AccountID) -> Bool {
        guard outcome == .launchFailed else { return true }
        return nodes[node]?.failedLaunches.insert(account).inserted ?? false
    }

    /// What is wrong with a report, or nil.
    private static func mistake(in verified: VerifiedReport, attempt: LiveAttempt) -> String? {
        let receipt = verified.receipt.receipt
        guard receipt.outcome.isReportable else { return "a worker cannot report `\(receipt.outcome.rawValue)`" }
        guard receipt.priceBound == attempt.record.priceBound else {
            return "the price bound is \(receipt.priceBound), granted was \(attempt.record.priceBound)"
        }
        guard receipt.outputDigest == manifestDigest(verified.report.outputs) else {
            return "the outputs are not those of the receipt"
        }
        return nil
    }

    private mutating func keepContent(_ verified: VerifiedReport, of job: ActiveJob, at now: Moment) {
        let id = verified.receipt.receipt.attempt
        handOver(verified, from: id, of: job)
        change.blobs += verified.blobs
        for file in verified.report.outputs + (verified.report.checkpoint ?? []) {
            change.blobUses.append(
                BlobUse(digest: file.digest, account: job.record.account, job: job.record.id, at: now.wall))
        }
        if let out = verified.report.stdout, !out.bytes.isEmpty {
            change.logs.append(StoredLog(attempt: id, stream: .stdout, bytes: out.bytes))
        }
        if let err = verified.report.stderr, !err.bytes.isEmpty {
            change.logs.append(StoredLog(attempt: id, stream: .stderr, bytes: err.bytes))
        }
    }

    /// What the worker's account uploaded for the job is the job's from now on, in the figures too.
    private mutating func handOver(_ verified: VerifiedReport, from id: AttemptID, of job: ActiveJob) {
        let report = verified.report
        usageBook.add(verified.blobs.reduce(0) { $0 + $1.size }, to: job.record.account)
        guard let payee = job.tasks[id.task.number]?.attempt?.record.payee, payee != job.record.account else { return }
        let uploaded = zip(report.outputs, report.contents).filter { $0.1 == nil }.map(\.0) + (report.checkpoint ?? [])
        for file in uploaded {
            change.releasedUses.append(BlobUse(digest: file.digest, account: payee, job: nil, at: .zero))
            usageBook.add(file.size, to: job.record.account)
            usageBook.add(-file.size, to: payee)
        }
    }

    private mutating func learn(_ usage: Usage, of node: NodeID, step: inout ActiveStep, success: Bool) {
        let took = TimeSpan(milliseconds: usage.wallNanoseconds / 1_000_000)
        let mean = Self.mean(nodes[node]?.meanTask, with: took)
        nodes[node]?.meanTask = mean
        if success { step.meanTask = Self.mean(step.meanTask, with: took) }
    }

    /// Exponential moving average, the newest an eighth.
    static func mean(_ before: TimeSpan?, with took: TimeSpan) -> TimeSpan {
        TimeSpan(milliseconds: ((before ?? took).milliseconds * 7 + took.milliseconds) / 8)
    }

    /// Keeps the list of a checkpoint's files as a blob that the task names, so that it outlives the coordinator.
    mutating func keepCheckpoint(_ files: [OutputFile], of id: AttemptID, in job: inout ActiveJob, at now: Moment) {
        let number = id.task.number
        // A copy that went on from another owner's work would prove nothing.
        guard let task = job.tasks[number], job.steps[task.step].spec.verify.copies == 1, task.owners.isEmpty else {
            return
        }
        let entries = files.map {
            FileTable.Entry(path: $0.name, digest: $0.digest, size: ByteCount($0.size), isExecutable: $0.executable)
        }
        guard let table = try? FileTable([CoordinatorCore.checkpointSource: entries]) else { return }
        job.checkpointFiles[number] = files.map {
            LeaseInput(name: $0.name, digest: $0.digest, size: $0.size, executable: $0.executable)
        }
        if job.tasks[number]?.record.checkpoint != table.digest {
            let trail = trail(of: number, in: job) { $0.tookCheckpoint(id.token, at: now.wall) }
            job.tasks[number]?.record.trail = trail
        }
        job.tasks[number]?.record.checkpoint = table.digest
        let bytes = table.bytes
        change.blobs.append(
            BlobRecord(digest: table.digest, size: Int64(bytes.count), inline: bytes, createdAt: now.wall))
        change.blobUses.append(
            BlobUse(digest: table.digest, account: job.record.account, job: job.record.id, at: now.wall))
        note(
            "checkpoint_kept", at: now, job: job.record.id, task: number, detail: ["files": String(files.count)])
    }

    /// The one source of a checkpoint's file table.
    package static let checkpointSource = "checkpoint"

    /// What comes after an attempt's end: the lifecycle decides, the counts follow.
    mutating func settle(
        _ number: UInt32, of job: inout ActiveJob, outcome: Outcome, exitCode: Int?, madeProgress: Bool = false,
        at now: Moment
    ) {
        guard var task = job.tasks[number] else { return }
        if outcome != .success, job.record.progress.cancelReason == nil, endAudit(of: number, in: &job, at: now) {
            return
        }
        let next = TaskLifecycle.end(
            outcome, exitCode: exitCode, task: &task.record, policy: job.steps[task.step].spec.retry,
            requestedMemory: job.steps[task.step].spec.resources.memory,
            cancelled: job.record.progress.cancelReason != nil, madeProgress: madeProgress, at: now.wall,
            using: &generator)
        if case .backoff(let until) = next { task.record.notBefore = until }
        job.tasks[number] = task
        switch next {
        case .succeeded: move(number, of: &job, to: .succeeded, at: now)
        case .failed: move(number, of: &job, to: .failed, at: now)
        case .cancelled: move(number, of: &job, to: .cancelled, at: now)
        case .ready: move(number, of: &job, to: .ready, at: now)
        case .backoff: move(number, of: &job, to: .backoff, at: now)
        case .held(let reason): holdTask(number, of: &job, reason, at: now)
        }
        if job.tasks[number] == nil {
            note(
                "task_\(next == .succeeded ? "succeeded" : next == .failed ? "failed" : "cancelled")", at: now,
                job: job.record.id, task: number, detail: ["outcome": outcome.rawValue])
            job.checkpointFiles[number] = nil
            afterFinal(&job, step: task.step, at: now)
        } else {
            saveProgress(of: job)
        }
    }

    /// A periodic checkpoint of a running attempt.
    package mutating func checkpoint(_ report: CheckpointReport, from key: KeyID, at now: Moment) -> Bool {
        let id = report.attempt
        return withJob(id.task.job) { core, job in
            guard let attempt = job.tasks[id.task.number]?.attempt, attempt.record.id == id,
                core.nodeOfKey[key] == attempt.record.node
            else { return false }
            for file in report.files {
                core.change.blobUses.append(
                    BlobUse(digest: file.digest, account: job.record.account, job: job.record.id, at: now.wall))
            }
            core.keepCheckpoint(report.files, of: id, in: &job, at: now)
            if let record = job.tasks[id.task.number]?.record { core.save(record) }
            return true
        } ?? false
    }
}
