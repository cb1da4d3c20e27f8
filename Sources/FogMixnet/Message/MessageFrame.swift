internal import FogCore

/// What the ends of a route say to each other in one packet: 24 bytes of header and 932 of content, always as many.
///
///     kind 1 | flags 1 | exchange 8 | block 2 | index 1 | count 1 | length 4 | sequence 4 | stock 2 | content 932
///
/// Integers are big-endian. What a kind does not use is zero, and the rest of the content is zero as well, so a frame
/// has one form; ``Kind/loop`` and ``Kind/drop`` alone carry content without a meaning.
package struct MessageFrame: Hashable, Sendable {
    /// What a packet's body holds beside its seal (``FrameSeal``); in a reply, which needs none, zeros take that place.
    package static let byteCount = PacketSuite.bodyBytes - FrameSeal.overhead
    package static let headerBytes = 24
    package static let contentBytes = byteCount - headerBytes

    package enum Kind: UInt8, Sendable, CaseIterable {
        case data = 1
        case parity, surbOffer, acknowledgement, loop, drop, control
    }

    package var kind: Kind
    /// Whether it belongs to the answer of an exchange, or to its request.
    package var isAnswer: Bool
    package var exchange: ExchangeID
    /// The number of the block in the message.
    package var block: UInt16 = 0
    /// The number of the fragment in the block; the data come first.
    package var index: UInt8 = 0
    /// Data fragments of the block; in an offer, its SURBs.
    package var count: UInt8 = 0
    /// Of the message, in bytes; in an offer, of one SURB.
    package var length: UInt32 = 0
    /// Numbers the fragments that one end sends of a message: one that is sent again has another number.
    package var sequence: UInt32 = 0
    /// SURBs that the answering end still has.
    package var stock: UInt16 = 0
    /// At most ``contentBytes``; zeros follow.
    package var content: [UInt8] = []

    package init(_ kind: Kind, isAnswer: Bool, exchange: ExchangeID) {
        self.kind = kind
        self.isAnswer = isAnswer
        self.exchange = exchange
    }

    package var bytes: [UInt8] {
        precondition(content.count <= Self.contentBytes, "a frame's content has at most \(Self.contentBytes) bytes")
        var writer = CanonicalWriter(reserving: Self.byteCount)
        writer.write(kind.rawValue)
        writer.write(isAnswer ? 1 : 0 as UInt8)
        writer.write(exchange.number)
        writer.write(block)
        writer.write(index)
        writer.write(count)
        writer.write(length)
        writer.write(sequence)
        writer.write(stock)
        writer.write(raw: content)
        writer.write(raw: repeatElement(0, count: Self.contentBytes - content.count))
        return writer.bytes
    }

    /// - Throws: `bad_frame` for bytes that no end writes. What a kind says in its content is checked by who reads that.
    package init(bytes: [UInt8]) throws(MixnetFailure) {
        guard bytes.count == Self.byteCount else {
            throw Self.bad("a frame has \(Self.byteCount) bytes, found \(bytes.count)")
        }
        do {
            var reader = CanonicalReader(bytes)
            let kindByte: UInt8 = try reader.read()
            guard let kind = Kind(rawValue: kindByte) else { throw Self.bad("kind \(kindByte) is not known") }
            let flags: UInt8 = try reader.read()
            guard flags <= 1 else { throw Self.bad("flags \(flags): 0 or 1 is known") }
            self.init(kind, isAnswer: flags == 1, exchange: ExchangeID(try reader.read()))
            block = try reader.read()
            index = try reader.read()
            count = try reader.read()
            length = try reader.read()
            sequence = try reader.read()
            stock = try reader.read()
            content = try reader.read(raw: Self.contentBytes)
        } catch let failure as MixnetFailure {
            throw failure
        } catch {
            throw Self.bad("the frame ends too early")
        }
        try check()
    }

    /// What holds for every frame of its kind.
    private func check() throws(MixnetFailure) {
        switch kind {
        case .data, .parity:
            let layout = try MessageLayout(length: Int(length))
            guard block < layout.blocks else {
                throw Self.bad("block \(block) of a message that has \(layout.blocks)")
            }
            let data = layout.fragments(of: Int(block))
            guard Int(count) == data else { throw Self.bad("block \(block) has \(data) fragments, not \(count)") }
            guard (kind == .data) == (index < count), index < ErasureCode.fragmentsLimit else {
                throw Self.bad("fragment \(index) of a block of \(count) data fragments is no \(kind)")
            }
        case .surbOffer, .acknowledgement, .control:
            guard block == 0, index == 0 else { throw Self.bad("a frame of kind \(kind) names no block") }
        case .loop, .drop:
            guard block == 0, index == 0, count == 0, length == 0, stock == 0 else {
                throw Self.bad("a frame of kind \(kind) has a header of zeros")
            }
        }
    }

    static func bad(_ message: String) -> MixnetFailure { MixnetFailure("bad_frame", message) }
}

/// One question and its answer between two ends: a number of 64 random bits, chosen by who asks.
package struct ExchangeID: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let number: UInt64

    package init(_ number: UInt64) { self.number = number }

    package init(using generator: inout some RandomNumberGenerator) { number = generator.next() }

    package static func random() -> ExchangeID {
        var generator = SystemRandomNumberGenerator()
        return ExchangeID(using: &generator)
    }

    package var description: String {
        Hex.encode((0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) })
    }

    package static func < (first: ExchangeID, second: ExchangeID) -> Bool { first.number < second.number }
}
