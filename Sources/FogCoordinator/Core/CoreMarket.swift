internal import FogCore
internal import FogJobs
package import FogPlacement
internal import FogStore

/// Prices that move: the index by use, the call market over bids and asks, auctions of single tasks.
extension CoordinatorCore {
    /// How often the use of the pool is looked at.
    static let marketSampleEvery = TimeSpan.seconds(5)
    /// Steps whose task is auctioned in one round.
    static let auctionsPerRound = 16

    /// Looks at what is booked, and ends the epoch when its time is over.
    mutating func keepMarket(at now: Moment) {
        guard rules.economy, rules.movingPrices, now.boot >= nextMarketSample else { return }
        nextMarketSample = now.boot + Self.marketSampleEvery
        var booked: [MarketSegment: Int64] = [:], offered: [MarketSegment: Int64] = [:]
        for node in nodes.values where node.whyClosed(at: now.wall) == nil {
            let report = node.row.report, cores = min(node.allowance?.cpuCap ?? report.cpu, report.cpu)
            let cpu = MarketSegment(region: report.region, capability: .cpu)
            offered[cpu, default: 0] += cores.count
            booked[cpu, default: 0] += min(cores, node.reserved.cpu).count
            guard report.gpu > 0 else { continue }
            let gpu = MarketSegment(region: report.region, capability: .gpu)
            offered[gpu, default: 0] += Int64(report.gpu) * 1000
            booked[gpu, default: 0] += Int64(min(report.gpu, node.reserved.gpu)) * 1000
        }
        for segment in offered.keys.sorted() {
            market.sample(
                segment, booked: Millicores(booked[segment] ?? 0), of: Millicores(offered[segment] ?? 0),
                usual: rules.coreHourPrice)
        }
        let ended = market.advance(to: now.wall, usual: rules.coreHourPrice)
        guard !ended.isEmpty else { return }
        change.marketEpochs += ended
        change.marketKeptFrom = now.wall - MarketBook.kept
        hasChange = true
        placementWanted = true
    }

    /// What a core-hour and a GiB-hour cost in a segment on machines whose owners ask nothing.
    package func indexRates(_ segment: MarketSegment) -> HourlyRates {
        guard rules.economy else { return HourlyRates() }
        return HourlyRates(core: market.price(segment, usual: asks.core), in: asks)
    }

    /// On what terms a step's tasks are placed now.
    func terms(of job: ActiveJob, step: Int) -> PurchaseTerms {
        let purchase = job.spec.placement.purchase
        guard rules.economy, purchase != .onDemand else { return PurchaseTerms() }
        if purchase == .reserved {
            let price = HourlyRates(
                core: job.record.reservedCore ?? asks.core, gibibyte: job.record.reservedGibibyte ?? asks.gibibyte)
            return PurchaseTerms(
                .reserved,
                sale: .init(rates: price, sellerCore: price.core, askLimit: price.core, usual: asks))
        }
        return sales[ShapeKey(job: job.record.id, step: step)]?.terms
            ?? PurchaseTerms(purchase, unsold: "of \(purchase.rawValue) is found when machines have room")
    }

    /// What was sold to a step in the last round, and to how many of its tasks.
    struct MarketSale: Sendable {
        var terms: PurchaseTerms
        var tasks: Int
    }

    /// Sells what is free to the steps that bid for it.
    mutating func holdMarket(at now: Moment) {
        sales = [:]
        guard rules.economy else { return }
        var bidders: [CapabilityClass: [ShapeKey]] = [:], special: [ShapeKey] = []
        for (id, job) in jobs where job.mayStart {
            let purchase = job.spec.placement.purchase
            guard purchase.needsLimit else { continue }
            for (step, progress) in job.record.progress.steps.enumerated() where progress.counts[.ready] > 0 {
                let key = ShapeKey(job: id, step: step)
                if purchase == .auction {
                    special.append(key)
                } else {
                    bidders[CapabilityClass(of: job.steps[step].spec.resources), default: []].append(key)
                }
            }
        }
        for (capability, keys) in bidders.sorted(by: { $0.key < $1.key }) {
            sellSpot(to: keys.sorted { ($0.job, $0.step) < ($1.job, $1.step) }, capability, at: now)
        }
        let auctions = special.sorted { ($0.job, $0.step) < ($1.job, $1.step) }.prefix(Self.auctionsPerRound)
        guard !auctions.isEmpty else { return }
        let records = nodes.values.map { nodeRecord($0, at: now) }
        for key in auctions { auction(key, among: records, at: now) }
    }

    /// The call market: bids of steps, asks of machines with room.
    ///
    /// Whoever bids the dearest index price or more could as well buy on demand, and does so when the market leaves him
    /// out: in the market such a bid counts as that price. So nobody pays more than it, or goes without for want of a
    /// second seller, and bidding more than a task is worth gains as little as before.
    private mutating func sellSpot(to keys: [ShapeKey], _ capability: CapabilityClass, at now: Moment) {
        var asked: [String: Credits] = [:], asking: [CallMarket.Order] = [], regions: Set<String> = []
        for node in nodes.values where node.whyClosed(at: now.wall) == nil {
            let report = node.row.report
            guard capability == .cpu || report.gpu > node.reserved.gpu else { continue }
            let free = min(node.allowance?.cpuCap ?? report.cpu, report.cpu).count - node.reserved.cpu.count
            regions.insert(report.region)
            guard free >= 1000 else { continue }
            let ask = asks(of: node.row, capability).coreEquivalent(in: asks)
            asking.append(
                CallMarket.Order(id: node.row.id.description, limit: ask, quantity: Int(clamping: free / 1000)))
            asked[node.row.id.description] = ask
        }
        let segments = regions.map { MarketSegment(region: $0, capability: capability) }
        let counter = segments.map { indexRates($0).core }.max() ?? asks.core
        var left = CallMarket.maxUnits / 2
        let bids = keys.compactMap { key -> CallMarket.Order? in
            guard let job = jobs[key.job], let limit = job.spec.placement.maxPrice else { return nil }
            let each = Self.units(job.steps[key.step].spec.resources)
            let tasks = min(job.record.progress.steps[key.step].counts[.ready], left / each)
            left -= tasks * each
            return CallMarket.Order(
                id: Self.word(key), limit: min(limit, counter, CallMarket.maxLimit), quantity: tasks * each)
        }
        let found = CallMarket.clear(bids: bids, asks: asking, rule: .open)
        if let price = found.buyerPrice { for segment in segments { market.traded(segment, at: price) } }
        var won: [String: (units: Int, ask: Credits)] = [:]
        var highest = Credits.zero
        for trade in found.trades {
            won[trade.bid, default: (0, .zero)].units += trade.quantity
            highest = max(highest, asked[trade.ask] ?? .zero)
        }
        for key in keys {
            guard let job = jobs[key.job], let limit = job.spec.placement.maxPrice else { continue }
            let tasks = (won[Self.word(key)]?.units ?? 0) / Self.units(job.steps[key.step].spec.resources)
            if tasks > 0, let buyer = found.buyerPrice, let seller = found.sellerPrice {
                let sale = PurchaseTerms.Sale(
                    rates: HourlyRates(core: buyer, in: asks), sellerCore: seller, askLimit: highest, usual: asks)
                sales[key] = MarketSale(terms: PurchaseTerms(.spot, sale: sale), tasks: tasks)
            } else if limit >= counter {
                sales[key] = MarketSale(
                    terms: PurchaseTerms(), tasks: job.record.progress.steps[key.step].counts[.ready])
            } else {
                let traded = found.buyerPrice.map { "traded at \($0) a core-hour" } ?? "found no pair"
                let words = "of spot \(traded): a bid of \(limit) buys nothing, one of \(counter) always does"
                sales[key] = MarketSale(terms: PurchaseTerms(.spot, unsold: words), tasks: 0)
            }
        }
    }

    private static func word(_ key: ShapeKey) -> String { "\(key.job)/\(key.step)" }
    /// Whole cores.
    private static func units(_ demand: ResourceRequest) -> Int {
        max(1, Int(clamping: (demand.cpu.count + 999) / 1000))
    }

    /// One task to the machine that asks least, at what the next owner asks. Owners that count as one ask once, or an
    /// owner of two machines would name his own price.
    private mutating func auction(_ key: ShapeKey, among records: [NodeRecord], at now: Moment) {
        guard let job = jobs[key.job], let limit = job.spec.placement.maxPrice else { return }
        var shape = shape(of: job, step: key.step, at: now)
        shape.constraints.terms = PurchaseTerms()
        shape.constraints.maxPrice = nil
        var best: [AccountID: (node: NodeID, ask: Credits)] = [:]
        for record in records where Feasibility.failures(of: shape, on: record, now: now.wall).isEmpty {
            guard let owner = nodes[record.id]?.row.owner else { continue }
            let ask = record.asks(for: shape.demand).coreEquivalent(in: asks), head = kinship.head(of: owner)
            if let known = best[head], (known.ask, known.node) <= (ask, record.id) { continue }
            best[head] = (record.id, ask)
        }
        let named = Dictionary(best.values.map { ($0.node.description, $0.node) }) { first, _ in first }
        let award = ReverseAuction.award(
            asks: best.values.map { ($0.node.description, $0.ask) }, limit: limit)
        guard let award, let winner = named[award.winner] else {
            let words =
                best.isEmpty
                ? "of an auction: no machine can take it now"
                : "of an auction: nobody who can take it asks at most \(limit) a core-hour"
            sales[key] = MarketSale(terms: PurchaseTerms(.auction, unsold: words), tasks: 0)
            return
        }
        let sale = PurchaseTerms.Sale(
            rates: HourlyRates(core: award.pays, in: asks), sellerCore: award.pays, askLimit: award.pays,
            usual: asks, node: winner)
        sales[key] = MarketSale(terms: PurchaseTerms(.auction, sale: sale), tasks: 1)
    }

    // MARK: - Reserved

    /// Of the forecast, in percent: what one saves who pays ahead.
    static let reservedPercent: Int64 = 75

    /// What a job would pay that is reserved now: a part of where the price is going over its longest task, in the dearest
    /// region where it may run.
    func reservedRates(for spec: JobSpec) -> HourlyRates {
        let prices = segments(of: spec).map {
            market.forecast($0)?.ahead(Self.epochs(of: spec)).price ?? indexRates($0).core
        }
        let dearest = max(MarketBook.floor(asks.core), prices.max() ?? asks.core)
        return HourlyRates(
            core: Credits(micro: Int64(clamping: Int128(dearest.micro) * Int128(Self.reservedPercent) / 100)), in: asks)
    }

    /// Where a job may run.
    func segments(of spec: JobSpec) -> [MarketSegment] {
        let regions = spec.placement.region.map { [$0] } ?? Array(Set(nodes.values.map(\.row.report.region)))
        let classes = Set(spec.steps.map { CapabilityClass(of: $0.resources) })
        return regions.flatMap { region in classes.map { MarketSegment(region: region, capability: $0) } }.sorted()
    }

    /// How long its longest task may take.
    static func epochs(of spec: JobSpec) -> Int {
        let longest = spec.steps.map(\.resources.time).max() ?? .zero
        return Int(
            clamping: min(
                Int64(MarketBook.remembered), longest.milliseconds / MarketBook.epoch.milliseconds + 1))
    }

    /// Of the dearest segment where the job may run, over its longest task.
    func forecast(for spec: JobSpec) -> (forecast: MarketForecast, epochs: Int)? {
        let dearest = segments(of: spec).max { indexRates($0).core < indexRates($1).core }
        return dearest.flatMap { market.forecast($0) }.map { ($0, Self.epochs(of: spec)) }
    }
}
