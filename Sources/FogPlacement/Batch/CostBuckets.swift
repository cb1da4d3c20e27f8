/// Finds the least of many costs without comparing them with each other: they are counted into buckets, and whole buckets
/// are taken until there are enough. Of the last bucket those that come first are taken.
///
/// A selection by comparisons guesses wrong at every other branch, which costs more than the reckoning of the costs.
struct CostBuckets {
    private static let count = 64
    private let width: Int
    let plain: UnsafeMutablePointer<Float>
    let priced: UnsafeMutablePointer<Float>
    /// Positions of the least, rising within a bucket.
    let chosen: UnsafeMutablePointer<Int32>
    private let bucket: UnsafeMutablePointer<UInt8>
    private let sizes: UnsafeMutablePointer<Int32>

    init(capacity: Int, width: Int) {
        self.width = width
        plain = .allocate(capacity: capacity)
        priced = .allocate(capacity: capacity)
        chosen = .allocate(capacity: capacity + 1)
        bucket = .allocate(capacity: capacity)
        sizes = .allocate(capacity: Self.count)
    }

    func deallocate() {
        plain.deallocate()
        priced.deallocate()
        chosen.deallocate()
        bucket.deallocate()
        sizes.deallocate()
    }

    /// Puts the positions of the least of so many priced costs into `chosen`; returns how many, at most the width.
    func select(_ count: Int) -> Int {
        if count <= width {
            for place in 0..<count { chosen[place] = Int32(place) }
            return count
        }
        var least = Float.infinity, sum: Float = 0
        for place in 0..<count {
            least = Swift.min(least, priced[place])
            sum += priced[place]
        }
        // Costs have a long tail: what is beyond twice the mean's distance goes into the last bucket.
        let reach = 2 * (sum / Float(count) - least)
        let scale = reach > 0 && reach.isFinite ? Float(Self.count) / reach : 0
        sizes.update(repeating: 0, count: Self.count)
        for place in 0..<count {
            let index = UInt8(Swift.min(Float(Self.count - 1), (priced[place] - least) * scale))
            bucket[place] = index
            sizes[Int(index)] &+= 1
        }
        var last = 0, sure = 0
        while sure + Int(sizes[last]) < width {
            sure += Int(sizes[last])
            last += 1
        }
        let bound = UInt8(last)
        var kept = 0
        for place in 0..<count {
            chosen[kept] = Int32(truncatingIfNeeded: place)
            kept &+= bucket[place] < bound ? 1 : 0
        }
        var place = 0
        while kept < width, place < count {
            chosen[kept] = Int32(truncatingIfNeeded: place)
            kept &+= bucket[place] == bound ? 1 : 0
            place += 1
        }
        return kept
    }
}
