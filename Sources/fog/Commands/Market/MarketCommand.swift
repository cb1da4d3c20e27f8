internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore

/// `fog market`: what capacity costs.
struct MarketCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "market", "See what capacity costs, and set what your machines ask.",
        examples: ["fog market prices", "fog market quote fit.yaml", "fog market ask lab-7 --core 0.8"],
        subcommands: [MarketPricesShow.self, MarketQuote.self, MarketHistory.self, MarketAsk.self])
}

/// `fog market prices`: a line a region.
struct MarketPricesShow: SessionCommand {
    static let configuration = CommandConfiguration(
        "prices", "Show what a core-hour costs on the machines that take work, by region.",
        examples: ["fog market prices", "fog market prices -o json"])

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let prices = try await session.client().marketPrices()
        switch session.mode {
        case .json: session.console.print(try Documents.document(of: prices))
        case .quiet: session.console.print(prices.core.description)
        case .table:
            session.console.note(
                prices.economy
                    ? "the operator's prices, around which the index moves: \(prices.core) a core-hour, "
                        + "\(prices.gibibyte) a GiB-hour"
                    : "the economy is off: nothing costs anything")
            guard !prices.regions.isEmpty else { return session.console.note("no machine takes work now") }
            session.console.print(table(prices.regions))
            for region in prices.regions {
                guard let forecast = region.forecast else { continue }
                session.console.note(
                    (region.region.isEmpty ? "" : DisplayText.clean(region.region) + ": ")
                        + MarketWords.text(of: forecast))
            }
        }
    }

    private func table(_ regions: [MarketPricesBody.Region]) -> Table {
        var table = Table([
            .init("REGION", yields: true), .init("MACHINES", right: true), .init("CORES", right: true),
            .init("BOOKED", right: true), .init("LOWEST", right: true), .init("MEDIAN", right: true),
            .init("HIGHEST", right: true), .init("GIB-HOUR", right: true), .init("INDEX", right: true),
        ])
        for region in regions {
            table.add([
                Table.Cell(region.region.isEmpty ? "-" : region.region), "\(region.machines)",
                Table.Cell(Millicores(region.millicores).description),
                Table.Cell(Millicores(region.bookedMillicores).description), Table.Cell(region.lowest.description),
                Table.Cell(region.median.description), Table.Cell(region.highest.description),
                Table.Cell(region.medianGibibyte.description), Table.Cell(region.index.description),
            ])
        }
        return table
    }
}

/// `fog market ask`: an owner's price.
struct MarketAsk: SessionCommand {
    static let configuration = CommandConfiguration(
        "ask", "Set what a machine of yours asks for an hour.",
        examples: ["fog market ask lab-7 --core 0.8 --memory 0.05", "fog market ask lab-7"],
        more: """
            What is left out is the index price, which moves with use. What is granted already keeps its price; jobs say by \
            placement.max_price what they take.
            """)

    @Argument(help: "The machine: id, unique prefix, or name.")
    var node: String

    @Option(help: "Credits a core-hour.")
    var core: String?

    @Option(help: "Credits a GiB-hour of memory.")
    var memory: String?

    @OptionGroup var common: CommonOptions

    func validate() throws {
        for (name, text) in [("core", core), ("memory", memory)] {
            guard let text else { continue }
            guard let credits = try? Credits(text), credits >= .zero else {
                throw ValidationError("--\(name) is a number of credits from 0 on, found `\(text)`")
            }
        }
    }

    func run(_ session: Session) async throws {
        let client = try await session.client()
        let ask = AskBody(core: try core.map { try Credits($0) }, gibibyte: try memory.map { try Credits($0) })
        let body = try await client.ask(node, ask)
        try session.show(body, id: body.id.description) {
            let usual = "the index price"
            session.console.print(
                "node \(body.id.short) (\(DisplayText.clean(body.name))) asks "
                    + "\(body.coreAsk.map(\.description) ?? usual) a core-hour, "
                    + "\(body.gibAsk.map(\.description) ?? usual) a GiB-hour")
        }
    }
}
