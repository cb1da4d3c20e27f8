internal import FogCore

/// Tasks given to one node.
struct Grant {
    var node: Int
    var count: Int
}

/// Nodes in the order of a strategy, without those that are full.
///
/// Capacity only shrinks during a tick, so a full node is removed for good: `next` leads past removed positions with
/// path compression (Tarjan 1975), which keeps a whole tick nearly linear however many ranges ask.
struct NodeOrder {
    let nodes: [Int32]
    /// `next[p] == p` for a position that stands, else some later one; the last entry is the end.
    private var next: [Int32]
    /// Where the next turn starts, for orders that keep their own.
    private var cursor = 0

    init(_ nodes: [Int32]) {
        self.nodes = nodes
        next = Array(0...Int32(nodes.count))
    }

    private mutating func standing(from position: Int) -> Int {
        var end = position
        while Int(next[end]) != end { end = Int(next[end]) }
        var walk = position
        while Int(next[walk]) != end, walk != end { (walk, next[walk]) = (Int(next[walk]), Int32(end)) }
        return end
    }

    private mutating func remove(_ position: Int) { next[position] = Int32(position + 1) }

    /// Fills node after node.
    mutating func pack(
        _ count: Int, _ demand: Amounts, _ pool: inout NodePool, admits: (Int, NodePool) -> Bool
    ) -> [Grant] {
        var grants: [Grant] = []
        var left = count
        var position = standing(from: 0)
        while left > 0, position < nodes.count {
            let node = Int(nodes[position])
            if admits(node, pool) {
                let fit = pool.fit(node, demand), taken = min(fit, left)
                if taken > 0 {
                    pool.take(node, demand, times: taken)
                    grants.append(Grant(node: node, count: taken))
                    left -= taken
                }
                if taken == fit { remove(position) }
            }
            position = standing(from: position + 1)
        }
        return grants
    }

    /// Gives each node one in turn, as often as there are tasks: whole rounds at once where many are left.
    mutating func rotate(
        _ count: Int, _ demand: Amounts, _ pool: inout NodePool, admits: (Int, NodePool) -> Bool
    ) -> [Grant] {
        let start = cursor
        var given: [(turn: Int, count: Int)] = []
        var left = count, share = 1
        while left > 0 {
            var takers = 0, wrapped = false
            let before = left
            var position = standing(from: start)
            while left > 0 {
                if position >= nodes.count {
                    if wrapped { break }
                    wrapped = true
                    position = standing(from: 0)
                    continue
                }
                if wrapped, position >= start { break }
                let node = Int(nodes[position])
                if admits(node, pool) {
                    let fit = pool.fit(node, demand), taken = min(fit, share, left)
                    if taken > 0 {
                        pool.take(node, demand, times: taken)
                        given.append((position >= start ? position - start : position - start + nodes.count, taken))
                        left -= taken
                        cursor = position + 1
                    }
                    if taken == fit { remove(position) } else { takers += 1 }
                }
                position = standing(from: position + 1)
            }
            if left == before { break }
            // The first round has counted who still has room; whole rounds among those follow.
            share = max(1, left / max(1, takers))
        }
        if cursor >= nodes.count { cursor = 0 }
        return merged(given, start)
    }

    /// Starts the next turn at the first node that comes at or after the given one, in an order by id.
    mutating func turn(to node: Int) {
        var low = 0, high = nodes.count
        while low < high {
            let middle = (low + high) / 2
            if Int(nodes[middle]) < node { low = middle + 1 } else { high = middle }
        }
        cursor = low == nodes.count ? 0 : low
    }

    /// The node whose turn was last; nil before the first.
    var lastInTurn: Int? {
        nodes.isEmpty ? nil : Int(nodes[(cursor + nodes.count - 1) % nodes.count])
    }

    private func merged(_ given: [(turn: Int, count: Int)], _ start: Int) -> [Grant] {
        var grants: [Grant] = []
        var last = -1
        for (turn, count) in given.sorted(by: { $0.turn < $1.turn }) {
            if turn == last {
                grants[grants.count - 1].count += count
            } else {
                grants.append(Grant(node: Int(nodes[(turn + start) % nodes.count]), count: count))
                last = turn
            }
        }
        return grants
    }
}
