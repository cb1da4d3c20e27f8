internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs

/// Following a job to its end, with its logs or a line of progress.
struct JobFollowing: Sendable {
    /// Tasks whose logs are read at once.
    private static let parallel = 16
    private static let page = 500

    private let session: Session
    private let client: FogClient

    init(_ session: Session, _ client: FogClient) {
        self.session = session
        self.client = client
    }

    /// Waits for the end, with a line of progress for more than one task.
    func end(of job: JobBody, patience: Patience = .long) async throws -> JobBody {
        let progress = LiveProgress(session, label: job.tasks > 1 ? "" : job.name, total: Int64(job.tasks))
        defer { progress.finish() }
        return try await JobWatch.end(of: job, client: client, patience: patience) { progress.update($0) }
    }

    /// Prints the logs of all tasks as they come, until the job has ended.
    func follow(_ job: JobBody, streams: [LogStreamName] = LogStreamName.allCases) async throws -> JobBody {
        let form: LogPrinter.Form = session.mode == .json ? .json : job.tasks > 1 ? .prefixed : .raw
        let printer = LogPrinter(console: session.console, form: form)
        let follower = LogFollower(client: client, job: job, streams: streams)
        if job.tasks == 1 {
            try await follower.follow(0) { await printer.receive($0) }
        } else {
            try await followAll(of: job, follower, printer)
        }
        await printer.finish()
        return try await end(of: job)
    }

    /// Starts to follow a task when it is granted for the first time, so many at once.
    private func followAll(of job: JobBody, _ follower: LogFollower, _ printer: LogPrinter) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            var watch = JobWatch(client: client, job: job)
            // Within a step tasks are granted in the order of their numbers; steps run side by side.
            var next = job.steps.map(\.base)
            var running = 0
            while true {
                let now = try await client.job(job.id.description)
                var isNews = false
                for (index, step) in job.steps.enumerated() {
                    let started = try await self.started(in: step, from: next[index], of: job)
                    for row in started {
                        isNews = true
                        next[index] = row.number + 1
                        guard row.token > 0 else { continue }
                        if running == Self.parallel {
                            try await group.next()
                            running -= 1
                        }
                        group.addTask { try await follower.follow(row.number) { await printer.receive($0) } }
                        running += 1
                    }
                }
                guard !isNews else { continue }
                if now.state.isFinal { break }
                try await watch.change()
            }
            try await group.waitForAll()
        }
    }

    /// The tasks of a step from a number on that were granted or are over.
    private func started(in step: JobBody.Step, from number: UInt32, of job: JobBody) async throws -> [TaskBody] {
        guard number < step.base + step.count else { return [] }
        let rows = try await client.tasks(job.id, after: number == 0 ? nil : number - 1, limit: Self.page).tasks
        return rows.filter { $0.number < step.base + step.count }.prefix { $0.token > 0 || $0.state.isFinal }.map { $0 }
    }
}
