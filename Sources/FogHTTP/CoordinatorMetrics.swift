internal import FogCoordinator
internal import FogCore
internal import FogJobs
internal import Synchronization

/// The figures of a coordinator, as Prometheus reads them.
package struct CoordinatorMetrics: Sendable {
    private let registry = MetricsRegistry()
    private let streams = StreamCount()

    package init() {}

    func count(route: String, status: Int, took: TimeSpan) {
        registry.counter(
            "fog_http_requests_total", help: "Requests by route and status.",
            labels: ["route": route, "status": String(status)]
        ).increment()
        registry.histogram(
            "fog_http_request_seconds", help: "Time from the request to its answer, waiting polls included.",
            buckets: Histogram.seconds
        ).observe(took.seconds)
    }

    /// Counts a reader of a live event stream until it is let go.
    func openStream() -> OpenStream { OpenStream(streams) }

    func page(_ figures: Coordinator.Figures) -> String {
        registry.gauge("fog_jobs_open_count", help: "Jobs that are not settled.").set(Double(figures.openJobs))
        for state in TaskState.allCases {
            registry.gauge("fog_tasks_count", help: "Tasks of open jobs by state.", labels: ["state": state.rawValue])
                .set(Double(figures.tasks[state] ?? 0))
        }
        for liveness in ["live", "suspect", "lost", "offline"] {
            registry.gauge("fog_nodes_count", help: "Nodes by liveness.", labels: ["liveness": liveness])
                .set(Double(figures.nodes[liveness] ?? 0))
        }
        registry.gauge("fog_polls_waiting_count", help: "Workers that wait for work.").set(Double(figures.waitingPolls))
        registry.gauge("fog_event_streams_count", help: "Readers of live event streams.").set(Double(streams.open))
        total("fog_store_commits_total", "Commits since the start.", figures.commits)
        total("fog_store_syncs_total", "Syncs of the database files since the start.", Int(figures.syncs))
        total("fog_leases_granted_total", "Leases granted since the start.", figures.grants)
        total(
            "fog_results_accepted_total", "Results accepted since the start, each with its receipt.",
            figures.completions)
        registry.gauge("fog_ledger_records", help: "Records in the ledger's log.").set(Double(figures.ledgerRecords))
        if let notices = figures.notices {
            for (end, count) in [("told", notices.told), ("failed", notices.failed), ("dropped", notices.dropped)] {
                registry.counter(
                    "fog_notices_total", help: "Events for the operator's hook, by end.", labels: ["end": end]
                )
                .set(total: Double(count))
            }
        }
        return registry.page()
    }

    private func total(_ name: String, _ help: String, _ value: Int) {
        registry.counter(name, help: help).set(total: Double(value))
    }
}

final class StreamCount: Sendable {
    private let count = Atomic<Int>(0)

    fileprivate var open: Int { count.load(ordering: .relaxed) }
    fileprivate func change(by step: Int) { count.add(step, ordering: .relaxed) }
}

/// One reader, counted until this is let go.
final class OpenStream: Sendable {
    private let count: StreamCount

    fileprivate init(_ count: StreamCount) {
        self.count = count
        count.change(by: 1)
    }

    deinit { count.change(by: -1) }
}
