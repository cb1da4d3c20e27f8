package import FogCore

/// What a node of a network knows of it, and what it has to do for it now: pure, so that epochs pass in a test as fast as it
/// likes.
///
/// A node goes by the newest consensus whose epoch has begun, looks for the next from 5/8 of an epoch on, and in the first
/// eighth tells what it will be in the next one. Without a consensus that is still good it opens and sends nothing.
package struct MixMembership: Sendable {
    /// What a node says of itself, beside its keys.
    package struct Profile: Hashable, Sendable {
        package var role = MixDescriptor.Role.mix
        /// Nodes of one operator say the same word.
        package var family = ""
        /// `host:port`, where others reach it.
        package var address: String
        /// Packets a second that it claims to take.
        package var bandwidth: UInt32 = 5_000

        package init(address: String) { self.address = address }
    }

    package let parameters: NetworkParameters
    package var trust: DirectoryTrust
    package var traffic = TrafficMeter()
    /// What was said last. An authority takes one for each epoch, so it is said again as it was, also after a restart.
    package private(set) var descriptor: SignedDescriptor?
    /// Authorities that took it.
    private var takers = 0

    /// - Parameter descriptor: what an earlier process said last.
    package init(parameters: NetworkParameters, trust: DirectoryTrust, descriptor: SignedDescriptor? = nil) {
        self.parameters = parameters
        self.trust = trust
        self.descriptor = descriptor
    }

    package var schedule: EpochSchedule { parameters.schedule }

    // MARK: - The network

    /// The epoch whose consensus is to be looked for; nil when everything that there may be is here.
    package func missingEpoch(at now: Timestamp) -> UInt64? {
        let newest = schedule.newestEpoch(at: now)
        return (trust.accepted?.consensus.epoch ?? 0) < newest ? newest : nil
    }

    /// An epoch as its consensus has it; nil when there is none that is good for it.
    package func view(of epoch: UInt64) -> MixNetworkView? {
        trust.consensus(of: epoch).flatMap { try? MixNetworkView($0) }
    }

    /// What to go by at a time.
    /// - Returns: a network without nodes when nothing is known that is still good.
    package func views(
        at now: Timestamp
    ) throws(MixnetFailure) -> (view: MixNetworkView, before: MixNetworkView?, next: MixNetworkView?) {
        let epoch = schedule.epoch(at: now)
        guard let view = view(of: epoch) else { return (try MixNetworkView(parameters), nil, nil) }
        // Only its own consensus: without one, the next epoch begins when it begins.
        let next = try trust.recent[epoch + 1].map { signed throws(MixnetFailure) in
            try MixNetworkView(signed.consensus)
        }
        return (view, epoch > 0 ? self.view(of: epoch - 1) : nil, next)
    }

    // MARK: - Its word

    /// The epoch to say something for now, and whether that can wait for the proof of the delays two epochs before it; nil
    /// when it is said, or too late.
    /// - Parameter count: of the authorities.
    package func dueDescriptor(to count: Int, at now: Timestamp) -> (epoch: UInt64, mayWait: Bool)? {
        guard let epoch = schedule.describedEpoch(at: now) else { return nil }
        guard descriptor?.descriptor.epoch == epoch else {
            // An eighth of the time is left for who does not answer at once.
            let start = schedule.time(of: epoch - 1)
            let span = schedule.time(of: epoch - 1, eighths: 1) - start
            return (epoch, (now - start) * 8 < span * 7)
        }
        return takers < count ? (epoch, false) : nil
    }

    /// Whether a node had a part in an epoch, and so owes a proof of its delays.
    package func owesProof(of epoch: UInt64, _ identity: PublicKey) -> Bool {
        trust.recent[epoch]?.consensus.index(of: identity) != nil
    }

    package mutating func say(_ signed: SignedDescriptor) {
        descriptor = signed
        takers = 0
    }

    package mutating func said(_ epoch: UInt64, to takers: Int) {
        if descriptor?.descriptor.epoch == epoch { self.takers = max(self.takers, takers) }
    }

    // MARK: - Disk

    /// Documents that are to be on disk, by epoch.
    package var kept: [UInt64: SignedConsensus] { trust.recent }
}
