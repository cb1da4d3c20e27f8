import FogCore
import FogJobs
import FogSandbox

/// Why the agent ended an attempt.
enum EndWish: Sendable, Hashable {
    /// Not ours any more: kill, report nothing.
    case silently
    case reporting(Outcome, detail: String)
    /// As reporting, for the machine's owner, who wants it back now.
    case evicting(Outcome, detail: String)

    /// What is reported.
    var report: (outcome: Outcome, detail: String)? {
        switch self {
        case .silently: nil
        case .reporting(let outcome, let detail), .evicting(let outcome, let detail): (outcome, detail)
        }
    }
}

/// Reads an attempt's outcome out of how its program ended: pure.
enum OutcomeReading {
    /// - Parameter leftCheckpoint: whether the checkpoint folder holds a file.
    static func outcome(
        of result: SandboxResult, lease: Lease, wish: EndWish?, leftCheckpoint: @autoclosure () -> Bool
    ) -> (outcome: Outcome, detail: String?) {
        switch result.ending {
        case .exited: exited(result.exitCode ?? 0, lease, leftCheckpoint)
        case .signaled: (.signaled, nil)
        case .timeout: (.timeout, "ran longer than \(lease.resources.time)")
        case .cpuTimeout: (.timeout, "used more processor time than its cores give in \(lease.resources.time)")
        case .outOfMemory: (.outOfMemory, "used more than \(lease.resources.memory)")
        case .diskExceeded: (.diskExceeded, "wrote more than \(lease.resources.disk), or too many files")
        case .violation: (.sandboxViolation, "a system call that the profile `\(lease.profile)` answers with death")
        case .notFound: unlaunched(lease, "was not found, or its interpreter is missing here")
        case .notExecutable: unlaunched(lease, "cannot be executed here")
        case .launchFailed(let step, let errno):
            (.launchFailed, "\(step.words) failed with errno \(errno)")
        case .killed:
            wish?.report ?? (.signaled, "killed from outside of Fog")
        }
    }

    private static func exited(_ code: Int, _ lease: Lease, _ leftCheckpoint: () -> Bool) -> (Outcome, String?) {
        if code == 0 { return (.success, nil) }
        guard code == lease.checkpoint.exitCode else { return (.exitNonzero, nil) }
        if leftCheckpoint() { return (.checkpointed, nil) }
        return (.exitNonzero, "exit code \(code) says a checkpoint was taken, but FOG_CHECKPOINT_DIR is empty")
    }

    /// A file of the job whose interpreter or library is missing, or that is of another kind of machine, is this
    /// machine's fault: another may run it. A program that the job did not bring is the job's: it asks for machines
    /// that have it by `requires`, and a mistyped name is nowhere.
    private static func unlaunched(_ lease: Lease, _ words: String) -> (Outcome, String?) {
        let program = lease.arguments.first ?? ""
        var detail = "the program `\(program.prefix(200))` \(words)"
        guard program.contains("/"), let name = nameBelowWork(program) else {
            let bare = program.split(separator: "/").last.map(String.init) ?? program
            if ProgramProbe.known.contains(where: { $0.name == bare }) {
                detail += "; `requires: [\(bare)]` finds a machine that has it"
            }
            return (.exitNonzero, detail)
        }
        let isBrought = lease.inputs.contains { $0.name == name && $0.executable }
        return isBrought ? (.launchFailed, detail) : (.exitNonzero, detail)
    }

    private static func nameBelowWork(_ program: String) -> String? {
        var name = program[...]
        if name.hasPrefix(TaskEnvironment.workFolder + "/") {
            name = name.dropFirst(TaskEnvironment.workFolder.count + 1)
        }
        guard !name.hasPrefix("/") else { return nil }
        return name.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }
}
