internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore

/// `fog job logs`: what tasks wrote.
struct JobLogs: SessionCommand {
    static let configuration = CommandConfiguration(
        "logs", "Print what a job's tasks wrote.",
        examples: ["fog job logs 7fa3 -f", "fog job logs sweep --task 17 --stderr"],
        more: "Of several tasks each line stands behind the task's number; with --output json each is a document.")

    @Argument(help: "The job: id, unique prefix, or name.")
    var job: String

    @Option(name: .shortAndLong, help: "One task alone, by its number.")
    var task: UInt32?

    @Flag(name: .shortAndLong, help: "Go on until the end.")
    var follow = false

    @Flag(help: "Standard error alone.")
    var stderr = false

    @Flag(help: "Standard output alone.")
    var stdout = false

    @Option(help: "The attempt with this number (its token); without: the one that succeeded, else the newest.")
    var attempt: UInt32?

    @OptionGroup var common: CommonOptions

    /// Tasks that are printed without being asked for one by one.
    private static let maxTasks = 10_000

    func validate() throws {
        guard attempt == nil || task != nil else { throw ValidationError("--attempt needs --task") }
        guard attempt == nil || !follow else { throw ValidationError("--attempt does not go with --follow") }
    }

    private var streams: [LogStreamName] {
        stderr == stdout ? LogStreamName.allCases : stderr ? [.stderr] : [.stdout]
    }

    func run(_ session: Session) async throws {
        let client = try await session.client()
        let job = try await client.job(job)
        guard job.seal == nil else { return try await printSealed(of: job, client, session) }
        let isSingle = task != nil || job.tasks == 1
        if follow, !isSingle {
            let interrupt = Interrupt(session.console, Interrupt.detached(job.id.short))
            defer { interrupt.cancel() }
            _ = try await JobFollowing(session, client).follow(job, streams: streams)
            return
        }
        let printer = LogPrinter(
            console: session.console, form: session.mode == .json ? .json : isSingle ? .raw : .prefixed)
        let follower = LogFollower(client: client, job: job, streams: streams)
        if follow {
            let interrupt = Interrupt(session.console, Interrupt.detached(job.id.short))
            defer { interrupt.cancel() }
            try await follower.follow(task ?? 0) { await printer.receive($0) }
        } else if isSingle {
            try await follower.read(task ?? 0, token: attempt) { await printer.receive($0) }
        } else {
            let (tasks, isWhole) = try await JobPages(client: client, id: job.id).tasks(limit: Self.maxTasks)
            for row in tasks where row.token > 0 { try await follower.read(row.number) { await printer.receive($0) } }
            if !isWhole {
                session.console.warn("only the first \(Self.maxTasks) tasks are printed; --task N prints one")
            }
        }
        await printer.finish()
    }

    /// A private job's logs come whole, when an attempt has ended.
    private func printSealed(of job: JobBody, _ client: FogClient, _ session: Session) async throws {
        var job = job
        if follow {
            let interrupt = Interrupt(session.console, Interrupt.detached(job.id.short))
            defer { interrupt.cancel() }
            job = try await JobFollowing(session, client).end(of: job)
        }
        try await PrivateReading(session, client, job).printLogs(task: task, token: attempt, streams: streams)
    }
}
