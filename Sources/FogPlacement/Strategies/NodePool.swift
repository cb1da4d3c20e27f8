internal import FogCore

/// The nodes of one tick, in the order of their ids, with what is left of each while tasks are given out.
struct NodePool {
    private(set) var nodes: [NodeRecord]
    private(set) var totals: [Amounts]
    /// The totals with what may be given ahead of time.
    private(set) var capacities: [Amounts]
    private(set) var free: [Amounts]
    /// The owner of each node, as a number.
    private(set) var owners: [Int32]
    private(set) var nodesOfOwner: [[Int32]]
    private let ownerNumber: [String: Int32]
    private let indexOfNode: [NodeID: Int32]
    private let meeting: [Requirement: [Bool]]

    /// - Parameter shapes: whose requirements will be asked for. Each different one is judged once for all nodes:
    ///   comparing versions is two thirds of judging a node, and shapes tend to want the same.
    init(_ records: [NodeRecord], for shapes: [TaskShape]) {
        var index: [NodeID: Int32] = [:], sorted: [NodeRecord] = []
        var seen: Set<NodeID> = []
        for record in records where seen.insert(record.id).inserted { sorted.append(record) }
        sorted.sort { $0.id < $1.id }
        var number: [String: Int32] = [:], ofOwner: [[Int32]] = []
        owners = sorted.indices.map { position in
            index[sorted[position].id] = Int32(position)
            let owner = number[sorted[position].owner] ?? Int32(ofOwner.count)
            if Int(owner) == ofOwner.count {
                number[sorted[position].owner] = owner
                ofOwner.append([])
            }
            ofOwner[Int(owner)].append(Int32(position))
            return owner
        }
        nodes = sorted
        totals = sorted.map { Amounts(totalOf: $0) }
        capacities = zip(sorted, totals).map { $1.ahead($0) }
        free = zip(sorted, capacities).map { Amounts(freeOf: $0, total: $1) }
        (ownerNumber, indexOfNode, nodesOfOwner) = (number, index, ofOwner)
        meeting = Set(shapes.flatMap(\.constraints.requires)).reduce(into: [:]) { table, requirement in
            table[requirement] = sorted.map { requirement.holds(for: $0.report, owner: $0.owner) }
        }
    }

    var count: Int { nodes.count }

    func site(_ node: Int) -> Feasibility.Site {
        Feasibility.Site(node: nodes[node], total: totals[node], free: free[node])
    }

    /// For each requirement of the shape, whether each node meets it.
    func meeting(_ shape: TaskShape) -> [[Bool]] {
        shape.constraints.requires.map { requirement in
            meeting[requirement] ?? nodes.map { requirement.holds(for: $0.report, owner: $0.owner) }
        }
    }

    func index(of id: NodeID) -> Int? { indexOfNode[id].map { Int($0) } }

    /// How many tasks of the demand the node can still take.
    func fit(_ node: Int, _ demand: Amounts) -> Int { free[node].fit(demand) }

    mutating func take(_ node: Int, _ demand: Amounts, times: Int) {
        free[node].take(demand, times: times)
    }

    func bars(_ avoiding: Avoidance) -> Bars {
        guard !avoiding.isEmpty else { return Bars() }
        return Bars(
            nodes: avoiding.failedOn.compactMap { indexOfNode[$0] },
            owners: Array(Set(avoiding.copiesHeldBy.compactMap { ownerNumber[$0] })).sorted())
    }
}

/// An ``Avoidance`` by the numbers of a pool. Short lists: a task fails on few nodes and has few copies.
struct Bars: Hashable {
    var nodes: [Int32] = []
    var owners: [Int32] = []
    /// Strangers can never finish the task, since there are fewer owners than copies; only trusted nodes can.
    var onlyTrusted = false

    var isEmpty: Bool { nodes.isEmpty && owners.isEmpty && !onlyTrusted }

    func admit(_ node: Int, in pool: NodePool, for shape: TaskShape) -> Bool {
        if isEmpty { return true }
        return !nodes.contains(Int32(node)) && !owners.contains(pool.owners[node])
            && (!onlyTrusted || shape.trusts(pool.nodes[node]))
    }

    func barred(_ node: Int, in pool: NodePool) -> Feasibility.Barred {
        var barred = Feasibility.Barred()
        barred.triedBefore = nodes.contains(Int32(node))
        barred.ownerHasCopy = owners.contains(pool.owners[node])
        return barred
    }

    /// Every node that is named by one of the lists, once.
    func touched(in pool: NodePool) -> [Int] {
        guard !isEmpty else { return [] }
        if onlyTrusted { return Array(0..<pool.count) }
        return Set(nodes + owners.flatMap { pool.nodesOfOwner[Int($0)] }).sorted().map { Int($0) }
    }
}
