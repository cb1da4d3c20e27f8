package import FogCore

/// A node that follows a directory: has the authorities name it, and goes by what they agree on, epoch by epoch.
package actor MixMember {
    /// What an operator wants to know.
    package enum Event: Sendable {
        /// A consensus was accepted.
        case accepted(Consensus)
        /// What there is to go by now; nil = nothing is good any more, and nothing is opened.
        case entered(epoch: UInt64, consensus: UInt64?, isListed: Bool)
        case described(epoch: UInt64, takers: Int, of: Int, refusals: [String])
        case refused(MixnetFailure)
        /// The key of an epoch was erased before its time, since not all that it opened is known.
        case burnt(epoch: UInt64)
        /// The network speaks another suite: the node was started anew.
        case changedSuite(PacketSuite)
    }

    /// Puts on disk what must outlive the process.
    package struct Keeping: Sendable {
        /// All documents that are to be there, by epoch; others go.
        package var consensus: @Sendable ([UInt64: SignedConsensus]) throws -> Void
        /// Before it is said.
        package var descriptor: @Sendable (SignedDescriptor) throws -> Void

        package init(
            consensus: @escaping @Sendable ([UInt64: SignedConsensus]) throws -> Void,
            descriptor: @escaping @Sendable (SignedDescriptor) throws -> Void
        ) {
            self.consensus = consensus
            self.descriptor = descriptor
        }
    }

    private static let longestTick = TimeSpan.seconds(1)
    /// Parts of an epoch in which a node looks at its clock at least.
    private static let ticks: Int64 = 128
    /// Between two questions to the directory.
    private static let askEvery = TimeSpan.seconds(20)

    private let options: MixNode.Options
    private let store: MixKeyStore
    private let profile: MixMembership.Profile
    private let client: DirectoryClient
    private let clock: any FogClock
    private let keeping: Keeping
    private let tell: @Sendable (Event) -> Void
    package private(set) var node: MixNode
    package private(set) var membership: MixMembership
    private var entered: (epoch: UInt64, consensus: UInt64?)?
    private var burnt: UInt64?
    /// Told once, however often it is asked again.
    private var refusal: MixnetFailure?
    /// Of nodes before the last change of the suite.
    private var earlier = MixCounters()

    /// Starts to listen; nothing is opened before ``run()`` has found a consensus, or one is kept.
    /// - Parameter profile: with port 0 in its address the port is put in that the node listens on.
    /// - Throws: what the system says of the address.
    package static func start(
        _ options: MixNode.Options, profile: MixMembership.Profile, store: MixKeyStore, membership: MixMembership,
        client: DirectoryClient, clock: any FogClock = SystemClock(), keeping: Keeping,
        tell: @escaping @Sendable (Event) -> Void
    ) async throws -> MixMember {
        let now = clock.now
        let views = try membership.views(at: now)
        let node = try await MixNode.start(options, store: store, view: views.view, at: now)
        var (options, profile) = (options, profile)
        options.port = node.port
        if profile.address.hasSuffix(":0") { profile.address = "\(profile.address.dropLast(2)):\(node.port)" }
        return MixMember(
            options, profile, store, client, clock, keeping, tell, node: node, membership: membership)
    }

    private init(
        _ options: MixNode.Options, _ profile: MixMembership.Profile, _ store: MixKeyStore, _ client: DirectoryClient,
        _ clock: any FogClock, _ keeping: Keeping, _ tell: @escaping @Sendable (Event) -> Void, node: MixNode,
        membership: MixMembership
    ) {
        (self.options, self.profile, self.store, self.client) = (options, profile, store, client)
        (self.clock, self.keeping, self.tell) = (clock, keeping, tell)
        (self.node, self.membership) = (node, membership)
    }

    package nonisolated var identity: PublicKey { store.identity.publicKey }

    /// Runs until it is cancelled; then ``drain(limit:)`` is to be called.
    /// - Throws: what the keeping throws: a node that forgets what it has seen could be led back.
    package func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.keepTime() }
            group.addTask { try await self.keepInTouch() }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func keepTime() async throws {
        while !Task.isCancelled {
            try await turn()
            try await node.syncLogs()
            try await pause(Self.longestTick)
        }
    }

    private func keepInTouch() async throws {
        while !Task.isCancelled {
            try await describe()
            try await refresh()
            try await pause(membership.missingEpoch(at: clock.now) == nil ? schedule.length : Self.askEvery)
        }
    }

    private var schedule: EpochSchedule { membership.schedule }

    /// Sleeps until the next epoch begins, and not longer than that or a part of an epoch.
    private func pause(_ most: TimeSpan) async throws {
        let now = clock.now
        let next = schedule.time(of: schedule.epoch(at: now) + 1) - now
        let part = TimeSpan(milliseconds: schedule.length.milliseconds / Self.ticks)
        try? await Task.sleep(for: max(min(most, next, part), .milliseconds(1)).duration)
    }

    // MARK: - Time

    /// Gives the node the network of now, and the keys. One call ends before the next begins.
    package func turn() async throws {
        let now = clock.now
        let (view, before, next) = try membership.views(at: now)
        if view.suite != node.suite { try await changeSuite(view, at: now) }
        // The other suite's packets need a node of their own, so it is not opened ahead.
        let ahead = next.flatMap { $0.suite == node.suite ? $0 : nil }
        try await node.update(view, before: before, next: ahead, at: now)
        let mixed = try await counters().counters.mixed
        membership.traffic.note(mixed, at: now, schedule: schedule)
        let epoch = schedule.epoch(at: now)
        let consensus = membership.trust.consensus(of: epoch)
        if entered?.epoch != epoch || entered?.consensus != consensus?.epoch {
            entered = (epoch, consensus?.epoch)
            tell(
                .entered(
                    epoch: epoch, consensus: consensus?.epoch, isListed: consensus?.index(of: identity) != nil))
        }
        if consensus != nil, !node.liveEpochs.contains(epoch), burnt != epoch {
            burnt = epoch
            tell(.burnt(epoch: epoch))
        }
    }

    private func changeSuite(_ view: MixNetworkView, at now: Timestamp) async throws {
        earlier = earlier + (try await node.counters().counters)
        try await node.drain(limit: .seconds(1))
        node = try await MixNode.start(options, store: store, view: view, at: now)
        tell(.changedSuite(view.suite))
    }

    // MARK: - The directory

    /// Looks for a consensus that is missing.
    package func refresh() async throws {
        let now = clock.now
        guard let wanted = membership.missingEpoch(at: now) else { return }
        do throws(MixnetFailure) {
            let before = membership.trust.accepted
            let trust = try await client.refreshed(membership.trust, for: wanted, at: now)
            guard let accepted = trust.accepted, accepted != before else { return }
            membership.trust = trust
            refusal = nil
            tell(.accepted(accepted.consensus))
        } catch {
            return refuse(error)
        }
        try keeping.consensus(membership.kept)
    }

    /// Says what the node will be in the next epoch, as long as that is of use.
    package func describe() async throws {
        let count = client.authorities.count
        guard let (epoch, mayWait) = membership.dueDescriptor(to: count, at: clock.now) else { return }
        if membership.descriptor?.descriptor.epoch != epoch {
            let past = epoch &- 2
            let owes = membership.owesProof(of: past, identity)
            let proof = owes ? node.delayProof(of: past, in: membership.view(of: past)) : nil
            if owes, proof == nil, mayWait { return }
            do throws(MixnetFailure) {
                let signed = try store.descriptor(
                    network: membership.parameters.networkID, epoch: epoch, role: profile.role,
                    family: profile.family, address: profile.address, proof: proof, bandwidth: profile.bandwidth,
                    traffic: membership.traffic.told)
                membership.say(signed)
            } catch {
                return refuse(error)
            }
            if let signed = membership.descriptor { try keeping.descriptor(signed) }
        }
        guard let signed = membership.descriptor else { return }
        let (taken, refusals) = await client.handIn(signed)
        membership.said(epoch, to: taken)
        tell(.described(epoch: epoch, takers: taken, of: count, refusals: refusals))
    }

    private func refuse(_ failure: MixnetFailure) {
        guard failure.code != refusal?.code || failure.message != refusal?.message else { return }
        refusal = failure
        tell(.refused(failure))
    }

    // MARK: - What it did

    package func counters() async throws -> (counters: MixCounters, waiting: Int) {
        let (counters, waiting) = try await node.counters()
        return (earlier + counters, waiting)
    }

    /// What a scrape shows of the network, beside the counters.
    package func metrics() -> String {
        let epoch = schedule.epoch(at: clock.now)
        let consensus = membership.trust.consensus(of: epoch)
        let values = [
            ("epoch", "The epoch of this node's clock.", "\(epoch)"),
            (
                "consensus_epoch", "The epoch of the consensus that the node goes by; 0 when none is good.",
                "\(consensus?.epoch ?? 0)"
            ),
            ("listed", "Whether that consensus names this node.", consensus?.index(of: identity) == nil ? "0" : "1"),
            ("traffic_told", "Packets a second that the node told the directory of.", "\(membership.traffic.told)"),
        ]
        return values.map { name, help, value in
            "# HELP fog_mix_\(name) \(help)\n# TYPE fog_mix_\(name) gauge\nfog_mix_\(name) \(value)\n"
        }.joined()
    }

    /// Takes nothing more, lets what waits leave at its time, and ends.
    package func drain(limit: TimeSpan) async throws { try await node.drain(limit: limit) }
}
