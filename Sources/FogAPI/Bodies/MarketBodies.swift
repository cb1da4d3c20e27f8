package import FogCore

/// `POST /v1/nodes/{node}/ask`: what a machine's owner asks for an hour; what is left out is the operator's price.
package struct AskBody: Hashable, Sendable, Codable {
    package var core: Credits?
    package var gibibyte: Credits?
    /// The operator's price for both again; then neither is named.
    package var usual: Bool

    package init(core: Credits?, gibibyte: Credits?) {
        self.core = core
        self.gibibyte = gibibyte
        usual = core == nil && gibibyte == nil
    }
}

/// Where a price is going.
package struct ForecastBody: Hashable, Sendable, Codable {
    /// A core-hour, so many minutes from now, and one deviation around it.
    package var core: Credits
    package var low: Credits
    package var high: Credits
    package var minutes: Int
    /// Mean error one minute ahead, as a share of that of "as it is now"; above 1, that is the forecast. Nil while no
    /// price has moved.
    package var error: Double?
    /// The same in credits a core-hour.
    package var meanError: Credits

    package init(core: Credits, low: Credits, high: Credits, minutes: Int, error: Double?, meanError: Credits) {
        self.core = core
        self.low = low
        self.high = high
        self.minutes = minutes
        self.error = error
        self.meanError = meanError
    }

    enum CodingKeys: String, CodingKey {
        case core, low, high, minutes, error
        case meanError = "mean_error"
    }
}

/// `GET /v1/market/history`: epochs in which anything moved, oldest first.
package struct MarketHistoryBody: Hashable, Sendable, Codable {
    package struct Epoch: Hashable, Sendable, Codable {
        package var at: Timestamp
        /// Empty where machines name none.
        package var region: String
        /// `cpu` or `gpu`.
        package var capability: String
        /// A core-hour.
        package var open: Credits
        package var high: Credits
        package var low: Credits
        package var close: Credits
        /// Thousandths of a core times seconds.
        package var volume: Int64
        /// 0...1.
        package var utilisation: Double

        package init(
            at: Timestamp, region: String, capability: String, open: Credits, high: Credits, low: Credits,
            close: Credits, volume: Int64, utilisation: Double
        ) {
            self.at = at
            self.region = region
            self.capability = capability
            (self.open, self.high, self.low, self.close) = (open, high, low, close)
            self.volume = volume
            self.utilisation = utilisation
        }
    }

    package var epochs: [Epoch]

    package init(epochs: [Epoch]) { self.epochs = epochs }
}

/// What a job would cost, bought one way.
package struct PurchaseOfferBody: Hashable, Sendable, Codable {
    package var purchase: String
    /// A core-hour and a GiB-hour, at most.
    package var core: Credits
    package var gibibyte: Credits
    /// All tasks, each for all of its time.
    package var total: Credits

    package init(purchase: String, core: Credits, gibibyte: Credits, total: Credits) {
        self.purchase = purchase
        self.core = core
        self.gibibyte = gibibyte
        self.total = total
    }
}

/// `GET /v1/market/prices`
package struct MarketPricesBody: Hashable, Sendable, Codable {
    package struct Region: Hashable, Sendable, Codable {
        /// Empty where machines name none.
        package var region: String
        package var machines: Int
        /// Thousandths of a core.
        package var millicores: Int64
        package var bookedMillicores: Int64
        /// A core-hour.
        package var lowest: Credits
        package var median: Credits
        package var highest: Credits
        package var medianGibibyte: Credits
        /// Where the owner asks nothing, for processors and, where there are any, for machines with accelerators.
        package var index: Credits
        package var gpuIndex: Credits?
        /// Of `index`.
        package var forecast: ForecastBody?

        package init(
            region: String, machines: Int, millicores: Int64, bookedMillicores: Int64, lowest: Credits,
            median: Credits, highest: Credits, medianGibibyte: Credits, index: Credits, gpuIndex: Credits?,
            forecast: ForecastBody?
        ) {
            self.index = index
            self.gpuIndex = gpuIndex
            self.forecast = forecast
            self.region = region
            self.machines = machines
            self.millicores = millicores
            self.bookedMillicores = bookedMillicores
            self.lowest = lowest
            self.median = median
            self.highest = highest
            self.medianGibibyte = medianGibibyte
        }

        enum CodingKeys: String, CodingKey {
            case region, machines, millicores, lowest, median, highest, index, forecast
            case gpuIndex = "gpu_index"
            case bookedMillicores = "booked_millicores"
            case medianGibibyte = "median_gibibyte"
        }
    }

    /// False = nothing costs anything.
    package var economy: Bool
    /// The operator's prices, around which the index moves: a core-hour and a GiB-hour.
    package var core: Credits
    package var gibibyte: Credits
    package var regions: [Region]

    package init(economy: Bool, core: Credits, gibibyte: Credits, regions: [Region]) {
        self.economy = economy
        self.core = core
        self.gibibyte = gibibyte
        self.regions = regions
    }
}
