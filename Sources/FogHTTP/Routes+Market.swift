internal import FogAPI
internal import FogCoordinator
internal import FogCore
internal import FogJobs
internal import FogNet
internal import FogPlacement

extension Routes {
    /// What capacity costs, and what owners ask for it.
    static let marketRoutes: [(String, Handler)] = [
        (
            "GET /v1/market/prices",
            { routes, _, _ in try .json(MarketPricesBody(await routes.coordinator.marketPrices())) }
        ),
        (
            "GET /v1/market/history",
            { routes, _, parameters in
                let region = parameters.text("region").map { $0 == "-" ? "" : $0 }
                let capability = parameters.text("class").flatMap(CapabilityClass.init(rawValue:))
                let epochs = try await routes.coordinator.marketHistory(
                    region: region, capability: capability, limit: try parameters.integer("limit") ?? 60)
                return try .json(MarketHistoryBody(epochs: epochs.map(MarketHistoryBody.Epoch.init)))
            }
        ),
        (
            "POST /v1/nodes/{node}/ask",
            { routes, asked, parameters in
                let body = try Wire.decode(AskBody.self, from: asked.request.body)
                guard body.usual == (body.core == nil && body.gibibyte == nil) else {
                    throw Problem(
                        400, "bad_ask", "either `usual` is true, or `core` or `gibibyte` says what an hour is to cost")
                }
                return try .json(
                    NodeBody(
                        try await routes.coordinator.ask(
                            parameters["node"], core: body.core, gibibyte: body.gibibyte, by: asked.principal)))
            }
        ),
    ]
}

extension MarketPricesBody {
    init(_ prices: MarketPrices) {
        self.init(
            economy: prices.economy, core: prices.usual.core, gibibyte: prices.usual.gibibyte,
            regions: prices.regions.map {
                Region(
                    region: $0.name, machines: $0.machines, millicores: $0.cores.count,
                    bookedMillicores: $0.booked.count, lowest: $0.lowest, median: $0.median, highest: $0.highest,
                    medianGibibyte: $0.medianGibibyte, index: $0.index, gpuIndex: $0.gpuIndex,
                    forecast: $0.forecast.map { ForecastBody($0, epochs: 60) })
            })
    }
}

extension ForecastBody {
    init(_ forecast: MarketForecast, epochs: Int) {
        let point = forecast.ahead(epochs)
        self.init(
            core: point.price, low: point.low, high: point.high,
            minutes: epochs * Int(MarketBook.epoch.milliseconds / 60_000),
            error: forecast.error, meanError: Credits(micro: Int64(forecast.meanError.rounded())))
    }
}

extension MarketHistoryBody.Epoch {
    init(_ epoch: MarketEpoch) {
        self.init(
            at: epoch.at, region: epoch.segment.region, capability: epoch.segment.capability.rawValue,
            open: epoch.open, high: epoch.high, low: epoch.low, close: epoch.close, volume: epoch.volume,
            utilisation: epoch.utilisation)
    }
}
