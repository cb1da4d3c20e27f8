internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore

/// `fog job cancel`: ends a job for good.
struct JobCancel: SessionCommand {
    static let configuration = CommandConfiguration(
        "cancel", "Cancel jobs; what runs is ended.",
        examples: ["fog job cancel 7fa3 --reason 'wrong input'", "fog job cancel render sweep"])

    @Argument(help: "Jobs: ids, unique prefixes, or names.")
    var jobs: [String]

    @Option(help: "Why, for the history.")
    var reason = "cancelled by its submitter"

    @OptionGroup var common: CommonOptions

    func validate() throws {
        if jobs.isEmpty { throw ValidationError("name at least one job") }
    }

    func run(_ session: Session) async throws {
        let client = try await session.client()
        for reference in jobs {
            try session.show(changed: try await client.cancel(try await client.job(reference).id, reason: reason))
        }
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
    var reason = "held by its submitter"

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let client = try await session.client()
        try session.show(changed: try await client.hold(try await client.job(job).id, reason: reason))
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
