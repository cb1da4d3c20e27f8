import FogHTTP
import Testing

@Suite("The metrics page")
struct MetricsPageTests {
    @Test("counters, gauges and histograms in the text format 0.0.4")
    func page() {
        let registry = MetricsRegistry()
        registry.counter("fog_jobs_total", help: "Jobs by state.", labels: ["state": "failed"]).increment(by: 2)
        registry.counter("fog_jobs_total", help: "Jobs by state.", labels: ["state": "done"]).increment()
        registry.counter("fog_jobs_total", help: "Jobs by state.", labels: ["state": "done"]).increment()
        registry.gauge("fog_queue_depth", help: "Tasks that wait.").set(0.5)
        let wait = registry.histogram("fog_job_wait_seconds", help: "From submit to start.", buckets: [0.1, 1, 10])
        for seconds in [0.05, 0.1, 0.5, 20] { wait.observe(seconds) }
        #expect(
            registry.page() == """
                # HELP fog_job_wait_seconds From submit to start.
                # TYPE fog_job_wait_seconds histogram
                fog_job_wait_seconds_bucket{le="0.1"} 2
                fog_job_wait_seconds_bucket{le="1"} 3
                fog_job_wait_seconds_bucket{le="10"} 3
                fog_job_wait_seconds_bucket{le="+Inf"} 4
                fog_job_wait_seconds_sum 20.65
                fog_job_wait_seconds_count 4
                # HELP fog_jobs_total Jobs by state.
                # TYPE fog_jobs_total counter
                fog_jobs_total{state="done"} 2
                fog_jobs_total{state="failed"} 2
                # HELP fog_queue_depth Tasks that wait.
                # TYPE fog_queue_depth gauge
                fog_queue_depth 0.5

                """)
    }

    @Test("backslashes, quotes and line breaks are escaped")
    func escaping() {
        let registry = MetricsRegistry()
        registry.gauge("fog_up", help: "a\\b\n\"c\"", labels: ["x": "a\\b\n\"c\"", "a": "1"]).set(.infinity)
        #expect(
            registry.page() == """
                # HELP fog_up a\\\\b\\n"c"
                # TYPE fog_up gauge
                fog_up{a="1",x="a\\\\b\\n\\"c\\""} +Inf

                """)
    }

    @Test("labels without bound end in one series")
    func overflow() {
        let registry = MetricsRegistry()
        for index in 0..<MetricsRegistry.seriesLimit + 50 {
            registry.counter("fog_asked_total", help: "Asked.", labels: ["who": "\(index)"]).increment()
        }
        let lines = registry.page().split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(lines.count == MetricsRegistry.seriesLimit + 1)
        #expect(lines.contains(#"fog_asked_total{overflow="true"} 50"#))
    }

    @Test("increments from many tasks all count")
    func concurrent() async {
        let registry = MetricsRegistry()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<1000 { registry.counter("fog_x_total", help: "X.").increment() }
                }
            }
        }
        #expect(registry.page().contains("fog_x_total 8000\n"))
    }
}
