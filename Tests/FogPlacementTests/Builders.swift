import FogCore

@testable import FogPlacement

/// A clock that stands still: placement only measures with it.
struct StillClock: FogClock {
    var now: Timestamp { Timestamp(seconds: 1_800_000_000) }
    var sinceBoot: TimeSpan { .zero }
}

let testNow = Timestamp(seconds: 1_800_000_000)

func nodeID(_ number: Int) -> NodeID { NodeID(high: 0, low: UInt64(number)) }

func openAllowance(cpu: Millicores, memory: ByteCount, slots: Int) -> Allowance {
    Allowance(state: .open, reason: "idle", cpuCap: cpu, memoryCap: memory, slots: slots)
}

/// A node that fits everything a plain ``makeShape(_:)`` asks: 8 cores, 16 GiB, 100 GiB, all free.
func makeNode(
    _ number: Int, owner: String? = nil, cores: Int64 = 8, memory: ByteCount = .gibibytes(16), slots: Int = 8,
    change: (inout NodeRecord) -> Void = { _ in }
) -> NodeRecord {
    let report = NodeReport(
        name: "n\(number)", architecture: "x86_64", cpu: .cores(cores), memory: memory, disk: .gibibytes(100), gpu: 2,
        programs: ["python3": "3.11.2"], labels: ["lab"], region: "eu")
    var node = NodeRecord(
        id: nodeID(number), owner: owner ?? "owner\(number)", report: report,
        allowance: openAllowance(cpu: .cores(cores), memory: memory, slots: slots),
        free: NodeCapacity(cpu: .cores(cores), memory: memory, disk: .gibibytes(100), gpu: 2, slots: slots),
        asks: HourlyRates(core: Credits(micro: 1_000_000), gibibyte: Credits(micro: 100_000)), trust: 0.9,
        latency: .milliseconds(20), availability: .hours(8))
    change(&node)
    return node
}

func makeShape(_ strategy: Strategy = .standard, change: (inout TaskShape) -> Void = { _ in }) -> TaskShape {
    var shape = TaskShape(
        id: ShapeID(job: JobID(high: 1, low: 1)),
        demand: ResourceRequest(cpu: .cores(1), memory: .gibibytes(1), disk: .gibibytes(1), time: .hours(1)),
        strategy: strategy)
    change(&shape)
    return shape
}

func place(
    _ shapes: [TaskShape], _ waiting: [WaitingRange], on nodes: [NodeRecord], seed: UInt64 = 1,
    memory: PlacementMemory? = nil
) -> PlacementOutcome {
    Placement.place(
        PlacementProblem(
            now: testNow, seed: seed, shapes: shapes, waiting: waiting, nodes: nodes, memory: memory),
        clock: StillClock())
}

extension PlacementOutcome {
    /// The node number of each task of one shape that got one.
    func nodeOfTask(_ shape: Int = 0) -> [UInt32: [Int]] {
        var nodes: [UInt32: [Int]] = [:]
        for assignment in assignments where assignment.shape == shape {
            for task in assignment.tasks { nodes[task, default: []].append(Int(assignment.node.low)) }
        }
        return nodes
    }

    /// Tasks given to each node number.
    var load: [Int: Int] {
        assignments.reduce(into: [:]) { $0[Int($1.node.low), default: 0] += $1.tasks.count }
    }
}
