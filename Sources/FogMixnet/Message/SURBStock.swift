package import FogCore

/// What an answering end holds of the other's single-use reply blocks.
///
/// The last ones are kept for words that must get through: that something arrived, and that more SURBs are needed.
package struct SURBStock: Sendable {
    package static let limit = 256
    /// Kept back from data.
    package static let reserve = 3

    private var surbs: [(bytes: [UInt8], expires: Timestamp)] = []

    package init() {}

    /// Takes SURBs; above the limit the oldest make room.
    package mutating func add(_ batch: SURBBatch, at now: Timestamp) {
        expire(at: now)
        surbs += batch.surbs.map { ($0, batch.expires) }
        if surbs.count > Self.limit { surbs.removeFirst(surbs.count - Self.limit) }
    }

    package func count(at now: Timestamp) -> Int { surbs.count { $0.expires > now } }

    /// A SURB, which is used by this; nil when there is none for the purpose.
    package mutating func take(isControl: Bool, at now: Timestamp) -> [UInt8]? {
        expire(at: now)
        guard surbs.count > (isControl ? 0 : Self.reserve) else { return nil }
        // The newest: its route was chosen with what is known of the nodes now.
        return surbs.removeLast().bytes
    }

    private mutating func expire(at now: Timestamp) { surbs.removeAll { $0.expires <= now } }
}

/// SURBs that were made together, as an offer carries them: `expires 8 | SURBs`.
package struct SURBBatch: Hashable, Sendable {
    package var expires: Timestamp
    /// All of one length.
    package var surbs: [[UInt8]]

    package init(expires: Timestamp, surbs: [[UInt8]]) {
        self.expires = expires
        self.surbs = surbs
    }

    /// How many SURBs of a length one frame holds.
    package static func capacity(surbBytes: Int) -> Int { (MessageFrame.contentBytes - 8) / surbBytes }

    /// - Throws: `bad_frame` for content that no end writes.
    package init(_ frame: MessageFrame) throws(MixnetFailure) {
        let (count, size) = (Int(frame.count), Int(frame.length))
        guard frame.kind == .surbOffer, count >= 1, (1...MessageFrame.contentBytes).contains(size),
            8 + count * size <= MessageFrame.contentBytes
        else { throw MessageFrame.bad("an offer of \(count) SURBs of \(size) bytes") }
        do {
            var reader = CanonicalReader(frame.content)
            expires = try reader.readTimestamp()
            surbs = []
            for _ in 0..<count { surbs.append(try reader.read(raw: size)) }
            guard try reader.read(raw: reader.remaining).allSatisfy({ $0 == 0 }) else {
                throw MessageFrame.bad("something follows an offer of SURBs")
            }
        } catch let failure as MixnetFailure {
            throw failure
        } catch {
            throw MessageFrame.bad("an offer of SURBs ends too early")
        }
    }

    package func frame(of exchange: ExchangeID) -> MessageFrame {
        var frame = MessageFrame(.surbOffer, isAnswer: false, exchange: exchange)
        frame.count = UInt8(surbs.count)
        frame.length = UInt32(surbs.first?.count ?? 0)
        var writer = CanonicalWriter(reserving: MessageFrame.contentBytes)
        writer.write(expires)
        for surb in surbs { writer.write(raw: surb) }
        frame.content = writer.bytes
        return frame
    }
}
