import FogCore
import FogMixnet

/// What nodes and authorities hand to an authority: descriptors, votes, echoes, signatures. The first byte is the kind.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzDescriptor(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    let bytes = input(data, size)
    guard let message = try? DirectoryMessage(bytes: bytes) else { return 0 }
    hold(message.bytes == bytes, "two forms of one message")
    if case .descriptor(let node) = message {
        hold(
            node.descriptor.identity.verifies(node.signature, of: node.descriptor.canonicalBytes),
            "a descriptor was read whose signature does not hold")
    }
    if case .vote(let statement, let vote) = message {
        hold(statement.authority == vote.authority, "a vote under another's name")
    }
    return 0
}

/// Seeds: a message of every kind, well signed.
@_cdecl("LLVMFuzzerInitialize")
public func seedDescriptor(_ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    for (name, message) in DirectorySeeds.messages { writeSeed(name, message.bytes) }
    return 0
}
