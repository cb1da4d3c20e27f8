import FogCore
import FogJobs
import Glibc

/// Where the files of one attempt lie.
struct AttemptPlace: Sendable {
    let work: String
    /// A read-only tree of links to the inputs, where there are too many to bind one by one.
    let inputTree: String
    /// What outlives the work folder: long logs, outputs to be uploaded, the report if it has to wait.
    let spool: String

    /// - Parameter slot: where it runs; the tasks of a slot come one after another, so that the folder may be the same.
    init(_ attempt: AttemptID, slot: Int, _ configuration: WorkerConfiguration) {
        work = configuration.workFolder + "/slot-\(slot)"
        inputTree = work + ".inputs"
        spool = configuration.spoolFolder + "/" + attempt.description
    }

    /// Copies of a running task's checkpoint on their way to the coordinator.
    var checkpointCopy: String { work + ".checkpoint" }

    var checkpoint: String { work + "/" + TaskEnvironment.checkpointName }

    /// What was opened of a private task's bundle.
    var opened: String { work + ".opened" }

    /// Makes the work folder and, in it, the checkpoint folder.
    func make() throws(WorkerFailure) {
        try Disk.makeFolder(work, mode: 0o755)
        try Self.makeOpenFolder(checkpoint)
    }

    /// A folder that the task, whose user id is another, can write. The state folder above is closed to everybody else.
    static func makeOpenFolder(_ path: String) throws(WorkerFailure) {
        try Disk.makeFolder(path, mode: 0o777)
        // mkdir(2) takes the process's umask off, which is not ours to change.
        guard chmod(path, 0o777) == 0 else { throw Disk.failure("could not be opened to the task", path) }
    }

    /// Removes what the task worked in. Slow when it left many files.
    func clearWork(hadTree: Bool) {
        rmdir(checkpoint)
        Disk.removeTree(work)
        if hadTree { Disk.removeTree(inputTree) }
    }
}
