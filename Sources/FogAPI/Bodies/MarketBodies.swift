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

        package init(
            region: String, machines: Int, millicores: Int64, bookedMillicores: Int64, lowest: Credits,
            median: Credits, highest: Credits, medianGibibyte: Credits
        ) {
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
            case region, machines, millicores, lowest, median, highest
            case bookedMillicores = "booked_millicores"
            case medianGibibyte = "median_gibibyte"
        }
    }

    /// False = nothing costs anything.
    package var economy: Bool
    /// Of machines whose owners ask nothing else: a core-hour and a GiB-hour.
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
