package import FogCore

/// The seam: a problem in, an outcome out.
///
/// Pure but for the clock, which only bounds and measures: equal problems have equal outcomes (`elapsed` apart), unless a
/// search is ended by the budget before it is done.
/// Cost: shapes x nodes, and then about one step for each range that is given out.
package enum Placement {
    package static func place(_ problem: PlacementProblem, clock: any FogClock) -> PlacementOutcome {
        let start = clock.sinceBoot
        var tick = PlacementTick(problem)
        let budget = problem.wallBudget
        tick.placeAll { clock.sinceBoot - start >= budget }
        var outcome = tick.outcome()
        outcome.elapsed = clock.sinceBoot - start
        return outcome
    }

    /// Whether answering takes a search, which may use all of the budget.
    package static func needsSearch(_ problem: PlacementProblem) -> Bool {
        JointWindow.first(in: problem) != nil
    }
}
