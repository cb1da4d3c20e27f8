package import FogCore
internal import FogJobs

/// How long machines stay, learned from when their owners lent them.
extension ActiveNode {
    /// Between two updates of a stay that goes on, and of a forecast.
    private static let stayPace = TimeSpan.minutes(1)

    /// What a worker's allowance says of its stay. Stopped in place is not away: the tasks are there.
    /// - Returns: whether it was taken away just now.
    @discardableResult
    package mutating func noteStay(_ state: Allowance.State, at now: Moment) -> Bool {
        let isLent = state == .open || state == .throttled || state == .frozen
        defer { if isLent { foresee(at: now) } }
        guard let since = lentSince else {
            if isLent { lentSince = now.wall }
            return false
        }
        guard !isLent || now.wall - since >= Self.stayPace else { return false }
        row.stays.add(from: since, to: now.wall)
        lentSince = isLent ? now.wall : nil
        if !isLent { row.stays.leave(at: now.wall) }
        return !isLent
    }

    /// It fell silent: it was there as long as it was heard.
    package mutating func noteLoss(at now: Moment) {
        guard let since = lentSince else { return }
        row.stays.add(from: since, to: max(since, row.lastSeen))
        row.stays.leave(at: row.lastSeen)
        lentSince = nil
    }

    private mutating func foresee(at now: Moment) {
        if let forecast, now.boot - forecast.at < Self.stayPace { return }
        forecast = (row.stays.expected(from: now.wall), now.boot)
    }
}
