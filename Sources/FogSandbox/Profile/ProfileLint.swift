import FogCore

/// What an author of a profile should look at twice. Nothing here is refused: a profile may have its reasons.
package struct ProfileLint: Sendable, Hashable {
    package struct Finding: Sendable, Hashable {
        /// The key: `syscalls.ptrace`, `mounts[0].source`.
        package let place: String
        package let words: String
    }

    package let findings: [Finding]

    package init(_ profile: SandboxProfile) {
        guard profile.isolated else {
            findings = [Finding(place: "isolation", words: "is `none`: tasks run as ordinary processes of the worker")]
            return
        }
        findings =
            Self.parts(profile) + Self.mounts(profile)
            + FilterCompiler.unknownNames(profile.filter).map {
                Finding(
                    place: "syscalls.\($0)", words: "is a name that libseccomp here does not know; it stays refused")
            }
            + Self.calls(profile.filter)
    }

    // MARK: - Around the filter

    private static func parts(_ profile: SandboxProfile) -> [Finding] {
        var findings: [Finding] = []
        if !profile.landlock {
            findings.append(Finding(place: "landlock", words: "is off: mounts alone keep files apart"))
        }
        for rule in profile.fileRules where rule.access != .read && ["/", "/usr", "/etc"].contains(rule.path) {
            findings.append(Finding(place: "landlock", words: "lets tasks write below \(rule.path)"))
        }
        for part in [Isolation.namespaces, .seccomp] where !profile.require.contains(part) {
            findings.append(
                Finding(place: "require", words: "lacks `\(part.rawValue)`: a machine without it would not refuse"))
        }
        for name in ["LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH"] where profile.environment[name] != nil {
            findings.append(Finding(place: "env.\(name)", words: "changes what code programs load"))
        }
        return findings
    }

    /// Folders of the host that hold what is nobody else's business.
    private static let guarded = [
        "/", "/boot", "/dev", "/etc", "/home", "/media", "/mnt", "/proc", "/root", "/run", "/srv", "/sys", "/tmp",
        "/var",
    ]

    private static func mounts(_ profile: SandboxProfile) -> [Finding] {
        profile.mounts.enumerated().filter { guarded.contains($1.source) }.map { index, mount in
            Finding(place: "mounts[\(index)].source", words: "shows all of the host's \(mount.source) to tasks")
        }
    }

    // MARK: - Calls

    private static func calls(_ filter: FilterProfile) -> [Finding] {
        var findings: [Finding] = []
        if filter.defaultAction == .allow {
            findings.append(Finding(place: "defaultAction", words: "allows whatever is not named, io_uring among it"))
        }
        for danger in FilterDanger.all where danger.probe.isAllowed(by: filter) {
            findings.append(Finding(place: "syscalls.\(danger.probe.name)", words: danger.words))
        }
        return findings
    }
}

/// A call with its arguments, to be asked of a profile.
package struct FilterProbe: Sendable, Hashable {
    let name: String
    var arguments: [Int: UInt64] = [:]

    init(_ name: String, _ arguments: [Int: UInt64] = [:]) { (self.name, self.arguments) = (name, arguments) }

    /// By the profile's own rules, as ``FilterCheck`` reads them.
    func isAllowed(by filter: FilterProfile) -> Bool { action(in: filter) == .allow }

    func action(in filter: FilterProfile) -> FilterProfile.Action {
        for rule in filter.rules where rule.name == name {
            if rule.comparisons.allSatisfy({ $0.holds(arguments[$0.index] ?? 0) }) { return rule.action }
        }
        return filter.defaultAction
    }
}

/// Calls that a batch program has no use for, and what they open.
struct FilterDanger: Sendable {
    let probe: FilterProbe
    let words: String

    private init(_ name: String, _ words: String, _ arguments: [Int: UInt64] = [:]) {
        probe = FilterProbe(name, arguments)
        self.words = words
    }

    static let all: [FilterDanger] =
        uring + named + families + arguments

    private static let uring = ["io_uring_setup", "io_uring_enter", "io_uring_register"].map {
        FilterDanger($0, "reaches files and sockets past this filter, and has a long list of kernel holes")
    }

    private static let named: [FilterDanger] = [
        .init("userfaultfd", "lets a task stop the kernel at a page, which exploits build on"),
        .init("bpf", "loads programs into the kernel"),
        .init("keyctl", "reaches keys of the kernel, which namespaces do not part"),
        .init("add_key", "makes keys in the kernel, which namespaces do not part"),
        .init("request_key", "makes the host's root look for keys"),
        .init("ptrace", "looks into other processes of the task and drives them"),
        .init("process_vm_readv", "reads other processes' memory"),
        .init("process_vm_writev", "writes other processes' memory"),
        .init("pidfd_getfd", "takes descriptors of other processes"),
        .init("perf_event_open", "measures the kernel and its neighbours"),
        .init("kcmp", "tells kernel addresses apart"),
        .init("mount", "changes what the task sees"), .init("umount2", "uncovers what is under a mount"),
        .init("pivot_root", "changes the root"), .init("chroot", "changes the root"),
        .init("open_tree", "copies mounts"), .init("move_mount", "moves mounts"), .init("fsopen", "makes file systems"),
        .init("mount_setattr", "makes read-only mounts writable"), .init("setns", "enters other namespaces"),
        .init("unshare", "makes namespaces, in which a task has capabilities", [0: 0x1000_0000]),
        .init("open_by_handle_at", "opens files past their folders"),
        .init("init_module", "loads code into the kernel"), .init("finit_module", "loads code into the kernel"),
        .init("kexec_load", "starts another kernel"), .init("kexec_file_load", "starts another kernel"),
        .init("reboot", "stops the machine"), .init("swapon", "changes the machine's memory"),
        .init("settimeofday", "sets the machine's clock"), .init("clock_settime", "sets the machine's clock"),
        .init("iopl", "reaches devices"), .init("ioperm", "reaches devices"), .init("syslog", "reads the kernel's log"),
        .init("quotactl", "changes quotas"), .init("acct", "writes a file for every process of the machine"),
        .init("fanotify_init", "watches every file of a file system"),
        .init("io_setup", "takes slots that all of the machine's programs share (fs.aio-max-nr)"),
        .init("clone3", "hides its flags from the filter: ENOSYS makes C libraries use clone"),
        .init("openat2", "hides its flags from the filter: ENOSYS makes programs use openat"),
    ]

    private static let families: [FilterDanger] = [
        (38, "AF_ALG, the kernel's cryptography"), (40, "AF_VSOCK, the way to the hypervisor"),
        (16, "AF_NETLINK, the kernel's settings and events"), (17, "AF_PACKET, whole frames"), (30, "AF_TIPC"),
    ].map { .init("socket", "opens \($1)", [0: $0, 1: 3]) }

    private static let arguments: [FilterDanger] = [
        .init("clone", "with CLONE_NEWUSER makes namespaces, in which a task has capabilities", [0: 0x1000_0011]),
        .init("ioctl", "with TIOCSTI types on a terminal for its owner", [1: 0x5412]),
        .init("ioctl", "with TIOCSTI and high bits types on a terminal for its owner", [1: 0x1_0000_5412]),
        .init("ioctl", "with TIOCLINUX types on a console for its owner", [1: 0x541c]),
        .init("personality", "with READ_IMPLIES_EXEC makes data executable", [0: 0x40_0000]),
        .init("chmod", "with 04000 leaves set-user-ID files in the work folder", [1: 0o4755]),
        .init("fchmodat", "with 04000 leaves set-user-ID files in the work folder", [2: 0o4755]),
        .init("openat", "with 04000 leaves set-user-ID files in the work folder", [2: 0o101, 3: 0o4755]),
        .init("mknodat", "with S_IFCHR makes devices", [2: 0o020_666]),
        .init("mmap", "with MAP_HUGETLB takes huge pages, which no memory limit counts", [3: 0x40022]),
    ]
}
