internal import CSodium
internal import FogCore
internal import Synchronization

/// The tags that a node has seen under one key: exact, so no packet passes twice and no fresh one is taken for a replay.
///
/// Whole tags of 16 bytes in open addressing, in eight parts that grow by themselves. Places come from a keyed hash
/// (SipHash-2-4) with a key of this set, since senders can choose tags that would crowd. At the limit the node takes no
/// more packets under the key, and rotates it: a filter that saturates would drop fresh packets or let old ones pass.
package final class ReplaySet: Sendable {
    package enum Answer: Sendable, Hashable { case fresh, replayed, full }

    private static let parts = 8
    /// The most tags it takes, an eighth of them in each part.
    package let limit: Int
    private let shards: [Shard]

    /// - Parameter limit: tags; at 16 million the set takes 512 MiB at most.
    package init(limit: Int = 16_000_000) {
        Sodium.start()
        self.limit = limit
        let key = SecureRandom.bytes(Int(crypto_shorthash_siphash24_KEYBYTES))
        shards = (0..<Self.parts).map { _ in Shard(Table(key: key, limit: max(1, limit / Self.parts))) }
    }

    /// A table and its lock. A mutex has a place of its own in memory, so it needs a class around it.
    private final class Shard: Sendable {
        let table: Mutex<Table>
        init(_ table: consuming sending Table) { self.table = Mutex(table) }
    }

    /// Notes a tag, and says whether it was new.
    package func insert(_ tag: ReplayTag) -> Answer {
        shards[Int(truncatingIfNeeded: tag.low & 7)].table.withLock { $0.insert(tag) }
    }

    package var count: Int { shards.reduce(0) { $0 + $1.table.withLock { $0.count } } }

    // Its memory is its own: nobody else has the pointer.
    private struct Table: ~Copyable, @unchecked Sendable {
        private(set) var count = 0
        private let limit: Int
        private let key: [UInt8]
        private var capacity = 1024
        private var slots: UnsafeMutablePointer<Slot>
        /// The one tag that an empty slot looks like.
        private var hasZero = false

        private typealias Slot = (high: UInt64, low: UInt64)

        init(key: [UInt8], limit: Int) {
            self.key = key
            self.limit = limit
            slots = Self.empty(capacity)
        }

        deinit { slots.deallocate() }

        private static func empty(_ capacity: Int) -> UnsafeMutablePointer<Slot> {
            let slots = UnsafeMutablePointer<Slot>.allocate(capacity: capacity)
            slots.initialize(repeating: (0, 0), count: capacity)
            return slots
        }

        mutating func insert(_ tag: ReplayTag) -> Answer {
            if tag.high == 0, tag.low == 0 {
                defer { hasZero = true }
                return hasZero ? .replayed : .fresh
            }
            let place = place(of: tag)
            if slots[place] == (tag.high, tag.low) { return .replayed }
            guard count < limit else { return .full }
            slots[place] = (tag.high, tag.low)
            count += 1
            // Beyond two thirds, searches would grow long.
            if count * 3 > capacity * 2 { grow() }
            return .fresh
        }

        /// Where the tag is, or is to be.
        private func place(of tag: ReplayTag) -> Int {
            var place = Int(truncatingIfNeeded: hash(tag)) & (capacity - 1)
            while slots[place] != (0, 0), slots[place] != (tag.high, tag.low) { place = (place + 1) & (capacity - 1) }
            return place
        }

        private func hash(_ tag: ReplayTag) -> UInt64 {
            withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 3) { words in
                guard let start = words.baseAddress else { return 0 }
                start[0] = tag.high
                start[1] = tag.low
                let bytes = UnsafeMutableRawPointer(start).assumingMemoryBound(to: UInt8.self)
                crypto_shorthash_siphash24(bytes + 16, bytes, 16, key)
                return start[2]
            }
        }

        private mutating func grow() {
            let (old, oldCapacity) = (slots, capacity)
            capacity *= 2
            slots = Self.empty(capacity)
            for index in 0..<oldCapacity where old[index] != (0, 0) {
                let tag = ReplayTag(high: old[index].high, low: old[index].low)
                slots[place(of: tag)] = old[index]
            }
            old.deallocate()
        }
    }
}
