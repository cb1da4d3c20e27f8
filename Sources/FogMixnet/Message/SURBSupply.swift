package import FogCore

/// Keeps the other end in SURBs: guesses how many it has from what it said and what is on its way to it.
package struct SURBSupply: Sendable {
    /// What the other end is kept at when it has little to say.
    private static let low = 12
    /// And when it has much to say.
    private static let high = 200
    /// SURBs that are sent into a silence.
    private static let probe = 4
    private static let longestWait = TimeSpan.seconds(60)

    private let times: DeliveryTimes
    private var told = 0
    private var offers: [(count: Int, sentAt: Timestamp)] = []
    private var heardAt: Timestamp?
    private var probedAt: Timestamp?
    private var probed = 0
    private var silences = 0
    /// SURBs that were offered so far.
    package private(set) var offered = 0

    package init(times: DeliveryTimes) { self.times = times }

    /// The other end said how many it has.
    package mutating func hear(stock: Int, at now: Timestamp) {
        told = stock
        heardAt = now
        silences = 0
        probedAt = nil
        offers.removeAll { $0.sentAt < now - times.roundTrip }
    }

    /// What the other end has may lead through a node that swallows packets: it is given others.
    package mutating func distrust() {
        (told, probed, probedAt, silences) = (0, 0, nil, 0)
        offers = []
    }

    /// Whether an offer is to be sent now.
    /// - Parameters:
    ///   - missing: fragments that the other end has still to send, as far as is known.
    ///   - arriving: the share of packets that arrive.
    package mutating func wantsOffer(missing: Int, arriving: Double, at now: Timestamp) -> Bool {
        let underWay = offers.reduce(0) { $0 + $1.count }
        let guess = Double(told) + Double(underWay) * arriving
        let wanted = min(Self.high, Self.low + Int(Double(missing) / arriving))
        if guess < Double(wanted) { return true }
        return probes(at: now)
    }

    /// Nothing was heard for longer than an answer takes: all may be lost, so a few go out whatever the guess says.
    private mutating func probes(at now: Timestamp) -> Bool {
        guard let last = [heardAt, offers.last?.sentAt].compactMap({ $0 }).max() else { return true }
        let wait = min((times.roundTrip + times.roundTrip) * Int64(1 << min(silences, 8)), Self.longestWait)
        guard now >= max(last, probedAt ?? last) + wait else { return false }
        probed += 1
        if probed * 2 >= Self.probe {
            (probed, probedAt) = (0, now)
            silences += 1
            offers.removeAll { $0.sentAt < now - times.roundTrip }
        }
        return true
    }

    package mutating func offer(_ count: Int, at now: Timestamp) {
        offers.append((count, now))
        offered += count
    }
}
