/// The fourteen checks that a node must pass for a job.
enum BatchChecks {
    static func candidates(
        of job: Int, _ instance: BatchInstance, _ exact: BatchExact, _ free: [SIMD4<Int32>]
    ) -> [Int32] {
        let wanted = instance.jobs[job]
        var isExcluded: Set<Int> = []
        for node in wanted.excluded { isExcluded.insert(node) }
        var list: [Int32] = []
        for node in instance.nodes.indices {
            // The cheapest and most often failing first; the order does not change the answer.
            if any(wanted.request .> free[node]) { continue }
            let place = instance.nodes[node]
            if place.tier < wanted.minTier || place.trust < wanted.minTrust { continue }
            guard passes(.region, job, node, instance, exact), passes(.latency, job, node, instance, exact),
                passes(.bid, job, node, instance, exact), passes(.price, job, node, instance, exact),
                !isExcluded.contains(node), passes(.deadline, job, node, instance, exact),
                passes(.availability, job, node, instance, exact), passes(.cost, job, node, instance, exact)
            else { continue }
            list.append(Int32(node))
        }
        return list
    }

    /// The first check that no node passes.
    static func reason(
        of job: Int, _ instance: BatchInstance, _ exact: BatchExact, _ free: [SIMD4<Int32>]
    ) -> BatchReason {
        let wanted = instance.jobs[job]
        for reason in BatchReason.allCases where reason != .combination {
            let isPassed = instance.nodes.indices.contains { node in
                switch reason {
                case .cpu: wanted.request[0] <= free[node][0]
                case .memory: wanted.request[1] <= free[node][1]
                case .disk: wanted.request[2] <= free[node][2]
                case .gpu: wanted.request[3] <= free[node][3]
                default: passes(reason, job, node, instance, exact)
                }
            }
            if !isPassed { return reason }
        }
        return .combination
    }

    @inline(__always) private static func passes(
        _ reason: BatchReason, _ job: Int, _ node: Int, _ instance: BatchInstance, _ exact: BatchExact
    ) -> Bool {
        let wanted = instance.jobs[job], place = instance.nodes[node]
        switch reason {
        case .cpu, .memory, .disk, .gpu, .combination: return true
        case .region: return wanted.regionMask == 0 || wanted.regionMask >> UInt64(place.region) & 1 == 1
        case .tier: return place.tier >= wanted.minTier
        case .trust: return place.trust >= wanted.minTrust
        case .latency:
            return wanted.maxLatencyMilliseconds == 0 || place.latencyMilliseconds <= wanted.maxLatencyMilliseconds
        case .deadline: return wanted.deadlineSeconds == 0 || exact.response(job, node) <= wanted.deadlineSeconds
        case .availability:
            return !wanted.needsAvailability || exact.response(job, node) <= place.availabilitySeconds
        case .cost: return wanted.maxCost == 0 || exact.cost(job, node) <= wanted.maxCost
        case .price: return wanted.maxPrice == 0 || exact.ask(job, node) <= wanted.maxPrice
        case .bid: return exact.ask(job, node) > 0
        case .excluded: return !wanted.excluded.contains(node)
        }
    }
}
