package import FogCore
package import FogJobs
package import FogLedger
package import FogPlacement
internal import FogStore

/// A manifest that was parsed and whose files are at hand.
package struct Submission: Sendable {
    package var spec: JobSpec
    package var document: String
    package var documentDigest: Digest
    package var files: FileTable
    package var fileTable: Digest?
    package var idempotencyKey: String?
    /// Chosen before, when something lies on the disk under it already; nil = a new one.
    package var id: JobID?
    package var submitter: Principal
    /// Sizes of the blobs that the document names itself.
    package var blobSizes: [Digest: Int64] = [:]
    /// Elements to run, of a job that runs part of another again.
    package var selection: [UInt32]?
    package var trace: TraceParent?
    /// The key of a private job, sealed to machines.
    package var keys: SealedKeys?
    /// What the submitter signed.
    package var request = Authorisation.none

    /// How many tasks it makes.
    var taskCount: Int { selection?.count ?? spec.taskCount }

    package init(
        spec: JobSpec, document: String, documentDigest: Digest, files: FileTable, fileTable: Digest?,
        idempotencyKey: String?, submitter: Principal
    ) {
        self.spec = spec
        self.document = document
        self.documentDigest = documentDigest
        self.files = files
        self.fileTable = fileTable
        self.idempotencyKey = idempotencyKey
        self.submitter = submitter
    }
}

extension CoordinatorCore {
    /// Idempotency keys that are remembered beside the store.
    static let recentKeyLimit = 100_000

    /// Takes a job in: one row and one event, however many tasks it has.
    /// - Returns: the job, and whether it is new; another submit under the same idempotency key may have brought it.
    package mutating func submit(
        _ submission: Submission, at now: Moment
    ) throws(CoordinatorFailure) -> (record: JobRecord, isNew: Bool) {
        refreshKinship()
        let spec = submission.spec
        let account = submission.submitter.account
        let slot = submission.idempotencyKey.map { IdempotencySlot(account: account, key: $0) }
        if let slot, let known = recentKeys[slot] {
            guard known.digest == submission.documentDigest else { throw .idempotencyConflict }
            if let job = jobs[known.job] { return (job.record, false) }
        }
        guard ledger.authority == nil || submission.request.isRequest else {
            let refusal = LedgerRefusal.authorisationMissing("a job")
            throw CoordinatorFailure(refusal.code, refusal.message)
        }
        try checkQuotas(of: account, adding: submission.taskCount)
        try checkRate(of: account, at: now)
        let id = submission.id ?? JobID(at: now.wall, using: &generator)
        var base: UInt32 = 0
        let steps = spec.steps.map { step in
            let count = UInt32(submission.selection?.count ?? step.elements.count)
            defer { base += count }
            return StepProgress(name: step.name, base: base, count: count, blocked: !step.needs.isEmpty)
        }
        var record = JobRecord(
            id: id, name: spec.name, account: account, submitter: submission.submitter.key, submittedAt: now.wall,
            idempotencyKey: submission.idempotencyKey, documentDigest: submission.documentDigest,
            fileTable: submission.fileTable, labels: spec.labels, priority: spec.priority,
            progress: JobProgress(steps: steps, budget: budget(for: spec, of: account)))
        record.trace = submission.trace
        record.progress.keys = submission.keys
        traces[id] = submission.trace?.traceID
        var job = ActiveJob(
            record: record, spec: spec, files: submission.files, selection: submission.selection)
        job.markNeeded()
        job.blobSizes = submission.blobSizes
        job.request = submission.request
        try reserve(&job, at: now)
        record = job.record
        if recentKeys.count >= Self.recentKeyLimit { recentKeys = [:] }
        if let slot { recentKeys[slot] = (id, submission.documentDigest) }
        change.preconditions.append(
            .jobIsNew(id, account: account, idempotencyKey: submission.idempotencyKey))
        for digest in submission.files.digests + (submission.fileTable.map { [$0] } ?? []) {
            change.blobUses.append(BlobUse(digest: digest, account: account, job: id, at: now.wall))
        }
        // Beyond a quota the job is taken and held: it goes on by itself when there is room.
        if let reason = quotaReason(for: job) {
            job.record.progress.held = reason
            record.progress.held = reason
        }
        change.newJobs.append(
            StoredJob(record: record, document: submission.document, request: submission.request))
        jobs[id] = job
        note("job_submitted", at: now, job: id, detail: ["name": spec.name, "tasks": String(submission.taskCount)])
        if let held = record.progress.held { note("job_held", at: now, job: id, detail: ["reason": held]) }
        placementWanted = true
        return (record, true)
    }

    /// What all tasks together cost at most if each uses all it asks for, at the dearest asks that the job takes; saturates.
    ///
    /// - Parameters:
    ///   - retries: as if every task needed all its attempts.
    ///   - ahead: as if prices rose as far as they may.
    package func quote(for spec: JobSpec, retries: Bool = false, ahead: Bool = false) -> Credits {
        guard rules.economy else { return .zero }
        return total(of: spec, at: dearestRates(for: spec, ahead: ahead), retries: retries)
    }

    /// What a job would cost, bought each way.
    package struct Offer: Sendable {
        package var purchase: Purchase
        package var rates: HourlyRates
        package var total: Credits
    }

    /// Empty with the economy off. What is bid for is offered at the job's limit, else at the price that always buys.
    package func offers(for spec: JobSpec) -> [Offer] {
        guard rules.economy else { return [] }
        return Purchase.allCases.map { purchase in
            var asked = spec
            asked.placement.purchase = purchase
            if purchase.needsLimit {
                let segments = segments(of: spec)
                let counter = segments.map { indexRates($0).core }.max() ?? asks.core
                asked.placement.maxPrice = spec.placement.maxPrice ?? counter
            }
            let rates = dearestRates(for: asked, ahead: false)
            return Offer(purchase: purchase, rates: rates, total: total(of: spec, at: rates))
        }
    }

    private func total(of spec: JobSpec, at rates: HourlyRates, retries: Bool = false) -> Credits {
        var total: Int64 = 0
        for step in spec.steps {
            let attempts = Int64(copies(of: step, in: spec)) * (retries ? Int64(step.retry.maxAttempts) : 1)
            let bound = PriceBound.compute(demand: step.resources, ask: rates)
            let each = bound.micro.multipliedReportingOverflow(by: attempts)
            let sum = each.partialValue.multipliedReportingOverflow(by: Int64(step.elements.count))
            let isTooMuch = each.overflow || sum.overflow || sum.partialValue > Int64.max / 4 - total
            total = isTooMuch ? Int64.max / 4 : total + sum.partialValue
        }
        return Credits(micro: total)
    }

    /// What a core-hour and a GiB-hour may cost the job.
    private func dearestRates(for spec: JobSpec, ahead: Bool) -> HourlyRates {
        let limit = spec.placement.maxPrice
        switch spec.placement.purchase {
        case .reserved: return reservedRates(for: spec)
        case .spot, .auction: return HourlyRates(core: limit ?? asks.core, in: asks)
        case .onDemand: break
        }
        var usual = asks
        if ahead, rules.movingPrices {
            let highest = MarketBook.ceiling(usual.core)
            usual = HourlyRates(core: max(usual.core, limit.map { min($0, highest) } ?? highest), in: usual)
        }
        let asksGPU = spec.steps.contains { $0.resources.gpu > 0 }
        let open = nodes.values.filter { $0.row.standing == .active }.map { asks(of: $0.row, asksGPU ? .gpu : .cpu) }
            .filter { rates in limit.map { rates.core <= $0 } ?? true }
        guard !open.isEmpty else { return usual }
        return open.reduce(ahead ? usual : HourlyRates()) { dearest, rates in
            HourlyRates(core: max(dearest.core, rates.core), gibibyte: max(dearest.gibibyte, rates.gibibyte))
        }
    }

    /// Fixes the price of a job that reserves, and moves what it will cost into its escrow.
    /// - Throws: `price` when it is above the job's limit, or why the money does not move.
    private mutating func reserve(_ job: inout ActiveJob, at now: Moment) throws(CoordinatorFailure) {
        guard rules.economy, job.spec.placement.purchase == .reserved else { return }
        let rates = reservedRates(for: job.spec)
        if let limit = job.spec.placement.maxPrice, rates.core > limit {
            throw CoordinatorFailure(
                "price", "reserved capacity costs \(rates.core) a core-hour now, placement.max_price is \(limit)")
        }
        let price = quote(for: job.spec)
        let available = max(.zero, ledger.account(job.record.account)?.available ?? .zero)
        guard price <= available, price <= job.record.progress.budget else {
            throw CoordinatorFailure(
                "insufficient_funds",
                "reserving costs \(price) credits ahead; \(available) are there, the budget is \(job.record.progress.budget)"
            )
        }
        (job.record.reservedCore, job.record.reservedGibibyte) = (rates.core, rates.gibibyte)
        let escrow = Self.escrow(of: job.record), subject = Self.subject(of: job.record.id)
        let chain =
            Settlement.open(escrow: escrow, job: subject, authorisation: job.request)
            + Settlement.raise(
                escrow, to: price, from: job.record.account, subject: subject, at: job.record.submittedAt, in: ledger)
        if let refusal = post(chain, at: now) { throw CoordinatorFailure(refusal.code, refusal.message) }
        job.record.progress.escrowOpen = true
        job.request = .none
    }

    /// How often a task is run at least: with `auto` once where results count by themselves, else as often as newcomers'
    /// must be.
    private func copies(of step: StepSpec, in spec: JobSpec) -> Int {
        guard step.verify == .auto else { return step.verify.copies }
        let heads = Set(nodes.values.filter { $0.row.standing == .active }.map { kinship.head(of: $0.row.owner) })
        guard strangers > 0, strangers == nodes.count, heads.count > 1 else { return 1 }
        let trusts = Array(repeating: Reputation.newcomer, count: min(heads.count, Quorum.maxResults))
        return Replication.copies(spec.sla, trusts: trusts, areRelated: false).count ?? trusts.count
    }

    private func budget(for spec: JobSpec, of account: AccountID) -> Credits {
        guard rules.economy else { return .zero }
        let available = max(.zero, ledger.account(account)?.available ?? .zero)
        // Enough for every attempt: a job that may be retried is not held because its first attempt cost something.
        return min(spec.budget ?? quote(for: spec, retries: true, ahead: true), available)
    }

    private func checkQuotas(of account: AccountID, adding tasks: Int) throws(CoordinatorFailure) {
        guard tasks <= rules.tasksPerJob else {
            throw CoordinatorFailure("quota", "the job has \(tasks) tasks, at most \(rules.tasksPerJob) are taken")
        }
        let own = jobs.values.filter { $0.record.account == account }
        guard own.count < rules.openJobsPerAccount else {
            throw CoordinatorFailure(
                "quota", "the account has \(own.count) jobs open, at most \(rules.openJobsPerAccount)")
        }
        guard tasks <= rules.queuedTasksPerAccount else {
            throw CoordinatorFailure(
                "quota", "the job has \(tasks) tasks, at most \(rules.queuedTasksPerAccount) of an account are queued")
        }
    }
}

extension ActiveJob {
    /// Marks the steps whose results later steps read.
    mutating func markNeeded() {
        let needed = Set(spec.steps.flatMap(\.needs))
        for index in steps.indices where needed.contains(steps[index].spec.name) { steps[index].isNeeded = true }
    }
}
