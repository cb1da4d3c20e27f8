import FogCore
import FogJobs
import FogLedger
import FogPlacement
import FogStore

@testable import FogCoordinator

/// One small pool over an hour of bad luck and as long as it then needs.
final class Simulation {
    let world: World
    let coordinator: SimulatedCoordinator
    private var workers: [SimulatedWorker] = []
    private let client: Principal
    private var submitted: [String: JobID] = [:]
    private var planned = 0
    private var tasks = 0

    private static let trouble = TimeSpan.minutes(20)
    private static let patience = TimeSpan.hours(24)

    init(seed: UInt64, sabotage: SimulatedCoordinator.Sabotage? = nil) throws {
        world = World(seed: seed, healsAt: Self.trouble)
        var rules = CoordinatorConfiguration()
        rules.economy = world.chance(0.9)
        rules.trustAllNodes = world.chance(0.5)
        rules.probation = .minutes(1)
        rules.maxProbation = .minutes(10)
        coordinator = SimulatedCoordinator(world, rules: rules, sabotage: sabotage)
        var enrolled: Principal?
        var keys: [SigningKey] = []
        let count = world.draw(1...3)
        for _ in 0..<count { keys.append(.generate()) }
        let signing = coordinator.key
        coordinator.ask({ core, now in
            let ada = try? core.enrol(
                key: SigningKey.generate().publicKey, name: "ada", roles: [.client, .admin], account: nil, at: now)
            guard let ada else { return }
            enrolled = ada
            if let grant = try? GrantDocument(
                account: ada.account, amount: .credits(10_000), time: now.wall, reason: "to begin with",
                signedBy: signing)
            {
                _ = try? core.grant(grant, by: ada, at: now)
            }
            for (index, key) in keys.enumerated() {
                // Machines of strangers and her own.
                let owner = index == 0 ? ada.account : nil
                _ = try? core.enrol(key: key.publicKey, name: "n\(index)", roles: [.worker], account: owner, at: now)
            }
        }) {}
        guard let ada = enrolled else { throw CoordinatorFailure("unexpected", "nobody was enrolled") }
        client = ada
        // What was enrolled is durable before anything goes wrong.
        while world.step(until: 500) {}
        while !coordinator.isIdle, world.step(until: 60_000) {}
        world.isInTrouble = true
        for (index, key) in keys.enumerated() {
            let slots = world.draw(1...4)
            workers.append(
                SimulatedWorker(
                    index, key: key, slots: slots, isLiar: index == 2, world: world, coordinator: coordinator))
        }
        for number in 0..<world.draw(2...4) { plan(number) }
        plagueMachines()
    }

    // MARK: People

    private func plan(_ number: Int) {
        let spec = spec(number)
        planned += 1
        tasks += spec.taskCount
        let key = "key-\(number)"
        world.after(world.draw(1_000...400_000)) { [self] in submit(spec, key) }
    }

    private func spec(_ number: Int) -> JobSpec {
        var step = StepSpec(name: "", action: .command(["true"]))
        step.resources.memory = .gibibytes(1)
        step.retry.maxAttempts = world.draw(1...4)
        if world.chance(0.3) { step.verify = .owners(world.draw(2...3)) }
        step.retry.backoff = Backoff(delay: .seconds(5), maxDelay: .minutes(5))
        switch world.draw(0...3) {
        case 0: break
        case 1:
            step.elements = .array(first: 0, last: world.draw(1...7), stride: 1)
            step.maxParallel = world.chance(0.5) ? world.draw(1...3) : nil
            step.maxFailures = world.chance(0.3) ? world.draw(1...3) : nil
        default:
            var (second, third) = (step, step)
            (step.name, second.name, third.name) = ("a", "b", "c")
            (second.needs, third.needs) = (["a"], ["b"])
            second.elements = .array(first: 0, last: world.draw(1...3), stride: 1)
            return JobSpec(name: "job-\(number)", steps: [step, second, third])
        }
        return JobSpec(name: "job-\(number)", steps: [step], exclusive: world.chance(0.2))
    }

    /// Asks until it is answered, always under the same key.
    private func submit(_ spec: JobSpec, _ key: String) {
        let submission = Submission(
            spec: spec, document: ManifestDocument(of: spec).canonical, documentDigest: .blake2b(Array(spec.name.utf8)),
            files: .empty, fileTable: nil, idempotencyKey: key, submitter: client)
        var isAnswered = false
        world.carry(-1) { [self] in
            guard let known = stored(key) else {
                return coordinator.ask({ core, now in try? core.submit(submission, at: now).record.id }) { [self] id in
                    world.carry(-1) { [self] in
                        guard let id else { return }
                        isAnswered = true
                        answered(key, id)
                    }
                }
            }
            // As the service does: a key that is stored is answered from the store.
            isAnswered = true
            answered(key, known)
        }
        world.after(8_000) { [self] in if !isAnswered { submit(spec, key) } }
    }

    private func stored(_ key: String) -> JobID? { coordinator.isUp ? coordinator.keys[key] : nil }

    private func answered(_ key: String, _ id: JobID) {
        if let known = submitted[key], known != id { world.violated("\(key) made two jobs, \(known) and \(id)") }
        if !coordinator.jobs.contains(id) { world.violated("\(id) was acknowledged and is not stored") }
        guard submitted.updateValue(id, forKey: key) == nil else { return }
        if world.chance(0.15) { meddle(id) }
    }

    private func meddle(_ id: JobID) {
        let client = client
        let cancels = world.chance(0.5)
        world.after(world.draw(1_000...200_000)) { [self] in
            coordinator.ask({ core, now in
                if cancels {
                    _ = try? core.cancel(id, reason: "changed her mind", by: client, at: now)
                } else {
                    _ = try? core.hold(id, reason: "wait", by: client, at: now)
                }
            }) {}
        }
    }

    // MARK: Trouble

    private func plagueMachines() {
        world.after(world.draw(5_000...60_000)) { [self] in
            guard !world.isHealed else { return world.cutOff = [] }
            switch world.draw(0...9) {
            case 0...2: coordinator.crash()
            case 3...5: workers[world.draw(0...workers.count - 1)].crash()
            case 6...8:
                let machine = world.draw(-1...workers.count - 1)
                world.cutOff.insert(machine)
                world.after(world.draw(1_000...300_000)) { [self] in world.cutOff.remove(machine) }
            default: break
            }
            plagueMachines()
        }
    }

    // MARK: The end

    /// Lets it all happen; what must hold at the end is checked then.
    func run() async throws {
        try await live(until: Self.trouble.milliseconds)
        var end = world.time
        while world.violations.isEmpty, !isOver, end < Self.patience.milliseconds {
            end += 60_000
            letGo()
            try await live(until: end)
        }
        guard world.violations.isEmpty else { return }
        if !isOver { world.violated("jobs are not settled after a day: \(open)") }
        let report = try await LedgerAuditor(store: coordinator.store).run()
        if !report.ok {
            world.violated("the audit fails: \(report.failed.map { "\($0.check.rawValue): \($0.found)" })")
        }
        try await checkBooks()
    }

    private func live(until end: Int64) async throws {
        while world.violations.isEmpty, world.step(until: end) {
            if coordinator.mustRestart { try await coordinator.restart() }
        }
    }

    private var isOver: Bool {
        coordinator.isIdle && coordinator.core.jobs.isEmpty && submitted.count == planned
    }

    private var open: [String] {
        coordinator.core.jobs.values.map {
            "\($0.record.name) \($0.record.progress.counts.counts) held: \($0.record.progress.held ?? "no")"
        }
            + coordinator.core.nodes.values.map {
                "\($0.row.report.name) \($0.liveness) \($0.whyClosed(at: coordinator.now.wall) ?? "open") leases \($0.leases.count)"
            }
    }

    /// The operator looks after what is held.
    private func letGo() {
        let client = client
        coordinator.ask({ core, now in
            for id in core.jobs.keys.sorted() {
                _ = try? core.fund(id, adding: .credits(10), by: client, at: now)
                _ = try? core.release(id, by: client, at: now)
            }
        }) {}
    }

    /// Every task is final, every success paid once and nothing else twice.
    private func checkBooks() async throws {
        var count = 0
        for id in submitted.values {
            guard let job = try await coordinator.store.job(id)?.record else {
                world.violated("job \(id) is not stored")
                continue
            }
            let counts = job.progress.counts
            count += counts.total
            if !counts.isDone || !job.progress.settled { world.violated("\(job.name) is not done: \(counts)") }
            let wins = coordinator.winners.keys.filter { $0.job == id }.count
            if wins != counts[.succeeded] {
                world.violated("\(job.name) has \(wins) winners and \(counts[.succeeded]) successes")
            }
            let atOnce = coordinator.ended.values.filter { $0.id.task.job == id }.reduce(Int64(0)) {
                $0 + $1.paid.micro
            }
            let later = coordinator.paidLate.filter { $0.key.task.job == id }.reduce(Int64(0)) { $0 + $1.value.micro }
            let paid = atOnce + later
            if paid != job.progress.spent.micro {
                world.violated("\(job.name) spent \(job.progress.spent), its attempts were paid \(paid)")
            }
        }
        // The last machine alone lies, so nobody else is ever outvoted.
        for (key, reputation) in try await coordinator.store.reputations() {
            let name = coordinator.core.nodes[key.node]?.row.report.name
            if name != "n2", reputation.counts[.invalid] != nil || reputation.counts[.auditFailed] != nil {
                world.violated("\(name ?? "a node") is honest and was found lying: \(reputation.counts)")
            }
            if reputation.evidence.good > 0 { world.saw("evidence") }
        }
        if count != tasks { world.violated("\(count) of \(tasks) tasks are there") }
        for worker in workers {
            for (id, outcome) in worker.acknowledged where coordinator.ended[id]?.outcome != outcome {
                // What waited for others to agree may have come to another end.
                let verdicts: [Outcome] = [.rejectedByQuorum, .superseded, .cancelled]
                if coordinator.wantsAgreement(id.task), coordinator.ended[id]?.outcome.map(verdicts.contains) == true {
                    continue
                }
                world.violated(
                    "\(id) was acknowledged as \(outcome), stored is \(coordinator.ended[id]?.outcome?.rawValue ?? "nothing")"
                )
            }
        }
    }
}
