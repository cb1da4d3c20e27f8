internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs

/// `fog job list`: a line a job, the newest first.
struct JobList: SessionCommand {
    static let configuration = CommandConfiguration(
        "list", "Show your jobs, the newest first.",
        examples: ["fog job list", "fog job list --state running,pending --limit 500", "fog job list --account ada"])

    @OptionGroup var filter: JobFilterOptions

    @Option(help: "At most so many.")
    var limit = 50

    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit must be above 0") }
    }

    func run(_ session: Session) async throws {
        try show(try await filter.jobs(try await session.client(), limit: limit), session)
    }

    private func show(_ list: JobListBody, _ session: Session) throws {
        switch session.mode {
        case .json: session.console.print(try Documents.document(of: list))
        case .quiet: for job in list.jobs { session.console.print(job.id.description) }
        case .table:
            guard !list.jobs.isEmpty else { return session.console.note("no jobs; `fog run -- echo hi` makes one") }
            var table = Table([
                .init("ID"), .init("NAME", yields: true), .init("STATE"), .init("DONE", right: true),
                .init("FAILED", right: true), .init("AGE", right: true), .init("RAN", right: true),
                .init("HELD", yields: true),
            ])
            let now = session.now
            for job in list.jobs {
                table.add([
                    Table.Cell(job.id.short), Table.Cell(job.name), Table.Cell(job.state.rawValue, job.state.tone),
                    "\(job.counts.final)/\(job.tasks)",
                    Table.Cell(job.counts[.failed] == 0 ? "" : "\(job.counts[.failed])", .bad),
                    Table.Cell(Human.age(of: job.submittedAt, at: now)),
                    Table.Cell(Human.ran(from: job.startedAt, to: job.finishedAt, at: now)),
                    Table.Cell(job.held ?? "", .warning),
                ])
            }
            session.console.print(table)
            if list.next != nil { session.console.note("there are more: --limit N") }
        }
    }
}
