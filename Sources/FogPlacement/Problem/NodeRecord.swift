package import FogCore

/// Whether the registry lets a node have new work.
package enum NodeState: Hashable, Sendable, Codable {
    case ready
    /// Silent for a while.
    case suspect
    /// Silent for so long that its tasks are granted again.
    case lost
    /// The operator lets it finish and leave.
    case draining
    /// The operator gives it nothing new.
    case cordoned
    /// It failed too often; tried again at the time.
    case probation(until: Timestamp)

    /// One or two words for a table.
    package var word: String {
        switch self {
        case .ready: "ready"
        case .suspect: "suspect"
        case .lost: "lost"
        case .draining: "draining"
        case .cordoned: "cordoned"
        case .probation: "on probation"
        }
    }
}

/// What a core and a GiB of memory cost for an hour.
package struct HourlyRates: Hashable, Sendable, Codable {
    package var core: Credits
    package var gibibyte: Credits

    package init(core: Credits = .zero, gibibyte: Credits = .zero) {
        self.core = core
        self.gibibyte = gibibyte
    }
}

/// What a node has left for new tasks.
package struct NodeCapacity: Hashable, Sendable, Codable {
    package var cpu: Millicores
    package var memory: ByteCount
    package var disk: ByteCount
    package var gpu: Int
    /// Tasks that it may still be given, its prefetch included.
    package var slots: Int

    package init(cpu: Millicores, memory: ByteCount, disk: ByteCount, gpu: Int = 0, slots: Int) {
        self.cpu = cpu
        self.memory = memory
        self.disk = disk
        self.gpu = gpu
        self.slots = slots
    }
}

/// A node as placement sees it: everything that is judged is a value in here.
package struct NodeRecord: Hashable, Sendable {
    package var id: NodeID
    /// The account's name; nodes of one owner give one result between them.
    package var owner: String
    package var report: NodeReport
    package var allowance: Allowance
    package var state: NodeState
    /// What is not leased, within the owner's caps.
    package var free: NodeCapacity
    package var asks: HourlyRates
    /// For tasks that ask for a device; nil = as for others.
    package var asksOnGPU: HourlyRates?
    /// What its owner has named; 0 where the price is left to the pool.
    package var named = HourlyRates()
    /// What an hour costs the owner (energy, wear): an objective of the search, never a price.
    package var runningCosts: HourlyRates
    /// 0...1.
    package var trust: Double
    /// For tasks that ask for a device; nil = as for others.
    package var trustOnGPU: Double?
    /// Marked by the operator: one copy there counts as verified.
    package var isTrusted: Bool
    /// Tasks given to it that have not started.
    package var queueDepth: Int
    /// How often over its capacity may be given away, 1...``maxPrefetch``: above 1 where tasks are so short that
    /// fetching them one by one would take longer than running them.
    package var prefetch: Int
    /// Between coordinator and node; nil = not measured yet.
    package var latency: TimeSpan?
    /// Bits a second; nil = not measured yet.
    package var bandwidth: Int64?
    /// Of a core, against the reference core: 2 does the work in half the time.
    package var speed: Double
    /// How long it will probably stay; nil = no end in sight.
    package var availability: TimeSpan?
    package var cached: CachedContent

    package static let maxPrefetch = 64

    /// What its results in the demand's class of capability have earned.
    package func trust(for demand: ResourceRequest) -> Double { demand.gpu > 0 ? trustOnGPU ?? trust : trust }

    /// What is asked for a task of the demand's class of capability.
    package func asks(for demand: ResourceRequest) -> HourlyRates { demand.gpu > 0 ? asksOnGPU ?? asks : asks }

    /// As in `node:NAME` and `exclude`.
    package var name: String { report.name }

    package init(
        id: NodeID, owner: String, report: NodeReport, allowance: Allowance, state: NodeState = .ready,
        free: NodeCapacity, asks: HourlyRates = HourlyRates(), runningCosts: HourlyRates = HourlyRates(),
        trust: Double = 0, trustOnGPU: Double? = nil, isTrusted: Bool = false, queueDepth: Int = 0, prefetch: Int = 1,
        latency: TimeSpan? = nil,
        bandwidth: Int64? = nil, speed: Double = 1, availability: TimeSpan? = nil, cached: CachedContent = .none
    ) {
        self.id = id
        self.owner = owner
        self.report = report
        self.allowance = allowance
        self.state = state
        self.free = free
        self.asks = asks
        self.runningCosts = runningCosts
        self.trust = trust
        self.trustOnGPU = trustOnGPU
        self.isTrusted = isTrusted
        self.queueDepth = queueDepth
        self.prefetch = prefetch
        self.latency = latency
        self.bandwidth = bandwidth
        self.speed = speed
        self.availability = availability
        self.cached = cached
    }
}
