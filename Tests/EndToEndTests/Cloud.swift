import Foundation
import Glibc
import Testing

/// A whole small cloud: `fog dev` in a folder of its own.
final class Cloud: Sendable {
    /// The `FOG_HOME` of the cloud and of the commands that speak to it.
    let home: String
    let url: String
    private let dev: Child

    /// How long a command may take: many times what it takes on a slow machine that is busy with other tests.
    static let patience = Duration.seconds(300)

    /// The cloud of the suite.
    @TaskLocal static var shared: Cloud?

    /// Starts the cloud and waits until it is ready; on the same home it goes on where it was.
    init(home: String, listen: String = "127.0.0.1:0", options: String...) async throws {
        self.home = home
        dev = try Child(
            Places.fog, ["dev", "--listen", listen] + options, environment: Self.environment(home: home))
        let line = try await dev.line(within: Self.patience) { $0.hasPrefix("ready ") }
        url = String(line.dropFirst("ready ".count))
    }

    /// Memory of coordinator and workers together, in bytes.
    var residentBytes: Int? { dev.residentBytes }

    /// Ends it as an operator would; what it said at the end is the caller's to judge.
    func stop() async throws -> Child.End {
        dev.signal(SIGTERM)
        return try await dev.end(within: Self.patience)
    }

    /// What this process has, without what would steer Fog.
    static func environment(home: String) -> [String: String] {
        let steering = ["NO_COLOR", "CLICOLOR_FORCE", "COLUMNS"]
        var variables = ProcessInfo.processInfo.environment.filter {
            !$0.key.hasPrefix("FOG_") && !$0.key.hasPrefix("XDG_") && !steering.contains($0.key)
        }
        variables["FOG_HOME"] = home
        variables["HOME"] = home
        return variables
    }

    // MARK: - Commands

    /// Starts a command against this cloud and goes on.
    func start(_ arguments: String...) throws -> Child {
        try Child(Places.fog, arguments, environment: Self.environment(home: home))
    }

    /// Runs a command against this cloud to its end.
    func fog(_ arguments: String..., folder: String? = nil, input: String? = nil) async throws -> Child.End {
        try await Self.fog(arguments, home: home, folder: folder, input: input)
    }

    /// Runs a command as it is, against whatever the home knows.
    static func fog(
        _ arguments: [String], home: String, folder: String? = nil, input: String? = nil
    ) async throws -> Child.End {
        try await Child(
            Places.fog, arguments, environment: environment(home: home), folder: folder, input: input
        ).end(within: patience)
    }

    /// Submits a manifest, waits for the job's end, and returns the job as `job show` has it.
    func finished(_ manifest: String, status: Int32 = 0) async throws -> JobDocument {
        let end = try await fog("job", "submit", manifest, "--wait", "--quiet")
        #expect(end.status == status, "\(end.errors)")
        return try await job(String(try #require(end.lines.first, "\(end.errors)")))
    }

    func job(_ reference: String) async throws -> JobDocument {
        let end = try await fog("job", "show", reference, "--output", "json")
        guard end.status == 0 else { throw Problem("fog job show \(reference): \(end.errors)") }
        let job = try JSONDecoder().decode(JobDocument.self, from: Data(end.outputBytes))
        #expect(job.isWhole)
        return job
    }

    /// What the tasks of a job printed, or one of them.
    func logs(_ job: JobDocument, _ options: String...) async throws -> String {
        let end = try await Self.fog(["logs", job.id] + options, home: home)
        guard end.status == 0 else { throw Problem("fog logs \(job.id): \(end.errors)") }
        return end.output
    }

    /// Fetches what a job left.
    func outputs(_ job: JobDocument) async throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let end = try await fog("job", "outputs", job.id, "--to", folder.path)
        guard end.status == 0 else { throw Problem("fog job outputs \(job.id): \(end.errors)") }
        return folder
    }
}

/// `fog job show --output json`, as far as the tests read it.
struct JobDocument: Decodable {
    struct Attempt: Decodable {
        let task: Int
        let token: Int
        let outcome: String?
        let exitCode: Int?
        let signal: Int?
        let receipt: String?
        /// Credits, as text.
        let paid: String

        enum CodingKeys: String, CodingKey {
            case task, token, outcome, signal, receipt, paid
            case exitCode = "exit_code"
        }
    }

    struct Row: Decodable {
        let number: Int
        let state: String
        let taskFailures: Int
        let hostFailures: Int
        let evictions: Int

        enum CodingKeys: String, CodingKey {
            case number, state, evictions
            case taskFailures = "task_failures"
            case hostFailures = "host_failures"
        }
    }

    let id: String
    let name: String
    let state: String
    let tasks: Int
    let counts: [String: Int]
    let cancelReason: String?
    let rows: [Row]
    let attempts: [Attempt]
    let isWhole: Bool

    enum CodingKeys: String, CodingKey {
        case id, name, state, tasks, counts, attempts
        case cancelReason = "cancel_reason"
        case rows = "task_list"
        case isWhole = "is_whole"
    }

    var outcomes: [String?] { attempts.map(\.outcome) }

    /// Asserts that every task succeeded at its first attempt.
    func expectSmooth(tasks: Int, _ place: SourceLocation = #_sourceLocation) {
        #expect(state == "succeeded", sourceLocation: place)
        #expect(counts == ["succeeded": tasks], sourceLocation: place)
        #expect(rows.map(\.number) == Array(0..<tasks), sourceLocation: place)
        #expect(outcomes == Array(repeating: "success", count: tasks), sourceLocation: place)
        #expect(attempts.allSatisfy { $0.exitCode == 0 && $0.token == 1 }, sourceLocation: place)
        #expect(attempts.allSatisfy { $0.receipt != nil }, sourceLocation: place)
    }
}

// MARK: - The cloud of the suite

/// Starts one cloud for the whole suite; afterwards its books must be clean, and it must end by SIGTERM with exit 0.
struct SharedCloud: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing body: @Sendable () async throws -> Void
    ) async throws {
        let folder = try TemporaryFolder()
        let cloud = try await Cloud(
            home: folder.path, options: "--workers", "2", "--volume", "licenses=\(Places.licenses)")
        try await Cloud.$shared.withValue(cloud) { try await body() }
        let audit = try await cloud.fog("ledger", "audit")
        #expect(audit.status == 0, "\(audit.output)\(audit.errors)")
        #expect(audit.lines.last?.hasPrefix("clean: ") == true, "\(audit.output)")
        let end = try await cloud.stop()
        #expect(end.status == 0, "\(end.errors)")
    }
}

extension Trait where Self == SharedCloud {
    static var sharedCloud: Self { Self() }
}

/// The real programs, run as processes: one test at a time, since each has all the cores.
@Suite("End to end", .serialized, .sharedCloud, .timeLimit(.minutes(10)))
enum EndToEnd {
    /// The cloud that all tests share.
    static var cloud: Cloud {
        get throws { try #require(Cloud.shared) }
    }
}
