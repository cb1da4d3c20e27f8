import FogCore

/// What `FogSandbox` throws: a profile that does not read, a machine that cannot, a launcher that is not there.
///
/// How a task ends is never an error; see ``Ending``.
package struct SandboxFailure: CodedFailure, Equatable {
    package let code: String
    package let message: String

    package init(_ code: String, _ message: String) {
        self.code = code
        self.message = message
    }
}

/// A part of the isolation that a machine can lack, and that a profile may insist on (`require`).
package enum Isolation: String, Sendable, Hashable, CaseIterable, Comparable {
    /// User, mount, pid, network, IPC, UTS and cgroup namespaces with a root of their own.
    case namespaces
    case seccomp
    case landlock
    /// A limit on the memory of all processes together.
    case memory
    case cpu
    case pids
    /// Freezing by the kernel, which the task cannot notice.
    case freezer

    package static func < (first: Isolation, second: Isolation) -> Bool { first.rawValue < second.rawValue }
}

/// Where a launch failed, in the words of CFog's `fog_step`.
package enum SandboxStep: Int32, Sendable, Hashable {
    case plan = 1
    case unshare, idMap, loopback, mountSource, mountTarget, mount, pivot, dropRoot, clone, limit, folder, descriptors
    case landlock, capabilities, filter, execute, processors
    /// The launcher left without a word.
    case launcher = 100

    package var words: String {
        switch self {
        case .plan: "reading the plan"
        case .unshare: "making namespaces"
        case .idMap: "mapping user ids"
        case .loopback: "raising the loopback interface"
        case .mountSource: "opening a folder to bind"
        case .mountTarget: "making a mount point"
        case .mount: "mounting"
        case .pivot: "entering the new root"
        case .dropRoot: "taking an unprivileged user id"
        case .clone: "starting a process"
        case .limit: "setting resource limits"
        case .folder: "entering the work folder"
        case .descriptors: "placing descriptors"
        case .landlock: "restricting files with Landlock"
        case .capabilities: "dropping capabilities"
        case .filter: "loading the system call filter"
        case .execute: "executing the program"
        case .processors: "choosing processors"
        case .launcher: "talking to the launcher"
        }
    }
}
