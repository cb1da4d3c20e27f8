package import FogCore

/// What mixes did wrong, by their keys: what a client chooses its routes by, beside its own losses of the last minutes.
///
/// It comes from the consensus, which says who proved its delays, and from audits of one's own loops. A fault is remembered
/// for a day of twenty-minute epochs: a node that was mended is used again.
package struct MixReputation: Hashable, Sendable {
    package enum Fault: String, Sendable, CaseIterable, Comparable {
        /// Its delays are not those that it owes.
        case cheats = "delay_cheat"
        /// It lets fewer packets through than the others.
        case loses = "lossy"
        /// It did not prove the delays of an epoch that it had a part in.
        case unproved = "delays_unproved"

        /// What such a node is still chosen with, against 1. Never nothing: a layer may have no other.
        package var weight: Double {
            switch self {
            case .cheats: 0.01
            case .loses: 0.1
            case .unproved: 0.5
            }
        }

        package static func < (first: Self, second: Self) -> Bool { first.weight < second.weight }
    }

    package static let memoryEpochs: UInt64 = 72

    /// The last epoch that each fault was found in.
    private var found: [PublicKey: [Fault: UInt64]] = [:]
    private var newest: UInt64 = 0

    package init() {}

    // MARK: - Learning

    /// What a consensus says of the delays of two epochs before.
    /// - Parameter past: the consensus of that epoch. When most of its mixes proved nothing, the network had no time for it,
    ///   and nobody is blamed.
    package mutating func take(_ consensus: Consensus, past: Consensus) {
        guard past.epoch &+ 2 == consensus.epoch else { return }
        let owing = past.nodes.filter { $0.layer != nil }.map(\.descriptor.identity)
        let known = Dictionary(
            consensus.nodes.map { ($0.descriptor.identity, $0.hasProvedDelays) },
            uniquingKeysWith: { first, _ in first })
        // Who left the network owes it nothing any more.
        let there = owing.filter { known[$0] != nil }
        let silent = there.filter { known[$0] == false }
        guard silent.count * 2 < there.count else { return }
        for node in silent { blame(node, .unproved, in: past.epoch) }
    }

    /// What an audit of one's own loops found.
    package mutating func take(_ findings: [PublicKey: LoopAudit.Finding], of epoch: UInt64) {
        // Who proved nothing is the consensus's to say, which knows whether anybody could.
        for (node, finding) in findings {
            for fault in finding.faults where fault != .unproved { blame(node, fault, in: epoch) }
        }
    }

    private mutating func blame(_ node: PublicKey, _ fault: Fault, in epoch: UInt64) {
        newest = max(newest, epoch)
        found[node, default: [:]][fault] = max(epoch, found[node]?[fault] ?? 0)
        for (node, faults) in found {
            let fresh = faults.filter { $0.value + Self.memoryEpochs > newest }
            found[node] = fresh.isEmpty ? nil : fresh
        }
    }

    // MARK: - Telling

    /// The faults of a node that are not forgotten yet, the worst first.
    package func faults(of node: PublicKey, in epoch: UInt64) -> [Fault] {
        (found[node] ?? [:]).filter { $0.value + Self.memoryEpochs > epoch }.keys.sorted()
    }

    /// What nodes are to be chosen with, against 1, by their places in a consensus; those without a fault are left out.
    package func weights(in consensus: Consensus) -> [Int: Double] {
        var weights: [Int: Double] = [:]
        for (place, node) in consensus.nodes.enumerated() {
            guard let worst = faults(of: node.descriptor.identity, in: consensus.epoch).first else { continue }
            weights[place] = worst.weight
        }
        return weights
    }

    // MARK: - On disk

    /// Takes what another process found as well.
    package mutating func merge(_ other: MixReputation) {
        for (node, faults) in other.found { for (fault, epoch) in faults { blame(node, fault, in: epoch) } }
    }

    package var json: JSON {
        let nodes = found.sorted { $0.key < $1.key }.map { node, faults in
            JSON.object([
                "key": .string(node.description),
                "faults": .array(
                    faults.sorted { $0.key < $1.key }.map {
                        .object(["fault": .string($0.key.rawValue), "epoch": .integer(Int64($0.value))])
                    }),
            ])
        }
        return .object(["nodes": .array(nodes)])
    }

    /// - Throws: `bad_reputation` for a document that is none.
    package init(json: JSON) throws(MixnetFailure) {
        guard let nodes = json["nodes"]?.array else { throw MixnetFailure("bad_reputation", "nodes: a list is wanted") }
        for (place, node) in nodes.enumerated() {
            guard let key = node["key"]?.string.flatMap({ try? PublicKey($0) }), let faults = node["faults"]?.array
            else { throw MixnetFailure("bad_reputation", "nodes[\(place)]: key and faults are wanted") }
            for entry in faults {
                guard let fault = entry["fault"]?.string.flatMap({ Fault(rawValue: $0) }),
                    let epoch = entry["epoch"]?.integer.flatMap({ UInt64(exactly: $0) })
                else { throw MixnetFailure("bad_reputation", "nodes[\(place)].faults: fault and epoch are wanted") }
                blame(key, fault, in: epoch)
            }
        }
    }
}
