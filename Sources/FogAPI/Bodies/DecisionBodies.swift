/// A node as one of a decision's best: what one task of the step is worth there.
package struct OfferBody: Hashable, Sendable, Codable {
    package var node: String
    /// Seconds to the result.
    package var latency: Double
    /// What a task more there adds to how uneven the nodes are used.
    package var imbalance: Double
    /// 1 - trust.
    package var distrust: Double
    /// What it costs the node's owner, and what is asked for it, in micro-credits.
    package var cost: Double
    package var price: Double
    /// All five in one number by the decision's weights, with what the node's capacity is worth to other tasks.
    package var adjusted: Double
    /// How much more that is than where most tasks went.
    package var regret: Double

    package init(node: String, objectives: [Double], adjusted: Double, regret: Double) {
        self.node = node
        let five = objectives + Array(repeating: 0, count: max(0, 5 - objectives.count))
        (latency, imbalance, distrust, cost, price) = (five[0], five[1], five[2], five[3], five[4])
        self.adjusted = adjusted
        self.regret = regret
    }
}

/// How tasks of a step were placed in one round.
package struct DecisionBody: Hashable, Sendable, Codable {
    package struct Share: Hashable, Sendable, Codable {
        package var node: String
        package var tasks: Int

        package init(node: String, tasks: Int) {
            self.node = node
            self.tasks = tasks
        }
    }

    package var step: String
    /// RFC 3339.
    package var at: String
    package var strategy: String
    /// direct, spread or search.
    package var method: String
    package var seed: String
    /// latency, balance, trust, cost, price; empty = the knee of the front.
    package var weights: [Double]
    package var placed: Int
    package var unplaced: Int
    package var shares: [Share]
    package var offers: [OfferBody]
    package var nodeCount: Int
    /// Nodes that passed every check and had room.
    package var candidates: Int
    package var reasons: [ExplanationBody.Count]
    /// Steps that were searched together.
    package var together: Int
    /// Points of latency, load variance, distrust, cost and price, none better than another in everything.
    package var front: [[Double]]
    /// Of the points, counted from 0; nothing where there is no front.
    package var chosen: Int?

    package init(
        step: String, at: String, strategy: String, method: String, seed: String, weights: [Double], placed: Int,
        unplaced: Int, shares: [Share], offers: [OfferBody], nodeCount: Int, candidates: Int,
        reasons: [ExplanationBody.Count], together: Int, front: [[Double]], chosen: Int?
    ) {
        self.step = step
        self.at = at
        self.strategy = strategy
        self.method = method
        self.seed = seed
        self.weights = weights
        self.placed = placed
        self.unplaced = unplaced
        self.shares = shares
        self.offers = offers
        self.nodeCount = nodeCount
        self.candidates = candidates
        self.reasons = reasons
        self.together = together
        self.front = front
        self.chosen = chosen
    }

    enum CodingKeys: String, CodingKey {
        case step, at, strategy, method, seed, weights, placed, unplaced, shares, offers, candidates, reasons, together
        case front, chosen
        case nodeCount = "node_count"
    }
}

package struct DecisionListBody: Hashable, Sendable, Codable {
    /// Newest first.
    package var decisions: [DecisionBody]

    package init(decisions: [DecisionBody]) { self.decisions = decisions }
}

/// Why a node does not run a step's tasks, or how it stands among those that may.
package struct WhyNotBody: Hashable, Sendable, Codable {
    package struct Step: Hashable, Sendable, Codable {
        package var step: String
        /// What it fails; empty = it could take a task now.
        package var failed: [String]
        /// The least that would have to change for this node.
        package var advice: String
        /// Among the candidates, 1 = the best; nothing where it is none.
        package var rank: Int?
        package var candidates: Int
        package var offer: OfferBody?
        package var best: OfferBody?

        package init(
            step: String, failed: [String], advice: String, rank: Int?, candidates: Int, offer: OfferBody?,
            best: OfferBody?
        ) {
            self.step = step
            self.failed = failed
            self.advice = advice
            self.rank = rank
            self.candidates = candidates
            self.offer = offer
            self.best = best
        }
    }

    package var node: String
    package var steps: [Step]

    package init(node: String, steps: [Step]) {
        self.node = node
        self.steps = steps
    }
}
