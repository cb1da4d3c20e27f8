package import FogCore
package import FogJobs

/// `POST /v1/nodes/{node}/labels`: a value sets a label (empty: a name alone), null removes it.
package struct LabelBody: Hashable, Sendable, Codable {
    package static let limit = 64

    package var labels: [String: String?]

    package init(labels: [String: String?]) { self.labels = labels }
}

/// `GET /v1/overview`: queues and running tasks, in one look.
package struct OverviewBody: Hashable, Sendable, Codable {
    package struct Queue: Hashable, Sendable, Codable {
        package var account: AccountID
        package var name: String
        package var jobs: Int
        /// Jobs that wait for a person.
        package var held: Int
        package var counts: TaskCounts

        package init(account: AccountID, name: String, jobs: Int, held: Int, counts: TaskCounts) {
            self.account = account
            self.name = name
            self.jobs = jobs
            self.held = held
            self.counts = counts
        }
    }

    package struct Running: Hashable, Sendable, Codable {
        package var attempt: AttemptID
        package var job: String
        package var account: AccountID
        package var node: String
        package var state: AttemptState
        package var since: Timestamp

        package init(
            attempt: AttemptID, job: String, account: AccountID, node: String, state: AttemptState, since: Timestamp
        ) {
            self.attempt = attempt
            self.job = job
            self.account = account
            self.node = node
            self.state = state
            self.since = since
        }
    }

    package var time: Timestamp
    /// Leases granted and results accepted since the coordinator's start.
    package var granted: Int
    package var accepted: Int
    package var queues: [Queue]
    /// The longest running first, at most 200.
    package var running: [Running]
    package var leases: Int

    package init(time: Timestamp, granted: Int, accepted: Int, queues: [Queue], running: [Running], leases: Int) {
        self.time = time
        self.granted = granted
        self.accepted = accepted
        self.queues = queues
        self.running = running
        self.leases = leases
    }
}
