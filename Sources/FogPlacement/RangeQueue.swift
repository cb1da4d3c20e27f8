/// Ranges of tasks that are handed out from the front, without ever naming single tasks.
struct RangeQueue {
    private var ranges: [Range<UInt32>]
    private var front = 0
    private(set) var count: Int

    init(_ ranges: [Range<UInt32>]) {
        self.ranges = ranges
        count = ranges.reduce(0) { $0 + $1.count }
    }

    /// The next tasks, as few ranges as they come in; fewer tasks when no more are there.
    mutating func take(_ wanted: Int) -> [Range<UInt32>] {
        var taken: [Range<UInt32>] = []
        var left = min(wanted, count)
        count -= left
        while left > 0 {
            let range = ranges[front]
            if range.count > left {
                let middle = range.lowerBound + UInt32(left)
                taken.append(range.lowerBound..<middle)
                ranges[front] = middle..<range.upperBound
                return taken
            }
            if !range.isEmpty { taken.append(range) }
            left -= range.count
            front += 1
        }
        return taken
    }
}
