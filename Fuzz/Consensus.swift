import FogCore
import FogMixnet

/// Consensus documents, as clients fetch and keep them: with signatures, or without when the first byte is odd; and proofs
/// against authorities.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzConsensus(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    let bytes = input(data, size)
    guard let kind = bytes.first else { return 0 }
    let rest = Array(bytes.dropFirst())
    switch kind % 3 {
    case 0:
        guard let signed = try? SignedConsensus(bytes: rest) else { return 0 }
        hold(signed.bytes == rest, "two forms of one signed consensus")
        hold(signed.count(of: []) == 0, "signatures of nobody")
    case 1:
        guard let consensus = try? Consensus(bytes: rest) else { return 0 }
        hold(consensus.bytes == rest, "two forms of one consensus")
        let layers = (0..<consensus.parameters.layers).reduce(0) { $0 + consensus.layer($1).count }
        hold(layers == consensus.nodes.count { $0.descriptor.role == .mix }, "a mix in no layer")
    default:
        guard let proof = try? Equivocation(bytes: rest) else { return 0 }
        hold(proof.bytes == rest, "two forms of one proof")
    }
    return 0
}

@_cdecl("LLVMFuzzerInitialize")
public func seedConsensus(_ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    for case (_, .consensus(let signed)) in DirectorySeeds.messages {
        writeSeed("signed", [0] + signed.bytes)
        writeSeed("bare", [1] + signed.consensus.bytes)
        guard let key = try? SigningKey(seed: [UInt8](repeating: 3, count: 32)), let one = signed.signatures.first,
            let proof = Equivocation(
                one,
                Statement(.consensus, network: one.network, epoch: one.epoch, digest: .blake2b([7]), signedWith: key))
        else { continue }
        writeSeed("proof", [2] + proof.bytes)
    }
    return 0
}
