package import FogCore

/// A manifest after validation: every default filled in, every name checked, nothing substituted yet.
///
/// The same value on both sides: the command line makes it from YAML, the coordinator from the canonical document.
package struct JobSpec: Hashable, Sendable, Codable {
    package var name: String
    package var labels: [String: String]
    /// In topological order. A manifest without `steps` has one, named "".
    package var steps: [StepSpec]
    package var queueTimeout: TimeSpan?
    package var totalTimeout: TimeSpan?
    package var privacy: PrivacyLevel
    package var sla: SLAClass
    /// 0...100, among one account's jobs.
    package var priority: Int
    package var deadline: Deadline?
    package var placement: PlacementWishes
    package var disconnectGrace: TimeSpan
    package var exclusive: Bool
    /// Cap on what the job may spend; nil = min(quote, balance).
    package var budget: Credits?

    package init(
        name: String, labels: [String: String] = [:], steps: [StepSpec], queueTimeout: TimeSpan? = nil,
        totalTimeout: TimeSpan? = nil, privacy: PrivacyLevel = .public, sla: SLAClass = .b, priority: Int = 50,
        deadline: Deadline? = nil, placement: PlacementWishes = PlacementWishes(),
        disconnectGrace: TimeSpan = .minutes(10), exclusive: Bool = false, budget: Credits? = nil
    ) {
        self.name = name
        self.labels = labels
        self.steps = steps
        self.queueTimeout = queueTimeout
        self.totalTimeout = totalTimeout
        self.privacy = privacy
        self.sla = sla
        self.priority = priority
        self.deadline = deadline
        self.placement = placement
        self.disconnectGrace = disconnectGrace
        self.exclusive = exclusive
        self.budget = budget
    }

    /// Tasks of all steps together.
    package var taskCount: Int { steps.reduce(0) { $0 + $1.elements.count } }
}

/// When a job should be done: missing it is an event, not a failure.
package enum Deadline: Hashable, Sendable, Codable {
    case at(Timestamp)
    case after(TimeSpan)
}

/// One step of a job's graph: one program run for each of its elements.
package struct StepSpec: Hashable, Sendable, Codable {
    package enum Action: Hashable, Sendable, Codable {
        /// `/bin/sh -eu -c TEXT` in the work folder.
        case run(String)
        /// A program and its arguments, no shell.
        case command([String])
    }

    package enum Verification: Hashable, Sendable, Codable {
        /// One copy on trusted nodes, else as reputation asks.
        case auto
        case none
        /// Equal results from that many owners, 2...5.
        case owners(Int)
    }

    package enum Image: Hashable, Sendable, Codable {
        /// The worker's own /usr.
        case host
        case source(String)
    }

    package var name: String
    package var action: Action
    package var needs: [String]
    package var inputs: [InputSpec]
    /// A file, `dir/`, or a glob below the work folder.
    package var outputs: [String]
    package var environment: [String: String]
    package var secrets: [SecretUse]
    package var elements: Elements
    package var maxParallel: Int?
    package var maxFailures: Int?
    package var resources: ResourceRequest
    package var requires: [Requirement]
    package var image: Image
    package var profile: String
    /// What tasks may reach through the worker's proxy; sorted, each once.
    package var allowHosts: [AllowedHost]
    package var retry: RetryPolicy
    package var checkpoint: CheckpointPolicy
    package var verify: Verification

    package init(
        name: String = "", action: Action, needs: [String] = [], inputs: [InputSpec] = [], outputs: [String] = [],
        environment: [String: String] = [:], secrets: [SecretUse] = [], elements: Elements = .single,
        maxParallel: Int? = nil, maxFailures: Int? = nil, resources: ResourceRequest = ResourceRequest(),
        requires: [Requirement] = [], image: Image = .host, profile: String = "default",
        allowHosts: [AllowedHost] = [], retry: RetryPolicy = RetryPolicy(),
        checkpoint: CheckpointPolicy = CheckpointPolicy(),
        verify: Verification = .auto
    ) {
        self.name = name
        self.action = action
        self.needs = needs
        self.inputs = inputs
        self.outputs = outputs
        self.environment = environment
        self.secrets = secrets
        self.elements = elements
        self.maxParallel = maxParallel
        self.maxFailures = maxFailures
        self.resources = resources
        self.requires = requires
        self.image = image
        self.profile = profile
        self.allowHosts = allowHosts
        self.retry = retry
        self.checkpoint = checkpoint
        self.verify = verify
    }
}

/// One name in the work folder and where its content comes from.
package struct InputSpec: Hashable, Sendable, Codable {
    /// Below the work folder; `{param}` allowed.
    package var name: String
    /// A path beside the manifest, `blob:<digest>`, or `volume:NAME[/sub]`; `{param}` allowed.
    package var source: String

    package init(name: String, source: String) {
        self.name = name
        self.source = source
    }
}

/// The elements of a step: one task each.
package enum Elements: Hashable, Sendable, Codable {
    case single
    /// `first-last:stride`; `{index}` is the element's own number.
    case array(first: Int, last: Int, stride: Int)
    /// The cross product, last parameter fastest; `{index}` counts from 0.
    case product([Parameter])
    /// A row a task; `{index}` counts from 0.
    case table(SweepTable)

    package struct Parameter: Hashable, Sendable, Codable {
        package var name: String
        package var values: Values

        package enum Values: Hashable, Sendable, Codable {
            case list([String])
            case range(first: Int, last: Int)

            package var count: Int {
                switch self {
                case .list(let list): list.count
                case .range(let first, let last): last - first + 1
                }
            }

            package subscript(index: Int) -> String {
                switch self {
                case .list(let list): list[index]
                case .range(let first, _): String(first + index)
                }
            }
        }

        package init(name: String, values: Values) {
            self.name = name
            self.values = values
        }
    }

    package var count: Int {
        switch self {
        case .single: 1
        case .array(let first, let last, let stride): (last - first) / stride + 1
        case .product(let parameters):
            parameters.reduce(1) { total, parameter in
                let product = total.multipliedReportingOverflow(by: parameter.values.count)
                return product.overflow ? .max : product.partialValue
            }
        case .table(let table): table.rowCount
        }
    }
}

/// When and how a task runs again.
package struct RetryPolicy: Hashable, Sendable, Codable {
    package var maxAttempts: Int
    package var maxEvictions: Int
    package var maxHostFailures: Int
    package var backoff: Backoff
    /// Nil = all.
    package var onExitCodes: [Int]?
    package var notOnExitCodes: [Int]
    /// The most memory a retry after running out of it may ask for (doubling); nil = what was asked at first.
    package var maxMemory: ByteCount?

    package init(
        maxAttempts: Int = 3, maxEvictions: Int = 50, maxHostFailures: Int = 10,
        backoff: Backoff = Backoff(delay: .seconds(15), maxDelay: .hours(1)), onExitCodes: [Int]? = nil,
        notOnExitCodes: [Int] = [], maxMemory: ByteCount? = nil
    ) {
        self.maxAttempts = maxAttempts
        self.maxEvictions = maxEvictions
        self.maxHostFailures = maxHostFailures
        self.backoff = backoff
        self.onExitCodes = onExitCodes
        self.notOnExitCodes = notOnExitCodes
        self.maxMemory = maxMemory
    }
}

/// How a task's progress outlives an attempt.
package struct CheckpointPolicy: Hashable, Sendable, Codable {
    /// Nil = only when the attempt is evicted.
    package var every: TimeSpan?
    package var maxSize: ByteCount
    /// The exit code by which a task says "checkpoint taken, run me again".
    package var exitCode: Int

    package init(every: TimeSpan? = nil, maxSize: ByteCount = .gibibytes(1), exitCode: Int = 85) {
        self.every = every
        self.maxSize = maxSize
        self.exitCode = exitCode
    }
}

/// Wishes and hard limits of placement.
package struct PlacementWishes: Hashable, Sendable, Codable {
    /// Nil = the operator's.
    package var strategy: String?
    package var region: String?
    package var maxLatency: TimeSpan?
    /// Credits a core-hour.
    package var maxPrice: Credits?
    package var purchase: Purchase
    /// 0...1.
    package var minTrust: Double
    /// Names of nodes or `owner:NAME`.
    package var exclude: [String]
    /// How much latency, balance, trust, cost and price count, in this order, at least one above 0; nil = by the service
    /// class.
    package var weights: [Double]?

    package init(
        strategy: String? = nil, region: String? = nil, maxLatency: TimeSpan? = nil, maxPrice: Credits? = nil,
        purchase: Purchase = .onDemand, minTrust: Double = 0, exclude: [String] = [], weights: [Double]? = nil
    ) {
        self.purchase = purchase
        self.weights = weights
        self.strategy = strategy
        self.region = region
        self.maxLatency = maxLatency
        self.maxPrice = maxPrice
        self.minTrust = minTrust
        self.exclude = exclude
    }
}
