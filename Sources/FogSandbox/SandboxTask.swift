import FogCore

/// A file or folder that the task may read below its work folder.
package struct SandboxInput: Hashable, Sendable {
    package let hostPath: String
    /// Relative to the work folder: `data/table.csv`.
    package let name: String

    package init(hostPath: String, name: String) {
        self.hostPath = hostPath
        self.name = name
    }
}

/// One run of one program.
package struct SandboxTask: Sendable {
    /// The program, looked for along the environment's PATH unless it has a slash, and its arguments.
    package var arguments: [String]
    /// Added to the profile's own variables, and stronger than those.
    package var environment: [String: String]
    /// A folder of the host that becomes /work, writable. It should hold nothing a former task could have written.
    package var workFolder: String
    package var inputs: [SandboxInput]
    /// Texts that lie under /run/secrets by their names, in memory, for the task alone to read.
    package var secrets: [String: String] = [:]
    package var resources: ResourceRequest
    /// Descriptors of the caller, who keeps and closes them; -1 = /dev/null.
    package var standardInput: Int32 = -1
    package var standardOutput: Int32 = -1
    package var standardError: Int32 = -1
    /// Time on the clock, frozen time not counted; then SIGTERM.
    package var wallLimit: TimeSpan
    /// From SIGTERM to SIGKILL.
    package var killGrace: TimeSpan
    /// Processors the task may run on; empty = all.
    package var processors: [UInt16] = []
    /// 0 to 19, as of nice(2).
    package var niceness: Int8 = 0
    /// Runs only on what everybody else leaves of processor and disk.
    package var isIdle = false
    /// Allows the profile `none`. For comparisons only.
    package var allowUnsafe = false
    /// Of the work folder and all folders in it, where they hold no file; what is unchanged at the end is not measured.
    package var workStamp: FolderStamp?
    /// What leads out of the task's network namespace; nil = nothing. Only for profiles whose network is a proxy.
    package var network: (any TaskNetwork)?

    package init(
        arguments: [String], environment: [String: String] = [:], workFolder: String, inputs: [SandboxInput] = [],
        resources: ResourceRequest = ResourceRequest(), wallLimit: TimeSpan? = nil, killGrace: TimeSpan = .seconds(10)
    ) {
        self.arguments = arguments
        self.environment = environment
        self.workFolder = workFolder
        self.inputs = inputs
        self.resources = resources
        self.wallLimit = wallLimit ?? resources.time
        self.killGrace = killGrace
    }
}

/// What stands behind a task's one way out: a listening socket on the loopback interface of its network namespace.
package protocol TaskNetwork: Sendable {
    /// Variables by which programs find the socket; the task's own values are stronger.
    func environment(port: Int) -> [String: String]
    /// Serves the socket, which is the network's to close from now on.
    func open(_ socket: Int32) throws(SandboxFailure)
    /// The task is stopped in place: nothing moves until it goes on, and no time counts.
    func setFrozen(_ frozen: Bool)
    /// The task has ended. Returns when every connection and the socket are closed; may be called again.
    func close() async
}

/// Why a task's run is over.
package enum Ending: Hashable, Sendable {
    case exited
    case signaled
    /// The wall limit, whatever the program made of SIGTERM.
    case timeout
    /// RLIMIT_CPU (SIGXCPU): one process used more processor time than cores x wall limit.
    case cpuTimeout
    case outOfMemory
    /// More bytes or files in the work folder than allowed.
    case diskExceeded
    /// SIGSYS: a system call of another architecture.
    case violation
    /// No such program (127), also when its interpreter is missing.
    case notFound
    /// Not executable here (126).
    case notExecutable
    case launchFailed(SandboxStep, errno: Int32)
    /// By ``SandboxSlot/terminate(grace:)``, by cancellation, or from outside of Fog.
    case killed
}

package struct SandboxUsage: Hashable, Sendable {
    package enum Source: String, Sendable {
        case cgroupV2 = "cgroup_v2"
        case cgroupV1 = "cgroup_v1"
        /// Of processes that were waited for only: those killed in the end are not in it.
        case rusage
    }

    package let cpuNanoseconds: Int64
    package let wallNanoseconds: Int64
    package let peakBytes: Int64
    package let source: Source
}

package struct SandboxResult: Hashable, Sendable {
    /// Nil when a signal ended the program, or it never ran.
    package let exitCode: Int?
    package let signal: Int?
    package let ending: Ending
    package let usage: SandboxUsage
    /// What this machine did not apply, in words; goes into the signed receipt.
    package let missing: [String]

    /// Fog's own error, as a shell has it.
    package static let ownError = 125

    /// One number for shells: 124 time, 125 Fog's own error, 126, 127, 128 + signal.
    package var shellCode: Int {
        switch ending {
        case .timeout, .cpuTimeout: 124
        case .launchFailed: Self.ownError
        case .notExecutable: 126
        case .notFound: 127
        case .exited, .signaled, .outOfMemory, .diskExceeded, .violation, .killed:
            exitCode ?? signal.map { 128 + $0 } ?? 125
        }
    }
}
