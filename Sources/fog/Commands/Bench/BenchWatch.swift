internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogNet
import Foundation

/// `fog bench watch`: what many readers of the live history cost, and how soon they are let go of.
struct BenchWatch: SessionCommand {
    static let configuration = CommandConfiguration(
        "watch", "Let many watch the live history: memory, news, leaving, shutdown.",
        examples: [
            "fog bench watch", "fog bench watch --watchers 1000 -o json", "fog bench watch --vanish",
        ],
        more:
            "watch/memory: what they add to the coordinator process. watch/news: from a submit until all have its event. watch/closed: from their end until the coordinator has let go of all. watch/exit: from SIGTERM to its end with all connected. With --vanish instead, watch/vanished: from the moment their cable is pulled, without a FIN, until none is counted and no connection is held; watch/kept: what then remains of their memory."
    )

    @Option(help: "Readers at once, 1 to 2000.")
    var watchers = 1000

    @Flag(help: "Pull their cable instead of closing them; needs root and a network namespace.")
    var vanish = false

    @OptionGroup var common: CommonOptions

    /// Nobody is kept longer than this, and nothing waits longer for them.
    private static let patience = 60.0

    func validate() throws {
        guard (1...2000).contains(watchers) else {
            throw ValidationError("--watchers must be 1 to 2000, found \(watchers)")
        }
    }

    func run(_ session: Session) async throws {
        let network = vanish ? try BenchNetwork() : nil
        let cloud = try await BenchCloud.start(
            session,
            flags: network == nil ? [] : ["--listen", "\(BenchNetwork.hereText):0", "--insecure-plaintext"],
            settings: ["FOG_COORDINATOR_OPEN_REQUESTS": String(2 * watchers + 100)])
        do {
            if let network {
                try await measureVanishing(from: network, cloud, session)
            } else {
                try await measure(cloud, session)
            }
        } catch {
            await cloud.stop()
            throw error
        }
        await cloud.stop()
    }

    private func measure(_ cloud: BenchCloud, _ session: Session) async throws {
        let port = UInt16(cloud.server.split(separator: ":").last ?? "") ?? 0
        func show(_ name: String, _ unit: String, _ value: Double, _ note: String = "") {
            BenchFigure(bench: "watch", name: name, unit: unit, values: [value], note: note).show(session)
        }
        // Requests that were signed in the second of its start are refused; the raw ones are not signed again.
        try await Task.sleep(for: .seconds(2))
        // One comes and goes first: what is made once is not theirs.
        let first = Watchers(port: port)
        try open(1, of: first, cloud)
        _ = try await news(first, cloud)
        first.closeAll()
        _ = try await untilSockets(atMost: 3, cloud)
        let resting = cloud.coordinator.sockets

        let before = cloud.coordinator.residentBytes
        let readers = Watchers(port: port)
        try open(watchers, of: readers, cloud)
        let times = try await [news(readers, cloud), news(readers, cloud), news(readers, cloud)]
        let added = Double(cloud.coordinator.residentBytes - before) / 1_048_576
        show("memory", "MiB", added, "\(watchers) watchers")
        BenchFigure(bench: "watch", name: "news", unit: "ms", values: times, note: "to \(watchers) watchers").show(
            session)
        readers.closeAll()
        show("closed", "s", try await untilSockets(atMost: resting, cloud), "after \(watchers) FINs")

        let last = Watchers(port: port)
        try open(watchers, of: last, cloud)
        _ = try await news(last, cloud)
        let exit = Stopwatch()
        await cloud.coordinator.stop()
        show("exit", "s", exit.seconds, "after SIGTERM with \(watchers) connected")
        last.closeAll()
    }

    private func measureVanishing(from network: BenchNetwork, _ cloud: BenchCloud, _ session: Session) async throws {
        let port = UInt16(cloud.server.split(separator: ":").last ?? "") ?? 0
        try await Task.sleep(for: .seconds(2))
        // As many came and left before: what the process keeps after the first of all time is not theirs.
        let first = Watchers(port: port, in: network)
        try open(watchers, of: first, cloud)
        _ = try await news(first, cloud)
        first.closeAll()
        _ = try await untilSockets(atMost: 3, cloud)
        let (resting, before) = (cloud.coordinator.sockets, cloud.coordinator.residentBytes)

        let readers = Watchers(port: port, in: network)
        try open(watchers, of: readers, cloud)
        _ = try await news(readers, cloud)
        let counted = try await streams(cloud)
        guard counted == Double(watchers) else {
            throw CommandLineFailure("bench_failed", "\(counted) streams are counted, wanted \(watchers)")
        }
        try network.pullCable()
        let watch = Stopwatch()
        while try await streams(cloud) > 0 || cloud.coordinator.sockets > resting {
            guard watch.seconds < Self.patience else {
                throw CommandLineFailure(
                    "bench_failed",
                    "\(Int(Self.patience)) s after they vanished \(try await streams(cloud)) streams are counted, "
                        + "and \(cloud.coordinator.sockets) connections held, wanted \(resting)")
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        let seconds = watch.seconds
        let kept = Double(cloud.coordinator.residentBytes - before) / 1_048_576
        BenchFigure(
            bench: "watch", name: "vanished", unit: "s", values: [seconds],
            note: "after the cable of \(watchers) was pulled"
        ).show(session)
        BenchFigure(
            bench: "watch", name: "kept", unit: "MiB", values: [kept], note: "beyond what an earlier \(watchers) left"
        ).show(session)
        readers.closeAll()
    }

    /// Event streams that the coordinator counts.
    private func streams(_ cloud: BenchCloud) async throws -> Double {
        try await cloud.metrics()["fog_event_streams_count"] ?? -1
    }

    private func open(_ count: Int, of watchers: Watchers, _ cloud: BenchCloud) throws {
        let client = cloud.client
        for _ in 0..<count {
            let request = try RequestSigner(key: client.key, coordinator: client.coordinatorKey.id)
                .sign(CarrierRequest(method: "GET", target: "/v1/events"), at: client.clock.now)
            var head = "GET \(request.target) HTTP/1.1\r\nhost: fog\r\naccept: text/event-stream\r\n"
            for (name, value) in request.headers { head += "\(name): \(value)\r\n" }
            try watchers.open(head + "\r\n")
        }
        try watchers.waitForAll("retry: ", seconds: Self.patience)
    }

    /// Milliseconds from a submit until its event has come to all.
    private func news(_ watchers: Watchers, _ cloud: BenchCloud) async throws -> Double {
        let spec = JobSpec(name: "news", steps: [StepSpec(action: .command(["true"]), elements: .single)])
        let body = SubmitBody(document: ManifestDocument(of: spec).canonical, fileTable: nil)
        let watch = Stopwatch()
        let job = try await cloud.client.submit(body, idempotencyKey: FogClient.newKey())
        try watchers.waitForAll(job.id.description, seconds: Self.patience)
        return watch.milliseconds
    }

    /// Seconds until the coordinator holds no more connections than this.
    private func untilSockets(atMost count: Int, _ cloud: BenchCloud) async throws -> Double {
        let watch = Stopwatch()
        while cloud.coordinator.sockets > count {
            guard watch.seconds < Self.patience else {
                throw CommandLineFailure(
                    "bench_failed",
                    "after \(Int(Self.patience)) s the coordinator still holds \(cloud.coordinator.sockets) connections"
                )
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        return watch.seconds
    }
}
