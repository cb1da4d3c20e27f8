package import FogCore
internal import Glibc

/// Runs a program of the operator once: something on its standard input, nothing of ours besides, and not for ever.
package enum HookProgram {
    package enum Ending: Sendable, Hashable, CustomStringConvertible {
        case exited(Int32)
        case signaled(Int32)
        /// It was killed when its time was over.
        case late
        case notStarted(String)

        package var description: String {
            switch self {
            case .exited(let code): "exit \(code)"
            case .signaled(let number): "signal \(number)"
            case .late: "killed: it took too long"
            case .notStarted(let words): "not started: \(words)"
            }
        }
    }

    /// What a socket takes without a reader (`net.core.wmem_default` is 208 KiB; half of it is overhead).
    private static let inputLimit = 64 << 10
    private static let look = TimeSpan.milliseconds(20)

    /// - Parameter input: at most 64 KiB; more is cut.
    /// - Parameter environment: all it gets.
    package static func run(
        _ program: String, input: [UInt8], environment: [String: String], patience: TimeSpan
    ) async -> Ending {
        switch start(program, Array(input.prefix(inputLimit)), environment) {
        case .failure(let failure): return .notStarted(failure.words)
        case .success(let pid):
            let deadline = ContinuousClock.now + patience.duration
            while true {
                if let ending = reap(pid, flags: WNOHANG) { return ending }
                guard ContinuousClock.now < deadline, !Task.isCancelled else {
                    // The whole group: what it started ends with it.
                    kill(-pid, SIGKILL)
                    _ = reap(pid, flags: 0)
                    return .late
                }
                try? await Task.sleep(for: look.duration)
            }
        }
    }

    private struct Failure: Error {
        let words: String

        init(_ what: String, _ number: Int32 = errno) { words = "\(what): \(String(cString: strerror(number)))" }
    }

    private static func start(_ program: String, _ input: [UInt8], _ environment: [String: String])
        -> Result<pid_t, Failure>
    {
        // A socket is made closed to every other program at once, which pipe(2) is not.
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { return .failure(Failure("no socket")) }
        defer { for end in ends { close(end) } }
        let sent = send(ends[0], input, input.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
        guard sent == input.count else { return .failure(Failure("the input does not fit")) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t(), all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        var arguments = copies([program]), variables = copies(environment.map { "\($0.key)=\($0.value)" })
        defer { for text in arguments + variables { free(text) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, program, &actions, &attributes, &arguments, &variables)
        return code == 0 ? .success(pid) : .failure(Failure(program, code))
    }

    /// To be freed by the caller; ends in nil, as exec wants it.
    private static func copies(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] {
        texts.map { strdup($0) } + [nil]
    }

    private static func reap(_ pid: pid_t, flags: Int32) -> Ending? {
        var status: Int32 = 0
        var found = waitpid(pid, &status, flags)
        while found < 0, errno == EINTR { found = waitpid(pid, &status, flags) }
        guard found != 0 else { return nil }
        guard found == pid else { return .notStarted("it cannot be waited for") }
        let signal = status & 0x7f
        return signal == 0 ? .exited(status >> 8 & 0xff) : .signaled(signal)
    }
}
