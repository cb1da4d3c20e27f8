internal import ArgumentParser

/// `fog mixnet`: the network that private jobs travel through.
struct MixnetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "mixnet", "The network that private jobs travel through.",
        examples: [
            "fog mixnet dev", "fog mixnet stats network.json", "fog mixnet check-vectors vectors/*.json",
        ],
        subcommands: [MixnetDev.self, MixnetStats.self, MixnetAudit.self, MixnetCheckVectors.self])
}
