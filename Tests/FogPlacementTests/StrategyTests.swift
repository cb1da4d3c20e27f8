import FogCore
import Testing

@testable import FogPlacement

private func order(
    _ strategy: Strategy, _ nodes: [NodeRecord], tasks: Range<UInt32>, change: (inout TaskShape) -> Void = { _ in }
) -> [Int] {
    let outcome = place([makeShape(strategy, change: change)], [WaitingRange(shape: 0, tasks: tasks)], on: nodes)
    let nodes = outcome.nodeOfTask()
    return tasks.flatMap { nodes[$0] ?? [] }
}

@Test("round-robin goes on where the last tick stopped")
func roundRobinTurns() {
    let nodes = (1...4).map { makeNode($0) }
    let shape = makeShape(.roundRobin)
    let first = place([shape], [WaitingRange(shape: 0, tasks: 0..<3)], on: nodes)
    #expect(first.assignments.map(\.node.low) == [1, 2, 3])
    let second = place([shape], [WaitingRange(shape: 0, tasks: 3..<6)], on: nodes, memory: first.memory)
    #expect(second.assignments.map(\.node.low) == [4, 1, 2])
    let third = place([shape], [WaitingRange(shape: 0, tasks: 6..<8)], on: [nodes[0], nodes[3]], memory: second.memory)
    #expect(third.assignments.map(\.node.low) == [4, 1])
}

@Test("round-robin shares are those of giving one by one", arguments: 0..<40 as Range<UInt64>)
func roundRobinShares(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let nodes = (1...Int.random(in: 1...9, using: &generator)).map {
        makeNode($0, cores: 1000, memory: .gibibytes(1000), slots: Int.random(in: 0...30, using: &generator))
    }
    let count = Int.random(in: 1...200, using: &generator)
    var left = nodes.map(\.free.slots), given = [Int: Int](), remaining = count
    while remaining > 0, left.contains(where: { $0 > 0 }) {
        for index in left.indices where left[index] > 0 && remaining > 0 {
            left[index] -= 1
            remaining -= 1
            given[index + 1, default: 0] += 1
        }
    }
    let outcome = place([makeShape(.roundRobin)], [WaitingRange(shape: 0, tasks: 0..<UInt32(count))], on: nodes)
    #expect(outcome.load == given)
}

@Test("least-loaded is the same as giving one by one to the emptiest", arguments: 0..<40 as Range<UInt64>)
func leastLoadedLevels(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let nodes = (1...Int.random(in: 1...9, using: &generator)).map { number in
        makeNode(
            number, cores: .random(in: 1...64, using: &generator),
            memory: .gibibytes(.random(in: 1...64, using: &generator)),
            slots: .random(in: 1...60, using: &generator)
        ) { node in
            node.free.cpu = Millicores(.random(in: 0...node.report.cpu.count, using: &generator))
            node.free.memory = .mebibytes(.random(in: 0...(node.report.memory.bytes >> 20), using: &generator))
        }
    }
    let count = Int.random(in: 1...150, using: &generator)
    let shape = makeShape(.leastLoaded) {
        $0.demand.cpu = Millicores(.random(in: 0...2000, using: &generator))
        $0.demand.memory = .mebibytes(.random(in: 0...900, using: &generator))
    }
    var pool = NodePool(nodes, for: [])
    let demand = Amounts(shape.demand)
    var given: [Int: Int] = [:]
    for _ in 0..<count {
        let open = (0..<pool.count).filter { pool.fit($0, demand) > 0 }
        guard
            let best = open.min(by: {
                (LoadHeap.load(of: $0, with: 1, demand, pool), $0) < (LoadHeap.load(of: $1, with: 1, demand, pool), $1)
            })
        else { break }
        pool.take(best, demand, times: 1)
        given[best + 1, default: 0] += 1
    }
    let outcome = place([shape], [WaitingRange(shape: 0, tasks: 0..<UInt32(count))], on: nodes)
    #expect(outcome.load == given)
    // In many small ranges, and with another shape in between that takes nothing: the same.
    let parts = (0..<UInt32(count)).flatMap {
        [WaitingRange(shape: 0, tasks: $0..<$0 + 1), WaitingRange(shape: 1, tasks: 0..<0)]
    }
    #expect(place([shape, makeShape()], parts, on: nodes).load == given)
}

@Test("least-loaded sees what other shapes took in between", arguments: 0..<40 as Range<UInt64>)
func leastLoadedAmongOthers(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let nodes = (1...5).map { makeNode($0, cores: .random(in: 1...16, using: &generator), slots: 10) }
    let shapes = [makeShape(.leastLoaded), makeShape(.leastLoaded) { $0.demand.cpu = .cores(3) }]
    let queue = (0..<40).map { _ in Int.random(in: 0...1, using: &generator) }
    var pool = NodePool(nodes, for: [])
    var expected: [[Int]] = []
    for shape in queue {
        let demand = Amounts(shapes[shape].demand)
        let best = (0..<pool.count).filter { pool.fit($0, demand) > 0 }.min {
            (LoadHeap.load(of: $0, with: 1, demand, pool), $0) < (LoadHeap.load(of: $1, with: 1, demand, pool), $1)
        }
        if let best {
            pool.take(best, demand, times: 1)
            expected.append([shape, best + 1])
        }
    }
    let waiting = queue.enumerated().map { WaitingRange(shape: $1, tasks: UInt32($0)..<UInt32($0) + 1) }
    let outcome = place(shapes, waiting, on: nodes)
    var found: [UInt32: [Int]] = [:]
    for assignment in outcome.assignments {
        for task in assignment.tasks { found[task] = [assignment.shape, Int(assignment.node.low)] }
    }
    // Neighbours of one shape go out together, their tasks in the order of the nodes.
    func groups(_ placed: [[Int]]) -> [[[Int]]] {
        var runs: [[[Int]]] = []
        for entry in placed {
            if runs.last?.first?.first == entry.first {
                runs[runs.count - 1].append(entry)
            } else {
                runs.append([entry])
            }
        }
        return runs.map { run in run.sorted { $0.lexicographicallyPrecedes($1) } }
    }
    #expect(groups(found.sorted { $0.key < $1.key }.map(\.value)) == groups(expected))
}

@Test("latency-first weighs latency, transfer, queue and speed")
func latencyFirstOrder() {
    let nodes = [
        makeNode(1, slots: 1) { $0.latency = .milliseconds(500) },
        makeNode(2, slots: 1) { $0.latency = .milliseconds(10) },
        makeNode(3, slots: 1) { $0.latency = nil },
        makeNode(4, slots: 1) { $0.queueDepth = 1 },
        makeNode(5, slots: 1) {
            $0.speed = 2; $0.latency = .seconds(2)
        },
        makeNode(6, slots: 1) {
            $0.latency = .milliseconds(10); $0.bandwidth = 1_000_000_000
        },
    ]
    #expect(order(.latencyFirst, nodes, tasks: 0..<6) { $0.inputBytes = .gibibytes(1) } == [6, 5, 2, 1, 3, 4])
}

@Test("cost-optimize takes the lowest bound price, then the higher trust")
func costOrder() {
    let nodes = [
        makeNode(1, slots: 1) { $0.asks = HourlyRates(core: .credits(2), gibibyte: .zero) },
        makeNode(2, slots: 1) { $0.asks = HourlyRates(core: .credits(1), gibibyte: .credits(3)) },
        makeNode(3, slots: 1) {
            $0.asks = HourlyRates(core: .credits(1), gibibyte: .credits(1)); $0.trust = 0.95
        },
        makeNode(4, slots: 1) { $0.asks = HourlyRates(core: .zero, gibibyte: .zero) },
    ]
    #expect(order(.costOptimize, nodes, tasks: 0..<4) == [4, 3, 1, 2])
}

@Test("trust-first takes the highest trust, then the lower price, then the id")
func trustOrder() {
    let nodes = [
        makeNode(1, slots: 1) { $0.trust = 0.5 }, makeNode(2, slots: 1) { $0.trust = 0.99 },
        makeNode(3, slots: 1) {
            $0.trust = 0.5; $0.asks = HourlyRates()
        }, makeNode(4, slots: 1) { $0.trust = 0.5 },
    ]
    #expect(order(.trustFirst, nodes, tasks: 0..<4) == [2, 3, 1, 4])
}

@Test("affinity takes the node that has most of the inputs, by digests or by filter")
func affinityOrder() {
    let digests = (0..<3 as Range<UInt8>).map { Digest.blake2b([$0]) }
    var filter = DigestFilter(capacity: 10)
    digests.forEach { filter.insert($0) }
    let nodes = [
        makeNode(1, slots: 1), makeNode(2, slots: 1) { $0.cached = .digests([digests[0]]) },
        makeNode(3, slots: 1) { $0.cached = .filter(filter) },
        makeNode(4, slots: 1) { $0.cached = .digests(Set(digests.prefix(2))) },
    ]
    #expect(order(.affinity, nodes, tasks: 0..<4) { $0.affinity = digests } == [3, 4, 2, 1])
}

@Test("proximity takes the submitter's region first, then the lowest latency")
func proximityOrder() {
    let nodes = [
        makeNode(1, slots: 1) {
            $0.report.region = "us"; $0.latency = .milliseconds(1)
        },
        makeNode(2, slots: 1) { $0.latency = .milliseconds(90) }, makeNode(3, slots: 1) { $0.latency = nil },
        makeNode(4, slots: 1) { $0.latency = .milliseconds(30) },
    ]
    #expect(order(.proximity, nodes, tasks: 0..<4) { $0.origin = "eu" } == [4, 2, 3, 1])
    #expect(order(.proximity, nodes, tasks: 0..<4) == [1, 4, 2, 3])
}

@Test("random is a draw of the seed that uses every node before one twice")
func randomDraw() {
    let nodes = (1...50).map { makeNode($0) }
    func draw(_ seed: UInt64) -> [Int] {
        place([makeShape(.random)], [WaitingRange(shape: 0, tasks: 0..<50)], on: nodes, seed: seed)
            .assignments.map { Int($0.node.low) }
    }
    #expect(draw(1) == draw(1))
    #expect(draw(1) != draw(2))
    #expect(draw(1).sorted() == Array(1...50))
}

@Test("equal nodes are taken by id, whatever order they come in", arguments: Strategy.allCases)
func tiesById(_ strategy: Strategy) {
    let nodes = (1...6).map { makeNode($0, slots: 1) }
    let shape = makeShape(strategy)
    let forward = place([shape], [WaitingRange(shape: 0, tasks: 0..<4)], on: nodes)
    let backward = place([shape], [WaitingRange(shape: 0, tasks: 0..<4)], on: nodes.reversed())
    #expect(forward.assignments == backward.assignments)
    if strategy != .random { #expect(forward.assignments.map(\.node.low) == [1, 2, 3, 4]) }
}

@Test("what comes first in the queue takes capacity first")
func queueOrder() {
    let shapes = [makeShape(.costOptimize), makeShape(.trustFirst)]
    let waiting = [WaitingRange(shape: 1, tasks: 0..<6), WaitingRange(shape: 0, tasks: 0..<6)]
    let outcome = place(shapes, waiting, on: [makeNode(1)])
    #expect(outcome.assignments.map(\.shape) == [1, 0])
    #expect(outcome.assignments.map(\.tasks) == [0..<6, 0..<2])
    #expect(outcome.unplaced.map(\.tasks) == [2..<6])
    #expect(outcome.unplaced.first?.reasons.map(\.label) == ["cpu busy"])
}

@Test("names are parsed and mistyped ones answered", arguments: Strategy.allCases)
func strategyNames(_ strategy: Strategy) throws {
    #expect(try Strategy(named: strategy.rawValue) == strategy)
    #expect(throws: PlacementFailure("unknown_strategy", "no placement strategy `afinity`: did you mean `affinity`?")) {
        try Strategy(named: "afinity")
    }
}

@Test("a digest filter has no wrong no and few wrong yeses")
func filterRates() throws {
    var filter = DigestFilter(capacity: 1000)
    let inside = (0..<1000).map { Digest.blake2b(Array("in\($0)".utf8)) }
    inside.forEach { filter.insert($0) }
    #expect(inside.allSatisfy { filter.mayContain($0) })
    let wrong = (0..<5000).filter { filter.mayContain(Digest.blake2b(Array("out\($0)".utf8))) }.count
    #expect(wrong < 150, "1 % expected of 5000")
    #expect(throws: PlacementFailure.self) { try DigestFilter(words: []) }
}
