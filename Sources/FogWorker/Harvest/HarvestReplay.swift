import FogCore

/// What a policy would have made of a recorded trace.
package struct HarvestReplay: Sendable {
    package let policy: String
    /// From the first reading to the last, sleep left out.
    package private(set) var watched = TimeSpan.zero
    /// Where the machine was in that time.
    package private(set) var times: [HarvestPhase: TimeSpan] = [:]
    package private(set) var transitions: [HarvestTransition] = []
    package private(set) var book = ContributionBook()

    /// Transitions that are kept; more are only counted.
    package static let maxTransitions = 10_000
    package private(set) var leftOut = 0

    /// - Parameter tasks: how many always wait or run; 0 shows a machine without work.
    package init(_ trace: HarvestTrace, _ policy: HarvestPolicy, zone: ClockRule, tasks: Int) {
        self.policy = policy.name
        let machine = HarvestMachine(cores: trace.machine.processors, memory: trace.machine.memory)
        var governor = HarvestGovernor(policy, machine: machine, zone: zone)
        var last: (reading: HarvestReading, step: HarvestStep, cause: HarvestCause?)?
        for reading in trace.readings {
            if let last {
                enter(reading.at - last.reading.at, until: reading.wall, last.step, last.cause, machine, tasks)
            }
            // Evicted tasks leave by the next reading.
            let step = governor.step(reading, tasks: governor.phase == .evicted ? 0 : tasks)
            let room = max(0, Self.maxTransitions - transitions.count)
            transitions += step.transitions.prefix(room)
            leftOut += max(0, step.transitions.count - room)
            last = (reading, step, governor.obstacles.first?.cause)
        }
    }

    private mutating func enter(
        _ span: TimeSpan, until time: LocalTime, _ step: HarvestStep, _ cause: HarvestCause?, _ machine: HarvestMachine,
        _ tasks: Int
    ) {
        guard span > .zero, span <= HarvestGovernor.sleepLimit else { return }
        watched = watched + span
        times[step.phase] = (times[step.phase] ?? .zero) + span
        book.add(
            span, until: time, phase: step.phase, cause: cause, cap: step.decision.allowance.cpuCap,
            cores: machine.cores, running: tasks, used: .zero)
    }

    /// In which tasks were welcome.
    package var offered: TimeSpan { times[.running] ?? .zero }
    package var offeredCoreSeconds: Double { book.days.values.reduce(0) { $0 + $1.offeredCoreSeconds } }

    /// Seconds by reason.
    package var refused: [String: Double] {
        book.days.values.reduce(into: [:]) { sum, day in sum.merge(day.refusedSeconds, uniquingKeysWith: +) }
    }
}
