import FogCore
import FogJobs

/// What a worker does now, for people.
package struct WorkerStatus: Hashable, Sendable, Codable {
    package struct Held: Hashable, Sendable, Codable {
        package var attempt: AttemptID
        package var jobName: String
        package var state: AttemptState
        /// Since its program started; nil before.
        package var runningFor: TimeSpan?
    }

    package enum Link: String, Sendable, Codable {
        /// No answer to the first hello yet.
        case connecting
        case connected
        /// The coordinator does not answer.
        case away
    }

    package var name: String
    package var node: NodeID?
    package var link: Link
    /// Since the coordinator last answered.
    package var silentFor: TimeSpan
    package var state: Allowance.State
    /// Why, and how to change it.
    package var reason: String
    package var isDraining: Bool
    package var slots: Int
    package var held: [Held]
    /// Results that the coordinator does not have yet.
    package var undelivered: Int
    /// Reports that were accepted since this start.
    package var delivered: Int
    package var missingIsolation: [String]
}
