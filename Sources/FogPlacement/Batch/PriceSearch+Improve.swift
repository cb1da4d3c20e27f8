/// Local improvement of a placement, one job after another.
extension PriceSearch {
    /// What a job adds there as things stand: its own cost and what it does to the variance.
    @inline(__always) func marginal(_ job: Int, _ node: Int, _ plain: Float, _ use: Float, _ mean: Float) -> Float {
        let share = bench.share(job, on: node)
        return plain + direction.variance * share * (2 * (use - mean) + share)
    }

    var meanUse: Float { Float(bench.sums.use / Double(data.nodeCount)) }

    /// Moves one job after another to where it costs least as things stand, or into the place of another that finds a
    /// good one too, until a round changes little.
    mutating func improve(rounds: Int, reach: (own: Int, other: Int)) {
        for _ in 0..<rounds {
            var moves = 0
            for entry in data.problem.order where improve(Int(entry), reach) { moves += 1 }
            if moves * 1000 <= data.problem.placeableCount { break }
        }
    }

    /// Whether the job found a better place.
    mutating func improve(_ job: Int, _ reach: (own: Int, other: Int)) -> Bool {
        let old = Int(bench.assignment[job]), base = job * width, end = base + Int(counts[job])
        var present = penalty(job)
        if old >= 0 {
            bench.take(job)
            present = marginal(job, old, plainCost(job, old), bench.use[old], meanUse)
        }
        let mean = meanUse
        var least = present - abs(present) * 1e-5, chosen = old
        for place in base..<end {
            let node = Int(lists[place])
            guard node != old, bench.fits(job, on: node) else { continue }
            let cost = marginal(job, node, costs[place], bench.use[node], mean)
            if cost < least { (least, chosen) = (cost, node) }
        }
        work += end - base
        if chosen >= 0 { bench.put(job, on: chosen) }
        if chosen != old { return true }
        return swap(job, old, present, reach)
    }

    /// Takes the place of another job, which goes to the old node or to another of its own list.
    ///
    /// A job that is nowhere looks at all its candidates: what it costs to leave it out is worth a longer search.
    private mutating func swap(_ job: Int, _ old: Int, _ present: Float, _ reach: (own: Int, other: Int)) -> Bool {
        let request = data.requests[job], mean = meanUse
        let oldShare = old >= 0 ? bench.share(job, on: old) : 0
        var gain: Float = abs(present) * 1e-4, found: (node: Int, other: Int, target: Int)?
        var looked = 0
        func look(_ node: Int, _ plain: Float, _ depth: Int) {
            var other = Int(bench.head[node])
            while other >= 0 {
                defer { other = Int(bench.next[other]) }
                guard all(request .<= bench.free[node] &+ data.requests[other]) else { continue }
                let use = bench.use[node] - bench.share(other, on: node)
                let leaves = marginal(other, node, plainCost(other, node), use, mean)
                let better = present - marginal(job, node, plain, use, mean) + leaves
                guard better > gain else { continue }
                let otherBase = other * width
                looked += 1
                // The other may be worth less than the place it takes.
                let out = better - penalty(other)
                if out > gain { (gain, found) = (out, (node, other, -1)) }
                for position in otherBase..<otherBase + min(Int(counts[other]), depth) {
                    looked += 1
                    let target = Int(lists[position])
                    guard target != node, better - costs[position] > gain else { continue }
                    var targetUse = bench.use[target]
                    if target == old {
                        guard all(data.requests[other] .<= bench.free[old] &+ request) else { continue }
                        targetUse -= oldShare
                    } else if !bench.fits(other, on: target) {
                        continue
                    }
                    let gained = better - marginal(other, target, costs[position], targetUse, mean)
                    if gained > gain { (gain, found) = (gained, (node, other, target)) }
                }
            }
        }
        if old >= 0 {
            let base = job * width
            for place in base..<base + min(Int(counts[job]), reach.own) where costs[place] < present {
                let node = Int(lists[place])
                if node != old { look(node, costs[place], reach.other) }
            }
        } else {
            for entry in data.problem.candidates(of: job) { look(Int(entry), plainCost(job, Int(entry)), width) }
            work += data.problem.candidates(of: job).count
        }
        work += looked
        guard let found else { return false }
        if old >= 0 { bench.take(job) }
        bench.take(found.other)
        bench.put(job, on: found.node)
        if found.target >= 0 { bench.put(found.other, on: found.target) }
        return true
    }
}
