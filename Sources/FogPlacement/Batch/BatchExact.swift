/// What a job costs on a node, reckoned in the order of the stored form's definition, so that bounds compare exactly.
package struct BatchExact: Sendable {
    /// What a job counts when it is left out: twice its worst candidate.
    package struct Penalty: Sendable {
        package var response = 0.0
        package var cost = 0.0
        package var price = 0.0
    }

    private let instance: BatchInstance
    let cores: [Double]
    let gibibytes: [Double]
    package private(set) var penalties: [Penalty]

    init(_ instance: BatchInstance) {
        self.instance = instance
        cores = instance.jobs.map { Double($0.request[0]) / 1000 }
        gibibytes = instance.jobs.map { Double($0.request[1]) / 1024 }
        penalties = Array(repeating: Penalty(), count: instance.jobs.count)
    }

    func priced(_ lists: [[Int32]]) -> BatchExact {
        var priced = self
        for (job, list) in lists.enumerated() {
            for node in list {
                priced.penalties[job].response = max(priced.penalties[job].response, 2 * response(job, Int(node)))
                priced.penalties[job].cost = max(priced.penalties[job].cost, 2 * cost(job, Int(node)))
                priced.penalties[job].price = max(priced.penalties[job].price, 2 * price(job, Int(node)))
            }
        }
        return priced
    }

    /// Seconds that the job runs there.
    @inline(__always) func execution(_ job: Int, _ node: Int) -> Double {
        instance.jobs[job].workCoreSeconds / (cores[job] * instance.nodes[node].speed)
    }

    /// Seconds until the result: way, transfer and execution.
    @inline(__always) package func response(_ job: Int, _ node: Int) -> Double {
        let place = instance.nodes[node]
        let transfer = instance.jobs[job].inputMebibytes * 8 / place.megabitsPerSecond
        return place.latencyMilliseconds / 1000 + transfer + execution(job, node)
    }

    /// What it costs the node's owner.
    @inline(__always) package func cost(_ job: Int, _ node: Int) -> Double {
        let place = instance.nodes[node]
        return (place.coreCost * cores[job] + place.memoryCost * gibibytes[job]) * (execution(job, node) / 3600)
    }

    /// What the owner asks for it.
    @inline(__always) package func price(_ job: Int, _ node: Int) -> Double {
        ask(job, node) * cores[job] * (execution(job, node) / 3600)
    }

    @inline(__always) func ask(_ job: Int, _ node: Int) -> Double {
        instance.nodes[node].asks[instance.jobs[job].bid.rawValue]
    }
}
