/// xoshiro256** (Blackman and Vigna 2018), seeded through SplitMix64: equal seeds give equal runs.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    @usableFromInline package var state: (UInt64, UInt64, UInt64, UInt64)

    package init(seed: UInt64) {
        var mixer = seed
        func next() -> UInt64 {
            mixer &+= 0x9e37_79b9_7f4a_7c15
            var word = mixer
            word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
            word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
            return word ^ (word >> 31)
        }
        state = (next(), next(), next(), next())
    }

    /// Inlined into callers: searches draw tens of millions of numbers a second.
    @inlinable package mutating func next() -> UInt64 {
        let scrambled = state.1 &* 5
        let result = (scrambled << 7 | scrambled >> 57) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = state.3 << 45 | state.3 >> 19
        return result
    }

    /// A number in [0, 1).
    @inlinable package mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
}
