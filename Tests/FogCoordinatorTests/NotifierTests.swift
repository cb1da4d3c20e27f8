import FogCore
import FogJobs
import FogStore
import Foundation
import Logging
import ServiceLifecycle
import Testing

@testable import FogCoordinator

@Suite("The operator's hook")
struct NotifierTests {
    /// A program that is run with a folder of its own.
    private static func withProgram<Value>(
        _ script: String, _ body: (_ program: String, _ folder: String) async throws -> Value
    ) async throws -> Value {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("fog-hook-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let program = "\(folder)/hook"
        // Written by another process: a program that another test starts meanwhile would hold this one's descriptor open,
        // and the kernel runs no file that somebody may write to (ETXTBSY).
        let text = "\(folder)/text"
        try "#!/bin/sh\ncd \(folder)\n\(script)\n".write(toFile: text, atomically: true, encoding: .utf8)
        let install = Process()
        install.executableURL = URL(filePath: "/usr/bin/install")
        install.arguments = ["-m", "755", text, program]
        try install.run()
        install.waitUntilExit()
        try #require(install.terminationStatus == 0)
        return try await body(program, folder)
    }

    private static func event(_ kind: String, _ sequence: UInt64, job: JobID? = nil) -> EventRecord {
        var event = EventRecord(kind, at: Timestamp(seconds: 1_800_000_000), job: job, detail: ["name": "n"])
        event.sequence = sequence
        return event
    }

    private static var environment: [String: String] {
        ["PATH": "/usr/bin:/bin", "FOG_SECRET": "kept away by the caller"]
    }

    @Test("each chosen event becomes one run with the event as JSON, one after the other", .timeLimit(.minutes(10)))
    func told() async throws {
        // A second program at the same time would find the folder `busy`.
        try await Self.withProgram("mkdir busy || exit 9\ncat >> told\necho $FOG_EVENT >> kinds\nrmdir busy") {
            program, folder in
            var configuration = Notifier.Configuration(program: program, environment: Self.environment)
            configuration.events = try #require(EventSelection("job_*, node_lost"))
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            let notifier = Notifier(configuration, store: MemoryStore(), logger: logger)
            let group = ServiceGroup(services: [notifier], logger: logger)
            let running = Task { try await group.run() }
            notifier.offer([
                Self.event("job_failed", 1, job: JobID(high: 1, low: 2)), Self.event("node_up", 2),
                Self.event("node_lost", 3), Self.event("job_held", 4),
            ])
            while notifier.counts.told + notifier.counts.failed < 3 { try await Task.sleep(for: .milliseconds(10)) }
            await group.triggerGracefulShutdown()
            try await running.value
            #expect(notifier.counts.failed == 0)
            let lines = try String(contentsOfFile: "\(folder)/told", encoding: .utf8).split(separator: "\n")
            let documents = try lines.map { try JSON(parsing: String($0)) }
            #expect(documents.map { $0["kind"]?.string } == ["job_failed", "node_lost", "job_held"])
            #expect(documents.map { $0["sequence"]?.integer } == [1, 3, 4])
            #expect(documents[0]["job"]?.string == JobID(high: 1, low: 2).description)
            #expect(documents[0]["detail"]?["name"]?.string == "n")
            let kinds = try String(contentsOfFile: "\(folder)/kinds", encoding: .utf8)
            #expect(kinds == "job_failed\nnode_lost\njob_held\n")
        }
    }

    @Test("a queue that is full drops the oldest and counts it; offering never waits")
    func dropped() throws {
        var configuration = Notifier.Configuration(program: "/bin/true", environment: [:])
        configuration.events = try #require(EventSelection("job_*"))
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        // Nobody takes anything out.
        let notifier = Notifier(configuration, store: MemoryStore(), logger: logger)
        notifier.offer((1...1500).map { Self.event("job_failed", $0) })
        #expect(notifier.counts.dropped == 500)
    }

    /// Whether a killed process is gone, or dead and not yet collected by whoever adopted it. A busy machine takes a while.
    private static func ends(_ pid: Int32) async -> Bool {
        for _ in 0..<2000 {
            let state = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
            if state == nil || state?.contains(") Z ") == true { return true }
            try? await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    @Test("a program that does not end is killed with what it started", .timeLimit(.minutes(10)))
    func late() async throws {
        try await Self.withProgram("sleep 1000 & echo $! > child\necho $$ > own\nwait") { program, folder in
            let ending = await HookProgram.run(
                program, input: [], environment: Self.environment, patience: .milliseconds(700))
            #expect(ending == .late)
            for name in ["own", "child"] {
                let text = try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
                let pid = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
                #expect(await Self.ends(pid))
            }
        }
    }

    @Test("how a program ended is told")
    func endings() async throws {
        func run(_ program: String) async -> HookProgram.Ending {
            await HookProgram.run(program, input: [1], environment: Self.environment, patience: .seconds(20))
        }
        #expect(await run("/bin/true") == .exited(0))
        #expect(await run("/bin/false") == .exited(1))
        if case .notStarted = await run("/nowhere/at/all") {} else { Issue.record("it was started") }
        try await Self.withProgram("kill -9 $$") { program, _ in #expect(await run(program) == .signaled(9)) }
    }

    @Test("kinds of events are chosen by word or beginning")
    func selection() {
        #expect(EventSelection("job_*")?.contains("job_held") == true)
        #expect(EventSelection("job_*")?.contains("node_lost") == false)
        #expect(EventSelection("job_held, node_lost")?.contains("node_lost") == true)
        for bad in ["", ",", "Job", "a-b", "a;b", "a**"] { #expect(EventSelection(bad) == nil, "\(bad)") }
        #expect(EventSelection.standard.contains("job_failed"))
        #expect(!EventSelection.standard.contains("task_granted"))
    }
}
