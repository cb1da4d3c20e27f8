import Dispatch
import Foundation
import Glibc
import Synchronization

/// A process of a real program, with what it has printed so far.
///
/// Killed when nobody refers to it any more, so that a test that throws leaves nothing behind.
final class Child: Sendable {
    /// How a process ended.
    struct End: Sendable {
        /// The exit code; 128 + n for signal n.
        let status: Int32
        let outputBytes: [UInt8]
        let errorBytes: [UInt8]

        var output: String { String(decoding: outputBytes, as: UTF8.self) }
        var errors: String { String(decoding: errorBytes, as: UTF8.self) }
        var lines: [Substring] { output.split(separator: "\n") }
    }

    private struct State {
        var outputBytes: [UInt8] = []
        var errorBytes: [UInt8] = []
        /// Reading ends, each until its end.
        var outputEnd: Int32
        var errorEnd: Int32
        var status: Int32?
    }

    /// What programs are started by: nsenter(1) and where to.
    @TaskLocal static var prefix: [String] = []

    private let pid: pid_t
    private let words: String
    private let state: Mutex<State>

    /// What a pipe takes without a reader (pipe(7)).
    private static let pipeBytes = 65_536

    /// Starts a program.
    /// - Parameter input: piped in; nil = /dev/null.
    init(
        _ program: String, _ arguments: [String], environment: [String: String], folder: String? = nil,
        input: String? = nil
    ) throws {
        words = ([program] + arguments).joined(separator: " ")
        let output = try Self.makePipe()
        let errors = try Self.makePipe()
        state = Mutex(State(outputEnd: output.reading, errorEnd: errors.reading))
        defer { for end in [output.writing, errors.writing] { close(end) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        var inputEnd: Int32?
        defer { if let inputEnd { close(inputEnd) } }
        if let input {
            let bytes = Array(input.utf8)
            guard bytes.count <= Self.pipeBytes else { throw Problem("\(bytes.count) bytes do not fit into a pipe") }
            let pipe = try Self.makePipe()
            _ = write(pipe.writing, bytes, bytes.count)
            close(pipe.writing)
            inputEnd = pipe.reading
            posix_spawn_file_actions_adddup2(&actions, pipe.reading, STDIN_FILENO)
        } else {
            posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_adddup2(&actions, output.writing, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, errors.writing, STDERR_FILENO)
        // The threads of a test block most signals; a program that is to be ended by one must not inherit that.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        // env(1) changes the folder and becomes the program; posix_spawn(3) alone cannot.
        let command = Self.prefix + (folder.map { ["env", "-C", $0] } ?? []) + [program] + arguments
        var texts = Self.copies(command)
        var variables = Self.copies(environment.map { "\($0.key)=\($0.value)" })
        defer { for text in texts + variables { free(text) } }
        var pid: pid_t = 0
        let code = posix_spawnp(&pid, command[0], &actions, &attributes, &texts, &variables)
        self.pid = pid
        guard code == 0 else {
            // Nothing was started: the end is known, and closing is left to deinit.
            state.withLock { $0.status = 127 }
            throw Problem("\(program) cannot be started: \(String(cString: strerror(code)))")
        }
    }

    deinit {
        state.withLock { state in
            for end in [state.outputEnd, state.errorEnd] where end >= 0 { close(end) }
            guard state.status == nil else { return }
            kill(pid, SIGKILL)
            var status: Int32 = 0
            waitpid(pid, &status, 0)
        }
    }

    /// A pipe whose ends no other process inherits, whatever else this one starts meanwhile: by open(2), which closes
    /// that gap, where pipe(2) and fcntl(2) leave it.
    private static func makePipe() throws -> (reading: Int32, writing: Int32) {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/pipe"
        guard mkfifo(path, 0o600) == 0 else { throw Problem("no pipe: \(String(cString: strerror(errno)))") }
        let reading = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        let writing = open(path, O_WRONLY | O_CLOEXEC)
        guard reading >= 0, writing >= 0, fcntl(reading, F_SETFL, 0) == 0 else {
            for end in [reading, writing] where end >= 0 { close(end) }
            throw Problem("no pipe: \(String(cString: strerror(errno)))")
        }
        return (reading, writing)
    }

    /// To be freed by the caller; ends in nil, as exec wants it.
    private static func copies(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] {
        var copies: [UnsafeMutablePointer<CChar>?] = []
        for text in texts { copies.append(strdup(text)) }
        return copies + [nil]
    }

    // MARK: - Its life

    /// Its memory that is in use now, in bytes (statm of proc(5)).
    var residentBytes: Int? {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8) else { return nil }
        let fields = text.split(separator: " ")
        return fields.count > 1 ? Int(fields[1]).map { $0 * Int(sysconf(Int32(_SC_PAGESIZE))) } : nil
    }

    func signal(_ number: Int32) {
        state.withLock { state in
            if state.status == nil { kill(pid, number) }
        }
    }

    /// The first line on standard output that fits.
    /// - Throws: when it does not come in time, or the output ends before; the process is killed then.
    func line(within limit: Duration, where fits: @escaping @Sendable (Substring) -> Bool) async throws -> String {
        let deadline = ContinuousClock.now + limit
        return try await offloaded { child in
            while true {
                let text = String(decoding: child.state.withLock { $0.outputBytes }, as: UTF8.self)
                // What stands behind the last line end may go on.
                let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
                if let line = lines.first(where: fits) { return String(line) }
                guard child.readMore(until: deadline) else { throw child.late("the line that was waited for", limit) }
            }
        }
    }

    /// Waits for the end.
    /// - Throws: when it does not come in time; the process is killed then.
    func end(within limit: Duration) async throws -> End {
        let deadline = ContinuousClock.now + limit
        return try await offloaded { child in
            while child.readMore(until: deadline) {}
            // Both ends are closed, or it is late: the process is at its end, and waitpid(2) has no time limit.
            while !child.reap() {
                guard ContinuousClock.now < deadline else { throw child.late("the end", limit) }
                poll(nil, 0, 5)
            }
            return child.state.withLock {
                End(status: $0.status ?? -1, outputBytes: $0.outputBytes, errorBytes: $0.errorBytes)
            }
        }
    }

    /// A thread of its own: these calls block, which the cooperative ones must not.
    private func offloaded<Result: Sendable>(_ body: @escaping @Sendable (Child) throws -> Result) async throws
        -> Result
    {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(with: Swift.Result { try body(self) }) }
        }
    }

    /// Reads what there is; false at the end of both streams, or when it is late.
    private func readMore(until deadline: ContinuousClock.Instant) -> Bool {
        let (outputEnd, errorEnd) = state.withLock { ($0.outputEnd, $0.errorEnd) }
        var waiting = [outputEnd, errorEnd].filter { $0 >= 0 }.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        guard !waiting.isEmpty else { return false }
        let left = (deadline - .now) / Duration.milliseconds(1)
        guard left > 0, poll(&waiting, nfds_t(waiting.count), Int32(min(left.rounded(.up), 60_000))) >= 0 else {
            return false
        }
        for ready in waiting where ready.revents != 0 {
            var piece = [UInt8](repeating: 0, count: Self.pipeBytes)
            let count = read(ready.fd, &piece, piece.count)
            state.withLock { state in
                switch (count > 0, ready.fd == state.outputEnd) {
                case (true, true): state.outputBytes += piece.prefix(count)
                case (true, false): state.errorBytes += piece.prefix(count)
                case (false, true): state.outputEnd = -1
                case (false, false): state.errorEnd = -1
                }
            }
            if count <= 0 { close(ready.fd) }
        }
        return true
    }

    private func reap() -> Bool {
        state.withLock { state in
            guard state.status == nil else { return true }
            var status: Int32 = 0
            guard waitpid(pid, &status, WNOHANG) == pid else { return false }
            let signal = status & 0x7f
            state.status = signal == 0 ? status >> 8 & 0xff : 128 + signal
            return true
        }
    }

    private func late(_ what: String, _ limit: Duration) -> Problem {
        signal(SIGKILL)
        let (output, errors) = state.withLock {
            (String(decoding: $0.outputBytes, as: UTF8.self), String(decoding: $0.errorBytes, as: UTF8.self))
        }
        return Problem("`\(words)`: \(what) did not come within \(limit); it printed:\n\(output)\(errors)")
    }
}

/// Why a test cannot go on.
struct Problem: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
