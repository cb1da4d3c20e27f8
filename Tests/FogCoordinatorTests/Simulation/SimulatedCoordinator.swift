import FogCore
import FogJobs
import FogLedger
import FogStore

@testable import FogCoordinator

/// The coordinator's service as a simulation: the real core, one commit under way at a time, answers that leave only
/// when what they rest on is durable, crashes at any moment.
final class SimulatedCoordinator {
    /// What is broken on purpose, to see that the simulation notices.
    enum Sabotage { case answersBeforeCommit, losesCommits }

    let world: World
    let store = MemoryStore()
    let key = SigningKey.generate()
    let rules: CoordinatorConfiguration
    private(set) var core: CoordinatorCore
    private(set) var isUp = true
    private(set) var mustRestart = false
    private var life = 0
    private var taken = 0
    private var committed = 0
    private var inFlight: Change?
    private var held: [(ticket: Int, release: () -> Void)] = []
    private let sabotage: Sabotage?
    private let clock = StillClock()

    // What was durable at some time, against which everything is held.
    private(set) var ended: [AttemptID: AttemptRecord] = [:]
    private(set) var winners: [TaskID: AttemptID] = [:]
    /// Equal results that a task wants.
    private var copies: [TaskID: Int] = [:]
    /// Results that were taken and wait for others to agree.
    private(set) var heldResults: Set<AttemptID> = []
    private(set) var paidLate: [AttemptID: Credits] = [:]
    private(set) var tokens: [TaskID: UInt32] = [:]
    private(set) var finals: [TaskID: TaskState] = [:]
    private(set) var jobs: Set<JobID> = []
    private(set) var keys: [String: JobID] = [:]

    init(_ world: World, rules: CoordinatorConfiguration, sabotage: Sabotage? = nil) {
        self.world = world
        self.rules = rules
        self.sabotage = sabotage
        let start = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: .hours(1))
        core = CoordinatorCore(
            rules: rules, key: key.publicKey, ledger: Ledger(), eventSequence: 0, seed: world.random.next(), at: start)
        core.sealer = LedgerSealer(key: key)
        core.openBooks(at: now)
        flush()
        keepTicking()
    }

    var now: Moment {
        let passed = TimeSpan(milliseconds: world.time)
        return Moment(wall: Timestamp(seconds: 1_800_000_000) + passed, boot: .hours(1) + passed)
    }

    /// Nothing is decided that is not durable.
    var isIdle: Bool { isUp && inFlight == nil && !core.hasChange }

    // MARK: Deciding

    /// One request: decided now if the coordinator is up, answered when that is durable.
    func ask<Answer>(
        _ decide: @escaping (inout CoordinatorCore, Moment) -> Answer, _ answer: @escaping (Answer) -> Void
    ) {
        guard isUp else { return }
        let result = decide(&core, now)
        let ticket = core.hasChange ? taken + 1 : taken
        if sabotage == .answersBeforeCommit { answer(result) } else { held.append((ticket, { answer(result) })) }
        flush()
        release()
    }

    private func keepTicking() {
        let mine = life
        world.after(1000) { [self] in
            guard mine == life, isUp else { return }
            core.tick(at: now)
            _ = core.place(at: now, clock: clock)
            flush()
            keepTicking()
        }
    }

    private func release() {
        let due = held.filter { $0.ticket <= committed }
        held.removeAll { $0.ticket <= committed }
        for entry in due { entry.release() }
    }

    // MARK: Committing

    private func flush() {
        guard isUp, inFlight == nil, let change = core.takeChange() else { return }
        taken += 1
        inFlight = change
        let (mine, ticket) = (life, taken)
        let took: Int64 = world.chance(0.95) ? world.draw(0...30) : world.draw(100...3_000)
        if world.isInTrouble, !world.isHealed, world.chance(0.01) {
            world.after(world.draw(0...took)) { [self] in crash() }
        }
        world.after(took) { [self] in
            guard mine == life else { return }
            apply(change)
            inFlight = nil
            committed = ticket
            release()
            flush()
        }
    }

    private func apply(_ change: Change) {
        if sabotage == .losesCommits, world.chance(0.02) { return }
        let result = store.apply(change)
        if result != .applied { world.violated("a commit was not applied: \(result)") }
        check(change)
    }

    /// The rules that every durable change keeps.
    private func check(_ change: Change) {
        for attempt in change.newAttempts {
            let task = attempt.id.task
            if attempt.id.token != tokens[task, default: 0] + 1 {
                world.violated("the token of \(task) goes from \(tokens[task, default: 0]) to \(attempt.id.token)")
            }
            tokens[task] = attempt.id.token
            if let job = core.jobs[task.job], let step = job.stepIndex(of: task.number) {
                let verify = job.steps[step].spec.verify
                // As the machines' record wants it: perhaps others, perhaps not.
                copies[task] = verify == .auto && !rules.trustAllNodes ? 0 : verify.copies
            }
            if attempt.id.token > 1 { world.saw("granted again") }
            if let winner = winners[task] { world.violated("\(task) is granted again after \(winner) won") }
            if let state = finals[task] { world.violated("\(task) is granted while it is \(state)") }
        }
        for attempt in change.endedAttempts {
            if let before = ended[attempt.id] {
                world.violated(
                    "\(attempt.id) ends twice: \(before.outcome?.rawValue ?? "") and \(attempt.outcome?.rawValue ?? "")"
                )
            }
            ended[attempt.id] = attempt
            world.saw(attempt.outcome?.rawValue ?? "no outcome")
            if attempt.outcome == .success, attempt.outputs.contains(where: { $0.digest == Self.lie }),
                isVerified(attempt.id.task)
            {
                world.violated("the lie of \(attempt.id) is paid")
            }
            guard attempt.outcome == .success, change.tasks[attempt.id.task]?.winner == attempt.id.token else {
                continue
            }
            if attempt.outputs.contains(where: { $0.digest == Self.lie }), isVerified(attempt.id.task) {
                world.violated("the lie of \(attempt.id) wins")
            }
            if let winner = winners[attempt.id.task] { world.violated("\(attempt.id) wins after \(winner) won") }
            if attempt.id.token != tokens[attempt.id.task], copies[attempt.id.task, default: 1] == 1 {
                world.violated("the stale \(attempt.id) wins")
            }
            winners[attempt.id.task] = attempt.id
        }
        for (id, amount) in change.latePayments {
            world.saw("late payment")
            guard let attempt = ended[id], attempt.paid == .zero, paidLate.updateValue(amount, forKey: id) == nil else {
                world.violated("\(id) is paid late and was paid before, or has not ended")
                continue
            }
            guard let winner = winners[id.task].flatMap({ ended[$0] }), attempt.outcome?.fault == .policy else {
                continue
            }
            let others = paidLate.filter { $0.key.task == id.task && ended[$0.key]?.outcome?.fault == .policy }
            if others.reduce(winner.paid.micro, { $0 + $1.value.micro }) > winner.priceBound.micro {
                world.violated("\(id.task) costs more than the bound of the attempt that won")
            }
        }
        for task in change.tasks.values {
            for record in task.trail?.held ?? [] where heldResults.insert(record.id).inserted {
                world.saw("result held")
            }
            if let state = finals[task.id], state != task.state { world.violated("\(task.id) leaves \(state)") }
            if task.state.isFinal { finals[task.id] = task.state }
        }
        for job in change.newJobs {
            jobs.insert(job.record.id)
            if let key = job.record.idempotencyKey { keys[key] = job.record.id }
        }
    }

    func wantsAgreement(_ task: TaskID) -> Bool { copies[task, default: 1] != 1 }

    /// What a lying machine says it made.
    static let lie = Digest.blake2b([66])

    /// Whether one machine's lie can be seen: others must agree, and nobody is trusted by name.
    private func isVerified(_ task: TaskID) -> Bool { !rules.trustAllNodes && copies[task, default: 1] > 1 }

    // MARK: Dying

    /// Dies on the spot: what was not committed is gone, what was under way is there or not, and nobody was told.
    func crash() {
        guard isUp else { return }
        world.saw("coordinator crash")
        if let change = inFlight {
            world.saw("crash while committing")
            if world.chance(0.5) { apply(change) }
        }
        isUp = false
        life += 1
        inFlight = nil
        held = []
        let pause: Int64 = world.chance(0.7) ? world.draw(100...5_000) : world.draw(5_000...400_000)
        world.after(pause) { [self] in mustRestart = true }
    }

    func restart() async throws {
        mustRestart = false
        let state = try await Bench.state(of: store)
        core = CoordinatorCore(
            recovering: state, rules: rules, key: key.publicKey, seed: world.random.next(), at: now)
        core.sealer = try await LedgerSealer.open(store, key: key)
        committed = taken
        isUp = true
        keepTicking()
    }
}
