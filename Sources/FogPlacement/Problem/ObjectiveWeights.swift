package import FogCore

/// How much each of the five objectives counts when one placement is chosen out of a front.
///
/// None below 0; only their proportions matter.
package struct ObjectiveWeights: Hashable, Sendable, Codable {
    /// Soon results.
    package var latency: Double
    /// Even use of the nodes.
    package var balance: Double
    package var trust: Double
    /// What running it costs the nodes' owners.
    package var cost: Double
    /// What is asked for it.
    package var price: Double

    package static let names = ["latency", "balance", "trust", "cost", "price"]
    package static let even = ObjectiveWeights(latency: 1, balance: 1, trust: 1, cost: 1, price: 1)

    package init(latency: Double = 0, balance: Double = 0, trust: Double = 0, cost: Double = 0, price: Double = 0) {
        self.latency = latency
        self.balance = balance
        self.trust = trust
        self.cost = cost
        self.price = price
    }

    /// In the order of ``names`` and of ``BatchProblem/objectives``.
    package init(_ values: [Double]) {
        precondition(values.count == Self.names.count, "each objective has a weight")
        self.init(latency: values[0], balance: values[1], trust: values[2], cost: values[3], price: values[4])
    }

    package var values: [Double] { [latency, balance, trust, cost, price] }

    /// What a service class asks for by itself: urgent jobs soon and by trusted nodes; nil = the knee of the front.
    package static func wish(of sla: SLAClass) -> ObjectiveWeights? {
        switch sla {
        case .s: ObjectiveWeights(latency: 4, balance: 1, trust: 2, cost: 0.5, price: 0.5)
        case .a: ObjectiveWeights(latency: 2, balance: 1, trust: 1, cost: 0.5, price: 0.5)
        case .b: nil
        }
    }

    /// As parts of 1; even where all are 0.
    var vector: SIMD8<Double> {
        var vector = SIMD8<Double>.zero
        for (place, value) in values.enumerated() where value.isFinite { vector[place] = max(0, value) }
        let sum = vector.sum()
        guard sum > 0 else { return Self.even.vector }
        return vector / sum
    }
}
