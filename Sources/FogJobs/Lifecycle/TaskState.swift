/// Where a task stands. Final states absorb: nothing leaves them, whoever asks and however late.
package enum TaskState: String, Sendable, Codable, CaseIterable {
    /// Waits for a step it needs.
    case blocked
    /// May be granted now.
    case ready
    /// Failed or was evicted and may be granted again at `notBefore`.
    case backoff
    /// Granted to a worker that has not said it started.
    case leased
    case running
    /// A result came in and waits for others to agree.
    case validating
    /// Waits for a person; the reason says for what.
    case held
    case succeeded
    case failed
    case cancelled
    /// A step it needs did not succeed.
    case skipped

    package var isFinal: Bool {
        switch self {
        case .succeeded, .failed, .cancelled, .skipped: true
        default: false
        }
    }

    /// Whether a worker holds a lease on it.
    package var isOut: Bool { self == .leased || self == .running || self == .validating }
}

/// Where an attempt stands at its worker.
package enum AttemptState: String, Sendable, Codable, CaseIterable {
    case offered, accepted, staging, running, suspended, uploading
    /// Its result was taken and waits for other owners' to agree.
    case validating
    case ended
}

/// What a job is, derived from its tasks and never stored as a truth of its own.
package enum JobState: String, Sendable, Codable, CaseIterable {
    case pending, running, succeeded, failed, cancelled

    package var isFinal: Bool { self == .succeeded || self == .failed || self == .cancelled }
}

/// How many tasks of a job or a step are in each state.
package struct TaskCounts: Hashable, Sendable, Codable {
    package private(set) var counts: [TaskState: Int]

    package init(_ counts: [TaskState: Int] = [:]) { self.counts = counts.filter { $0.value != 0 } }

    package subscript(_ state: TaskState) -> Int {
        get { counts[state] ?? 0 }
        set { counts[state] = newValue == 0 ? nil : newValue }
    }

    package mutating func move(_ number: Int = 1, from: TaskState, to: TaskState) {
        self[from] -= number
        self[to] += number
        precondition(self[from] >= 0, "a state cannot hold fewer than no tasks: \(from)")
    }

    package static func + (first: TaskCounts, second: TaskCounts) -> TaskCounts {
        TaskCounts(first.counts.merging(second.counts, uniquingKeysWith: +))
    }

    package var total: Int { counts.values.reduce(0, +) }
    package var final: Int { self[.succeeded] + self[.failed] + self[.cancelled] + self[.skipped] }
    package var out: Int { self[.leased] + self[.running] + self[.validating] }
    package var isDone: Bool { final == total }

    /// The state of the job, by rules in this order: work that is out or partly done runs; all final: a failure wins
    /// over a cancellation, a cancellation over success.
    package func jobState(cancelled: Bool) -> JobState {
        if !isDone { return out > 0 || final > 0 ? .running : .pending }
        if cancelled { return .cancelled }
        if self[.failed] > 0 || self[.skipped] > 0 { return .failed }
        return self[.cancelled] > 0 ? .cancelled : .succeeded
    }

    package init(from decoder: any Decoder) throws {
        let named = try decoder.singleValueContainer().decode([String: Int].self)
        var counts: [TaskState: Int] = [:]
        for (name, count) in named {
            guard let state = TaskState(rawValue: name) else { continue }
            counts[state] = count
        }
        self.init(counts)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(Dictionary(uniqueKeysWithValues: counts.map { ($0.key.rawValue, $0.value) }))
    }
}
