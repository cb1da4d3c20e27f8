package import FogCore
package import FogJobs
package import FogPlacement
internal import FogStore

/// What capacity costs now.
package struct MarketPrices: Sendable {
    /// The machines of one region that take work.
    package struct Region: Sendable {
        /// "" where machines name none.
        package var name: String
        package var machines: Int
        package var cores: Millicores
        /// Cores that are leased.
        package var booked: Millicores
        /// A core-hour.
        package var lowest: Credits
        package var median: Credits
        package var highest: Credits
        /// A GiB-hour, of the machine in the middle.
        package var medianGibibyte: Credits
        /// Where the owner asks nothing; of machines with accelerators, nil where there are none.
        package var index: Credits
        package var gpuIndex: Credits?
        package var forecast: MarketForecast?
    }

    /// Nothing costs anything where it is off.
    package var economy: Bool
    /// The operator's, around which the index moves.
    package var usual: HourlyRates
    package var regions: [Region]
}

extension Coordinator {
    package func marketPrices() -> MarketPrices { core.marketPrices(at: now) }

    /// Epochs in which anything moved, oldest first.
    package func marketHistory(
        region: String?, capability: CapabilityClass?, limit: Int
    ) async throws -> [MarketEpoch] {
        let most = min(max(1, limit), Self.epochsAtOnce)
        let segment = region.map { MarketSegment(region: $0, capability: capability ?? .cpu) }
        let kept = now.wall - MarketBook.kept
        let found = try await store.marketEpochs(
            of: segment, since: kept, limit: segment == nil && capability != nil ? Self.epochsRead : most)
        return found.filter { capability == nil || $0.segment.capability == capability }.suffix(most)
    }

    private static let epochsAtOnce = 1000, epochsRead = 20_000

    /// Sets what a machine's owner asks; nil goes back to the operator's price.
    package func ask(_ reference: String, core coreAsk: Credits?, gibibyte: Credits?, by principal: Principal)
        async throws -> NodeStatus
    {
        let id = try node(reference, for: principal).row.id
        try await perform { core, now throws(CoordinatorFailure) in
            try core.ask(id, core: coreAsk, gibibyte: gibibyte, by: principal, at: now)
        }
        return try node(id.description, for: principal)
    }
}

extension CoordinatorCore {
    /// The most that may be asked for an hour of anything.
    package static let highestAsk = Credits.credits(1000)

    /// What runs and what is granted already keeps its price.
    /// - Throws: `not_found`, `bad_ask`.
    package mutating func ask(
        _ id: NodeID, core coreAsk: Credits?, gibibyte: Credits?, by principal: Principal, at now: Moment
    ) throws(CoordinatorFailure) {
        guard var node = nodes[id], node.row.owner == principal.account || principal.mayForEverybody(.changeMachines)
        else { throw .notFound }
        for (name, ask) in [("core", coreAsk), ("gibibyte", gibibyte)] {
            guard let ask, ask < .zero || ask > Self.highestAsk else { continue }
            throw CoordinatorFailure(
                "bad_ask", "`\(name)` must be 0 to \(Self.highestAsk) credits an hour, found \(ask)")
        }
        node.row.coreAsk = coreAsk
        node.row.gibAsk = gibibyte
        node.plan = []
        save(node)
        let rates = asks(of: node.row)
        note(
            "node_asks", at: now, node: id,
            detail: ["core": rates.core.description, "gibibyte": rates.gibibyte.description])
        placementWanted = true
    }

    package func marketPrices(at now: Moment) -> MarketPrices {
        let open = nodes.values.filter { $0.whyClosed(at: now.wall) == nil }
        let regions = Dictionary(grouping: open) { $0.row.report.region }.map { name, machines in
            let cores = machines.map { asks(of: $0.row).core }.sorted()
            let memory = machines.map { asks(of: $0.row).gibibyte }.sorted()
            return MarketPrices.Region(
                name: name, machines: machines.count,
                cores: machines.reduce(.zero) {
                    $0 + min($1.allowance?.cpuCap ?? $1.row.report.cpu, $1.row.report.cpu)
                }, booked: machines.reduce(.zero) { $0 + $1.reserved.cpu }, lowest: cores[0],
                median: cores[(cores.count - 1) / 2], highest: cores[cores.count - 1],
                medianGibibyte: memory[(memory.count - 1) / 2],
                index: indexRates(MarketSegment(region: name, capability: .cpu)).core,
                gpuIndex: machines.contains { $0.row.report.gpu > 0 }
                    ? indexRates(MarketSegment(region: name, capability: .gpu)).core : nil,
                forecast: market.forecast(MarketSegment(region: name, capability: .cpu)))
        }
        return MarketPrices(
            economy: rules.economy, usual: asks, regions: regions.sorted { $0.name < $1.name })
    }
}
