internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogPlacement
import Foundation

/// `fog placement front`: what there was to choose from when a job's tasks were placed.
struct PlacementFrontCommand: SessionCommand {
    static let configuration = CommandConfiguration(
        "front", "Show the front of placements from which a job's was taken.",
        examples: [
            "fog placement front render", "fog placement front render --step frames -o json",
            "fog placement front render --svg front.svg", "fog placement front render --html front.html",
        ],
        more: """
            Each point is a placement that was found: none is as good as another in everything and better in something. \
            The chosen one is marked. Directly placed steps (round-robin, random and the like) have no front.
            """)

    @Argument(help: "The job: id, unique prefix, or name.")
    var job: String

    @Option(help: "Of this step; default the first that has a front.")
    var step: String?

    @Option(help: "Draw it into this file.", completion: .file(extensions: ["svg"]))
    var svg: String?

    @Option(help: "The same as a page by itself, with the table.", completion: .file(extensions: ["html"]))
    var html: String?

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let client = try await session.client()
        let id = try await client.job(job).id
        let all = try await client.decisions(of: id).decisions
        let named = all.filter { step == nil || $0.step == step }
        guard let decision = named.first(where: { !$0.front.isEmpty }) else { throw Self.none(all, step) }
        let plot = FrontPlot(decision)
        for (path, text) in [(svg, plot.svg), (html, plot.page(title: "Front of \(job)"))] {
            guard let path else { continue }
            try Disk.write(Array(text.utf8), to: path)
            session.console.detail("wrote \(path)")
        }
        try session.show(decision, id: id.description) {
            session.console.print(Decisions.sentence(of: decision))
            var table = Table(
                [.init("", right: false)] + FrontPlot.axes.map { .init($0.uppercased(), right: true) })
            for (index, point) in plot.points.enumerated() {
                table.add(
                    [Table.Cell(index == decision.chosen ? "chosen" : "")]
                        + point.map { Table.Cell(Decisions.figure($0)) })
            }
            session.console.print(table.text(), terminator: "")
        }
    }

    private static func none(_ all: [DecisionBody], _ step: String?) -> CommandLineFailure {
        if let step, !all.contains(where: { $0.step == step }) {
            let steps = Set(all.map(\.step)).sorted().joined(separator: ", ")
            return CommandLineFailure(
                "no_front", "nothing of a step `\(step)` was placed" + (steps.isEmpty ? "" : "; there are \(steps)"))
        }
        return all.isEmpty
            ? CommandLineFailure(
                "no_front", "nothing of the job was placed", help: "fog job explain says what it waits for")
            : CommandLineFailure(
                "no_front", "its tasks were placed directly (\(all[0].strategy)), not chosen from a front",
                help: "placement: {strategy: nsga2}")
    }
}

/// `fog placement why-not`: one machine and one job.
struct PlacementWhyNot: SessionCommand {
    static let configuration = CommandConfiguration(
        "why-not", "Say why a machine does not take a job's tasks, or how it stands among those that may.",
        examples: ["fog placement why-not render desk-3", "fog placement why-not 7fa3 desk-3 -o json"])

    @Argument(help: "The job: id, unique prefix, or name.")
    var job: String

    @Argument(help: "The machine: id, unique prefix, or name.")
    var node: String

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let client = try await session.client()
        let id = try await client.job(job).id
        let answer = try await client.whyNot(id, node: node)
        try session.show(answer, id: id.description) {
            if answer.steps.isEmpty { session.console.print("no step of the job has anything left to place") }
            for step in answer.steps {
                let name = step.step.isEmpty ? "" : "step \(DisplayText.clean(step.step)): "
                session.console.print(name + Self.sentence(of: step, DisplayText.clean(answer.node)))
                for words in step.failed { session.console.print("  \(DisplayText.clean(words))") }
                if !step.failed.isEmpty { session.console.print("help: \(DisplayText.clean(step.advice))") }
                let offers = [step.offer, step.best].compactMap { $0 }
                if step.failed.isEmpty, !offers.isEmpty {
                    let shown = step.rank == 1 ? [offers[0]] : offers
                    session.console.print(Decisions.table(of: shown).text(), terminator: "")
                }
            }
        }
    }

    private static func sentence(of step: WhyNotBody.Step, _ node: String) -> String {
        guard step.failed.isEmpty else {
            return "\(node) cannot take a task: it fails \(Human.count(step.failed.count, "check"))"
        }
        guard let rank = step.rank else { return "\(node) passes every check and has no room left" }
        let among = "of \(Human.count(step.candidates, "machine")) that may"
        return rank == 1 ? "\(node) is the best \(among)" : "\(node) may take a task: number \(rank) \(among)"
    }
}

/// Decisions for people.
enum Decisions {
    static func sentence(of decision: DecisionBody) -> String {
        var words = decision.step.isEmpty ? "" : "step \(DisplayText.clean(decision.step)): "
        words += "\(Human.count(decision.placed, "task")) placed by \(decision.strategy) at \(decision.at)"
        switch decision.method {
        case "spread": words += ", one by one over all objectives"
        case "search": words += ", searched together with \(Human.count(decision.together - 1, "other step"))"
        default: break
        }
        if decision.method != "direct" { words += ", by " + by(decision.weights) }
        words += "; \(decision.candidates) of \(Human.count(decision.nodeCount, "node")) could take one"
        if decision.unplaced > 0 { words += ", \(Human.count(decision.unplaced, "task")) found no room" }
        return words
    }

    private static func by(_ weights: [Double]) -> String {
        guard weights.count == ObjectiveWeights.names.count, weights.contains(where: { $0 > 0 }) else {
            return "the knee of the front"
        }
        let parts = zip(ObjectiveWeights.names, weights).filter { $1 > 0 }.map { "\($0) \(figure($1))" }
        return "weights (\(parts.joined(separator: ", ")))"
    }

    static func table(of offers: [OfferBody]) -> Table {
        var table = Table([
            .init("  NODE"), .init("SECONDS", right: true), .init("UNEVEN", right: true),
            .init("DISTRUST", right: true), .init("COST", right: true), .init("PRICE", right: true),
            .init("ADJUSTED", right: true), .init("REGRET", right: true),
        ])
        for offer in offers {
            table.add([
                Table.Cell("  \(offer.node)"), Table.Cell(figure(offer.latency)), Table.Cell(figure(offer.imbalance)),
                Table.Cell(figure(offer.distrust)), Table.Cell(figure(offer.cost / 1e6)),
                Table.Cell(figure(offer.price / 1e6)), Table.Cell(figure(offer.adjusted)),
                Table.Cell(figure(offer.regret)),
            ])
        }
        return table
    }

    static func text(of decision: DecisionBody) -> String {
        var out = "\n" + sentence(of: decision) + "\n"
        let shares = decision.shares.map { "\(DisplayText.clean($0.node)) \($0.tasks)" }
        if !shares.isEmpty { out += "  given: \(shares.joined(separator: ", "))\n" }
        if !decision.offers.isEmpty { out += table(of: decision.offers).text() }
        return out
    }

    /// Four digits that count.
    static func figure(_ value: Double) -> String { String(format: "%.4g", value) }
}
