package import FogCore

/// What a node says it has cached: the digests, or a filter over them when they are many.
///
/// A wrong yes costs a transfer that was hoped away, nothing else.
package enum CachedContent: Hashable, Sendable, Codable {
    case digests(Set<Digest>)
    case filter(DigestFilter)

    package static let none = CachedContent.digests([])

    package func contains(_ digest: Digest) -> Bool {
        switch self {
        case .digests(let set): set.contains(digest)
        case .filter(let filter): filter.mayContain(digest)
        }
    }
}

/// A Bloom filter (Bloom 1970) over digests: no wrong no, about 1 % wrong yes at 10 bits an element.
///
/// The digests are uniform already, so their own bytes are the hash functions (Kirsch and Mitzenmacher 2006: two hashes,
/// h1 + i h2, do as well as seven).
package struct DigestFilter: Hashable, Sendable, Codable {
    package static let bitsPerElement = 10
    package static let probes: UInt64 = 7
    /// 2 MiB: 1.6 million digests.
    package static let maxWords = 1 << 18

    package private(set) var words: [UInt64]

    /// An empty filter for about `capacity` digests.
    package init(capacity: Int) {
        let wanted = min(max(0, capacity), Self.maxWords * 64 / Self.bitsPerElement) * Self.bitsPerElement
        words = [UInt64](repeating: 0, count: max(1, (wanted + 63) / 64))
    }

    /// As a worker sent it.
    /// - Throws: `bad_filter` for no words or more than ``maxWords``.
    package init(words: [UInt64]) throws(PlacementFailure) {
        guard (1...Self.maxWords).contains(words.count) else {
            throw PlacementFailure(
                "bad_filter", "a cache filter has 1...\(Self.maxWords) words, found \(words.count)")
        }
        self.words = words
    }

    package mutating func insert(_ digest: Digest) {
        for bit in Self.bits(of: digest, among: words.count) { words[bit >> 6] |= 1 << UInt64(bit & 63) }
    }

    package func mayContain(_ digest: Digest) -> Bool {
        Self.bits(of: digest, among: words.count).allSatisfy { words[$0 >> 6] & 1 << UInt64($0 & 63) != 0 }
    }

    private static func bits(of digest: Digest, among words: Int) -> [Int] {
        let first = digest.bytes[0..<8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        // Odd, so that the probes differ.
        let second = digest.bytes[8..<16].reduce(UInt64(0)) { $0 << 8 | UInt64($1) } | 1
        return (0..<probes).map { Int((first &+ $0 &* second) % UInt64(words * 64)) }
    }

    package init(from decoder: any Decoder) throws {
        try self.init(words: decoder.singleValueContainer().decode([UInt64].self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(words)
    }
}
