internal import CSodium

/// LIONESS (Anderson, Biham 1996): one block as wide as the payload, of ChaCha20 and keyed BLAKE2b-256.
///
/// A bit changed anywhere makes the whole payload random at the next hop, so a marked packet is no use to who marked it.
/// The key is k1 32 | k2 64 | k3 32 | k4 64; left is the block's first 32 bytes.
enum Lioness {
    static let keyBytes = 192
    private static let left = 32

    static func encrypt(_ block: UnsafeMutablePointer<UInt8>, _ count: Int, key: UnsafePointer<UInt8>) {
        stream(block, count, key)
        hash(block, count, key + 32)
        stream(block, count, key + 96)
        hash(block, count, key + 128)
    }

    static func decrypt(_ block: UnsafeMutablePointer<UInt8>, _ count: Int, key: UnsafePointer<UInt8>) {
        hash(block, count, key + 128)
        stream(block, count, key + 96)
        hash(block, count, key + 32)
        stream(block, count, key)
    }

    /// Right ^= ChaCha20(left ^ key).
    private static func stream(_ block: UnsafeMutablePointer<UInt8>, _ count: Int, _ key: UnsafePointer<UInt8>) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: left) { mixed in
            guard let mixed = mixed.baseAddress else { return }
            for index in 0..<left { mixed[index] = block[index] ^ key[index] }
            crypto_stream_chacha20_xor(block + left, block + left, UInt64(count - left), ZeroNonce.pointer, mixed)
        }
    }

    /// Left ^= BLAKE2b-256(key, right).
    private static func hash(_ block: UnsafeMutablePointer<UInt8>, _ count: Int, _ key: UnsafePointer<UInt8>) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: left) { digest in
            guard let digest = digest.baseAddress else { return }
            crypto_generichash(digest, left, block + left, UInt64(count - left), key, 64)
            for index in 0..<left { block[index] ^= digest[index] }
        }
    }
}

/// Eight zero bytes: every ChaCha20 key here is used once, so the nonce says nothing.
enum ZeroNonce {
    nonisolated(unsafe) static let pointer: UnsafePointer<UInt8> = {
        // Never written again, and kept for the life of the process.
        let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: 8)
        bytes.initialize(repeating: 0, count: 8)
        return UnsafePointer(bytes)
    }()
}
