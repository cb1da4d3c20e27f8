internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs

/// `fog node`: the machines.
struct NodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "node", "See and steer the machines.", examples: ["fog node list", "fog node drain lab-7"],
        subcommands: [
            NodeList.self, NodeShow.self, NodeCordon.self, NodeDrain.self, NodeResume.self, NodeLabel.self,
            NodeTrust.self,
            NodeDistrust.self,
        ])
}

/// `fog node list`: a line a machine.
struct NodeList: SessionCommand {
    static let configuration = CommandConfiguration(
        "list", "Show the machines and why they take no work.", examples: ["fog node list", "fog node list -o json"])

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let list = try await session.client().nodes()
        switch session.mode {
        case .json: session.console.print(try Documents.document(of: list))
        case .quiet: for node in list.nodes { session.console.print(node.id.description) }
        case .table:
            guard !list.nodes.isEmpty else {
                return session.console.note("no machines; `fog enroll create --role worker` prints how one joins")
            }
            session.console.print(table(list.nodes, session.now))
        }
    }

    private func table(_ nodes: [NodeBody], _ now: Timestamp) -> Table {
        var table = Table([
            .init("ID"), .init("NAME", yields: true), .init("OWNER", yields: true), .init("STATE"),
            .init("TASKS", right: true), .init("CPU", right: true), .init("MEMORY", right: true),
            .init("SEEN", right: true),
            .init("CLOSED", yields: true),
        ])
        for node in nodes {
            table.add([
                Table.Cell(node.id.short), Table.Cell(node.name), Table.Cell(node.owner), node.stateCell,
                "\(node.leases)", Table.Cell(node.report.cpu.description), Table.Cell(node.report.memory.brief),
                Table.Cell(Human.age(of: node.lastSeen, at: now)), Table.Cell(node.closed ?? ""),
            ])
        }
        return table
    }
}

extension NodeBody {
    /// Liveness, and the operator's word where it is not the ordinary one.
    fileprivate var stateCell: Table.Cell {
        let words = standing == .active ? liveness : "\(liveness), \(standing.rawValue)"
        let tone: Tone =
            switch liveness {
            case "live": closed == nil ? .good : .plain
            case "suspect": .warning
            case "lost": .bad
            default: .faint
            }
        return Table.Cell(words, tone)
    }
}

/// `fog node show`: one machine whole.
struct NodeShow: SessionCommand {
    static let configuration = CommandConfiguration(
        "show", "Show one machine.", examples: ["fog node show lab-7", "fog node show 3k9 -o json"])

    @Argument(help: "The machine: id, unique prefix, or name.")
    var node: String

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let node = try await session.client().node(node)
        try session.show(node, id: node.id.description) { session.console.print(sheet(node, session.now)) }
    }

    private func sheet(_ node: NodeBody, _ now: Timestamp) -> Sheet {
        let report = node.report
        var sheet = Sheet()
        sheet.add("id", node.id.description)
        sheet.add("name", node.name)
        sheet.add("owner", node.owner + (node.trusted ? " (trusted)" : ""))
        sheet.add("stays", node.expectedStay.map { "about \($0.brief), as its owner has lent it so far" })
        sheet.add("trust", node.trust.map { Human.share($0) + (node.trusted ? ", by the operator's word" : "") })
        for part in node.reputation ?? [] { add(part, to: &sheet, now) }
        sheet.add("state", node.stateCell.text)
        sheet.add("closed", node.closed, .warning)
        sheet.add("allowance", node.allowance.map { "\($0.state.rawValue): \($0.reason)" })
        sheet.add(
            "network", node.allowance?.network == true ? "tasks reach the hosts that their jobs name" : nil)
        sheet.add("slots", node.allowance.map { "\($0.slots), \(node.leases) in use" })
        sheet.add("cpu", "\(report.cpu) cores, \(report.architecture)")
        sheet.add("memory", report.memory.brief)
        sheet.add("disk", report.disk.brief)
        sheet.add("gpu", report.gpu > 0 ? "\(report.gpu)" : nil)
        sheet.add("mobile", report.isMobile ? "yes: a battery, or a mobile network" : nil)
        sheet.add(
            "private work",
            report.privacy == .public
                ? "none" : "up to \(report.privacy)" + (report.mix.map { ", reached through the mixnet (\($0))" } ?? "")
        )
        sheet.add("region", report.region)
        sheet.add("labels", report.labels.joined(separator: ", "))
        sheet.add("given", node.labelText)
        sheet.add("volumes", report.volumes.joined(separator: ", "))
        sheet.add("profiles", report.profiles.joined(separator: ", "))
        sheet.add("lacks", report.missingIsolation.joined(separator: "; "), .warning)
        let programs = report.programs.sorted { $0.key < $1.key }.map {
            $0.value.isEmpty ? $0.key : "\($0.key) \($0.value)"
        }
        sheet.add("programs", programs.joined(separator: ", "))
        sheet.add("software", "\(report.software), protocol \(report.protocolVersion)")
        sheet.add("enrolled", "\(Human.age(of: node.enrolledAt, at: now)) ago")
        sheet.add("seen", "\(Human.age(of: node.lastSeen, at: now)) ago")
        sheet.add("probation", node.probationUntil.map { "until \($0.plain)" })
        return sheet
    }
}

extension NodeShow {
    /// A score taken apart: what was counted, what is left of it, what would change it.
    private func add(_ part: ReputationBody, to sheet: inout Sheet, _ now: Timestamp) {
        sheet.add(
            "earned",
            "\(Human.share(part.earned)) on \(part.capability): the lower bound of \(Human.share(part.expectation)) with "
                + "\(Human.share(part.good)) good and \(Human.share(part.bad)) bad")
        let kinds = part.kinds.map { kind in
            let weight = kind.good - kind.bad
            let words = kind.verdict.split(separator: "_").joined(separator: " ")
            let each = weight == 0 ? "0" : "\(weight > 0 ? "+" : "-")\(Human.share(abs(weight)))"
            return "\(kind.count) \(words) (\(each) each)"
        }
        sheet.add("counted", kinds.joined(separator: ", "))
        sheet.add(
            "fades",
            part.asOf.map {
                "good by half in \(part.goodHalfLifeSeconds / 86_400) d, bad in \(part.badHalfLifeSeconds / 86_400) d; "
                    + "last changed \(Human.age(of: $0, at: now)) ago"
            })
        sheet.add(
            "in a row",
            "\(part.validInARow) right; a stranger's result is compared with a chance of \(Human.share(part.chanceOfCopy))"
        )
        for line in part.advice { sheet.add("raised by", line) }
    }
}

/// `fog node cordon`: no new work.
struct NodeCordon: SessionCommand {
    static let configuration = CommandConfiguration(
        "cordon", "Give machines no new work; what runs there ends in its own time.",
        examples: ["fog node cordon lab-7", "fog node cordon lab-7 lab-8"])

    @Argument(help: "Machines: ids, unique prefixes, or names.")
    var nodes: [String]

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws { try await NodeChange.apply("cordon", to: nodes, session) }
}

/// `fog node drain`: no new work, and what runs moves on.
struct NodeDrain: SessionCommand {
    static let configuration = CommandConfiguration(
        "drain", "Empty machines: no new work, and what runs there runs again elsewhere.",
        examples: ["fog node drain lab-7", "fog node drain lab-7 lab-8"])

    @Argument(help: "Machines: ids, unique prefixes, or names.")
    var nodes: [String]

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws { try await NodeChange.apply("drain", to: nodes, session) }
}

/// `fog node resume`: the opposite of cordon and drain.
struct NodeResume: SessionCommand {
    static let configuration = CommandConfiguration(
        "resume", "Give machines work again.", examples: ["fog node resume lab-7", "fog node resume lab-7 lab-8"])

    @Argument(help: "Machines: ids, unique prefixes, or names.")
    var nodes: [String]

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws { try await NodeChange.apply("resume", to: nodes, session) }
}

private enum NodeChange {
    static func apply(_ verb: String, to nodes: [String], _ session: Session) async throws {
        let client = try await session.client()
        for reference in nodes {
            let node = try await client.node(reference, verb)
            try session.show(node, id: node.id.description) {
                session.console.print(
                    "node \(node.id.short) (\(DisplayText.clean(node.name))) is \(node.standing.rawValue), "
                        + "\(Human.count(node.leases, "task")) there")
            }
        }
    }
}
