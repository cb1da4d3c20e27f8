package import FogCore

/// On what terms the tasks of a shape may be placed: the price that placement weighs, a grant binds and the ledger
/// charges.
package struct PurchaseTerms: Hashable, Sendable, Codable {
    /// What was sold to a shape.
    package struct Sale: Hashable, Sendable, Codable {
        /// What the buyer pays, whichever machine it is.
        package var rates: HourlyRates
        /// What the machine's owner gets of a core-hour; never more than the buyer pays.
        package var sellerCore: Credits
        /// Machines that ask more, see ``HourlyRates/coreEquivalent(in:)``, have not sold.
        package var askLimit: Credits
        /// The operator's prices: how many GiB-hours are worth a core-hour.
        package var usual: HourlyRates
        /// The only machine that has sold; nil = any within the limit.
        package var node: NodeID?

        package init(
            rates: HourlyRates, sellerCore: Credits, askLimit: Credits, usual: HourlyRates, node: NodeID? = nil
        ) {
            self.rates = rates
            self.sellerCore = min(sellerCore, rates.core)
            self.askLimit = askLimit
            self.usual = usual
            self.node = node
        }

        /// Whether a machine that asks so much has sold.
        package func includes(_ id: NodeID, asking asks: HourlyRates) -> Bool {
            (node == nil || node == id) && asks.coreEquivalent(in: usual) <= askLimit
        }
    }

    package var purchase: Purchase
    /// Nil = each machine at what it asks, or, beside another purchase than on demand, nothing now.
    package var sale: Sale?
    /// Why nothing is sold now, in words that go on from "price".
    package var unsold: String?

    package init(_ purchase: Purchase = .onDemand, sale: Sale? = nil, unsold: String? = nil) {
        self.purchase = purchase
        self.sale = sale
        self.unsold = unsold
    }

    /// What a machine asks under these terms: reserved capacity leaves the price to the pool where the owner has not
    /// named one.
    func asks(of node: NodeRecord, for demand: ResourceRequest) -> HourlyRates {
        purchase == .reserved ? node.named : node.asks(for: demand)
    }

    /// Nothing can be bought until another round.
    var isUnsold: Bool { sale == nil && purchase != .onDemand }
}

extension HourlyRates {
    /// So much a core-hour, and GiB-hours in the operator's proportion.
    package init(core: Credits, in usual: HourlyRates) {
        let gibibyte =
            usual.core.micro > 0
            ? Int128(core.micro) * Int128(usual.gibibyte.micro) / Int128(usual.core.micro)
            : Int128(usual.gibibyte.micro)
        self.init(core: core, gibibyte: Credits(micro: Int64(clamping: gibibyte)))
    }

    /// The least price of a core-hour at which, with GiB-hours in the operator's proportion, neither is below these.
    package func coreEquivalent(in usual: HourlyRates) -> Credits {
        guard usual.gibibyte.micro > 0, usual.core.micro > 0 else { return core }
        let product = Int128(gibibyte.micro) * Int128(usual.core.micro), whole = Int128(usual.gibibyte.micro)
        return max(core, Credits(micro: Int64(clamping: (product + whole - 1) / whole)))
    }
}

extension TaskShape {
    /// What a task of the shape pays on a node.
    package func rates(on node: NodeRecord) -> HourlyRates { constraints.terms.sale?.rates ?? node.asks(for: demand) }
}
