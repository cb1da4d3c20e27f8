package import FogCore

/// A way through the network that belongs to one owner and level for a while: no handshake, since packets carry their
/// route themselves, but a guard, a life, and a health.
package struct Circuit: Hashable, Sendable {
    package enum State: String, Sendable, CaseIterable {
        /// No probe has come back yet.
        case building
        case established
        /// Probes get lost or are late; another one is being built.
        case degraded
        case closed
    }

    package enum Mode: String, Sendable, CaseIterable {
        /// A route of its own for each packet: the default.
        case perPacket = "per_packet"
        /// One route for all: steadier, and whoever is on it sees more of what belongs together.
        case pinned
    }

    /// Probes that the health is taken from, and how many of them may be lost.
    private static let window = 8
    private static let lossesLimit = 2
    /// Probes that the usual delay is taken from, and how many times it the slowest may take.
    private static let baselineProbes = 4
    private static let slownessLimit: Int64 = 3

    package let id: UInt64
    package let level: RouteLevel
    /// Whose packets go this way; those of two owners never go together.
    package let owner: String
    package let mode: Mode
    /// The epoch whose nodes it is of.
    package let epoch: UInt64
    package let guardKey: PublicKey
    /// Of a pinned one.
    package let route: [Int]?
    package let createdAt: Timestamp
    package let closesAt: Timestamp
    package let packetsLimit: Int
    package private(set) var packets = 0
    package private(set) var state = State.building
    /// Of the last probes: how long they took, nil for one that was lost.
    package private(set) var probes: [TimeSpan?] = []
    private var baseline: TimeSpan?
    private var firstProbes: [TimeSpan] = []

    package init(
        id: UInt64, level: RouteLevel, owner: String, mode: Mode, epoch: UInt64, guardKey: PublicKey, route: [Int]?,
        createdAt: Timestamp, closesAt: Timestamp, packetsLimit: Int
    ) {
        self.id = id
        self.level = level
        self.owner = owner
        self.mode = mode
        self.epoch = epoch
        self.guardKey = guardKey
        self.route = route
        self.createdAt = createdAt
        self.closesAt = closesAt
        self.packetsLimit = packetsLimit
    }

    package mutating func count() { packets += 1 }
    package mutating func close() { state = .closed }

    /// Whether its successor should be built: four fifths of its life are over.
    package func isAging(at now: Timestamp) -> Bool {
        let life = closesAt - createdAt
        return now - createdAt >= TimeSpan(milliseconds: life.milliseconds / 5 * 4) || packets >= packetsLimit / 5 * 4
    }

    package func isOver(at now: Timestamp) -> Bool { now >= closesAt || packets >= packetsLimit }

    /// The share of the last probes that were lost.
    package var loss: Double {
        probes.isEmpty ? 0 : Double(probes.count { $0 == nil }) / Double(probes.count)
    }

    /// - Parameter took: how long a loop took; nil when it did not come back.
    package mutating func probed(_ took: TimeSpan?) {
        guard state != .closed else { return }
        probes.append(took)
        if probes.count > Self.window { probes.removeFirst() }
        if let took {
            if state == .building { state = .established }
            if baseline == nil {
                firstProbes.append(took)
                if firstProbes.count == Self.baselineProbes { baseline = firstProbes.sorted()[Self.baselineProbes / 2] }
            }
        }
        let losses = probes.count { $0 == nil }
        // Of so few probes the slowest is the 95th percentile.
        let slowest = probes.compactMap { $0 }.max() ?? .zero
        let isLate = baseline.map { slowest > $0 * Self.slownessLimit } ?? false
        guard state == .established || state == .degraded else { return }
        state = losses > Self.lossesLimit || isLate ? .degraded : .established
    }
}
