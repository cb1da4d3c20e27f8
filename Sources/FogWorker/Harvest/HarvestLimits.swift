import FogCore

/// How far a machine is lent by its measured limits: battery, heat, others' load, pressure, memory.
enum HarvestLevel: Int, Comparable, CaseIterable {
    case full, throttled, stopped

    static func < (first: HarvestLevel, second: HarvestLevel) -> Bool { first.rawValue < second.rawValue }
}

/// One measured limit. It trips at once, and lets go when its value was well for a while.
struct HarvestLimit {
    private(set) var level = HarvestLevel.full
    private var wellSince: TimeSpan?

    /// Its value is well again, for not yet long enough.
    var isHolding: Bool { wellSince != nil }

    /// - Parameter demanded: by the thresholds that trip.
    /// - Parameter permitted: by those that let go; never below what is demanded.
    mutating func update(demanded: HarvestLevel, permitted: HarvestLevel, at now: TimeSpan, hold: TimeSpan) {
        if demanded > level {
            level = demanded
            wellSince = nil
        } else if permitted < level {
            let since = wellSince ?? now
            wellSince = since
            guard now - since >= hold else { return }
            level = max(permitted, demanded)
            wellSince = nil
        } else {
            wellSince = nil
        }
    }

    /// What was not watched does not count as well.
    mutating func forget() { wellSince = nil }

    mutating func shift(by span: TimeSpan) { wellSince = wellSince.map { $0 + span } }
}

/// All measured limits together, which never change the state more than ``most`` times an hour.
///
/// Each change for the worse happens at once. One for the better must leave room for those for the worse that could
/// follow it, so that the bound holds whatever the sensors do.
struct HarvestSteadiness {
    static let most = 6

    private(set) var level = HarvestLevel.full
    /// Within the last period, oldest first; at most ``most``.
    private(set) var changes: [TimeSpan] = []
    /// An hour, and as long as a change may take until it is seen.
    private var period = TimeSpan.hours(1)
    private var isNew = true

    mutating func update(_ wanted: HarvestLevel, at now: TimeSpan, period: TimeSpan) {
        self.period = period
        changes.removeAll { now - $0 >= period }
        if isNew {
            // Where a machine stands at the first reading is no change.
            (level, isNew) = (wanted, false)
        } else if wanted > level {
            level = wanted
            changes.append(now)
        } else if let better = HarvestLevel.allCases.first(where: { $0 >= wanted && $0 < level && hasRoom(for: $0) }) {
            level = better
            changes.append(now)
        }
    }

    private func hasRoom(for level: HarvestLevel) -> Bool {
        changes.count + 1 + (HarvestLevel.stopped.rawValue - level.rawValue) <= Self.most
    }

    /// Until there is room for a level that is wanted.
    func wait(for wanted: HarvestLevel, at now: TimeSpan) -> TimeSpan {
        let excess = changes.count + 1 + (HarvestLevel.stopped.rawValue - wanted.rawValue) - Self.most
        guard excess > 0, excess <= changes.count else { return .zero }
        return changes[excess - 1] + period - now
    }

    mutating func shift(by span: TimeSpan) { changes = changes.map { $0 + span } }
}
