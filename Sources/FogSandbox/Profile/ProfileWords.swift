import FogCore

/// A profile in words, for `fog profile explain`: headings with sentences below them.
package struct ProfileWords: Sendable, Hashable {
    package struct Section: Sendable, Hashable {
        package let title: String
        package let lines: [String]
    }

    package let sections: [Section]

    package init(_ profile: SandboxProfile) {
        guard profile.isolated else {
            sections = [
                Section(
                    title: "isolation", lines: ["none: the task is an ordinary process with all that its user may do"])
            ]
            return
        }
        sections = [
            Section(title: "may", lines: Self.abilities(profile.filter, allowed: true)),
            Section(title: "may not", lines: Self.abilities(profile.filter, allowed: false)),
            Section(title: "limits", lines: Self.limits(profile.limits)),
            Section(title: "files", lines: Self.files(profile)),
            Section(title: "network", lines: [Self.network(profile.network)]),
            Section(title: "environment", lines: profile.environment.sorted { $0.key < $1.key }.map { "\($0)=\($1)" }),
            Section(title: "requires", lines: [profile.require.sorted().map(\.rawValue).joined(separator: ", ")]),
            Section(title: "system calls", lines: Self.calls(profile.filter)),
        ].filter { !$0.lines.isEmpty && $0.lines != [""] }
    }

    // MARK: - What a program can do

    private struct Ability {
        let words: String
        /// All of them are needed.
        let probes: [FilterProbe]
    }

    private static let all: [Ability] = [
        Ability(words: "start processes and threads", probes: [.init("clone", [0: 17]), .init("execve")]),
        Ability(words: "read and write files where the mounts allow it", probes: [.init("openat"), .init("write")]),
        Ability(words: "make files executable", probes: [.init("fchmodat", [2: 0o755])]),
        Ability(words: "make sockets within the task (AF_UNIX)", probes: [.init("socket", [0: 1, 1: 1])]),
        Ability(words: "speak TCP on what network it has", probes: [.init("socket", [0: 2, 1: 1]), .init("connect")]),
        Ability(words: "speak UDP on what network it has", probes: [.init("socket", [0: 2, 1: 2]), .init("sendto")]),
        Ability(words: "use pseudo-terminals of its own", probes: [.init("ioctl", [1: 0x8004_5430])]),
        Ability(words: "share memory (System V)", probes: [.init("shmget"), .init("shmat")]),
        Ability(words: "make files in memory (memfd)", probes: [.init("memfd_create")]),
        Ability(words: "choose its processors and its class of scheduling", probes: [.init("sched_setaffinity")]),
        Ability(words: "read its limits and lower them", probes: [.init("prlimit64", [1: 7, 2: 1])]),
        Ability(words: "signal processes of its own", probes: [.init("kill")]),
        Ability(words: "make namespaces", probes: [.init("unshare", [0: 0x1000_0000])]),
        Ability(words: "mount file systems", probes: [.init("mount")]),
        Ability(words: "trace processes and read their memory", probes: [.init("ptrace")]),
        Ability(words: "use io_uring", probes: [.init("io_uring_setup")]),
        Ability(words: "load programs into the kernel (bpf)", probes: [.init("bpf")]),
        Ability(words: "use the kernel's keys", probes: [.init("keyctl")]),
        Ability(words: "stop at page faults (userfaultfd)", probes: [.init("userfaultfd")]),
        Ability(words: "open sockets of AF_ALG", probes: [.init("socket", [0: 38, 1: 5])]),
        Ability(words: "open sockets of AF_VSOCK", probes: [.init("socket", [0: 40, 1: 1])]),
        Ability(words: "open sockets of AF_NETLINK", probes: [.init("socket", [0: 16, 1: 3])]),
        Ability(words: "open raw sockets", probes: [.init("socket", [0: 2, 1: 3, 2: 1])]),
        Ability(words: "type on a terminal (TIOCSTI)", probes: [.init("ioctl", [1: 0x5412])]),
        Ability(words: "leave set-user-ID files behind", probes: [.init("fchmodat", [2: 0o4755])]),
        Ability(words: "set the clock", probes: [.init("clock_settime")]),
        Ability(words: "load modules, restart the machine", probes: [.init("init_module")]),
    ]

    private static func abilities(_ filter: FilterProfile, allowed: Bool) -> [String] {
        all.filter { ability in ability.probes.allSatisfy { $0.isAllowed(by: filter) } == allowed }.map(\.words)
    }

    // MARK: - Parts

    private static func limits(_ limits: SandboxProfile.Limits) -> [String] {
        [
            "\(limits.pids) processes and threads, unless the task asks for a number",
            "\(limits.descriptors) open files in each process", "\(limits.files) files and folders in /work",
            "\(limits.standardOutputBytes) of each output stream are kept",
            "\(limits.temporaryBytes) each in /tmp and /dev/shm, in memory",
        ]
    }

    private static func files(_ profile: SandboxProfile) -> [String] {
        ["the host's /usr read-only, a short /etc of its own, /work writable"]
            + profile.mounts.map {
                "the host's \($0.source) read-only"
                    + ($0.target == $0.source ? "" : " at \($0.target)") + ($0.isOptional ? ", where there is one" : "")
            }
            + (profile.landlock
                ? profile.fileRules.map { "Landlock: \(words($0.access)) below \($0.path)" } : ["no Landlock"])
    }

    private static func words(_ access: SandboxProfile.FileRule.Access) -> String {
        switch access {
        case .read: "read and execute"
        case .write: "read, execute and write what is there"
        case .all: "everything"
        }
    }

    private static func network(_ network: SandboxProfile.Network) -> String {
        switch network {
        case .none: "none: a loopback interface of its own"
        case .proxy:
            "a loopback interface of its own, and on it the worker's proxy: TCP to the hosts and ports that the task names "
                + "(allow_hosts), to no private address, and only where the machine's owner allows it (network: allow)"
        }
    }

    // MARK: - The filter, call by call

    /// A line for each action without conditions, then one for each call that has some.
    static func calls(_ filter: FilterProfile) -> [String] {
        let names = Dictionary(grouping: filter.rules, by: \.name)
        var plain: [FilterProfile.Action: [String]] = [:]
        var conditional: [String] = []
        for (name, rules) in names.sorted(by: { $0.key < $1.key }) {
            if let rule = rules.first(where: \.comparisons.isEmpty) {
                plain[rule.action, default: []].append(name)
            } else {
                conditional.append("\(name): " + rules.map(words).joined(separator: "; or "))
            }
        }
        let lines = plain.sorted { $0.value.count > $1.value.count }.map { action, names in
            "\(action.words), \(names.count): \(names.joined(separator: ", "))"
        }
        return lines + conditional + ["\(filter.defaultAction.words): every other"]
    }

    private static func words(_ rule: FilterProfile.Rule) -> String {
        "\(rule.action.words) if " + rule.comparisons.map(\.words).joined(separator: " and ")
    }
}

extension FilterProfile.Action {
    package var words: String {
        switch self {
        case .allow: "allowed"
        case .refuse(0): "answered with success, and not done"
        case .refuse(let errno): "refused with \(Files.words(Int32(errno)))"
        case .killProcess: "ends the process"
        }
    }
}

extension FilterProfile.Comparison {
    /// In the manner of C, arguments counted from 0.
    package var words: String {
        let number = "0x" + String(value, radix: 16)
        return switch operation {
        case .notEqual: "argument \(index) is not \(number)"
        case .less: "argument \(index) < \(number)"
        case .lessOrEqual: "argument \(index) <= \(number)"
        case .equal: "argument \(index) is \(number)"
        case .greaterOrEqual: "argument \(index) >= \(number)"
        case .greater: "argument \(index) > \(number)"
        case .maskedEqual:
            value == 0xffff_ffff
                ? "argument \(index) is 0x\(String(valueTwo, radix: 16))"
                : "argument \(index) & \(number) is 0x\(String(valueTwo, radix: 16))"
        }
    }
}
