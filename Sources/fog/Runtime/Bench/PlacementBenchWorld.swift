internal import FogCore
internal import FogPlacement

/// Machines and tasks made up from a seed.
enum PlacementBenchWorld {
    private static let now = Timestamp(seconds: 1_800_000_000)

    static func machines(_ count: Int, seed: UInt64) -> [NodeRecord] {
        var generator = SeededGenerator(seed: seed)
        func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
        return (0..<count).map { index in
            let cores = Int64([2, 4, 4, 8, 8, 16][number(0...5)]), memory = ByteCount.gibibytes(cores * 2)
            let report = NodeReport(
                name: "n\(index)", architecture: "x86_64", cpu: .cores(cores), memory: memory, disk: .gibibytes(100),
                region: ["eu", "us", "asia"][number(0...2)])
            let allowance = Allowance(
                state: .open, reason: "idle", cpuCap: .cores(cores), memoryCap: memory, slots: Int(cores))
            return NodeRecord(
                id: NodeID(high: 1, low: UInt64(index)), owner: "o\(number(0...count / 3))", report: report,
                allowance: allowance,
                free: NodeCapacity(
                    cpu: .cores(cores), memory: memory, disk: .gibibytes(100), slots: Int(cores)),
                asks: HourlyRates(
                    core: Credits(micro: Int64(number(5...20)) * 100_000), gibibyte: Credits(micro: 100_000)),
                runningCosts: HourlyRates(core: Credits(micro: Int64(number(1...9)) * 10_000)),
                trust: Double(number(300...1000)) / 1000, latency: .milliseconds(Int64(number(1...200))),
                bandwidth: Int64(number(10...1000)) * 1_000_000, speed: Double(number(50...200)) / 100)
        }
    }

    private static func shape(_ step: String, cores: Int64 = 1, memory: Int64 = 1, minutes: Int64 = 30) -> TaskShape {
        TaskShape(
            id: ShapeID(job: JobID(high: 1, low: 1), step: step),
            demand: ResourceRequest(
                cpu: .cores(cores), memory: .gibibytes(memory), disk: .gibibytes(1), time: .minutes(minutes)))
    }

    static func like(_ count: Int, on machines: [NodeRecord], round: Int) -> PlacementProblem {
        PlacementProblem(
            now: now, seed: UInt64(round), shapes: [shape("a")],
            waiting: [WaitingRange(shape: 0, tasks: 0..<UInt32(count))], nodes: machines)
    }

    /// Five tasks of each of many steps.
    static func mixed(_ count: Int, on machines: [NodeRecord], seed: UInt64) -> PlacementProblem {
        var generator = SeededGenerator(seed: seed)
        let shapes = (0..<count / 5).map { index in
            shape(
                "s\(index)", cores: Int64.random(in: 1...2, using: &generator),
                memory: Int64.random(in: 1...4, using: &generator),
                minutes: Int64.random(in: 5...120, using: &generator))
        }
        return PlacementProblem(
            now: now, seed: seed, shapes: shapes,
            waiting: shapes.indices.map { WaitingRange(shape: $0, tasks: 0..<5) }, nodes: machines)
    }

    /// The same after the first machines are gone: only what ran there waits, and the others hold what they were given.
    static func without(
        _ gone: Int, _ outcome: PlacementOutcome, _ problem: PlacementProblem, _ machines: inout [NodeRecord]
    ) -> (PlacementProblem, affected: Int) {
        let index = Dictionary(uniqueKeysWithValues: machines.enumerated().map { ($0.element.id, $0.offset) })
        var waiting: [WaitingRange] = []
        for assignment in outcome.assignments {
            guard let place = index[assignment.node] else { continue }
            if place < gone {
                waiting += assignment.tasks.map { WaitingRange(shape: assignment.shape, tasks: $0..<$0 + 1) }
                continue
            }
            let demand = problem.shapes[assignment.shape].demand, count = Int64(assignment.tasks.count)
            machines[place].free.cpu = Millicores(machines[place].free.cpu.count - demand.cpu.count * count)
            machines[place].free.memory = ByteCount(machines[place].free.memory.bytes - demand.memory.bytes * count)
            machines[place].free.slots -= Int(count)
        }
        var next = problem
        next.nodes = Array(machines[gone...])
        next.waiting = waiting
        next.memory = outcome.memory
        return (next, waiting.count)
    }
}
