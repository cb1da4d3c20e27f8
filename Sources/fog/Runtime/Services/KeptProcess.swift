internal import FogCommandLine
import Foundation
internal import Synchronization

/// A process of this program that another one keeps: what it prints first, when it ends, and its log in a file.
///
/// Its standard input is a pipe that nobody writes to and that ends with the keeper, whatever ends that.
final class KeptProcess: Sendable {
    let name: String
    let log: String
    let pid: Int32
    private let process: Mutex<Process>
    /// The end of the pipe that is its lifeline.
    private let lifeline: FileHandle
    private let lines: AsyncStream<String>
    /// How it ended, in words, once.
    private let ends: AsyncStream<String>

    init(_ name: String, _ arguments: [String], environment: [String: String], log: String) throws {
        self.name = name
        self.log = log
        guard FileManager.default.createFile(atPath: log, contents: nil), let errors = FileHandle(forWritingAtPath: log)
        else { throw CommandLineFailure("unwritable", "\(log) cannot be made: \(Disk.words())") }
        let process = Process()
        process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = arguments
        process.environment = environment
        process.standardError = errors
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        let (lines, said) = AsyncStream.makeStream(of: String.self)
        let rest = Mutex("")
        output.fileHandleForReading.readabilityHandler = { handle in
            let data = handle.availableData
            guard !data.isEmpty else {
                handle.readabilityHandler = nil
                return said.finish()
            }
            rest.withLock { rest in
                rest += String(decoding: data, as: UTF8.self)
                var pieces = rest.split(separator: "\n", omittingEmptySubsequences: false)
                rest = String(pieces.removeLast())
                for piece in pieces { said.yield(String(piece)) }
            }
        }
        let (ends, ended) = AsyncStream.makeStream(of: String.self)
        process.terminationHandler = { process in
            let kind = process.terminationReason == .exit ? "exit code" : "signal"
            ended.yield("\(kind) \(process.terminationStatus)")
            ended.finish()
        }
        try process.run()
        try? errors.close()
        self.lines = lines
        self.ends = ends
        lifeline = input.fileHandleForWriting
        pid = process.processIdentifier
        self.process = Mutex(process)
    }

    /// Waits for a line that begins so; the rest of it.
    /// - Throws: `not_started` when the process ends before.
    func line(beginning prefix: String) async throws -> String {
        for await line in lines where line.hasPrefix(prefix) { return String(line.dropFirst(prefix.count)) }
        try Task.checkCancellation()
        throw CommandLineFailure("not_started", "\(name) ended before it was ready", help: "its log: \(log)")
    }

    /// Waits for its end; nil when the wait is cancelled.
    func end() async -> String? {
        for await end in ends { return end }
        return nil
    }

    var isRunning: Bool { process.withLock { $0.isRunning } }

    func signal(_ number: Int32) { if isRunning { kill(pid, number) } }

    /// Asks all to end, waits until they have, and kills those that have not after a while.
    static func stop(_ processes: [KeptProcess]) async {
        for process in processes { process.signal(SIGTERM) }
        for _ in 0..<400 where processes.contains(where: \.isRunning) {
            // Also when this is cancelled, the wait is needed: so it is not the task's.
            await withCheckedContinuation { waited in
                DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(50)) { waited.resume() }
            }
        }
        for process in processes { process.signal(SIGKILL) }
    }
}
