internal import FogCore

/// What an account keeps in the store, in bytes.
package struct ContentUsage: Hashable, Sendable {
    /// Of one stream of one attempt: what ``LogFiles`` keeps at most, whatever a worker says.
    package static let logLimit: Int64 = 16 << 20

    /// Content that the account uploaded or that a job of its own names; each content once.
    package var blobs: Int64 = 0
    /// Of ended attempts of its jobs.
    package var logs: Int64 = 0

    package var sum: Int64 { blobs + logs }

    package init(blobs: Int64 = 0, logs: Int64 = 0) {
        self.blobs = blobs
        self.logs = logs
    }
}
