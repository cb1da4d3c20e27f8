package import FogCore

/// What one authority believes the next epoch's network to be.
package struct DirectoryVote: Hashable, Sendable {
    /// Nodes of a network.
    package static let nodesLimit = 2048
    package static let byteLimit = 4 << 20

    package struct Entry: Hashable, Sendable {
        package var node: SignedDescriptor
        /// Packets a second that the authority believes the node to take.
        package var bandwidth: UInt32
        /// Whether the node proved its delays of two epochs ago.
        package var hasProvedDelays: Bool

        package init(node: SignedDescriptor, bandwidth: UInt32, hasProvedDelays: Bool) {
            self.node = node
            self.bandwidth = bandwidth
            self.hasProvedDelays = hasProvedDelays
        }
    }

    package let parameters: NetworkParameters
    /// The epoch that is voted on: the one after that in which the vote is sent.
    package let epoch: UInt64
    package let authority: PublicKey
    /// Of the consensus of the epoch before; zero when the authority has none.
    package let previous: Digest
    /// The digest of what the authority will reveal, when all have bound themselves.
    package let commitment: Digest
    /// In the order of the nodes' keys, each once.
    package let entries: [Entry]

    package init(
        parameters: NetworkParameters, epoch: UInt64, authority: PublicKey, previous: Digest, commitment: Digest,
        entries: [Entry]
    ) {
        self.parameters = parameters
        self.epoch = epoch
        self.authority = authority
        self.previous = previous
        self.commitment = commitment
        self.entries = entries.sorted { $0.node.descriptor.identity < $1.node.descriptor.identity }
    }

    package static func commitment(to secret: [UInt8], epoch: UInt64, authority: PublicKey) -> Digest {
        var writer = CanonicalWriter()
        writer.write("fog-mix-commit-v1")
        writer.write(epoch)
        writer.write(raw: authority.bytes)
        writer.write(secret)
        return .blake2b(writer.bytes)
    }

    package var digest: Digest { .blake2b(bytes) }

    package var bytes: [UInt8] {
        var writer = CanonicalWriter(reserving: 1024 + entries.count * 600)
        writer.write("fog-directory-vote-v1")
        parameters.write(to: &writer)
        writer.write(epoch)
        writer.write(raw: authority.bytes)
        writer.write(previous)
        writer.write(commitment)
        writer.write(UInt32(entries.count))
        for entry in entries {
            writer.write(entry.node.bytes)
            writer.write(entry.bandwidth)
            writer.write(entry.hasProvedDelays ? 1 : 0 as UInt8)
        }
        return writer.bytes
    }

    /// - Throws: `bad_vote` unless the bytes are a vote in its one form, all its descriptors signed by their nodes.
    package init(bytes: [UInt8]) throws(MixnetFailure) {
        guard bytes.count <= Self.byteLimit else {
            throw Self.bad("a vote has at most \(Self.byteLimit) bytes, found \(bytes.count)")
        }
        do {
            var reader = CanonicalReader(bytes)
            guard try reader.readString(limit: 32) == "fog-directory-vote-v1" else {
                throw Self.bad("these bytes are no vote")
            }
            parameters = try NetworkParameters(from: &reader)
            epoch = try reader.read()
            authority = try PublicKey(bytes: reader.read(raw: 32))
            previous = try reader.readDigest()
            commitment = try reader.readDigest()
            let count: UInt32 = try reader.read()
            guard count <= Self.nodesLimit else { throw Self.bad("\(count) nodes, at most \(Self.nodesLimit)") }
            var entries: [Entry] = []
            for _ in 0..<count {
                let node = try SignedDescriptor(bytes: reader.readBytes(limit: SignedDescriptor.byteLimit))
                let bandwidth: UInt32 = try reader.read()
                let flag: UInt8 = try reader.read()
                guard flag <= 1 else { throw Self.bad("a flag is 0 or 1, found \(flag)") }
                if let last = entries.last, last.node.descriptor.identity >= node.descriptor.identity {
                    throw Self.bad("its nodes are out of order")
                }
                guard node.descriptor.epoch == epoch, node.descriptor.network == parameters.networkID else {
                    throw Self.bad("the descriptor of \(node.descriptor.identity) is for another epoch or network")
                }
                entries.append(Entry(node: node, bandwidth: bandwidth, hasProvedDelays: flag == 1))
            }
            try reader.end()
            self.entries = entries
        } catch {
            throw MixnetFailure.wrapping(error)
        }
    }

    private static func bad(_ message: String) -> MixnetFailure { MixnetFailure("bad_vote", message) }
}

/// What an authority says when the votes are in: which it saw, each under its author's name, and what it had bound
/// itself to reveal.
package struct DirectoryEcho: Hashable, Sendable {
    package static let secretBytes = 32
    package static let votesLimit = 64
    package static let byteLimit = 64 << 10

    package let network: Digest
    package let epoch: UInt64
    package let authority: PublicKey
    /// What ``DirectoryVote/commitment`` is the digest of.
    package let secret: [UInt8]
    /// In their order by author and digest; two by one author prove that it voted twice.
    package let votes: [Statement]

    package init(network: Digest, epoch: UInt64, authority: PublicKey, secret: [UInt8], votes: [Statement]) {
        self.network = network
        self.epoch = epoch
        self.authority = authority
        self.secret = secret
        self.votes = votes.sorted { ($0.authority, $0.digest) < ($1.authority, $1.digest) }
    }

    package var digest: Digest { .blake2b(bytes) }

    package var bytes: [UInt8] {
        var writer = CanonicalWriter()
        writer.write("fog-directory-echo-v1")
        writer.write(network)
        writer.write(epoch)
        writer.write(raw: authority.bytes)
        writer.write(raw: secret)
        writer.write(UInt8(votes.count))
        for vote in votes { writer.write(raw: vote.bytes) }
        return writer.bytes
    }

    /// - Throws: `bad_echo` unless the bytes are an echo in its one form, all its statements signed.
    package init(bytes: [UInt8]) throws(MixnetFailure) {
        guard bytes.count <= Self.byteLimit else {
            throw Self.bad("an echo has at most \(Self.byteLimit) bytes, found \(bytes.count)")
        }
        do {
            var reader = CanonicalReader(bytes)
            guard try reader.readString(limit: 32) == "fog-directory-echo-v1" else {
                throw Self.bad("these bytes are no echo")
            }
            network = try reader.readDigest()
            epoch = try reader.read()
            authority = try PublicKey(bytes: reader.read(raw: 32))
            secret = try reader.read(raw: Self.secretBytes)
            let count: UInt8 = try reader.read()
            guard count <= Self.votesLimit else { throw Self.bad("\(count) votes, at most \(Self.votesLimit)") }
            var votes: [Statement] = []
            for _ in 0..<count {
                let vote = try Statement(from: &reader)
                guard vote.kind == .vote, vote.network == network, vote.epoch == epoch else {
                    throw Self.bad("it names a vote of another epoch or network")
                }
                if let last = votes.last, (last.authority, last.digest) >= (vote.authority, vote.digest) {
                    throw Self.bad("its votes are out of order")
                }
                votes.append(vote)
            }
            try reader.end()
            self.votes = votes
        } catch {
            throw MixnetFailure.wrapping(error)
        }
    }

    private static func bad(_ message: String) -> MixnetFailure { MixnetFailure("bad_echo", message) }
}
