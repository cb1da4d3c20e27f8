package import FogCore

/// What a client or a node believes of the network: a consensus that enough of the authorities signed whose keys it was
/// given, the newest it has seen. It never goes back, and when that one is too old it stands still rather than guess.
package struct DirectoryTrust: Sendable {
    package let network: Digest
    package let schedule: EpochSchedule
    package let authorities: [PublicKey]
    package private(set) var accepted: SignedConsensus?
    /// What was accepted of late, by epoch: packets of the epoch before are still on their way, and delays are proved
    /// two epochs later.
    package private(set) var recent: [UInt64: SignedConsensus] = [:]

    /// Consensus documents that are kept.
    package static let recentLimit = 5

    /// - Parameters:
    ///   - parameters: name, kind and length of an epoch; the consensus says the rest.
    ///   - accepted: what was accepted before, read from disk: it is checked again.
    ///   - before: what was accepted before that one; checked again as well.
    /// - Throws: what ``accept(_:at:)`` throws, but not for age.
    package init(
        parameters: NetworkParameters, authorities: [PublicKey], accepted: SignedConsensus? = nil,
        before: [SignedConsensus] = []
    ) throws(MixnetFailure) {
        network = parameters.networkID
        schedule = parameters.schedule
        self.authorities = authorities.sorted()
        for signed in before + (accepted.map { [$0] } ?? []) {
            try check(signed)
            remember(signed)
        }
    }

    private mutating func remember(_ signed: SignedConsensus) {
        recent[signed.consensus.epoch] = signed
        if recent.count > Self.recentLimit { recent.keys.min().map { recent[$0] = nil } }
        accepted = recent.keys.max().flatMap { recent[$0] }
    }

    /// - Returns: whether it is newer than what was there.
    /// - Throws: `too_few_signatures`, `wrong_network`, `wrong_epoch` for one of the far future, `rolled_back` for an
    ///   older one, `forked` for another of the same epoch: then a third of the authorities have signed two.
    package mutating func accept(_ signed: SignedConsensus, at now: Timestamp) throws(MixnetFailure) -> Bool {
        try check(signed)
        let epoch = signed.consensus.epoch
        let current = schedule.epoch(at: now)
        guard epoch <= current + 1 else {
            throw MixnetFailure(
                "wrong_epoch", "the consensus is of epoch \(epoch), and it is epoch \(current): is this clock right?")
        }
        if let known = accepted?.consensus {
            guard epoch >= known.epoch else {
                throw MixnetFailure(
                    "rolled_back", "the consensus is of epoch \(epoch), and one of \(known.epoch) was seen already")
            }
            guard epoch > known.epoch else {
                guard signed.consensus.digest == known.digest else {
                    throw MixnetFailure("forked", "two documents of epoch \(epoch) are signed by enough authorities")
                }
                return false
            }
        }
        remember(signed)
        return true
    }

    /// The consensus of an epoch: its own, or while there is none the one of up to two epochs before.
    package func consensus(of epoch: UInt64) -> Consensus? {
        let newest = recent.keys.filter { $0 <= epoch && epoch - $0 < EpochSchedule.validEpochs }.max()
        return newest.flatMap { recent[$0]?.consensus }
    }

    /// The consensus to go by: the newest whose epoch has begun. Keys of one that is to come open nothing before.
    /// - Throws: `no_directory` when there is none yet; `consensus_expired` when the last one is too old.
    package func current(at now: Timestamp) throws(MixnetFailure) -> Consensus {
        let epoch = schedule.epoch(at: now)
        guard let consensus = recent.keys.filter({ $0 <= epoch }).max().flatMap({ recent[$0]?.consensus }) else {
            throw MixnetFailure(
                "no_directory",
                accepted.map {
                    "the first consensus that was seen is of epoch \($0.consensus.epoch), which begins at "
                        + schedule.time(of: $0.consensus.epoch).plain
                } ?? "no consensus of this network has been seen yet")
        }
        let end = schedule.end(ofConsensus: consensus.epoch)
        guard now < end else {
            throw MixnetFailure(
                "consensus_expired",
                "the last consensus (epoch \(consensus.epoch)) was good until \(end.plain), "
                    + "and no newer one was found: nothing is sent before one is")
        }
        return consensus
    }

    private func check(_ signed: SignedConsensus) throws(MixnetFailure) {
        guard signed.consensus.parameters.networkID == network else {
            throw MixnetFailure(
                "wrong_network", "the consensus is of another network, `\(signed.consensus.parameters.name)`")
        }
        guard signed.consensus.parameters.epochLength == schedule.length else {
            throw MixnetFailure(
                "wrong_network",
                "an epoch lasts \(signed.consensus.parameters.epochLength), and here \(schedule.length)")
        }
        let wanted = SignedConsensus.threshold(of: authorities.count)
        let found = signed.count(of: authorities)
        guard found >= wanted else {
            throw MixnetFailure(
                "too_few_signatures", "\(found) of the \(authorities.count) known authorities signed, wanted \(wanted)")
        }
    }
}
