import FogCore
import FogMixnet

/// Documents of a small network, well made.
enum DirectorySeeds {
    static var messages: [(String, DirectoryMessage)] {
        guard let key = try? SigningKey(seed: [UInt8](repeating: 3, count: 32)),
            let parameters = try? NetworkParameters(name: "seeds", kind: .test),
            let mix = descriptor(.mix, 4, parameters), let service = descriptor(.service, 5, parameters)
        else { return [] }
        let secret = [UInt8](repeating: 6, count: 32)
        let vote = DirectoryVote(
            parameters: parameters, epoch: 9, authority: key.publicKey, previous: .blake2b([1]),
            commitment: DirectoryVote.commitment(to: secret, epoch: 9, authority: key.publicKey),
            entries: [mix, service].map { .init(node: $0, bandwidth: 7, hasProvedDelays: true) })
        let voted = statement(.vote, vote.digest, key, parameters)
        let echo = DirectoryEcho(
            network: parameters.networkID, epoch: 9, authority: key.publicKey, secret: secret, votes: [voted])
        guard
            let consensus = try? ConsensusMerge(authorities: [key.publicKey]).consensus(
                epoch: 9, votes: [vote], echoes: [echo])
        else { return [] }
        let signed = statement(.consensus, consensus.digest, key, parameters)
        return [
            ("descriptor", .descriptor(mix)), ("service", .descriptor(service)), ("vote", .vote(voted, vote)),
            ("echo", .echo(statement(.echo, echo.digest, key, parameters), echo)), ("signature", .signature(signed)),
            ("consensus", .consensus(SignedConsensus(consensus, signatures: [signed]))),
        ]
    }

    private static func statement(
        _ kind: Statement.Kind, _ digest: Digest, _ key: SigningKey, _ parameters: NetworkParameters
    ) -> Statement {
        Statement(kind, network: parameters.networkID, epoch: 9, digest: digest, signedWith: key)
    }

    private static func descriptor(
        _ role: MixDescriptor.Role, _ seed: UInt8, _ parameters: NetworkParameters
    ) -> SignedDescriptor? {
        guard let key = try? SigningKey(seed: [UInt8](repeating: seed, count: 32)),
            let descriptor = try? MixDescriptor(
                network: parameters.networkID, epoch: 9, identity: key.publicKey, role: role, family: "seeds",
                addresses: ["127.0.0.1:4000", "[::1]:1"], linkKey: [UInt8](repeating: 1, count: 32),
                mixKeys: (0..<3).map { [UInt8](repeating: $0, count: 32) }, vrfKey: [UInt8](repeating: 2, count: 32),
                delayProof: [UInt8](repeating: 3, count: 80), bandwidth: 1000, traffic: 64)
        else { return nil }
        return SignedDescriptor(descriptor, signedWith: key)
    }
}
