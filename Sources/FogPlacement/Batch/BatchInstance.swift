package import FogCore

/// A batch to place at once: jobs and nodes as they are, in the terms of the stored form `fog-placement-1`.
///
/// Money is in micro-credits; `Double` holds every amount of the form exactly.
package struct BatchInstance: Sendable {
    /// Millicores, MiB of memory, MiB of disk, and devices: the four things of which nodes have so much and no more.
    package typealias Amounts4 = SIMD4<Int32>

    package struct Node: Sendable {
        package var capacity: Amounts4
        package var used: Amounts4
        package var region = 0
        package var tier = 0
        /// Of a core, against the reference core.
        package var speed = 1.0
        package var latencyMilliseconds = 0.0
        package var megabitsPerSecond = 100.0
        /// How long it will probably stay.
        package var availabilitySeconds = 0.0
        /// 0...1.
        package var trust = 0.0
        /// What an hour of a core and of a GiB costs the owner.
        package var coreCost = 0.0
        package var memoryCost = 0.0
        /// What is asked for an hour of a core: spot, on demand, reserved; 0 = not offered.
        package var asks = SIMD4<Double>(repeating: 0)

        package init(capacity: Amounts4, used: Amounts4 = .zero) {
            self.capacity = capacity
            self.used = used
        }
    }

    package struct Job: Sendable {
        package var request: Amounts4
        package var sla = SLAClass.b
        package var bid = Bid.spot
        /// Seconds of one reference core.
        package var workCoreSeconds = 1.0
        package var inputMebibytes = 0.0
        /// A bit for each region that will do; 0 = any.
        package var regionMask: UInt64 = 0
        package var minTier = 0
        package var minTrust = 0.0
        /// The rest: 0 = no bound.
        package var maxLatencyMilliseconds = 0.0
        package var deadlineSeconds = 0.0
        package var maxCost = 0.0
        package var maxPrice = 0.0
        package var excluded: [Int] = []

        package init(request: Amounts4) { self.request = request }

        var slaWeight: Double { Double(sla.weight) }
        /// Whether a node must probably stay until the job is done.
        var needsAvailability: Bool { sla != .b }
    }

    package enum Bid: Int, Sendable, CaseIterable {
        case spot, ondemand, reserved
    }

    package var name: String
    package var nodes: [Node]
    package var jobs: [Job]

    package static let maxNodes = 20_000, maxJobs = 100_000, maxPairs = 1 << 27

    package init(name: String, nodes: [Node], jobs: [Job]) {
        self.name = name
        self.nodes = nodes
        self.jobs = jobs
    }
}

/// Why no node can take a job: the first check, in this order, that none passes.
package enum BatchReason: String, Sendable, CaseIterable {
    case cpu = "cpu_m"
    case memory = "mem_mb"
    case disk = "disk_mb"
    case gpu
    case region, tier
    case trust = "min_trust"
    case latency = "max_latency_ms"
    case deadline = "deadline_s"
    case availability
    case cost = "max_cost"
    case price = "max_price"
    case bid, excluded
    /// Each check is passed by some node, all together by none.
    case combination
}
