internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine

/// `fog job reseal`: gives a private job's key to more machines.
struct JobReseal: SessionCommand {
    static let configuration = CommandConfiguration(
        "reseal", "Seal a private job's key to more machines, and let it go on.",
        examples: ["fog job reseal risk"],
        more:
            "A private job whose machines are used up is held with `reseal_needed`. `fog job wait` does the same by itself."
    )

    @Argument(help: "The job: id, unique prefix, or name.")
    var job: String

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let client = try await session.client()
        let (job, machines) = try await PrivateSubmission(session: session, client: client)
            .reseal(try await client.job(job))
        if session.mode == .table { session.console.note("sealed to \(Human.count(machines, "more machine"))") }
        try session.show(changed: job)
    }
}
