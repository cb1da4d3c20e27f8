internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogManifestFile

/// `fog market quote`: what a manifest would cost, bought each way.
struct MarketQuote: SessionCommand {
    static let configuration = CommandConfiguration(
        "quote", "Show what a manifest would cost, bought each way.",
        examples: ["fog market quote fit.yaml", "fog market quote fit.yaml -o json"],
        more: """
            Nothing is submitted. A price holds when a task is granted, that of reserved capacity when the job is submitted; \
            what is not used comes back. A manifest chooses by placement.purchase.
            """)

    @Argument(help: "The manifest; - reads it from standard input.", completion: .file())
    var file: String

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let manifest = try Manifest.read(file, session)
        let spec = try Manifest.checked(manifest, privacy: nil, session)
        try PrivateWay.check(spec.privacy, session)
        let client = try await session.client()
        let body = try await Submission(session: session, client: client).upload(
            spec, folder: manifest.folder, secrets: nil, key: nil)
        let quote = try await client.quote(body)
        try session.show(quote, id: quote.quote.description) {
            session.console.print(
                "\(DisplayText.clean(quote.name)): \(Human.count(quote.tasks, "task")), \(quote.available) credits available"
            )
            guard let offers = quote.offers, !offers.isEmpty else {
                return session.console.note("nothing costs anything: the economy is off")
            }
            var table = Table([
                .init("PURCHASE"), .init("CORE-HOUR", right: true), .init("GIB-HOUR", right: true),
                .init("AT MOST", right: true), .init("", yields: true),
            ])
            for offer in offers {
                table.add([
                    Table.Cell(offer.purchase), Table.Cell(offer.core.description),
                    Table.Cell(offer.gibibyte.description), Table.Cell(offer.total.description),
                    Table.Cell(Self.note(offer.purchase, isChosen: offer.purchase == spec.placement.purchase.rawValue)),
                ])
            }
            session.console.print(table)
            if let forecast = quote.forecast { session.console.note(MarketWords.text(of: forecast)) }
        }
    }

    private static func note(_ purchase: String, isChosen: Bool) -> String {
        let words =
            switch Purchase(rawValue: purchase) {
            case .onDemand: "the dearest that it may run on"
            case .spot: "after everything else, for less where others ask less"
            case .reserved: "paid ahead, placed first"
            case .auction: "one task at a time, at what the second owner asks"
            case nil: ""
            }
        return isChosen ? words + " (the manifest's)" : words
    }
}

/// Words about prices.
enum MarketWords {
    static func text(of forecast: ForecastBody) -> String {
        let span = TimeSpan.minutes(Int64(forecast.minutes)).brief
        let error = forecast.error.map { share in
            let hundredths = Int((share * 100).rounded())
            return share > 1
                ? "the trend has been \(hundredths) % as wrong as the last price, so that is the forecast"
                : "such forecasts have been \(hundredths) % as wrong as the last price"
        }
        return
            "in \(span) a core-hour costs about \(forecast.core) (\(forecast.low) to \(forecast.high)); "
            + (error ?? "no price has moved so far") + ", \(forecast.meanError) off in the mean"
    }
}
