internal import FogCore

/// All nodes judged for one shape: each counted once, under the check that decides.
///
/// The deciding check is the first that no waiting can mend, else the first that fails: to hear "on battery" of a
/// machine that is too small would send its owner to the charger for nothing.
struct Survey {
    struct Group: Hashable {
        var clause: Clause
        var permanence: Permanence
        var label: String
    }

    /// What stands between the shape and one node.
    struct Verdict {
        /// Index into `groups`; -1 = it can take a task now.
        var group: Int32
        /// Failing checks that waiting cannot mend, and the others.
        var never: UInt8 = 0
        var notNow: UInt8 = 0
        /// Checks that a change of the job could mend: those of `never`, and a stay that is too short.
        var relaxable: UInt8 = 0
        /// The last of them, and which requirement it is; the only one when `relaxable` is 1.
        var relaxableClause: Clause?
        var requirement: Int32 = 0
    }

    private(set) var groups: [Group] = []
    private(set) var verdicts: [Verdict] = []
    /// By ``Clause/position``: nodes that fail the clause, and those that fail nothing else.
    private(set) var failing = [Int](repeating: 0, count: Clause.allCases.count)
    private(set) var alone = [Int](repeating: 0, count: Clause.allCases.count)
    private var groupIndex: [Group: Int32] = [:]

    init(_ shape: TaskShape, _ pool: NodePool, bars: Bars = Bars()) {
        verdicts.reserveCapacity(pool.count)
        let demand = Amounts(shape.demand)
        let meeting = pool.meeting(shape)
        for node in 0..<pool.count { verdicts.append(judge(node, shape, demand, pool, bars, meeting)) }
    }

    private mutating func judge(
        _ node: Int, _ shape: TaskShape, _ demand: Amounts, _ pool: NodePool, _ bars: Bars,
        _ meeting: [[Bool]]
    ) -> Verdict {
        var first: (clause: Clause, permanence: Permanence, requirement: Int)?
        var verdict = Verdict(group: -1)
        var mask: UInt32 = 0
        func count(_ clause: Clause, _ permanence: Permanence, _ requirement: Int) {
            mask |= 1 << UInt32(clause.position)
            if permanence == .never { verdict.never += verdict.never < .max ? 1 : 0 } else { verdict.notNow += 1 }
            if permanence == .never || clause == .availability {
                verdict.relaxable += verdict.relaxable < .max ? 1 : 0
                (verdict.relaxableClause, verdict.requirement) = (clause, Int32(requirement))
            }
            if first.map({ $0.permanence == .notNow && permanence == .never }) ?? true {
                first = (clause, permanence, requirement)
            }
        }
        let site = pool.site(node)
        withUnsafePointer(to: site.node) { place in
            Feasibility.findings(
                of: shape, demand: demand, on: place, total: site.total, free: site.free,
                barred: bars.barred(node, in: pool), meets: { meeting[$0][node] }, count)
        }
        if bars.onlyTrusted, !shape.trusts(site.node) { count(.needsMoreOwners, .never, 0) }
        guard let first else { return verdict }
        for position in failing.indices where mask & 1 << UInt32(position) != 0 {
            failing[position] += 1
            if mask.nonzeroBitCount == 1 { alone[position] += 1 }
        }
        verdict.group = group(first.clause, first.permanence, first.requirement, shape, site.node)
        return verdict
    }

    private mutating func group(
        _ clause: Clause, _ permanence: Permanence, _ requirement: Int, _ shape: TaskShape, _ node: NodeRecord
    ) -> Int32 {
        let group = Group(
            clause: clause, permanence: permanence,
            label: Feasibility.label(clause, permanence, requirement: requirement, of: shape, on: node))
        if let known = groupIndex[group] { return known }
        groupIndex[group] = Int32(groups.count)
        groups.append(group)
        return Int32(groups.count - 1)
    }

    /// Nodes that can take a task now.
    var fitting: Int { verdicts.reduce(0) { $0 + ($1.group < 0 ? 1 : 0) } }

    /// The nodes counted by deciding check, most first.
    func counts() -> [ReasonCount] { Self.ordered(tally(), groups) }

    /// The counts for tasks that are barred from some nodes, without judging the others again.
    func counts(barring bars: Bars, _ pool: NodePool, _ shape: TaskShape, tally plain: [Int]) -> [ReasonCount] {
        guard !bars.isEmpty else { return Self.ordered(plain, groups) }
        let added: [Group] = [Clause.triedBefore, .ownerHasCopy, .needsMoreOwners].map {
            Group(clause: $0, permanence: .never, label: Feasibility.generalLabel($0))
        }
        var counts = plain + [0, 0, 0]
        for node in bars.touched(in: pool) {
            let verdict = verdicts[node]
            // A check that no waiting can mend comes before the bars and has decided already.
            if verdict.never > 0 { continue }
            let barred = bars.barred(node, in: pool)
            guard barred.triedBefore || barred.ownerHasCopy || !shape.trusts(pool.nodes[node]) else { continue }
            if verdict.group >= 0 { counts[Int(verdict.group)] -= 1 }
            counts[groups.count + (barred.triedBefore ? 0 : barred.ownerHasCopy ? 1 : 2)] += 1
        }
        return Self.ordered(counts, groups + added)
    }

    /// Nodes by index of their group.
    func tally() -> [Int] {
        var counts = [Int](repeating: 0, count: groups.count)
        for verdict in verdicts where verdict.group >= 0 { counts[Int(verdict.group)] += 1 }
        return counts
    }

    /// Most first. Labels of one clause beyond ``Explanation/maxLabels`` are counted together under its general name:
    /// a thousand machines may be closed for a thousand reasons.
    private static func ordered(_ counts: [Int], _ groups: [Group]) -> [ReasonCount] {
        var reasons = zip(counts, groups).filter { $0.0 > 0 }
            .map { ReasonCount(clause: $1.clause, permanence: $1.permanence, label: $1.label, nodes: $0) }
        reasons.sort()
        var labels: [Clause: Int] = [:], rest: [Clause: ReasonCount] = [:]
        var out: [ReasonCount] = []
        for reason in reasons {
            labels[reason.clause, default: 0] += 1
            if labels[reason.clause, default: 0] <= Explanation.maxLabels {
                out.append(reason)
            } else if rest[reason.clause] == nil {
                rest[reason.clause] = ReasonCount(
                    clause: reason.clause, permanence: reason.permanence,
                    label: Feasibility.generalLabel(reason.clause) + " otherwise", nodes: reason.nodes)
            } else {
                rest[reason.clause]?.nodes += reason.nodes
            }
        }
        return (out + rest.values).sorted()
    }
}
