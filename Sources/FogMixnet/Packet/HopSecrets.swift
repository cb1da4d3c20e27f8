internal import CSodium

/// What a node and the sender share about one packet, in memory that is used again for the next packet.
///
/// K = BLAKE2b-256("fog-hop-v1" | suite | epoch | shared secret | element | node's public key), and the keys are 336 bytes
/// of ChaCha20(K): replay tag 16 | MAC key 32 | stream key 32 | payload key 192 | delay seed 32 | blind 32. That both
/// public values are hashed binds the keys to this node and this packet.
struct HopSecrets: ~Copyable {
    static let byteCount = 336
    private static let inputBytes = 115
    private static let sharedPlace = 19
    private let memory: UnsafeMutablePointer<UInt8>

    init() {
        memory = .allocate(capacity: 512)
        memory.initialize(repeating: 0, count: 512)
        for (index, byte) in "fog-hop-v1".utf8.enumerated() { memory[index] = byte }
    }

    deinit {
        sodium_memzero(memory, 512)
        memory.deallocate()
    }

    /// Where the shared secret has to be put before ``derive(suite:epoch:element:publicKey:)``.
    var shared: UnsafeMutablePointer<UInt8> { memory + Self.sharedPlace }
    private var keys: UnsafeMutablePointer<UInt8> { memory + 160 }

    var tag: UnsafePointer<UInt8> { UnsafePointer(keys) }
    var macKey: UnsafePointer<UInt8> { UnsafePointer(keys + 16) }
    var streamKey: UnsafePointer<UInt8> { UnsafePointer(keys + 48) }
    var payloadKey: UnsafePointer<UInt8> { UnsafePointer(keys + 80) }
    var delaySeed: UnsafePointer<UInt8> { UnsafePointer(keys + 272) }
    var blind: UnsafePointer<UInt8> { UnsafePointer(keys + 304) }

    func derive(suite: PacketSuite, epoch: UInt64, element: UnsafePointer<UInt8>, publicKey: UnsafePointer<UInt8>) {
        memory[10] = suite.rawValue
        for index in 0..<8 { memory[11 + index] = UInt8(truncatingIfNeeded: epoch >> UInt64(56 - 8 * index)) }
        (memory + 51).update(from: element, count: 32)
        (memory + 83).update(from: publicKey, count: 32)
        let root = memory + 120
        crypto_generichash(root, 32, memory, UInt64(Self.inputBytes), nil, 0)
        crypto_stream_chacha20(keys, UInt64(Self.byteCount), ZeroNonce.pointer, root)
    }
}
