import Foundation
import Glibc
import Testing

/// A coordinator and its machines as processes of their own, each of which may be killed at any moment and started again.
final class Pool {
    let folder: TemporaryFolder
    private(set) var url = ""
    private let slots: Int
    private let policy: String
    private var coordinator: Child?
    private var workers: [Int: Child] = [:]

    /// A node that is silent for so long is lost, so that tests need not wait for minutes.
    /// Many heartbeats long all the same: a machine that is busy with other tests is slow, not dead.
    private static let pace = ["--heartbeat", "1s", "--suspect-after", "5s", "--lost-after", "12s"]

    /// - Parameter owners: true = each machine has an owner of its own.
    /// - Parameter policy: by default the one that asks no sensor; or the text of a policy file, in braces.
    init(workers count: Int, slots: Int, owners: Bool = false, policy: String = "always") async throws {
        folder = try TemporaryFolder()
        self.slots = slots
        self.policy = policy.hasPrefix("{") ? try folder.write(policy, to: "policy.yaml") : policy
        try await startCoordinator()
        try await expect(["ledger", "grant", "operator", "10000", "--reason", "test"])
        for number in 0..<count {
            let owner = owners ? [] : ["--owner", "operator"]
            let token = try await expect(["enroll", "create", "--role", "worker", "--quiet"] + owner)
            let line = token.output.split(whereSeparator: \.isWhitespace).last.map(String.init) ?? ""
            let join = try await Cloud.fog(["join", line, "--name", "worker-\(number)"], home: home(number))
            #expect(join.status == 0, "\(join.errors)")
            try startWorker(number)
        }
    }

    var home: String { "\(folder.path)/operator" }
    private func home(_ worker: Int) -> String { "\(folder.path)/worker-\(worker)" }

    // MARK: Life and death

    func startCoordinator() async throws {
        // The same port again: its workers know no other.
        let address = url.isEmpty ? "127.0.0.1:0" : String(url.dropFirst("http://".count))
        let child = try Child(
            Places.fog, ["coordinator", "run", "--listen", address, "--economy", "--trust-all-nodes"] + Self.pace,
            environment: Cloud.environment(home: home))
        url = String(try await child.line(within: Cloud.patience) { $0.hasPrefix("ready ") }.dropFirst("ready ".count))
        coordinator = child
    }

    func startWorker(_ number: Int) throws {
        workers[number] = try Child(
            Places.fog,
            ["worker", "run", "--policy", policy, "--name", "worker-\(number)", "--slots", String(slots)],
            environment: Cloud.environment(home: home(number)))
    }

    func killCoordinator() async throws {
        coordinator?.signal(SIGKILL)
        _ = try await coordinator?.end(within: Cloud.patience)
    }

    func killWorker(_ number: Int) async throws {
        workers[number]?.signal(SIGKILL)
        _ = try await workers[number]?.end(within: Cloud.patience)
    }

    func stop() async throws {
        for worker in workers.values {
            worker.signal(SIGTERM)
            #expect(try await worker.end(within: Cloud.patience).status == 0)
        }
        coordinator?.signal(SIGTERM)
        #expect(try await coordinator?.end(within: Cloud.patience).status == 0)
    }

    // MARK: Commands

    /// A command on a worker's machine.
    @discardableResult
    func expect(_ arguments: [String], onWorker number: Int) async throws -> Child.End {
        let end = try await Cloud.fog(arguments, home: home(number))
        #expect(end.status == 0, "fog \(arguments.joined(separator: " ")): \(end.output)\(end.errors)")
        return end
    }

    /// A command that only a running worker answers, once it is up.
    func expect(_ arguments: [String], ofWorkerThatComes number: Int) async throws {
        // The bound only keeps a broken test from hanging.
        for _ in 0..<600 {
            if try await Cloud.fog(arguments, home: home(number)).status == 0 { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        try await expect(arguments, onWorker: number)
    }

    @discardableResult
    func expect(_ arguments: [String]) async throws -> Child.End {
        let end = try await Cloud.fog(arguments, home: home)
        #expect(end.status == 0, "fog \(arguments.joined(separator: " ")): \(end.output)\(end.errors)")
        return end
    }

    func submit(_ manifest: String) async throws -> String {
        let path = try folder.write(manifest, to: "job-\(UUID().uuidString).yaml")
        return String(try #require(try await expect(["job", "submit", path, "--quiet"]).lines.first))
    }

    func job(_ id: String) async throws -> JobDocument {
        let end = try await expect(["job", "show", id, "--output", "json"])
        return try JSONDecoder().decode(JobDocument.self, from: Data(end.outputBytes))
    }
}
