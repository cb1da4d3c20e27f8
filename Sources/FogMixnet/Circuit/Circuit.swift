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

    /// The ways of a pinned one, by places in the consensus of its epoch.
    package struct Routes: Hashable, Sendable {
        /// To the service.
        package let out: [Int]
        /// From the service to the guard.
        package let back: [Int]
        /// Over the nodes of both, from the guard to the guard.
        package let loop: [Int]

        package init(out: [Int], back: [Int], loop: [Int]) {
            self.out = out
            self.back = back
            self.loop = loop
        }
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
    /// The node that its packets go to.
    package let service: PublicKey
    /// The epoch whose nodes it is of.
    package let epoch: UInt64
    package let guardKey: PublicKey
    /// Of a pinned one; nil = each packet has its own.
    package let routes: Routes?
    package let createdAt: Timestamp
    package let closesAt: Timestamp
    package let packetsLimit: Int
    package private(set) var packets = 0
    /// When it last carried something that was to be said; nil = never.
    package private(set) var usedAt: Timestamp?
    package private(set) var state = State.building
    /// Of the last probes: how long they took, nil for one that was lost.
    package private(set) var probes: [TimeSpan?] = []
    /// When the last of them came back, or was given up.
    package private(set) var probedAt: Timestamp?
    /// What probes took at first.
    private var firstProbes: [TimeSpan] = []

    package init(
        id: UInt64, level: RouteLevel, owner: String, service: PublicKey, epoch: UInt64, guardKey: PublicKey,
        routes: Routes?, createdAt: Timestamp, closesAt: Timestamp, packetsLimit: Int
    ) {
        self.id = id
        self.level = level
        self.owner = owner
        self.service = service
        self.epoch = epoch
        self.guardKey = guardKey
        self.routes = routes
        self.createdAt = createdAt
        self.closesAt = closesAt
        self.packetsLimit = packetsLimit
    }

    package var mode: Mode { routes == nil ? .perPacket : .pinned }
    /// Sixteen hexadecimal digits.
    package var name: String { Hex.encode((0..<8).map { UInt8(truncatingIfNeeded: id >> (56 - 8 * $0)) }) }

    package mutating func count(at now: Timestamp) { (packets, usedAt) = (packets + 1, now) }
    package mutating func close() { state = .closed }
    /// Begins its life in another process: what was known of it is old.
    package mutating func restart() { (state, probes) = (.building, []) }

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

    private var baseline: TimeSpan? {
        firstProbes.count < Self.baselineProbes ? nil : firstProbes.sorted()[Self.baselineProbes / 2]
    }

    /// - Parameter took: how long a loop took; nil when it did not come back.
    package mutating func probed(_ took: TimeSpan?, at now: Timestamp) {
        guard state != .closed else { return }
        probedAt = now
        probes.append(took)
        if probes.count > Self.window { probes.removeFirst() }
        if let took {
            if state == .building { state = .established }
            if firstProbes.count < Self.baselineProbes { firstProbes.append(took) }
        }
        guard state != .building else { return }
        let losses = probes.count { $0 == nil }
        // Of so few probes the slowest is the 95th percentile.
        let slowest = probes.compactMap { $0 }.max() ?? .zero
        let isLate = baseline.map { slowest > $0 * Self.slownessLimit } ?? false
        state = losses > Self.lossesLimit || isLate ? .degraded : .established
    }

    // MARK: - On disk

    package var json: JSON {
        .object([
            "id": .string(name), "level": .string(level.description), "owner": .string(owner),
            "service": .string(service.description), "mode": .string(mode.rawValue), "epoch": .integer(Int64(epoch)),
            "guard": .string(guardKey.description), "state": .string(state.rawValue),
            "created_at": .string(createdAt.description), "closes_at": .string(closesAt.description),
            "packets": .integer(Int64(packets)), "packets_max": .integer(Int64(packetsLimit)),
            "used_at": usedAt.map { .string($0.description) }, "probed_at": probedAt.map { .string($0.description) },
            "loss": .double(loss), "probes_ms": .array(probes.map { $0.map { .integer($0.milliseconds) } ?? .null }),
            "first_probes_ms": .array(firstProbes.map { .integer($0.milliseconds) }),
            "routes": routes.map { routes in
                func places(_ route: [Int]) -> JSON { .array(route.map { .integer(Int64($0)) }) }
                return .object([
                    "out": places(routes.out), "back": places(routes.back), "loop": places(routes.loop),
                ])
            },
        ])
    }

    /// - Throws: `bad_circuits` for a document that is no circuit's.
    package init(json: JSON) throws(MixnetFailure) {
        func bad(_ field: String) -> MixnetFailure {
            MixnetFailure(
                "bad_circuits", "\(field): found \(json[field].map { "\($0.compact.prefix(80))" } ?? "nothing")")
        }
        func read<Value>(_ field: String, _ value: (String) throws -> Value?) throws(MixnetFailure) -> Value {
            guard let text = json[field]?.string, let value = try? value(text) else { throw bad(field) }
            return value
        }
        func count(_ field: String) throws(MixnetFailure) -> Int {
            guard let count = json[field]?.integer, let count = Int(exactly: count), count >= 0 else {
                throw bad(field)
            }
            return count
        }
        func spans(_ field: String, limit: Int) throws(MixnetFailure) -> [TimeSpan?] {
            guard let all = json[field]?.array, all.count <= limit else { throw bad(field) }
            return all.map { $0.integer.map { TimeSpan(milliseconds: $0) } }
        }
        id = try read("id") { text in text.count == 16 ? UInt64(text, radix: 16) : nil }
        level = try read("level") { RouteLevel($0) }
        owner = try read("owner") { $0 }
        service = try read("service") { try PublicKey($0) }
        guardKey = try read("guard") { try PublicKey($0) }
        state = try read("state") { State(rawValue: $0) }
        createdAt = try read("created_at") { try Timestamp($0) }
        closesAt = try read("closes_at") { try Timestamp($0) }
        usedAt = json["used_at"] == nil ? nil : try read("used_at") { try Timestamp($0) }
        probedAt = json["probed_at"] == nil ? nil : try read("probed_at") { try Timestamp($0) }
        epoch = UInt64(try count("epoch"))
        packets = try count("packets")
        packetsLimit = try count("packets_max")
        probes = try spans("probes_ms", limit: Self.window)
        firstProbes = try spans("first_probes_ms", limit: Self.baselineProbes).compactMap { $0 }
        if let kept = json["routes"] {
            func places(_ field: String) -> [Int] {
                (kept[field]?.array ?? []).compactMap { $0.integer.map { Int($0) } }
            }
            let (out, back, loop) = (places("out"), places("back"), places("loop"))
            guard out.count == level.hops, back.count == level.hops, loop.count > 1 else { throw bad("routes") }
            routes = Routes(out: out, back: back, loop: loop)
        } else {
            routes = nil
        }
    }
}
