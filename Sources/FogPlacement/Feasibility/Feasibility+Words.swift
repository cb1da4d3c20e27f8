internal import FogCore

extension Feasibility {
    /// A finding in words.
    static func check(
        _ clause: Clause, _ permanence: Permanence, requirement: Int, of shape: TaskShape, on site: Site,
        now: Timestamp
    ) -> FailedCheck {
        let node = site.node, constraints = shape.constraints
        func failed(_ found: String, _ wanted: String) -> FailedCheck {
            FailedCheck(clause, permanence, found: found, wanted: wanted)
        }
        switch clause {
        case .nodeState: return failed(stateWords(node.state, now: now), NodeState.ready.word)
        case .allowance: return failed(allowanceWords(node.allowance, now: now), "open")
        case .submitter:
            return failed("its owner does not take work of \(shape.submitter ?? "the submitter")", "an owner who does")
        case .profile: return failed(profileWords(constraints.profile, node), constraints.profile)
        case .network:
            return failed("its owner lets no task reach the network", "an owner whose policy says network: allow")
        case .cpu, .memory, .disk, .gpu:
            return failed(
                amountWords(clause, permanence, site), wanted(clause, Amounts(shape.demand)))
        case .slots: return failed("0 free", "1")
        case .requires:
            let wanted = constraints.requires[requirement]
            return failed(requirementWords(wanted, node), wanted.text)
        case .region:
            return failed(node.report.region.isEmpty ? "unknown" : node.report.region, constraints.region ?? "")
        case .latency:
            return failed(
                node.latency.map(\.description) ?? "not measured yet", "at most \(constraints.maxLatency ?? .zero)")
        case .price:
            return priceWords(shape, node).map { failed($0.found, $0.wanted) }
                ?? failed(
                    "\(node.asks(for: shape.demand).core) a core-hour", "at most \(constraints.maxPrice ?? .zero)")
        case .trust: return failed(decimal(node.trust(for: shape.demand)), "at least \(decimal(constraints.minTrust))")
        case .exclude:
            let byName = constraints.exclude.contains(node.name)
            return failed("excluded by the job (\(byName ? node.name : "owner:" + node.owner))", "not excluded")
        case .trustedOwner:
            return failed("owner \(node.owner) is not trusted with the job's secrets", "a trusted owner")
        case .privacy: return failed(node.report.privacy.rawValue, "\(shape.privacy) or higher")
        case .sealed: return failed("the job key is not sealed to it", "sealed")
        case .availability:
            return failed("about \((node.availability ?? .zero).brief) left", shape.demand.time.description)
        case .triedBefore: return failed("the task failed here before", "another node")
        case .ownerHasCopy: return failed("owner \(node.owner) has a copy already", "another owner")
        case .needsMoreOwners, .maxParallel, .noNodes: return failed("", "")
        }
    }

    /// A name under which nodes are counted together: `memory`, `memory busy`, `on battery`, `without ffmpeg`.
    static func label(
        _ clause: Clause, _ permanence: Permanence, requirement: Int, of shape: TaskShape, on node: NodeRecord
    ) -> String {
        switch clause {
        case .nodeState: node.state.word
        case .allowance: node.allowance.reason.isEmpty ? generalLabel(.allowance) : node.allowance.reason
        case .requires: "without \(shape.constraints.requires[requirement].text)"
        case .cpu, .memory, .disk, .gpu: permanence == .never ? clause.rawValue : clause.rawValue + " busy"
        case .latency: permanence == .never ? "latency" : "latency not measured"
        default: generalLabel(clause)
        }
    }

    /// The clause's own name, whatever the node.
    static func generalLabel(_ clause: Clause) -> String {
        switch clause {
        case .nodeState: "not ready"
        case .allowance: "closed by the owner"
        case .submitter: "closed to the submitter by the owner"
        case .network: "no network by the owner's policy"
        case .slots: "no free slot"
        case .requires: "missing requirement"
        case .trust: "reputation"
        case .exclude: "excluded"
        case .trustedOwner: "owner not trusted with secrets"
        case .privacy: "no work of this privacy level"
        case .sealed: "job key not sealed"
        case .availability: "leaving too soon"
        case .triedBefore: "failed there before"
        case .ownerHasCopy: "owner has a copy"
        case .needsMoreOwners: "too few owners"
        case .maxParallel: "max_parallel reached"
        case .noNodes: "no node is enrolled"
        case .profile, .cpu, .memory, .disk, .gpu, .region, .latency, .price: clause.rawValue
        }
    }

    /// What a job asks, as its manifest says it: `512MiB`, `0.5`, `2`.
    static func wanted(_ clause: Clause, _ amounts: Amounts) -> String { quantity(clause, amounts, \.description) }

    /// What a machine has, as people read it: `21.2GiB`. Rounded down, so that it never seems to be enough.
    static func found(_ clause: Clause, _ amounts: Amounts) -> String { quantity(clause, amounts, \.brief) }

    /// What a manifest may ask instead: a whole number of GiB, or of MiB where that would be coarse.
    static func offer(_ clause: Clause, _ amounts: Amounts) -> String {
        quantity(clause, amounts) { size in
            let unit: Int64 = size >= .gibibytes(8) ? 1 << 30 : size >= .mebibytes(1) ? 1 << 20 : 1
            return ByteCount(size.bytes / unit * unit).description
        }
    }

    private static func quantity(_ clause: Clause, _ amounts: Amounts, _ words: (ByteCount) -> String) -> String {
        switch clause {
        case .cpu: Millicores(amounts.cpu).description
        case .memory: words(ByteCount(amounts.memory))
        case .disk: words(ByteCount(amounts.disk))
        default: String(amounts.gpu)
        }
    }

    /// To three places: no Foundation here, and trust is not finer.
    static func decimal(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e6 else { return "\(value)" }
        // Rounded down, so that 0.8999 never reads 0.9; the summand undoes what 0.57 x 1000 loses in binary.
        let thousandths = Int64((value * 1000 + 1e-6).rounded(.down))
        return Millicores(thousandths).description
    }

    /// Of what is not bought at what each machine asks.
    private static func priceWords(_ shape: TaskShape, _ node: NodeRecord) -> (found: String, wanted: String)? {
        let terms = shape.constraints.terms
        guard let sale = terms.sale else {
            return terms.unsold.map { ($0, "a sale (`placement.purchase: \(terms.purchase.rawValue)`)") }
        }
        if let winner = sale.node, winner != node.id { return ("of another node won the auction", "the least") }
        let asked = terms.asks(of: node, for: shape.demand).coreEquivalent(in: sale.usual)
        return (
            "\(asked) a core-hour with its memory",
            "at most \(sale.askLimit), at which \(terms.purchase.rawValue) sells"
        )
    }

    private static func stateWords(_ state: NodeState, now: Timestamp) -> String {
        guard case .probation(let until) = state, until > now else { return state.word }
        return "\(state.word) for \((until - now).brief)"
    }

    private static func allowanceWords(_ allowance: Allowance, now: Timestamp) -> String {
        let reason = allowance.reason.isEmpty ? allowance.state.rawValue : allowance.reason
        guard let resumes = allowance.resumesAt, resumes > now else { return reason }
        return "\(reason) (resumes in \((resumes - now).brief))"
    }

    private static func profileWords(_ profile: String, _ node: NodeRecord) -> String {
        if node.report.profiles.contains(profile) {
            return "only \((node.allowance.profileCeiling ?? []).joined(separator: ", ")) by the owner's choice"
        }
        let missing = node.report.missingIsolation
        let reason = missing.isEmpty ? "" : " (cannot: \(missing.joined(separator: ", ")))"
        return "only \(node.report.profiles.joined(separator: ", "))\(reason)"
    }

    private static func amountWords(_ clause: Clause, _ permanence: Permanence, _ site: Site) -> String {
        guard permanence == .never else { return "\(found(clause, site.free)) free now" }
        let report = site.node.report
        let machine = Amounts(
            cpu: report.cpu, memory: report.memory, disk: report.disk, gpu: report.gpu, slots: 0)
        let own = found(clause, machine), allowed = found(clause, site.total)
        return own == allowed ? own : "\(allowed) of \(own) by the owner's cap"
    }

    private static func requirementWords(_ requirement: Requirement, _ node: NodeRecord) -> String {
        switch requirement {
        case .architecture, .machine: return "arch:\(node.report.architecture)"
        case .volume:
            return node.report.volumes.isEmpty
                ? "no volumes" : "volumes \(node.report.volumes.joined(separator: ", "))"
        case .protocolVersion: return "node \(node.name) speaks protocol \(node.report.protocolVersion)"
        case .label:
            return node.report.labels.isEmpty
                ? "no labels" : "labels \(node.report.labels.sorted().joined(separator: ", "))"
        case .node: return "node:\(node.name)"
        case .owner: return "owner:\(node.owner)"
        case .program(let name, _, _):
            guard let version = node.report.programs[name] else { return "no \(name)" }
            return version.isEmpty ? "\(name) of unknown version" : "\(name) \(version)"
        }
    }
}
