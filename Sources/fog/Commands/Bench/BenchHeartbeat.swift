internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCoordinator
internal import FogCore
internal import FogJobs
internal import FogNet
import Foundation

/// `fog bench heartbeat`: what ten thousand machines cost that have nothing to do.
struct BenchHeartbeat: SessionCommand {
    static let configuration = CommandConfiguration(
        "heartbeat", "Let many simulated workers report every 10 s and see how much of a core the coordinator needs.",
        examples: ["fog bench heartbeat", "fog bench heartbeat --workers 10000 --seconds 20 -o json"],
        more:
            "heartbeat/decisions: registry and failure detector alone. heartbeat/http: a coordinator process, each report through its worker's link."
    )

    @Option(help: "Simulated workers.")
    var workers = 10_000

    @Option(help: "How long the coordinator process is watched, in seconds.")
    var seconds = 10

    @Option(help: "Connections that the reports come over.")
    var connections = 64

    @OptionGroup var bench: BenchOptions
    @OptionGroup var common: CommonOptions

    private static let every = 10.0

    func validate() throws {
        guard (1...100_000).contains(workers) else {
            throw ValidationError("--workers must be 1 to 100000, found \(workers)")
        }
        guard (1...600).contains(seconds) else { throw ValidationError("--seconds must be 1 to 600, found \(seconds)") }
        guard (1...1000).contains(connections) else {
            throw ValidationError("--connections must be 1 to 1000, found \(connections)")
        }
    }

    func run(_ session: Session) async throws {
        try decisions(session)
        try await overHTTP(session)
    }

    /// Share of a core, in hundredths, for the reports and ticks of one second.
    private func decisions(_ session: Session) throws {
        var driver = try BenchCore()
        var nodes: [(NodeID, KeyID)] = []
        for index in 0..<workers {
            let node = try driver.addNode("n\(index)", slots: 2)
            if let key = driver.key(of: node) { nodes.append((node, key)) }
            _ = driver.core.takeChange()
        }
        let beat = Heartbeat(allowance: BenchCore.allowance(2), attempts: [])
        var shares: [Double] = []
        for _ in 0..<bench.runs {
            let watch = Stopwatch()
            for (_, key) in nodes { _ = driver.core.heartbeat(beat, from: key, at: driver.now) }
            let beats = watch.seconds / Self.every
            let ticking = Stopwatch()
            for _ in 0..<4 {
                driver.core.tick(at: driver.now)
                _ = driver.core.place(at: driver.now, clock: driver.clock)
                _ = driver.core.takeChange()
            }
            shares.append((beats + ticking.seconds) * 100)
        }
        BenchFigure(
            bench: "heartbeat", name: "decisions", unit: "% of a core", values: shares,
            note: "\(workers) workers, every 10 s"
        ).show(session)
    }

    private func overHTTP(_ session: Session) async throws {
        let cloud = try await BenchCloud.start(session)
        do {
            let clients = try await enrol(cloud)
            let beat = Heartbeat(allowance: BenchCore.allowance(2), attempts: [])
            let idle = cloud.coordinator.cpuSeconds
            let watch = Stopwatch()
            let rounds = max(1, Int((Double(seconds) / Self.every).rounded(.up)))
            let pace = Double(workers) / Self.every / Double(connections)
            let connections = connections
            try await withThrowingTaskGroup(of: Void.self) { group in
                for lane in 0..<connections {
                    group.addTask {
                        var sent = 0
                        for _ in 0..<rounds {
                            for index in stride(from: lane, to: clients.count, by: connections) {
                                _ = try await clients[index].heartbeat(beat)
                                sent += 1
                                let due = Double(sent) / pace
                                let left = due - watch.seconds
                                if left > 0 { try await Task.sleep(for: .seconds(left)) }
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            let took = watch.seconds
            let beats = Double(rounds * clients.count)
            let used = cloud.coordinator.cpuSeconds - idle
            BenchFigure(
                bench: "heartbeat", name: "http", unit: "% of a core",
                values: [used / beats * Double(workers) / Self.every * 100],
                note: "\(BenchFigure.text(beats / took)) reports/s, \(BenchFigure.text(used / beats * 1e6)) us each"
            ).show(session)
            BenchFigure(
                bench: "heartbeat", name: "memory", unit: "MiB",
                values: [Double(cloud.coordinator.residentBytes) / 1_048_576]
            ).show(session)
        } catch {
            await cloud.stop()
            throw error
        }
        await cloud.stop()
    }

    /// Each simulated worker has a key of its own and says hello once.
    private func enrol(_ cloud: BenchCloud) async throws -> [FogClient] {
        let tokens = (workers + 999) / 1000
        var secrets: [[UInt8]] = []
        for _ in 0..<tokens {
            let body = EnrollBody(roles: [.worker], uses: 1000, ttl: .hours(1), owner: "operator", credits: .zero)
            secrets.append(try JoinToken(try await cloud.client.enroll(body).token).secret)
        }
        let base = cloud.client
        return try await withThrowingTaskGroup(of: [FogClient].self) { group in
            for (number, secret) in secrets.enumerated() {
                let range = number * 1000..<min(workers, (number + 1) * 1000)
                group.addTask {
                    var clients: [FogClient] = []
                    for index in range {
                        let client = FogClient(
                            carrier: base.carrier, key: .generate(), coordinator: base.coordinatorKey,
                            clock: base.clock
                        ).withWorkerLink()
                        _ = try await client.join(
                            JoinBody(secret: Base64Bytes(secret), key: client.key.publicKey, name: "sim-\(index)"))
                        let report = NodeReport(
                            name: "sim-\(index)", architecture: "x86_64", cpu: .cores(2), memory: .gibibytes(2),
                            disk: .gibibytes(10))
                        _ = try await client.hello(
                            WorkerHello(
                                report: report, allowance: BenchCore.allowance(2), incarnation: "1", holding: []))
                        // The first report opens the link; a worker does it once, and reports for days.
                        _ = try await client.heartbeat(Heartbeat(allowance: BenchCore.allowance(2), attempts: []))
                        clients.append(client)
                    }
                    return clients
                }
            }
            var all: [FogClient] = []
            for try await clients in group { all += clients }
            return all
        }
    }
}
