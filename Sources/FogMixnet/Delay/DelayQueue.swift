/// Packets that wait for their departure: a heap by time, in memory that is there from the start.
///
/// Each leaves at its own time, whatever came with it. When it is full the newest is dropped: dropping an old one would
/// tell an attacker, who fills the queue, when others' packets came.
package struct DelayQueue<Element> {
    package let limit: Int
    private var heap: [(due: Int64, order: UInt64, element: Element)] = []
    private var order: UInt64 = 0

    package init(limit: Int = 10_000) {
        self.limit = limit
        heap.reserveCapacity(limit)
    }

    package var count: Int { heap.count }
    package var isFull: Bool { heap.count >= limit }

    /// When the next is due, in nanoseconds.
    package var next: Int64? { heap.first?.due }

    /// Whether there was room.
    package mutating func push(_ element: Element, due: Int64) -> Bool {
        guard heap.count < limit else { return false }
        order &+= 1
        heap.append((due, order, element))
        var child = heap.count - 1
        while child > 0, precedes(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
        return true
    }

    /// One that is due, the earliest first.
    package mutating func pop(at now: Int64) -> Element? {
        guard let first = heap.first, first.due <= now else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, precedes(child + 1, child) { child += 1 }
            guard precedes(child, parent) else { break }
            heap.swapAt(child, parent)
            parent = child
        }
        return first.element
    }

    private func precedes(_ first: Int, _ second: Int) -> Bool {
        (heap[first].due, heap[first].order) < (heap[second].due, heap[second].order)
    }
}
