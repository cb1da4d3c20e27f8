package import FogCore

/// Loops of one's own, kept until the proofs of their epoch are out: what they say of the nodes that they went through.
///
/// Who sent a loop knows each hop's tag, when it went and when it came. The consensus two epochs later has the proofs of the
/// nodes' delays, so each delay that was owed is known then.
package struct LoopAudit: Sendable {
    /// Of one epoch; more say nothing more.
    package static let loopsLimit = 4096
    /// Epochs whose loops are kept: the current one, and those whose proofs are not out yet.
    package static let epochsLimit = 4

    private struct Loop {
        let hops: [(node: PublicKey, tag: ReplayTag)]
        let sentAt: Int64
        var took: Int64?
    }

    /// By epoch, and by the id that a loop comes back under.
    private var loops: [UInt64: [[UInt8]: Loop]] = [:]

    package init() {}

    /// Notes a loop that leaves.
    /// - Parameters:
    ///   - id: that it comes back under.
    ///   - hops: what its sender knows of each hop.
    ///   - route: the nodes of the hops.
    ///   - now: in nanoseconds of a clock that is never set.
    package mutating func sent(
        _ id: [UInt8], epoch: UInt64, hops: [HopKnowledge], route: [PublicKey], at now: Int64
    ) {
        precondition(hops.count == route.count, "each hop is at a node")
        guard loops[epoch, default: [:]].count < Self.loopsLimit else { return }
        loops[epoch, default: [:]][id] = Loop(hops: zip(route, hops.map(\.tag)).map { ($0, $1) }, sentAt: now)
        while loops.count > Self.epochsLimit { loops.keys.min().map { loops[$0] = nil } }
    }

    /// Notes that a loop came back.
    /// - Returns: whether it was one that is kept.
    package mutating func returned(_ id: [UInt8], at now: Int64) -> Bool {
        for epoch in loops.keys {
            guard let loop = loops[epoch]?[id] else { continue }
            if loop.took == nil { loops[epoch]?[id]?.took = now - loop.sentAt }
            return true
        }
        return false
    }

    /// Epochs with loops, in their order.
    package var epochs: [UInt64] { loops.keys.sorted() }

    /// Loops of an epoch that were sent, and that came back.
    package func count(of epoch: UInt64) -> (sent: Int, returned: Int) {
        let all = loops[epoch] ?? [:]
        return (all.count, all.values.count { $0.took != nil })
    }

    package mutating func forget(_ epoch: UInt64) { loops[epoch] = nil }

    // MARK: - The verdict

    /// What is known of a node for an epoch.
    package struct Finding: Hashable, Sendable {
        /// Whether it proved what it owed.
        package var hasProved: Bool
        /// Of its delays; nil without loops that say something of them.
        package var delays: DelayAudit.Finding?
        /// Of what it lets through; nil without loops through it.
        package var share: NodeShares.Share?

        package var faults: Set<MixReputation.Fault> {
            var faults: Set<MixReputation.Fault> = []
            if !hasProved { faults.insert(.unproved) }
            if delays?.verdict == .cheats { faults.insert(.cheats) }
            if share?.isLossy == true { faults.insert(.loses) }
            return faults
        }
    }

    /// The finding on every mix of an epoch's consensus.
    /// - Parameter trust: with the consensus of the epoch and of the one two after it.
    /// - Returns: nil while one of them is not there.
    package func findings(of epoch: UInt64, _ trust: DirectoryTrust) -> [PublicKey: Finding]? {
        guard let past = trust.recent[epoch]?.consensus, let later = trust.recent[epoch &+ 2]?.consensus else {
            return nil
        }
        return findings(of: past, provedIn: later)
    }

    /// - Parameters:
    ///   - past: the consensus of the epoch.
    ///   - later: that of the epoch two after it.
    package func findings(of past: Consensus, provedIn later: Consensus) -> [PublicKey: Finding] {
        let draws = Self.draws(of: past, provedIn: later)
        let mean = past.parameters.meanDelay.milliseconds * 1_000_000
        let all = Array((loops[past.epoch] ?? [:]).values)
        let audited = all.compactMap { loop -> DelayAudit.Loop? in
            guard let took = loop.took else { return nil }
            var predicted: [PublicKey: Int64] = [:]
            for (node, tag) in loop.hops {
                // What is not known of one node would be noise in the findings on the others.
                guard let draw = draws[node] else { return nil }
                predicted[node, default: 0] += draw.nanoseconds(of: tag, mean: mean)
            }
            return DelayAudit.Loop(predicted: predicted, measured: took)
        }
        let delays = DelayAudit(audited).findings()
        let shares = NodeShares(all.map { (route: $0.hops.map(\.node), hasArrived: $0.took != nil) }).shares
        var findings: [PublicKey: Finding] = [:]
        for node in past.nodes where node.layer != nil {
            let identity = node.descriptor.identity
            findings[identity] = Finding(
                hasProved: draws[identity] != nil, delays: delays[identity], share: shares[identity])
        }
        return findings
    }

    /// The delays that nodes owed in an epoch, of those that proved them two epochs later.
    private static func draws(of past: Consensus, provedIn later: Consensus) -> [PublicKey: DelayDraw] {
        let proofs = Dictionary(
            later.nodes.map { ($0.descriptor.identity, $0.descriptor.delayProof) },
            uniquingKeysWith: { first, _ in first })
        var draws: [PublicKey: DelayDraw] = [:]
        for node in past.nodes {
            let descriptor = node.descriptor
            let input = DelayDraw.input(
                network: descriptor.network, node: descriptor.identity, epoch: past.epoch, randomness: past.random)
            guard let proof = proofs[descriptor.identity], let key = try? VRFPublicKey(bytes: descriptor.vrfKey),
                let output = key.output(for: input, proof: proof)
            else { continue }
            draws[descriptor.identity] = DelayDraw(output: output)
        }
        return draws
    }
}
