internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs

/// `fog node trust`: whose word counts alone.
struct NodeTrust: SessionCommand {
    static let configuration = CommandConfiguration(
        "trust", "Take results of machines as they are, and tell them secrets.",
        examples: ["fog node trust lab-7", "fog node trust lab-7 lab-8", "fog node trust --owner ada"],
        more: """
            A trusted machine runs alone what strangers' machines run several times over (verify), runs jobs with secrets, \
            and is paid for tasks that fail. --owner means all machines that the owner has now; one that joins later is \
            a stranger's until it is named.
            """)

    @OptionGroup var machines: NodeChoice

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws { try await machines.change("trust", session) }
}

/// `fog node distrust`: strangers' machines again.
struct NodeDistrust: SessionCommand {
    static let configuration = CommandConfiguration(
        "distrust", "Treat machines as strangers' again; what runs there goes on.",
        examples: ["fog node distrust lab-7", "fog node distrust --owner ada"],
        more: "What a machine was told stays told: change secrets that it has seen.")

    @OptionGroup var machines: NodeChoice

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws { try await machines.change("distrust", session) }
}

/// Machines by their names, or all of an owner.
struct NodeChoice: ParsableArguments {
    @Argument(help: "Machines: ids, unique prefixes, or names.")
    var nodes: [String] = []

    @Option(help: "All machines that this owner has now.")
    var owner: String?

    func validate() throws {
        if nodes.isEmpty == (owner == nil) { throw ValidationError("name machines, or --owner NAME") }
    }

    func change(_ verb: String, _ session: Session) async throws {
        let client = try await session.client()
        var chosen = nodes
        if let owner {
            chosen = try await client.nodes().nodes
                .filter { $0.owner == owner && $0.standing != .revoked }.map(\.id.description)
            guard !chosen.isEmpty else {
                throw CommandLineFailure(
                    "not_found", "no machine has the owner `\(owner)`", help: "fog node list shows the owners")
            }
        }
        for reference in chosen {
            let node = try await client.node(reference, verb)
            try session.show(node, id: node.id.description) {
                session.console.print(
                    "node \(node.id.short) (\(DisplayText.clean(node.name)), owner \(DisplayText.clean(node.owner))) is "
                        + (node.trusted ? "trusted" : "not trusted"))
            }
        }
    }
}
