internal import FogCore
internal import Glibc

/// Longer improvement of one placement.
extension PriceSearch {
    /// What the placement is worth in the direction: the smaller, the better.
    var value: Double {
        let sums = bench.sums
        let separable =
            Double(direction.response) * sums.response + Double(direction.distrust) * sums.distrust
            + Double(direction.cost) * sums.cost + Double(direction.price) * sums.price
        let variance = sums.square - sums.use * sums.use / Double(data.nodeCount)
        return separable + Double(direction.left) * sums.left + Double(direction.variance) * variance
    }

    /// Ruin and recreate (Schrimpf et al. 2000; Christiaens and Vanden Berghe 2020): clears a few nodes that the same jobs
    /// want, puts their jobs and some that are nowhere back in another order, and goes on from there as simulated
    /// annealing has it, until about that much work is done.
    /// - Parameter heat: of what a job is worth on average, how much worse a change may be at first.
    mutating func polish(
        work most: Int, heat share: Double, reach: (own: Int, other: Int), _ ends: () -> Bool,
        using generator: inout SeededGenerator
    ) {
        improve(rounds: 30, reach: reach)
        let order = data.problem.order
        var best = bench.assignment, least = value, present = least
        let start = work
        // Heat is for those who have time to cool down: with few tries a job it would only do harm.
        let listed = order.reduce(0) { $0 + Int(counts[Int($1)]) }
        let tries = Double(most) / (8 * Double(max(1, listed)))
        let hottest = share * min(1, tries / 100) * abs(least) / Double(order.count)
        var undo: [(job: Int32, node: Int32)] = []
        var round = 0
        while work - start < most {
            round += 1
            if round.isMultiple(of: 256), ends() { break }
            let heat = hottest * pow(0.004, Double(work - start) / Double(most))
            ruin(&undo, using: &generator)
            recreate(undo, using: &generator)
            let reached = value
            if reached < present - heat * log(max(generator.unit(), 1e-12)) {
                present = reached
                if reached < least - 1e-9 * abs(least) { (best, least) = (bench.assignment, reached) }
            } else {
                for (job, _) in undo where bench.assignment[Int(job)] >= 0 { bench.take(Int(job)) }
                for (job, node) in undo where node >= 0 { bench.put(Int(job), on: Int(node)) }
            }
        }
        bench.load(best)
        improve(rounds: 4, reach: reach)
    }

    private mutating func ruin(_ undo: inout [(job: Int32, node: Int32)], using generator: inout SeededGenerator) {
        let order = data.problem.order
        undo.removeAll(keepingCapacity: true)
        let centre = Int(order[generator.below(order.count)]), base = centre * width
        let most = 3 + generator.below(10)
        func note(_ job: Int, _ node: Int) {
            undo.append((Int32(job), Int32(node)))
        }
        if bench.assignment[centre] < 0 { note(centre, -1) }
        var node = Int(bench.assignment[centre])
        var tries = 0
        while undo.count < most, tries < 6 {
            tries += 1
            while node >= 0, undo.count < most, bench.head[node] >= 0 {
                let job = Int(bench.head[node])
                bench.take(job)
                note(job, node)
            }
            if counts[centre] > 0 { node = Int(lists[base + generator.below(Int(counts[centre]))]) }
        }
        // Some that are nowhere get their chance.
        if bench.sums.left > 0 {
            for _ in 0..<12 {
                let job = Int(order[generator.below(order.count)])
                if bench.assignment[job] < 0, !undo.contains(where: { $0.job == Int32(job) }) { note(job, -1) }
            }
        }
    }

    private mutating func recreate(
        _ undo: [(job: Int32, node: Int32)], using generator: inout SeededGenerator
    ) {
        var jobs = undo.map { Int($0.job) }
        switch generator.below(3) {
        case 0: jobs.shuffle(using: &generator)
        case 1: jobs.sort { data.demands[$0][0] > data.demands[$1][0] }
        default: jobs.sort { penalty($0) > penalty($1) }
        }
        for job in jobs {
            let base = job * width, mean = meanUse
            var least = penalty(job), chosen = -1
            for place in base..<base + Int(counts[job]) {
                let node = Int(lists[place])
                guard bench.fits(job, on: node) else { continue }
                let cost = marginal(job, node, costs[place], bench.use[node], mean)
                // Now and then the best is overlooked, so that the next best has its turn.
                if cost < least, generator.next() & 63 != 0 { (least, chosen) = (cost, node) }
            }
            work += Int(counts[job])
            if chosen >= 0 { bench.put(job, on: chosen) }
        }
    }
}
