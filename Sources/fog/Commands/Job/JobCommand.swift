internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs

/// `fog job`: everything about jobs.
struct JobCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "job", "Submit, watch and steer jobs.", examples: ["fog job submit render.yaml", "fog job explain render"],
        subcommands: [
            JobSubmit.self, JobShow.self, JobList.self, JobLogs.self, JobOutputs.self, JobWait.self, JobExplain.self,
            JobEvents.self, JobCancel.self, JobRetry.self, JobHold.self, JobRelease.self, JobFund.self,
            JobKeep.self, JobReseal.self,
            JobValidate.self, JobSchema.self,
        ])
}

extension JobBody {
    /// What is said after a change: `job 7fa3c0de (render) is running`.
    var sentence: String {
        "job \(id.short) (\(DisplayText.clean(name))) is \(state.rawValue)\(held.map { ", held: \(DisplayText.clean($0))" } ?? "")"
    }

    /// 0 for success, 1 for any other end.
    var exitStatus: ExitStatus { state == .succeeded ? .success : .failure }
}

extension Session {
    /// Prints a job after it was changed.
    func show(changed job: JobBody) throws {
        try show(job, id: job.id.description) { console.print(job.sentence) }
    }
}

/// Every page of what a job has, up to a limit.
struct JobPages: Sendable {
    let client: FogClient
    let id: JobID

    private static let page = 500

    func tasks(limit: Int, states: [TaskState] = []) async throws -> (tasks: [TaskBody], isWhole: Bool) {
        var tasks: [TaskBody] = []
        var after: UInt32?
        repeat {
            let answer = try await client.tasks(
                id, after: after, states: states, limit: min(Self.page, limit - tasks.count))
            tasks += answer.tasks
            after = answer.next
        } while after != nil && tasks.count < limit
        return (tasks, after == nil)
    }

    func attempts(task: UInt32? = nil, limit: Int) async throws -> (attempts: [AttemptBody], isWhole: Bool) {
        var attempts: [AttemptBody] = []
        var after: AttemptID?
        repeat {
            let answer = try await client.attempts(
                id, task: task, after: after, limit: min(Self.page, limit - attempts.count))
            attempts += answer.attempts
            after = answer.next
        } while after != nil && attempts.count < limit
        return (attempts, after == nil)
    }
}
