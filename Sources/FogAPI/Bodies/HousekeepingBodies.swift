/// `POST /v1/housekeeping`
package struct HousekeepingRequest: Hashable, Sendable, Codable {
    /// Only count.
    package var dryRun: Bool

    package init(dryRun: Bool) { self.dryRun = dryRun }

    enum CodingKeys: String, CodingKey { case dryRun = "dry_run" }
}

/// What retention removed, or would remove.
package struct HousekeepingBody: Hashable, Sendable, Codable {
    package struct Amount: Hashable, Sendable, Codable {
        package var count: Int
        package var bytes: Int64

        package init(count: Int, bytes: Int64) {
            self.count = count
            self.bytes = bytes
        }
    }

    package var dryRun: Bool
    package var jobs: Int
    package var tasks: Int
    package var attempts: Int
    package var events: Int
    /// Whole logs in the database, and folders of streamed ones.
    package var logs: Amount
    package var blobs: Amount
    /// Uploads that were never finished.
    package var uploads: Amount
    /// Files of content that no row names.
    package var strays: Amount

    package init(
        dryRun: Bool, jobs: Int, tasks: Int, attempts: Int, events: Int, logs: Amount, blobs: Amount, uploads: Amount,
        strays: Amount
    ) {
        self.dryRun = dryRun
        self.jobs = jobs
        self.tasks = tasks
        self.attempts = attempts
        self.events = events
        self.logs = logs
        self.blobs = blobs
        self.uploads = uploads
        self.strays = strays
    }

    enum CodingKeys: String, CodingKey {
        case jobs, tasks, attempts, events, logs, blobs, uploads, strays
        case dryRun = "dry_run"
    }
}
