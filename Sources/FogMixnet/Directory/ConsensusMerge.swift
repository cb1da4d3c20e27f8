package import FogCore

/// Makes a consensus of votes: a pure function, so whoever has the same votes and echoes gets the same bytes.
package struct ConsensusMerge: Sendable {
    /// All authorities of the network.
    package let authorities: [PublicKey]

    package init(authorities: [PublicKey]) { self.authorities = authorities.sorted() }

    private var majority: Int { authorities.count / 2 + 1 }

    /// The votes that count: of authorities that voted once, and whose vote a majority of the echoes names.
    /// - Throws: `no_consensus` when one that counts is missing here.
    package func counted(
        _ votes: [DirectoryVote], _ echoes: [DirectoryEcho]
    ) throws(MixnetFailure) -> [DirectoryVote] {
        var named: [PublicKey: [Digest: Int]] = [:]
        for echo in echoes {
            for vote in echo.votes { named[vote.authority, default: [:]][vote.digest, default: 0] += 1 }
        }
        let known = Dictionary(votes.map { ($0.digest, $0) }, uniquingKeysWith: { first, _ in first })
        var counted: [DirectoryVote] = []
        for authority in authorities {
            guard let digests = named[authority], digests.count == 1, let (digest, count) = digests.first,
                agreed(count)
            else { continue }
            guard let vote = known[digest] else {
                throw MixnetFailure("no_consensus", "\(count) authorities saw a vote of \(authority) that is not here")
            }
            counted.append(vote)
        }
        return counted
    }

    /// - Throws: `no_consensus` when too few votes count, or no parameters have a majority.
    package func consensus(
        epoch: UInt64, votes: [DirectoryVote], echoes: [DirectoryEcho]
    ) throws(MixnetFailure) -> Consensus {
        let votes = try counted(votes, echoes)
        guard votes.count >= majority else {
            throw MixnetFailure(
                "no_consensus",
                "\(votes.count) votes count for epoch \(epoch), wanted \(majority) of \(authorities.count)")
        }
        guard let parameters = votes.map(\.parameters).first(where: { agreed(votes.count(of: $0, \.parameters)) })
        else {
            throw MixnetFailure("no_consensus", "no parameters have a majority of \(majority) in epoch \(epoch)")
        }
        let previous = votes.map(\.previous).first { agreed(votes.count(of: $0, \.previous)) } ?? .zero
        let random = random(epoch: epoch, votes: votes, echoes: echoes, previous: previous)
        return Consensus(
            parameters: parameters, epoch: epoch, previous: previous, random: random, voters: votes.map(\.authority),
            nodes: nodes(votes, parameters: parameters, random: random))
    }

    private func agreed(_ count: Int) -> Bool { count >= majority }

    /// Of what was revealed as it was bound to. Who does not reveal is left out: that is the one choice it has.
    private func random(
        epoch: UInt64, votes: [DirectoryVote], echoes: [DirectoryEcho], previous: Digest
    ) -> Digest {
        var writer = CanonicalWriter()
        writer.write("fog-mix-random-v1")
        writer.write(epoch)
        writer.write(previous)
        for vote in votes {
            let secrets = echoes.filter { echo in
                echo.authority == vote.authority
                    && DirectoryVote.commitment(to: echo.secret, epoch: epoch, authority: echo.authority)
                        == vote.commitment
            }
            guard let secret = secrets.first?.secret else { continue }
            writer.write(raw: vote.authority.bytes)
            writer.write(raw: secret)
        }
        return .blake2b(writer.bytes)
    }

    /// Nodes of which a majority has the same descriptor, with the low median of their bandwidths; mixes in layers by
    /// chance that nobody chose.
    private func nodes(_ votes: [DirectoryVote], parameters: NetworkParameters, random: Digest) -> [Consensus.Node] {
        var heard: [Digest: [DirectoryVote.Entry]] = [:]
        for vote in votes {
            for entry in vote.entries { heard[entry.node.digest, default: []].append(entry) }
        }
        let entries = heard.values.filter { agreed($0.count) }
        let mixes = entries.compactMap { $0[0].node.descriptor }.filter { $0.role == .mix }
        let order = mixes.map(\.identity).sorted { first, second in
            Self.lot(first, random) < Self.lot(second, random)
        }
        let layers = Dictionary(
            uniqueKeysWithValues: order.enumerated().map { ($0.element, $0.offset % parameters.layers) })
        return
            entries
            .map { entries in
                let descriptor = entries[0].node.descriptor
                let bandwidths = entries.map(\.bandwidth).sorted()
                return Consensus.Node(
                    descriptor: descriptor, layer: layers[descriptor.identity],
                    bandwidth: bandwidths[(bandwidths.count - 1) / 2],
                    hasProvedDelays: agreed(entries.count { $0.hasProvedDelays }))
            }
            .sorted { $0.descriptor.identity < $1.descriptor.identity }
    }

    private static func lot(_ identity: PublicKey, _ random: Digest) -> Digest {
        .blake2b(random.bytes + identity.bytes)
    }
}

extension [DirectoryVote] {
    fileprivate func count<Value: Equatable>(of value: Value, _ path: KeyPath<DirectoryVote, Value>) -> Int {
        count { $0[keyPath: path] == value }
    }
}
