import CFog
import Glibc

/// The `fog-sandbox` executable.
package enum Launcher {
    /// $FOG_SANDBOX, else beside the running executable (or, for tests, up to three folders above it), else on PATH.
    /// - Throws: `no_launcher`.
    package static func locate() throws(SandboxFailure) -> String {
        var candidates: [String] = []
        if let chosen = getenv("FOG_SANDBOX") { candidates.append(String(cString: chosen)) }
        var folder = executableFolder()
        for _ in 0..<4 where !folder.isEmpty {
            candidates.append(folder + "/fog-sandbox")
            folder = String(folder[..<(folder.lastIndex(of: "/") ?? folder.startIndex)])
        }
        if let path = getenv("PATH") {
            candidates += String(cString: path).split(separator: ":").map { $0 + "/fog-sandbox" }
        }
        for candidate in candidates where isProgram(candidate) { return candidate }
        throw SandboxFailure(
            "no_launcher", "fog-sandbox is not beside this program and not on PATH; FOG_SANDBOX names it")
    }

    private static func isProgram(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }

    private static func executableFolder() -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let length = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        guard length > 0 else { return "" }
        let path = String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    }

    /// Starts `fog-sandbox serve` with a socket as descriptor 3, /dev/null as input and output, an empty environment,
    /// default signals. Under a name without a folder, since tasks see it in /proc/1/cmdline. To be called on the reactor's thread.
    static func spawn(_ path: String, socket: Int32) throws(SandboxFailure) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, socket, 3)
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        // Its own process group: a Ctrl-C at the agent's terminal is for the agent to handle.
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("fog-sandbox"), strdup("serve"), nil]
        defer { for argument in arguments { free(argument) } }
        var environment: [UnsafeMutablePointer<CChar>?] = [nil]
        var pid: pid_t = 0
        let result = posix_spawn(&pid, path, &actions, &attributes, &arguments, &environment)
        guard result == 0 else {
            throw SandboxFailure("no_launcher", "cannot start \(path): \(Files.words(result))")
        }
        return pid
    }
}
