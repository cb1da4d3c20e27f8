package import FogCore
package import FogJobs
package import FogLedger
package import FogPlacement
internal import FogStore

/// What is read from the store when a coordinator starts.
package struct StoredState: Sendable {
    package var jobs: [ParsedJob] = []
    package var tasks: [TaskRecord] = []
    package var attempts: [AttemptRecord] = []
    /// Outputs of succeeded tasks of jobs whose later steps read them.
    package var results: [AttemptRecord] = []
    package var checkpoints: [TaskID: [LeaseInput]] = [:]
    package var nodes: [NodeRow] = []
    package var reputations: [Reputation.Key: Reputation] = [:]
    package var marketEpochs: [MarketEpoch] = []
    package var principals: [Principal] = []
    package var invitations: [Invitation] = []
    package var applicants: [Applicant] = []
    package var ledger: LedgerProjection?
    package var eventSequence: UInt64 = 0
    package var settings: [String: String] = [:]

    package init() {}
}

/// A stored job with its document read again.
package struct ParsedJob: Sendable {
    package var record: JobRecord
    package var spec: JobSpec
    package var files: FileTable
    package var selection: [UInt32]?
    package var request: Authorisation

    package init(
        record: JobRecord, spec: JobSpec, files: FileTable, selection: [UInt32]? = nil, request: Authorisation = .none
    ) {
        self.request = request
        self.selection = selection
        self.record = record
        self.spec = spec
        self.files = files
    }
}

extension CoordinatorCore {
    /// The coordinator as it was at the last commit. Every node gets time to call before it is judged.
    package init(
        recovering state: StoredState, rules: CoordinatorConfiguration, key: PublicKey, seed: UInt64, at now: Moment
    ) {
        self.init(
            rules: rules, key: key, ledger: state.ledger.map { Ledger($0) } ?? Ledger(),
            eventSequence: state.eventSequence, seed: seed, at: now)
        fencingFloor = state.settings[Fencing.setting].flatMap { UInt32($0) } ?? 0
        stakeLinks = StakeLinks(saved: state.settings[StakeLinks.setting])
        begunEpoch = state.settings[Self.epochSetting].flatMap { try? SubjectID($0) }
        fairShare = FairShare(halfLife: rules.usageHalfLife, saved: state.settings[Self.fairShareSetting], at: now)
        for principal in state.principals.sorted(by: { ($0.enrolledAt, $0.name) < ($1.enrolledAt, $1.name) }) {
            principals[principal.key.id] = principal
            learnName(of: principal)
        }
        for invitation in state.invitations { invitations[invitation.secretHash] = invitation }
        for applicant in state.applicants { applicants[applicant.key.id] = applicant }
        for row in state.nodes {
            var node = ActiveNode(row: row)
            node.lastHeard = now.boot
            node.judgedFrom = now.boot + rules.pauseExtension
            nodes[row.id] = node
            nodeOfKey[row.key.id] = row.id
        }
        reputations = state.reputations
        market = MarketBook(state.marketEpochs)
        for parsed in state.jobs {
            var job = ActiveJob(
                record: parsed.record, spec: parsed.spec, files: parsed.files, selection: parsed.selection)
            job.markNeeded()
            job.request = parsed.request
            jobs[parsed.record.id] = job
            traces[parsed.record.id] = parsed.record.trace?.traceID
        }
        for record in state.tasks { restore(record, at: now) }
        for attempt in state.attempts { restore(attempt) }
        for result in state.results { restore(result: result) }
        for (task, files) in state.checkpoints { jobs[task.job]?.checkpointFiles[task.number] = files }
    }

    private mutating func restore(_ record: TaskRecord, at now: Moment) {
        guard let step = jobs[record.id.job]?.stepIndex(of: record.id.number) else { return }
        let number = record.id.number
        jobs[record.id.job]?.tasks[number] = ActiveTask(record: record, step: step)
        switch record.state {
        case .ready: jobs[record.id.job]?.steps[step].readyAgain.append(number)
        case .backoff: jobs[record.id.job]?.steps[step].backoff[number] = record.notBefore ?? now.wall
        default: break
        }
        if record.trail?.held.isEmpty == false { awaiting[record.id] = now.boot }
    }

    /// A lease that was live: it stays its worker's, which may be computing all the while.
    private mutating func restore(_ record: AttemptRecord) {
        let number = record.id.task.number
        guard let job = jobs[record.id.task.job], let task = job.tasks[number] else { return }
        guard !task.isHeld(record.id) else {
            jobs[record.id.task.job]?.openAttempts += 1
            jobs[record.id.task.job]?.reserved = Credits(micro: job.reserved.micro + record.priceBound.micro)
            return
        }
        guard task.record.token == record.id.token else { return }
        var live = LiveAttempt(record: record, state: .running, demand: demand(of: task, in: job))
        let isOut = task.record.state.isOut
        live.isOrphan = !isOut
        live.cancelWanted = job.record.progress.cancelReason != nil
        live.readable = readable(by: task, in: job)
        jobs[record.id.task.job]?.tasks[number]?.attempt = live
        jobs[record.id.task.job]?.openAttempts += 1
        jobs[record.id.task.job]?.reserved = Credits(micro: job.reserved.micro + record.priceBound.micro)
        guard isOut else { return }
        jobs[record.id.task.job]?.steps[task.step].out += 1
        nodes[record.node]?.leases.insert(record.id)
        nodes[record.node]?.reserve(live.demand)
    }

    /// What the worker of a lease may read: its element's inputs, the results its step needs, its checkpoint.
    func readable(by task: ActiveTask, in job: ActiveJob) -> Set<Digest> {
        let number = task.record.id.number
        let element = job.element(of: number, step: task.step)
        let expanded = try? Substitution.expand(job.steps[task.step].spec, element: element)
        let inputs = (expanded?.inputs ?? []).flatMap { (try? job.leaseInputs(for: $0)) ?? [] }
        let image = (try? job.image(of: job.steps[task.step].spec)).flatMap { $0 }.map { [$0] } ?? []
        return Set(
            (inputs + image + job.resultsOfNeeds(of: task.step) + (job.checkpointFiles[number] ?? [])).map(\.digest))
    }

    private mutating func restore(result: AttemptRecord) {
        let id = result.id.task
        guard let job = jobs[id.job], let step = job.stepIndex(of: id.number), job.steps[step].isNeeded else { return }
        jobs[id.job]?.steps[step].results[id.number - job.record.progress.steps[step].base] = result.outputs
    }
}
