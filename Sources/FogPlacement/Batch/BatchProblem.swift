/// A batch made ready for the search: which nodes may take which job, and what it is worth there, in flat arrays.
///
/// Five objectives, all to be small: weighted response time in seconds, variance of the nodes' utilisation, weighted
/// distrust, running cost and market price of a job. Jobs that no node can take are in none of them; a job that could be
/// placed and is not counts twice its worst.
package final class BatchProblem: Sendable {
    package typealias Amounts4 = BatchInstance.Amounts4

    package static let objectives = ["latency_s", "load_variance", "distrust", "cost", "price"]

    package let instance: BatchInstance
    /// What a node has left.
    package let free: [Amounts4]
    /// The candidates of job i are `candidates[starts[i]..<starts[i + 1]]`, rising.
    package let starts: [Int]
    package let candidates: [Int32]
    /// For jobs without candidates.
    package let reasons: [Int: BatchReason]
    /// Placeable jobs: urgent before important before standard, then those whose demand few nodes can meet.
    package let order: [Int32]
    /// The weights of all placeable jobs.
    package let weightSum: Double
    package let exact: BatchExact

    package var jobCount: Int { instance.jobs.count }
    package var nodeCount: Int { instance.nodes.count }
    package var placeableCount: Int { order.count }

    package func candidates(of job: Int) -> ArraySlice<Int32> { candidates[starts[job]..<starts[job + 1]] }

    /// Whether the node is a candidate of the job.
    package func admits(_ job: Int, _ node: Int) -> Bool {
        var low = starts[job], high = starts[job + 1]
        while low < high {
            let middle = (low + high) / 2
            if candidates[middle] < Int32(node) { low = middle + 1 } else { high = middle }
        }
        return low < starts[job + 1] && candidates[low] == Int32(node)
    }

    package convenience init(_ instance: BatchInstance, workers: Int = 1) {
        let free = instance.nodes.map { $0.capacity &- $0.used }
        let exact = BatchExact(instance)
        let lists = Parallel.map(instance.jobs.count, workers: workers) { job in
            BatchChecks.candidates(of: job, instance, exact, free)
        }
        var reasons: [Int: BatchReason] = [:]
        for job in instance.jobs.indices where lists[job].isEmpty {
            reasons[job] = BatchChecks.reason(of: job, instance, exact, free)
        }
        self.init(instance, candidates: lists, reasons: reasons)
    }

    /// With candidates that were found elsewhere, rising by node.
    init(_ instance: BatchInstance, candidates lists: [[Int32]], reasons: [Int: BatchReason] = [:]) {
        self.instance = instance
        free = instance.nodes.map { $0.capacity &- $0.used }
        self.reasons = reasons
        let exact = BatchExact(instance)
        var starts = [0], candidates: [Int32] = []
        candidates.reserveCapacity(lists.reduce(0) { $0 + $1.count })
        for list in lists {
            candidates += list
            starts.append(candidates.count)
        }
        self.starts = starts
        self.candidates = candidates
        let placeable = instance.jobs.indices.filter { !lists[$0].isEmpty }
        let scarcity = instance.jobs.indices.map { job in
            Double(instance.jobs[job].request[0]) / Double(1 + lists[job].count)
        }
        order = placeable.sorted { first, second in
            let left = instance.jobs[first].slaWeight, right = instance.jobs[second].slaWeight
            if left != right { return left > right }
            return (-scarcity[first], first) < (-scarcity[second], second)
        }.map { Int32($0) }
        weightSum = placeable.reduce(0) { $0 + instance.jobs[$1].slaWeight }
        self.exact = exact.priced(lists)
    }

    /// The five objectives, to the last digits that `Double` has. -1 = not placed.
    package func evaluate(_ assignment: [Int32]) -> [Double] {
        var response = 0.0, distrust = 0.0, cost = 0.0, price = 0.0, left = 0.0
        var used = instance.nodes.map { ($0.used[0], $0.used[1]) }
        for place in order {
            let job = Int(place), node = Int(assignment[job]), weight = instance.jobs[job].slaWeight
            if node >= 0 {
                response += weight * exact.response(job, node)
                distrust += weight * (1 - instance.nodes[node].trust)
                cost += exact.cost(job, node)
                price += exact.price(job, node)
                used[node].0 += instance.jobs[job].request[0]
                used[node].1 += instance.jobs[job].request[1]
            } else {
                let penalty = exact.penalties[job]
                response += weight * penalty.response
                cost += penalty.cost
                price += penalty.price
                left += weight
            }
        }
        let weights = max(weightSum, 1), count = Double(max(order.count, 1))
        let shares = zip(used, instance.nodes).map { used, node in
            0.5
                * (Double(used.0) / Double(max(1, node.capacity[0])) + Double(used.1) / Double(max(1, node.capacity[1])))
        }
        let mean = shares.reduce(0, +) / Double(shares.count)
        let variance = shares.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(shares.count)
        return [
            response / weights, variance + left / weights, (distrust + left) / weights, cost / count, price / count,
        ]
    }

    /// Whether each job is on a node that may take it and no node has more than it can hold.
    package func isFeasible(_ assignment: [Int32]) -> Bool {
        guard assignment.count == jobCount else { return false }
        var left = free
        for job in assignment.indices where assignment[job] != -1 {
            let node = assignment[job]
            guard node >= 0, node < nodeCount, admits(job, Int(node)) else { return false }
            left[Int(node)] &-= instance.jobs[job].request
            if any(left[Int(node)] .< .zero) { return false }
        }
        return true
    }
}
