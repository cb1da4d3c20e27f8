package import FogCore
package import FogJobs
internal import FogLedger
internal import FogPlacement
internal import FogStore

extension CoordinatorCore {
    /// Grants to a node what placement planned for it and what still holds, up to what its poll wants.
    ///
    /// The one place where a fencing token is raised. Every hard limit is checked again here: a plan is advice.
    package mutating func grant(to id: NodeID, at now: Moment) -> [Lease] {
        guard var node = nodes[id], node.want > 0, node.whyClosed(at: now.wall) == nil,
            node.allowance?.state == .open, outOfBounds(node, at: now) == nil
        else { return [] }
        var leases: [Lease] = []
        var rest: [PlannedGrant] = []
        for planned in node.plan {
            let room = min(node.want, rules.leasesPerPoll) - leases.count
            guard room > 0 else {
                rest.append(planned)
                continue
            }
            let granted: [Lease] =
                withJob(planned.job) { core, job in
                    core.grant(planned, room: room, of: &job, to: &node, at: now)
                } ?? []
            leases += granted
            if granted.count == room, planned.count > granted.count {
                var left = planned
                left.count -= granted.count
                rest.append(left)
            }
        }
        node.plan = rest
        node.want = max(0, node.want - leases.count)
        nodes[id] = node
        grants += leases.count
        return leases
    }

    private mutating func grant(
        _ planned: PlannedGrant, room: Int, of job: inout ActiveJob, to node: inout ActiveNode, at now: Moment
    ) -> [Lease] {
        var leases: [Lease] = []
        while leases.count < min(room, planned.count), job.mayStart {
            guard let number = nextTask(of: planned.step, in: &job, for: node, preferring: planned.again) else { break }
            do {
                let lease = try grant(
                    number, step: planned.step, sold: planned.sale, of: &job, to: &node, at: now)
                leases.append(lease)
            } catch {
                placementWanted = placementWanted || !job.mayStart
                break
            }
            if planned.again != nil { break }
        }
        if !leases.isEmpty {
            if job.record.progress.firstGrantAt == nil { job.record.progress.firstGrantAt = now.wall }
            saveProgress(of: job)
            writeDecision(ShapeKey(job: planned.job, step: planned.step))
        }
        return leases
    }

    /// The task to grant next: one that was granted before and is ready again, else the first without a row.
    private func nextTask(
        of step: Int, in job: inout ActiveJob, for node: ActiveNode, preferring number: UInt32?
    ) -> UInt32? {
        if let number {
            // One result of each owner.
            guard let task = job.tasks[number], task.record.state == .ready, !isKin(node.row.owner, of: task)
            else {
                return nil
            }
            return number
        }
        if let limit = job.steps[step].spec.maxParallel, job.steps[step].out >= limit { return nil }
        let progress = job.record.progress.steps[step]
        if progress.untouchedState == .ready, progress.untouched > 0 { return progress.base + progress.cursor }
        let owner = node.row.owner
        return job.steps[step].nextReadyAgain(
            where: { job.tasks[$0]?.record.state == .ready },
            for: { job.tasks[$0].map { !isKin(owner, of: $0) } ?? false })
    }

    private enum GrantRefusal: Error { case parallel, held }

    private mutating func grant(
        _ number: UInt32, step: Int, sold sale: PurchaseTerms.Sale?, of job: inout ActiveJob, to node: inout ActiveNode,
        at now: Moment
    ) throws(GrantRefusal) -> Lease {
        if let limit = job.steps[step].spec.maxParallel, job.steps[step].out >= limit { throw .parallel }
        // A plan may be older than the operator's word on the node.
        let isOwn = node.row.owner == job.record.account
        guard job.steps[step].spec.secrets.isEmpty || node.row.trusted || isOwn else { throw .parallel }
        // A worker that leaves out what it does not know would run something else under the task's name.
        guard job.steps[step].protocolNeeded <= node.row.report.protocolVersion else { throw .parallel }
        let seal = seal(of: job, for: node.row.id)
        guard job.spec.privacy == .public || seal != nil else { throw .parallel }
        // Nor does it know the newest word of the node's owner.
        if let rule = node.allowance?.submitters, !rule.takes(submitterName(of: job.record)) { throw .parallel }
        let isNew = job.tasks[number] == nil
        var task =
            job.tasks[number]
            ?? ActiveTask(record: TaskRecord(id: job.taskID(number), state: .ready), step: step)
        let tokenBefore = task.record.token
        guard let token = Fencing.token(after: tokenBefore, floor: fencingFloor, at: now.wall) else {
            throw .parallel
        }
        let attemptID = AttemptID(task: task.record.id, token: token)
        let demand = demand(of: task, in: job)
        guard let rates = rates(for: demand, of: job, on: node, sold: sale) else { throw .parallel }
        var record = AttemptRecord(
            id: attemptID, node: node.row.id, payee: node.row.owner, grantedAt: now.wall,
            priceBound: PriceBound.compute(demand: demand, ask: rates))
        record.coreRate = rates.core
        record.gibRate = rates.gibibyte
        record.sellerRate = sale.flatMap { $0.sellerCore < rates.core ? $0.sellerCore : nil }
        var lease: Lease
        do {
            lease = try makeLease(record, step: step, number: number, demand: demand, of: job, at: now)
        } catch {
            hold(&job, because: "cannot_expand: \(error.message)", at: now)
            throw .held
        }
        lease.seal = seal
        if var orphan = task.attempt {
            // The former lease was only presumed dead; from here on its token is stale.
            end(&orphan, of: &job, as: .workerLost, detail: "no word from the node", at: now)
            task.attempt = nil
            job.tasks[number]?.attempt = nil
        }
        let committed = job.record.progress.spent.micro + job.reserved.micro + record.priceBound.micro
        if rules.economy, committed > job.record.progress.budget.micro {
            guard job.openAttempts == 0 else { throw .parallel }
            hold(
                &job,
                because:
                    "budget: \(job.record.progress.spent) of \(job.record.progress.budget) credits spent, the next task may cost \(record.priceBound)",
                at: now)
            throw .held
        }
        if let refusal = reserve(record, of: &job, at: now) {
            hold(&job, because: "\(refusal.code): \(refusal.message)", at: now)
            throw .held
        }
        if !fresh.contains(AttemptID(task: task.record.id, token: tokenBefore)) {
            change.preconditions.append(.taskToken(task.record.id, tokenBefore))
        }
        fresh.insert(attemptID)
        task.record.token = attemptID.token
        task.attempt = LiveAttempt(record: record, state: .offered, demand: demand)
        task.attempt?.readable = Set((lease.content + lease.checkpointFiles).map(\.digest))
        job.tasks[number] = task
        if isNew { job.record.progress.steps[step].cursor += 1 }
        move(number, of: &job, to: .leased, at: now)
        job.steps[step].out += 1
        job.openAttempts += 1
        job.reserved = Credits(micro: job.reserved.micro + record.priceBound.micro)
        node.leases.insert(attemptID)
        node.reserve(demand)
        change.newAttempts.append(record)
        note(
            "task_granted", at: now, job: job.record.id, task: number, token: attemptID.token, node: node.row.id,
            detail: ["price_bound": record.priceBound.description])
        return lease
    }

    /// What an attempt of the task reserves: the step's resources, with the memory that a retry after running out asks.
    func demand(of task: ActiveTask, in job: ActiveJob) -> ResourceRequest {
        var demand = job.steps[task.step].spec.resources
        if let memory = task.record.memory { demand.memory = memory }
        return demand
    }

    /// What the attempt is to cost; nil when the machine's owner asks more by now than was planned with.
    private func rates(
        for demand: ResourceRequest, of job: ActiveJob, on node: ActiveNode, sold sale: PurchaseTerms.Sale?
    ) -> HourlyRates? {
        let purchase = job.spec.placement.purchase, asked = asks(of: node.row, CapabilityClass(of: demand))
        // A spot bid that the market left out buys on demand where it is high enough.
        guard rules.economy, sale != nil || !(purchase == .onDemand || purchase == .spot) else {
            return job.spec.placement.maxPrice.map { asked.core <= $0 } ?? true ? asked : nil
        }
        let named = HourlyRates(core: node.row.coreAsk ?? .zero, gibibyte: node.row.gibAsk ?? .zero)
        guard let sale, sale.includes(node.row.id, asking: purchase == .reserved ? named : asked) else { return nil }
        return sale.rates
    }

    private func makeLease(
        _ record: AttemptRecord, step: Int, number: UInt32, demand: ResourceRequest, of job: ActiveJob, at now: Moment
    ) throws(JobsFailure) -> Lease {
        let spec = job.steps[step].spec
        let element = job.element(of: number, step: step)
        let expanded = try Substitution.expand(spec, element: element)
        var inputs: [LeaseInput] = []
        var volumes: [LeaseVolume] = []
        for input in expanded.inputs {
            if case .volume(let volume) = try InputSource(input.source) {
                volumes.append(LeaseVolume(name: input.name, volume: volume.name, path: volume.path))
            } else {
                inputs += try job.leaseInputs(for: input)
            }
        }
        inputs += job.resultsOfNeeds(of: step)
        var lease = Lease(
            attempt: record.id, jobName: job.record.name, index: try Substitution.element(element, of: spec).index,
            arguments: expanded.arguments, environment: expanded.environment, inputs: inputs,
            volumes: volumes.isEmpty ? nil : volumes, image: try job.image(of: spec),
            secrets: spec.secrets.isEmpty ? nil : spec.secrets.map { LeaseSecret(use: $0) }, outputs: expanded.outputs,
            resources: demand, profile: spec.profile, checkpoint: spec.checkpoint,
            checkpointFiles: job.checkpointFiles[number] ?? [], priceBound: record.priceBound,
            expiresAt: now.wall
                + (nodes[record.node].map { rules.patience(with: $0.row.report).lost } ?? rules.lostAfter),
            disconnectGrace: job.spec.disconnectGrace,
            exclusive: job.spec.exclusive)
        lease.allowHosts = spec.allowHosts.isEmpty ? nil : spec.allowHosts
        lease.trace = job.record.trace
        return lease
    }

    /// Stops a job from starting anything, for a reason that a person must see.
    mutating func hold(_ job: inout ActiveJob, because reason: String, at now: Moment) {
        job.record.progress.held = reason
        note("job_held", at: now, job: job.record.id, detail: ["reason": reason])
        saveProgress(of: job)
    }

    /// Ends an attempt in the books: the record's last write, its money, its place on the node.
    mutating func end(
        _ attempt: inout LiveAttempt, of job: inout ActiveJob, as outcome: Outcome, detail: String?,
        paying amount: Credits? = nil, evidence: Digest? = nil, late: [LatePayment] = [], at now: Moment
    ) {
        let record = attempt.record
        var amount = amount
        if let due = amount, !isCovered(due, for: record, of: job, at: now) {
            note(
                "payment_refused", at: now, job: job.record.id, task: record.id.task.number, token: record.id.token,
                node: record.node,
                detail: [
                    "amount": due.description, "because": "its reservation ran out, and the payer has not so much",
                ])
            amount = nil
        }
        attempt.record.endedAt = now.wall
        attempt.record.outcome = outcome
        if let detail { attempt.record.detail = detail }
        attempt.record.paid = amount ?? .zero
        attempt.state = .ended
        if !attempt.isOrphan, let step = job.stepIndex(of: record.id.task.number) { job.steps[step].out -= 1 }
        job.openAttempts -= 1
        job.reserved = Credits(micro: job.reserved.micro - record.priceBound.micro)
        if !fresh.contains(record.id) { change.preconditions.append(.attemptOpen(record.id)) }
        endLogs(of: &attempt.record, account: job.record.account)
        change.endedAttempts.append(attempt.record)
        resolve(record, of: &job, paying: amount, evidence: evidence, late: late, at: now)
        if outcome == .success, amount != nil, let evidence { reward(attempt, of: job, receipt: evidence, at: now) }
        if nodes[record.node]?.leases.remove(record.id) != nil { nodes[record.node]?.release(attempt.demand) }
        let verdict = verdict(on: attempt, as: outcome, of: job.record)
        learn(verdict, of: record.node, CapabilityClass(of: attempt.demand), at: now)
        var detail = ["outcome": outcome.rawValue, "paid": attempt.record.paid.description]
        if verdict != .unjudged { detail["evidence"] = verdict.rawValue }
        note(
            "attempt_ended", at: now, job: job.record.id, task: record.id.task.number, token: record.id.token,
            node: record.node, detail: detail)
        let usage = attempt.record.usage?.cpuNanoseconds ?? 0
        fairShare.add(coreSeconds: Double(usage) / 1e9, to: job.record.account, at: now.boot)
        placementWanted = true
    }
}

extension ActiveStep {
    /// Takes the oldest entry that is still ready, and may go to who asks, out of the queue; entries that are not ready
    /// any more are dropped on the way.
    mutating func nextReadyAgain(where isReady: (UInt32) -> Bool, for isFit: (UInt32) -> Bool) -> UInt32? {
        var passed: [UInt32] = []
        var skipped = 0
        defer { readyAgain.replaceSubrange(0..<skipped, with: passed) }
        for number in readyAgain {
            skipped += 1
            guard isReady(number) else { continue }
            if isFit(number) { return number }
            passed.append(number)
        }
        return nil
    }
}

extension ActiveJob {
    /// The files behind one input.
    /// - Throws: `missing_input` when the file table does not hold its source.
    func leaseInputs(for input: InputSpec) throws(JobsFailure) -> [LeaseInput] {
        if case .blob(let digest) = try InputSource(input.source) {
            return [LeaseInput(name: input.name, digest: digest, size: blobSizes[digest] ?? 0, executable: false)]
        }
        return try files.leaseInputs(for: input)
    }

    /// The archive that a step's image is.
    /// - Throws: `missing_input` when it was not uploaded, or is a folder.
    func image(of step: StepSpec) throws(JobsFailure) -> LeaseInput? {
        guard case .source(let source) = step.image else { return nil }
        let files = try leaseInputs(for: InputSpec(name: LeaseInput.imageName, source: source))
        guard files.count == 1, let file = files.first, file.name == LeaseInput.imageName else {
            throw JobsFailure("missing_input", "the image `\(source)` is no single file")
        }
        return LeaseInput(name: file.name, digest: file.digest, size: file.size, executable: false)
    }

    /// The outputs of the steps that a step needs, as inputs below the step's name.
    func resultsOfNeeds(of step: Int) -> [LeaseInput] {
        var inputs: [LeaseInput] = []
        for need in steps[step].spec.needs {
            guard let index = steps.firstIndex(where: { $0.spec.name == need }) else { continue }
            let isArray = steps[index].spec.elements != .single
            for (element, files) in steps[index].results.sorted(by: { $0.key < $1.key }) {
                let label = (try? Substitution.element(Int(element), of: steps[index].spec).index) ?? Int(element)
                let folder = isArray ? "\(need)/\(label)/" : "\(need)/"
                inputs += files.map {
                    LeaseInput(name: folder + $0.name, digest: $0.digest, size: $0.size, executable: $0.executable)
                }
            }
        }
        return inputs
    }
}
