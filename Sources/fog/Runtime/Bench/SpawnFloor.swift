import Dispatch
internal import FogCommandLine
import Foundation

/// What a machine can do at best: processes started and ended, nothing else.
enum SpawnFloor {
    /// Seconds for so many runs of `true`, some at a time, by posix_spawn(3).
    static func seconds(tasks: Int, atOnce: Int) -> Double {
        let path = ["/usr/bin/true", "/bin/true"].first { (path: String) in access(path, X_OK) == 0 } ?? "/bin/true"
        let watch = Stopwatch()
        DispatchQueue.concurrentPerform(iterations: atOnce) { index in
            var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(path), nil]
            defer { free(arguments[0]) }
            var environment: [UnsafeMutablePointer<CChar>?] = [nil]
            for _ in 0..<(tasks / atOnce + (index < tasks % atOnce ? 1 : 0)) {
                var pid: pid_t = 0
                guard posix_spawn(&pid, path, nil, nil, &arguments, &environment) == 0 else { continue }
                var status: Int32 = 0
                while waitpid(pid, &status, 0) < 0, errno == EINTR {}
            }
        }
        return watch.seconds
    }

    /// What a command prints.
    /// - Throws: `bench_failed` when it does not end with 0.
    static func output(command: String, environment: [String: String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", command]
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw CommandLineFailure("bench_failed", "`\(command)` failed, status \(process.terminationStatus)")
        }
        return String(decoding: data, as: UTF8.self)
    }

    /// Seconds that a command takes.
    /// - Throws: `bench_failed` when it does not end with 0.
    static func seconds(command: String, tasks: Int, environment: [String: String]) throws -> Double {
        var words: [UnsafeMutablePointer<CChar>?] = [strdup("/bin/sh"), strdup("-c"), strdup(command), nil]
        let variables = environment.merging(["N": String(tasks)]) { $1 }
        var settings: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0)=\($1)") } + [nil]
        defer { for word in words + settings { free(word) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        // Threads of this process block signals that a shell waits for.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let watch = Stopwatch()
        var pid: pid_t = 0
        guard posix_spawn(&pid, "/bin/sh", &actions, &attributes, &words, &settings) == 0 else {
            throw CommandLineFailure("bench_failed", "/bin/sh cannot be started")
        }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        guard status == 0 else { throw CommandLineFailure("bench_failed", "`\(command)` failed, status \(status)") }
        return watch.seconds
    }
}
