internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs

/// Which jobs are meant, when they are not named one by one.
struct JobFilterOptions: ParsableArguments {
    @Option(help: "Only these: pending, running, succeeded, failed, cancelled; several with commas.")
    var state: String?

    @Option(help: "Only jobs of this name.")
    var name: String?

    @Option(help: "Only jobs with this label: NAME=VALUE.")
    var label: String?

    @Option(help: "Only jobs of this account: its id, or the name of who owns it (others' need role admin).")
    var account: String?

    private static let page = 200

    var isEmpty: Bool { state == nil && name == nil && label == nil && account == nil }

    func states() throws -> [JobState] {
        try (state ?? "").split(separator: ",").map { word in
            guard let state = JobState(rawValue: String(word)) else {
                let near = nearest(to: String(word), among: JobState.allCases.map(\.rawValue))
                throw CommandLineFailure(
                    "bad_state", "a job is never `\(DisplayText.clean(word))`",
                    help: near.map { "did you mean `\($0)`?" }
                        ?? JobState.allCases.map(\.rawValue).joined(separator: ", "),
                    status: .usage)
            }
            return state
        }
    }

    /// - Parameter only: states that are looked at when none are named.
    func jobs(_ client: FogClient, limit: Int, only: [JobState] = []) async throws -> JobListBody {
        let chosen = try states()
        var jobs: [JobBody] = []
        var before: JobID?
        repeat {
            let answer = try await client.jobs(
                states: chosen.isEmpty ? only : chosen, name: name, label: label, account: account, before: before,
                limit: min(Self.page, limit - jobs.count))
            jobs += answer.jobs
            before = answer.next
        } while before != nil && jobs.count < limit
        return JobListBody(jobs: jobs, next: before)
    }
}
