import FogCore
import Testing

@testable import FogPlacement

/// One way to break one clause and no other.
struct Breaker: CustomTestStringConvertible, Sendable {
    let clause: Clause
    let permanence: Permanence
    let testDescription: String
    let apply: @Sendable (inout TaskShape, inout NodeRecord, inout Avoidance) -> Void

    init(
        _ clause: Clause, _ permanence: Permanence, _ name: String,
        _ apply: @escaping @Sendable (inout TaskShape, inout NodeRecord, inout Avoidance) -> Void
    ) {
        self.clause = clause
        self.permanence = permanence
        testDescription = "\(clause.rawValue): \(name)"
        self.apply = apply
    }

    static let all: [Breaker] = [
        Breaker(.nodeState, .notNow, "suspect") {
            $1.state = .suspect; _ = ($0, $2)
        },
        Breaker(.nodeState, .notNow, "lost") {
            $1.state = .lost; _ = ($0, $2)
        },
        Breaker(.nodeState, .notNow, "draining") {
            $1.state = .draining; _ = ($0, $2)
        },
        Breaker(.nodeState, .notNow, "cordoned") {
            $1.state = .cordoned; _ = ($0, $2)
        },
        Breaker(.nodeState, .notNow, "probation") {
            $1.state = .probation(until: testNow + .minutes(5)); _ = ($0, $2)
        },
        Breaker(.allowance, .notNow, "closed") {
            $1.allowance.state = .closed
            $1.allowance.reason = "closed until 22:00"
            $1.allowance.resumesAt = testNow + .hours(3)
            _ = ($0, $2)
        },
        Breaker(.allowance, .notNow, "frozen, caps at nothing") {
            $1.allowance = Allowance(
                state: .frozen, reason: "keyboard used 12 s ago", cpuCap: .zero, memoryCap: .zero, slots: 0)
            _ = ($0, $2)
        },
        Breaker(.profile, .never, "not enforceable") {
            $0.constraints.profile = "network"; _ = ($1, $2)
        },
        Breaker(.profile, .never, "above the ceiling") {
            $1.report.profiles = ["default", "strict"]
            $1.allowance.profileCeiling = ["strict"]
            _ = ($0, $2)
        },
        Breaker(.network, .never, "not allowed by the owner") {
            $0.constraints.needsNetwork = true
            $1.allowance.network = false
            _ = $2
        },
        Breaker(.network, .never, "not known to a worker of before") {
            $0.constraints.needsNetwork = true
            $1.allowance.network = nil
            _ = $2
        },
        Breaker(.cpu, .never, "too small") {
            $1.report.cpu = Millicores(500); _ = ($0, $2)
        },
        Breaker(.cpu, .never, "owner's cap") {
            $1.allowance.cpuCap = Millicores(500); _ = ($0, $2)
        },
        Breaker(.cpu, .notNow, "busy") {
            $1.free.cpu = Millicores(999); _ = ($0, $2)
        },
        Breaker(.memory, .never, "too small") {
            $1.report.memory = .mebibytes(512); _ = ($0, $2)
        },
        Breaker(.memory, .never, "owner's cap") {
            $1.allowance.memoryCap = .mebibytes(512); _ = ($0, $2)
        },
        Breaker(.memory, .notNow, "busy") {
            $1.free.memory = .mebibytes(1023); _ = ($0, $2)
        },
        Breaker(.disk, .never, "too small") {
            $0.demand.disk = .gibibytes(101); _ = ($1, $2)
        },
        Breaker(.disk, .notNow, "busy") {
            $1.free.disk = .zero; _ = ($0, $2)
        },
        Breaker(.gpu, .never, "too few") {
            $0.demand.gpu = 3; _ = ($1, $2)
        },
        Breaker(.gpu, .notNow, "busy") {
            $0.demand.gpu = 1; $1.free.gpu = 0; _ = $2
        },
        Breaker(.slots, .notNow, "none free") {
            $1.free.slots = 0; _ = ($0, $2)
        },
        Breaker(.requires, .never, "program") {
            $0.constraints.requires = [.program("ffmpeg", nil, "")]; _ = ($1, $2)
        },
        Breaker(.requires, .never, "version") {
            $0.constraints.requires = [.architecture("x86_64"), .program("python3", .atLeast, "3.12")]
            _ = ($1, $2)
        },
        Breaker(.requires, .never, "architecture") {
            $0.constraints.requires = [.architecture("aarch64")]; _ = ($1, $2)
        },
        Breaker(.requires, .never, "program of another machine") {
            $0.constraints.requires = [.machine(["aarch64"], input: "solve")]; _ = ($1, $2)
        },
        Breaker(.submitter, .never, "denied") {
            ($0.submitter, $1.allowance.submitters) = ("anna", SubmitterRule(deny: ["anna"])); _ = $2
        },
        Breaker(.submitter, .never, "not among those allowed") {
            $1.allowance.submitters = SubmitterRule(allow: ["somebody"]); _ = ($0, $2)
        },
        Breaker(.trustedOwner, .never, "secrets") {
            $0.constraints.secretsOf = "somebody"; _ = ($1, $2)
        },
        Breaker(.requires, .never, "volume") {
            $0.constraints.requires = [.volume("genomes")]; _ = ($1, $2)
        },
        Breaker(.requires, .never, "protocol") {
            $0.constraints.requires = [.protocolVersion(2, for: "images")]; _ = ($1, $2)
        },
        Breaker(.requires, .never, "label") {
            $0.constraints.requires = [.label("studio")]; _ = ($1, $2)
        },
        Breaker(.requires, .never, "node") {
            $0.constraints.requires = [.node("other")]; _ = ($1, $2)
        },
        Breaker(.requires, .never, "owner") {
            $0.constraints.requires = [.owner("somebody")]; _ = ($1, $2)
        },
        Breaker(.region, .never, "elsewhere") {
            $0.constraints.region = "us"; _ = ($1, $2)
        },
        Breaker(.latency, .never, "too far") {
            $0.constraints.maxLatency = .milliseconds(19); _ = ($1, $2)
        },
        Breaker(.latency, .notNow, "not measured") {
            $0.constraints.maxLatency = .milliseconds(19)
            $1.latency = nil
            _ = $2
        },
        Breaker(.price, .never, "too dear") {
            $0.constraints.maxPrice = Credits(micro: 999_999); _ = ($1, $2)
        },
        Breaker(.trust, .never, "too low") {
            $0.constraints.minTrust = 0.901; _ = ($1, $2)
        },
        Breaker(.trust, .never, "not a number") {
            $1.trust = .nan; _ = ($0, $2)
        },
        Breaker(.exclude, .never, "by name") {
            $0.constraints.exclude = ["x", "n1"]; _ = ($1, $2)
        },
        Breaker(.exclude, .never, "by owner") {
            $0.constraints.exclude = ["owner:owner1"]; _ = ($1, $2)
        },
        Breaker(.privacy, .never, "level") {
            $0.privacy = .secret; $1.report.privacy = .confidential; _ = $2
        },
        Breaker(.sealed, .never, "private") {
            $0.isPrivate = true; $0.sealedTo = [nodeID(7)]; _ = ($1, $2)
        },
        Breaker(.availability, .notNow, "class S") {
            $0.sla = .s; $1.availability = .minutes(59); _ = $2
        },
        Breaker(.availability, .notNow, "class A") {
            $0.sla = .a; $1.availability = .minutes(59); _ = $2
        },
        Breaker(.triedBefore, .never, "failed there") {
            $2.failedOn = [nodeID(1)]; _ = ($0, $1)
        },
        Breaker(.ownerHasCopy, .never, "copy held") {
            $2.copiesHeldBy = ["owner1"]; _ = ($0, $1)
        },
    ]

    /// Two that cannot both be said: one clause twice, or what the second undoes of the first.
    static func compatible(_ first: Breaker, _ second: Breaker) -> Bool {
        let clauses = Set([first.clause, second.clause])
        // A closed allowance says nothing of caps, and one that is another's nothing of submitters.
        let caps = [first, second].contains {
            $0.clause == .submitter || $0.testDescription.hasSuffix("cap") || $0.testDescription.hasSuffix("ceiling")
        }
        return clauses.count == 2 && !(clauses.contains(.allowance) && caps)
    }
}

private func judge(_ breakers: [Breaker]) -> (TaskShape, NodeRecord, Avoidance, [FailedCheck]) {
    var shape = makeShape(), node = makeNode(1), avoiding = Avoidance()
    for breaker in breakers { breaker.apply(&shape, &node, &avoiding) }
    let failures = Feasibility.failures(of: shape, on: node, now: testNow, avoiding: avoiding)
    return (shape, node, avoiding, failures)
}

@Test("a node that has everything fails nothing")
func plainNodeFits() {
    #expect(judge([]).3.isEmpty)
}

@Test("every node clause has a breaker")
func breakersCoverAllClauses() {
    #expect(Set(Breaker.all.map(\.clause)) == Set(Clause.allCases.filter { !$0.concernsShape }))
}

@Test("each clause alone names exactly itself", arguments: Breaker.all)
func clauseAlone(_ breaker: Breaker) {
    let failures = judge([breaker]).3
    #expect(failures.map(\.clause) == [breaker.clause])
    #expect(failures.map(\.permanence) == [breaker.permanence])
    #expect(failures.allSatisfy { !$0.text.isEmpty && !$0.found.isEmpty && !$0.wanted.isEmpty })
}

@Test("two clauses name exactly themselves, in the order of the checks", arguments: Breaker.all)
func clausePairs(_ first: Breaker) {
    for second in Breaker.all where Breaker.compatible(first, second) {
        let failures = judge([first, second]).3
        let expected = [first, second].sorted { $0.clause < $1.clause }
        #expect(failures.map(\.clause) == expected.map(\.clause), "with \(second.testDescription)")
        #expect(failures.map(\.permanence) == expected.map(\.permanence), "with \(second.testDescription)")
    }
}

@Test("a task that one node cannot take is unplaced with the true reason", arguments: Breaker.all)
func unplacedReason(_ breaker: Breaker) {
    let (shape, node, avoiding, _) = judge([breaker])
    let outcome = place([shape], [WaitingRange(shape: 0, tasks: 0..<5, avoiding: avoiding)], on: [node])
    #expect(outcome.assignments.isEmpty)
    #expect(outcome.unplaced.map(\.tasks) == [0..<5])
    let reasons = outcome.unplaced.first?.reasons ?? []
    #expect(reasons.map(\.clause) == [breaker.clause])
    #expect(reasons.map(\.permanence) == [breaker.permanence])
    #expect(reasons.map(\.nodes) == [1])
    #expect(outcome.explanations.first?.nodes.first?.failed.map(\.clause) == [breaker.clause])
}

@Test("each failing requirement is named", arguments: [1, 2, 3])
func requirementsNamed(_ count: Int) {
    let wanted: [Requirement] = [.program("ffmpeg", nil, ""), .label("studio"), .program("python3", .atLeast, "3.12")]
    let shape = makeShape { $0.constraints.requires = [.architecture("x86_64")] + wanted.prefix(count) }
    let failures = Feasibility.failures(of: shape, on: makeNode(1), now: testNow)
    #expect(failures.map(\.wanted) == ["ffmpeg", "label:studio", "python3>=3.12"].prefix(count).map { $0 })
    #expect(failures.map(\.found) == ["no ffmpeg", "labels lab", "python3 3.11.2"].prefix(count).map { $0 })
}

@Test("the words carry found and wanted")
func failureWords() {
    func text(_ change: (inout TaskShape, inout NodeRecord) -> Void) -> [String] {
        var shape = makeShape(), node = makeNode(1)
        change(&shape, &node)
        return Feasibility.failures(of: shape, on: node, now: testNow).map(\.text)
    }
    #expect(
        text {
            $0.demand.memory = .gibibytes(32); _ = $1
        } == ["memory 16GiB, wanted 32GiB"])
    #expect(
        text {
            $1.allowance.memoryCap = .mebibytes(512); _ = $0
        } == [
            "memory 512MiB of 16GiB by the owner's cap, wanted 1GiB"
        ])
    // As people read it, rounded down; what is wanted stands as it was written.
    #expect(
        text {
            $0.demand.disk = .gibibytes(40); $1.report.disk = ByteCount(22_748_851_809)
        } == ["disk 21.1GiB, wanted 40GiB"])
    #expect(
        text {
            $0.demand.memory = .gibibytes(4); $1.free.memory = ByteCount(4 << 30) - ByteCount(1)
        } == ["memory 3.9GiB free now, wanted 4GiB"])
    #expect(
        text {
            $1.free.cpu = Millicores(500); _ = $0
        } == ["cpu 0.5 free now, wanted 1"])
    #expect(
        text {
            $0.constraints.minTrust = 0.57; $1.trust = 0.5699
        } == ["trust 0.569, wanted at least 0.57"])
    #expect(
        text {
            $1.allowance.state = .closed
            $1.allowance.reason = "closed until 22:00"
            $1.allowance.resumesAt = testNow + .minutes(190)
            _ = $0
        } == ["closed until 22:00 (resumes in 3h10m)"])
    #expect(
        text {
            $0.constraints.maxPrice = Credits(micro: 500_000); _ = $1
        } == [
            "price 1 a core-hour, wanted at most 0.5"
        ])
}

@Test("class B does not ask how long a node stays; no end in sight is long enough")
func availabilityForClassB() {
    let brief = makeNode(1) { $0.availability = .seconds(1) }
    #expect(Feasibility.failures(of: makeShape(), on: brief, now: testNow).isEmpty)
    let endless = makeNode(1) { $0.availability = nil }
    #expect(Feasibility.failures(of: makeShape { $0.sla = .s }, on: endless, now: testNow).isEmpty)
}

@Test("boasted capacities do not overflow")
func boastedCapacities() {
    let huge = makeNode(1) {
        $0.report.memory = ByteCount(.max)
        $0.report.cpu = Millicores(.max)
        $0.report.disk = ByteCount(.max)
        $0.allowance = openAllowance(cpu: Millicores(.max), memory: ByteCount(.max), slots: .max)
        $0.free = NodeCapacity(
            cpu: Millicores(.max), memory: ByteCount(.max), disk: ByteCount(.max), gpu: .max, slots: .max)
        $0.asks = HourlyRates(core: Credits(micro: .max), gibibyte: Credits(micro: .max))
        $0.queueDepth = .max
        $0.speed = .nan
    }
    for strategy in Strategy.allCases {
        let outcome = place([makeShape(strategy)], [WaitingRange(shape: 0, tasks: 0..<100)], on: [huge])
        #expect(outcome.load == [1: 100])
    }
    let negative = makeNode(1) {
        $0.free.cpu = Millicores(.min); $0.report.memory = ByteCount(.min)
    }
    let failures = Feasibility.failures(of: makeShape(), on: negative, now: testNow)
    #expect(failures.map(\.clause) == [.cpu, .memory])
}
