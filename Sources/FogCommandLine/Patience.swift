internal import FogAPI
package import FogCore
internal import FogNet

/// Asks again what may be asked twice, when nobody answered or the coordinator was busy.
package struct Patience: Sendable {
    /// Requests in all.
    package var attempts: Int
    package var first: TimeSpan
    package var longest: TimeSpan

    package init(attempts: Int = 5, first: TimeSpan = .milliseconds(200), longest: TimeSpan = .seconds(10)) {
        self.attempts = attempts
        self.first = first
        self.longest = longest
    }

    /// About two minutes: a coordinator that is started anew is not noticed.
    package static let long = Patience(attempts: 18)
    /// For a person who waits for one answer.
    package static let short = Patience(attempts: 3)

    /// How long to wait before the next request; nil when the error will be the same.
    package func wait(after error: any Error, attempt: Int) -> TimeSpan? {
        guard attempt < attempts else { return nil }
        let doubled = min(longest, first * (1 << Int64(min(attempt - 1, 20))))
        switch error {
        case let failure as CarrierFailure: return ["unreachable", "timeout"].contains(failure.code) ? doubled : nil
        case let problem as Problem where [429, 502, 503, 504].contains(problem.status) || problem.code == "busy":
            return problem.retryAfterSeconds.map { min(longest, .seconds(Int64($0))) } ?? doubled
        default: return nil
        }
    }

    package func callAsFunction<Answer: Sendable>(
        _ ask: @Sendable () async throws -> Answer
    ) async throws -> Answer {
        var attempt = 1
        while true {
            do {
                return try await ask()
            } catch {
                guard let wait = wait(after: error, attempt: attempt) else { throw error }
                try await Task.sleep(for: wait.duration)
                attempt += 1
            }
        }
    }
}

/// Does something to each, so many at a time; the first error ends it.
package func forEach<Element: Sendable>(
    _ elements: some Sequence<Element>, atMost limit: Int, _ body: @escaping @Sendable (Element) async throws -> Void
) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        var running = 0
        for element in elements {
            if running == limit {
                try await group.next()
                running -= 1
            }
            group.addTask { try await body(element) }
            running += 1
        }
        try await group.waitForAll()
    }
}
