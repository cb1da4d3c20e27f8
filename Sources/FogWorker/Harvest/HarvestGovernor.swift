import FogCore
import FogJobs

/// Decides, reading by reading, how far a machine is lent. Pure: it holds no clock, no file and no sensor.
///
/// `closed -> eligible -> running -> throttled -> frozen -> evicted -> cooldown`. Whatever speaks for the owner counts at
/// once; whatever speaks for the pool must hold for a while (HTCondor's START > SUSPEND > CONTINUE > PREEMPT > KILL).
package struct HarvestGovernor: Sendable {
    /// A machine of which nothing was heard for so long was asleep; whoever woke it is probably there. Longer than the
    /// minute between two readings of a recorded trace.
    static let sleepLimit = TimeSpan.seconds(120)
    /// How long a measured limit must be well before it lets go.
    static let hold = TimeSpan.seconds(60)
    /// From the freeze to the eviction where waiting helps nobody: heat, memory, a long pause.
    static let shortGrace = TimeSpan.seconds(30)
    static let windowGrace = TimeSpan.minutes(5)
    /// How long evicted tasks may take to leave, after their grace.
    static let leavePatience = TimeSpan.seconds(60)

    package private(set) var policy: HarvestPolicy
    package let machine: HarvestMachine
    package private(set) var phase = HarvestPhase.closed
    package var controls = HarvestControls()

    let zone: ClockRule
    /// When the phase began.
    private(set) var since = TimeSpan.zero
    private(set) var cooldown: (until: TimeSpan, cause: HarvestCause)?
    /// Of the eviction under way, or of the freeze before it.
    private(set) var evicting = HarvestCause.input
    var last: HarvestReading?
    var wokeAt: TimeSpan?
    var limits = HarvestMeters()
    var steadiness = HarvestSteadiness()
    var opening: WindowEdge?
    /// Since when each obstacle has been there.
    private var present: [HarvestCause: TimeSpan] = [:]
    private(set) var obstacles: [HarvestObstacle] = []

    /// - Parameter zone: for telling when a window opens; the hours themselves go by each reading's own offset.
    package init(_ policy: HarvestPolicy, machine: HarvestMachine, zone: ClockRule) {
        self.policy = policy
        self.machine = machine
        self.zone = zone
    }

    /// Goes on under another policy: what was measured and the cooldown stay, the latter no longer than the new one's.
    package mutating func adopt(_ policy: HarvestPolicy) {
        self.policy = policy
        opening = nil
        guard let last, let running = cooldown else { return }
        cooldown = (min(running.until, last.at + policy.cooldown), running.cause)
    }

    // MARK: - A step

    /// - Parameter tasks: how many are here, running or waiting.
    package mutating func step(_ reading: HarvestReading, tasks: Int) -> HarvestStep {
        follow(reading)
        limits.update(reading, policy: policy, machine: machine, since: last?.at)
        steadiness.update(limits.level, at: reading.at, period: .hours(1) + policy.settle + Self.sleepLimit)
        last = reading
        obstacles = findObstacles(reading)
        note(at: reading.at)
        var transitions: [HarvestTransition] = []
        // Each phase is entered at most once a step, so this ends.
        while transitions.count < HarvestPhase.allCases.count, let next = next(reading, tasks: tasks) {
            let cause = next == .running ? nil : next == .evicted ? evicting : obstacles.first?.cause
            let from = phase
            enter(next, at: reading.at)
            transitions.append(
                HarvestTransition(
                    at: reading.at, time: reading.wall.utc, from: from, to: next, reason: reason(reading), cause: cause)
            )
        }
        return HarvestStep(
            phase: phase, decision: decision(reading), transitions: transitions, cause: obstacles.first?.cause)
    }

    /// Follows the boot clock through suspend, and through a boot whose clock begins anew.
    private mutating func follow(_ reading: HarvestReading) {
        guard let last else { return since = reading.at }
        let passed = reading.at - last.at
        if passed < .zero {
            shift(by: passed)
        } else if passed > Self.sleepLimit {
            wokeAt = reading.at
            limits.forget()
        }
    }

    /// Nothing is known of the time between two boots: every span goes on as if there had been none.
    private mutating func shift(by span: TimeSpan) {
        since = since + span
        cooldown = cooldown.map { ($0.until + span, $0.cause) }
        present = present.mapValues { $0 + span }
        limits.shift(by: span)
        steadiness.shift(by: span)
        guard var last else { return }
        last.at = last.at + span
        (wokeAt, self.last) = (last.at, last)
    }

    private mutating func note(at now: TimeSpan) {
        var seen: [HarvestCause: TimeSpan] = [:]
        for obstacle in obstacles { seen[obstacle.cause] = present[obstacle.cause] ?? now }
        present = seen
    }

    // MARK: - The machine

    /// The phase that follows at once, or nil.
    private mutating func next(_ reading: HarvestReading, tasks: Int) -> HarvestPhase? {
        let now = reading.at
        let isClear = obstacles.isEmpty
        switch phase {
        case .closed:
            return isClear && steadiness.level == .full ? .eligible : nil
        case .eligible:
            guard isClear, steadiness.level == .full else { return .closed }
            return now - since >= policy.settle ? .running : nil
        case .running:
            guard isClear else { return tasks > 0 ? .frozen : .closed }
            return steadiness.level == .throttled ? .throttled : nil
        case .throttled:
            guard isClear else { return tasks > 0 ? .frozen : .closed }
            return steadiness.level == .full ? .running : nil
        case .frozen:
            if isClear { return steadiness.level == .throttled ? .throttled : .running }
            guard tasks > 0 else { return .closed }
            guard let due = dueCause(reading) else { return nil }
            evicting = due
            return .evicted
        case .evicted:
            guard tasks == 0 || now - since >= policy.evictGrace + Self.leavePatience else { return nil }
            return evicting.coolsDown && policy.cooldown > .zero ? .cooldown : .closed
        case .cooldown:
            return cooldown.map { now >= $0.until } ?? true ? .closed : nil
        }
    }

    private mutating func enter(_ next: HarvestPhase, at now: TimeSpan) {
        if next == .cooldown { cooldown = (now + policy.cooldown, evicting) }
        if phase == .cooldown { cooldown = nil }
        phase = next
        since = now
    }

    /// What makes frozen tasks leave now, if anything does.
    private func dueCause(_ reading: HarvestReading) -> HarvestCause? {
        let now = reading.at
        for obstacle in obstacles {
            guard let patience = patience(with: obstacle, reading), let from = present[obstacle.cause] else { continue }
            if now - max(from, since) >= patience { return obstacle.cause }
        }
        // One obstacle after the other must not keep them for ever.
        guard let first = obstacles.first(where: { patience(with: $0, reading) != nil }) else { return nil }
        return now - since >= policy.evictAfter ? first.cause : nil
    }

    /// From the freeze to the eviction for one obstacle; nil = it does not evict.
    func patience(with obstacle: HarvestObstacle, _ reading: HarvestReading) -> TimeSpan? {
        switch obstacle.cause {
        case .heat: limits.isVeryHot ? min(Self.shortGrace, policy.evictAfter) : policy.evictAfter
        case .memory, .pressure: min(Self.shortGrace, policy.evictAfter)
        case .window: min(Self.windowGrace, policy.evictAfter)
        case .paused:
            // Tasks wait for the end of a short pause.
            obstacle.clearsIn.map { $0 > policy.evictAfter - (reading.at - since) } ?? true
                ? min(Self.shortGrace, policy.evictAfter) : nil
        case .input, .screen, .blind, .unplugged, .battery, .metered, .load, .unsteady: policy.evictAfter
        }
    }

    // MARK: - Across restarts

    /// The cooldown as it is to be kept, or nil.
    package func kept(boot: String) -> HarvestCooldown? {
        guard let last else { return nil }
        var running = cooldown
        // Who is killed while tasks leave rests as well.
        if phase == .evicted, evicting.coolsDown, policy.cooldown > .zero {
            running = (since + policy.cooldown, evicting)
        }
        guard let running else { return nil }
        return HarvestCooldown(
            boot: boot, untilSinceBoot: running.until, until: last.wall.utc + (running.until - last.at),
            cause: running.cause)
    }

    /// Takes up a cooldown that a former process kept; in another boot by the wall clock, and never for longer than the
    /// policy's own. To be called before the first step.
    package mutating func restore(_ kept: HarvestCooldown, boot: String, at now: TimeSpan, wall: Timestamp) {
        let left = kept.boot == boot ? kept.untilSinceBoot - now : kept.until - wall
        guard left > .zero else { return }
        cooldown = (now + min(left, policy.cooldown), kept.cause)
        phase = .cooldown
        since = now
        evicting = kept.cause
    }
}
