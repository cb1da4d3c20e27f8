package import FogCore

/// The least that would have to change.
package struct Advice: Hashable, Sendable, Codable {
    package var text: String
    /// The check to relax; nil when waiting is enough or nothing single helps.
    package var clause: Clause?
    /// The node that would fit first.
    package var node: NodeID?
    /// What to write instead, where it is a value: `2GiB`, `120ms`.
    package var value: String?

    init(text: String, clause: Clause? = nil, node: NodeID? = nil, value: String? = nil) {
        self.text = text
        self.clause = clause
        self.node = node
        self.value = value
    }

    init(
        _ shape: TaskShape, _ pool: NodePool, _ survey: Survey, bars: Bars, shapeReasons: [ReasonCount],
        fitting: Int, now: Timestamp
    ) {
        if let whole = shapeReasons.first {
            self = Self.forShape(whole)
        } else if fitting > 0 {
            self.init(text: "nothing to change: it runs as soon as its turn comes")
        } else if let waiting = Self.waiting(shape, pool, survey, bars: bars, now: now) {
            self = waiting
        } else if let relaxation = Self.smallestRelaxation(shape, pool, survey, now: now) {
            self = relaxation
        } else {
            self.init(text: "no single change helps; the nearest nodes are listed first")
        }
    }

    private static func forShape(_ reason: ReasonCount) -> Advice {
        switch reason.clause {
        case .noNodes: Advice(text: "enrol a machine: `fog enroll create --role worker`")
        case .maxParallel: Advice(text: "wait for running tasks to end, or raise `max_parallel`", clause: .maxParallel)
        default:
            Advice(
                text:
                    "enrol machines of more owners, ask for fewer copies (`verify`), or let the operator trust a node",
                clause: .needsMoreOwners)
        }
    }

    /// When some node needs nothing but time: the one that says soonest when it is back.
    private static func waiting(
        _ shape: TaskShape, _ pool: NodePool, _ survey: Survey, bars: Bars, now: Timestamp
    ) -> Advice? {
        var best: (resumes: Int64, checks: UInt8, node: Int)?
        for (node, verdict) in survey.verdicts.enumerated() where verdict.relaxable == 0 {
            let record = pool.nodes[node]
            let resumes: Int64 =
                record.allowance.state == .open ? .max : record.allowance.resumesAt?.microseconds ?? .max
            let rank = (resumes, verdict.notNow, node)
            if best.map({ rank < ($0.resumes, $0.checks, $0.node) }) ?? true { best = rank }
        }
        guard let best else { return nil }
        let failed = Feasibility.failures(
            of: shape, on: pool.site(best.node), now: now, barred: bars.barred(best.node, in: pool))
        let record = pool.nodes[best.node]
        // Waiting may mend a bid that buys nothing, but nobody can say when.
        if failed.map(\.clause) == [.price], shape.constraints.terms.purchase != .onDemand {
            return Advice(
                text: "a higher placement.max_price, or `placement.purchase: on-demand`, would fit node \(record.name)",
                clause: .price, node: record.id)
        }
        return Advice(
            text: "nothing to change: it waits for node \(record.name) "
                + "(\(failed.map(\.text).joined(separator: "; ")))",
            node: record.id)
    }

    /// Among the nodes that one check alone keeps out, the check whose value has to move least.
    ///
    /// Amounts are compared by the share that has to go; what is not an amount counts as more than any. A node that is
    /// also busy or closed comes after those that are free.
    private static func smallestRelaxation(
        _ shape: TaskShape, _ pool: NodePool, _ survey: Survey, now: Timestamp
    ) -> Advice? {
        var best: (later: Bool, share: Double, order: Int, node: Int)?
        for (node, verdict) in survey.verdicts.enumerated() {
            guard verdict.relaxable == 1, let clause = verdict.relaxableClause,
                let share = share(of: clause, shape, pool.site(node))
            else { continue }
            let later = verdict.never + verdict.notNow > 1
            let rank = (later ? 1 : 0, share, clause.position, node)
            if best.map({ rank < ($0.later ? 1 : 0, $0.share, $0.order, $0.node) }) ?? true {
                best = (later, share, clause.position, node)
            }
        }
        guard let best, let clause = survey.verdicts[best.node].relaxableClause else { return nil }
        let requirement = Int(survey.verdicts[best.node].requirement)
        return sentence(
            clause, requirement, shape, pool.site(best.node), later: best.later, alone: survey.alone[clause.position])
    }

    /// The part of the wish that has to be given up; nil where nothing in the job can be changed.
    private static func share(of clause: Clause, _ shape: TaskShape, _ site: Feasibility.Site) -> Double? {
        func less(_ found: Int64, _ wanted: Int64) -> Double { Double(wanted - found) / Double(max(1, wanted)) }
        let demand = Amounts(shape.demand), node = site.node, wishes = shape.constraints
        switch clause {
        case .cpu: return site.total.cpu > 0 ? less(site.total.cpu, demand.cpu) : nil
        case .memory: return site.total.memory > 0 ? less(site.total.memory, demand.memory) : nil
        case .disk: return less(site.total.disk, demand.disk)
        case .gpu: return less(site.total.gpu, demand.gpu)
        case .latency: return node.latency.map { less(wishes.maxLatency?.milliseconds ?? 0, $0.milliseconds) }
        case .price:
            return less(
                (wishes.terms.sale?.askLimit ?? wishes.maxPrice)?.micro ?? 0, node.asks(for: shape.demand).core.micro)
        case .trust:
            let trust = node.trust(for: shape.demand)
            return trust.isFinite ? (wishes.minTrust - trust) / max(wishes.minTrust, 1e-9) : nil
        case .availability:
            return less(node.availability?.milliseconds ?? 0, shape.demand.time.milliseconds)
        case .profile: return allowedProfiles(node).isEmpty ? nil : 2
        case .network, .requires, .region, .exclude, .trustedOwner, .privacy, .sealed: return 2
        default: return nil
        }
    }

    private static func sentence(
        _ clause: Clause, _ requirement: Int, _ shape: TaskShape, _ site: Feasibility.Site, later: Bool, alone: Int
    ) -> Advice {
        let node = site.node, wishes = shape.constraints
        let fits = "would fit node \(node.name)" + (later ? " once it is free" : "")
        let others = alone > 1 ? " (it alone keeps \(alone) nodes out)" : ""
        func instead(_ key: String, _ value: String, _ now: String) -> Advice {
            Advice(
                text: "\(key) \(value) instead of \(now) \(fits)\(others)", clause: clause, node: node.id, value: value)
        }
        func without(_ what: String, _ value: String? = nil) -> Advice {
            Advice(text: "\(what) it \(fits)\(others)", clause: clause, node: node.id, value: value)
        }
        switch clause {
        case .cpu, .memory, .disk, .gpu:
            return instead(
                clause.rawValue, Feasibility.offer(clause, site.total),
                Feasibility.wanted(clause, Amounts(shape.demand)))
        case .latency: return instead("max_latency", "\(node.latency ?? .zero)", "\(wishes.maxLatency ?? .zero)")
        case .price where wishes.terms.purchase != .onDemand:
            return instead("placement.purchase", Purchase.onDemand.rawValue, wishes.terms.purchase.rawValue)
        case .price:
            return instead("max_price", "\(node.asks(for: shape.demand).core)", "\(wishes.maxPrice ?? .zero)")
        case .trust:
            let trust = node.trust(for: shape.demand)
            return instead("min_trust", Feasibility.decimal(trust), Feasibility.decimal(wishes.minTrust))
        case .availability:
            let stay = TimeSpan(milliseconds: max(0, node.availability?.milliseconds ?? 0)).brief
            return without("with a time of at most \(stay) (wanted \(shape.demand.time)), or sla B,", stay)
        case .requires:
            if case .protocolVersion = wishes.requires[requirement] {
                return Advice(
                    text:
                        "upgrade fog on node \(node.name): with \(wishes.requires[requirement].text) it \(fits)\(others)",
                    clause: clause, node: node.id)
            }
            return without("without requires `\(wishes.requires[requirement].text)`")
        case .region:
            let region = node.report.region
            return region.isEmpty ? without("without a region") : instead("region", region, wishes.region ?? "")
        case .profile:
            let allowed = allowedProfiles(node).joined(separator: " or ")
            return without("with the profile \(allowed) instead of \(wishes.profile)")
        case .network: return without("without `allow_hosts`")
        case .exclude: return without("without its entry in `exclude`")
        case .trustedOwner: return without("without `secrets`")
        case .privacy:
            return instead("privacy", node.report.privacy.rawValue, shape.privacy.rawValue)
        default: return without("with the job key sealed to it (`fog job reseal`)")
        }
    }

    private static func allowedProfiles(_ node: NodeRecord) -> [String] {
        let ceiling = node.allowance.profileCeiling
        return node.report.profiles.filter { ceiling?.contains($0) ?? true }
    }
}
