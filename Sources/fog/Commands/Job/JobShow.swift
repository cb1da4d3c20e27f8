internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs

/// `fog job show`: one job whole.
struct JobShow: SessionCommand {
    static let configuration = CommandConfiguration(
        "show", "Show one job: steps, tasks, attempts.",
        examples: ["fog job show 7fa3", "fog job show render -o json --limit 100000"])

    @Argument(help: "The job: id, unique prefix, or name.")
    var job: String

    @Option(help: "At most so many tasks and attempts.")
    var limit: Int?

    @OptionGroup var common: CommonOptions

    /// Of a large array a person wants the failures, a script more.
    private static let (tableLimit, documentLimit) = (20, 10_000)

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit must be above 0") }
    }

    func run(_ session: Session) async throws {
        let client = try await session.client()
        let job = try await client.job(job)
        let pages = JobPages(client: client, id: job.id)
        switch session.mode {
        case .quiet: session.console.print(job.id.description)
        case .json:
            let limit = limit ?? Self.documentLimit
            let (tasks, allTasks) = try await pages.tasks(limit: limit)
            let (attempts, allAttempts) = try await pages.attempts(limit: limit)
            let document = try Documents.document(of: job)
            session.console.print(
                Documents.adding(
                    [
                        "task_list": .array(try tasks.map { try Documents.document(of: $0) }),
                        "attempts": .array(try attempts.map { try Documents.document(of: $0) }),
                        "is_whole": .bool(allTasks && allAttempts),
                    ], to: document))
        case .table:
            session.console.print(sheet(job, session.now))
            if job.steps.count > 1 {
                session.console.print(
                    "\n" + steps(job).text(width: session.console.width, style: session.console.style), terminator: "")
            }
            try await showTasks(job, pages, session)
        }
    }

    private func sheet(_ job: JobBody, _ now: Timestamp) -> Sheet {
        var sheet = Sheet()
        sheet.add("id", job.id.description)
        sheet.add("name", job.name)
        sheet.add("state", job.state.rawValue, job.state.tone)
        sheet.add("held", job.held, .warning)
        sheet.add("cancelled", job.cancelReason, .warning)
        sheet.add("tasks", "\(Human.count(job.tasks)) (\(Human.counts(job.counts)))")
        sheet.add(
            "labels", job.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " "))
        sheet.add("submitted", "\(Human.age(of: job.submittedAt, at: now)) ago (\(job.submittedAt.plain))")
        sheet.add("waited", job.startedAt.map { ($0 - job.submittedAt).brief })
        sheet.add("ran", Human.ran(from: job.startedAt, to: job.finishedAt, at: now))
        sheet.add("spent", "\(job.spent) of \(job.budget) credits")
        sheet.add("kept", job.keptUntil.map { "until \($0.plain)" })
        sheet.add("deadline", job.deadlineMissed ? "missed" : nil, .warning)
        return sheet
    }

    private func steps(_ job: JobBody) -> Table {
        var table = Table([.init("STEP"), .init("TASKS", right: true), .init("NUMBERS"), .init("STATES", yields: true)])
        for step in job.steps {
            let last = step.base + max(1, step.count) - 1
            table.add([
                Table.Cell(step.name), "\(step.count)",
                Table.Cell(step.count > 1 ? "\(step.base)-\(last)" : "\(step.base)"),
                Table.Cell(Human.counts(step.counts)),
            ])
        }
        return table
    }

    private func showTasks(_ job: JobBody, _ pages: JobPages, _ session: Session) async throws {
        let limit = limit ?? Self.tableLimit
        // Of many tasks those that went wrong come first, for they are why one looks.
        let isLarge = job.tasks > limit
        let (failed, _) = isLarge ? try await pages.tasks(limit: limit, states: [.failed, .held]) : ([], true)
        let (first, isWhole) = try await pages.tasks(limit: limit)
        let tasks = Array((failed + first.filter { row in !failed.contains { $0.number == row.number } }).prefix(limit))
        guard !tasks.isEmpty else { return }
        var table = Table([
            .init("TASK", right: true), .init("STATE"), .init("TRY", right: true), .init("OUTCOME"),
            .init("NODE", yields: true),
            .init("RAN", right: true), .init("PAID", right: true), .init("DETAIL", yields: true),
        ])
        for task in tasks {
            let attempt = try await pages.attempts(task: task.number, limit: 1000).attempts.last
            table.add(row(task, attempt, session.now))
        }
        session.console.print(
            "\n" + table.text(width: session.console.width, style: session.console.style), terminator: "")
        if isLarge || !isWhole {
            session.console.note("\(tasks.count) of \(Human.count(job.tasks, "task")); --limit N shows more")
        }
    }

    private func row(_ task: TaskBody, _ attempt: AttemptBody?, _ now: Timestamp) -> [Table.Cell] {
        var end = attempt?.outcome?.rawValue ?? attempt?.state.rawValue ?? ""
        if let code = attempt?.exitCode, code != 0 { end += " \(code)" }
        if let signal = attempt?.signal { end += " signal \(signal)" }
        let detail =
            task.heldReason ?? attempt?.detail ?? task.notBefore.map { "again \(Human.age(of: $0, at: now))" } ?? ""
        return [
            "\(task.number)", Table.Cell(task.state.rawValue, task.state.tone), "\(task.token)", Table.Cell(end),
            Table.Cell(attempt?.nodeName ?? attempt?.node.short ?? ""),
            Table.Cell(Human.ran(from: attempt?.grantedAt, to: attempt?.endedAt, at: now)),
            Table.Cell(attempt.map { $0.paid == .zero ? "" : $0.paid.description } ?? ""), Table.Cell(detail),
        ]
    }
}
