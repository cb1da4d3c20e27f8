internal import FogCore

/// Waiting ranges that follow each other and are searched together.
struct JointWindow {
    /// Tasks that one search places; more of the queue is another search.
    static let maxTasks = 1024
    /// Below so many a search finds nothing that task by task does not.
    static let leastTasks = 8
    /// A range of more like tasks is spread by itself: exactly, and without looking at each.
    static let maxRange = 256

    /// Of the problem's waiting ranges.
    var ranges: Range<Int>
    var tasks: Int
    var end: Int { ranges.upperBound }

    /// The first window of a problem, or nil when all of it is placed step by step.
    static func first(in problem: PlacementProblem) -> JointWindow? {
        var index = 0
        while index < problem.waiting.count {
            if let window = JointWindow(from: index, in: problem) { return window }
            index = endOfRun(from: index, in: problem)
        }
        return nil
    }

    /// The end of the ranges from one on that are alike, and so are given out together; a replicated one stands alone.
    static func endOfRun(from start: Int, in problem: PlacementProblem) -> Int {
        let first = problem.waiting[start]
        var end = start + 1
        guard !isReplicated(first, problem.shapes[first.shape]) else { return end }
        while end < problem.waiting.count, problem.waiting[end].shape == first.shape,
            problem.waiting[end].avoiding == first.avoiding,
            !isReplicated(problem.waiting[end], problem.shapes[first.shape])
        { end += 1 }
        return end
    }

    /// The window that starts with a range; nil when what follows is one step's, or too little, or not for the search.
    init?(from start: Int, in problem: PlacementProblem) {
        var end = start, tasks = 0, kinds: Set<Kind> = []
        while end < problem.waiting.count {
            let range = problem.waiting[end], shape = problem.shapes[range.shape]
            // The search knows one price of a node; what was sold otherwise is placed by itself, at its own.
            guard shape.strategy == .nsga2, shape.constraints.terms.sale == nil, !Self.isReplicated(range, shape),
                range.tasks.count <= Self.maxRange,
                tasks + range.tasks.count <= Self.maxTasks
            else { break }
            tasks += range.tasks.count
            // Thousands of tasks of one step may follow each other, each a range of its own.
            if end == start || problem.waiting[end - 1].shape != range.shape { kinds.insert(Kind(shape)) }
            end += 1
        }
        guard tasks >= Self.leastTasks, kinds.count > 1 else { return nil }
        ranges = start..<end
        self.tasks = tasks
    }

    static func isReplicated(_ range: WaitingRange, _ shape: TaskShape) -> Bool {
        max(1, min(range.missingCopies ?? shape.replicas, TaskShape.maxReplicas)) > 1 || shape.replicas > 1
    }

    /// What makes tasks alike.
    private struct Kind: Hashable {
        let demand: ResourceRequest
        let constraints: PlacementConstraints
        let sla: SLAClass
        let expected: TimeSpan?
        let weights: ObjectiveWeights?
        let affinity: [Digest]

        init(_ shape: TaskShape) {
            demand = shape.demand
            constraints = shape.constraints
            sla = shape.sla
            expected = shape.expectedTime
            weights = shape.weights
            affinity = shape.affinity
        }
    }
}

extension PlacementTick {
    /// The window to search from a range on, if there is one and it is worth it.
    func window(from index: Int) -> JointWindow? {
        guard pool.count > 1 else { return nil }
        return JointWindow(from: index, in: problem)
    }

    /// Places the ranges of a window by the search; what it leaves out, and what turns out not to fit, is placed after it
    /// in the order of the queue like everything else, so that nothing waits while a node has room.
    mutating func placeTogether(_ window: JointWindow, _ ends: @Sendable () -> Bool) {
        var entries: [JointBatch.Entry] = []
        for index in window.ranges {
            let range = problem.waiting[index], allowed = startable(range.tasks.count, range)
            var queue = RangeQueue([range.tasks])
            for part in queue.take(allowed) {
                entries.append(JointBatch.Entry(shape: range.shape, tasks: part, range: index))
            }
            started(allowed, range)
            for part in queue.take(range.tasks.count - allowed) {
                postpone(range.shape, part, 1, pool.bars(range.avoiding), .maxParallel)
            }
        }
        let batch = JointBatch(entries, &self)
        guard let answer = batch.search(problem, ends) else { return placeRest(entries, left: nil) }
        for index in Set(entries.map(\.shape)).sorted()
        where problem.recorded.contains(index) && drafts[index] == nil {
            drafts[index] = draft(index, batch, answer)
        }
        placeRest(entries, left: commit(batch, answer, entries))
    }

    /// Gives out what was found, as far as it fits; returns the tasks of each entry that are left.
    private mutating func commit(
        _ batch: JointBatch, _ answer: JointBatch.Answer, _ entries: [JointBatch.Entry]
    ) -> [Int: [UInt32]] {
        var left: [Int: [UInt32]] = [:], gene = 0
        for (place, entry) in entries.enumerated() {
            var run: (node: Int, tasks: Range<UInt32>)?
            left[place] = []
            for task in entry.tasks {
                let found = answer.assignment[gene]
                gene += 1
                guard found >= 0, pool.fit(Int(batch.nodes[Int(found)]), demands[entry.shape]) > 0 else {
                    left[place]?.append(task)
                    continue
                }
                let node = Int(batch.nodes[Int(found)])
                pool.take(node, demands[entry.shape], times: 1)
                let id = problem.shapes[entry.shape].id
                if starts.count < PlacementMemory.maxSteps || starts[id] != nil,
                    starts[id, default: []].count < PlacementMemory.maxStarts
                {
                    starts[id, default: []].append(pool.nodes[node].id)
                }
                if let open = run, open.node == node, open.tasks.upperBound == task {
                    run = (node, open.tasks.lowerBound..<task + 1)
                } else {
                    if let open = run { assign(entry.shape, open.tasks, open.node) }
                    run = (node, task..<task + 1)
                }
            }
            if let open = run { assign(entry.shape, open.tasks, open.node) }
        }
        return left
    }

    /// - Parameter left: by entry, the tasks that are left; nil = all of them.
    private mutating func placeRest(_ entries: [JointBatch.Entry], left: [Int: [UInt32]]?) {
        for (place, entry) in entries.enumerated() {
            let ranges = left.map { Self.ranges(of: $0[place] ?? []) } ?? [entry.tasks]
            let queue = RangeQueue(ranges), range = problem.waiting[entry.range]
            guard queue.count > 0 else { continue }
            started(give(entry.shape, queue, pool.bars(range.avoiding)) - queue.count, range)
        }
    }

    private static func ranges(of numbers: [UInt32]) -> [Range<UInt32>] {
        var ranges: [Range<UInt32>] = []
        for number in numbers {
            if let last = ranges.last, last.upperBound == number {
                ranges[ranges.count - 1] = last.lowerBound..<number + 1
            } else {
                ranges.append(number..<number + 1)
            }
        }
        return ranges
    }
}
