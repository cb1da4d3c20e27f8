package import FogCore
package import FogJobs
internal import FogPlacement

/// Private jobs: who may be given their tasks, and what becomes of those that nobody is left for.
///
/// A private task goes only to a machine that the job's key was sealed to, and only the submitter can seal it. So when
/// those are used up the job waits for its submitter, and says so.
extension CoordinatorCore {
    /// How the reason begins for which a job, or a task, waits for its submitter to seal its key to more machines.
    package static let resealNeeded = "reseal_needed"

    /// The machines that a private job was sealed to; nil for a public one.
    func sealed(_ job: ActiveJob) -> Set<NodeID>? {
        guard job.spec.privacy != .public else { return nil }
        let keys = job.record.progress.keys ?? SealedKeys()
        return Set(keys.machines.compactMap { name in (try? KeyID(name)).flatMap { nodeOfKey[$0] } })
    }

    /// What a lease on the machine needs to open the bundle; nil for a public job.
    func seal(of job: ActiveJob, for node: NodeID) -> LeaseSeal? {
        guard let id = StandIn.id(inName: job.record.name), let key = nodes[node]?.row.key.id,
            let box = job.record.progress.keys?[key]
        else { return nil }
        return LeaseSeal(id: id, key: box)
    }

    /// Holds private jobs whose machines are gone, and lets them go on when one has come back.
    mutating func weighSeals(at now: Moment) {
        for id in jobs.keys.sorted() {
            guard let job = jobs[id], job.record.progress.keys != nil, job.record.progress.cancelReason == nil else {
                continue
            }
            _ = withJob(id) { core, job in core.weighSeal(of: &job, at: now) }
        }
    }

    private mutating func weighSeal(of job: inout ActiveJob, at now: Moment) {
        let there = (sealed(job) ?? []).compactMap { nodes[$0] }.filter { mayComeBack($0, at: now) }
        let isHeld = job.record.progress.held?.hasPrefix(Self.resealNeeded) == true
        let words = Self.words(
            sealed: job.record.progress.keys?.machines.count ?? 0, there: there.count,
            owners: Set(there.map { kinship.head(of: $0.row.owner) }).count,
            needed: there.contains { $0.row.trusted || $0.row.owner == job.record.account } ? 1 : job.copiesWanted)
        if let words {
            let counts = job.record.progress.counts
            let waits = counts[.ready] + counts[.backoff] + counts[.blocked] > 0
            if waits, job.record.progress.held == nil || isHeld, job.record.progress.held != words {
                hold(&job, because: words, at: now)
            }
            return
        }
        if isHeld {
            job.record.progress.held = nil
            note("job_released", at: now, job: job.record.id)
            saveProgress(of: job)
            placementWanted = true
        }
        weighCopies(of: &job, among: there, at: now)
    }

    /// A task whose results so far came from all owners that have the key waits for others to get it.
    private mutating func weighCopies(of job: inout ActiveJob, among there: [ActiveNode], at now: Moment) {
        for number in job.tasks.keys.sorted() {
            guard let task = job.tasks[number], !task.owners.isEmpty else { continue }
            let others = there.contains { !isKin($0.row.owner, of: task) }
            switch task.record.state {
            case .ready where !others && job.steps[task.step].spec.verify.copies > 1:
                holdTask(
                    number, of: &job,
                    "\(Self.resealNeeded): \(task.owners.count) owners have answered, and no other has the job's key; "
                        + "fog job reseal \(job.record.id.short)", at: now)
            case .held where others && task.record.heldReason?.hasPrefix(Self.resealNeeded) == true:
                move(number, of: &job, to: .ready, at: now)
                if let record = job.tasks[number]?.record { save(record) }
                saveProgress(of: job)
                placementWanted = true
            default: break
            }
        }
    }

    /// Why the machines with the key are too few; nil when they are enough.
    private static func words(sealed: Int, there: Int, owners: Int, needed: Int) -> String? {
        if there == 0 {
            let machines = sealed == 1 ? "1 machine" : "\(sealed) machines"
            return "\(resealNeeded): the key is sealed to \(machines), and none is there any more"
        }
        guard owners < needed else { return nil }
        return "\(resealNeeded): the machines with the key have \(owners) owners, and \(needed) are to agree"
    }

    /// Not one that is gone: a machine that is busy, closed by its owner or silent for a moment still has the key.
    private func mayComeBack(_ node: ActiveNode, at now: Moment) -> Bool {
        guard node.row.standing != .revoked else { return false }
        return node.liveness == .live || node.liveness == .suspect || now.boot < node.judgedFrom
    }

    /// Adds keys that the submitter sealed to more machines.
    /// - Throws: `not_found`, `not_private`, `bad_keys` for more than a job may have.
    package mutating func reseal(
        _ id: JobID, adding keys: SealedKeys, by principal: Principal, at now: Moment
    ) throws(CoordinatorFailure) -> JobRecord {
        guard visible(id, to: principal, asking: .changeJobs) != nil, let job = jobs[id] else { throw .notFound }
        guard let before = job.record.progress.keys else {
            throw CoordinatorFailure("not_private", "job \(id.short) is public: it has no key to be sealed")
        }
        let merged: SealedKeys
        do throws(JobsFailure) { merged = try before.merging(keys) } catch {
            throw CoordinatorFailure(error.code, error.message)
        }
        let record = withJob(id) { core, job in
            job.record.progress.keys = merged
            core.note(
                "job_resealed", at: now, job: id, detail: ["machines": String(keys.machines.count)])
            core.saveProgress(of: job)
            core.weighSeal(of: &job, at: now)
            core.placementWanted = true
            return job.record
        }
        guard let record else { throw .notFound }
        return record
    }

    // MARK: - Candidates

    /// A machine that a key may be sealed to, as the coordinator knows it.
    package struct Candidate: Sendable {
        package let node: ActiveNode
        package let owner: String
        /// Signed by the machine: what counts.
        package let statement: Base64Bytes
    }

    /// The most that are told at once.
    package static let candidateLimit = 64

    /// Machines that take work now, could run the request and say where keys are sealed to: owner after owner, so that the
    /// first of them are of as many owners as there are; within an owner the most trusted first.
    package func candidates(
        for demand: ResourceRequest, region: String?, limit: Int, at now: Moment
    ) -> [Candidate] {
        let fitting = nodes.values.filter { node in
            guard node.whyClosed(at: now.wall) == nil, outOfBounds(node, at: now) == nil else { return false }
            let report = node.row.report
            return report.statement != nil && (region == nil || region == report.region)
                && demand.cpu <= report.cpu && demand.memory <= report.memory && demand.disk <= report.disk
                && demand.gpu <= report.gpu
        }
        let capability = CapabilityClass(of: demand)
        let ranked = fitting.map { (node: $0, trust: trust(of: $0, capability, at: now)) }
            .sorted { ($1.trust, $0.node.row.id) < ($0.trust, $1.node.row.id) }
        var met: [AccountID: Int] = [:]
        let turns = ranked.map { entry in
            let turn = met[entry.node.row.owner, default: 0]
            met[entry.node.row.owner] = turn + 1
            return (turn, entry.node)
        }
        // The sort of Swift is stable.
        return turns.sorted { $0.0 < $1.0 }.prefix(min(limit, Self.candidateLimit)).compactMap { _, node in
            node.row.report.statement.map {
                Candidate(node: node, owner: ownerName(of: node), statement: Base64Bytes(Base64.decode($0) ?? []))
            }
        }
    }
}
