/// How a message of some length is cut: fragments of 932 bytes, blocks of up to 64 fragments.
///
/// The blocks of a message are as equal as can be, so that none is left with so few fragments that a loss weighs more in
/// it. Both ends derive the layout from the length.
package struct MessageLayout: Hashable, Sendable {
    /// Of a message, in bytes: what a carrier takes, with its head.
    package static let lengthLimit = (64 << 20) + (64 << 10)
    /// Data fragments of a block. More would spread a block's losses better, and cost more work for each parity fragment.
    package static let blockLimit = 64

    package let length: Int

    /// - Throws: `bad_frame` unless the message has 1 byte to ``lengthLimit``.
    package init(length: Int) throws(MixnetFailure) {
        guard (1...Self.lengthLimit).contains(length) else {
            throw MessageFrame.bad("a message has 1 to \(Self.lengthLimit) bytes, found \(length)")
        }
        self.length = length
    }

    package var fragments: Int { (length + MessageFrame.contentBytes - 1) / MessageFrame.contentBytes }
    package var blocks: Int { (fragments + Self.blockLimit - 1) / Self.blockLimit }

    /// Data fragments of a block: the first blocks have one more than the last.
    package func fragments(of block: Int) -> Int {
        fragments / blocks + (block < fragments % blocks ? 1 : 0)
    }

    /// The number in the whole message of a block's first fragment.
    package func start(of block: Int) -> Int {
        block * (fragments / blocks) + min(block, fragments % blocks)
    }

    /// The bytes of the message that a fragment holds.
    package func range(ofFragment number: Int) -> Range<Int> {
        let start = number * MessageFrame.contentBytes
        return start..<min(start + MessageFrame.contentBytes, length)
    }
}
