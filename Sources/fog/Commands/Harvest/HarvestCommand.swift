internal import ArgumentParser

/// `fog harvest`: what a machine's sensors say.
struct HarvestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        "harvest", "See what this machine's sensors say, keep it, and try a policy on it.",
        examples: [
            "fog harvest show", "fog harvest record yesterday.trace --for 24h", "fog harvest replay yesterday.trace",
        ],
        subcommands: [HarvestShow.self, HarvestRecord.self, HarvestReplayCommand.self])
}
