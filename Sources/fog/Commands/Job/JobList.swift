internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs

/// `fog job list`: a line a job, the newest first.
struct JobList: SessionCommand {
    static let configuration = CommandConfiguration(
        "list", "Show your jobs, the newest first.",
        examples: ["fog job list", "fog job list --state running,pending --limit 500"])

    @Option(help: "Only these: pending, running, succeeded, failed, cancelled; several with commas.")
    var state: String?

    @Option(help: "Only jobs of this name.")
    var name: String?

    @Option(help: "Only jobs with this label: NAME=VALUE.")
    var label: String?

    @Option(help: "At most so many.")
    var limit = 50

    @OptionGroup var common: CommonOptions

    private static let page = 200

    private func states() throws -> [JobState] {
        try (state ?? "").split(separator: ",").map { word in
            guard let state = JobState(rawValue: String(word)) else {
                let near = nearest(to: String(word), among: JobState.allCases.map(\.rawValue))
                throw CommandLineFailure(
                    "bad_state", "a job is never `\(DisplayText.clean(word))`",
                    help: near.map { "did you mean `\($0)`?" }
                        ?? JobState.allCases.map(\.rawValue).joined(separator: ", "),
                    status: .usage)
            }
            return state
        }
    }

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit must be above 0") }
    }

    func run(_ session: Session) async throws {
        let states = try states()
        let client = try await session.client()
        var jobs: [JobBody] = []
        var before: JobID?
        repeat {
            let answer = try await client.jobs(
                states: states, name: name, label: label, before: before, limit: min(Self.page, limit - jobs.count))
            jobs += answer.jobs
            before = answer.next
        } while before != nil && jobs.count < limit
        try show(JobListBody(jobs: jobs, next: before), session)
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
