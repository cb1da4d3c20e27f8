/// Which of a link's newest counters were seen: no request of a link is taken twice, and none has to be remembered for
/// longer than it takes a thousand others to pass it.
///
/// Several requests are under way at once, so they may arrive in another order than they were counted; one that is
/// further behind than the window is wide is refused, whether it was seen or not (as in RFC 4303 section 3.4.3).
package struct CounterWindow: Hashable, Sendable {
    package enum Verdict: Hashable, Sendable {
        case new
        case replayed
        /// Too far behind to tell; the sender counts on and sends again.
        case tooOld
    }

    /// Counters that are told apart, the newest included.
    package static let width: UInt64 = 1024

    /// The newest counter; 0 before the first.
    package private(set) var newest: UInt64 = 0
    /// A ring of bits, that of counter `n` at `n % width`.
    private var seen = [UInt64](repeating: 0, count: Int(width / 64))

    package init() {}

    /// Judges a counter whose request was authentic; a new one is seen from now on.
    package mutating func admit(_ counter: UInt64) -> Verdict {
        if counter > newest {
            forget(from: newest, through: counter)
            newest = counter
        } else if newest - counter >= Self.width {
            return .tooOld
        }
        let (word, bit) = Self.place(of: counter)
        guard seen[word] & bit == 0 else { return .replayed }
        seen[word] |= bit
        return .new
    }

    /// Makes room for the counters after `old`, whose places were those of counters that leave the window.
    private mutating func forget(from old: UInt64, through new: UInt64) {
        guard new - old < Self.width else {
            for word in seen.indices { seen[word] = 0 }
            return
        }
        for counter in old + 1...new {
            let (word, bit) = Self.place(of: counter)
            seen[word] &= ~bit
        }
    }

    private static func place(of counter: UInt64) -> (word: Int, bit: UInt64) {
        let index = counter % width
        return (Int(index / 64), 1 << (index % 64))
    }
}
