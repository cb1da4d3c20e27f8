import FogCore
import FogJobs
import Logging
import Synchronization

/// A machine lent by a policy: feeds what the sensors say to the governor, and the agent with what it decides.
package actor GovernedMachine: AllowanceSource {
    /// How a machine stands, for people and programs.
    package struct Report: Hashable, Sendable, Codable {
        package var policy: String
        package var phase: HarvestPhase
        package var reason: String
        package var resumesAt: Timestamp?
        package var pause: HarvestControls.Pause?
        /// Sensors that are ignored, and why.
        package var ignored: [String]

        private enum CodingKeys: String, CodingKey {
            case policy, phase, reason, pause, ignored
            case resumesAt = "resumes_at"
        }
    }

    /// Words that only count seconds are told again after so long.
    static let retelling = TimeSpan.seconds(10)
    /// Sensors that say nothing for so long are taken for blind.
    static let silence = TimeSpan.seconds(60)
    private static let tick = Duration.seconds(5)
    private static let bookPace = TimeSpan.seconds(60)

    private let sensors: any HarvestSensors
    private let folder: HarvestFolder
    private let clock: any FogClock
    private let boot: String
    private let logger: Logger
    private let announce: @Sendable (HarvestStep) -> Void
    private nonisolated let work = Mutex(HarvestWork())

    private var governor: HarvestGovernor
    private var book: ContributionBook
    private var kept: HarvestFolder.Kept
    private var outlet: AsyncStream<HarvestDecision>.Continuation?
    private var step: HarvestStep?
    private var told: (decision: HarvestDecision, at: TimeSpan)?
    /// The newest word of the sensors, and when it came.
    private var last: (reading: HarvestReading, at: TimeSpan)?
    private var usedBefore = TimeSpan.zero
    private var bookSavedAt = TimeSpan.zero

    /// - Parameter boot: the kernel's id of this boot.
    /// - Parameter announce: told of the first step, and of each that changes something.
    package init(
        _ policy: HarvestPolicy, machine: HarvestMachine, sensors: any HarvestSensors, zone: ClockRule,
        folder: HarvestFolder, boot: String, clock: any FogClock = SystemClock(),
        logger: Logger = Logger(label: "fog.harvest"), announce: @escaping @Sendable (HarvestStep) -> Void = { _ in }
    ) {
        self.announce = announce
        self.sensors = sensors
        self.folder = folder
        self.clock = clock
        self.boot = boot
        self.logger = logger
        kept = folder.kept()
        book = folder.book()
        governor = HarvestGovernor(policy, machine: machine, zone: zone)
        governor.controls = kept.controls
        if let cooldown = kept.cooldown {
            governor.restore(cooldown, boot: boot, at: clock.sinceBoot, wall: clock.now)
        }
    }

    // MARK: - For the agent

    package nonisolated func decisions() -> AsyncStream<HarvestDecision> {
        // A decision holds all that there is to say: who is slow gets the newest.
        let (stream, continuation) = AsyncStream.makeStream(
            of: HarvestDecision.self, bufferingPolicy: .bufferingNewest(1))
        // Ends with the stream.
        let task = Task { await self.govern(continuation) }
        continuation.onTermination = { _ in task.cancel() }
        return stream
    }

    package nonisolated func working(_ new: HarvestWork) {
        let changed = work.withLock { work in
            defer { work = new }
            return (work.running > 0) != (new.running > 0)
        }
        if changed { sensors.tasksRun(new.running > 0) }
    }

    private func govern(_ continuation: AsyncStream<HarvestDecision>.Continuation) async {
        outlet = continuation
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await reading in self.sensors.readings() { await self.take(reading) }
            }
            group.addTask {
                while !Task.isCancelled {
                    try? await Task.sleep(for: Self.tick)
                    await self.goOn()
                }
            }
        }
    }

    /// Writes what is kept. To be waited for before the process ends.
    package func close() {
        outlet?.finish()
        save(force: true)
    }

    // MARK: - Readings

    func take(_ reading: HarvestReading) {
        last = (reading, clock.sinceBoot)
        decide(reading)
    }

    /// Time goes on although the sensors have nothing new to say; and when they say nothing at all, nobody knows who is
    /// at the machine.
    private func goOn() {
        guard let last, !Task.isCancelled else { return }
        let age = clock.sinceBoot - last.at
        guard age > .seconds(15) else { return }
        var reading = present(last)
        if age > Self.silence {
            if reading.input?.source != .assumed { reading.input = nil }
            reading.heat = []
            reading.ignored.append("the sensors say nothing for \(age.brief)")
        }
        decide(reading)
    }

    /// The newest reading as if it were of now.
    private func present(_ last: (reading: HarvestReading, at: TimeSpan)) -> HarvestReading {
        var reading = last.reading
        let age = max(.zero, clock.sinceBoot - last.at)
        reading.at = reading.at + age
        reading.wall.utc = reading.wall.utc + age
        return reading
    }

    private func decide(_ reading: HarvestReading) {
        let work = work.withLock { $0 }
        enter(reading, work)
        let step = governor.step(reading, tasks: work.held)
        if self.step == nil || !step.transitions.isEmpty { announce(step) }
        self.step = step
        tell(step, at: reading.at)
        for transition in step.transitions {
            logger.debug(
                "The machine is lent otherwise",
                metadata: [
                    "from": "\(transition.from.rawValue)", "to": "\(transition.to.rawValue)",
                    "reason": "\(transition.reason)",
                ])
        }
        if !step.transitions.isEmpty {
            attempt("events") { () throws(WorkerFailure) in try folder.append(step.transitions) }
        }
        save()
    }

    /// Passes on what changed. Words that only count seconds wait, or each second would be a heartbeat.
    private func tell(_ step: HarvestStep, at now: TimeSpan) {
        if let told {
            var same = step.decision
            same.allowance.reason = told.decision.allowance.reason
            same.allowance.resumesAt = told.decision.allowance.resumesAt
            let isNews = same != told.decision || !step.transitions.isEmpty
            let isStale = step.decision != told.decision && now - told.at >= Self.retelling
            guard isNews || isStale || now < told.at else { return }
        }
        told = (step.decision, now)
        outlet?.yield(step.decision)
    }

    // MARK: - What is kept

    /// The time since the last reading, which went by under the last decision.
    private func enter(_ reading: HarvestReading, _ work: HarvestWork) {
        defer { usedBefore = work.used }
        guard let before = governor.last, let step else { return }
        let span = reading.at - before.at
        // Asleep, or in another boot: nothing was offered and nothing refused.
        guard span > .zero, span <= HarvestGovernor.sleepLimit else { return }
        book.add(
            span, until: reading.wall, phase: step.phase, cause: governor.obstacles.first?.cause,
            cap: step.decision.allowance.cpuCap, cores: governor.machine.cores, running: work.running,
            used: work.used - usedBefore)
    }

    private func save(force: Bool = false) {
        let new = HarvestFolder.Kept(cooldown: governor.kept(boot: boot), controls: governor.controls)
        if new != kept {
            // A wall clock that is set by milliseconds each second is no reason to write.
            let isSame = new.controls == kept.controls && new.cooldown?.untilSinceBoot == kept.cooldown?.untilSinceBoot
            if !isSame || force {
                kept = new
                attempt("cooldown") { () throws(WorkerFailure) in try folder.keep(new) }
            }
        }
        let now = clock.sinceBoot
        guard force || now - bookSavedAt >= Self.bookPace else { return }
        bookSavedAt = now
        attempt("contributions") { () throws(WorkerFailure) in try folder.keep(book) }
    }

    private func attempt(_ what: String, _ body: () throws(WorkerFailure) -> Void) {
        do {
            try body()
        } catch {
            logger.error("What the machine gave could not be kept", metadata: ["what": "\(what)", "error": "\(error)"])
        }
    }

    // MARK: - For the owner

    package var report: Report {
        Report(
            policy: governor.policy.name, phase: governor.phase,
            reason: step?.decision.allowance.reason ?? "the sensors have said nothing yet",
            resumesAt: step?.decision.allowance.resumesAt, pause: governor.controls.pause,
            ignored: last?.reading.ignored ?? [])
    }

    /// Holds at once, and after a restart.
    package func pause(_ pause: HarvestControls.Pause?) {
        governor.controls.pause = pause
        again()
    }

    package func adopt(_ policy: HarvestPolicy) {
        governor.adopt(policy)
        again()
    }

    private func again() {
        guard let last else { return save() }
        decide(present(last))
    }
}
