package import FogAPI
internal import FogCore
internal import FogJobs

/// What is said to somebody who follows a job of which nothing runs: one line when the reason is another than the last,
/// with the command that explains it.
///
/// Pure: looks in, lines out.
package struct WaitWords: Sendable {
    /// Lines in all. A job that is held and released again and again is not told of for ever.
    package static let maxLines = 20

    private static let running: [TaskState] = [.leased, .running, .validating]

    private var last: String?
    private var lines = 0

    package init() {}

    /// Whether every line was said.
    package var isExhausted: Bool { lines >= Self.maxLines }

    /// Whether nothing of a job runs or has just ended: only then its explanation is of use.
    package static func isWaiting(_ job: JobBody) -> Bool {
        !job.state.isFinal && (job.held != nil || running.allSatisfy { job.counts[$0] == 0 })
    }

    /// - Parameter explanation: nil = nobody asked for it; a job that is held says so itself.
    /// - Returns: nil when there is nothing new to say, or nothing that would not pass by itself at once.
    package mutating func line(_ job: JobBody, _ explanation: JobExplanationBody?) -> String? {
        guard Self.isWaiting(job) else {
            last = nil
            return nil
        }
        guard !isExhausted, let reason = Self.reason(job, explanation), reason != last else { return nil }
        last = reason
        lines += 1
        return "job \(job.id.short) (\(DisplayText.clean(job.name))) \(reason); fog job explain \(job.id.short)"
    }

    private static func reason(_ job: JobBody, _ explanation: JobExplanationBody?) -> String? {
        if let held = job.held { return "is held: \(DisplayText.clean(held))" }
        guard let explanation else { return nil }
        // What some machine could take now is about to start.
        guard explanation.steps.allSatisfy({ $0.fitting == 0 }) else { return nil }
        let words = explanation.reasons + explanation.steps.map(\.headline)
        return words.first.map { "waits: \(DisplayText.clean($0))" }
    }
}
