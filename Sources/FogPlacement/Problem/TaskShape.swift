package import FogCore

/// Which tasks a shape stands for: one step of one job.
package struct ShapeID: Hashable, Sendable, Comparable, CustomStringConvertible, Codable {
    package var job: JobID
    /// "" for a job without steps.
    package var step: String

    package init(job: JobID, step: String = "") {
        self.job = job
        self.step = step
    }

    package var description: String { step.isEmpty ? "\(job)" : "\(job)/\(step)" }

    package static func < (first: ShapeID, second: ShapeID) -> Bool {
        (first.job, first.step) < (second.job, second.step)
    }
}

/// What a node must be for a task to run there: none of it is ever traded against another good.
package struct PlacementConstraints: Hashable, Sendable, Codable {
    /// The sandbox profile.
    package var profile: String
    /// Its tasks reach hosts through the node's proxy.
    package var needsNetwork: Bool
    package var requires: [Requirement]
    /// Nil = any.
    package var region: String?
    /// Between coordinator and node; nil = any.
    package var maxLatency: TimeSpan?
    /// A core-hour; nil = any.
    package var maxPrice: Credits?
    package var terms: PurchaseTerms
    /// 0...1.
    package var minTrust: Double
    /// Names of nodes, or `owner:NAME`.
    package var exclude: [String]
    /// Only nodes of this owner, and those that the operator trusts: the task is told secrets. Nil = any.
    package var secretsOf: String?

    package init(
        profile: String = "default", needsNetwork: Bool = false, requires: [Requirement] = [], region: String? = nil,
        maxLatency: TimeSpan? = nil,
        maxPrice: Credits? = nil, terms: PurchaseTerms = PurchaseTerms(), minTrust: Double = 0,
        exclude: [String] = [], secretsOf: String? = nil
    ) {
        self.terms = terms
        self.profile = profile
        self.needsNetwork = needsNetwork
        self.requires = requires
        self.region = region
        self.maxLatency = maxLatency
        self.maxPrice = maxPrice
        self.minTrust = minTrust
        self.exclude = exclude
        self.secretsOf = secretsOf
    }

    /// Whether the node may be told what the task is told.
    package func trusts(_ node: NodeRecord) -> Bool {
        secretsOf == nil || node.isTrusted || node.owner == secretsOf
    }

    /// Whether the job has named the node, or its owner, as unwanted.
    package func excludes(_ node: NodeRecord) -> Bool {
        guard !exclude.isEmpty else { return false }
        return exclude.contains { $0 == node.name || ($0.hasPrefix("owner:") && $0.dropFirst(6) == node.owner) }
    }
}

/// What all tasks of one step have in common as placement sees them.
package struct TaskShape: Hashable, Sendable {
    /// The most copies of a task that placement tells apart by owner.
    package static let maxReplicas = 16
    /// Content beyond this many digests does not count for `affinity`.
    package static let maxAffinityDigests = 64

    package var id: ShapeID
    package var demand: ResourceRequest
    package var constraints: PlacementConstraints
    package var sla: SLAClass
    /// Equal results wanted from so many owners. A node that is trusted for the shape counts as all of them.
    package var replicas: Int
    /// The owner behind the submitter: its own nodes are trusted for the shape. Nil = unknown.
    package var submitter: String?
    /// What the job offers the market for a core-hour; nil = the node's ask. The direct strategies bind the ask.
    package var bid: Credits?
    /// The job's level: only nodes that take work of it may run it.
    package var privacy: PrivacyLevel
    /// Only nodes to which the job key is sealed may run it.
    package var isPrivate: Bool
    package var sealedTo: Set<NodeID>
    /// The caller's score, for the record: the order of ``PlacementProblem/waiting`` is what counts.
    package var priority: Double
    package var strategy: Strategy
    /// By which the point is taken from the front; nil = what its service class asks for.
    package var weights: ObjectiveWeights?
    /// The submitter's region, for `proximity`; nil = unknown.
    package var origin: String?
    package var inputBytes: ByteCount
    /// Inputs that a node may have cached.
    package var affinity: [Digest]
    /// How long a task took on a core of speed 1, as far as known; nil = assume `demand.time`.
    package var expectedTime: TimeSpan?
    /// Tasks that may start before `max_parallel` is reached; nil = no limit.
    package var maxParallelLeft: Int?

    package init(
        id: ShapeID, demand: ResourceRequest = ResourceRequest(),
        constraints: PlacementConstraints = PlacementConstraints(), sla: SLAClass = .b, replicas: Int = 1,
        submitter: String? = nil, bid: Credits? = nil, isPrivate: Bool = false, sealedTo: Set<NodeID> = [],
        priority: Double = 0, strategy: Strategy = .standard,
        weights: ObjectiveWeights? = nil, origin: String? = nil, inputBytes: ByteCount = .zero,
        affinity: [Digest] = [], expectedTime: TimeSpan? = nil, maxParallelLeft: Int? = nil,
        privacy: PrivacyLevel = .public
    ) {
        self.id = id
        self.demand = demand
        self.constraints = constraints
        self.sla = sla
        self.replicas = replicas
        self.submitter = submitter
        self.bid = bid
        self.isPrivate = isPrivate
        self.privacy = privacy
        self.sealedTo = sealedTo
        self.priority = priority
        self.strategy = strategy
        self.weights = weights
        self.origin = origin
        self.inputBytes = inputBytes
        self.affinity = affinity
        self.expectedTime = expectedTime
        self.maxParallelLeft = maxParallelLeft
    }

    /// By which the strategies that weigh objectives choose; nil = the knee.
    var wish: ObjectiveWeights? {
        strategy == .loadBalance ? ObjectiveWeights(balance: 1) : weights ?? ObjectiveWeights.wish(of: sla)
    }

    /// Whether one copy on the node counts as verified.
    package func trusts(_ node: NodeRecord) -> Bool {
        node.isTrusted || (submitter != nil && submitter == node.owner)
    }
}
