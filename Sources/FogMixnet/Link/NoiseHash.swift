internal import CSodium

/// The hash of a Noise protocol, with HMAC and the chained keys made of it (Noise revision 34, section 4.3).
enum NoiseHash: String, Sendable, CaseIterable {
    case blake2b = "BLAKE2b"
    case sha256 = "SHA256"

    /// Bytes of output.
    var length: Int { self == .blake2b ? 64 : 32 }
    private var block: Int { self == .blake2b ? 128 : 64 }

    func hash(_ bytes: [UInt8]) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: length)
        switch self {
        case .blake2b: crypto_generichash_blake2b(&out, length, bytes, UInt64(bytes.count), nil, 0)
        case .sha256: crypto_hash_sha256(&out, bytes, UInt64(bytes.count))
        }
        return out
    }

    /// HMAC (RFC 2104); a key here is never longer than a block.
    func authenticate(_ bytes: [UInt8], key: [UInt8]) -> [UInt8] {
        let padded = key + [UInt8](repeating: 0, count: block - key.count)
        return hash(padded.map { $0 ^ 0x5C } + hash(padded.map { $0 ^ 0x36 } + bytes))
    }

    /// Two keys from a chaining key and new material (HKDF, RFC 5869).
    func chain(_ key: [UInt8], _ material: [UInt8]) -> (first: [UInt8], second: [UInt8]) {
        let root = authenticate(material, key: key)
        let first = authenticate([1], key: root)
        return (first, authenticate(first + [2], key: root))
    }
}
