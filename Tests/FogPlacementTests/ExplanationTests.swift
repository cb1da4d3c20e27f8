import FogCore
import Foundation
import Testing

@testable import FogPlacement

@Test("each node is counted once, under what waiting cannot mend before what it can")
func headlineCounts() {
    let nodes =
        (1...7).map { makeNode($0, memory: .gibibytes(2)) }
        + (8...10).map { number in
            makeNode(number) {
                $0.allowance.state = .closed; $0.allowance.reason = "on battery"
            }
        }
        + (11...12).map { makeNode($0) { $0.trust = 0.1 } }
    let shape = makeShape {
        $0.demand.memory = .gibibytes(4); $0.constraints.minTrust = 0.5
    }
    let explanation = Explanation.of(shape, nodes: nodes, now: testNow)
    #expect(explanation.headline == "12 nodes: 7 memory, 3 on battery, 2 reputation")
    #expect(explanation.fitting == 0)
    #expect(explanation.clauses.map(\.clause) == [.allowance, .memory, .trust])
    #expect(explanation.clauses.map(\.nodes) == [3, 7, 2])

    var both = nodes
    both[0].allowance.state = .closed
    both[0].allowance.reason = "on battery"
    let second = Explanation.of(shape, nodes: both, now: testNow)
    #expect(second.headline == explanation.headline)
    #expect(second.clauses.map(\.nodes) == [4, 7, 2])
    #expect(second.clauses.map(\.alone) == [3, 6, 2])
}

@Test(
    "counts and fitting nodes add up, and the clause counts are those of the single nodes",
    arguments: 0..<60 as Range<UInt64>)
func countsAddUp(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let nodes = (1...40).map { number in
        var shape = makeShape(), node = makeNode(number), avoiding = Avoidance()
        for _ in 0..<Int.random(in: 0...3, using: &generator) {
            Breaker.all[Int.random(in: 0..<Breaker.all.count, using: &generator)].apply(&shape, &node, &avoiding)
        }
        return node
    }
    let shape = makeShape {
        $0.sla = .a; $0.constraints.region = "eu"; $0.constraints.minTrust = 0.5
    }
    let avoiding = Avoidance(failedOn: [nodeID(3)], copiesHeldBy: ["owner5"])
    let explanation = Explanation.of(shape, nodes: nodes, now: testNow, avoiding: avoiding, detail: 40)
    #expect(explanation.reasons.reduce(0) { $0 + $1.nodes } + explanation.fitting == 40)
    #expect(explanation.nodes.count == 40)
    var failing: [Clause: Int] = [:], alone: [Clause: Int] = [:]
    for node in nodes {
        let clauses = Set(Feasibility.failures(of: shape, on: node, now: testNow, avoiding: avoiding).map(\.clause))
        for clause in clauses { failing[clause, default: 0] += 1 }
        if clauses.count == 1, let only = clauses.first { alone[only, default: 0] += 1 }
    }
    #expect(Dictionary(uniqueKeysWithValues: explanation.clauses.map { ($0.clause, $0.nodes) }) == failing)
    #expect(explanation.clauses.allSatisfy { $0.alone == alone[$0.clause, default: 0] })

    // The counts for a barred range are the same whether all nodes are judged anew or only the barred ones.
    var classes = ShapeClasses()
    let pool = NodePool(nodes, for: [shape])
    #expect(classes.reasons(for: shape, pool, barring: pool.bars(avoiding)) == explanation.reasons)
}

@Test("the advice is the smallest single relaxation, and taking it helps")
func smallestRelaxation() {
    let nodes = [
        makeNode(1, memory: .gibibytes(1)), makeNode(2, memory: .gibibytes(3)),
        makeNode(3, memory: .gibibytes(3)) { $0.report.region = "us" }, makeNode(4) { $0.trust = 0.2 },
    ]
    var shape = makeShape {
        $0.demand.memory = .gibibytes(4)
        $0.constraints.region = "eu"
        $0.constraints.minTrust = 0.8
    }
    let explanation = Explanation.of(shape, nodes: nodes, now: testNow)
    #expect(explanation.advice.text == "memory 3GiB instead of 4GiB would fit node n2 (it alone keeps 2 nodes out)")
    #expect(explanation.advice.clause == .memory)
    #expect(explanation.advice.node == nodeID(2))
    shape.demand.memory = .gibibytes(3)
    #expect(Explanation.of(shape, nodes: nodes, now: testNow).fitting == 1)
}

@Test(
    "what the advice offers is a size that a manifest may ask and that the node has",
    arguments: [(22_748_851_809, "21GiB"), (4_831_838_209, "4608MiB"), (3 << 30, "3GiB"), ((1 << 20) - 1, "1048575B")]
        as [(Int64, String)])
func offeredSize(bytes: Int64, offer: String) throws {
    let node = makeNode(1) { $0.report.disk = ByteCount(bytes) }
    var shape = makeShape { $0.demand.disk = .gibibytes(40) }
    let explanation = Explanation.of(shape, nodes: [node], now: testNow)
    #expect(explanation.advice.text == "disk \(offer) instead of 40GiB would fit node n1")
    shape.demand.disk = try ByteCount(explanation.advice.value ?? "")
    #expect(Explanation.of(shape, nodes: [node], now: testNow).fitting == 1)
}

@Test("advice that names one clause is true: without it the node fits", arguments: Breaker.all)
func adviceIsTrue(_ breaker: Breaker) {
    var shape = makeShape(), node = makeNode(1), avoiding = Avoidance()
    breaker.apply(&shape, &node, &avoiding)
    let far = makeNode(2) {
        $0.report.profiles = []; $0.report.cpu = .zero; $0.trust = .nan
    }
    let explanation = Explanation.of(shape, nodes: [node, far], now: testNow, avoiding: avoiding)
    let advice = explanation.advice
    #expect(explanation.nodes.first?.id == nodeID(1))
    switch breaker.clause {
    case .triedBefore, .ownerHasCopy, .submitter:
        #expect(advice.clause == nil && advice.node == nil)
    case .availability:
        #expect(advice.clause == .availability)
    case .trust where node.trust.isNaN:
        #expect(advice.clause == nil && advice.node == nil)
    default:
        #expect(advice.node == nodeID(1))
        #expect(advice.clause == (breaker.permanence == .never ? breaker.clause : nil))
    }
}

/// Writes the advised value into the job.
private func take(_ advice: Advice, _ shape: inout TaskShape) throws {
    let value = advice.value ?? ""
    switch advice.clause {
    case .cpu: shape.demand.cpu = Millicores(Int64(((Double(value) ?? .nan) * 1000).rounded()))
    case .memory: shape.demand.memory = try ByteCount(value)
    case .disk: shape.demand.disk = try ByteCount(value)
    case .gpu: shape.demand.gpu = try #require(Int(value))
    case .latency: shape.constraints.maxLatency = try TimeSpan(value)
    case .price: shape.constraints.maxPrice = try Credits(advice.value?.split(separator: " ").first ?? "")
    case .trust: shape.constraints.minTrust = try #require(Double(value))
    case .region: shape.constraints.region = value
    case .availability: shape.sla = .b
    default: Issue.record("unexpected advice: \(advice.text)")
    }
}

@Test("the advised value makes the named node fit", arguments: 0..<200 as Range<UInt64>)
func adviceCanBeTaken(_ seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    func number(_ range: ClosedRange<Int64>) -> Int64 { Int64.random(in: range, using: &generator) }
    let nodes = (1...5).map { index in
        makeNode(index, cores: number(1...8), memory: .mebibytes(number(1...8000))) { node in
            node.report.cpu = Millicores(number(1...8000))
            node.free.cpu = node.report.cpu
            node.report.region = number(0...2) == 0 ? "us" : "eu"
            node.trust = Double(number(0...1000)) / 997
            node.latency = .milliseconds(number(1...100))
            node.asks.core = Credits(micro: number(1...3_000_000))
            node.availability = .seconds(number(1...7200))
        }
    }
    var shape = makeShape {
        $0.demand = ResourceRequest(cpu: Millicores(number(1...12_000)), memory: .mebibytes(number(1...12_000)))
        $0.constraints.region = "eu"
        $0.constraints.maxLatency = .milliseconds(number(20...100))
        $0.constraints.maxPrice = Credits(micro: number(1...3_000_000))
        $0.constraints.minTrust = Double(number(0...900)) / 997
        $0.sla = number(0...1) == 0 ? .b : .a
    }
    let advice = Explanation.of(shape, nodes: nodes, now: testNow).advice
    guard advice.clause != nil else { return }
    try take(advice, &shape)
    let node = try #require(nodes.first { $0.id == advice.node })
    #expect(Feasibility.failures(of: shape, on: node, now: testNow).isEmpty, "\(advice.text)")
}

@Test("when time is all it needs the advice says for which node, and when")
func adviceToWait() {
    let nodes = [
        makeNode(1) {
            $0.allowance.state = .closed; $0.allowance.reason = "closed until 23:00";
            $0.allowance.resumesAt = testNow + .hours(4)
        },
        makeNode(2) {
            $0.allowance.state = .closed; $0.allowance.reason = "closed until 22:00";
            $0.allowance.resumesAt = testNow + .hours(3)
        },
        makeNode(3, memory: .mebibytes(1)),
    ]
    let advice = Explanation.of(makeShape(), nodes: nodes, now: testNow).advice
    #expect(advice.text == "nothing to change: it waits for node n2 (closed until 22:00 (resumes in 3h))")
}

@Test("an explanation is lines for people and the same document again for programs")
func renderingAndCoding() throws {
    let nodes = [
        makeNode(1) {
            $0.allowance.state = .closed
            $0.allowance.reason = "closed until 22:00"
            $0.report.programs = [:]
        },
        makeNode(2), makeNode(3) { $0.state = .draining },
    ]
    let shape = makeShape { $0.constraints.requires = [.program("python3", .atLeast, "3.11")] }
    let explanation = Explanation.of(shape, nodes: nodes, now: testNow, detail: 2)
    #expect(
        explanation.lines == [
            "3 nodes: 1 could take it now, 1 draining, 1 without python3>=3.11",
            "nothing to change: it runs as soon as its turn comes", "  node n2: can take it now", "  node n3: draining",
            "  and 1 node further from fitting",
        ])
    let all = Explanation.of(shape, nodes: nodes, now: testNow).lines
    #expect(all.last == "  node n1: closed until 22:00; no python3, wanted python3>=3.11")
    let document = try JSONEncoder().encode(explanation)
    #expect(try JSONDecoder().decode(Explanation.self, from: document) == explanation)
}

@Test("many reasons of one clause are counted together beyond a bound")
func manyLabels() {
    let nodes = (1...30).map { number in
        makeNode(number) {
            $0.allowance.state = .closed; $0.allowance.reason = "keyboard used \(number) s ago"
        }
    }
    let explanation = Explanation.of(makeShape(), nodes: nodes, now: testNow)
    #expect(explanation.reasons.count == Explanation.maxLabels + 1)
    #expect(explanation.reasons.first?.label == "closed by the owner otherwise")
    #expect(explanation.reasons.first?.nodes == 30 - Explanation.maxLabels)
}
