package import FogCore

/// How placement placed tasks of one step, kept with the grants that came of it. The store does not look inside.
package struct StoredDecision: Hashable, Sendable {
    /// Decisions kept of each step; older ones go.
    package static let keptPerStep = 16

    package var job: JobID
    /// The step's number in the job.
    package var step: Int
    package var at: Timestamp
    /// A JSON document.
    package var body: String

    package init(job: JobID, step: Int, at: Timestamp, body: String) {
        self.job = job
        self.step = step
        self.at = at
        self.body = body
    }

    /// - Throws: ``StoreFailure`` when the value has no JSON form (numbers that are none).
    package init(job: JobID, step: Int, at: Timestamp, of value: some Encodable) throws(StoreFailure) {
        self.init(job: job, step: step, at: at, body: try ColumnText.encoded(value))
    }

    package func value<Value: Decodable>() throws(StoreFailure) -> Value { try ColumnText.decoded(body) }
}
