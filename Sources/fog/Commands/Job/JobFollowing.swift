internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs

/// Following a job to its end, with its logs or a line of progress.
struct JobFollowing: Sendable {
    /// Tasks whose logs are read at once.
    private static let parallel = 16
    private static let page = 500
    private static let toldFailures = 3
    /// Between two looks at a job of which nothing runs: at first, and at most.
    private static let firstLook = TimeSpan.seconds(2)
    private static let longestLook = TimeSpan.seconds(30)

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
        // Ends with this scope.
        async let _: Void = sayWhyItWaits(job)
        return try await JobWatch.end(of: job, client: client, patience: patience) { progress.update($0) }
    }

    /// A job that is held or finds no machine does not go on by itself: whoever waits must know. Looks at it until it has
    /// ended or all is said; that nobody answers is the other's to say, who waits for the job.
    private func sayWhyItWaits(_ job: JobBody) async {
        guard session.mode != .quiet else { return }
        var words = WaitWords()
        var (job, pause) = (job, Self.firstLook)
        var isFirst = true
        while !job.state.isFinal, !words.isExhausted {
            // At first it waits for the coordinator's next look at its queue and for nothing else.
            let isAsked = !isFirst && job.held == nil && WaitWords.isWaiting(job)
            let explanation = isAsked ? try? await client.explain(job.id) : nil
            guard !Task.isCancelled else { return }
            if let line = words.line(job, explanation) { session.console.warn(line) }
            guard (try? await Task.sleep(for: pause.duration)) != nil else { return }
            pause = min(Self.longestLook, pause * 2)
            isFirst = false
            job = (try? await client.job(job.id.description)) ?? job
        }
    }

    /// Says how a job ended, and of what failed why.
    func tell(_ job: JobBody) async throws {
        session.console.note(job.sentence)
        guard job.counts[.failed] > 0 else { return }
        let pages = JobPages(client: client, id: job.id)
        let (failed, isWhole) = try await pages.tasks(limit: Self.toldFailures, states: [.failed])
        for task in failed {
            guard let attempt = try await pages.attempts(task: task.number, limit: 1000).attempts.last else { continue }
            var words = attempt.outcome?.rawValue ?? ""
            if let code = attempt.exitCode, code != 0 { words += " \(code)" }
            if let signal = attempt.signal { words += ", signal \(signal)" }
            if let detail = attempt.detail { words += ": \(DisplayText.clean(detail))" }
            session.console.note("  task \(task.number) after \(Human.count(Int(task.token), "attempt")): \(words)")
        }
        if !isWhole { session.console.note("  and more; fog job show \(job.id.short)") }
        session.console.note("help: fog logs \(job.id.short), fog job retry --failed \(job.id.short)")
    }

    /// Prints the logs of all tasks as they come, until the job has ended.
    func follow(_ job: JobBody, streams: [LogStreamName] = LogStreamName.allCases) async throws -> JobBody {
        guard job.seal == nil else {
            let ended = try await end(of: job)
            try await PrivateReading(session, client, ended).printLogs(task: nil, token: nil, streams: streams)
            return ended
        }
        let form: LogPrinter.Form = session.mode == .json ? .json : job.tasks > 1 ? .prefixed : .raw
        let printer = LogPrinter(console: session.console, form: form)
        let follower = LogFollower(client: client, job: job, streams: streams)
        do {
            // Ends with this scope.
            async let _: Void = sayWhyItWaits(job)
            if job.tasks == 1 {
                try await follower.follow(0) { await printer.receive($0) }
            } else {
                try await followAll(of: job, follower, printer)
            }
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
