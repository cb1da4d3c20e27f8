package import FogAPI
internal import FogCore
internal import FogJobs

/// Waits for something to happen to a job.
package struct JobWatch: Sendable {
    /// A job of more tasks than this is looked at by the clock: its events come faster than they matter.
    private static let eventfulTasks = 500
    private static let look = TimeSpan.seconds(1)
    private static let longPoll = TimeSpan.seconds(20)

    private let client: FogClient
    private let id: JobID
    private let isLarge: Bool
    private let patience: Patience
    private var cursor: UInt64 = 0

    package init(client: FogClient, job: JobBody, patience: Patience = .long) {
        self.client = client
        self.patience = patience
        id = job.id
        isLarge = job.tasks > Self.eventfulTasks
    }

    /// Returns when something may have changed since the last call, or after a while.
    package mutating func change() async throws {
        guard !isLarge else { return try await Task.sleep(for: Self.look.duration) }
        let (client, id, cursor) = (client, id, cursor)
        let answer = try await patience { try await client.events(id, after: cursor, wait: Self.longPoll) }
        self.cursor = answer.cursor
    }

    /// Waits for the end of a job.
    /// - Parameter onLook: told of the job each time it is looked at.
    package static func end(
        of job: JobBody, client: FogClient, patience: Patience = .long, onLook: @Sendable (JobBody) -> Void = { _ in }
    ) async throws -> JobBody {
        var job = job
        while true {
            onLook(job)
            guard !job.state.isFinal else { return job }
            let id = job.id
            job = try await patience { try await client.job(id.description, wait: Self.look) }
        }
    }
}
