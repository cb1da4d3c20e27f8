internal import ArgumentParser
internal import FogCommandLine
internal import FogCoordinator
internal import FogCore
internal import FogJobs
internal import FogPlacement
import Foundation

/// `fog bench placement`: how long rounds of placement take that many machines and tasks are in.
struct BenchPlacement: SessionCommand {
    static let configuration = CommandConfiguration(
        "placement", "Place tasks on many made-up machines and time the rounds.",
        examples: ["fog bench placement", "fog bench placement --nodes 10000 --tasks 10000 -o json"],
        more: """
            placement/single: one task on all machines. placement/round: the same with all that the coordinator does around \
            it. placement/like: like tasks in one round. placement/waiting: a million of them. placement/search: 1,000 \
            tasks of steps that differ on 1,000 machines. placement/lost: the tasks of a twentieth of those machines again.
            """)

    @Option(help: "Machines.")
    var nodes = 10_000

    @Option(help: "Like tasks of one round.")
    var tasks = 10_000

    @Option(help: "Equal seeds make equal machines and tasks.")
    var seed: UInt64 = 1

    @OptionGroup var bench: BenchOptions
    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard (1...100_000).contains(nodes) else {
            throw ValidationError("--nodes must be 1 to 100000, found \(nodes)")
        }
        guard (1...1_000_000).contains(tasks) else {
            throw ValidationError("--tasks must be 1 to 1000000, found \(tasks)")
        }
    }

    func run(_ session: Session) async throws {
        let machines = PlacementBenchWorld.machines(nodes, seed: seed)
        let one = time(7 * bench.runs) { PlacementBenchWorld.like(1, on: machines, round: $0) }
        show("single", "ms", one.times, "one task, \(nodes) machines", session)
        try round(session)
        let many = time(bench.runs) { PlacementBenchWorld.like(tasks, on: machines, round: $0) }
        show("like", "ms", many.times, "\(many.placed) of \(tasks) like tasks placed", session)
        let waiting = time(bench.runs) { PlacementBenchWorld.like(1_000_000, on: machines, round: $0) }
        show("waiting", "ms", waiting.times, "\(waiting.placed) of 1000000 like tasks placed", session)
        lost(session)
    }

    /// The coordinator's own work included: every machine polls, one task waits.
    private func round(_ session: Session) throws {
        var driver = try BenchCore()
        var ids: [NodeID] = []
        for index in 0..<nodes {
            ids.append(try driver.addNode("n\(index)", slots: 2))
            _ = driver.core.takeChange()
        }
        for id in ids { driver.core.nodes[id]?.want = 2 }
        var times: [Double] = []
        for number in 0..<5 * bench.runs {
            try driver.submit(JobSpec(name: "one\(number)", steps: [StepSpec(action: .command(["true"]))]))
            let watch = Stopwatch()
            let found = driver.core.place(at: driver.now, clock: driver.clock)
            times.append(watch.milliseconds)
            guard let node = found.first, !driver.core.grant(to: node, at: driver.now).isEmpty else {
                throw CommandLineFailure("bench_failed", "a task found no machine")
            }
            driver.core.nodes[node]?.want = 2
            _ = driver.core.takeChange()
        }
        show("round", "ms", times, "the coordinator's whole round, one task, \(nodes) machines", session)
    }

    /// Mixed steps on a thousand machines, then a twentieth of these gone.
    private func lost(_ session: Session) {
        var machines = PlacementBenchWorld.machines(1000, seed: seed)
        var search: [Double] = [], again: [Double] = [], notes: [String] = []
        for number in 0..<bench.runs {
            let problem = PlacementBenchWorld.mixed(1000, on: machines, seed: seed + UInt64(number))
            let watch = Stopwatch()
            let outcome = Placement.place(problem, clock: SystemClock())
            search.append(watch.milliseconds)
            notes = ["\(outcome.assignments.reduce(0) { $0 + $1.tasks.count }) of 1000 tasks placed"]
            let (next, affected) = PlacementBenchWorld.without(50, outcome, problem, &machines)
            let second = Stopwatch()
            let moved = Placement.place(next, clock: SystemClock())
            again.append(second.milliseconds)
            let placed = moved.assignments.reduce(0) { $0 + $1.tasks.count }
            notes.append("\(placed) of \(affected) affected tasks placed, no other")
            machines = PlacementBenchWorld.machines(1000, seed: seed)
        }
        show("search", "ms", search, notes[0], session)
        show("lost", "ms", again, notes[1], session)
    }

    private func time(_ runs: Int, _ make: (Int) -> PlacementProblem) -> (times: [Double], placed: Int) {
        var times: [Double] = [], placed = 0
        for number in 0..<runs {
            let problem = make(number)
            let watch = Stopwatch()
            let outcome = Placement.place(problem, clock: SystemClock())
            times.append(watch.milliseconds)
            placed = outcome.assignments.reduce(0) { $0 + $1.tasks.count }
        }
        return (times, placed)
    }

    private func show(_ name: String, _ unit: String, _ values: [Double], _ note: String, _ session: Session) {
        BenchFigure(bench: "placement", name: name, unit: unit, values: values, note: note).show(session)
    }
}
