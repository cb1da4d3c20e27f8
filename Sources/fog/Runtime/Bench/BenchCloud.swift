internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogNet
import Foundation

/// A coordinator and a worker as ordinary processes in a temporary folder, joined by a token as any machine is.
final class BenchCloud: Sendable {
    let folder: String
    let server: String
    let coordinator: ChildProcess
    let client: FogClient
    private let carrier: HTTPCarrier
    let environment: [String: String]
    private let account: AccountID

    private init(
        folder: String, server: String, coordinator: ChildProcess, client: FogClient, carrier: HTTPCarrier,
        environment: [String: String], account: AccountID
    ) {
        self.folder = folder
        self.server = server
        self.coordinator = coordinator
        self.client = client
        self.carrier = carrier
        self.environment = environment
        self.account = account
    }

    /// - Parameters:
    ///   - flags: more for `fog coordinator run`.
    ///   - settings: more of its environment.
    static func start(
        _ session: Session, flags: [String] = [], settings: [String: String] = [:]
    ) async throws -> BenchCloud {
        let folder = NSTemporaryDirectory() + "fog-bench-\(UUID().uuidString.prefix(8))"
        try Disk.makeFolder(folder, mode: 0o700)
        var environment = session.environment.filter { !$0.key.hasPrefix("FOG_") || $0.key == "FOG_SANDBOX" }
        environment["FOG_HOME"] = folder
        environment["FOG_PROFILES"] = try ProfileFolder.locate(environment: session.environment)
        environment.merge(settings) { $1 }
        let coordinator = try ChildProcess(
            ["coordinator", "run", "--listen", "127.0.0.1:0", "--economy", "--trust-all-nodes", "--name", "bench"]
                + flags,
            environment: environment, errors: try log(folder, "coordinator"))
        do {
            return try await open(coordinator, folder, environment)
        } catch {
            await coordinator.stop()
            try? FileManager.default.removeItem(atPath: folder)
            throw error
        }
    }

    private static func open(
        _ coordinator: ChildProcess, _ folder: String, _ environment: [String: String]
    ) async throws -> BenchCloud {
        let server = try await coordinator.line(beginning: "ready ")
        // It stands on this machine, whatever its address.
        var options = HTTPCarrier.Options()
        options.allowsPlaintext = true
        let carrier = try HTTPCarrier(server, options: options)
        let info = try await FogClient.info(of: carrier)
        let key = try KeyFile.read("\(folder)/config/identity.key")
        var client = FogClient(carrier: carrier, key: key, coordinator: info.coordinator)
        client.deadline = .minutes(2)
        let me = try await client.me()
        _ = try await client.grant(
            GrantBody(account: me.account.description, credits: .credits(1_000_000), reason: "for the bench"))
        return BenchCloud(
            folder: folder, server: server, coordinator: coordinator, client: client, carrier: carrier,
            environment: environment, account: me.account)
    }

    private static func log(_ folder: String, _ name: String) throws -> FileHandle {
        let path = "\(folder)/\(name).log"
        try Disk.write([], to: path)
        guard let handle = FileHandle(forWritingAtPath: path) else {
            throw CommandLineFailure("unwritable", "\(path) cannot be written")
        }
        return handle
    }

    /// A worker machine: it joins with a token, works, and belongs to the operator.
    func startWorker(_ number: Int, slots: Int, unsafely: Bool) async throws -> ChildProcess {
        let home = "\(folder)/worker-\(number)"
        var environment = environment
        environment["FOG_HOME"] = home
        let enrolled = try await client.enroll(
            EnrollBody(roles: [.worker], uses: 1, ttl: .hours(1), owner: "operator", credits: .zero))
        let errors = try Self.log(folder, "worker-\(number)")
        let join = try ChildProcess(
            ["join", enrolled.token, "--name", "bench-\(number)", "-q"], environment: environment, errors: errors)
        for await _ in join.lines {}
        let worker = try ChildProcess(
            ["worker", "run", "--policy", "always", "--name", "bench-\(number)", "--slots", String(slots)]
                + (unsafely ? ["--allow-unsafe"] : []),
            environment: environment, errors: errors)
        let name = "bench-\(number)"
        for _ in 0..<1200 {
            if try await client.nodes().nodes.contains(where: { $0.name == name && $0.liveness == "live" }) {
                return worker
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw CommandLineFailure("bench_failed", "the worker did not come up; see \(folder)/\(name).log")
    }

    /// Submits and waits for the end; seconds from the first byte of the request to the news of the end.
    func time(_ spec: JobSpec) async throws -> Double {
        let body = SubmitBody(document: ManifestDocument(of: spec).canonical, fileTable: nil)
        let watch = Stopwatch()
        var job = try await client.submit(body, idempotencyKey: FogClient.newKey())
        let id = job.id
        while !job.state.isFinal { job = try await client.job(id.description, wait: .seconds(60)) }
        let seconds = watch.seconds
        guard job.state == .succeeded else {
            throw CommandLineFailure("bench_failed", "\(job.sentence); logs: \(folder)", help: "fog doctor")
        }
        return seconds
    }

    /// Values of the metrics page by name, sums over labels.
    func metrics() async throws -> [String: Double] {
        let answer = try await carrier.send(CarrierRequest(method: "GET", target: "/metrics"), deadline: .seconds(30))
        var values: [String: Double] = [:]
        for line in String(decoding: answer.body, as: UTF8.self).split(separator: "\n") where !line.hasPrefix("#") {
            let parts = line.split(separator: " ")
            guard parts.count == 2, let value = Double(parts[1]) else { continue }
            values[String(parts[0].prefix { $0 != "{" }), default: 0] += value
        }
        return values
    }

    /// Ends the coordinator and removes the folder.
    func stop(_ workers: [ChildProcess] = []) async {
        for worker in workers { await worker.stop() }
        await carrier.shutDown()
        await coordinator.stop()
        try? FileManager.default.removeItem(atPath: folder)
    }
}

extension BenchCloud {
    /// Seconds that one of our commands takes as a process, as the operator.
    func run(_ arguments: [String]) async throws -> Double {
        let watch = Stopwatch()
        let child = try ChildProcess(
            [arguments[0], "--server", server] + arguments.dropFirst(), environment: environment,
            errors: FileHandle.nullDevice)
        for await _ in child.lines {}
        return watch.seconds
    }
}
