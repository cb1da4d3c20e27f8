import CCgroup
import FogCore
import Glibc
import Synchronization

/// The control groups of one agent: `fog-<pid>-<start>-<n>` below its own group in every hierarchy that lets it, and in
/// there a group for each slot.
package final class CgroupTree: Sendable {
    /// What could not be had, and why.
    package let missing: [Isolation: String]
    /// `v2`, `v1`, `v1 + v2 freezer` or `none`.
    package let description: String
    private let name: String
    private let v2: String?
    private let v2Controllers: Set<String>
    /// Controller to folder.
    private let v1: [String: String]

    /// Trees made by this process: each has a name of its own.
    private static let trees = Mutex(0)
    static let v1Controllers = ["memory", "pids", "cpu", "cpuacct", "freezer"]

    package init(layout: CgroupLayout = .detect()) {
        let number = Self.trees.withLock { count in
            count += 1
            return count
        }
        let name = "fog-\(getpid())-\(Self.startTime(of: getpid()) ?? 0)-\(number)"
        Self.sweep(layout)
        var (v1, reasons): ([String: String], [String: String]) = ([:], [:])
        for controller in Self.v1Controllers {
            guard let hierarchy = layout.v1(controller) else { continue }
            let group = hierarchy.own.isEmpty ? name : hierarchy.own + "/" + name
            let problem = Libcgroup.create(group, controller: controller, at: hierarchy.mountPoint + "/" + group)
            if let problem { reasons[controller] = problem } else { v1[controller] = hierarchy.path + "/" + name }
        }
        var (v2, v2Controllers): (String?, Set<String>) = (nil, [])
        if let hierarchy = layout.v2 {
            switch Self.makeV2(hierarchy, name: name) {
            case .success(let made): (v2, v2Controllers) = (made.path, made.controllers)
            case .failure(let failure): reasons["v2"] = failure.message
            }
        }
        self.name = name
        self.v1 = v1
        self.v2 = v2
        self.v2Controllers = v2Controllers
        var missing: [Isolation: String] = [:]
        for (isolation, controller) in [(Isolation.memory, "memory"), (.cpu, "cpu"), (.pids, "pids")]
        where v1[controller] == nil && !v2Controllers.contains(controller) {
            missing[isolation] = reasons[controller] ?? reasons["v2"] ?? "no \(controller) controller"
        }
        if v2 == nil, v1["freezer"] == nil { missing[.freezer] = reasons["freezer"] ?? reasons["v2"] ?? "no freezer" }
        self.missing = missing
        description =
            v2Controllers.contains("memory")
            ? "v2" : v1.isEmpty ? (v2 == nil ? "none" : "v2 freezer") : v2 == nil ? "v1" : "v1 + v2 freezer"
    }

    /// A group for a slot, with its files open.
    package func makeSlot(_ slot: String, freezer: CgroupSlot.Freezer? = nil) throws(SandboxFailure) -> CgroupSlot {
        var folders: [String] = []
        var places = CgroupSlot.Places()
        for (controller, folder) in v1 {
            let path = folder + "/" + slot
            guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
                throw SandboxFailure("cgroup_failed", "cannot make \(path): \(Files.words(errno))")
            }
            places.v1[controller] = path
            folders.append(path)
        }
        if let v2 {
            let path = v2 + "/" + slot
            guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
                throw SandboxFailure("cgroup_failed", "cannot make \(path): \(Files.words(errno))")
            }
            places.v2 = path
            places.v2Controllers = v2Controllers
            folders.append(path)
        }
        return CgroupSlot(places, folders: folders, freezer: freezer)
    }

    /// Removes the agent's groups; those of slots must be gone.
    package func remove() {
        for folder in v1.values { rmdir(folder) }
        // The leaf still holds the agent itself: the next one sweeps it.
        if let v2 { rmdir(v2) }
    }

    // MARK: - Against the rest of the machine

    /// Sets what all tasks together get of the processors beside everybody else, by `cpu.idle` (Linux 5.15) and the
    /// weights of cgroups(7). False = there is no group that could.
    func setStanding(_ standing: TaskStanding) -> Bool {
        let isV2 = v2Controllers.contains("cpu")
        guard let folder = isV2 ? v2 : v1["cpu"] else { return false }
        // A group of the idle class has no weight that could be written.
        let hasClass = Files.write(folder + "/cpu.idle", standing == .idle ? "1" : "0") == 0
        if standing == .idle && hasClass { return true }
        let weight = isV2 ? standing.weight : standing.shares
        return Files.write(folder + (isV2 ? "/cpu.weight" : "/cpu.shares"), weight) == 0
    }

    // MARK: - Setting up

    /// In v2 a group with processes of its own gives its children no controllers, so where the agent is alone in its
    /// group (a delegated unit) it moves down into a leaf.
    private static func makeV2(
        _ hierarchy: CgroupLayout.Hierarchy, name: String
    ) -> Result<(path: String, controllers: Set<String>), SandboxFailure> {
        let path = hierarchy.path + "/" + name
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
            return .failure(SandboxFailure("cgroup_failed", "no delegation (\(Files.words(errno)))"))
        }
        let available = Set(
            (Files.text(hierarchy.path + "/cgroup.controllers") ?? "").split { $0.isWhitespace }.map(String.init))
        let wanted = available.intersection(["memory", "pids", "cpu"])
        let order = wanted.sorted().map { "+" + $0 }.joined(separator: " ")
        guard !wanted.isEmpty else { return .success((path, [])) }
        if Files.write(hierarchy.path + "/cgroup.subtree_control", order) == EBUSY {
            let inside = (Files.text(hierarchy.path + "/cgroup.procs") ?? "").split(separator: "\n")
            // Beside the tree, not in it: what the tasks get less of, the agent must not.
            if inside == [Substring(String(getpid()))], mkdir(path + "-agent", 0o755) == 0 {
                _ = Files.write(path + "-agent/cgroup.procs", "0")
                _ = Files.write(hierarchy.path + "/cgroup.subtree_control", order)
            }
        }
        _ = Files.write(path + "/cgroup.subtree_control", order)
        let enabled = (Files.text(path + "/cgroup.subtree_control") ?? "").split { $0.isWhitespace }.map(String.init)
        return .success((path, Set(enabled).intersection(wanted)))
    }

    /// Ends what agents that died left behind: their tasks are killed, their groups removed.
    package static func sweep(_ layout: CgroupLayout) {
        for hierarchy in layout.hierarchies {
            guard let stream = opendir(hierarchy.path) else { continue }
            let names = Folder.names(stream, max: 100_000).map { String(decoding: $0, as: UTF8.self) }
            closedir(stream)
            for name in names where name.hasPrefix("fog-") && !isAlive(name) {
                CgroupSlot.clear([hierarchy.path + "/" + name])
            }
        }
    }

    private static func isAlive(_ name: String) -> Bool {
        let parts = name.split(separator: "-")
        guard (4...5).contains(parts.count), let pid = pid_t(parts[1]), let start = UInt64(parts[2]) else {
            return true
        }
        return startTime(of: pid) == start
    }

    /// Field 22 of /proc/PID/stat: ticks since boot; tells a process from a later one with its number.
    static func startTime(of pid: pid_t) -> UInt64? {
        guard let text = Files.text("/proc/\(pid)/stat"), let close = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: close)...].split(separator: " ")
        return fields.count > 19 ? UInt64(fields[19]) : nil
    }
}

/// libcgroup sets up v1 groups. It knows neither freeze nor kill nor errors, so hot-path files are written directly.
private enum Libcgroup {
    private static let lock = Mutex<Bool?>(nil)

    /// Nil when the group stands, else why not.
    static func create(_ group: String, controller: String, at path: String) -> String? {
        lock.withLock { started in
            if started == nil { started = cgroup_init() == 0 }
            if started == true, let made = cgroup_new_cgroup(group) {
                var made: OpaquePointer? = made
                defer { cgroup_free(&made) }
                if cgroup_add_controller(made, controller) != nil, cgroup_create_cgroup(made, 1) == 0,
                    Files.exists(path)
                {
                    return nil
                }
            }
            // libcgroup finds no hierarchy in some containers where the folder is there all the same.
            return mkdir(path, 0o755) == 0 || errno == EEXIST ? nil : "no delegation (\(Files.words(errno)))"
        }
    }
}

/// What tasks get of the processors beside the rest of the machine.
package enum TaskStanding: Sendable {
    /// What nobody else wants.
    case idle
    /// As everybody else.
    case ordinary
    /// Before everybody else: for the moment in which they are to stop. Who is never run cannot stop either.
    case urgent

    fileprivate var weight: String {
        switch self {
        case .idle: "1"
        case .ordinary: "100"
        case .urgent: "10000"
        }
    }

    fileprivate var shares: String {
        switch self {
        case .idle: "2"
        case .ordinary: "1024"
        case .urgent: "262144"
        }
    }
}
