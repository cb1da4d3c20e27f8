import FogAPI
import FogCore
import FogJobs
import FogSandbox
import Logging

/// Runs one lease from its inputs to its signed report.
struct Executor: Sendable {
    let configuration: WorkerConfiguration
    let client: FogClient
    let host: SandboxHost
    let bandwidth: Bandwidth
    let proxies: ProxyHost
    let staging: Staging
    let profiles: ProfileShelf
    let pump: LogPump
    let processors: ProcessorPool
    let spool: Spool
    /// To which private jobs are sealed.
    let receiver: ReceivingKey
    let shelf = WorkShelf()
    let logger: Logger

    /// Outputs of one task; more belong into an archive.
    static let outputFileLimit = 10_000

    /// The report of the attempt, its content sent where that was possible at once; nil when the lease was not ours any
    /// more.
    func run(_ lease: Lease, slot index: Int, for agent: WorkerAgent) async -> FinishedAttempt? {
        var run = AttemptRun(lease: lease, place: AttemptPlace(lease.attempt, slot: index, configuration))
        await perform(&run, slot: index, for: agent)
        guard let finished = await conclude(&run, for: agent) else {
            await clear(run, keepingSpool: false)
            return nil
        }
        await clear(run, keepingSpool: finished.folder != nil)
        return finished
    }

    // MARK: - To the end of the program

    private func perform(_ run: inout AttemptRun, slot index: Int, for agent: WorkerAgent) async {
        do {
            try await unseal(&run)
            let lease = run.work
            let profile = try profiles.profile(named: lease.profile)
            run.isIdle = try await agent.admit(lease, profile)
            run.profile = profile
            if profile.network == .proxy {
                run.proxy = proxies.proxy(for: lease.allowHosts ?? [], yields: run.isIdle)
            } else if lease.allowHosts != nil {
                return run.refuse(
                    "the profile `\(profile.name)` has no network, and the job's `allow_hosts` names hosts to reach")
            }
            run.hasFolder = true
            if let missing = lease.secrets?.first(where: { $0.value == nil }) {
                throw WorkerFailure("no_secret", "the secret `\(missing.use.name)` did not come with the lease")
            }
            if shelf.take(run.place.work) {
                run.stamp = FolderStamp([run.place.work, run.place.checkpoint])
            } else {
                try run.place.make()
            }
            if let opened = run.opened {
                try await staging.stage(opened, in: run.place, into: &run.staged)
            } else {
                run.staged = try await stage(lease, run.place)
            }
            if !profile.isolated { try await layOut(&run) }
            let output = try LogCapture(
                stream: "stdout", folder: run.place.spool, limit: profile.limits.standardOutputBytes)
            let errors = try LogCapture(
                stream: "stderr", folder: run.place.spool, limit: profile.limits.standardOutputBytes)
            run.logs = [output, errors]
            let slot = try await host.slot(profile: profile, image: run.staged.image, index: index)
            // Its launcher holds the image, which may go when the cache needs room.
            if run.staged.image != nil { run.imageSlot = slot }
            if let wish = await agent.started(lease.attempt, in: slot, at: index, place: run.place, logs: run.logs) {
                run.wish = wish
                return
            }
            let taken = processors.take(Int((lease.resources.cpu.count + 999) / 1000))
            defer { processors.giveBack(taken) }
            pump.add(output)
            pump.add(errors)
            run.result = try await slot.run(task(run, profile, processors: taken))
            if let tally = run.proxy?.tally, !tally.isEmpty {
                logger.info(
                    "A task used the network", metadata: ["attempt": "\(lease.attempt)", "proxy": "\(tally.words)"])
            }
        } catch let failure as WorkerFailure {
            run.failure = (.stageInFailed, failure.description)
            if failure.code == "bad_image" { run.refuse(failure.message) }
            if failure.code == "bad_seal" { run.refuse(run.opened == nil ? "\(failure)" : failure.message) }
        } catch let failure as SandboxFailure {
            if failure.code == "bad_image" { return run.refuse(failure.message) }
            run.failure = (failure.code == "bad_input" ? .stageInFailed : .launchFailed, failure.description)
        } catch {
            run.failure = (.launchFailed, "\(error)")
        }
    }

    /// Opens the bundle of a private task; a public one has none.
    private func unseal(_ run: inout AttemptRun) async throws(WorkerFailure) {
        guard run.lease.seal != nil else { return }
        let opening = BundleOpening(
            receiver: receiver, machine: client.key.publicKey, coordinator: client.coordinatorKey,
            folder: run.place.opened)
        do throws(WorkerFailure) {
            run.opened = try await staging.unseal(run.lease, by: opening, into: &run.staged)
        } catch {
            logger.warning(
                "A private task does not open here",
                metadata: ["attempt": "\(run.lease.attempt)", "error": "\(error)"])
            // What is wrong with the content is nobody's business but the submitter's and this machine's.
            if error.code == "bad_seal" || error.code == "bad_input" {
                throw WorkerFailure(
                    "bad_seal", "the bundle, or the key that came with it, does not hold on this machine")
            }
            throw error
        }
    }

    private func stage(_ lease: Lease, _ place: AttemptPlace) async throws(WorkerFailure) -> StagedInputs {
        // Most short tasks have none: that is no reason to wait for the cache.
        if lease.inputs.isEmpty && lease.checkpointFiles.isEmpty && lease.volumes == nil && lease.image == nil {
            return StagedInputs()
        }
        return try await staging.stage(lease, in: place)
    }

    /// A profile without a root of its own binds nothing, so its inputs are copied into the work folder.
    private func layOut(_ run: inout AttemptRun) async throws(WorkerFailure) {
        let links = run.staged.inputs.map { InputTree.Link(source: $0.hostPath, name: $0.name) }
        run.staged.inputs = []
        if !links.isEmpty { try await InputTree.copy(links, below: run.place.work) }
    }

    private func task(_ run: AttemptRun, _ profile: SandboxProfile, processors: [UInt16]) -> SandboxTask {
        let lease = run.work
        var task = SandboxTask(
            arguments: lease.arguments,
            environment: TaskEnvironment.variables(
                of: lease, profile: profile.environment, node: configuration.name,
                work: profile.isolated ? TaskEnvironment.workFolder : run.place.work),
            workFolder: run.place.work, inputs: run.staged.inputs, resources: lease.resources,
            killGrace: lease.killGrace)
        for secret in lease.secrets ?? [] {
            switch secret.use.place {
            case .file: task.secrets[secret.use.name] = secret.value
            case .variable(let name): task.environment[name] = secret.value
            }
        }
        task.workStamp = run.stamp
        task.standardOutput = run.logs[0].writingEnd
        task.standardError = run.logs[1].writingEnd
        task.processors = processors
        task.niceness = configuration.niceness
        task.isIdle = run.isIdle
        task.allowUnsafe = configuration.allowUnsafe
        task.network = run.proxy
        return task
    }

    // MARK: - From the end of the program

    private func conclude(_ run: inout AttemptRun, for agent: WorkerAgent) async -> FinishedAttempt? {
        let ended = await agent.ended(run.lease.attempt)
        if let companion = ended.companion {
            companion.cancel()
            await companion.value
        }
        run.wish = ended.wish ?? run.wish
        for log in run.logs { log.finish() }
        if run.wish == .silently { return nil }
        judge(&run)
        do throws(WorkerFailure) {
            try await harvest(&run)
        } catch {
            run.outcome = .stageOutFailed
            run.detail = error.description
            (run.outputs, run.checkpoint) = (ResultFiles(), nil)
        }
        guard var finished = await finished(run, coordinator: ended.coordinator) else { return nil }
        return await deliver(&finished, run, isAway: ended.isAway)
    }

    private func judge(_ run: inout AttemptRun) {
        if let result = run.result {
            (run.outcome, run.detail) = OutcomeReading.outcome(
                of: result, lease: run.work, wish: run.wish,
                leftCheckpoint: run.hasFolder && !CheckpointTaking.isEmpty(run.place.checkpoint))
        } else if let (outcome, detail) = run.wish?.report {
            (run.outcome, run.detail) = (outcome, detail)
        } else if let failure = run.failure {
            (run.outcome, run.detail) = (failure.outcome, failure.detail)
        }
    }

    /// Takes outputs of a success, and the checkpoint of an attempt that will go on elsewhere.
    private func harvest(_ run: inout AttemptRun) async throws(WorkerFailure) {
        let (lease, place) = (run.work, run.place)
        switch run.outcome.fault {
        case .none where !lease.outputs.isEmpty:
            let collected: [CollectedFile]
            do throws(SandboxFailure) {
                collected = try await Self.collect(lease, place)
            } catch {
                run.outcome = error.code == "outputs_too_large" ? .diskExceeded : .outputMissing
                run.detail = error.message
                return
            }
            run.outputs = try await Disk.offload { () throws(WorkerFailure) in
                try ResultFiles.take(
                    collected, from: place.work, to: place.spool, prefix: "output-",
                    inlineLimit: AttemptReport.inlineOutputLimit)
            }
            try await sealOutputs(&run)
        case .none where run.opened != nil: try await sealOutputs(&run)
        case .policy where run.opened == nil && run.hasFolder && !CheckpointTaking.isEmpty(place.checkpoint):
            run.checkpoint = try await Disk.offload { () throws(WorkerFailure) in
                try CheckpointTaking.take(
                    from: place.checkpoint, to: place.spool, maxSize: lease.checkpoint.maxSize, running: false)
            }
        default: break
        }
    }

    /// A private task leaves one file, whatever it left: equal for equal results, so that several owners' can be compared.
    private func sealOutputs(_ run: inout AttemptRun) async throws(WorkerFailure) {
        guard let opened = run.opened else { return }
        let (plain, spool) = (run.outputs, run.place.spool)
        run.outputs = try await Disk.offload { () throws(WorkerFailure) in
            try opened.seal(
                plain, as: .result(opened.place), name: OpenedTask.resultName, in: spool,
                salt: opened.seal.tag(of: plain.files, at: opened.place))
        }
    }

    private static func collect(_ lease: Lease, _ place: AttemptPlace) async throws(SandboxFailure) -> [CollectedFile] {
        let result: Result<Result<[CollectedFile], SandboxFailure>, WorkerFailure>
        do throws(WorkerFailure) {
            result = .success(
                try await Disk.offload { () throws(WorkerFailure) in
                    Result { () throws(SandboxFailure) in
                        var limits = OutputCollector.Limits()
                        limits.files = outputFileLimit
                        limits.bytes = lease.resources.disk
                        return try OutputCollector.collect(
                            workFolder: place.work, patterns: lease.outputs, excluding: Set(lease.inputs.map(\.name)),
                            limits: limits)
                    }
                })
        } catch {
            result = .failure(error)
        }
        switch result {
        case .success(let collected): return try collected.get()
        case .failure(let failure): throw SandboxFailure(failure.code, failure.message)
        }
    }

    // MARK: - The report

    private func finished(_ run: AttemptRun, coordinator: PublicKey?) async -> FinishedAttempt? {
        // Without terms there never was a lease to run.
        guard let coordinator else { return nil }
        let (lease, logs) = (run.lease, run.logs)
        let sealed = run.sealedLog
        let digests: [Digest]
        if let sealed {
            digests = [Digest.blake2b(sealed), Digest.blake2b([])]
        } else {
            digests = await logDigests(logs)
        }
        let profile = run.profile?.digest ?? .zero
        let signed = SignedReceipt(
            Receipt(
                coordinator: coordinator, attempt: lease.attempt, node: client.key.publicKey,
                profileDigest: run.opened.map { $0.seal.commitment(to: profile, at: $0.place) } ?? profile,
                missingIsolation: run.result?.missing ?? [],
                inputDigest: LeaseInput.digest(of: lease.content), outputDigest: manifestDigest(run.outputs.files),
                stdoutDigest: digests[0], stderrDigest: digests[1], exitCode: run.exitCode,
                signal: run.result?.signal, outcome: run.outcome, usage: run.usage, priceBound: lease.priceBound),
            signedWith: client.key)
        var report = AttemptReport(
            receipt: signed, outputs: run.outputs.files, contents: run.outputs.contents, stdout: nil, stderr: nil,
            stdoutSize: sealed.map { Int64($0.count) } ?? logs.first?.size ?? 0,
            stderrSize: sealed == nil ? logs.last?.size ?? 0 : 0,
            detail: run.outwardDetail.map { String($0.prefix(1000)) }, checkpoint: run.checkpoint?.files)
        var tails: [FinishedAttempt.LogTail] = []
        if let sealed {
            report.stderr = Base64Bytes([])
            if sealed.count <= AttemptReport.inlineLogLimit {
                report.stdout = Base64Bytes(sealed)
            } else {
                tails = [.init(stream: "stdout", offset: 0, size: Int64(sealed.count), bytes: sealed)]
            }
        } else {
            report.stdout = logs.first.flatMap { inline($0, &tails) } ?? (logs.isEmpty ? Base64Bytes([]) : nil)
            report.stderr = logs.last.flatMap { inline($0, &tails) } ?? (logs.isEmpty ? Base64Bytes([]) : nil)
        }
        var finished = FinishedAttempt(attempt: lease.attempt, report: report)
        finished.cpuNanoseconds = run.usage.cpuNanoseconds
        finished.uploads = run.outputs.uploads + (run.checkpoint?.uploads ?? [])
        finished.logs = tails
        if !finished.uploads.isEmpty || logs.contains(where: { !$0.isInMemory }) { finished.folder = run.place.spool }
        return finished
    }

    private func logDigests(_ logs: [LogCapture]) async -> [Digest] {
        guard !logs.isEmpty else { return [Digest.blake2b([]), Digest.blake2b([])] }
        if logs.allSatisfy(\.isInMemory) { return logs.map { $0.digest() } }
        return (try? await Disk.offload { () throws(WorkerFailure) in logs.map { $0.digest() } }) ?? [.zero, .zero]
    }

    /// A small log that was not streamed goes into the report, the rest of another into `tails`.
    private func inline(_ log: LogCapture, _ tails: inout [FinishedAttempt.LogTail]) -> Base64Bytes? {
        let size = log.size
        if size <= Int64(AttemptReport.inlineLogLimit), log.sent == nil {
            return Base64Bytes(log.read(at: 0, count: Int(size)))
        }
        let sent = log.sent ?? 0
        if sent < size {
            tails.append(
                .init(
                    stream: log.stream, offset: sent, size: size,
                    bytes: log.isInMemory ? log.read(at: 0, count: Int(size)) : nil))
        }
        return nil
    }

    /// A report for a lease that never ran.
    func unrun(_ lease: Lease, _ outcome: Outcome, _ detail: String, coordinator: PublicKey?) async -> FinishedAttempt?
    {
        var run = AttemptRun(lease: lease, place: AttemptPlace(lease.attempt, slot: 0, configuration))
        (run.outcome, run.detail) = (outcome, detail)
        return await finished(run, coordinator: coordinator)
    }

    // MARK: - Delivery

    /// Sends content; what cannot be sent now is kept on disk for later.
    private func deliver(_ finished: inout FinishedAttempt, _ run: AttemptRun, isAway: Bool) async -> FinishedAttempt? {
        guard finished.needsUpload || isAway else { return finished }
        if !isAway {
            switch await Courier(client: client, bandwidth: bandwidth).send(&finished) {
            case nil: return finished
            case .stale: return nil
            case .refused(let code, let message):
                return await refused(run, finished, "\(message) (\(code))")
            case .away, .unknownWorker, .outdated, .keyEnded: break
            }
        }
        let kept = finished
        do throws(WorkerFailure) {
            return try await Disk.offload { () throws(WorkerFailure) in try spool.keep(kept) }
        } catch {
            logger.warning(
                "A result could not be kept on disk; it is delivered from memory",
                metadata: ["attempt": "\(kept.attempt)", "error": "\(error)"])
            return finished
        }
    }

    /// The coordinator will never take the content: the attempt failed at handing out, and says why.
    private func refused(_ run: AttemptRun, _ finished: FinishedAttempt, _ detail: String) async -> FinishedAttempt? {
        var failed = run
        (failed.outcome, failed.detail) = (.stageOutFailed, detail)
        (failed.outputs, failed.checkpoint, failed.logs) = (ResultFiles(), nil, [])
        let coordinator = (try? SignedReceipt(bytes: finished.report.receipt.bytes))?.receipt.coordinator
        return await self.finished(failed, coordinator: coordinator)
    }

    private func clear(_ run: AttemptRun, keepingSpool: Bool) async {
        if let slot = run.imageSlot { await host.discard(slot) }
        if !run.staged.keys.isEmpty { await staging.release(run.staged) }
        let (place, hadTree) = (run.place, run.staged.hasTree)
        if run.lease.seal != nil {
            _ = try? await Disk.offload { () throws(WorkerFailure) in Disk.removeTree(place.opened) }
        }
        if run.hasFolder {
            if hadTree || !shelf.keep(place, since: run.stamp) {
                _ = try? await Disk.offload { () throws(WorkerFailure) in place.clearWork(hadTree: hadTree) }
            }
        }
        if !keepingSpool,
            run.logs.contains(where: { !$0.isInMemory }) || !run.outputs.uploads.isEmpty
                || run.checkpoint != nil
        {
            Disk.removeTree(place.spool)
        }
    }
}

/// One lease on its way.
struct AttemptRun {
    let lease: Lease
    let place: AttemptPlace
    var profile: SandboxProfile?
    /// What was opened of a private task's bundle; nil for a public one.
    var opened: OpenedTask?
    /// Runs on what the machine's owner leaves.
    var isIdle = false
    var staged = StagedInputs()
    var hasFolder = false
    /// Of a work folder that was used before, as it was when the task began.
    var stamp: FolderStamp?
    var logs: [LogCapture] = []
    var result: SandboxResult?
    /// The task's way into the network.
    var proxy: TaskProxy?
    /// A slot for this image alone, to be discarded.
    var imageSlot: SandboxSlot?
    /// The exit code where nothing could be run, by the job's own fault.
    var refusalCode: Int?
    /// Why it could not be run.
    var failure: (outcome: Outcome, detail: String)?
    var wish: EndWish?
    var outcome = Outcome.launchFailed
    var detail: String?
    var outputs = ResultFiles()
    var checkpoint: ResultFiles?

    init(lease: Lease, place: AttemptPlace) {
        self.lease = lease
        self.place = place
    }

    /// What the job brought cannot be run anywhere: no other machine need try.
    mutating func refuse(_ words: String) {
        refusalCode = SandboxResult.ownError
        failure = (.exitNonzero, words)
    }

    /// What runs: the lease, or of a private task the one that was sealed.
    var work: Lease { opened?.lease ?? lease }

    /// What the coordinator is told beside the outcome. What a private task's end says is in its sealed log; what its
    /// machine's owner or the operator said is theirs.
    var outwardDetail: String? {
        guard opened != nil else { return detail }
        return outcome.fault == .policy || outcome.fault == .withdrawn ? detail : nil
    }

    /// The log of a private task, as it leaves this machine; nil for a public one.
    var sealedLog: [UInt8]? {
        opened.map { opened in
            let failed = outcome != .success
            let streams = logs.map { log in
                let count = failed ? SealedLog.failedStreamLimit : SealedLog.streamLimit + 1
                return log.read(at: failed ? max(0, log.size - Int64(count)) : 0, count: count)
            }
            return SealedLog(
                stdout: streams.first ?? [], stderr: streams.last ?? [], detail: detail, failed: failed
            )
            .sealed(opened.seal, at: opened.place, token: lease.attempt.token)
        }
    }

    /// Also of a program that could not be started: 126 or 127, as shells have it.
    var exitCode: Int? {
        guard let result else { return refusalCode }
        return result.exitCode ?? (outcome == .exitNonzero ? result.shellCode : nil)
    }

    /// Bytes are those of staging and delivery, and those that the task itself read and wrote through its proxy.
    var usage: Usage {
        let used = result?.usage
        let network = proxy?.tally ?? ProxyTally()
        let source = used.flatMap { Usage.Source(rawValue: $0.source.rawValue) } ?? .rusage
        return Usage(
            cpuNanoseconds: max(0, used?.cpuNanoseconds ?? 0), wallNanoseconds: max(0, used?.wallNanoseconds ?? 0),
            peakBytes: max(0, used?.peakBytes ?? 0), bytesIn: staged.downloaded + network.bytesIn,
            bytesOut: network.bytesOut + outputs.bytes + (checkpoint?.bytes ?? 0)
                + (opened == nil ? logs.reduce(0) { $0 + $1.size } : 0),
            source: source)
    }
}
