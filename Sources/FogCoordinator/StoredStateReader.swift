internal import FogCore
internal import FogJobs
internal import FogLedger
internal import FogPlacement
internal import FogStore

/// Reads everything a coordinator needs to go on.
struct StoredStateReader {
    let store: any Store
    let content: ContentStore
    private static let page = 10_000

    func read() async throws -> StoredState {
        var state = StoredState()
        for stored in try await store.openJobs() { state.jobs.append(try await parse(stored)) }
        state.tasks = try await store.openTasks()
        state.attempts = try await store.openAttempts()
        state.nodes = try await store.nodes()
        state.reputations = try await store.reputations()
        state.marketEpochs = try await store.marketEpochs(
            of: nil, since: .init(microseconds: 0), limit: MarketBook.remembered * MarketBook.maxSegments)
        state.principals = try await store.principals()
        state.invitations = try await store.invitations()
        state.applicants = try await store.applicants()
        state.ledger = try await store.ledgerState()
        state.eventSequence = try await store.lastEventSequence()
        state.settings = try await store.settings()
        for job in state.jobs { state.results += try await results(of: job) }
        for task in state.tasks {
            guard let digest = task.checkpoint else { continue }
            state.checkpoints[task.id] = try await checkpoint(digest)
        }
        return state
    }

    /// A document that was accepted once is read with the same parser; that it does not parse any more means that the
    /// store was altered or the software went back.
    private func parse(_ stored: StoredJob) async throws -> ParsedJob {
        let (json, selection) = Retrial.split(try JSON(parsing: stored.document))
        var files = FileTable.empty
        if let digest = stored.record.fileTable, let record = try await store.blob(digest) {
            files = try FileTable(json: JSON(parsing: try await content.bytes(of: record)))
        }
        var tables: [Digest: [UInt8]] = [:]
        for digest in Coordinator.sweepTables(in: json) {
            if let record = try await store.blob(digest) { tables[digest] = try await content.bytes(of: record) }
        }
        let outcome = try SubmissionBundle.spec(document: json, files: files.isEmpty ? nil : files) { tables[$0] }
        guard let spec = outcome.spec else {
            let problem = outcome.problems.first.map { "\($0.path): \($0.message)" } ?? "no reason given"
            throw StoreFailure("corrupt", "the manifest of job \(stored.record.id) does not read any more: \(problem)")
        }
        return ParsedJob(record: stored.record, spec: spec, files: files, selection: selection, request: stored.request)
    }

    /// What succeeded tasks left, for jobs whose later steps read it.
    private func results(of job: ParsedJob) async throws -> [AttemptRecord] {
        guard job.spec.steps.contains(where: { !$0.needs.isEmpty }) else { return [] }
        var found: [AttemptRecord] = []
        var after: AttemptID?
        while true {
            let page = try await store.attempts(of: job.record.id, task: nil, after: after, limit: Self.page)
            found += page.filter { $0.outcome == .success }
            guard page.count == Self.page, let last = page.last else { return found }
            after = last.id
        }
    }

    private func checkpoint(_ digest: Digest) async throws -> [LeaseInput] {
        guard let record = try await store.blob(digest) else { return [] }
        let table = try FileTable(json: JSON(parsing: try await content.bytes(of: record)))
        return (table[CoordinatorCore.checkpointSource] ?? []).map {
            LeaseInput(name: $0.path, digest: $0.digest, size: $0.size.bytes, executable: $0.isExecutable)
        }
    }
}
