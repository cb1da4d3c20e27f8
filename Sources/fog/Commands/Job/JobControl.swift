internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs

/// `fog job cancel`: ends a job for good.
struct JobCancel: SessionCommand {
    static let configuration = CommandConfiguration(
        "cancel", "Cancel jobs; what runs is ended.",
        examples: [
            "fog job cancel 7fa3 --reason 'wrong input'", "fog job cancel render sweep",
            "fog job cancel --label sweep=3 --state pending --yes",
        ])

    @Argument(help: "Jobs: ids, unique prefixes, or names.")
    var jobs: [String] = []

    @OptionGroup var filter: JobFilterOptions

    @Flag(help: "Cancel what the filter finds; without it the jobs are only shown.")
    var yes = false

    @Option(help: "Why, for the history.")
    var reason: String?

    @OptionGroup var common: CommonOptions

    /// Jobs cancelled by one command.
    private static let limit = 10_000

    func validate() throws {
        if jobs.isEmpty, filter.isEmpty {
            throw ValidationError("name at least one job, or say which: --state, --name, --label, --account")
        }
        if !jobs.isEmpty, !filter.isEmpty { throw ValidationError("either name jobs or filter them, not both") }
    }

    func run(_ session: Session) async throws {
        let client = try await session.client()
        let words = try await ReasonWords(reason, verb: "cancelled", client)
        for reference in jobs {
            let job = try await client.job(reference)
            try session.show(changed: try await client.cancel(job.id, reason: words.text(for: job)))
        }
        guard !filter.isEmpty else { return }
        let found = try await filter.jobs(client, limit: Self.limit, only: [.pending, .running]).jobs
            .filter { !$0.state.isFinal }
        guard yes || found.isEmpty else {
            for job in found { try session.show(job, id: job.id.description) { session.show(wouldCancel: job) } }
            throw CommandLineFailure(
                "not_confirmed", "\(Human.count(found.count, "job")) would be cancelled; nothing was",
                help: "the same with --yes")
        }
        for job in found {
            try session.show(changed: try await client.cancel(job.id, reason: words.text(for: job)))
        }
        if session.mode == .table { session.console.note("\(Human.count(found.count, "job")) cancelled") }
    }
}

/// Why something is done to a job, when nobody says: whose it is tells who does it.
private struct ReasonWords {
    private let given: String?
    private let verb: String
    private let own: AccountID?

    init(_ given: String?, verb: String, _ client: FogClient) async throws {
        self.given = given
        self.verb = verb
        own = given == nil ? try await client.me().account : nil
    }

    func text(for job: JobBody) -> String {
        given ?? "\(verb) by \(job.account == own ? "its submitter" : "an operator")"
    }
}

extension Session {
    fileprivate func show(wouldCancel job: JobBody) {
        console.print(
            "would cancel \(job.id.short) (\(DisplayText.clean(job.name))), \(job.state.rawValue), "
                + "\(Human.count(job.counts.total - job.counts.final, "task")) left")
    }
}

/// `fog job retry`: runs a job's tasks again.
struct JobRetry: SessionCommand {
    static let configuration = CommandConfiguration(
        "retry", "Run tasks again that are over.", examples: ["fog job retry sweep --failed", "fog job retry 7fa3"])

    @Argument(help: "The job: id, unique prefix, or name.")
    var job: String

    @Flag(help: "Only those that did not succeed.")
    var failed = false

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let client = try await session.client()
        try session.show(changed: try await client.retry(try await client.job(job).id, onlyFailed: failed))
    }
}

/// `fog job hold`: nothing new starts.
struct JobHold: SessionCommand {
    static let configuration = CommandConfiguration(
        "hold", "Start nothing new of a job; what runs goes on.",
        examples: ["fog job hold 7fa3", "fog job hold sweep --reason 'checking the first results'"])

    @Argument(help: "The job: id, unique prefix, or name.")
    var job: String

    @Option(help: "Why, for the history.")
    var reason: String?

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let client = try await session.client()
        let words = try await ReasonWords(reason, verb: "held", client)
        let job = try await client.job(job)
        try session.show(changed: try await client.hold(job.id, reason: words.text(for: job)))
    }
}

/// `fog job release`: the opposite of hold.
struct JobRelease: SessionCommand {
    static let configuration = CommandConfiguration(
        "release", "Let a held job go on.", examples: ["fog job release 7fa3", "fog job release sweep"])

    @Argument(help: "The job: id, unique prefix, or name.")
    var job: String

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let client = try await session.client()
        try session.show(changed: try await client.release(try await client.job(job).id))
    }
}

/// `fog job fund`: raises what a job may spend.
struct JobFund: SessionCommand {
    static let configuration = CommandConfiguration(
        "fund", "Add credits to what a job may spend.", examples: ["fog job fund 7fa3 5", "fog job fund sweep 0.25"])

    @Argument(help: "The job: id, unique prefix, or name.")
    var job: String

    @Argument(help: "How many credits more.")
    var credits: String

    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard let amount = try? Credits(credits), amount > .zero else {
            throw ValidationError("credits read 5 or 0.25, found `\(credits)`")
        }
    }

    func run(_ session: Session) async throws {
        let client = try await session.client()
        let amount = try Credits(credits)
        try session.show(changed: try await client.fund(try await client.job(job).id, adding: amount))
    }
}

/// `fog job keep`: its history outlives retention.
struct JobKeep: SessionCommand {
    static let configuration = CommandConfiguration(
        "keep", "Keep the history, logs and outputs of jobs longer than usual.",
        examples: ["fog job keep render --for 90d", "fog job keep 7fa3 sweep", "fog job keep render --for 0s"],
        more: "Without this they go when the coordinator's retention is over, 7 days after the job's end by default.")

    @Argument(help: "Jobs: ids, unique prefixes, or names.")
    var jobs: [String]

    @Option(name: .customLong("for"), help: "How long from now: 90d, 12h; 0s = no longer than usual.")
    var span = "30d"

    @OptionGroup var common: CommonOptions

    func validate() throws {
        if jobs.isEmpty { throw ValidationError("name at least one job") }
        if (try? TimeSpan(span)) == nil { throw ValidationError("--for reads 90d, 12h or 0s, found `\(span)`") }
    }

    func run(_ session: Session) async throws {
        let client = try await session.client()
        let span = try TimeSpan(span)
        for reference in jobs {
            let job = try await client.keep(try await client.job(reference).id, for: span)
            try session.show(job, id: job.id.description) {
                let until = job.keptUntil.map { "is kept until \($0.plain)" } ?? "is kept as long as every job"
                session.console.print("job \(job.id.short) (\(DisplayText.clean(job.name))) \(until)")
            }
        }
    }
}
