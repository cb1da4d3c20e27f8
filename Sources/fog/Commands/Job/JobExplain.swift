internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore

/// `fog job explain`: why a job waits, and what would change that.
struct JobExplain: SessionCommand {
    static let configuration = CommandConfiguration(
        "explain", "Say why tasks wait, node by node, what would help, and how those that ran were placed.",
        examples: ["fog job explain render", "fog job explain 7fa3 -o json"])

    @Argument(help: "The job: id, unique prefix, or name.")
    var job: String

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let client = try await session.client()
        let id = try await client.job(job).id
        let answer = try await client.explain(id)
        try session.show(answer, id: answer.job.id.description) {
            session.console.print(answer.job.sentence)
            for reason in answer.reasons { session.console.print("  \(DisplayText.clean(reason))") }
            if answer.job.held?.hasPrefix("budget:") == true {
                session.console.print("help: fog job fund \(answer.job.id.short) CREDITS")
            }
            for step in answer.steps { session.console.print(Explanations.text(of: step), terminator: "") }
            for decision in answer.decisions { session.console.print(Decisions.text(of: decision), terminator: "") }
        }
    }
}

/// Explanations for people.
enum Explanations {
    /// Nodes that are listed one by one.
    private static let maxNodes = 20

    static func text(of step: ExplanationBody) -> String {
        var out =
            "\n" + (step.step.isEmpty ? "" : "step \(DisplayText.clean(step.step)): ")
            + DisplayText.clean(step.headline) + "\n"
        out += "  \(Human.count(step.fitting)) of \(Human.count(step.nodeCount, "node")) could take a task now\n"
        for reason in step.reasons {
            out +=
                "  \(DisplayText.padded(Human.count(reason.nodes), to: 6, right: true))  \(DisplayText.clean(reason.label))\n"
        }
        if !step.nodes.isEmpty {
            var table = Table([.init("  NODE"), .init("LACKS", yields: true)])
            for node in step.nodes.prefix(maxNodes) {
                table.add([
                    Table.Cell("  \(node.name)"),
                    Table.Cell(node.failed.isEmpty ? "nothing" : node.failed.joined(separator: "; ")),
                ])
            }
            out += table.text()
            if step.nodes.count > maxNodes { out += "  and \(step.nodes.count - maxNodes) more\n" }
        }
        if !step.advice.isEmpty { out += "help: \(DisplayText.clean(step.advice))\n" }
        return out
    }
}
