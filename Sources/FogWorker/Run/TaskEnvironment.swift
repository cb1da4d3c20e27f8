import FogCore
import FogJobs

/// The variables a task finds.
enum TaskEnvironment {
    /// In the sandbox the work folder is always here.
    static let workFolder = "/work"
    static let checkpointName = ".checkpoint"

    /// Variables by which numeric libraries choose their number of threads; without them each would take the whole
    /// machine for itself.
    private static let threadVariables = [
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "GOMAXPROCS",
    ]

    /// Weakest first: what every program may expect, the profile's, the lease's own, and last what Fog says of the
    /// attempt, which nothing may contradict.
    /// - Parameter work: the work folder as the task sees it.
    static func variables(
        of lease: Lease, profile: [String: String], node: String, work: String = workFolder
    ) -> [String: String] {
        let threads = String(max(1, lease.resources.cpu.count / 1000))
        var variables = [
            "HOME": work, "TMPDIR": "/tmp", "LANG": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin",
        ]
        for name in threadVariables { variables[name] = threads }
        variables.merge(profile) { $1 }
        if work != workFolder { variables["HOME"] = work }
        if let trace = lease.trace { variables["TRACEPARENT"] = trace.description }
        variables.merge(lease.environment) { $1 }
        variables["FOG_JOB_ID"] = lease.attempt.task.job.description
        variables["FOG_TASK_ID"] = lease.attempt.task.description
        variables["FOG_TASK_INDEX"] = String(lease.index)
        variables["FOG_ATTEMPT"] = String(lease.attempt.token)
        variables["FOG_NODE"] = node
        variables["FOG_CHECKPOINT_DIR"] = work + "/" + checkpointName
        variables["FOG_CPUS"] = threads
        return variables
    }
}
