/// What is to happen in virtual time, the earliest first; what comes at one time, in the order of its making.
package struct EventQueue<Time: Comparable, Event> {
    private struct Item {
        let at: Time
        let order: Int
        let event: Event
    }

    private var heap: [Item] = []
    private var order = 0

    package init() {}

    package mutating func push(_ event: Event, at time: Time) {
        order += 1
        heap.append(Item(at: time, order: order, event: event))
        var place = heap.count - 1
        while place > 0, isBefore(place, (place - 1) / 2) {
            heap.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    package mutating func pop() -> (at: Time, event: Event)? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        guard !heap.isEmpty else { return (first.at, first.event) }
        heap[0] = last
        var place = 0
        while true {
            var child = 2 * place + 1
            if child + 1 < heap.count, isBefore(child + 1, child) { child += 1 }
            guard child < heap.count, isBefore(child, place) else { return (first.at, first.event) }
            heap.swapAt(place, child)
            place = child
        }
    }

    private func isBefore(_ first: Int, _ second: Int) -> Bool {
        (heap[first].at, heap[first].order) < (heap[second].at, heap[second].order)
    }
}
