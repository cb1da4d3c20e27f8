internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore

/// `fog node label`: names for machines, to ask for in manifests.
struct NodeLabel: SessionCommand {
    static let configuration = CommandConfiguration(
        "label", "Give a machine labels, or take them away.",
        examples: ["fog node label lab-7 room=12 quiet", "fog node label lab-7 room-"],
        more: """
            A manifest asks for them by requires: [label:quiet, label:room=12]. They stand beside those that the worker \
            itself reports (fog worker run --label), which only its owner changes.
            """)

    @Argument(help: "The machine: id, unique prefix, or name.")
    var node: String

    @Argument(help: "NAME=VALUE or NAME sets a label, NAME- takes it away.", completion: .none)
    var labels: [String]

    @OptionGroup var common: CommonOptions

    func validate() throws {
        if labels.isEmpty { throw ValidationError("name at least one label: NAME, NAME=VALUE or NAME-") }
    }

    func run(_ session: Session) async throws {
        var changes: [String: String?] = [:]
        for word in labels {
            if word.hasSuffix("-"), !word.contains("=") {
                changes.updateValue(nil, forKey: String(word.dropLast()))
            } else {
                let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                changes.updateValue(parts.count == 2 ? String(parts[1]) : "", forKey: String(parts[0]))
            }
        }
        let body = try await session.client().label(node, changes)
        try session.show(body, id: body.id.description) {
            session.console.print(
                "node \(body.id.short) (\(DisplayText.clean(body.name))) has \(body.labelText ?? "no labels of yours")")
        }
    }
}

extension NodeBody {
    /// The labels that were given here, as they are typed; nil when there are none.
    var labelText: String? {
        guard let labels, !labels.isEmpty else { return nil }
        let words = labels.sorted { $0.key < $1.key }.map { $0.value.isEmpty ? $0.key : "\($0.key)=\($0.value)" }
        return DisplayText.clean(words.joined(separator: ", "))
    }
}
