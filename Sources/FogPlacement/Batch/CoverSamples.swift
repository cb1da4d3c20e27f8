/// Points spread evenly in the unit cube, by which dominated volume is measured fast: what a solution dominates is a set
/// of bits.
///
/// A low-discrepancy sequence of additive recurrence (Niederreiter 1978), with powers of the root of x^6 = x + 1.
struct CoverSamples: Sendable {
    static let width = 5
    let count: Int
    /// Objective after objective.
    private let values: [Float]

    init(count: Int) {
        precondition(count.isMultiple(of: 64), "samples come in words of 64")
        self.count = count
        let root = 1.134_724_138_401_519_4
        var values: [Float] = []
        values.reserveCapacity(count * Self.width)
        var power = 1.0
        for _ in 0..<Self.width {
            power /= root
            for index in 0..<count {
                let position = 0.5 + power * Double(index + 1)
                values.append(Float(position - position.rounded(.down)))
            }
        }
        self.values = values
    }

    /// The samples that a point is nowhere above.
    func cover(_ point: SIMD8<Float>) -> [UInt64] {
        var words = [UInt64](repeating: 0, count: count / 64)
        guard (0..<Self.width).allSatisfy({ point[$0] < 1 }) else { return words }
        values.withUnsafeBufferPointer { values in
            for word in words.indices {
                var bits: UInt64 = 0
                for bit in 0..<64 {
                    let index = word * 64 + bit
                    var isCovered = values[index] >= point[0]
                    for objective in 1..<Self.width {
                        isCovered = isCovered && values[objective * count + index] >= point[objective]
                    }
                    if isCovered { bits |= 1 << UInt64(bit) }
                }
                words[word] = bits
            }
        }
        return words
    }

    /// How much volume a point gains by going a little down in each objective, and loses by going up, where nothing else
    /// covers: the direction in which it is worth most to move.
    /// - Parameter others: what the other points cover.
    func slope(_ point: SIMD8<Float>, others: [UInt64], reach: Float) -> SIMD8<Double> {
        var slope = SIMD8<Double>(repeating: 0)
        values.withUnsafeBufferPointer { values in
            for word in others.indices where others[word] != .max {
                var open = ~others[word]
                while open != 0 {
                    let index = word * 64 + open.trailingZeroBitCount
                    open &= open - 1
                    // Within reach of exactly one face of the point's box, inside of all others.
                    var face = -1, isNear = true
                    for objective in 0..<Self.width {
                        let above = values[objective * count + index] - point[objective]
                        if above < -reach {
                            isNear = false
                            break
                        }
                        if above < 0 {
                            if face >= 0 {
                                isNear = false
                                break
                            }
                            face = objective
                        }
                    }
                    guard isNear else { continue }
                    if face >= 0 {
                        slope[face] += 1
                    } else {
                        for objective in 0..<Self.width
                        where values[objective * count + index] - point[objective] < reach { slope[objective] += 1 }
                    }
                }
            }
        }
        return slope
    }
}

/// Sets of samples.
enum Cover {
    static func count(_ words: [UInt64]) -> Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    static func gain(_ words: [UInt64], over covered: [UInt64]) -> Int {
        var sum = 0
        for place in words.indices { sum += (words[place] & ~covered[place]).nonzeroBitCount }
        return sum
    }

    static func add(_ words: [UInt64], to covered: inout [UInt64]) {
        for place in words.indices { covered[place] |= words[place] }
    }
}
