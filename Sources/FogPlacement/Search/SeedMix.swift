internal import FogCore

/// Seeds of streams from a seed and where the stream is used.
enum SeedMix {
    /// The finaliser of SplitMix64 (Steele, Lea and Flood 2014) over one word after another.
    static func mix(_ words: UInt64...) -> UInt64 {
        var state: UInt64 = 0x9e37_79b9_7f4a_7c15
        for word in words {
            state = (state ^ word) &+ 0x9e37_79b9_7f4a_7c15
            state = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
            state = (state ^ (state >> 27)) &* 0x94d0_49bb_1331_11eb
            state ^= state >> 31
        }
        return state
    }
}

extension SeededGenerator {
    /// A number in 0..<count; the bias is below count / 2^32.
    @inline(__always) mutating func below(_ count: Int) -> Int {
        Int(((next() >> 32) &* UInt64(truncatingIfNeeded: count)) >> 32)
    }
}
