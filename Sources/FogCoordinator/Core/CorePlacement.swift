package import FogCore
internal import FogJobs
package import FogPlacement

/// The seam to placement: what waits and who is free goes in, advice for each node comes out.
extension CoordinatorCore {
    /// One round: makes the problem, lets it be solved, and keeps the answer as plans of the nodes.
    ///
    /// Returns the nodes that have something to grant now.
    package mutating func place(at now: Moment, clock: any FogClock) -> [NodeID] {
        switch placementQuestion(at: now) {
        case .nothing: return []
        case .plans(let nodes): return nodes
        case .problem(let problem): return adopt(Placement.place(problem, clock: clock), of: problem, at: now)
        }
    }

    /// What a round of placement has to do.
    package enum PlacementQuestion: Sendable {
        case nothing
        /// Nothing to solve; nodes may have plans from before.
        case plans([NodeID])
        case problem(PlacementProblem)
    }

    /// Starts a round. A problem's answer is given to ``adopt(_:of:at:)``; no other round may start before.
    package mutating func placementQuestion(at now: Moment) -> PlacementQuestion {
        guard placementWanted else { return .nothing }
        placementWanted = false
        weighOwners(at: now)
        agePlans()
        if case .reserve = disk { return .nothing }
        guard jobs.values.contains(where: { $0.mayStart && $0.record.progress.counts[.ready] > 0 }) else {
            return .nothing
        }
        holdMarket(at: now)
        let problem = placementProblem(at: now)
        guard !problem.waiting.isEmpty, problem.nodes.contains(where: { $0.free.slots > 0 }) else {
            return .plans(nodesWithPlans())
        }
        return .problem(problem)
    }

    /// Takes an answer over as plans. What has changed since the problem was made does not matter: plans are advice, and
    /// the grant looks again.
    ///
    /// Returns the nodes that have something to grant now.
    package mutating func adopt(_ outcome: PlacementOutcome, of problem: PlacementProblem, at now: Moment) -> [NodeID] {
        placementMemory = outcome.memory
        setAside(after: outcome, of: problem)
        for assignment in outcome.assignments { plan(assignment, in: problem) }
        for decision in outcome.decisions { keep(decision, at: now) }
        return nodesWithPlans()
    }

    /// Remembers which steps got nothing though machines were free: they wait for others, and must not use up what
    /// their account may place meanwhile. Now and then all of it is forgotten, so that no step is left out for long
    /// where more are set aside than a round looks at.
    private mutating func setAside(after outcome: PlacementOutcome, of problem: PlacementProblem) {
        placementRounds += 1
        if placementRounds.isMultiple(of: Self.roundsAside) { stepsAside = [] }
        let served = Set(outcome.assignments.map(\.shape))
        let taken = outcome.assignments.reduce(0) { $0 + $1.tasks.count }
        let isFree = Self.freeSlots(of: problem.nodes) > taken
        for (index, shape) in problem.shapes.enumerated() {
            guard let job = jobs[shape.id.job],
                let step = job.spec.steps.firstIndex(where: { $0.name == shape.id.step })
            else { continue }
            let key = ShapeKey(job: shape.id.job, step: step)
            if served.contains(index) {
                stepsAside.remove(key)
            } else if isFree {
                stepsAside.insert(key)
            }
        }
    }

    private static let roundsAside = 64

    private static func freeSlots(of nodes: [NodeRecord]) -> Int {
        nodes.reduce(0) { $0 + ($1.state == .ready && $1.allowance.state == .open ? $1.free.slots : 0) }
    }

    private func nodesWithPlans() -> [NodeID] {
        plannedNodes.filter { nodes[$0].map { !$0.plan.isEmpty && $0.want > 0 } ?? false }.sorted()
    }

    /// Advice that a node did not fetch within two rounds is dropped.
    private mutating func agePlans() {
        for id in plannedNodes {
            let kept = (nodes[id]?.plan ?? []).compactMap { planned -> PlannedGrant? in
                var older = planned
                older.age += 1
                return older.age > 2 ? nil : older
            }
            nodes[id]?.plan = kept
            if kept.isEmpty { plannedNodes.remove(id) }
        }
    }

    private mutating func plan(_ assignment: Assignment, in problem: PlacementProblem) {
        let shape = problem.shapes[assignment.shape].id
        let sale = problem.shapes[assignment.shape].constraints.terms.sale
        guard let job = jobs[shape.job], let step = job.spec.steps.firstIndex(where: { $0.name == shape.step }) else {
            return
        }
        plannedNodes.insert(assignment.node)
        // Tasks that were granted before stand alone, and have a row.
        if assignment.tasks.count > 1 || job.tasks[assignment.tasks.lowerBound] == nil {
            nodes[assignment.node]?.plan.append(
                PlannedGrant(job: shape.job, step: step, count: assignment.tasks.count, again: nil, sale: sale))
        } else {
            for number in assignment.tasks {
                nodes[assignment.node]?.plan.append(
                    PlannedGrant(job: shape.job, step: step, count: 1, again: number, sale: sale))
            }
        }
    }

    /// What waits, in the queue's order, and every node as placement may see it.
    package func placementProblem(at now: Moment) -> PlacementProblem {
        let records = nodes.keys.sorted().compactMap { nodes[$0].map { nodeRecord($0, at: now) } }
        let free = max(Self.freeSlots(of: records), 1)
        var shapes: [TaskShape] = []
        var waiting: [WaitingRange] = []
        let planned = plannedCounts()
        // What was reserved comes first, what was bought on the spot market last.
        let queues = [[.reserved], [.onDemand, .auction], [.spot]].map { queueOrder($0, at: now) }
        var shares: [Int] = [], unshared = free
        for queue in queues where !queue.isEmpty {
            let wanted = queue.map { entry in
                entry.steps.reduce(0) { $0 + (stepsAside.contains($1.key) ? 0 : $1.count) }
            }
            let parts = FairShare.shares(wanted: wanted, free: unshared)
            shares += parts
            unshared = max(0, unshared - zip(parts, wanted).reduce(0) { $0 + min($1.0, $1.1) })
        }
        var aside = 0
        for (entry, share) in zip(queues.joined(), shares) {
            var left = share
            for step in entry.steps where shapes.count < rules.shapesPerRound {
                // What was set aside is tried in its turn and takes nothing of the share.
                let isAside = stepsAside.contains(step.key)
                if isAside ? aside >= rules.shapesPerRound / 2 : left <= 0 { continue }
                guard let job = jobs[step.job] else { continue }
                let taken = planned[step.key] ?? 0
                var most = isAside ? free : left
                if rules.economy, job.spec.placement.purchase.needsLimit {
                    // Bought by the piece; what is planned was sold in a round before.
                    most = min(most, sales[step.key]?.tasks ?? 0)
                    guard most > 0 else { continue }
                }
                // A result that waits for others is decided before new work begins: by it machines earn their trust. It
                // takes nothing of the share, since its own owner's machines cannot run it.
                let copies = waitingCopies(of: job, step: step.step, limit: free)
                let ranges = waitingRanges(
                    of: job, step: step.step, skipping: taken - copies.planned, limit: most)
                guard !ranges.isEmpty || !copies.tasks.isEmpty else { continue }
                aside += isAside ? 1 : 0
                shapes.append(shape(of: job, step: step.step, planned: taken, at: now))
                for task in copies.tasks {
                    let range = task..<task + 1
                    waiting.append(
                        WaitingRange(shape: shapes.count - 1, tasks: range, avoiding: avoidance(of: range, in: job)))
                }
                for range in ranges {
                    waiting.append(
                        WaitingRange(shape: shapes.count - 1, tasks: range, avoiding: avoidance(of: range, in: job)))
                    left -= isAside ? 0 : range.count
                }
            }
        }
        var problem = PlacementProblem(
            now: now.wall, seed: UInt64(truncatingIfNeeded: now.wall.microseconds), wallBudget: rules.placementBudget,
            shapes: shapes, waiting: waiting, nodes: records, memory: placementMemory)
        problem.recorded = dueDecisions(of: shapes, at: now)
        problem.workers = rules.placementThreads
        return problem
    }

    /// Owners whose results of a task are held already. Only tasks that stand alone have any.
    private func avoidance(of range: Range<UInt32>, in job: ActiveJob) -> Avoidance {
        guard range.count == 1, let task = job.tasks[range.lowerBound] else { return Avoidance() }
        let kin = task.owners.flatMap { kinship.kin(of: $0) }
        return Avoidance(copiesHeldBy: kin.map { owners[$0] ?? $0.description })
    }

    struct ShapeKey: Hashable {
        let job: JobID
        let step: Int
    }

    private func plannedCounts() -> [ShapeKey: Int] {
        var counts: [ShapeKey: Int] = [:]
        for node in nodes.values {
            for planned in node.plan {
                counts[ShapeKey(job: planned.job, step: planned.step), default: 0] += planned.count
            }
        }
        return counts
    }

    private struct QueuedStep {
        let job: JobID
        let step: Int
        let count: Int
        let rank: Double
        let since: Timestamp

        var key: ShapeKey { ShapeKey(job: job, step: step) }
    }

    /// Accounts by what they used of late, and each one's steps by rank, then age.
    private func queueOrder(_ purchases: Set<Purchase>, at now: Moment) -> [(account: AccountID, steps: [QueuedStep])] {
        var byAccount: [AccountID: [QueuedStep]] = [:]
        for job in jobs.values where job.mayStart && purchases.contains(job.spec.placement.purchase) {
            for (index, progress) in job.record.progress.steps.enumerated() where progress.counts[.ready] > 0 {
                let rank = FairShare.rank(
                    priority: job.record.priority, sla: job.spec.sla, waited: now.wall - job.record.submittedAt,
                    agingStep: rules.agingStep
                )
                let step = QueuedStep(
                    job: job.record.id, step: index, count: progress.counts[.ready], rank: rank,
                    since: job.record.submittedAt)
                byAccount[job.record.account, default: []].append(step)
            }
        }
        return byAccount.map { account, steps in
            (account, steps.sorted { ($1.rank, $0.since, $0.job, $0.step) < ($0.rank, $1.since, $1.job, $1.step) })
        }
        .sorted {
            (fairShare.usage(of: $0.0, at: now.boot), $0.0) < (fairShare.usage(of: $1.0, at: now.boot), $1.0)
        }
    }

    /// Ready tasks as ranges of numbers: those that were granted before one by one, the untouched as one range.
    private func waitingRanges(of job: ActiveJob, step: Int, skipping planned: Int, limit: Int) -> [Range<UInt32>] {
        let active = job.steps[step]
        let progress = job.record.progress.steps[step]
        var ranges: [Range<UInt32>] = []
        var left = limit
        var skip = planned
        if progress.untouchedState == .ready, progress.untouched > 0 {
            let skipped = min(skip, Int(progress.untouched))
            skip -= skipped
            let count = min(Int(progress.untouched) - skipped, left)
            if count > 0 {
                let first = progress.base + progress.cursor + UInt32(skipped)
                ranges.append(first..<first + UInt32(count))
                left -= count
            }
        }
        for number in active.readyAgain where left > 0 && job.tasks[number]?.record.state == .ready {
            guard job.tasks[number]?.owners.isEmpty == true else { continue }
            if skip > 0 {
                skip -= 1
                continue
            }
            ranges.append(number..<number + 1)
            left -= 1
        }
        return ranges
    }

    /// Ready tasks with results that wait for others', oldest first; and how many such tasks nodes have in their plans.
    private func waitingCopies(of job: ActiveJob, step: Int, limit: Int) -> (tasks: [UInt32], planned: Int) {
        guard job.steps[step].readyAgain.contains(where: { job.tasks[$0]?.owners.isEmpty == false }) else {
            return ([], 0)
        }
        let planned = Set(
            plannedNodes.flatMap { node in
                (nodes[node]?.plan ?? []).compactMap { $0.job == job.record.id && $0.step == step ? $0.again : nil }
            }.filter { job.tasks[$0]?.owners.isEmpty == false })
        var tasks: [UInt32] = [], met = planned
        for number in job.steps[step].readyAgain where tasks.count < limit {
            guard let task = job.tasks[number], task.record.state == .ready, !task.owners.isEmpty,
                met.insert(number).inserted
            else { continue }
            tasks.append(number)
        }
        return (tasks, planned.count)
    }

    /// A step as placement sees it.
    package func shape(of job: ActiveJob, step: Int, planned: Int = 0, at now: Moment) -> TaskShape {
        let spec = job.steps[step].spec
        let wishes = job.spec.placement
        return TaskShape(
            id: ShapeID(job: job.record.id, step: spec.name), demand: spec.resources,
            constraints: PlacementConstraints(
                profile: spec.profile, needsNetwork: !spec.allowHosts.isEmpty, requires: job.steps[step].requires,
                region: wishes.region,
                maxLatency: wishes.maxLatency,
                maxPrice: wishes.maxPrice, terms: terms(of: job, step: step), minTrust: wishes.minTrust,
                exclude: wishes.exclude,
                secretsOf: spec.secrets.isEmpty ? nil : owners[job.record.account] ?? job.record.account.description),
            sla: job.spec.sla, submitter: submitterName(of: job.record), isPrivate: job.spec.privacy != .public,
            sealedTo: sealed(job) ?? [],
            priority: FairShare.rank(
                priority: job.record.priority, waited: now.wall - job.record.submittedAt, agingStep: rules.agingStep),
            strategy: Strategy(rawValue: wishes.strategy ?? rules.strategy) ?? .standard,
            weights: wishes.weights.map(ObjectiveWeights.init) ?? rules.placementWeights,
            expectedTime: job.steps[step].meanTask,
            maxParallelLeft: spec.maxParallel.map { max(0, $0 - job.steps[step].out - planned) },
            privacy: job.spec.privacy)
    }

    /// The name of the account behind a job, as the owners of nodes write it.
    func submitterName(of job: JobRecord) -> String { owners[job.account] ?? job.account.description }

    /// A node as placement sees it. What it may take ahead of time counts as free, as deep as its queue may be.
    package func nodeRecord(_ node: ActiveNode, at now: Moment) -> NodeRecord {
        let closed = outOfBounds(node, at: now).map {
            Allowance(state: .closed, reason: $0, cpuCap: .zero, memoryCap: .zero, slots: 0)
        }
        let allowance =
            closed ?? node.allowance
            ?? Allowance(state: .closed, reason: "not connected", cpuCap: .zero, memoryCap: .zero, slots: 0)
        let depth = Int64(node.prefetchDepth)
        let planned = node.plan.reduce(0) { $0 + $1.count }
        let free = NodeCapacity(
            cpu: Millicores(min(allowance.cpuCap, node.row.report.cpu).count * depth - node.reserved.cpu.count),
            memory: ByteCount(
                min(allowance.memoryCap, node.row.report.memory).bytes * depth - node.reserved.memory.bytes),
            disk: ByteCount(node.row.report.disk.bytes * depth - node.reserved.disk.bytes),
            gpu: node.row.report.gpu - node.reserved.gpu, slots: max(0, node.want - planned))
        var record = NodeRecord(
            id: node.row.id, owner: ownerName(of: node), report: node.row.labelledReport, allowance: allowance,
            state: state(of: node, at: now), free: free, asks: asks(of: node.row),
            trust: trust(of: node, .cpu, at: now),
            trustOnGPU: node.row.report.gpu > 0 ? trust(of: node, .gpu, at: now) : nil, isTrusted: node.row.trusted,
            queueDepth: node.leases.count,
            prefetch: Int(depth))
        if node.row.report.gpu > 0 { record.asksOnGPU = asks(of: node.row, .gpu) }
        record.availability = node.forecast?.stay
        record.named = HourlyRates(core: node.row.coreAsk ?? .zero, gibibyte: node.row.gibAsk ?? .zero)
        return record
    }

    /// The name of the account behind a node, as `owner:NAME` in a manifest.
    package func ownerName(of node: ActiveNode) -> String {
        owners[node.row.owner] ?? node.row.owner.description
    }

    private func state(of node: ActiveNode, at now: Moment) -> NodeState {
        switch node.row.standing {
        case .cordoned: return .cordoned
        case .draining: return .draining
        case .revoked: return .lost
        case .active: break
        }
        switch node.liveness {
        case .offline, .lost: return .lost
        case .suspect: return .suspect
        case .live: break
        }
        if let until = node.row.probationUntil, until > now.wall { return .probation(until: until) }
        return .ready
    }
}
