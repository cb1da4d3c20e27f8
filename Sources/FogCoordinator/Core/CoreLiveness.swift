package import FogCore
package import FogJobs
internal import FogStore

/// Who is there: hello, heartbeats, silence.
extension CoordinatorCore {
    /// A worker starts, or comes back after the coordinator did.
    ///
    /// Leases that it does not name are gone with its former process and end now; those it names go on.
    ///
    /// - Parameter origin: the address that it speaks from; nil where the carrier does not show it.
    package mutating func hello(
        _ hello: WorkerHello, from key: KeyID, origin: NetworkAddress? = nil, at now: Moment
    ) throws(CoordinatorFailure) -> WorkerTerms {
        guard let principal = principal(key), principal.may(.work) else {
            throw CoordinatorFailure("forbidden", "the key is not enrolled as a worker")
        }
        var node = node(of: key) ?? enrol(principal, report: hello.report, at: now)
        guard node.row.standing != .revoked else {
            throw CoordinatorFailure("forbidden", "the node is revoked")
        }
        let wasThere = node.liveness == .live
        node.row.report = hello.report.believed(isDirect: origin != nil)
        node.row.lastSeen = now.wall
        node.allowance = hello.allowance
        if nodes[node.row.id] == nil || node.origin != origin { isKinshipStale = true }
        node.origin = origin
        node.noted = (hello.allowance.state, now.boot)
        node.noteStay(hello.allowance.state, at: now)
        node.incarnation = hello.incarnation
        node.lastHeard = now.boot
        node.liveness = .live
        node.plan = []
        node.want = 0
        save(node)
        let held = Set(hello.holding)
        for attempt in node.leases.sorted() where !held.contains(attempt) {
            endLost(attempt, as: .workerLost, detail: "the worker started anew without it", at: now)
        }
        let stale = hello.holding.filter { !adopt($0, by: node.row.id, at: now) }
        if !wasThere { note("node_up", at: now, node: node.row.id, detail: ["name": hello.report.name]) }
        placementWanted = true
        return WorkerTerms(
            node: node.row.id, coordinator: self.key, heartbeatEvery: rules.patience(with: node.row.report).heartbeat,
            stale: stale)
    }

    private mutating func enrol(_ principal: Principal, report: NodeReport, at now: Moment) -> ActiveNode {
        let id = NodeID(at: now.wall, using: &generator)
        let row = NodeRow(
            id: id, key: principal.key, owner: principal.account, enrolledAt: now.wall, report: report,
            trusted: rules.trustAllNodes)
        nodeOfKey[principal.key.id] = id
        note("node_enrolled", at: now, node: id, detail: ["name": report.name])
        return ActiveNode(row: row)
    }

    /// Takes a lease back that was presumed lost, if its token is still the task's. False = it is stale.
    mutating func adopt(_ id: AttemptID, by node: NodeID, at now: Moment) -> Bool {
        withJob(id.task.job) { core, job in
            guard var task = job.tasks[id.task.number], var attempt = task.attempt, attempt.record.id == id,
                attempt.record.node == node
            else { return false }
            guard attempt.isOrphan else { return true }
            attempt.isOrphan = false
            task.attempt = attempt
            job.tasks[id.task.number] = task
            job.steps[task.step].out += 1
            core.nodes[node]?.leases.insert(id)
            core.nodes[node]?.reserve(attempt.demand)
            core.move(id.task.number, of: &job, to: .running, at: now)
            core.saveProgress(of: job)
            core.note("attempt_recovered", at: now, job: id.task.job, task: id.task.number, token: id.token, node: node)
            return true
        } ?? false
    }

    /// Renews all leases of a worker; what is not its own any more comes back as stale.
    package mutating func heartbeat(_ beat: Heartbeat, from key: KeyID, at now: Moment) -> HeartbeatAnswer {
        guard let id = nodeOfKey[key], nodes[id]?.liveness == .live || nodes[id]?.liveness == .suspect else {
            return HeartbeatAnswer(helloWanted: true)
        }
        hear(id, allowance: beat.allowance, at: now)
        var answer = HeartbeatAnswer(drain: nodes[id]?.row.standing == .draining)
        for item in beat.attempts {
            let known: LiveAttempt? =
                withJob(item.attempt.task.job) { core, job in
                    core.progress(item, node: id, of: &job, at: now)
                } ?? nil
            guard let known else {
                answer.stale.append(item.attempt)
                continue
            }
            if known.cancelWanted { answer.cancel.append(item.attempt) }
        }
        dropUnlisted(by: id, listed: Set(beat.attempts.map(\.attempt)), at: now)
        return answer
    }

    /// What a worker is to do now, beside its heartbeats: nothing is renewed by it.
    package mutating func orders(to id: NodeID, holding: [AttemptID]) -> HeartbeatAnswer {
        guard let node = nodes[id], node.liveness == .live || node.liveness == .suspect else {
            return HeartbeatAnswer(helloWanted: true)
        }
        var answer = HeartbeatAnswer(drain: node.row.standing == .draining)
        for attempt in Set(holding).union(node.leases).sorted() {
            let live = jobs[attempt.task.job]?.tasks[attempt.task.number]?.attempt
            if let live, live.record.id == attempt, live.record.node == id, !live.isOrphan {
                if live.cancelWanted { answer.cancel.append(attempt) }
            } else if live?.record.id != attempt, live != nil {
                // Granted again, or ended by another's word. A result that was just accepted is no order.
                answer.stale.append(attempt)
            }
        }
        return answer
    }

    /// A lease that its worker leaves out for a whole heartbeat period never arrived there, or died unseen: it ends, and
    /// the task goes on. (Shorter, it may be on its way in the answer to a poll.) A worker that takes no more work will
    /// not get it either.
    private mutating func dropUnlisted(by id: NodeID, listed: Set<AttemptID>, at now: Moment) {
        let isClosed = nodes[id]?.allowance?.state == .closed
        let period = nodes[id].map { rules.patience(with: $0.row.report).heartbeat } ?? rules.heartbeatEvery
        for attempt in (nodes[id]?.leases ?? []).sorted() where !listed.contains(attempt) {
            let number = attempt.task.number
            let since: TimeSpan? =
                withJob(attempt.task.job) { _, job in
                    let known = job.tasks[number]?.attempt?.missingSince
                    if known == nil { job.tasks[number]?.attempt?.missingSince = now.boot }
                    return known
                } ?? nil
            guard isClosed || (since.map { now.boot - $0 >= period } ?? false) else { continue }
            endLost(attempt, as: .leaseExpired, detail: "its worker does not hold it", at: now)
        }
    }

    /// A worker was heard: its leases hold, suspicion is lifted.
    package mutating func hear(_ id: NodeID, allowance: Allowance, at now: Moment) {
        guard nodes[id] != nil else { return }
        nodes[id]?.lastHeard = now.boot
        nodes[id]?.row.lastSeen = now.wall
        if nodes[id]?.allowance != allowance {
            if nodes[id]?.allowance?.state != allowance.state { placementWanted = true }
            nodes[id]?.allowance = allowance
        }
        noteAllowance(allowance, of: id, at: now)
        if nodes[id]?.noteStay(allowance.state, at: now) == true, let node = nodes[id] { save(node) }
        if nodes[id]?.liveness == .suspect {
            nodes[id]?.liveness = .live
            note("node_recovered", at: now, node: id)
            placementWanted = true
        }
    }

    /// The history of a node says how far its owner lent it. A worker that says something else all the time is told of
    /// once in a while.
    private mutating func noteAllowance(_ allowance: Allowance, of id: NodeID, at now: Moment) {
        guard let noted = nodes[id]?.noted else {
            nodes[id]?.noted = (allowance.state, now.boot)
            return
        }
        guard noted.state != allowance.state, now.boot - noted.at >= Self.allowancePace else { return }
        nodes[id]?.noted = (allowance.state, now.boot)
        note(
            "node_allowance", at: now, node: id,
            detail: ["state": allowance.state.rawValue, "reason": String(allowance.reason.prefix(200))])
    }

    /// Between two notes of one node's allowance.
    static let allowancePace = TimeSpan.seconds(10)

    /// Notes what a worker says of one attempt, in memory only: it reaches the disk with the next change.
    private mutating func progress(
        _ item: Heartbeat.Item, node: NodeID, of job: inout ActiveJob, at now: Moment
    ) -> LiveAttempt? {
        let number = item.attempt.task.number
        guard let attempt = job.tasks[number]?.attempt, attempt.record.id == item.attempt, attempt.record.node == node,
            !attempt.isOrphan
        else { return nil }
        job.tasks[number]?.attempt?.state = item.state
        job.tasks[number]?.attempt?.missingSince = nil
        if job.tasks[number]?.record.state == .leased, item.state == .running || item.state == .suspended {
            move(number, of: &job, to: .running, at: now)
            saveProgress(of: job)
        }
        return attempt
    }

    // MARK: Time

    /// What time alone brings about. Called at least once a second.
    package mutating func tick(at now: Moment) {
        let pause = now.boot - lastTick
        lastTick = now.boot
        placementWanted = true
        if pause > rules.ownPause {
            // The coordinator itself was away: nobody could renew, so nobody is judged by that.
            for id in nodes.keys { nodes[id]?.judgedFrom = now.boot + rules.pauseExtension }
            note("coordinator_paused", at: now, detail: ["for": pause.brief])
        }
        for id in nodes.keys.sorted() { judge(id, at: now) }
        for id in jobs.keys.sorted() {
            _ = withJob(id) { core, job in core.tick(&job, at: now) }
        }
        reviewQuotas(at: now)
        noteTopology(at: now)
        keepEconomy(at: now)
        keepMarket(at: now)
        saveShares(at: now)
    }

    static let fairShareSetting = "fair_share"

    /// Who used how much is kept now and then: it only decides who is next.
    private mutating func saveShares(at now: Moment) {
        guard fairShare.isChanged, now.boot >= nextShareSave else { return }
        nextShareSave = now.boot + .seconds(30)
        change.settings[Self.fairShareSetting] = fairShare.saved(at: now)
        hasChange = true
    }

    /// A snapshot of the pool in the history whenever it has changed, at most one in ten seconds.
    private mutating func noteTopology(at now: Moment) {
        guard now.boot >= nextTopology else { return }
        let snapshot = topology
        guard snapshot != lastTopology else { return }
        nextTopology = now.boot + .seconds(10)
        lastTopology = snapshot
        note("topology", at: now, detail: snapshot)
    }

    /// How many machines there are in each state, and what those offer that are live.
    private var topology: [String: String] {
        var counts: [String: Int] = [:]
        var cpu = Millicores.zero
        var memory = ByteCount.zero
        for node in nodes.values {
            counts[node.row.standing == .active ? node.liveness.rawValue : node.row.standing.rawValue, default: 0] += 1
            guard node.liveness == .live, node.row.standing == .active else { continue }
            cpu = cpu + node.row.report.cpu
            memory = memory + node.row.report.memory
        }
        guard !counts.isEmpty else { return [:] }
        var detail = counts.mapValues(String.init)
        detail["cpu"] = cpu.description
        detail["memory"] = memory.brief
        return detail
    }

    private mutating func judge(_ id: NodeID, at now: Moment) {
        guard let node = nodes[id], node.liveness == .live || node.liveness == .suspect || !node.leases.isEmpty else {
            return
        }
        let silence = now.boot - node.lastHeard
        let patience = rules.patience(with: node.row.report)
        if silence >= patience.lost, now.boot >= node.judgedFrom {
            nodes[id]?.liveness = .lost
            nodes[id]?.noteLoss(at: now)
            nodes[id]?.plan = []
            nodes[id]?.want = 0
            note(
                "node_lost", at: now, node: id,
                detail: ["silent_for": silence.brief, "leases": String(node.leases.count)])
            fault(of: id, at: now)
            for attempt in node.leases.sorted() { orphan(attempt, at: now) }
        } else if silence >= patience.suspect, node.liveness == .live {
            nodes[id]?.liveness = .suspect
            nodes[id]?.plan = []
            note("node_suspect", at: now, node: id, detail: ["silent_for": silence.brief])
        }
    }

    /// The node of a lease is lost: the task may be granted again. Until it is, its token stays current, so that a
    /// result that was only late is not lost.
    private mutating func orphan(_ id: AttemptID, at now: Moment) {
        _ = withJob(id.task.job) { core, job in
            guard var task = job.tasks[id.task.number], var attempt = task.attempt, attempt.record.id == id,
                !attempt.isOrphan
            else { return }
            attempt.isOrphan = true
            job.steps[task.step].out -= 1
            core.nodes[attempt.record.node]?.leases.remove(id)
            core.nodes[attempt.record.node]?.release(attempt.demand)
            task.record.hostFailures += 1
            task.attempt = attempt
            job.tasks[id.task.number] = task
            if attempt.cancelWanted || job.record.progress.cancelReason != nil {
                core.end(&attempt, of: &job, as: .cancelled, detail: "cancelled while its node was lost", at: now)
                job.tasks[id.task.number]?.attempt = nil
                core.move(id.task.number, of: &job, to: .cancelled, at: now)
                core.afterFinal(&job, step: task.step, at: now)
            } else if task.record.hostFailures >= job.steps[task.step].spec.retry.maxHostFailures {
                core.holdTask(
                    id.task.number, of: &job, "host_failures: lost on \(task.record.hostFailures) machines", at: now)
            } else {
                core.move(id.task.number, of: &job, to: .ready, at: now)
                core.saveProgress(of: job)
            }
        }
    }

    mutating func holdTask(_ number: UInt32, of job: inout ActiveJob, _ reason: String, at now: Moment) {
        move(number, of: &job, to: .held, at: now)
        job.tasks[number]?.record.heldReason = reason
        if let record = job.tasks[number]?.record { save(record) }
        note("task_held", at: now, job: job.record.id, task: number, detail: ["reason": reason])
        saveProgress(of: job)
    }

    /// Ends a lease whose process is known to be gone.
    mutating func endLost(_ id: AttemptID, as outcome: Outcome, detail: String, at now: Moment) {
        _ = withJob(id.task.job) { core, job in
            guard let task = job.tasks[id.task.number], var attempt = task.attempt, attempt.record.id == id else {
                return
            }
            core.end(&attempt, of: &job, as: outcome, detail: detail, at: now)
            job.tasks[id.task.number]?.attempt = nil
            core.settle(id.task.number, of: &job, outcome: outcome, exitCode: nil, at: now)
        }
    }

    mutating func fault(of id: NodeID, at now: Moment) {
        guard var node = nodes[id] else { return }
        let tripped = Breaker.fault(&node.row, at: now.wall, by: rules)
        if tripped {
            node.plan = []
            note(
                "node_probation", at: now, node: id,
                detail: ["until": node.row.probationUntil?.description ?? "", "because": "host faults"])
        }
        save(node)
    }

    private mutating func tick(_ job: inout ActiveJob, at now: Moment) {
        for index in job.steps.indices {
            let due = job.steps[index].backoff.filter { $0.value <= now.wall }.keys.sorted()
            for number in due {
                move(number, of: &job, to: .ready, at: now)
                saveProgress(of: job)
            }
        }
        let waited = now.wall - job.record.submittedAt
        if job.record.progress.cancelReason == nil {
            if let limit = job.spec.totalTimeout, waited >= limit {
                cancelAll(&job, reason: "timeout.total: the job lived \(limit)", at: now)
                return
            }
            if let limit = job.spec.queueTimeout, waited >= limit, job.record.progress.firstGrantAt == nil {
                cancelAll(&job, reason: "timeout.queue: nothing of it started within \(limit)", at: now)
                return
            }
        }
        if !job.record.progress.deadlineMissed, let deadline = job.spec.deadline {
            let end =
                switch deadline {
                case .at(let time): time
                case .after(let span): job.record.submittedAt + span
                }
            if now.wall >= end {
                job.record.progress.deadlineMissed = true
                note("deadline_missed", at: now, job: job.record.id, detail: ["deadline": end.description])
                saveProgress(of: job)
            }
        }
    }
}
