package import FogCore
package import FogJobs

/// The breaker of a node: too many host faults in a short time and it gets no work for a while, twice as long each time.
package enum Breaker {
    /// Counts a host fault; says whether the node goes on probation by it.
    package static func fault(_ row: inout NodeRow, at now: Timestamp, by rules: CoordinatorConfiguration) -> Bool {
        row.recentFaults = (row.recentFaults + [now]).filter { now - $0 < rules.breakerWindow }.suffix(
            rules.breakerFaults)
        guard row.recentFaults.count >= rules.breakerFaults else { return false }
        row.recentFaults = []
        let doubled = rules.probation * (1 << Int64(min(row.probations, 20)))
        row.probations += 1
        row.probationUntil = now + min(doubled, rules.maxProbation)
        return true
    }

    /// A success after probation: the slate is clean.
    package static func success(_ row: inout NodeRow, at now: Timestamp) {
        guard let until = row.probationUntil, until <= now else { return }
        row.probationUntil = nil
        row.probations = 0
    }
}
