package import FogCore

/// Nodes that one reason keeps out.
package struct ReasonCount: Hashable, Sendable, Codable, Comparable {
    package var clause: Clause
    package var permanence: Permanence
    /// `memory`, `on battery`, `without ffmpeg`.
    package var label: String
    /// 0 for a reason that stands for the shape as a whole.
    package var nodes: Int

    package init(clause: Clause, permanence: Permanence, label: String, nodes: Int) {
        self.clause = clause
        self.permanence = permanence
        self.label = label
        self.nodes = nodes
    }

    /// Most nodes first, then the order of the checks.
    package static func < (first: ReasonCount, second: ReasonCount) -> Bool {
        if first.nodes != second.nodes { return first.nodes > second.nodes }
        if first.clause != second.clause { return first.clause < second.clause }
        if first.permanence != second.permanence { return first.permanence == .never }
        return first.label < second.label
    }
}

/// How often one clause stands in the way, whether or not others do too.
package struct ClauseCount: Hashable, Sendable, Codable {
    package var clause: Clause
    /// Nodes that fail it.
    package var nodes: Int
    /// Nodes that fail nothing else.
    package var alone: Int
}

/// One node and what it fails.
package struct NodeVerdict: Hashable, Sendable, Codable {
    package var id: NodeID
    package var name: String
    /// Empty = it can take a task now.
    package var failed: [FailedCheck]

    /// `node a: memory 2GiB, wanted 4GiB; keyboard used 12 s ago`.
    package var text: String {
        "node \(name): " + (failed.isEmpty ? "can take it now" : failed.map(\.text).joined(separator: "; "))
    }
}

/// Why tasks of a shape wait, node by node, and what would help.
package struct Explanation: Hashable, Sendable, Codable {
    /// Different words under which one clause is counted (reasons of owners, missing programs).
    package static let maxLabels = 4
    /// Nodes written out when nobody asks for more.
    package static let standardDetail = 20

    package var shape: ShapeID
    package var nodeCount: Int
    /// Nodes that could take a task now.
    package var fitting: Int
    /// Reasons of the shape as a whole first; then each node that does not fit, once. Their nodes and `fitting` add up
    /// to `nodeCount`.
    package var reasons: [ReasonCount]
    /// Every clause that any node fails, in the order of the checks.
    package var clauses: [ClauseCount]
    /// The nodes nearest to fitting, at most as many as were asked for.
    package var nodes: [NodeVerdict]
    /// `12 nodes: 7 memory, 3 on battery, 2 reputation`.
    package var headline: String
    package var advice: Advice

    /// Judges all nodes for a shape, also one whose tasks run already.
    /// - Parameter detail: the most nodes to write out.
    package static func of(
        _ shape: TaskShape, nodes: [NodeRecord], now: Timestamp, avoiding: Avoidance = Avoidance(),
        detail: Int = standardDetail
    ) -> Explanation {
        let pool = NodePool(nodes, for: [shape])
        let bars = pool.bars(avoiding)
        let survey = Survey(shape, pool, bars: bars)
        return Explanation(shape, pool, survey, bars: bars, shapeReasons: [], now: now, detail: detail)
    }

    init(
        _ shape: TaskShape, _ pool: NodePool, _ survey: Survey, bars: Bars, shapeReasons: [ReasonCount],
        now: Timestamp, detail: Int
    ) {
        let counts = survey.counts()
        self.shape = shape.id
        nodeCount = pool.count
        fitting = survey.fitting
        let whole = shapeReasons + (pool.count == 0 ? [.noNodes] : [])
        reasons = whole + counts
        clauses = Clause.allCases.sorted().compactMap { clause in
            let failing = survey.failing[clause.position]
            return failing == 0
                ? nil : ClauseCount(clause: clause, nodes: failing, alone: survey.alone[clause.position])
        }
        nodes = Self.nearest(survey, detail).map { node in
            let site = pool.site(node)
            let failed = Feasibility.failures(of: shape, on: site, now: now, barred: bars.barred(node, in: pool))
            return NodeVerdict(id: site.node.id, name: site.node.name, failed: failed)
        }
        headline = Self.headline(nodeCount, fitting, whole, counts)
        advice = Advice(shape, pool, survey, bars: bars, shapeReasons: whole, fitting: fitting, now: now)
    }

    /// Fewest checks that waiting cannot mend, then fewest others, then the id.
    private static func nearest(_ survey: Survey, _ detail: Int) -> [Int] {
        let keys = survey.verdicts.indices.map { node in
            UInt64(survey.verdicts[node].never) << 40 | UInt64(survey.verdicts[node].notNow) << 32 | UInt64(node)
        }
        return keys.sorted().prefix(max(0, detail)).map { Int($0 & 0xffff_ffff) }
    }

    private static func headline(
        _ nodeCount: Int, _ fitting: Int, _ whole: [ReasonCount], _ counts: [ReasonCount]
    ) -> String {
        var parts: [String] = []
        if fitting > 0 { parts.append("\(fitting) could take it now") }
        parts += counts.map { "\($0.nodes) \($0.label)" }
        let nodes = "\(nodeCount) node\(nodeCount == 1 ? "" : "s"): " + parts.joined(separator: ", ")
        return (whole.map(\.label) + (nodeCount == 0 ? [] : [nodes])).joined(separator: "; ")
    }

    /// As `fog job explain` prints it: headline, advice, then a line a node.
    package var lines: [String] {
        let hidden = nodeCount - nodes.count
        return [headline, advice.text] + nodes.map { "  " + $0.text }
            + (hidden > 0 ? ["  and \(hidden) node\(hidden == 1 ? "" : "s") further from fitting"] : [])
    }
}

extension ReasonCount {
    static let noNodes = ReasonCount(
        clause: .noNodes, permanence: .notNow, label: Feasibility.generalLabel(.noNodes), nodes: 0)
    static let maxParallel = ReasonCount(
        clause: .maxParallel, permanence: .notNow, label: Feasibility.generalLabel(.maxParallel), nodes: 0)

    static func needsMoreOwners(has: Int, needs: Int) -> ReasonCount {
        ReasonCount(
            clause: .needsMoreOwners, permanence: .never, label: "needs_more_owners: has \(has), needs \(needs)",
            nodes: 0)
    }
}
