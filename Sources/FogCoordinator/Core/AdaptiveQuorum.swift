internal import FogCore
internal import FogJobs
internal import FogPlacement

/// What strangers' results for one task come to under `verify: auto`. Pure.
///
/// Copies run one after another, as for a number of owners; how many are wanted depends on what the machines have earned
/// and on how sure the job's class wants to be.
enum AdaptiveQuorum {
    struct Claim {
        let result: Digest
        /// Of the machine.
        let trust: Double
    }

    enum Verdict: Hashable {
        /// As for a number of owners.
        case quorum(Quorum.Verdict)
        /// Results differ and nobody else is there to decide.
        case needsOwners(has: Int)

        var isAccepted: Bool { if case .quorum(let verdict) = self { verdict.isAccepted } else { false } }
    }

    /// - Parameters:
    ///   - claims: oldest first, one of each owner.
    ///   - othersMayAnswer: whether a machine of an owner who has not answered could take a copy.
    static func decide(_ claims: [Claim], sla: SLAClass, othersMayAnswer: Bool) -> Verdict {
        var places: [Digest: [Int]] = [:]
        for (place, claim) in claims.enumerated() { places[claim.result, default: []].append(place) }
        // Equal counts are told apart by age, so that the verdict is one.
        let groups = places.values.sorted { ($1.count, $0[0]) < ($0.count, $1[0]) }
        guard let best = groups.first else { return .quorum(.wait) }
        let isAhead = groups.count == 1 || best.count > groups[1].count
        let isLast = claims.count >= Quorum.maxResults
        let isSure =
            Replication.error(trusts: best.map { claims[$0].trust }) <= Replication.allowedError(sla) * (1 + 1e-9)
        let isMost = best.count * 2 > claims.count
        if isAhead, isSure || (isMost && (isLast || !othersMayAnswer)) {
            return .quorum(
                .accept(winner: best[0], equal: best, others: claims.indices.filter { !best.contains($0) }))
        }
        if isLast { return .quorum(.disagree(different: groups.count)) }
        return othersMayAnswer ? .quorum(.wait) : .needsOwners(has: claims.count)
    }
}
