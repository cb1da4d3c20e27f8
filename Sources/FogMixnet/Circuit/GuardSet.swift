package import FogCore

/// The few nodes that one's routes begin with, for months: who changes them often meets a bad one soon.
///
/// Three are drawn by bandwidth; the first of them that works is used, and only that one. Another one is never drawn
/// because those do not answer, or an attacker who cuts lines could choose for us. As Tor has it (guard-spec).
package struct GuardSet: Hashable, Sendable {
    package static let size = 3
    /// A guard's life is drawn from it, so that nobody knows when it ends.
    package static let lifeDays: ClosedRange<Int64> = 60...120
    /// A guard that the network has not had for so long is given up.
    package static let absence = TimeSpan.days(7)
    /// How long a guard that did not answer is passed over.
    package static let pause = TimeSpan.minutes(10)

    package struct Guard: Hashable, Sendable {
        package let key: PublicKey
        package let until: Timestamp
        package var seenAt: Timestamp
        /// Not kept on disk.
        package var failedAt: Timestamp?
    }

    /// In the order of preference.
    package private(set) var guards: [Guard] = []

    package init() {}

    /// Brings the set up to date with a consensus.
    /// - Returns: whether something is to be written to disk.
    package mutating func update(
        _ consensus: Consensus, at now: Timestamp, using generator: inout some RandomNumberGenerator
    ) -> Bool {
        let before = guards
        for place in guards.indices where Self.index(of: guards[place].key, in: consensus) != nil {
            // Days are enough, and save writing.
            if guards[place].seenAt + .hours(12) < now { guards[place].seenAt = now }
        }
        guards.removeAll { $0.until <= now || $0.seenAt + Self.absence <= now }
        while guards.count < Self.size, let key = draw(consensus, &generator) {
            let life = TimeSpan.days(Int64.random(in: Self.lifeDays, using: &generator))
            guards.append(Guard(key: key, until: now + life, seenAt: now))
        }
        return guards != before
    }

    /// The guard to begin routes with, by its place in the consensus; nil when none of them can be had now.
    package func current(in consensus: Consensus, at now: Timestamp) -> Int? {
        for candidate in guards where candidate.failedAt.map({ $0 + Self.pause <= now }) ?? true {
            if let index = Self.index(of: candidate.key, in: consensus) { return index }
        }
        return nil
    }

    /// The guard did not answer; it is tried again later.
    package mutating func failed(_ key: PublicKey, at now: Timestamp) {
        for place in guards.indices where guards[place].key == key { guards[place].failedAt = now }
    }

    private static func index(of key: PublicKey, in consensus: Consensus) -> Int? {
        consensus.index(of: key).flatMap { consensus.nodes[$0].layer == nil ? nil : $0 }
    }

    /// A mix of a family that is not among the guards, in proportion to bandwidth.
    private func draw(_ consensus: Consensus, _ generator: inout some RandomNumberGenerator) -> PublicKey? {
        let families = guards.compactMap { one in
            consensus.index(of: one.key).map { consensus.nodes[$0].descriptor.familyName }
        }
        let candidates = consensus.nodes.filter { node in
            node.layer != nil && !families.contains(node.descriptor.familyName)
                && !guards.contains { $0.key == node.descriptor.identity }
        }
        guard !candidates.isEmpty else { return nil }
        var draw = Double.random(in: 0..<1, using: &generator) * candidates.reduce(0) { $0 + Double($1.bandwidth) }
        for node in candidates {
            draw -= Double(node.bandwidth)
            if draw < 0 { return node.descriptor.identity }
        }
        return candidates.last?.descriptor.identity
    }

    // MARK: - On disk

    package var json: JSON {
        .object([
            "guards": .array(
                guards.map { one in
                    .object([
                        "key": .string(one.key.description), "until": .string(one.until.description),
                        "seen_at": .string(one.seenAt.description),
                    ])
                })
        ])
    }

    /// - Throws: `bad_guards` for a document that is no set of guards: better to stop than to draw new ones quietly.
    package init(json: JSON) throws(MixnetFailure) {
        guard let entries = json["guards"]?.array, entries.count <= Self.size else {
            throw MixnetFailure("bad_guards", "guards: up to \(Self.size) are wanted")
        }
        for (place, entry) in entries.enumerated() {
            guard let key = entry["key"]?.string, let until = entry["until"]?.string,
                let seenAt = entry["seen_at"]?.string
            else { throw MixnetFailure("bad_guards", "guards[\(place)]: key, until and seen_at are wanted") }
            do {
                guards.append(
                    Guard(key: try PublicKey(key), until: try Timestamp(until), seenAt: try Timestamp(seenAt)))
            } catch {
                throw MixnetFailure("bad_guards", "guards[\(place)]: \(error.message)")
            }
        }
    }
}
