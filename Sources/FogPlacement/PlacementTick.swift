internal import FogCore

/// One tick while it is worked out.
struct PlacementTick {
    /// Tasks without a node, and what has to be known to say why.
    struct Pending {
        enum Cause {
            case nodes
            case maxParallel
            case owners(has: Int, needs: Int)
        }

        var shape: Int
        var tasks: Range<UInt32>
        var missingCopies: Int
        var bars: Bars
        var cause: Cause
    }

    /// What a shape's strategy works on, made when the shape first comes up.
    private enum Lane {
        /// Not made yet, or out of its place while it changes.
        case none
        case pack(NodeOrder)
        case inTurn(NodeOrder)
        case shuffled(NodeOrder)
        case level(LoadHeap)
        case spread(Spread)
    }

    let problem: PlacementProblem
    var pool: NodePool
    var classes: ShapeClasses
    private var lanes: [Lane]
    let demands: [Amounts]
    private var parallelLeft: [Int]
    /// The node that comes next in turn.
    private var turn: Int
    private var lastInTurn: NodeID?
    private(set) var assignments: [Assignment] = []
    private(set) var pending: [Pending] = []
    /// Where the searches of this tick put what they placed.
    var starts: [ShapeID: [NodeID]] = [:]
    /// Decisions that are written down, by shape, as far as they are known before anything is given out.
    var drafts: [Int: DecisionDraft] = [:]

    init(_ problem: PlacementProblem) {
        self.problem = problem
        let hasCopies = problem.waiting.contains {
            JointWindow.isReplicated($0, problem.shapes[$0.shape]) || !$0.avoiding.copiesHeldBy.isEmpty
        }
        pool = NodePool(problem.nodes, for: problem.shapes, needsOwners: hasCopies)
        classes = ShapeClasses()
        lanes = Array(repeating: .none, count: problem.shapes.count)
        demands = problem.shapes.map { Amounts($0.demand) }
        parallelLeft = problem.shapes.map { max(0, $0.maxParallelLeft ?? .max) }
        lastInTurn = problem.memory?.lastInTurn
        turn = 0
        if let last = lastInTurn { turn = pool.nodes.firstIndex { last < $0.id } ?? 0 }
    }

    /// Ranges that follow each other and are alike are given out together; small ones of several steps are searched
    /// together.
    /// - Parameter ends: asked by searches, whether their time is over.
    mutating func placeAll(_ ends: @Sendable () -> Bool) {
        var index = 0
        while index < problem.waiting.count {
            if let window = window(from: index) {
                placeTogether(window, ends)
                index = window.end
                continue
            }
            let first = problem.waiting[index]
            precondition(problem.shapes.indices.contains(first.shape), "a waiting range names a shape of the problem")
            let end = JointWindow.endOfRun(from: index, in: problem)
            if !JointWindow.isReplicated(first, problem.shapes[first.shape]) {
                placeSingles(first, RangeQueue(problem.waiting[index..<end].map(\.tasks)))
            } else if !first.tasks.isEmpty {
                placeCopies(first)
            }
            index = end
        }
    }

    private func copies(_ range: WaitingRange) -> Int {
        max(1, min(range.missingCopies ?? problem.shapes[range.shape].replicas, TaskShape.maxReplicas))
    }

    /// How many of the tasks `max_parallel` lets start. A task with a copy out has started already.
    func startable(_ count: Int, _ range: WaitingRange) -> Int {
        range.avoiding.copiesHeldBy.isEmpty ? min(count, parallelLeft[range.shape]) : count
    }

    mutating func started(_ count: Int, _ range: WaitingRange) {
        if range.avoiding.copiesHeldBy.isEmpty { parallelLeft[range.shape] -= count }
    }

    private mutating func placeSingles(_ range: WaitingRange, _ tasks: RangeQueue) {
        var tasks = tasks
        let bars = pool.bars(range.avoiding)
        let wanted = tasks.count
        let allowed = startable(wanted, range)
        started(give(range.shape, RangeQueue(tasks.take(allowed)), bars), range)
        for part in tasks.take(wanted - allowed) { postpone(range.shape, part, 1, bars, .maxParallel) }
    }

    /// One copy of each task, as far as nodes have room; the others are postponed. Returns how many got a node.
    mutating func give(_ shape: Int, _ tasks: RangeQueue, _ bars: Bars) -> Int {
        var tasks = tasks
        var placed = 0
        for grant in allocate(shape, tasks.count, bars) {
            placed += grant.count
            for part in tasks.take(grant.count) { assign(shape, part, grant.node) }
        }
        for part in tasks.take(tasks.count) { postpone(shape, part, 1, bars, .nodes) }
        return placed
    }

    /// Copies go out in layers: each layer gives every task that still lacks one a node of another owner.
    private mutating func placeCopies(_ range: WaitingRange) {
        let copies = copies(range), shape = problem.shapes[range.shape]
        var bars = pool.bars(range.avoiding)
        let owners = classes.owners(for: shape, pool, barring: bars)
        if owners.count < copies {
            let held = Set(range.avoiding.copiesHeldBy).count
            guard owners.hasTrusted else {
                let cause = Pending.Cause.owners(has: owners.count + held, needs: copies + held)
                return postpone(range.shape, range.tasks, copies, bars, cause)
            }
            bars.onlyTrusted = true
        }
        var tasks = RangeQueue([range.tasks])
        let allowed = startable(tasks.count, range)
        var layer = tasks.take(allowed).map { Segment(tasks: $0, bars: bars) }
        for part in tasks.take(range.tasks.count - allowed) {
            postpone(range.shape, part, copies, bars, .maxParallel)
        }
        for missing in stride(from: copies, to: 0, by: -1) {
            var following: [Segment] = []
            for segment in layer {
                let placed = placeLayer(range.shape, segment, missing, &following)
                if missing == copies { started(placed, range) }
            }
            layer = following
        }
    }

    private struct Segment {
        var tasks: Range<UInt32>
        var bars: Bars
    }

    /// One more copy for each task of the segment; those that want another follow with the owner barred.
    private mutating func placeLayer(
        _ shape: Int, _ segment: Segment, _ missing: Int, _ following: inout [Segment]
    ) -> Int {
        var tasks = RangeQueue([segment.tasks])
        var placed = 0
        for grant in allocate(shape, tasks.count, segment.bars) {
            placed += grant.count
            for part in tasks.take(grant.count) {
                assign(shape, part, grant.node)
                if missing > 1, !problem.shapes[shape].trusts(pool.nodes[grant.node]) {
                    var next = Segment(tasks: part, bars: segment.bars)
                    next.bars.owners.append(pool.owner(of: grant.node))
                    following.append(next)
                }
            }
        }
        for part in tasks.take(tasks.count) { postpone(shape, part, missing, segment.bars, .nodes) }
        return placed
    }

    mutating func assign(_ shape: Int, _ tasks: Range<UInt32>, _ node: Int) {
        let record = pool.nodes[node]
        let bought = problem.shapes[shape]
        let price = PriceBound.compute(demand: bought.demand, ask: bought.rates(on: record))
        assignments.append(Assignment(shape: shape, tasks: tasks, node: record.id, boundPrice: price))
    }

    mutating func postpone(
        _ shape: Int, _ tasks: Range<UInt32>, _ copies: Int, _ bars: Bars, _ cause: Pending.Cause
    ) {
        pending.append(Pending(shape: shape, tasks: tasks, missingCopies: copies, bars: bars, cause: cause))
    }

    var memory: PlacementMemory { PlacementMemory(lastInTurn: lastInTurn, starts: starts) }

    // MARK: - Strategies

    private mutating func allocate(_ index: Int, _ count: Int, _ bars: Bars) -> [Grant] {
        guard count > 0 else { return [] }
        let shape = problem.shapes[index], demand = demands[index]
        if case .none = lanes[index] { lanes[index] = makeLane(index, count) }
        func admits(_ node: Int, _ pool: NodePool) -> Bool { bars.admit(node, in: pool, for: shape) }
        // Each lane leaves its place while it changes: held twice, its arrays would be copied for every range.
        switch lanes[index] {
        case .none: return []
        case .pack(var order):
            lanes[index] = .none
            defer { lanes[index] = .pack(order) }
            return order.pack(count, demand, &pool, admits: admits)
        case .shuffled(var order):
            lanes[index] = .none
            defer { lanes[index] = .shuffled(order) }
            return order.rotate(count, demand, &pool, admits: admits)
        case .inTurn(var order):
            lanes[index] = .none
            defer { lanes[index] = .inTurn(order) }
            return takeTurns(count, demand, &order, admits: admits)
        case .spread(var spread):
            lanes[index] = .none
            defer { lanes[index] = .spread(spread) }
            return spread.give(count, demand, &pool, admits: admits)
        case .level(var heap):
            lanes[index] = .none
            defer { lanes[index] = .level(heap) }
            return heap.give(count, demand, &pool, admits: admits)
        }
    }

    /// The turn is common to all shapes that ask for it.
    private mutating func takeTurns(
        _ count: Int, _ demand: Amounts, _ order: inout NodeOrder, admits: (Int, NodePool) -> Bool
    ) -> [Grant] {
        order.turn(to: turn)
        let grants = order.rotate(count, demand, &pool, admits: admits)
        if !grants.isEmpty, let last = order.lastInTurn {
            turn = (last + 1) % max(1, pool.count)
            lastInTurn = pool.nodes[last].id
        }
        return grants
    }

    /// Candidates of the shape with room. What is full now stays full: it need not even be sorted.
    mutating func open(_ index: Int) -> [Int32] {
        classes.candidates(for: problem.shapes[index], pool).filter { pool.fit(Int($0), demands[index]) > 0 }
    }

    private mutating func makeLane(_ index: Int, _ count: Int) -> Lane {
        let shape = problem.shapes[index], demand = demands[index], nodes = open(index)
        let isRecorded = problem.recorded.contains(index) && drafts[index] == nil
        if shape.strategy == .nsga2 || shape.strategy == .loadBalance {
            let valuation = Valuation(shape, demand, on: nodes, pool), measure = Measure(shape.wish, valuation)
            if isRecorded {
                drafts[index] = DecisionDraft(spreading: count, shape, demand, valuation, measure, pool)
            }
            return .spread(Spread(valuation, measure, pool))
        }
        if isRecorded { drafts[index] = DecisionDraft(directly: shape, demand, on: nodes, pool) }
        switch shape.strategy {
        case .roundRobin: return .inTurn(NodeOrder(nodes))
        case .leastLoaded: return .level(LoadHeap(nodes, demand, pool))
        case .random:
            // By the shape's id, so that another shape's coming or going does not change the draw.
            var generator = SeededGenerator(seed: problem.seed ^ shape.id.job.low &+ UInt64(shape.id.step.utf8.count))
            return .shuffled(NodeOrder(nodes.shuffled(using: &generator)))
        case .nsga2, .loadBalance, .latencyFirst, .costOptimize, .trustFirst, .affinity, .proximity, .privacyAware:
            return .pack(NodeOrder(Ranking.ordered(nodes, for: shape, pool)))
        }
    }
}
