package import FogCore

/// Puts a message together, and says what of it has arrived.
///
/// It holds the fragments of open blocks and the data of whole ones, nothing for what was only announced: so a message
/// takes memory as it comes, not as it says.
package struct MessageReceiver: Sendable {
    /// Fragments after which the sender is told.
    private static let wordEvery = 16
    /// Words when the message is whole: the last ones nothing follows that would make up for them.
    private static let lastWords = 2
    /// Blocks from the first open one on that are taken.
    package static let windowLimit = 8

    package let layout: MessageLayout
    private var arrived: [FragmentSet]
    /// Fragments of the open blocks.
    private var open: [Int: [Int: [UInt8]]] = [:]
    private var whole: [Int: [UInt8]] = [:]
    private var base = 0
    private var latest: UInt32 = 0
    private let wordDelay: TimeSpan
    private var untold = 0
    private var untoldSince: Timestamp?
    private var owed = 0
    /// Fragments that arrived, useful or not.
    package private(set) var received: UInt32 = 0

    /// - Parameters:
    ///   - length: of the message, in bytes.
    ///   - wordDelay: how long a fragment waits for others before the sender is told of it.
    /// - Throws: `bad_frame` unless a message can have this length.
    package init(length: Int, wordDelay: TimeSpan = .seconds(1)) throws(MixnetFailure) {
        layout = try MessageLayout(length: length)
        arrived = [FragmentSet](repeating: FragmentSet(), count: layout.blocks)
        self.wordDelay = wordDelay
    }

    package var isWhole: Bool { base == layout.blocks }

    /// Data fragments that are still needed.
    package var missing: Int {
        (base..<layout.blocks).reduce(0) { sum, number in
            sum + (whole[number] == nil ? layout.fragments(of: number) - (open[number]?.count ?? 0) : 0)
        }
    }

    /// Takes a fragment.
    /// - Returns: the message, once, with the fragment that makes it whole.
    /// - Throws: `bad_frame` for a fragment of a message of another length.
    package mutating func take(_ frame: MessageFrame, at now: Timestamp) throws(MixnetFailure) -> [UInt8]? {
        guard Int(frame.length) == layout.length else {
            throw MessageFrame.bad("a fragment of \(frame.length) bytes' message in one of \(layout.length)")
        }
        let (number, index) = (Int(frame.block), Int(frame.index))
        guard number < base + Self.windowLimit else { return nil }
        received &+= 1
        latest = frame.sequence
        untold += 1
        if untoldSince == nil { untoldSince = now }
        guard !arrived[number].contains(index) else { return nil }
        arrived[number].insert(index)
        guard number >= base, whole[number] == nil else { return nil }
        open[number, default: [:]][index] = frame.content
        return complete(number)
    }

    private mutating func complete(_ number: Int) -> [UInt8]? {
        guard let fragments = open[number],
            let data = ErasureCode(dataCount: layout.fragments(of: number)).recover(fragments)
        else { return nil }
        open[number] = nil
        whole[number] = Array(data.joined())
        while base < layout.blocks, whole[base] != nil { base += 1 }
        guard isWhole else { return nil }
        owed = Self.lastWords
        var message: [UInt8] = []
        message.reserveCapacity(layout.length + MessageFrame.contentBytes)
        for number in 0..<layout.blocks { message += whole.removeValue(forKey: number) ?? [] }
        message.removeLast(message.count - layout.length)
        return message
    }

    // MARK: - Telling

    /// When ``word(at:)`` has something to say; nil when it has nothing.
    package var wordAt: Timestamp? {
        guard let untoldSince else { return owed > 0 ? .zero : nil }
        return owed > 0 || untold >= Self.wordEvery ? untoldSince : untoldSince + wordDelay
    }

    /// What the sender is to be told now, if anything.
    package mutating func word(at now: Timestamp) -> Acknowledgement? {
        guard let wordAt, wordAt <= now else { return nil }
        owed = max(0, owed - 1)
        (untold, untoldSince) = (0, nil)
        let end = min(base + Self.windowLimit, layout.blocks)
        var blocks: [Acknowledgement.Block] = []
        for number in (0..<end).reversed() where arrived[number].count > 0 {
            guard blocks.count < Acknowledgement.blocksLimit else { break }
            blocks.append(.init(number: UInt16(number), fragments: arrived[number]))
        }
        return Acknowledgement(
            base: UInt16(base), window: UInt16(Self.windowLimit), latest: latest, received: received,
            blocks: blocks.reversed())
    }
}
