internal import ArgumentParser

/// `fog ps`: short for `fog job list`.
struct PsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        "ps", "Show your jobs (short for `fog job list`).", examples: ["fog ps", "fog ps --state running,pending"])

    @OptionGroup var list: JobList

    func run() async throws { try await list.run() }
}
