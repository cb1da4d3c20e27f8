import FogCore

/// What a machine offered, what was used of it, and why it was refused: a line a day.
package struct ContributionBook: Hashable, Sendable, Codable {
    /// Days that are kept.
    package static let maxDays = 400

    package struct Day: Hashable, Sendable, Codable {
        /// Seconds in which tasks were welcome or went on, and what they might have used.
        package var offeredSeconds = 0.0
        package var offeredCoreSeconds = 0.0
        /// Seconds in which a task ran, and the processor time of the tasks that ended on that day.
        package var usedSeconds = 0.0
        package var usedCoreSeconds = 0.0
        /// Seconds by reason: those of ``HarvestCause``, `cooldown`, `settling`.
        package var refusedSeconds: [String: Double] = [:]
        /// All cores over those seconds.
        package var refusedCoreSeconds: [String: Double] = [:]

        private enum CodingKeys: String, CodingKey {
            case offeredSeconds = "offered_seconds"
            case offeredCoreSeconds = "offered_core_seconds"
            case usedSeconds = "used_seconds"
            case usedCoreSeconds = "used_core_seconds"
            case refusedSeconds = "refused_seconds"
            case refusedCoreSeconds = "refused_core_seconds"
        }

        package init() {}
    }

    /// By the owner's date: `2026-11-23`.
    package private(set) var days: [String: Day] = [:]

    package init() {}

    /// Adds a span that ended at `time`.
    /// - Parameter cap: what tasks might use; of no matter while the machine is refused.
    package mutating func add(
        _ span: TimeSpan, until time: LocalTime, phase: HarvestPhase, cause: HarvestCause?, cap: Millicores, cores: Int,
        running: Int, used: TimeSpan
    ) {
        let date = time.date
        var day = days[date] ?? Day()
        day.usedCoreSeconds += used.seconds
        switch phase {
        case .running, .throttled:
            day.offeredSeconds += span.seconds
            day.offeredCoreSeconds += span.seconds * cap.cores
            if running > 0 { day.usedSeconds += span.seconds }
        case .closed, .eligible, .frozen, .evicted, .cooldown:
            let reason =
                phase == .cooldown ? "cooldown" : phase == .eligible ? "settling" : cause?.rawValue ?? "settling"
            day.refusedSeconds[reason, default: 0] += span.seconds
            day.refusedCoreSeconds[reason, default: 0] += span.seconds * Double(cores)
        }
        days[date] = day
        if days.count > Self.maxDays, let oldest = days.keys.min() { days[oldest] = nil }
    }
}

extension LocalTime {
    /// `2026-11-23`
    var date: String { String(Timestamp(seconds: seconds).plain.prefix(10)) }
}
