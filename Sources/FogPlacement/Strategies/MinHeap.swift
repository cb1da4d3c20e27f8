/// A binary heap (Williams 1964): the least first. Whoever changes the first calls ``sinkFirst()``.
struct MinHeap<Entry: Comparable> {
    private var entries: [Entry]

    init(_ entries: [Entry]) {
        self.entries = entries
        for parent in stride(from: entries.count / 2 - 1, through: 0, by: -1) { sink(parent) }
    }

    var first: Entry? { entries.first }
    var count: Int { entries.count }
    var all: [Entry] { entries }

    mutating func pop() {
        entries.swapAt(0, entries.count - 1)
        entries.removeLast()
        if !entries.isEmpty { sink(0) }
    }

    mutating func push(_ entry: Entry) {
        entries.append(entry)
        var child = entries.count - 1
        while child > 0, entries[child] < entries[(child - 1) / 2] {
            entries.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// Puts another in the place of the first.
    mutating func replaceFirst(_ entry: Entry) {
        entries[0] = entry
        sink(0)
    }

    private mutating func sink(_ start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < entries.count && entries[child] < entries[least]
            {
                least = child
            }
            guard least != parent else { return }
            entries.swapAt(parent, least)
            parent = least
        }
    }
}
