/// All good placements found: none dominates another, and what they cover together never shrinks.
struct FrontArchive {
    struct Member: Sendable {
        var assignment: [Int32]
        var objectives: SIMD8<Double>
        /// The direction in which it was found.
        var weights: SIMD8<Double>
        /// What nodes cost when it was.
        var prices: [SIMD4<Float>]
        /// How far each node is used.
        var uses: [Float]
        var cover: [UInt64] = []
    }

    let samples: CoverSamples
    let bound: Int
    private(set) var members: [Member] = []
    /// The best in each objective, whatever it covers.
    private(set) var champions: [Member] = []
    /// What all together cover.
    private(set) var covered: [UInt64]
    /// How often the frame was moved.
    private(set) var frames = 0
    /// The corner from which, and the lengths in which, volume is measured.
    private(set) var low: SIMD8<Double>
    private(set) var span: SIMD8<Double>

    /// - Parameter bound: how many are kept.
    init(_ samples: CoverSamples, low: SIMD8<Double>, high: SIMD8<Double>, bound: Int) {
        self.samples = samples
        self.bound = bound
        self.low = low
        span = Self.span(low, high)
        covered = Array(repeating: 0, count: samples.count / 64)
    }

    /// The reference point lies a tenth beyond the worst of the best placements in each objective.
    private static func span(_ low: SIMD8<Double>, _ high: SIMD8<Double>) -> SIMD8<Double> {
        var span = (high - low) * 1.1
        for place in 0..<8 where !(span[place] > 0) { span[place] = 1 }
        return span
    }

    /// From the best to the worst of the best placements in each objective.
    var ranges: SIMD8<Double> { span / 1.1 }

    /// Moves the corner down to the best that has been found, when that is a good deal better than the corner.
    mutating func reframe() {
        var best = low
        for member in champions { best = pointwiseMin(best, member.objectives) }
        guard any((low - best) .> 0.004 * span) else { return }
        span += (low - best) * 1.1
        low = best
        frames += 1
        covered = Array(repeating: 0, count: samples.count / 64)
        for index in members.indices {
            members[index].cover = samples.cover(scaled(members[index].objectives))
            Cover.add(members[index].cover, to: &covered)
        }
        for axis in champions.indices { champions[axis].cover = samples.cover(scaled(champions[axis].objectives)) }
    }

    func scaled(_ objectives: SIMD8<Double>) -> SIMD8<Float> { SIMD8<Float>((objectives - low) / span) }

    /// The part of the unit cube that is covered.
    var volume: Double { Double(Cover.count(covered)) / Double(samples.count) }

    /// Takes a placement unless another is as good in everything; returns how many samples it covers that none did.
    @discardableResult mutating func insert(_ candidate: Member) -> Int? {
        for member in members where Self.isCovered(candidate.objectives, by: member.objectives) { return nil }
        members.removeAll { Self.isCovered($0.objectives, by: candidate.objectives) }
        var candidate = candidate
        candidate.cover = samples.cover(scaled(candidate.objectives))
        if champions.isEmpty { champions = Array(repeating: candidate, count: CoverSamples.width) }
        for axis in champions.indices where candidate.objectives[axis] < champions[axis].objectives[axis] {
            champions[axis] = candidate
        }
        let gain = Cover.gain(candidate.cover, over: covered)
        members.append(candidate)
        Cover.add(candidate.cover, to: &covered)
        if members.count > bound { dropLeast() }
        return gain
    }

    /// All there is to choose from: the members, and those champions that are none any more.
    var pool: [Member] {
        var pool = members
        for champion in champions where !pool.contains(where: { $0.objectives == champion.objectives }) {
            pool.append(champion)
        }
        return pool
    }

    private static func isCovered(_ point: SIMD8<Double>, by other: SIMD8<Double>) -> Bool {
        all(other .<= point)
    }

    /// Drops the member whose samples the others cover best. The union shrinks by what it covered alone, which is never
    /// more than what the newest added.
    private mutating func dropLeast() {
        var once = [UInt64](repeating: 0, count: covered.count), twice = once
        for member in members {
            for place in once.indices {
                twice[place] |= once[place] & member.cover[place]
                once[place] |= member.cover[place]
            }
        }
        var worst = 0, least = Int.max
        for (index, member) in members.enumerated() {
            var own = 0
            for place in twice.indices { own += (member.cover[place] & ~twice[place]).nonzeroBitCount }
            if own < least { (least, worst) = (own, index) }
        }
        members.remove(at: worst)
        covered = Array(repeating: 0, count: covered.count)
        for member in members { Cover.add(member.cover, to: &covered) }
    }

    /// Of a pool those that together cover most, at most so many, the champions among them: the greedy choice, which is
    /// within 1 - 1/e of the best (Nemhauser, Wolsey and Fisher 1978).
    /// - Parameter covers: of each of the pool, by whatever samples.
    func best(_ count: Int, of pool: [Member], _ covers: [[UInt64]]) -> [Int] {
        guard pool.count > count else { return Array(pool.indices) }
        var chosen: [Int] = [], isChosen = [Bool](repeating: false, count: pool.count)
        var covered = [UInt64](repeating: 0, count: covers[0].count)
        func choose(_ index: Int) {
            chosen.append(index)
            isChosen[index] = true
            Cover.add(covers[index], to: &covered)
        }
        // Who wants one objective before all others finds the best of it in every front.
        for champion in champions where chosen.count < count {
            let index = pool.firstIndex { $0.objectives == champion.objectives }
            if let index, !isChosen[index] { choose(index) }
        }
        // A gain only falls as others are chosen: an old one bounds the new one.
        var gains = covers.map(Cover.count)
        while chosen.count < count {
            var pick = -1
            for index in covers.indices where !isChosen[index] && (pick < 0 || gains[index] > gains[pick]) {
                gains[index] = Cover.gain(covers[index], over: covered)
                if pick < 0 || gains[index] > gains[pick] { pick = index }
            }
            choose(pick)
        }
        return chosen
    }
}
