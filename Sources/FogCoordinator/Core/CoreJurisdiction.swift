internal import FogCore
internal import FogJobs
internal import FogLedger

/// Where work may go by the pool's policy, and what is recorded of that.
extension CoordinatorCore {
    private func policy(at now: Moment) -> JurisdictionTerms? {
        ledger.rules.jurisdiction(at: ledger.time(at: now.wall))
    }

    /// Why a machine may be given no work where it stands, or nil.
    func outOfBounds(_ node: ActiveNode, at now: Moment) -> String? {
        guard let policy = policy(at: now), !policy.allows(node.row.report.region) else { return nil }
        let region = node.row.report.region.isEmpty ? "names no region" : "is in region `\(node.row.report.region)`"
        return
            "the pool's policy (version \(policy.version)) allows \(policy.regions.joined(separator: ", ")); the machine \(region)"
    }

    /// What the policy in force says of a machine, to be cited by what is reserved for it; nil while there is none.
    func decision(about id: NodeID, at now: Moment) -> EvidenceDocument? {
        guard let policy = policy(at: now), !policy.regions.isEmpty, let node = nodes[id] else { return nil }
        return JurisdictionDecision(policy, region: node.row.report.region).document
    }
}
