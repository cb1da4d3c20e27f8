package import FogCore
internal import FogJobs
package import FogPlacement
internal import FogStore

/// What the ends of attempts say of machines.
///
/// Each end is weighed in the change that ends it. Only what was checked speaks for a machine: equal results of others,
/// or the operator's word; what it does for its own owner says nothing, or an owner would earn trust with work that
/// nobody else has seen. An owner who wants the machine back does it no harm.
extension CoordinatorCore {
    func verdict(on attempt: LiveAttempt, as outcome: Outcome, of job: JobRecord) -> Evidence.Verdict {
        let record = attempt.record
        guard record.payee != job.account else { return .unjudged }
        switch outcome {
        case .success:
            let isTrusted = nodes[record.node]?.row.trusted == true
            if attempt.standing == .knownAnswer, !isTrusted { return .audited }
            return attempt.standing != .alone || isTrusted ? .valid : .unjudged
        case .rejectedByQuorum: return attempt.standing == .knownAnswer ? .auditFailed : .invalid
        case .leaseExpired, .workerLost: return .lost
        case .stageInFailed, .stageOutFailed: return .faulty
        // It may be the job's own mistake: each account's counts once, as for the breaker.
        case .launchFailed:
            return nodes[record.node]?.failedLaunches.contains(job.account) == true ? .unjudged : .faulty
        default: return outcome.fault == .policy ? .preempted : .unjudged
        }
    }

    mutating func learn(
        _ verdict: Evidence.Verdict, of node: NodeID, _ capability: CapabilityClass, at now: Moment
    ) {
        let key = Reputation.Key(node: node, capability: capability)
        var reputation = reputations[key] ?? Reputation(asOf: now.wall)
        reputation.add(verdict, at: now.wall)
        reputations[key] = reputation
        change.reputations[key] = reputation
        hasChange = true
    }

    /// What an audit of the mixnet says of a mix, for all machines of its owner: of the account that has enrolled the mix's
    /// key. Of one that nobody has enrolled, nothing is known here.
    package mutating func learn(_ verdict: Evidence.Verdict, ofMix key: PublicKey, epoch: UInt64, at now: Moment) {
        guard let owner = principal(key.id)?.account else { return }
        let owned = nodes.values.filter { $0.row.owner == owner }.map(\.row.id).sorted()
        for node in owned {
            for capability in CapabilityClass.allCases where capability == .cpu || nodes[node]?.row.report.gpu ?? 0 > 0
            {
                learn(verdict, of: node, capability, at: now)
            }
            note(
                "mix_fault", at: now, node: node,
                detail: ["mix": key.id.description, "evidence": verdict.rawValue, "epoch": String(epoch)])
        }
    }

    /// What placement may count on, 0...1: what was earned, and no less than the operator's word is worth.
    package func trust(of node: ActiveNode, _ capability: CapabilityClass, at now: Moment) -> Double {
        let key = Reputation.Key(node: node.row.id, capability: capability)
        let earned = reputations[key]?.trust(at: now.wall) ?? Reputation.newcomer
        return node.row.trusted ? max(earned, rules.operatorTrust) : earned
    }
}
