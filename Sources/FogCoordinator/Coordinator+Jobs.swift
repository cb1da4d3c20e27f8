package import FogCore
package import FogJobs
package import FogLedger
package import FogPlacement
package import FogStore

/// What a submitter asks of the coordinator.
extension Coordinator {
    /// What a submit would come to.
    package struct Quote: Sendable {
        package let spec: JobSpec
        package let price: Credits
        package let available: Credits
        /// One a step.
        package let explanations: [Explanation]
        /// One for each way to buy it.
        package let offers: [CoordinatorCore.Offer]
        package let forecast: (forecast: MarketForecast, epochs: Int)?
    }

    /// Takes a job in, once for an idempotency key.
    /// - Returns: the job, and whether it is new.
    package func submit(
        document text: String, fileTable: Digest?, idempotencyKey: String?, by principal: Principal,
        secrets: [String: String] = [:], keys: SealedKeys? = nil, only selection: [UInt32]? = nil,
        trace: TraceParent? = nil, request: Authorisation = .none
    ) async throws -> (record: JobRecord, isNew: Bool) {
        var submission = try await read(
            document: text, fileTable: fileTable, idempotencyKey: idempotencyKey, by: principal)
        try Self.check(submission.spec, keys: keys)
        (submission.trace, submission.keys, submission.request) = (trace, keys, request)
        if let selection {
            submission.selection = selection
            submission.document = Retrial.join(submission.document, selection: selection)
        }
        if let key = idempotencyKey, let known = try await storedJob(under: key, of: principal.account) {
            guard known.documentDigest == submission.documentDigest else {
                throw CoordinatorFailure.idempotencyConflict
            }
            return (known, false)
        }
        submission.id = try keepSecrets(secrets, of: submission.spec)
        let complete = submission
        guard let id = submission.id else {
            return try await perform { core, now throws(CoordinatorFailure) in try core.submit(complete, at: now) }
        }
        // They are on the disk before the job is, and gone again when it was not taken in.
        admitting.insert(id)
        defer { admitting.remove(id) }
        do {
            let taken = try await perform { core, now throws(CoordinatorFailure) in try core.submit(complete, at: now) }
            if taken.record.id != id { dropSecrets(of: id) }
            return taken
        } catch {
            if core.jobs[id] == nil { dropSecrets(of: id) }
            throw error
        }
    }

    /// The job of an idempotency key; asked again when another submit under the key came while the store was asked.
    private func storedJob(under key: String, of account: AccountID) async throws -> JobRecord? {
        let slot = IdempotencySlot(account: account, key: key)
        while true {
            let recent = core.recentKeys[slot]?.job
            if let known = try await store.job(account: account, idempotencyKey: key) { return known }
            if core.recentKeys[slot]?.job == recent { return nil }
        }
    }

    /// Reads a submission without taking it in.
    package func quote(
        document text: String, fileTable: Digest?, keys: SealedKeys? = nil, by principal: Principal
    ) async throws -> Quote {
        let submission = try await read(document: text, fileTable: fileTable, idempotencyKey: nil, by: principal)
        let spec = submission.spec
        try Self.check(spec, keys: keys)
        let now = now
        var record = JobRecord(
            id: JobID(high: 0, low: 0), name: spec.name, account: principal.account, submitter: principal.key,
            submittedAt: now.wall, idempotencyKey: nil, documentDigest: submission.documentDigest, fileTable: nil,
            labels: [:], priority: spec.priority, progress: JobProgress(steps: [], budget: .zero))
        record.progress.keys = keys
        let job = ActiveJob(record: record, spec: spec, files: submission.files)
        let nodes = standingNodes.map {
            var record = core.nodeRecord($0, at: now)
            // Slots are offered by polls only; for the question where it could run, an open node has room.
            record.free.slots = max(record.free.slots, record.allowance.slots)
            return record
        }
        let explanations = spec.steps.indices.map { step in
            Explanation.of(core.shape(of: job, step: step, at: now), nodes: nodes, now: now.wall)
        }
        return Quote(
            spec: spec, price: core.quote(for: spec),
            available: core.ledger.account(principal.account)?.available ?? .zero, explanations: explanations,
            offers: core.offers(for: spec), forecast: core.forecast(for: spec))
    }

    private func read(
        document text: String, fileTable: Digest?, idempotencyKey: String?, by principal: Principal
    ) async throws -> Submission {
        guard text.utf8.count <= ManifestLimits.maxBytes else {
            throw CoordinatorFailure(
                "bad_manifest", "the document has \(text.utf8.count) bytes, at most \(ManifestLimits.maxBytes)")
        }
        let json = try JSON(parsing: text, maxDepth: ManifestLimits.maxDepth)
        let files = try await self.files(of: fileTable, for: principal)
        var tables: [Digest: [UInt8]] = [:]
        for digest in Self.sweepTables(in: json) {
            tables[digest] = try await content.bytes(of: digest, readableBy: principal.account)
        }
        let outcome = try SubmissionBundle.spec(document: json, files: files) { tables[$0] }
        guard let spec = outcome.spec else {
            throw CoordinatorFailure(
                "bad_manifest",
                outcome.problems.first.map { "\($0.path): \($0.message)" } ?? "the manifest is not valid",
                details: outcome.problems.map { "\($0.path): \($0.message)" })
        }
        let bundle = SubmissionBundle(spec: spec, files: files)
        var submission = Submission(
            spec: spec, document: json.canonical, documentDigest: bundle.digest, files: files ?? FileTable.empty,
            fileTable: fileTable, idempotencyKey: idempotencyKey, submitter: principal)
        for digest in try LocalInputs(of: spec).blobs {
            guard let blob = try await content.blob(digest, readableBy: principal.account) else {
                throw CoordinatorFailure("missing_blob", "there is no blob \(digest) that you may read")
            }
            submission.blobSizes[digest] = blob.size
        }
        return submission
    }

    private func files(of digest: Digest?, for principal: Principal) async throws -> FileTable? {
        guard let digest else { return nil }
        guard let bytes = try await content.bytes(of: digest, readableBy: principal.account) else {
            throw CoordinatorFailure("missing_blob", "the file table \(digest) was not uploaded")
        }
        let table = try FileTable(json: JSON(parsing: bytes))
        var sizes: [Digest: Int64] = [:]
        for digest in table.digests {
            guard let blob = try await content.blob(digest, readableBy: principal.account) else {
                throw CoordinatorFailure("missing_blob", "the input \(digest) was not uploaded")
            }
            sizes[digest] = blob.size
        }
        // A machine that fetches other content than it was told of would be blamed for it.
        for source in table.sources {
            for entry in table[source] ?? [] where sizes[entry.digest] != entry.size.bytes {
                throw CoordinatorFailure(
                    "bad_file_table",
                    "`\(entry.path.prefix(120))` in `\(source.prefix(120))` is said to have \(entry.size.bytes) bytes, found \(sizes[entry.digest] ?? 0)"
                )
            }
        }
        return table
    }

    /// Blobs that stand under a `sweep` key.
    static func sweepTables(in json: JSON) -> [Digest] {
        var found: [Digest] = []
        for member in json.members ?? [] {
            if member.name == "sweep", let text = member.value.string, text.hasPrefix("blob:"),
                let digest = try? Digest(text.dropFirst(5))
            {
                found.append(digest)
            } else {
                found += sweepTables(in: member.value)
            }
        }
        return found
    }

    // MARK: Finding

    /// A job by id, unique prefix of an id, or name (the newest of that name).
    /// - Throws: `not_found`, or `ambiguous` with the candidates.
    package func find(
        _ reference: String, for principal: Principal, asking capability: Capability = .seeJobs
    ) async throws -> JobRecord {
        let scope = principal.mayForEverybody(capability) ? nil : principal.account
        if let id = try? JobID(reference) { return try await job(id, for: principal, asking: capability) }
        let ids = try await store.jobIDs(prefix: reference, account: scope, limit: 5)
        if ids.count == 1 { return try await job(ids[0], for: principal, asking: capability) }
        if ids.count > 1 {
            throw CoordinatorFailure(
                "ambiguous", "`\(reference)` begins \(ids.count) ids: \(ids.map(\.short).joined(separator: ", "))")
        }
        var filter = JobFilter(account: scope, name: reference, limit: 1)
        filter.limit = 1
        guard let named = try await store.jobs(filter).first else { throw CoordinatorFailure.notFound }
        return try await job(named.id, for: principal, asking: capability)
    }

    /// The same once the job has ended, or after a while.
    package func find(_ reference: String, waiting: TimeSpan, for principal: Principal) async throws -> JobRecord {
        let deadline = clock.sinceBoot + waiting
        var record = try await find(reference, for: principal)
        while !record.state.isFinal, !Task.isCancelled {
            let left = deadline - clock.sinceBoot
            guard left > .zero else { break }
            // Nothing comes between this look at the job and the wait: no event is missed.
            if core.jobs[record.id].map({ !$0.record.state.isFinal }) ?? false {
                await waitForEvent(after: eventCommits, atMost: left)
            }
            record = try await job(record.id, for: principal)
        }
        return record
    }

    func job(
        _ id: JobID, for principal: Principal, asking capability: Capability = .seeJobs
    ) async throws -> JobRecord {
        if let active = core.jobs[id] {
            guard core.visible(id, to: principal, asking: capability) != nil else { throw CoordinatorFailure.notFound }
            // An end is told only when nothing can undo it.
            if active.record.state.isFinal { try await durable(ticket()) }
            return active.record
        }
        // It may have been settled a moment ago.
        try await durable(ticket())
        guard let stored = try await store.job(id)?.record,
            stored.account == principal.account || principal.mayForEverybody(capability)
        else { throw CoordinatorFailure.notFound }
        return stored
    }

    package func jobs(_ filter: JobFilter, for principal: Principal) async throws -> [JobRecord] {
        var own = filter
        if !principal.mayForEverybody(.seeJobs) { own.account = principal.account }
        return try await store.jobs(own).map { core.jobs[$0.id]?.record ?? $0 }
    }

    package func document(of id: JobID) async throws -> String {
        guard let stored = try await store.job(id) else { throw CoordinatorFailure.notFound }
        return Retrial.split(try JSON(parsing: stored.document)).document.canonical
    }

    // MARK: Changing

    package func cancel(_ id: JobID, reason: String, by principal: Principal) async throws -> JobRecord {
        try await control(id, by: principal) { core, now throws(CoordinatorFailure) in
            try core.cancel(id, reason: reason, by: principal, at: now)
        }
    }

    package func hold(_ id: JobID, reason: String, by principal: Principal) async throws -> JobRecord {
        try await control(id, by: principal) { core, now throws(CoordinatorFailure) in
            try core.hold(id, reason: reason, by: principal, at: now)
        }
    }

    package func release(_ id: JobID, by principal: Principal) async throws -> JobRecord {
        try await control(id, by: principal) { core, now throws(CoordinatorFailure) in
            try core.release(id, by: principal, at: now)
        }
    }

    package func fund(_ id: JobID, adding amount: Credits, by principal: Principal) async throws -> JobRecord {
        try await control(id, by: principal) { core, now throws(CoordinatorFailure) in
            try core.fund(id, adding: amount, by: principal, at: now)
        }
    }

    /// Keeps a job's history with its logs and outputs for so long from now; running or over.
    ///
    /// - Throws: `conflict` when retention is about to remove it, or `bad_time`.
    package func keep(_ id: JobID, for span: TimeSpan, by principal: Principal) async throws -> JobRecord {
        let record = try await job(id, for: principal, asking: .changeJobs)
        if let last = lastPrune, core.jobs[id] == nil,
            record.progress.isDue(endedBefore: last - core.rules.retention, keptBefore: last)
        {
            throw CoordinatorFailure("conflict", "the history of job \(id.short) is being removed: its time is over")
        }
        return try await perform { core, now throws(CoordinatorFailure) in
            try core.keep(record, for: span, by: principal, at: now)
        }
    }

    /// A finished job cannot be changed; that is said as such, not as `not_found`.
    private func control(
        _ id: JobID, by principal: Principal,
        _ decide: (inout CoordinatorCore, Moment) throws(CoordinatorFailure) -> JobRecord
    ) async throws -> JobRecord {
        if core.jobs[id] == nil {
            let record = try await job(id, for: principal, asking: .changeJobs)
            throw CoordinatorFailure("conflict", "job \(record.id.short) is \(record.state.rawValue) already")
        }
        return try await perform(decide)
    }

    // MARK: Explaining

    /// Why tasks of a job wait: what holds the job itself, then what each node lacks.
    package struct JobExplanation: Sendable {
        package var record: JobRecord
        /// Reasons that no node could change: held, blocked, backing off, its own limits.
        package var reasons: [String]
        package var steps: [Explanation]
        /// The last on each step.
        package var decisions: [PlacementDecision]
    }

    /// By id. A machine that is gone for good is no reason for anything.
    var standingNodes: [ActiveNode] {
        core.nodes.values.filter { $0.row.standing != .revoked }.sorted { $0.row.id < $1.row.id }
    }

    package func explain(_ id: JobID, for principal: Principal) async throws -> JobExplanation {
        let record = try await job(id, for: principal)
        let decisions = try await lastDecisions(of: id)
        guard let active = core.jobs[id] else {
            return JobExplanation(
                record: record, reasons: ["every task is final: \(record.state.rawValue)"], steps: [],
                decisions: decisions)
        }
        let now = now
        var reasons: [String] = []
        if let held = record.progress.held { reasons.append("held: \(held)") }
        if let reason = record.progress.cancelReason { reasons.append("being cancelled: \(reason)") }
        var steps: [Explanation] = []
        let nodes = standingNodes.map { core.nodeRecord($0, at: now) }
        for (index, progress) in record.progress.steps.enumerated() {
            let label = progress.name.isEmpty ? "" : "step \(progress.name): "
            let spec = active.steps[index].spec
            if progress.counts[.blocked] > 0 {
                reasons.append("\(label)\(progress.counts[.blocked]) wait for \(spec.needs.joined(separator: ", "))")
            }
            if let limit = spec.maxParallel, active.steps[index].out >= limit {
                reasons.append("\(label)max_parallel: \(active.steps[index].out) of \(limit) are running")
            }
            if let next = active.steps[index].backoff.values.min() {
                reasons.append("\(label)\(progress.counts[.backoff]) back off after a failure, next at \(next.plain)")
            }
            for task in active.tasks.values where task.step == index && task.record.state == .held {
                reasons.append("\(label)task \(task.record.id.number) is held: \(task.record.heldReason ?? "")")
            }
            // What is held or ends starts nowhere, whatever the machines offer.
            if progress.counts[.ready] > 0, active.mayStart {
                steps.append(Explanation.of(core.shape(of: active, step: index, at: now), nodes: nodes, now: now.wall))
            }
        }
        return JobExplanation(record: record, reasons: reasons, steps: steps, decisions: decisions)
    }
}

extension FileTable {
    /// No input at all.
    package static let empty: FileTable = {
        // An empty table breaks no rule, so this cannot throw.
        guard let table = try? FileTable([:]) else { preconditionFailure("an empty file table was refused") }
        return table
    }()
}
