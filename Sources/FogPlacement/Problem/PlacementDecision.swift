package import FogCore

/// How one step's tasks were placed in one tick, for those who ask later: kept with what was decided.
package struct PlacementDecision: Hashable, Sendable, Codable {
    package enum Method: String, Hashable, Sendable, Codable {
        /// One strategy's order, node by node.
        case direct
        /// Like tasks by all objectives, one after another: exact.
        case spread
        /// Several steps at once, by the search.
        case search
    }

    /// A node among the best for one task of the step, before any was given out.
    package struct Offer: Hashable, Sendable, Codable {
        package var node: NodeID
        package var name: String
        /// Seconds, what the node adds to the unevenness, distrust, running cost and price in micro-credits.
        package var objectives: [Double]
        /// All five in one number by the weights, and what the node's capacity is worth to others on top.
        package var adjusted: Double
        /// How much more that is than where most of the tasks went; below 0 where a better node was full by then.
        package var regret: Double
    }

    /// Tasks given to one node.
    package struct Share: Hashable, Sendable, Codable {
        package var node: NodeID
        package var name: String
        package var tasks: Int
    }

    /// Best nodes, nodes of the answer and points that are kept.
    package static let maxOffers = 5, maxShares = 20, maxPoints = 50

    package var shape: ShapeID
    package var at: Timestamp
    package var strategy: Strategy
    package var method: Method
    package var seed: UInt64
    /// By which the point was taken from the front; nil = the knee.
    package var weights: ObjectiveWeights?
    /// Tasks that got a node, and those that got none.
    package var placed: Int
    package var unplaced: Int
    package var shares: [Share]
    package var offers: [Offer]
    /// All nodes, those that pass every check, and why the others do not.
    package var nodeCount: Int
    package var candidates: Int
    package var reasons: [ReasonCount]
    /// Steps that were placed together, this one among them.
    package var together: Int
    /// The five objectives of each point of the front, none better than another in everything. Empty for direct ones.
    package var front: [[Double]]
    /// Index into `front`.
    package var chosen: Int
}
