internal import FogCore

/// Nodes by how full they would be with one more task, the emptiest first.
///
/// Other shapes fill nodes meanwhile, so a key may be too low, never too high; it is set right when it comes up.
struct LoadHeap {
    /// Loads count in 65536ths of a node: with ``Amounts/maxBytes`` a product stays below 2^63.
    static let scale: Int64 = 1 << 16

    private struct Entry: Comparable {
        var load: Int64
        var node: Int32

        static func < (first: Entry, second: Entry) -> Bool { (first.load, first.node) < (second.load, second.node) }
    }

    private var heap: MinHeap<Entry>

    init(_ nodes: [Int32], _ demand: Amounts, _ pool: NodePool) {
        heap = MinHeap(nodes.map { Entry(load: Self.load(of: Int($0), with: 1, demand, pool), node: $0) })
    }

    /// The fullest of cpu, memory and slots after that many more tasks.
    static func load(of node: Int, with count: Int, _ demand: Amounts, _ pool: NodePool) -> Int64 {
        let total = pool.capacities[node], free = pool.free[node], more = Int64(count)
        func share(_ total: Int64, _ free: Int64, _ wanted: Int64) -> Int64 {
            total > 0 ? (total - free + wanted * more) * scale / total : 0
        }
        return max(
            share(total.cpu, free.cpu, demand.cpu), share(total.memory, free.memory, demand.memory),
            share(total.slots, free.slots, 1))
    }

    /// How many more tasks the node can take with its load at or below the level: the inverse of `load`.
    static func room(of node: Int, below level: Int64, _ demand: Amounts, _ pool: NodePool) -> Int {
        let total = pool.capacities[node], free = pool.free[node]
        var count = pool.fit(node, demand)
        func limit(_ total: Int64, _ free: Int64, _ wanted: Int64) {
            guard total > 0, wanted > 0 else { return }
            let used = total - free
            count = min(count, Int(max(0, (((level + 1) * total - 1) / scale - used) / wanted)))
        }
        limit(total.cpu, free.cpu, demand.cpu)
        limit(total.memory, free.memory, demand.memory)
        limit(total.slots, free.slots, 1)
        return count
    }

    /// Gives tasks one by one to the node that is emptiest with it, by levels at once where many are left.
    mutating func give(
        _ count: Int, _ demand: Amounts, _ pool: inout NodePool, admits: (Int, NodePool) -> Bool
    ) -> [Grant] {
        var left = count
        var given: [Int32: Int] = [:]
        if left > heap.count { flood(&left, demand, &pool, &given, admits: admits) }
        var aside: [Entry] = []
        while left > 0, let top = heap.first {
            let node = Int(top.node)
            if pool.fit(node, demand) == 0 {
                heap.pop()
            } else if !admits(node, pool) {
                aside.append(top)
                heap.pop()
            } else {
                if Self.load(of: node, with: 1, demand, pool) == top.load {
                    pool.take(node, demand, times: 1)
                    given[top.node, default: 0] += 1
                    left -= 1
                }
                heap.replaceFirst(Entry(load: Self.load(of: node, with: 1, demand, pool), node: top.node))
            }
        }
        for entry in aside { heap.push(entry) }
        return given.sorted { $0.key < $1.key }.map { Grant(node: Int($0.key), count: $0.value) }
    }

    /// Raises all nodes to the highest level that the tasks suffice for: the same as giving them one by one, since a
    /// node's load only rises.
    private mutating func flood(
        _ left: inout Int, _ demand: Amounts, _ pool: inout NodePool, _ given: inout [Int32: Int],
        admits: (Int, NodePool) -> Bool
    ) {
        let open = heap.all.map { Int($0.node) }.filter { admits($0, pool) }
        var low: Int64 = -1, high = Self.scale
        while low < high {
            let middle = low + (high - low + 1) / 2
            var sum = 0
            for node in open where sum <= left { sum += Self.room(of: node, below: middle, demand, pool) }
            if sum <= left { low = middle } else { high = middle - 1 }
        }
        for node in open {
            let taken = Self.room(of: node, below: low, demand, pool)
            guard taken > 0 else { continue }
            pool.take(node, demand, times: taken)
            given[Int32(node), default: 0] += taken
            left -= taken
        }
        heap = MinHeap(
            heap.all.filter { pool.fit(Int($0.node), demand) > 0 }.map {
                Entry(load: Self.load(of: Int($0.node), with: 1, demand, pool), node: $0.node)
            })
    }
}
