internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs

/// `fog bench drain`: how many trivial tasks a second pass the whole way.
struct BenchDrain: SessionCommand {
    static let configuration = CommandConfiguration(
        "drain", "Run an array of trivial tasks through coordinator and worker processes, with receipts and payment.",
        examples: ["fog bench drain", "fog bench drain --tasks 10000 --runs 5 -o json"],
        more:
            "drain/none runs without a sandbox, drain/sandbox in the profile default; both against processes started bare (drain/floor). Ends with a clean audit or fails."
    )

    @Option(help: "Tasks of each run.")
    var tasks = 2000

    @Option(help: "Tasks at once; default one a core.")
    var slots: Int?

    @OptionGroup var bench: BenchOptions
    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard (1...1_000_000).contains(tasks) else {
            throw ValidationError("--tasks must be 1 to 1000000, found \(tasks)")
        }
    }

    func run(_ session: Session) async throws {
        let slots = slots ?? CurrentMachine.processors
        let cloud = try await BenchCloud.start(session)
        let worker = try await cloud.startWorker(1, slots: slots, unsafely: true)
        do {
            try await measure(cloud, worker, slots, session)
        } catch {
            await cloud.stop([worker])
            throw error
        }
        await cloud.stop([worker])
    }

    private func measure(_ cloud: BenchCloud, _ worker: ChildProcess, _ slots: Int, _ session: Session) async throws {
        var floors: [Double] = []
        var rates: [String: [Double]] = [:]
        var ratios: [String: [Double]] = [:]
        var work: [String: [Double]] = [:]
        func floor() throws -> Double {
            let seconds =
                try bench.vsFloor.map {
                    try SpawnFloor.seconds(command: $0, tasks: tasks, environment: session.environment)
                } ?? SpawnFloor.seconds(tasks: tasks, atOnce: slots)
            floors.append(Double(tasks) / seconds)
            return Double(tasks) / seconds
        }
        for profile in ["none", "default"] { _ = try await cloud.time(Self.spec(min(tasks, 200), profile)) }
        let before = try await cloud.metrics()
        for _ in 0..<bench.runs {
            for profile in ["none", "default"] {
                let first = try floor()
                let (before, workerBefore) = (cloud.coordinator.cpuSeconds, worker.cpuSeconds)
                let rate = Double(tasks) / (try await cloud.time(Self.spec(tasks, profile)))
                let (own, theirs) = (cloud.coordinator.cpuSeconds - before, worker.cpuSeconds - workerBefore)
                work["\(profile)-coordinator", default: []].append(own / Double(tasks) * 1e6)
                work["\(profile)-worker", default: []].append(theirs / Double(tasks) * 1e6)
                let mean = (first + (try floor())) / 2
                rates[profile, default: []].append(rate)
                ratios[profile, default: []].append(rate / mean)
            }
        }
        let after = try await cloud.metrics()
        BenchFigure(
            bench: "drain", name: "floor", unit: "tasks/s", values: floors,
            note: bench.vsFloor ?? "posix_spawn, \(slots) at once"
        ).show(session)
        for (profile, name) in [("none", "none"), ("default", "sandbox")] {
            BenchFigure(
                bench: "drain", name: name, unit: "tasks/s", values: rates[profile] ?? [],
                note: "\(BenchFigure.text(BenchFigure.median(ratios[profile] ?? []))) of the floor"
            ).show(session)
            BenchFigure(bench: "drain", name: "\(name)-of-floor", unit: "ratio", values: ratios[profile] ?? []).show(
                session)
            for part in ["coordinator", "worker"] {
                BenchFigure(
                    bench: "drain", name: "\(name)-\(part)-cpu", unit: "us/task",
                    values: work["\(profile)-\(part)"] ?? []
                ).show(session)
            }
        }
        let total = Double(tasks * bench.runs * 2)
        for (name, metric) in [
            ("syncs", "fog_store_syncs_total"), ("commits", "fog_store_commits_total"),
            ("receipts", "fog_results_accepted_total"), ("postings", "fog_ledger_records"),
        ] {
            let count = (after[metric] ?? 0) - (before[metric] ?? 0)
            BenchFigure(
                bench: "drain", name: name, unit: "count", values: [count],
                note: "\(BenchFigure.text(count / total)) a task"
            ).show(session)
        }
        let audit = AuditDocument(try await cloud.client.audit())
        guard audit.status == .success else { throw CommandLineFailure("tampered", audit.sentence) }
        if session.mode == .table { session.console.print("audit \(audit.sentence)") }
    }

    static func spec(_ tasks: Int, _ profile: String) -> JobSpec {
        var step = StepSpec(action: .command(["true"]))
        if tasks > 1 { step.elements = .array(first: 0, last: tasks - 1, stride: 1) }
        step.resources.memory = .mebibytes(32)
        step.profile = profile
        return JobSpec(name: "drain", steps: [step])
    }
}
