/// Which points of a front stay when not all do.
package enum Survival: String, Sendable, CaseIterable, Codable {
    /// Crowding distance: right for two or three objectives.
    case crowding
    /// The epsilon indicator: right for more.
    case indicator
    /// Reference directions (NSGA-III).
    case reference

    /// What is left of a population, the best front first.
    struct Chosen {
        var rows: [Int] = []
        /// The front of each, from 0.
        var ranks: [Int] = []
        /// Within its front: the higher, the rather it is a parent.
        var merits: [Double] = []
    }

    func choose(_ count: Int, of table: ObjectiveTable, violations: [Double], directions: [[Double]]) -> Chosen {
        var chosen = Chosen()
        for (rank, front) in NonDominatedSort.fronts(table, violations: violations).enumerated() {
            let room = count - chosen.rows.count
            guard room > 0 else { break }
            let size = min(room, front.count)
            let (rows, merits) = thinned(front, to: size, table, kept: chosen.rows, directions)
            chosen.rows += rows
            chosen.merits += merits
            chosen.ranks += rows.map { _ in rank }
        }
        return chosen
    }

    private func thinned(
        _ front: [Int], to count: Int, _ table: ObjectiveTable, kept: [Int], _ directions: [[Double]]
    ) -> ([Int], [Double]) {
        switch self {
        case .crowding: return Crowding.thinned(table, front, to: count)
        case .indicator: return EpsilonIndicator.thinned(table, front, to: count)
        case .reference:
            if count == front.count { return (front, front.map { _ in 0 }) }
            let rows = ReferenceDirections.niched(table, kept: kept, front: front, to: count, directions: directions)
            return (rows, rows.map { _ in 0 })
        }
    }
}
