import FogCore
import Testing

@testable import FogPlacement

/// A problem with every kind of thing in it.
private func randomProblem(_ seed: UInt64) -> PlacementProblem {
    var generator = SeededGenerator(seed: seed)
    func pick<T>(_ values: [T]) -> T { values[Int.random(in: 0..<values.count, using: &generator)] }
    func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    let nodes = (0..<number(0...12)).map { index in
        makeNode(index, owner: "o\(number(0...5))", cores: Int64(number(1...16)), slots: number(0...30)) { node in
            node.state = number(0...9) > 0 ? .ready : pick([.suspect, .draining])
            node.allowance.state = number(0...9) > 0 ? .open : .closed
            node.free.cpu = Millicores(Int64(number(0...16_000)))
            node.free.memory = .mebibytes(Int64(number(0...16_384)))
            node.report.region = pick(["eu", "eu", "eu", "us"])
            node.trust = Double(number(0...10)) / 10
            node.isTrusted = number(0...4) == 0
            node.availability = pick([nil, .minutes(30), .hours(4)])
        }
    }
    let shapes = (0..<number(1...6)).map { index in
        makeShape(pick(Strategy.allCases)) { shape in
            shape.id.step = "s\(index)"
            shape.demand.cpu = Millicores(Int64(number(0...5000) / number(1...9)))
            shape.demand.memory = .mebibytes(Int64(number(0...8000) / number(1...9)))
            shape.demand.gpu = pick([0, 0, 0, 1])
            shape.constraints.region = number(0...9) > 0 ? pick([nil, nil, "eu"]) : "mars"
            shape.constraints.minTrust = pick([0, 0, 0, 0.3])
            shape.sla = pick(SLAClass.allCases)
            shape.replicas = pick([1, 1, 1, 2, 3])
            shape.submitter = pick([nil, "o1"])
            shape.maxParallelLeft = pick([nil, nil, nil, 20, 3, number(0...1)])
        }
    }
    var next = [UInt32](repeating: 0, count: shapes.count)
    let waiting = (0..<number(0...25)).map { _ in
        let shape = number(0...shapes.count - 1)
        let start = next[shape] + UInt32(number(0...2)), end = start + UInt32(number(0...15))
        next[shape] = end
        let avoiding = number(0...1) > 0 ? Avoidance() : Avoidance(failedOn: [nodeID(number(0...4))])
        return WaitingRange(shape: shape, tasks: start..<end, avoiding: avoiding)
    }
    return PlacementProblem(now: testNow, seed: seed, shapes: shapes, waiting: waiting, nodes: nodes)
}

private struct Copy: Hashable {
    let shape: Int
    let task: UInt32
}

@Test(
    "on random problems nothing is lost, nothing is overfull and every reason is true",
    arguments: 0..<300 as Range<UInt64>)
private func randomProblems(_ seed: UInt64) {
    let problem = randomProblem(seed)
    let outcome = Placement.place(problem, clock: StillClock())
    let byID = Dictionary(uniqueKeysWithValues: problem.nodes.map { ($0.id, $0) })

    // Capacity, in numbers of its own.
    var cpu: [NodeID: Int64] = [:], memory: [NodeID: Int64] = [:], disk: [NodeID: Int64] = [:]
    var gpu: [NodeID: Int] = [:], slots: [NodeID: Int] = [:]
    var owners: [Copy: [String]] = [:], verified: Set<Copy> = []
    for assignment in outcome.assignments {
        let shape = problem.shapes[assignment.shape], count = assignment.tasks.count
        cpu[assignment.node, default: 0] += shape.demand.cpu.count * Int64(count)
        memory[assignment.node, default: 0] += shape.demand.memory.bytes * Int64(count)
        disk[assignment.node, default: 0] += shape.demand.disk.bytes * Int64(count)
        gpu[assignment.node, default: 0] += shape.demand.gpu * count
        slots[assignment.node, default: 0] += count
        guard let node = byID[assignment.node] else {
            Issue.record("an unknown node was assigned")
            continue
        }
        #expect(Feasibility.failures(of: shape, on: node, now: testNow).isEmpty)
        for task in assignment.tasks {
            owners[Copy(shape: assignment.shape, task: task), default: []].append(node.owner)
            if shape.trusts(node) { verified.insert(Copy(shape: assignment.shape, task: task)) }
        }
    }
    for node in problem.nodes {
        let caps = node.allowance
        #expect(cpu[node.id, default: 0] <= min(node.free.cpu, caps.cpuCap, node.report.cpu).count)
        #expect(memory[node.id, default: 0] <= min(node.free.memory, caps.memoryCap, node.report.memory).bytes)
        #expect(disk[node.id, default: 0] <= node.free.disk.bytes)
        #expect(gpu[node.id, default: 0] <= node.free.gpu)
        #expect(slots[node.id, default: 0] <= min(node.free.slots, caps.slots))
    }

    // Every copy of every task is assigned or unplaced, each once; one owner never holds two copies.
    var missing: [Copy: Int] = [:]
    for entry in outcome.unplaced {
        #expect(!entry.reasons.isEmpty || problem.nodes.isEmpty)
        for task in entry.tasks {
            #expect(missing.updateValue(entry.missingCopies, forKey: Copy(shape: entry.shape, task: task)) == nil)
        }
    }
    var started = [Int](repeating: 0, count: problem.shapes.count)
    for range in problem.waiting {
        for task in range.tasks {
            let copy = Copy(shape: range.shape, task: task), held = owners[copy] ?? []
            #expect(Set(held).count == held.count)
            #expect(
                !held.contains { owner in
                    range.avoiding.failedOn.contains { id in
                        byID[id]?.owner == owner
                            && outcome.assignments.contains {
                                $0.shape == range.shape && $0.tasks.contains(task) && $0.node == id
                            }
                    }
                })
            if !held.isEmpty { started[range.shape] += 1 }
            let done = verified.contains(copy) ? problem.shapes[range.shape].replicas : held.count
            #expect(done + (missing[copy] ?? 0) == problem.shapes[range.shape].replicas)
        }
    }
    for (shape, count) in started.enumerated() { #expect(count <= problem.shapes[shape].maxParallelLeft ?? .max) }

    expectTrueReasons(problem, outcome)
}

/// Rebuilds what is left of each node after the tick and judges every unplaced range anew.
private func expectTrueReasons(_ problem: PlacementProblem, _ outcome: PlacementOutcome) {
    var left = Dictionary(
        uniqueKeysWithValues: problem.nodes.map { node in
            let total = Amounts(totalOf: node)
            return (node.id, Amounts(freeOf: node, total: total))
        })
    for assignment in outcome.assignments {
        left[assignment.node]?.take(Amounts(problem.shapes[assignment.shape].demand), times: assignment.tasks.count)
    }
    for entry in outcome.unplaced {
        let shape = problem.shapes[entry.shape]
        let nodeReasons = entry.reasons.filter { $0.nodes > 0 }
        let whole = entry.reasons.filter { $0.nodes == 0 }
        let covered = nodeReasons.reduce(0) { $0 + $1.nodes }
        if whole.isEmpty {
            #expect(covered == problem.nodes.count, "a node that could take a task was passed over")
        } else {
            #expect(covered <= problem.nodes.count)
        }
        var expected: [Clause: Int] = [:]
        for node in problem.nodes {
            let site = Feasibility.Site(
                node: node, total: Amounts(totalOf: node), free: left[node.id] ?? Amounts(totalOf: node))
            let checks = Feasibility.failures(of: shape, on: site, now: testNow, barred: Feasibility.Barred())
            if let first = checks.first(where: { $0.permanence == .never }) { expected[first.clause, default: 0] += 1 }
        }
        for (clause, count) in expected {
            let counted = nodeReasons.filter { $0.clause == clause && $0.permanence == .never }.reduce(0) {
                $0 + $1.nodes
            }
            #expect(counted == count)
        }
    }
}

@Test(
    "equal problem and seed, equal outcome; the order of the nodes does not matter", arguments: 0..<40 as Range<UInt64>)
func determinism(_ seed: UInt64) {
    let problem = randomProblem(seed)
    let first = Placement.place(problem, clock: StillClock())
    var turned = problem
    turned.nodes.reverse()
    for second in [Placement.place(problem, clock: StillClock()), Placement.place(turned, clock: StillClock())] {
        #expect(first.assignments == second.assignments)
        #expect(first.unplaced == second.unplaced)
        #expect(first.explanations == second.explanations)
        #expect(first.memory == second.memory)
    }
}

@Test("max_parallel holds back the rest and says so")
func maxParallel() {
    let shape = makeShape { $0.maxParallelLeft = 3 }
    let waiting = [WaitingRange(shape: 0, tasks: 0..<2), WaitingRange(shape: 0, tasks: 5..<10)]
    let outcome = place([shape], waiting, on: [makeNode(1)])
    #expect(outcome.assignments.map(\.tasks) == [0..<2, 5..<6])
    #expect(outcome.unplaced.map(\.tasks) == [6..<10])
    #expect(outcome.unplaced.first?.reasons.first?.clause == .maxParallel)
    #expect(outcome.explanations.first?.headline == "max_parallel reached; 1 node: 1 could take it now")
}

@Test("without nodes the reason is that there are none")
func noNodes() {
    let outcome = place([makeShape()], [WaitingRange(shape: 0, tasks: 0..<9)], on: [])
    #expect(outcome.unplaced.map(\.count) == [9])
    #expect(outcome.unplaced.first?.reasons.map(\.clause) == [.noNodes])
    #expect(outcome.explanations.first?.headline == "no node is enrolled")
}

@Test("copies go to different owners; a trusted node counts as all of them")
func copiesByOwner() {
    let strangers = (1...4).map { makeNode($0, owner: $0 < 3 ? "ann" : "owner\($0)") }
    let shape = makeShape(.trustFirst) { $0.replicas = 3 }
    let outcome = place([shape], [WaitingRange(shape: 0, tasks: 0..<4)], on: strangers)
    for task in outcome.nodeOfTask().values { #expect(task.count == 3 && Set(task).intersection([1, 2]).count == 1) }
    #expect(outcome.unplaced.isEmpty)

    let trusted = strangers.map { node in
        var node = node
        node.isTrusted = true
        return node
    }
    #expect(place([shape], [WaitingRange(shape: 0, tasks: 0..<4)], on: trusted).load == [1: 4])
    let own = makeShape(.trustFirst) {
        $0.replicas = 3; $0.submitter = "ann"
    }
    #expect(place([own], [WaitingRange(shape: 0, tasks: 0..<4)], on: strangers).load == [1: 4])
}

@Test("more copies than owners are never half started")
func tooFewOwners() {
    let nodes = (1...4).map { makeNode($0, owner: $0 < 4 ? "ann" : "bob") }
    let shape = makeShape { $0.replicas = 3 }
    let outcome = place([shape], [WaitingRange(shape: 0, tasks: 0..<4)], on: nodes)
    #expect(outcome.assignments.isEmpty)
    #expect(outcome.unplaced.map(\.missingCopies) == [3])
    #expect(outcome.unplaced.first?.reasons.first?.label == "needs_more_owners: has 2, needs 3")

    // A copy is out already: its owner counts as had.
    let second = WaitingRange(
        shape: 0, tasks: 0..<1, missingCopies: 2, avoiding: Avoidance(copiesHeldBy: ["bob"]))
    let later = place([shape], [second], on: nodes)
    #expect(later.unplaced.first?.reasons.first?.label == "needs_more_owners: has 2, needs 3")

    // A third owner whose machine is closed for now is worth waiting for, and so is a busy one.
    let closed = nodes + [makeNode(5, owner: "cat") { $0.allowance.state = .closed }]
    #expect(place([shape], [WaitingRange(shape: 0, tasks: 0..<1)], on: closed).assignments.count == 2)
    let busy = nodes + [makeNode(5, owner: "cat") { $0.free.slots = 0 }]
    let waiting = place([shape], [WaitingRange(shape: 0, tasks: 0..<1)], on: busy)
    #expect(waiting.assignments.count == 2)
    #expect(waiting.unplaced.map(\.missingCopies) == [1])
    #expect(Set(waiting.unplaced.first?.reasons.map(\.clause) ?? []) == [.ownerHasCopy, .slots])
}

@Test("a task does not return to the node on which it failed")
func failedThereBefore() {
    let nodes = [makeNode(1), makeNode(2)]
    for strategy in Strategy.allCases {
        let range = WaitingRange(shape: 0, tasks: 0..<3, avoiding: Avoidance(failedOn: [nodeID(1)]))
        #expect(place([makeShape(strategy)], [range], on: nodes).load == [2: 3])
    }
}

@Test("ranges that follow each other keep their own copies and their own bars")
func neighboursStayApart() {
    let nodes = [makeNode(1), makeNode(2)]
    let waiting = [
        WaitingRange(shape: 0, tasks: 0..<2), WaitingRange(shape: 0, tasks: 2..<3, missingCopies: 2),
        WaitingRange(shape: 0, tasks: 3..<5, avoiding: Avoidance(failedOn: [nodeID(1)])),
        WaitingRange(shape: 0, tasks: 5..<6),
        WaitingRange(shape: 0, tasks: 6..<7, avoiding: Avoidance(failedOn: [nodeID(1)])),
    ]
    let placed = place([makeShape(.costOptimize)], waiting, on: nodes).nodeOfTask()
    #expect(placed == [0: [1], 1: [1], 2: [1, 2], 3: [2], 4: [2], 5: [1], 6: [2]])
}

@Test("a million tasks on ten thousand nodes stay ranges", arguments: Strategy.allCases)
func million(_ strategy: Strategy) {
    let nodes = (0..<10_000).map { makeNode($0, cores: 64, memory: .gibibytes(256), slots: 60 + $0 % 4) }
    let outcome = place([makeShape(strategy)], [WaitingRange(shape: 0, tasks: 0..<1_000_000)], on: nodes)
    let placed = outcome.assignments.reduce(0) { $0 + $1.tasks.count }
    #expect(placed == nodes.reduce(0) { $0 + $1.free.slots })
    #expect(placed + outcome.unplaced.reduce(0) { $0 + $1.count } == 1_000_000)
    #expect(outcome.assignments.count == 10_000)
    #expect(outcome.unplaced.count == 1)
    #expect(outcome.explanations.first?.nodes.count == Explanation.standardDetail)
}
