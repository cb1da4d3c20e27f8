internal import FogCore

/// The nodes of one tick, in the order of their ids, with what is left of each while tasks are given out.
struct NodePool {
    private(set) var nodes: [NodeRecord]
    private(set) var totals: [Amounts]
    /// The totals with what may be given ahead of time.
    private(set) var capacities: [Amounts]
    private(set) var free: [Amounts]
    /// The owner of each node, as a number; empty where nobody asks for owners.
    private let owners: [Int32]
    private(set) var nodesOfOwner: [[Int32]]
    private let ownerNumber: [String: Int32]
    private let meeting: [Requirement: [Bool]]

    /// - Parameters:
    ///   - shapes: whose requirements will be asked for. Each different one is judged once for all nodes: comparing
    ///     versions is two thirds of judging a node, and shapes tend to want the same.
    ///   - needsOwners: whether anything is to be kept from owners, or given to different ones.
    init(_ records: [NodeRecord], for shapes: [TaskShape], needsOwners: Bool = true) {
        let nodes = Self.sorted(records)
        var number: [String: Int32] = [:], ofOwner: [[Int32]] = [], owners: [Int32] = []
        for position in needsOwners ? nodes.indices : 0..<0 {
            let owner = number[nodes[position].owner] ?? Int32(ofOwner.count)
            if Int(owner) == ofOwner.count {
                number[nodes[position].owner] = owner
                ofOwner.append([])
            }
            ofOwner[Int(owner)].append(Int32(position))
            owners.append(owner)
        }
        self.nodes = nodes
        self.owners = owners
        (ownerNumber, nodesOfOwner) = (number, ofOwner)
        var totals: [Amounts] = [], capacities: [Amounts] = [], free: [Amounts] = []
        totals.reserveCapacity(nodes.count)
        capacities.reserveCapacity(nodes.count)
        free.reserveCapacity(nodes.count)
        nodes.withUnsafeBufferPointer { nodes in
            for place in nodes.indices {
                let total = Amounts(totalOf: nodes[place]), whole = total.ahead(nodes[place])
                totals.append(total)
                capacities.append(whole)
                free.append(Amounts(freeOf: nodes[place], total: whole))
            }
        }
        self.totals = totals
        self.capacities = capacities
        self.free = free
        meeting = Set(shapes.flatMap(\.constraints.requires)).reduce(into: [:]) { table, requirement in
            table[requirement] = nodes.map { requirement.holds(for: $0.report, owner: $0.owner) }
        }
    }

    /// By id, of two with one id the first; as they are where they are so already.
    private static func sorted(_ records: [NodeRecord]) -> [NodeRecord] {
        let isSorted = records.withUnsafeBufferPointer { records in
            records.indices.dropFirst().allSatisfy { records[$0 - 1].id < records[$0].id }
        }
        if isSorted { return records }
        var seen: Set<NodeID> = []
        return records.filter { seen.insert($0.id).inserted }.sorted { $0.id < $1.id }
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

    func index(of id: NodeID) -> Int? {
        var low = 0, high = nodes.count
        while low < high {
            let middle = (low + high) / 2
            if nodes[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low < nodes.count && nodes[low].id == id ? low : nil
    }

    /// -1 where nobody asks for owners.
    func owner(of node: Int) -> Int32 { owners.isEmpty ? -1 : owners[node] }

    /// How many tasks of the demand the node can still take.
    func fit(_ node: Int, _ demand: Amounts) -> Int { free[node].fit(demand) }

    mutating func take(_ node: Int, _ demand: Amounts, times: Int) {
        free[node].take(demand, times: times)
    }

    func bars(_ avoiding: Avoidance) -> Bars {
        guard !avoiding.isEmpty else { return Bars() }
        return Bars(
            nodes: avoiding.failedOn.compactMap { index(of: $0).map { Int32($0) } },
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
        return !nodes.contains(Int32(node)) && !owners.contains(pool.owner(of: node))
            && (!onlyTrusted || shape.trusts(pool.nodes[node]))
    }

    func barred(_ node: Int, in pool: NodePool) -> Feasibility.Barred {
        var barred = Feasibility.Barred()
        barred.triedBefore = nodes.contains(Int32(node))
        barred.ownerHasCopy = owners.contains(pool.owner(of: node))
        return barred
    }

    /// Every node that is named by one of the lists, once.
    func touched(in pool: NodePool) -> [Int] {
        guard !isEmpty else { return [] }
        if onlyTrusted { return Array(0..<pool.count) }
        return Set(nodes + owners.flatMap { pool.nodesOfOwner[Int($0)] }).sorted().map { Int($0) }
    }
}
