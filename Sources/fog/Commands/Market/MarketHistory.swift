internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore

/// `fog market history`: a line a minute in which anything moved.
struct MarketHistory: SessionCommand {
    static let configuration = CommandConfiguration(
        "history", "Show how the index price went.",
        examples: ["fog market history", "fog market history --region eu --class gpu --limit 500 -o json"],
        more: "Minutes in which nothing was booked and no price moved are left out. Seven days are kept.")

    @Option(help: "Only this region; - for machines that name none.")
    var region: String?

    @Option(name: .customLong("class"), help: "cpu or gpu.")
    var capability: String?

    @Option(help: "How many lines, 1 to 1000.")
    var limit = 60

    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard capability.map({ ["cpu", "gpu"].contains($0) }) ?? true else {
            throw ValidationError("--class is cpu or gpu, found `\(capability ?? "")`")
        }
        guard (1...1000).contains(limit) else { throw ValidationError("--limit must be 1 to 1000, found \(limit)") }
    }

    func run(_ session: Session) async throws {
        let history = try await session.client().marketHistory(region: region, capability: capability, limit: limit)
        switch session.mode {
        case .json: session.console.print(try Documents.document(of: history))
        case .quiet: for epoch in history.epochs { session.console.print(epoch.close.description) }
        case .table:
            guard !history.epochs.isEmpty else {
                return session.console.note("no price has moved, and nothing was booked")
            }
            var table = Table([
                .init("UNTIL"), .init("REGION", yields: true), .init("CLASS"), .init("OPEN", right: true),
                .init("HIGH", right: true), .init("LOW", right: true), .init("CLOSE", right: true),
                .init("CORE-MINUTES", right: true), .init("BOOKED", right: true),
            ])
            for epoch in history.epochs {
                table.add([
                    Table.Cell(epoch.at.plain), Table.Cell(epoch.region.isEmpty ? "-" : epoch.region),
                    Table.Cell(epoch.capability), Table.Cell(epoch.open.description),
                    Table.Cell(epoch.high.description), Table.Cell(epoch.low.description),
                    Table.Cell(epoch.close.description), Table.Cell(Millicores(epoch.volume / 60).description),
                    Table.Cell("\(Int((epoch.utilisation * 100).rounded())) %"),
                ])
            }
            session.console.print(table)
        }
    }
}
