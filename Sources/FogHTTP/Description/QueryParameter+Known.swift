internal import FogAPI
internal import FogCore
internal import FogJobs
internal import FogPlacement
internal import FogStore

/// The parameters there are, each with the same meaning wherever it stands.
extension QueryParameter {
    /// Places in files and sizes add up without overflow.
    private static let bytes: ClosedRange<Int64> = 0...1 << 53
    private static let number: ClosedRange<Int64> = 0...Int64(UInt32.max)
    private static let sequence: ClosedRange<Int64> = 0...Int64.max

    static func limit(_ usual: Int, atMost most: Int) -> QueryParameter {
        QueryParameter("limit", .integer(bytes), "how many at once; \(usual) unless told, at most \(most) are given")
    }

    static let wait = QueryParameter(
        "wait", .duration, "how long the answer may wait for what is not there; at most 60s are waited")
    static let offset = QueryParameter("offset", .integer(bytes), "where the piece begins, in bytes; 0 unless told")
    static let length = QueryParameter("length", .integer(bytes), "how much of it; at most 4 MiB are given")
    static let logLimit = QueryParameter(
        "limit", .integer(bytes), "how much of it, in bytes; 1 MiB unless told, at most 4 MiB are given")
    static let part = QueryParameter(
        "part", .integer(bytes), "which piece of 4 MiB, from 0; a package of one piece need not say")
    static let total = QueryParameter("total", .integer(bytes), "the blob's size in bytes", isRequired: true)
    static let task = QueryParameter("task", .integer(number), "a task's number")
    static let token = QueryParameter("token", .integer(number), "an attempt's token; the newest attempt unless told")
    static let afterTask = QueryParameter("after", .integer(number), "the last task of the page before")
    static let afterSequence = QueryParameter("after", .integer(sequence), "the cursor of the page before; 0 at first")
    static let beforeSequence = QueryParameter("before", .integer(sequence), "`next` of the page before")
    static let sinceSequence = QueryParameter(
        "since", .integer(sequence), "judge only what was added since the log had so many records; all unless told")
    static let signatures = QueryParameter(
        "signatures", .choice(["1", "0"]), "0: do not verify the signatures of requests")
    static let month = QueryParameter(
        "month", .text(pattern: "^[0-9]{4}-[0-9]{2}$", wanted: "a month, as 2026-11"),
        "which month, in UTC; this one unless told")
    static let beforeJob = QueryParameter(
        "before", .text(pattern: SchemaLeaf.id, wanted: "a job's id"), "`next` of the page before")
    static let afterAttempt = QueryParameter(
        "after", .text(pattern: SchemaLeaf.attempt, wanted: "an attempt's id"), "`next` of the page before")
    static let afterKey = QueryParameter(
        "after", .text(pattern: SchemaLeaf.id, wanted: "a key id"), "`next` of the page before")
    static let attempt = QueryParameter(
        "attempt", .text(pattern: SchemaLeaf.attempt, wanted: "an attempt's id"), "the attempt that writes",
        isRequired: true)
    static let stream = QueryParameter("stream", .choice(streams), "which stream; stdout unless told")
    static let ownStream = QueryParameter("stream", .choice(streams), "which stream", isRequired: true)
    static let jobStates = QueryParameter("state", .choices(JobState.allCases.map(\.rawValue)), "only jobs in these")
    static let taskStates = QueryParameter("state", .choices(TaskState.allCases.map(\.rawValue)), "only tasks in these")
    static let name = QueryParameter("name", .text(pattern: nil, wanted: "a name"), "only jobs of this name")
    static let account = QueryParameter(
        "account", .text(pattern: nil, wanted: "an account's id, or a principal's name"), "only jobs of this account")
    static let region = QueryParameter(
        "region", .text(pattern: nil, wanted: "a region, or -"), "only this region; - for machines that name none")
    static let capability = QueryParameter(
        "class", .choice(CapabilityClass.allCases.map(\.rawValue)), "only processors, or machines with accelerators")
    static let label = QueryParameter(
        "label", .text(pattern: "=", wanted: "name=value"), "only jobs with this label, as name=value")
    static let dryRun = QueryParameter(
        "dry_run", .choice(["1", "0"]), "1: only say what the job would come to, and where it could run")

    private static let streams = LogStream.allCases.map(\.rawValue)
}
