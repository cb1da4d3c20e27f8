/// What one attempt of a task may use, and what placement reserves for it.
package struct ResourceRequest: Hashable, Sendable, Codable {
    package var cpu: Millicores
    package var memory: ByteCount
    package var disk: ByteCount
    package var time: TimeSpan
    /// Processes and threads at once; nil = the profile's own limit.
    package var pids: Int?
    package var gpu: Int

    package init(
        cpu: Millicores = .cores(1), memory: ByteCount = .mebibytes(512), disk: ByteCount = .gibibytes(1),
        time: TimeSpan = .hours(1), pids: Int? = nil, gpu: Int = 0
    ) {
        self.cpu = cpu
        self.memory = memory
        self.disk = disk
        self.time = time
        self.pids = pids
        self.gpu = gpu
    }
}

/// How many mix hops stand between the submitter and the worker.
package enum PrivacyLevel: String, Sendable, Codable, CaseIterable, Comparable {
    case `public`, `private`, confidential, secret

    /// 1, 3, 5 or 7; public is direct HTTP.
    package var hops: Int {
        switch self {
        case .public: 1
        case .private: 3
        case .confidential: 5
        case .secret: 7
        }
    }

    package static func < (first: PrivacyLevel, second: PrivacyLevel) -> Bool { first.hops < second.hops }
}

/// Service classes: S keeps its deadline first and pays most; B is cheapest and may be pre-empted.
package enum SLAClass: String, Sendable, Codable, CaseIterable, Comparable {
    case s = "S"
    case a = "A"
    case b = "B"

    /// 4, 2, 1: the weight of a task in the objectives of placement.
    package var weight: Int {
        switch self {
        case .s: 4
        case .a: 2
        case .b: 1
        }
    }

    package static func < (first: SLAClass, second: SLAClass) -> Bool { first.weight < second.weight }
}
