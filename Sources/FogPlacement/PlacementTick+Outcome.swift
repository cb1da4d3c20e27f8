internal import FogCore

extension PlacementTick {
    /// The answer, with a reason for every task that got no node.
    func outcome() -> PlacementOutcome {
        var classes = self.classes
        var unplaced: [Unplaced] = []
        var largest: [Int: Pending] = [:]
        for pending in pending {
            var reasons = classes.reasons(for: problem.shapes[pending.shape], pool, barring: pending.bars)
            reasons.insert(contentsOf: pending.cause.reasons, at: 0)
            if pool.count == 0 { reasons.insert(.noNodes, at: 0) }
            let entry = Unplaced(
                shape: pending.shape, tasks: pending.tasks, missingCopies: pending.missingCopies, reasons: reasons)
            Self.append(entry, to: &unplaced)
            if largest[pending.shape].map({ $0.tasks.count < pending.tasks.count }) ?? true {
                largest[pending.shape] = pending
            }
        }
        var explanations: [Explanation] = []
        for shape in largest.keys.sorted() {
            guard let pending = largest[shape] else { continue }
            explanations.append(
                classes.explanation(
                    of: problem.shapes[shape], pool, barring: pending.bars, shapeReasons: pending.cause.reasons,
                    now: problem.now))
        }
        var outcome = PlacementOutcome(
            assignments: assignments, unplaced: unplaced, explanations: explanations, memory: memory, elapsed: .zero)
        outcome.decisions = decisions(&classes)
        return outcome
    }

    /// Neighbours with the same story become one.
    private static func append(_ entry: Unplaced, to unplaced: inout [Unplaced]) {
        if let last = unplaced.last, last.shape == entry.shape, last.tasks.upperBound == entry.tasks.lowerBound,
            last.missingCopies == entry.missingCopies, last.reasons == entry.reasons
        {
            unplaced[unplaced.count - 1].tasks = last.tasks.lowerBound..<entry.tasks.upperBound
        } else {
            unplaced.append(entry)
        }
    }
}

extension PlacementTick.Pending.Cause {
    /// What stands against the shape as a whole.
    var reasons: [ReasonCount] {
        switch self {
        case .nodes: []
        case .maxParallel: [.maxParallel]
        case .owners(let has, let needs): [.needsMoreOwners(has: has, needs: needs)]
        }
    }
}
