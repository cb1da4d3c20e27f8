package import FogCore

/// One directory authority: decides what it says and when, and what the network of the next epoch is.
///
/// Pure: it is told the time and what arrives, and answers with what is to be done. With fewer than a third of all
/// authorities faulty, no two documents of one epoch get enough signatures; that there is one at all also takes clocks
/// that agree to an eighth of an epoch.
package struct Authority: Sendable {
    package struct Configuration: Sendable {
        package var parameters: NetworkParameters
        package var key: SigningKey
        /// All of the network, this one among them.
        package var authorities: [PublicKey]
        /// The nodes that may be in the network; nil = all that ask, as in a test network.
        package var admitted: Set<PublicKey>?
        /// Packets a second that a node is believed to take at most, whatever it claims.
        package var bandwidthLimit: UInt32 = 50_000

        package init(
            parameters: NetworkParameters, key: SigningKey, authorities: [PublicKey], admitted: Set<PublicKey>? = nil
        ) {
            self.parameters = parameters
            self.key = key
            self.authorities = authorities.sorted()
            self.admitted = admitted
        }
    }

    package enum Effect: Equatable, Sendable {
        /// Before anything that follows is said.
        case keep(DirectoryRecord)
        case send(DirectoryMessage)
        case publish(SignedConsensus)
        case report(Equivocation)
        /// Nothing was agreed on in this epoch, and why.
        case fail(epoch: UInt64, MixnetFailure)
    }

    /// Whether a node's proof of its delays in an epoch holds. The VRF key is the one that the node had in the consensus
    /// of that epoch: it was handed in before the random value was known, so it could not be chosen for it.
    package typealias DelayCheck = @Sendable (_ node: MixDescriptor, _ random: Digest, _ proof: [UInt8]) -> Bool

    package static let vrfCheck: DelayCheck = { node, random, proof in
        let input = DelayDraw.input(
            network: node.network, node: node.identity, epoch: node.epoch, randomness: random)
        return (try? VRFPublicKey(bytes: node.vrfKey))?.output(for: input, proof: proof) != nil
    }

    private static let publishedLimit = 4
    private static let equivocationsLimit = 256

    package let configuration: Configuration
    private let checkDelays: DelayCheck
    private let merge: ConsensusMerge
    private let threshold: Int
    private var round: DirectoryRound?
    private var restored: DirectoryRecord?
    /// By the epoch that they are for.
    private var descriptors: [UInt64: [PublicKey: SignedDescriptor]] = [:]
    /// By their epoch, the newest few.
    private var published: [UInt64: SignedConsensus] = [:]
    package private(set) var equivocations: [Equivocation] = []

    package init(
        _ configuration: Configuration, restoring record: DirectoryRecord? = nil, published: SignedConsensus? = nil,
        checkDelays: @escaping DelayCheck = Authority.vrfCheck
    ) {
        precondition(
            configuration.authorities.contains(configuration.key.publicKey), "an authority is one of the authorities")
        self.configuration = configuration
        self.checkDelays = checkDelays
        merge = ConsensusMerge(authorities: configuration.authorities)
        threshold = SignedConsensus.threshold(of: configuration.authorities.count)
        restored = record
        if let published { self.published[published.consensus.epoch] = published }
    }

    package var schedule: EpochSchedule { configuration.parameters.schedule }
    private var network: Digest { configuration.parameters.networkID }
    private var name: PublicKey { configuration.key.publicKey }

    /// The newest that was agreed on.
    package var latest: SignedConsensus? { published.keys.max().flatMap { published[$0] } }
    package func consensus(of epoch: UInt64) -> SignedConsensus? { published[epoch] }
    /// When ``tick(at:)`` has something to do next.
    package func wakeAt(after now: Timestamp) -> Timestamp {
        let epoch = schedule.epoch(at: now)
        return [0, 1, 2, 3, 5].lazy.map { schedule.time(of: epoch, eighths: $0) }.first { $0 > now }
            ?? schedule.time(of: epoch + 1)
    }

    // MARK: - Time

    package mutating func tick(at now: Timestamp, secret: () -> [UInt8]) -> [Effect] {
        let current = schedule.epoch(at: now)
        let epoch = current + 1
        var effects: [Effect] = []
        if round?.record.epoch != epoch { effects += begin(epoch, secret) }
        let eighth = (0..<EpochSchedule.eighths).last { schedule.time(of: current, eighths: $0) <= now } ?? 0
        if eighth == 1 { effects += vote(epoch) }
        if eighth == 2 { effects += echo(epoch) }
        if eighth == 3 || eighth == 4 { effects += sign(epoch) }
        if eighth >= 5 { effects += publish(epoch) }
        return effects
    }

    private mutating func begin(_ epoch: UInt64, _ secret: () -> [UInt8]) -> [Effect] {
        descriptors = descriptors.filter { $0.key >= epoch }
        published = published.filter { $0.key + UInt64(Self.publishedLimit) > epoch }
        let kept = restored.flatMap { $0.epoch == epoch ? $0 : nil }
        restored = nil
        let record = kept ?? DirectoryRecord(epoch: epoch, secret: secret())
        var next = DirectoryRound(record: record)
        if let vote = try? DirectoryVote(bytes: record.vote) { next.votes[vote.digest] = vote }
        round = next
        return []
    }

    private mutating func vote(_ epoch: UInt64) -> [Effect] {
        guard var round, round.said(.vote).allSatisfy({ $0.authority != name }) else { return [] }
        let vote =
            (try? DirectoryVote(bytes: round.record.vote))
            ?? DirectoryVote(
                parameters: configuration.parameters, epoch: epoch, authority: name,
                previous: published[epoch - 1]?.consensus.digest ?? .zero,
                commitment: DirectoryVote.commitment(to: round.record.secret, epoch: epoch, authority: name),
                entries: entries(epoch))
        let statement = state(.vote, epoch, vote.digest)
        round.record.vote = vote.bytes
        round.votes[vote.digest] = vote
        _ = round.hear(statement)
        self.round = round
        return [.keep(round.record), .send(.vote(statement, vote))]
    }

    private func entries(_ epoch: UInt64) -> [DirectoryVote.Entry] {
        let past = epoch >= 2 ? published[epoch - 2]?.consensus : nil
        return (descriptors[epoch] ?? [:]).values.map { node in
            let before = past.flatMap { past in
                past.index(of: node.descriptor.identity).map { (past.nodes[$0].descriptor, past.random) }
            }
            return DirectoryVote.Entry(
                node: node, bandwidth: min(node.descriptor.bandwidth, configuration.bandwidthLimit),
                hasProvedDelays: before.map { checkDelays($0.0, $0.1, node.descriptor.delayProof) } ?? false)
        }
    }

    private mutating func echo(_ epoch: UInt64) -> [Effect] {
        // Without a vote there is nothing to reveal, and who did not vote has no say.
        guard var round, !round.record.vote.isEmpty, round.echoes[name] == nil else { return [] }
        let echo =
            (try? DirectoryEcho(bytes: round.record.echo))
            ?? DirectoryEcho(
                network: network, epoch: epoch, authority: name, secret: round.record.secret, votes: round.said(.vote))
        let statement = state(.echo, epoch, echo.digest)
        round.record.echo = echo.bytes
        round.echoes[name] = echo
        _ = round.hear(statement)
        self.round = round
        return [.keep(round.record), .send(.echo(statement, echo))]
    }

    private mutating func sign(_ epoch: UInt64) -> [Effect] {
        guard var round, !round.hasMerged, !round.record.echo.isEmpty else { return [] }
        round.hasMerged = true
        defer { self.round = round }
        do throws(MixnetFailure) {
            let consensus = try merge.consensus(
                epoch: epoch, votes: Array(round.votes.values), echoes: round.soundEchoes)
            let digest = consensus.digest
            if let signed = round.record.signed, signed != digest {
                throw MixnetFailure("no_consensus", "another document of epoch \(epoch) was signed before a restart")
            }
            round.consensus = consensus
            round.record.signed = digest
            let statement = state(.consensus, epoch, digest)
            _ = round.hear(statement)
            return [.keep(round.record), .send(.signature(statement))]
        } catch {
            return [.fail(epoch: epoch, error)]
        }
    }

    private mutating func publish(_ epoch: UInt64) -> [Effect] {
        guard let round, published[epoch] == nil, let consensus = round.consensus else { return [] }
        let digest = consensus.digest
        let signatures = round.said(.consensus).filter { $0.digest == digest }
        guard signatures.count >= threshold else { return [] }
        let signed = SignedConsensus(consensus, signatures: signatures)
        published[epoch] = signed
        return [.publish(signed), .send(.consensus(signed))]
    }

    private func state(_ kind: Statement.Kind, _ epoch: UInt64, _ digest: Digest) -> Statement {
        Statement(kind, network: network, epoch: epoch, digest: digest, signedWith: configuration.key)
    }

    // MARK: - Hearing

    /// Takes a message: of another authority, or of a node.
    /// - Throws: `wrong_epoch`, `wrong_network`, `unknown_authority`, `not_admitted`, `too_late`, `too_many`.
    package mutating func receive(_ message: DirectoryMessage, at now: Timestamp) throws(MixnetFailure) -> [Effect] {
        switch message {
        case .descriptor(let node): return try take(node, at: now)
        case .vote(let statement, let vote):
            try check(statement, at: now, before: 3)
            guard vote.entries.allSatisfy({ isAdmitted($0.node.descriptor.identity) }) else {
                throw MixnetFailure("not_admitted", "the vote of \(vote.authority) has a node that may not be here")
            }
            // A vote that comes after the echoes is of use only when they name it; so it is kept, not named.
            let isLate = now >= schedule.time(of: statement.epoch - 1, eighths: 2)
            let (isNew, effects) = isLate ? (round?.votes[vote.digest] == nil, []) : hear(statement)
            guard isNew else { return effects }
            if (round?.votes.count ?? 0) < 2 * configuration.authorities.count { round?.votes[vote.digest] = vote }
            return effects + [.send(message)]
        case .echo(let statement, let echo):
            try check(statement, at: now, before: 3)
            var (isNew, effects) = hear(statement)
            guard isNew else { return effects }
            if round?.echoes[echo.authority] == nil { round?.echoes[echo.authority] = echo }
            for vote in echo.votes where configuration.authorities.contains(vote.authority) {
                effects += proofs(of: vote)
            }
            return effects + [.send(message)]
        case .signature(let statement):
            try check(statement, at: now, before: EpochSchedule.eighths)
            let (isNew, effects) = hear(statement)
            guard isNew else { return effects }
            let isTime = now >= schedule.time(of: statement.epoch - 1, eighths: 5)
            return effects + [.send(message)] + (isTime ? publish(statement.epoch) : [])
        case .consensus(let signed): return try adopt(signed, at: now)
        }
    }

    private mutating func hear(_ statement: Statement) -> (isNew: Bool, [Effect]) {
        guard let (isNew, proof) = round?.hear(statement) else { return (false, []) }
        return (isNew, proof.map { remember($0) } ?? [])
    }

    /// What another's echo shows of a vote: a proof, when it is another vote than the one that came here.
    private mutating func proofs(of vote: Statement) -> [Effect] {
        (round?.statements[.vote]?[vote.authority] ?? [])
            .compactMap { Equivocation($0, vote) }.flatMap { remember($0) }
    }

    private mutating func remember(_ proof: Equivocation) -> [Effect] {
        guard !equivocations.contains(proof), equivocations.count < Self.equivocationsLimit else { return [] }
        equivocations.append(proof)
        return [.report(proof)]
    }

    private func check(_ statement: Statement, at now: Timestamp, before eighth: Int64) throws(MixnetFailure) {
        guard statement.network == network else {
            throw MixnetFailure(
                "wrong_network", "the \(statement.kind) of \(statement.authority) is for another network")
        }
        guard configuration.authorities.contains(statement.authority) else {
            throw MixnetFailure("unknown_authority", "\(statement.authority) is no authority of this network")
        }
        let wanted = schedule.epoch(at: now) + 1
        guard statement.epoch == wanted, round?.record.epoch == wanted else {
            throw MixnetFailure(
                "wrong_epoch",
                "the \(statement.kind) of \(statement.authority) is for epoch \(statement.epoch), wanted \(wanted): "
                    + "one of the clocks is wrong")
        }
        guard now < schedule.time(of: wanted - 1, eighths: eighth) else {
            throw MixnetFailure(
                "too_late", "the \(statement.kind) of \(statement.authority) came after \(eighth)/8 of the epoch")
        }
    }

    private func isAdmitted(_ node: PublicKey) -> Bool { configuration.admitted?.contains(node) ?? true }

    private mutating func take(_ node: SignedDescriptor, at now: Timestamp) throws(MixnetFailure) -> [Effect] {
        let descriptor = node.descriptor
        guard descriptor.network == network else {
            throw MixnetFailure("wrong_network", "the descriptor of \(descriptor.identity) is for another network")
        }
        guard isAdmitted(descriptor.identity) else {
            throw MixnetFailure("not_admitted", "\(descriptor.identity) may not be in this network")
        }
        // Too late for the next epoch, it may still be for the one after.
        let current = schedule.epoch(at: now)
        let first = current + (now < schedule.time(of: current, eighths: 1) ? 1 : 2)
        guard (first...current + 2).contains(descriptor.epoch) else {
            throw MixnetFailure(
                "wrong_epoch",
                "the descriptor of \(descriptor.identity) is for epoch \(descriptor.epoch), wanted \(first) to \(current + 2)"
            )
        }
        var known = descriptors[descriptor.epoch] ?? [:]
        if let first = known[descriptor.identity] {
            guard first == node else {
                throw MixnetFailure(
                    "two_descriptors", "\(descriptor.identity) has handed in another one for epoch \(descriptor.epoch)")
            }
            return []
        }
        guard known.count < DirectoryVote.nodesLimit else {
            throw MixnetFailure("too_many", "the network has \(DirectoryVote.nodesLimit) nodes, and takes no more")
        }
        known[descriptor.identity] = node
        descriptors[descriptor.epoch] = known
        return []
    }

    /// What enough others stand for holds here too, whether or not this one came to it by itself.
    private mutating func adopt(_ signed: SignedConsensus, at now: Timestamp) throws(MixnetFailure) -> [Effect] {
        let epoch = signed.consensus.epoch
        guard signed.consensus.parameters.networkID == network else {
            throw MixnetFailure("wrong_network", "a consensus of another network")
        }
        guard signed.count(of: configuration.authorities) >= threshold else {
            throw MixnetFailure(
                "too_few_signatures",
                "\(signed.count(of: configuration.authorities)) authorities signed, wanted \(threshold)")
        }
        let current = schedule.epoch(at: now)
        guard (current...current + 1).contains(epoch) else {
            throw MixnetFailure("wrong_epoch", "a consensus of epoch \(epoch) in epoch \(current)")
        }
        var effects: [Effect] = []
        for statement in signed.signatures where round?.record.epoch == epoch { effects += hear(statement).1 }
        guard published[epoch] == nil else { return effects }
        published[epoch] = signed
        return effects + [.publish(signed)]
    }
}
