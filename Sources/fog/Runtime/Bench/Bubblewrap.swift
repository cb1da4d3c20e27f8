internal import FogCommandLine
internal import FogCore
internal import FogSandbox
import Foundation

/// bubblewrap, made to do what the profile `default` does: all namespaces, the same root, the same system call filter,
/// no capabilities, within a control group with the same limits. What it cannot do is left out: Landlock, resource
/// limits, an end to inherited descriptors, an unprivileged id where it is root.
final class Bubblewrap {
    private let path: String
    private let filter: String
    private let work: String
    private let tree: CgroupTree
    private let group: CgroupSlot

    /// Nil where it is not installed.
    /// - Parameter folder: where the filter and its work folder go.
    init?(filter: CompiledFilter, folder: String) throws {
        let places = ["/usr/bin/bwrap", "/usr/local/bin/bwrap"]
        guard let path = places.first(where: { (path: String) in access(path, X_OK) == 0 }) else { return nil }
        self.path = path
        (self.filter, work) = ("\(folder)/filter", "\(folder)/bubblewrap")
        try Disk.write(filter.bytes, to: self.filter)
        try Disk.makeFolder(work)
        tree = CgroupTree()
        group = try tree.makeSlot("bubblewrap")
        let asked = ResourceRequest()
        // One launch after another, or one a core at once, in this one group.
        let cores = Int64(CurrentMachine.processors)
        // Its inits are orphans, and count until the machine's own init has reaped them.
        try group.apply(.init(memory: asked.memory.bytes * cores, millicores: 1000 * cores, pids: 32_768))
    }

    func close() {
        group.remove()
        tree.remove()
    }

    /// One run of /usr/bin/true to its end.
    /// - Throws: `bench_failed`.
    func launch() throws {
        let pid = try OneShot.start(
            [
                path, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "fog",
                "--uid", "1000", "--gid", "1000", "--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--ro-bind",
                "/usr",
                "/usr", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache", "--symlink", "usr/lib", "/lib",
                "--symlink", "usr/lib64", "/lib64", "--symlink", "usr/bin", "/bin", "--proc", "/proc", "--dev", "/dev",
                "--tmpfs", "/dev/shm", "--tmpfs", "/tmp", "--bind", work, "/work", "--chdir", "/work", "--seccomp", "9",
                "true",
            ], filter: filter)
        // It may be at its end already.
        try? group.add(pid)
        try OneShot.wait(for: pid, path)
    }
}

/// A program, started and waited for.
enum OneShot {
    /// - Parameter filter: a file to open as descriptor 9.
    static func start(_ words: [String], filter: String? = nil) throws -> pid_t {
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        if let filter { posix_spawn_file_actions_addopen(&actions, 9, filter, O_RDONLY, 0) }
        var pid: pid_t = 0
        guard posix_spawn(&pid, words[0], &actions, nil, &arguments, environ) == 0 else {
            throw CommandLineFailure("bench_failed", "\(words[0]) cannot be started")
        }
        return pid
    }

    static func wait(for pid: pid_t, _ name: String) throws {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        guard status == 0 else { throw CommandLineFailure("bench_failed", "\(name) failed, status \(status)") }
    }
}
