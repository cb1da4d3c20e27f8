package import FogCore

/// Many bids and asks for one class of capacity, cleared at once.
package enum CallMarket {
    /// So many units at no worse than the limit, each.
    package struct Order: Hashable, Sendable {
        package let id: String
        package let limit: Credits
        package let quantity: Int

        package init(id: String, limit: Credits, quantity: Int = 1) {
            self.id = id
            self.limit = limit
            self.quantity = max(0, quantity)
        }
    }

    package struct Trade: Hashable, Sendable {
        package let bid: String
        package let ask: String
        package let quantity: Int
    }

    package struct Clearing: Hashable, Sendable {
        /// Units that change hands.
        package var units = 0
        /// Of a unit; nil when nothing is traded.
        package var buyerPrice: Credits?
        package var sellerPrice: Credits?
        /// Highest bid with lowest ask, and so on.
        package var trades: [Trade] = []
        /// What buyers pay beyond what sellers get: the treasury's.
        package var surplus = Credits.zero
    }

    package enum Rule: String, Sendable, CaseIterable {
        /// Trade reduction (McAfee 1992): nobody who wants one unit gains by naming another limit than the true one; at
        /// most the least valuable trade is lost for it.
        case mcAfee = "mcafee"
        /// The same, and where one side is used up the next order of the other alone names the price, if all who trade
        /// bear it: no trade is lost to a market that one side leaves, and lying pays as little.
        case open = "mcafee-open"
        /// The middle of the last pair: loses no trade, but invites to lie a little.
        case half = "k-half"
    }

    /// Micro-credits of all orders together stay below 2^62.
    package static let maxLimit = Credits(micro: 1 << 42), maxUnits = 1 << 19

    package static func clear(bids: [Order], asks: [Order], rule: Rule = .mcAfee) -> Clearing {
        let buyers = Side(bids) { $0.limit > $1.limit }, sellers = Side(asks) { $0.limit < $1.limit }
        let crossing = crossing(buyers, sellers)
        guard crossing > 0, let lastBid = buyers.limit(crossing - 1), let lastAsk = sellers.limit(crossing - 1) else {
            return Clearing()
        }
        var clearing = Clearing()
        switch rule {
        case .half:
            let price = middle(lastBid, lastAsk)
            (clearing.units, clearing.buyerPrice, clearing.sellerPrice) = (crossing, price, price)
        case .mcAfee, .open:
            // The next pair, which does not trade, names the price when it lies between those that do.
            let bid = buyers.limit(crossing), ask = sellers.limit(crossing)
            var price: Credits?
            if let bid, let ask { price = middle(bid, ask) } else if rule == .open { price = bid ?? ask }
            if let price, lastAsk <= price, price <= lastBid {
                (clearing.units, clearing.buyerPrice, clearing.sellerPrice) = (crossing, price, price)
            }
            if clearing.units == 0, crossing > 1 {
                (clearing.units, clearing.buyerPrice, clearing.sellerPrice) = (crossing - 1, lastBid, lastAsk)
            }
        }
        clearing.trades = pairs(buyers, sellers, clearing.units)
        if let buyer = clearing.buyerPrice, let seller = clearing.sellerPrice {
            clearing.surplus = Credits(micro: (buyer.micro - seller.micro) * Int64(clearing.units))
        }
        return clearing
    }

    private static func middle(_ first: Credits, _ second: Credits) -> Credits {
        // Rounded down, as a shift does.
        Credits(micro: (first.micro + second.micro) >> 1)
    }

    /// How many units a buyer would take at what a seller wants.
    private static func crossing(_ buyers: Side, _ sellers: Side) -> Int {
        var low = 0, high = min(buyers.units, sellers.units)
        while low < high {
            let middle = (low + high) / 2
            if let bid = buyers.limit(middle), let ask = sellers.limit(middle), bid >= ask {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    private static func pairs(_ buyers: Side, _ sellers: Side, _ units: Int) -> [Trade] {
        var trades: [Trade] = []
        var done = 0, buyer = 0, seller = 0
        while done < units {
            let end = min(units, buyers.ends[buyer], sellers.ends[seller])
            trades.append(Trade(bid: buyers.orders[buyer].id, ask: sellers.orders[seller].id, quantity: end - done))
            done = end
            if done == buyers.ends[buyer] { buyer += 1 }
            if done == sellers.ends[seller] { seller += 1 }
        }
        return trades
    }

    /// One side of the market, the most eager first; among equals by id.
    private struct Side {
        let orders: [Order]
        /// The units up to and with each order.
        let ends: [Int]

        init(_ all: [Order], isBefore: (Order, Order) -> Bool) {
            let bounded = all.filter { $0.quantity > 0 && $0.limit >= .zero && $0.limit <= CallMarket.maxLimit }
            let sorted = bounded.sorted { first, second in
                first.limit == second.limit ? first.id < second.id : isBefore(first, second)
            }
            var kept: [Order] = [], ends: [Int] = [], sum = 0
            for order in sorted {
                let taken = min(order.quantity, CallMarket.maxUnits - sum)
                guard taken > 0 else { break }
                sum += taken
                kept.append(order)
                ends.append(sum)
            }
            orders = kept
            self.ends = ends
        }

        var units: Int { ends.last ?? 0 }

        /// The limit of the unit at a position.
        func limit(_ position: Int) -> Credits? {
            guard position < units else { return nil }
            var low = 0, high = ends.count - 1
            while low < high {
                let middle = (low + high) / 2
                if ends[middle] > position { high = middle } else { low = middle + 1 }
            }
            return orders[low].limit
        }
    }
}
