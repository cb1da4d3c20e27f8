internal import FogCore
internal import FogJobs
internal import FogPlacement
internal import FogStore

/// Decisions of placement, kept with the first grant that follows from them.
extension CoordinatorCore {
    /// A step's decisions are written at most once in so long: a step of short tasks is placed many times a second.
    static let decisionPause = TimeSpan.seconds(1)
    /// Decisions that wait for a grant; more are not kept.
    static let maxOpenDecisions = 4096

    /// The shapes whose decision is to be written down in this round.
    func dueDecisions(of shapes: [TaskShape], at now: Moment) -> Set<Int> {
        var due: Set<Int> = []
        for (index, shape) in shapes.enumerated() {
            guard let key = key(of: shape.id) else { continue }
            if let last = decidedAt[key], now.boot - last < Self.decisionPause { continue }
            due.insert(index)
        }
        return due
    }

    mutating func keep(_ decision: PlacementDecision, at now: Moment) {
        guard let key = key(of: decision.shape),
            openDecisions[key] != nil || openDecisions.count < Self.maxOpenDecisions
        else { return }
        openDecisions[key] = decision
        decidedAt[key] = now.boot
    }

    /// With the first grant of a step after a decision on it.
    mutating func writeDecision(_ key: ShapeKey) {
        guard let decision = openDecisions.removeValue(forKey: key) else { return }
        // A decision with a number that is none has no form; the grant is as good without it.
        if let stored = try? StoredDecision(job: key.job, step: key.step, at: decision.at, of: decision) {
            change.decisions.append(stored)
        }
    }

    /// Of a job that is over.
    mutating func forgetDecisions(of job: JobID, steps: Int) {
        for step in 0..<steps {
            openDecisions[ShapeKey(job: job, step: step)] = nil
            decidedAt[ShapeKey(job: job, step: step)] = nil
        }
    }

    private func key(of shape: ShapeID) -> ShapeKey? {
        jobs[shape.job]?.spec.steps.firstIndex { $0.name == shape.step }.map { ShapeKey(job: shape.job, step: $0) }
    }
}
