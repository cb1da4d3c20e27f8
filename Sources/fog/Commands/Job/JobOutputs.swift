internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogNet

/// `fog job outputs`: brings the files here.
struct JobOutputs: SessionCommand {
    static let configuration = CommandConfiguration(
        "outputs", "Fetch what a job left; the same command again goes on where it stopped.",
        examples: ["fog job outputs render --to frames", "fog job outputs sweep --task 17"],
        more: "DIR/… for one task, DIR/<index>/… for an array, DIR/<step>/… for steps.")

    @Argument(help: "The job: id, unique prefix, or name.")
    var job: String

    @Option(help: "Where to; default ./<name>-<id>.", completion: .directory)
    var to: String?

    @Option(name: .shortAndLong, help: "One task alone, by its number.")
    var task: UInt32?

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let client = try await session.client()
        let job = try await client.job(job)
        let fetching = OutputFetching(session: session, client: client)
        let folder = try to ?? "./\(name(of: job))"
        let (planned, result) = try await fetching.bring(job, task: task, into: folder)
        if planned.isEmpty {
            session.console.note(
                job.state.isFinal ? "the job left no files" : "no task has left files yet; \(job.sentence)")
        }
        switch session.mode {
        case .json:
            let files = planned.map { file in
                JSON.object([
                    "task": .integer(Int64(file.task)), "path": .string(file.path), "size": .integer(file.size),
                    "digest": .string(file.digest.description),
                ])
            }
            session.console.print(
                JSON.object([
                    "id": .string(job.id.description), "folder": .string(folder),
                    "fetched": .integer(Int64(result.fetched)),
                    "present": .integer(Int64(result.present)), "bytes": .integer(result.bytes), "files": .array(files),
                ]))
        case .quiet: for file in planned { session.console.print("\(folder)/\(file.path)") }
        case .table where planned.isEmpty: break
        case .table:
            let here = result.present > 0 ? ", \(Human.count(result.present, "file")) already here" : ""
            session.console.print(
                "\(Human.count(result.fetched, "file")) (\(ByteCount(result.bytes).brief)) in \(folder)\(here)")
        }
        if !job.state.isFinal, !planned.isEmpty {
            session.console.note("the job still runs: the same command fetches the rest later")
        }
    }

    /// The coordinator's word for a name is not a path here.
    private func name(of job: JobBody) throws -> String {
        let name = job.name.filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
        return "\(name.isEmpty ? "job" : name)-\(job.id.short)"
    }
}

/// From a job to files in a folder.
struct OutputFetching: Sendable {
    let session: Session
    let client: FogClient

    /// Attempts of one job that are looked through.
    private static let maxAttempts = 4_000_000

    /// Writes what a job left into a folder; of a private job what its results hold once they are opened here.
    /// - Parameter isExpected: asked with each file's name.
    func bring(
        _ job: JobBody, task: UInt32?, into folder: String, isExpected: (String) -> Bool = { _ in true }
    ) async throws -> (files: [PlannedFile], result: Downloader.Result) {
        guard job.seal == nil else {
            return try await PrivateReading(session, client, job).outputs(
                task: task, into: folder, isExpected: isExpected)
        }
        let plan = try await plan(for: job, task: task, isExpected: isExpected)
        return (plan.files, plan.files.isEmpty ? Downloader.Result() : try await fetch(plan, into: folder))
    }

    private func plan(for job: JobBody, task: UInt32?, isExpected: (String) -> Bool) async throws -> OutputPlan {
        if let task, !job.steps.contains(where: { task >= $0.base && task - $0.base < $0.count }) {
            throw CommandLineFailure(
                "not_found", "the job has no task \(task); it has \(Human.count(job.tasks, "task"))")
        }
        let attempts = try await JobPages(client: client, id: job.id).attempts(task: task, limit: Self.maxAttempts)
            .attempts
        return try OutputPlan(
            attempts: attempts, layouts: StepLayout.layouts(of: job, document: try await document(of: job)),
            isExpected: isExpected)
    }

    /// The job's manifest, where a coordinator gives it out; it tells where an array's index begins.
    private func document(of job: JobBody) async throws -> JSON? {
        guard job.tasks > 1 else { return nil }
        do {
            return try JSON(parsing: try await client.raw("GET", "/v1/jobs/\(job.id)/document").body)
        } catch let problem as Problem where problem.status == 404 {
            return nil
        }
    }

    private func fetch(_ plan: OutputPlan, into folder: String) async throws -> Downloader.Result {
        let progress = LiveProgress(session, label: "fetching", total: plan.bytes, unit: .bytes, onlyLive: true)
        defer { progress.finish() }
        return try await Downloader(client: client) { done, _ in progress.update(done: done) }.fetch(plan, into: folder)
    }
}
