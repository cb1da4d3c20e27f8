internal import FogCore

/// Placements out of any genome.
enum Repair {
    /// Puts each job where the genome wants it, in the order of service classes; those that do not fit any more, or may
    /// not be there at all, go to the cheapest node with room at the prices of the search, or stay out.
    static func load(_ genome: [Int32], _ search: inout PriceSearch) {
        search.bench.clear()
        var homeless: [Int] = []
        for entry in search.data.problem.order {
            let job = Int(entry), node = Int(genome[job])
            if node >= 0, search.data.problem.admits(job, node), search.bench.fits(job, on: node) {
                search.bench.put(job, on: node)
            } else {
                homeless.append(job)
            }
        }
        for job in homeless { search.home(job) }
    }

    /// A genome as a member of a front, by the same rule, all objectives counting alike.
    static func member(_ genome: [Int32], _ data: SearchData) -> FrontArchive.Member {
        let even = SIMD8<Double>(1, 1, 1, 1, 1, 0, 0, 0)
        let direction = Direction(even, ranges: SIMD8(repeating: 1), data)
        var search = PriceSearch(data, direction, width: 1)
        search.choose()
        load(genome, &search)
        return FrontArchive.Member(
            assignment: search.bench.assignment, objectives: data.objectives(search.bench.sums),
            weights: direction.weights, prices: search.prices, uses: search.bench.use)
    }

    /// Puts each job where the genome wants it, in the order of service classes, and those that do not fit any more, or
    /// want nothing, on any of their nodes that has room.
    static func bench(_ genome: [Int32], _ data: SearchData, using generator: inout SeededGenerator) -> Workbench {
        var bench = Workbench(data)
        let problem = data.problem
        var homeless: [Int] = []
        for entry in problem.order {
            let job = Int(entry), node = Int(genome[job])
            if node >= 0, problem.admits(job, node), bench.fits(job, on: node) {
                bench.put(job, on: node)
            } else {
                homeless.append(job)
            }
        }
        for job in homeless {
            let start = problem.starts[job], count = problem.starts[job + 1] - start
            var place = generator.below(count)
            for _ in 0..<count {
                let node = Int(problem.candidates[start + place])
                if bench.fits(job, on: node) {
                    bench.put(job, on: node)
                    break
                }
                place = place + 1 == count ? 0 : place + 1
            }
        }
        return bench
    }

    /// Each job on a node drawn from those that it may be on and that have room.
    static func random(_ data: SearchData, using generator: inout SeededGenerator) -> FrontArchive.Member {
        let bench = bench(Array(repeating: -1, count: data.jobs.count), data, using: &generator)
        let even = SIMD8<Double>(0.2, 0.2, 0.2, 0.2, 0.2, 0, 0, 0)
        return FrontArchive.Member(
            assignment: bench.assignment, objectives: data.objectives(bench.sums), weights: even,
            prices: Array(repeating: .zero, count: data.nodeCount), uses: bench.use)
    }

    /// Below every placement: each job at its best in each objective, as if it were alone.
    static func floor(_ data: SearchData) -> SIMD8<Double> {
        var sums = ObjectiveSums()
        for entry in data.problem.order {
            let job = Int(entry), line = data.jobs[job]
            var least = SIMD4<Float>(repeating: .infinity)
            for node in data.problem.candidates(of: job) {
                let place = data.nodes[Int(node)], hours = place.inverse * (1 / 3600)
                let response =
                    place.latency * line.weight + line.factors[1] * place.transfer + line.factors[2] * place.inverse
                let cost = (place.coreCost * line.factors[3] + place.memoryCost * line.factors[4]) * hours
                let price = place.asks[Int(line.bid)] * line.factors[3] * hours
                least = pointwiseMin(least, SIMD4(response, place.distrust * line.weight, cost, price))
            }
            sums.response += Double(least[0])
            sums.distrust += Double(least[1])
            sums.cost += Double(least[2])
            sums.price += Double(least[3])
        }
        return data.objectives(sums)
    }
}
