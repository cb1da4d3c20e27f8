package import FogAPI
package import FogCore
internal import FogJobs

/// What a pool does now, as `fog top` shows it: rates, queues by account, machines, running tasks.
package struct TopScreen: Sendable {
    /// One look at the pool.
    package struct Look: Sendable {
        package var overview: OverviewBody
        package var nodes: [NodeBody]
        /// By a clock that never goes back.
        package var at: TimeSpan

        package init(overview: OverviewBody, nodes: [NodeBody], at: TimeSpan) {
            self.overview = overview
            self.nodes = nodes
            self.at = at
        }
    }

    /// Rates are those of the last so long.
    private static let window = TimeSpan.seconds(30)

    private var looks: [Look] = []

    package init() {}

    package mutating func add(_ look: Look) {
        // A coordinator that was started anew counts from 0.
        if let last = looks.last, look.overview.granted < last.overview.granted { looks = [] }
        looks.append(look)
        while looks.count > 2, looks[0].at < look.at - Self.window { looks.removeFirst() }
    }

    // MARK: Figures

    /// Leases granted and results accepted a second; nil until there were two looks.
    package var rates: (granted: Double, accepted: Double)? {
        guard let first = looks.first, let last = looks.last, last.at > first.at else { return nil }
        let seconds = (last.at - first.at).seconds
        return (
            Double(last.overview.granted - first.overview.granted) / seconds,
            Double(last.overview.accepted - first.overview.accepted) / seconds
        )
    }

    private func header(_ look: Look) -> String {
        var states: [String: Int] = [:]
        for node in look.nodes { states[node.liveness, default: 0] += 1 }
        let machines = ["live", "suspect", "lost", "offline"].compactMap { word in states[word].map { "\($0) \(word)" }
        }
        let tasks = look.overview.queues.reduce(TaskCounts()) { $0 + $1.counts }
        let rate = rates.map { "\(Human.rate($0.granted)) granted, \(Human.rate($0.accepted)) accepted" }
        return """
            machines: \(machines.isEmpty ? "none" : machines.joined(separator: ", "))
            tasks: \(tasks.out) out, \(tasks[.ready]) ready, \(tasks[.blocked]) blocked, \(tasks[.backoff]) back off, \
            \(tasks[.held]) held
            rates: \(rate ?? "known at the next look")

            """
    }

    // MARK: For people

    /// The screen; cut to the height when there is one, with a word about what is cut.
    package func text(width: Int? = nil, height: Int? = nil, style: Style = Style(usesColor: false)) -> String {
        guard let look = looks.last else { return "" }
        var out = header(look)
        for (title, table) in [
            ("QUEUES", queues(look)), ("MACHINES", machines(look)), ("RUNNING", running(look)),
        ] where !table.isEmpty {
            out += "\n\(style.apply(.faint, to: title))\n" + table.text(width: width, style: style)
        }
        guard let height else { return out }
        let lines = out.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count > height else { return out }
        return lines.prefix(max(1, height - 1)).joined(separator: "\n") + "\n… \(lines.count - height + 1) more lines"
    }

    private func queues(_ look: Look) -> Table {
        var table = Table([
            .init("ACCOUNT", yields: true), .init("JOBS", right: true), .init("OUT", right: true),
            .init("READY", right: true), .init("BLOCKED", right: true), .init("HELD", right: true),
            .init("DONE", right: true),
        ])
        for queue in look.overview.queues {
            table.add([
                Table.Cell(queue.name), "\(queue.jobs)", "\(queue.counts.out)", "\(queue.counts[.ready])",
                "\(queue.counts[.blocked] + queue.counts[.backoff])",
                Table.Cell(
                    queue.held + queue.counts[.held] == 0 ? "" : "\(queue.held + queue.counts[.held])", .warning),
                "\(queue.counts.final)",
            ])
        }
        return table
    }

    private func machines(_ look: Look) -> Table {
        var table = Table([
            .init("NAME", yields: true), .init("STATE"), .init("ALLOWANCE"), .init("TASKS", right: true),
            .init("CPU", right: true), .init("MEMORY", right: true), .init("SEEN", right: true),
            .init("WHY", yields: true),
        ])
        for node in look.nodes {
            let tone: Tone =
                switch node.liveness {
                case "live": node.closed == nil ? .good : .plain
                case "suspect": .warning
                case "lost": .bad
                default: .faint
                }
            table.add([
                Table.Cell(node.name),
                Table.Cell(
                    node.standing == .active ? node.liveness : "\(node.liveness), \(node.standing.rawValue)", tone),
                Table.Cell(node.allowance?.state.rawValue ?? ""),
                Table.Cell(node.allowance.map { "\(node.leases)/\($0.slots)" } ?? "\(node.leases)"),
                Table.Cell((node.allowance?.cpuCap ?? node.report.cpu).description),
                Table.Cell((node.allowance?.memoryCap ?? node.report.memory).brief),
                Table.Cell(Human.age(of: node.lastSeen, at: look.overview.time)),
                Table.Cell(node.closed ?? node.allowance?.reason ?? ""),
            ])
        }
        return table
    }

    private func running(_ look: Look) -> Table {
        var table = Table([
            .init("TASK"), .init("JOB", yields: true), .init("STATE"), .init("FOR", right: true),
            .init("MACHINE", yields: true),
        ])
        for task in look.overview.running {
            table.add([
                Table.Cell("\(task.attempt.task.job.short).\(task.attempt.task.number)"), Table.Cell(task.job),
                Table.Cell(task.state.rawValue), Table.Cell(Human.age(of: task.since, at: look.overview.time)),
                Table.Cell(task.node),
            ])
        }
        return table
    }

    // MARK: For programs

    /// - Throws: what encoding throws.
    package func document() throws -> JSON {
        guard let look = looks.last else { return .null }
        return .object([
            "overview": try Documents.document(of: look.overview),
            "nodes": try Documents.document(of: NodeListBody(nodes: look.nodes))["nodes"] ?? .null,
            "granted_per_second": rates.map { .double($0.granted) },
            "accepted_per_second": rates.map { .double($0.accepted) },
        ])
    }
}
