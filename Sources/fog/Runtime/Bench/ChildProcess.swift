import Dispatch
internal import FogCommandLine
import Foundation
internal import Synchronization

/// A program of ours run as a process of its own, for benches.
final class ChildProcess: Sendable {
    private let process: Mutex<Process>
    let pid: Int32
    /// Lines of its standard output.
    let lines: AsyncStream<String>

    /// - Parameter errors: where its standard error goes.
    init(_ arguments: [String], environment: [String: String], errors: FileHandle) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = arguments
        process.environment = environment
        process.standardInput = FileHandle.nullDevice
        process.standardError = errors
        let output = Pipe()
        process.standardOutput = output
        let (lines, continuation) = AsyncStream.makeStream(of: String.self)
        let rest = Mutex("")
        output.fileHandleForReading.readabilityHandler = { handle in
            let data = handle.availableData
            guard !data.isEmpty else {
                handle.readabilityHandler = nil
                return continuation.finish()
            }
            rest.withLock { rest in
                rest += String(decoding: data, as: UTF8.self)
                var pieces = rest.split(separator: "\n", omittingEmptySubsequences: false)
                rest = String(pieces.removeLast())
                for piece in pieces { continuation.yield(String(piece)) }
            }
        }
        self.lines = lines
        try process.run()
        pid = process.processIdentifier
        Self.endWithUs(pid)
        self.process = Mutex(process)
    }

    private static let started = Mutex<(pids: [Int32], sources: [any DispatchSourceSignal])>(([], []))

    /// A bench that is told to end takes what it started with it.
    private static func endWithUs(_ pid: Int32) {
        started.withLock { started in
            started.pids.append(pid)
            guard started.sources.isEmpty else { return }
            started.sources = [SIGINT, SIGTERM].map { number in
                signal(number, SIG_IGN)
                let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
                source.setEventHandler {
                    for pid in Self.started.withLock({ $0.pids }) { kill(pid, SIGTERM) }
                    _exit(128 + number)
                }
                source.resume()
                return source
            }
        }
    }

    /// Waits for a line that begins so; the rest of it.
    func line(beginning prefix: String) async throws -> String {
        for await line in lines where line.hasPrefix(prefix) { return String(line.dropFirst(prefix.count)) }
        throw CommandLineFailure("bench_failed", "the process \(pid) ended before it said `\(prefix)`")
    }

    /// Asks it to end, and waits until it has; kills it after a while.
    func stop() async {
        kill(pid, SIGTERM)
        for _ in 0..<600 {
            guard process.withLock({ $0.isRunning }) else { return }
            try? await Task.sleep(for: .milliseconds(50))
        }
        kill(pid, SIGKILL)
    }

    /// Processor time used so far, user and system, in seconds.
    var cpuSeconds: Double {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let close = text.lastIndex(of: ")")
        else { return 0 }
        let fields = text[text.index(after: close)...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[11]), let system = Double(fields[12]) else { return 0 }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Resident memory in bytes.
    var residentBytes: Int64 {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8) else { return 0 }
        let fields = text.split(separator: " ")
        return fields.count > 1 ? (Int64(fields[1]) ?? 0) * Int64(getpagesize()) : 0
    }
}
