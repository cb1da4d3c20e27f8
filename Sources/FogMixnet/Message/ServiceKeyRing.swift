package import FogCore

/// A service's keys: the lasting one, and short ones that are erased, so that what was recorded on the way cannot be read
/// later by who gets hold of the service.
///
/// It also knows which exchanges are over for as long as any key is there that their frames could be opened with: who sends
/// the frames of an exchange again gets nothing done twice.
package struct ServiceKeyRing: Sendable {
    /// How long a short key is handed out.
    package static let period = TimeSpan.minutes(10)
    /// How long frames may be sealed to it after it was made, and how long it is there.
    package static let sealing = TimeSpan.minutes(20)
    package static let life = TimeSpan.minutes(30)
    /// Short keys at once; above it the oldest is erased before its time, and its clients ask for another.
    package static let keysLimit = 16
    /// Exchanges that are remembered with a key; then another key takes its place.
    package static let exchangesLimit = 65_536

    private struct Short {
        let id: UInt32
        let key: MixKey
        let madeAt: Timestamp
        var over: Set<ExchangeID> = []
    }

    private let lasting: MixKey
    /// The newest last.
    private var keys: [Short] = []

    /// - Throws: `bad_key`, `no_memory`.
    package init(lasting secret: [UInt8]) throws(MixnetFailure) { lasting = try MixKey(secret: secret, epoch: 0) }

    package var publicKey: [UInt8] { lasting.publicKey }
    package var shortKeys: Int { keys.count }

    /// The key to hand out, made when there is none that is new enough.
    /// - Throws: `no_memory`.
    package mutating func current(at now: Timestamp) throws(MixnetFailure) -> ServiceKey {
        expire(at: now)
        if let newest = keys.last, now < newest.madeAt + Self.period, newest.over.count < Self.exchangesLimit {
            return try Self.told(newest)
        }
        // Ids begin anywhere, so that a client of an earlier life of the service does not meet one that it knows.
        let id = keys.last.map { $0.id &+ 1 } ?? UInt32.random(in: 1...(.max))
        let made = Short(
            id: id == ServiceKey.lastingID ? 1 : id, key: try MixKey.generate(epoch: UInt64(id)), madeAt: now)
        keys.append(made)
        if keys.count > Self.keysLimit { keys.removeFirst() }
        return try Self.told(made)
    }

    private static func told(_ short: Short) throws(MixnetFailure) -> ServiceKey {
        try ServiceKey(id: short.id, publicKey: short.key.publicKey, until: short.madeAt + sealing)
    }

    /// Opens the body of a packet.
    /// - Returns: nil for what no key opens (any more), and for frames of an exchange that is over.
    package mutating func open(_ body: [UInt8], at now: Timestamp) -> (frame: MessageFrame, isLasting: Bool)? {
        guard let id = FrameSeal.keyID(of: body) else { return nil }
        expire(at: now)
        if id == ServiceKey.lastingID {
            return FrameSeal.open(body, id: id, with: lasting).flatMap { isOver($0.exchange) ? nil : ($0, true) }
        }
        guard let short = keys.first(where: { $0.id == id }),
            let frame = FrameSeal.open(body, id: id, with: short.key), !isOver(frame.exchange)
        else { return nil }
        return (frame, false)
    }

    package func isOver(_ exchange: ExchangeID) -> Bool { keys.contains { $0.over.contains(exchange) } }

    /// Remembers that an exchange is over, with the newest key: it is erased last.
    package mutating func end(_ exchange: ExchangeID) {
        guard let newest = keys.indices.last else { return }
        keys[newest].over.insert(exchange)
    }

    /// Erases what has lived its time; to be called now and then.
    package mutating func expire(at now: Timestamp) { keys.removeAll { $0.madeAt + Self.life <= now } }
}
