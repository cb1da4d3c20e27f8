internal import FogCore

/// Shapes that ask the same share one list of nodes (Borg's equivalence classes, Verma et al. 2015, section 3.4).
struct ShapeClasses {
    private struct Key: Hashable {
        var demand: ResourceRequest
        var constraints: PlacementConstraints
        var sla: SLAClass
        var isPrivate: Bool
        var privacy: PrivacyLevel
        var sealedTo: Set<NodeID>

        init(_ shape: TaskShape) {
            demand = shape.demand
            constraints = shape.constraints
            sla = shape.sla
            isPrivate = shape.isPrivate
            privacy = shape.privacy
            sealedTo = shape.sealedTo
        }
    }

    private struct Nodes {
        /// May take a task now, or might if they were not busy; in the order of their ids.
        var candidates: [Int32] = []
        /// Might some day: nothing stands in the way that waiting cannot mend.
        var possible: [Int32] = []
    }

    private var nodes: [Key: Nodes] = [:]
    private var surveys: [Key: (survey: Survey, tally: [Int])] = [:]
    private var explanations: [ExplanationKey: Explanation] = [:]

    private struct ExplanationKey: Hashable {
        var key: Key
        var submitter: String?
        var bars: Bars
        var shapeReasons: [ReasonCount]
    }

    init() {}

    mutating func candidates(for shape: TaskShape, _ pool: NodePool) -> [Int32] { find(shape, pool).candidates }

    /// Different owners that might run copies some day, and whether a trusted node is among them.
    mutating func owners(for shape: TaskShape, _ pool: NodePool, barring bars: Bars) -> (count: Int, hasTrusted: Bool) {
        var seen: Set<Int32> = []
        var trusted = false
        for node in find(shape, pool).possible where bars.admit(Int(node), in: pool, for: shape) {
            seen.insert(pool.owner(of: Int(node)))
            trusted = trusted || shape.trusts(pool.nodes[Int(node)])
        }
        return (seen.count, trusted)
    }

    private mutating func find(_ shape: TaskShape, _ pool: NodePool) -> Nodes {
        let key = Key(shape)
        if let known = nodes[key] { return known }
        let demand = Amounts(shape.demand), meeting = pool.meeting(shape)
        var found = Nodes()
        found.candidates.reserveCapacity(pool.count)
        found.possible.reserveCapacity(pool.count)
        pool.nodes.withUnsafeBufferPointer { nodes in
            guard let first = nodes.baseAddress else { return }
            for node in 0..<pool.count {
                var possible = true, candidate = true
                Feasibility.findings(
                    of: shape, demand: demand, on: first + node, total: pool.totals[node], free: pool.free[node],
                    barred: Feasibility.Barred(), meets: { meeting[$0][node] }
                ) { clause, permanence, _ in
                    if permanence == .never { possible = false }
                    // Amounts are counted while tasks are given out.
                    if permanence == .never || !(Clause.cpu...Clause.slots).contains(clause) { candidate = false }
                }
                if candidate { found.candidates.append(Int32(node)) }
                if possible { found.possible.append(Int32(node)) }
            }
        }
        nodes[key] = found
        return found
    }

    /// All nodes judged against a shape, with what the pool has left. For the end of a tick: kept by class.
    private mutating func survey(_ shape: TaskShape, _ pool: NodePool) -> (survey: Survey, tally: [Int]) {
        let key = Key(shape)
        if let known = surveys[key] { return known }
        let survey = Survey(shape, pool)
        surveys[key] = (survey, survey.tally())
        return (survey, survey.tally())
    }

    /// Why tasks of the shape wait, counted over the nodes.
    mutating func reasons(for shape: TaskShape, _ pool: NodePool, barring bars: Bars) -> [ReasonCount] {
        let (survey, tally) = survey(shape, pool)
        return survey.counts(barring: bars, pool, shape, tally: tally)
    }

    /// The same node by node; shapes of one class have it in common.
    mutating func explanation(
        of shape: TaskShape, _ pool: NodePool, barring bars: Bars, shapeReasons: [ReasonCount], now: Timestamp
    ) -> Explanation {
        let key = ExplanationKey(
            key: Key(shape), submitter: shape.submitter, bars: bars, shapeReasons: shapeReasons)
        if var known = explanations[key] {
            known.shape = shape.id
            return known
        }
        let explanation = Explanation(
            shape, pool, bars.isEmpty ? survey(shape, pool).survey : Survey(shape, pool, bars: bars), bars: bars,
            shapeReasons: shapeReasons, now: now, detail: Explanation.standardDetail)
        explanations[key] = explanation
        return explanation
    }
}
