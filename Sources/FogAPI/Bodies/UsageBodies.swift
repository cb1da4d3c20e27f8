package import FogCore

/// What an account takes of each bound: `GET /v1/usage`.
package struct UsageBody: Hashable, Sendable, Codable {
    package struct Amount: Hashable, Sendable, Codable {
        package var used: Int64
        package var limit: Int64

        package init(used: Int64, limit: Int64) {
            self.used = used
            self.limit = limit
        }
    }

    package var account: AccountID
    package var name: String
    /// Bytes of content, logs and uploads under way.
    package var stored: Amount
    /// Tasks that are not final, without those of jobs that a quota holds.
    package var queuedTasks: Amount
    package var openJobs: Amount
    package var jobsPerMinute: Amount
    /// Of the key that asks; nil in a list of accounts.
    package var openRequests: Amount?
    /// Jobs that a quota holds; they go on by themselves when there is room.
    package var heldJobs: Int
    /// Why nothing more is taken in, of this account or of anybody; nil = it is.
    package var closed: String?

    package init(
        account: AccountID, name: String, stored: Amount, queuedTasks: Amount, openJobs: Amount,
        jobsPerMinute: Amount, openRequests: Amount?, heldJobs: Int, closed: String?
    ) {
        self.account = account
        self.name = name
        self.stored = stored
        self.queuedTasks = queuedTasks
        self.openJobs = openJobs
        self.jobsPerMinute = jobsPerMinute
        self.openRequests = openRequests
        self.heldJobs = heldJobs
        self.closed = closed
    }

    enum CodingKeys: String, CodingKey {
        case account, name, stored, closed
        case queuedTasks = "queued_tasks"
        case openJobs = "open_jobs"
        case jobsPerMinute = "jobs_per_minute"
        case openRequests = "open_requests"
        case heldJobs = "held_jobs"
    }
}

/// `GET /v1/usage/all`: those that keep most first.
package struct UsageListBody: Hashable, Sendable, Codable {
    package var accounts: [UsageBody]

    package init(accounts: [UsageBody]) { self.accounts = accounts }
}
