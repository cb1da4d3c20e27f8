internal import FogCore

/// What a row of objectives counts when nodes are compared.
struct Measure {
    /// Nil = the knee: the distance from the best in everything, squared.
    let weights: SIMD8<Double>?
    private let low: SIMD8<Double>
    private let factors: SIMD8<Double>

    init(_ weights: ObjectiveWeights?, _ valuation: Valuation) {
        self.init(weights?.vector, valuation)
    }

    init(_ weights: SIMD8<Double>?, _ valuation: Valuation) {
        self.weights = weights
        low = valuation.low
        factors = valuation.factors(weights ?? SIMD8(repeating: 1))
    }

    @inline(__always) func cost(_ row: SIMD8<Double>) -> Double {
        let scaled = (row - low) * factors
        return weights == nil ? (scaled * scaled).sum() : scaled.sum()
    }
}

/// Like tasks given one by one to the node where one more counts least by all five objectives.
///
/// Four objectives are sums over tasks, and the fifth is convex in how many tasks a node has: with weights given, giving
/// one by one is the best of all placements of like tasks (Fox 1966; Ibaraki and Katoh 1988, chapter 4), up to how far
/// the nodes' mean utilisation moves meanwhile. Without weights each task gets the knee of what is left.
struct Spread {
    private struct Entry: Comparable {
        var cost: Double
        var place: Int32

        static func < (first: Entry, second: Entry) -> Bool { (first.cost, first.place) < (second.cost, second.place) }
    }

    let valuation: Valuation
    let measure: Measure
    private var heap: MinHeap<Entry>

    init(_ valuation: Valuation, _ measure: Measure, _ pool: NodePool) {
        self.valuation = valuation
        self.measure = measure
        heap = MinHeap(
            valuation.nodes.indices.map {
                Entry(cost: measure.cost(valuation.objectives($0, pool)), place: Int32($0))
            })
    }

    /// Other shapes fill nodes meanwhile, so that a cost may be out of date; it is set right when it comes up.
    mutating func give(
        _ count: Int, _ demand: Amounts, _ pool: inout NodePool, admits: (Int, NodePool) -> Bool
    ) -> [Grant] {
        var left = count
        var given: [Int32: Int] = [:]
        var aside: [Entry] = []
        while left > 0, let top = heap.first {
            let place = Int(top.place), entry = valuation.nodes[place], node = Int(entry)
            if pool.fit(node, demand) == 0 {
                heap.pop()
            } else if !admits(node, pool) {
                aside.append(top)
                heap.pop()
            } else {
                var cost = measure.cost(valuation.objectives(place, pool))
                if cost <= top.cost {
                    pool.take(node, demand, times: 1)
                    given[entry, default: 0] += 1
                    left -= 1
                    cost = measure.cost(valuation.objectives(place, pool))
                }
                heap.replaceFirst(Entry(cost: cost, place: top.place))
            }
        }
        for entry in aside { heap.push(entry) }
        return given.sorted { $0.key < $1.key }.map { Grant(node: Int($0.key), count: $0.value) }
    }

    // MARK: The front

    /// Each objective before all others, all alike, and the knee task by task.
    private static let tried: [SIMD8<Double>?] =
        [nil, ObjectiveWeights.even.vector]
        + (0..<5).map { axis in
            var weights = SIMD8<Double>(0.02, 0.02, 0.02, 0.02, 0.02, 0, 0, 0)
            weights[axis] = 0.92
            return weights
        }

    /// What spreading so many tasks by the wanted measure and by some others would come to, without giving any out: those
    /// of which none is better in everything, the wanted first.
    static func front(
        _ valuation: Valuation, _ wanted: Measure, _ demand: Amounts, _ pool: NodePool, count: Int
    ) -> [SIMD8<Double>] {
        let others = tried.filter { $0 != wanted.weights }.map { Measure($0, valuation) }
        var points: [SIMD8<Double>] = []
        for (index, measure) in ([wanted] + others).enumerated() {
            let point = outcome(valuation, measure, demand, pool, count)
            let isBeaten = points.contains { all($0 .<= point) }
            if index == 0 || !isBeaten { points.append(point) }
        }
        return points
    }

    /// Means over the tasks; of the second objective, over the nodes.
    private static func outcome(
        _ valuation: Valuation, _ measure: Measure, _ demand: Amounts, _ pool: NodePool, _ count: Int
    ) -> SIMD8<Double> {
        var uses = valuation.nodes.map { Valuation.use(of: Int($0), pool) }
        var fits = valuation.nodes.map { pool.fit(Int($0), demand) }
        func row(_ place: Int) -> SIMD8<Double> {
            var row = valuation.fixed[place]
            row[1] = Valuation.uneven(valuation.shares[place], at: uses[place], valuation.mean)
            return row
        }
        var heap = MinHeap(
            valuation.nodes.indices.map { Entry(cost: measure.cost(row($0)), place: Int32($0)) })
        var total = SIMD8<Double>.zero, left = count
        while left > 0, let top = heap.first {
            let place = Int(top.place)
            guard fits[place] > 0 else {
                heap.pop()
                continue
            }
            total += row(place)
            fits[place] -= 1
            uses[place] += valuation.shares[place]
            left -= 1
            heap.replaceFirst(Entry(cost: measure.cost(row(place)), place: top.place))
        }
        var means = total / Double(max(1, count - left))
        means[1] = total[1] / Double(max(1, pool.count))
        return means
    }
}
