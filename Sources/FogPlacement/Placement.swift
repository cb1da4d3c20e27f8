package import FogCore

/// The seam: a problem in, an outcome out.
///
/// Pure but for the clock, which only bounds and measures: equal problems have equal outcomes (`elapsed` apart).
/// Cost: shapes x nodes, and then about one step for each range that is given out.
package enum Placement {
    package static func place(_ problem: PlacementProblem, clock: any FogClock) -> PlacementOutcome {
        let start = clock.sinceBoot
        var tick = PlacementTick(problem)
        tick.placeAll()
        var outcome = tick.outcome()
        outcome.elapsed = clock.sinceBoot - start
        return outcome
    }
}
