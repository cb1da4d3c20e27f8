internal import FogCore

/// What one end tells the other of a message that is arriving: cumulative, so that any later one makes up for a lost one.
///
///     base 2 | window 2 | latest 4 | received 4 | count 1 | count x (block 2, fragments 32)
///
/// The fragments of a block are a bit set: bit 0 of byte 0 is fragment 0.
package struct Acknowledgement: Hashable, Sendable {
    /// Blocks that one acknowledgement tells of.
    package static let blocksLimit = 27

    package struct Block: Hashable, Sendable {
        package var number: UInt16
        /// 256 bits.
        package var fragments: FragmentSet

        package init(number: UInt16, fragments: FragmentSet) {
            self.number = number
            self.fragments = fragments
        }
    }

    /// All blocks below have arrived; the number of blocks when the message is whole.
    package var base: UInt16
    /// How many blocks from the base on the receiver takes.
    package var window: UInt16
    /// The sequence of the fragment that arrived last.
    package var latest: UInt32
    /// Fragments that have arrived, useful or not.
    package var received: UInt32
    /// The last blocks of which something has arrived, in their order; whole ones too, so that the sender learns what
    /// became of everything it sent.
    package var blocks: [Block]

    package var content: [UInt8] {
        precondition(blocks.count <= Self.blocksLimit, "an acknowledgement tells of \(Self.blocksLimit) blocks")
        var writer = CanonicalWriter(reserving: MessageFrame.contentBytes)
        writer.write(base)
        writer.write(window)
        writer.write(latest)
        writer.write(received)
        writer.write(UInt8(blocks.count))
        for block in blocks {
            writer.write(block.number)
            writer.write(raw: block.fragments.bytes)
        }
        return writer.bytes
    }

    package init(base: UInt16, window: UInt16, latest: UInt32, received: UInt32, blocks: [Block]) {
        self.base = base
        self.window = window
        self.latest = latest
        self.received = received
        self.blocks = blocks
    }

    /// - Throws: `bad_frame` for content that no end writes.
    package init(content: [UInt8]) throws(MixnetFailure) {
        do {
            var reader = CanonicalReader(content)
            base = try reader.read()
            window = try reader.read()
            latest = try reader.read()
            received = try reader.read()
            let count: UInt8 = try reader.read()
            guard count <= Self.blocksLimit else { throw MessageFrame.bad("an acknowledgement of \(count) blocks") }
            blocks = []
            for _ in 0..<count {
                let block = Block(number: try reader.read(), fragments: FragmentSet(bytes: try reader.read(raw: 32)))
                guard blocks.last.map({ $0.number < block.number }) ?? true else {
                    throw MessageFrame.bad("the blocks of an acknowledgement are out of order")
                }
                blocks.append(block)
            }
            guard try reader.read(raw: reader.remaining).allSatisfy({ $0 == 0 }) else {
                throw MessageFrame.bad("something follows an acknowledgement")
            }
        } catch let failure as MixnetFailure {
            throw failure
        } catch {
            throw MessageFrame.bad("an acknowledgement ends too early")
        }
    }
}

/// Fragments of one block, by their index.
package struct FragmentSet: Hashable, Sendable {
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    package init() {}

    init(bytes: [UInt8]) {
        precondition(bytes.count == 32, "a set of fragments has 32 bytes")
        for (place, byte) in bytes.enumerated() { self[word: place / 8] |= UInt64(byte) << (8 * UInt64(place % 8)) }
    }

    var bytes: [UInt8] {
        (0..<32).map { UInt8(truncatingIfNeeded: self[word: $0 / 8] >> (8 * UInt64($0 % 8))) }
    }

    package var count: Int {
        words.0.nonzeroBitCount + words.1.nonzeroBitCount + words.2.nonzeroBitCount + words.3.nonzeroBitCount
    }

    package func contains(_ index: Int) -> Bool { self[word: index / 64] >> UInt64(index % 64) & 1 == 1 }
    package mutating func insert(_ index: Int) { self[word: index / 64] |= 1 << UInt64(index % 64) }
    package mutating func formUnion(_ other: FragmentSet) {
        for place in 0..<4 { self[word: place] |= other[word: place] }
    }

    private subscript(word place: Int) -> UInt64 {
        get {
            switch place {
            case 0: words.0
            case 1: words.1
            case 2: words.2
            default: words.3
            }
        }
        set {
            switch place {
            case 0: words.0 = newValue
            case 1: words.1 = newValue
            case 2: words.2 = newValue
            default: words.3 = newValue
            }
        }
    }

    package static func == (first: FragmentSet, second: FragmentSet) -> Bool { first.words == second.words }
    package func hash(into hasher: inout Hasher) {
        for place in 0..<4 { hasher.combine(self[word: place]) }
    }
}
