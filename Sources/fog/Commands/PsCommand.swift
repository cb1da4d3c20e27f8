internal import ArgumentParser

/// `fog ps`: short for `fog job list`.
struct PsCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = {
        var configuration = CommandConfiguration(
            "ps", "Show your jobs (short for `fog job list`).", examples: ["fog ps", "fog ps --state running,pending"])
        // The parser would name the command whose options these are.
        configuration.usage = "fog ps [--state <state>] [--name <name>] [--label <label>] [--limit <limit>] [<options>]"
        return configuration
    }()

    @OptionGroup var list: JobList

    func run() async throws { try await list.run() }
}
