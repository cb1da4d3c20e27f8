package import FogCore
package import FogJobs
package import FogPlacement
internal import FogStore

/// How tasks were placed, for those who ask later.
extension Coordinator {
    /// Newest first; of each step the last ones.
    package func decisions(of id: JobID, for principal: Principal) async throws -> [PlacementDecision] {
        _ = try await job(id, for: principal)
        return try await store.decisions(of: id).map { stored in try stored.value() }
    }

    /// Of each step the last.
    func lastDecisions(of id: JobID) async throws -> [PlacementDecision] {
        var seen: Set<Int> = []
        return try await store.decisions(of: id).filter { seen.insert($0.step).inserted }
            .sorted { $0.step < $1.step }.map { stored in try stored.value() }
    }

    /// A step, and how a machine stands to it.
    package struct StepJudgement: Sendable {
        package var step: String
        package var judgement: NodeJudgement
    }

    /// Why a machine does not take a job's tasks, or how it stands among those that may: each step that is not over.
    package func whyNot(
        _ id: JobID, node reference: String, for principal: Principal
    ) async throws -> (node: String, steps: [StepJudgement]) {
        let record = try await job(id, for: principal)
        let node = try node(reference, for: principal).row
        guard let active = core.jobs[id] else {
            throw CoordinatorFailure("conflict", "every task of the job is final: \(record.state.rawValue)")
        }
        let now = now
        let nodes = standingNodes.map { core.nodeRecord($0, at: now) }
        var steps: [StepJudgement] = []
        for (index, progress) in record.progress.steps.enumerated() where !progress.counts.isDone {
            let shape = core.shape(of: active, step: index, at: now)
            if let judgement = NodeJudgement.of(shape, node: node.id, among: nodes, now: now.wall) {
                steps.append(StepJudgement(step: progress.name, judgement: judgement))
            }
        }
        return (node.report.name, steps)
    }
}
