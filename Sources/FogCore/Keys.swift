internal import CSodium
internal import Synchronization

/// Keys that passed the check of their group lately: it costs more than a signature, and every receipt names two keys.
private enum CheckedKeys {
    private static let limit = 4096
    private static let known = Mutex<Set<[UInt8]>>([])

    static func holds(_ key: [UInt8]) -> Bool {
        if known.withLock({ $0.contains(key) }) { return true }
        guard crypto_core_ed25519_is_valid_point(key) == 1 else { return false }
        known.withLock { known in
            if known.count >= limit { known = [] }
            known.insert(key)
        }
        return true
    }
}

/// An Ed25519 public key (RFC 8032): the name of a principal.
package struct PublicKey: Hashable, Sendable, Comparable, CustomStringConvertible, Codable {
    package let bytes: [UInt8]

    /// - Throws: `bad_key` unless there are 32 bytes that are a point of the prime-order group. A key of small order
    ///   would let one signature fit many messages, so it is refused here, once, for everybody.
    package init(bytes: some Collection<UInt8>) throws(CoreFailure) {
        Sodium.start()
        let raw = Array(bytes)
        guard raw.count == 32 else { throw CoreFailure("bad_key", "a public key has 32 bytes, found \(raw.count)") }
        guard CheckedKeys.holds(raw) else {
            throw CoreFailure("bad_key", "the public key is not a point of the prime-order group")
        }
        self.bytes = raw
    }

    fileprivate init(trusted: [UInt8]) { bytes = trusted }

    /// - Throws: `bad_key` unless the text is `fogkey1` followed by the key in base32.
    package init(_ text: some StringProtocol) throws(CoreFailure) {
        guard text.hasPrefix(Self.prefix), let raw = Base32.decode(text.dropFirst(Self.prefix.count)) else {
            throw CoreFailure("bad_key", "a public key reads `fogkey1…`, found `\(text.prefix(80))`")
        }
        try self.init(bytes: raw)
    }

    private static let prefix = "fogkey1"

    package var description: String { Self.prefix + Base32.encode(bytes) }

    /// The first 16 bytes of SHA-256 over the key: what a request names as `keyid`, and what a person compares.
    package var id: KeyID { KeyID(of: self) }

    /// Whether the signature over the message was made with this key. libsodium's rules (it refuses non-canonical
    /// encodings), everywhere: Ed25519 verifiers disagree on edge cases.
    package func verifies(_ signature: Signature, of message: [UInt8]) -> Bool {
        Sodium.start()
        return crypto_sign_verify_detached(signature.bytes, message, UInt64(message.count), bytes) == 0
    }

    package static func < (first: PublicKey, second: PublicKey) -> Bool {
        first.bytes.lexicographicallyPrecedes(second.bytes)
    }

    package init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// The short name of a key: 16 bytes of SHA-256, written in base32.
package struct KeyID: Hashable, Sendable, CustomStringConvertible, Codable {
    package let bytes: [UInt8]

    package init(of key: PublicKey) { bytes = Array(Digest.sha256(key.bytes).bytes.prefix(16)) }

    package init(_ text: some StringProtocol) throws(CoreFailure) {
        guard let raw = Base32.decode(text), raw.count == 16 else {
            throw CoreFailure("bad_key_id", "a key id is 26 base32 characters, found `\(text.prefix(80))`")
        }
        bytes = raw
    }

    package var description: String { Base32.encode(bytes) }

    package init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// 64 bytes of an Ed25519 signature.
package struct Signature: Hashable, Sendable, Codable {
    package let bytes: [UInt8]

    /// - Throws: `bad_signature` unless there are 64 bytes.
    package init(bytes: some Collection<UInt8>) throws(CoreFailure) {
        guard bytes.count == 64 else {
            throw CoreFailure("bad_signature", "a signature has 64 bytes, found \(bytes.count)")
        }
        self.bytes = Array(bytes)
    }

    package init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let raw = Base64.decode(text) else {
            throw CoreFailure("bad_signature", "a signature is written in base64")
        }
        try self.init(bytes: raw)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(Base64.encode(bytes))
    }
}

/// An Ed25519 key pair, kept as its 32-byte seed.
package struct SigningKey: Sendable {
    /// The secret; only ever written to a file of mode 0600.
    package let seed: [UInt8]
    package let publicKey: PublicKey
    private let expanded: [UInt8]

    /// - Throws: `bad_key` unless there are 32 bytes.
    package init(seed: some Collection<UInt8>) throws(CoreFailure) {
        Sodium.start()
        let raw = Array(seed)
        guard raw.count == 32 else { throw CoreFailure("bad_key", "a key's seed has 32 bytes, found \(raw.count)") }
        var publicBytes = [UInt8](repeating: 0, count: 32)
        var secret = [UInt8](repeating: 0, count: 64)
        crypto_sign_seed_keypair(&publicBytes, &secret, raw)
        self.seed = raw
        publicKey = PublicKey(trusted: publicBytes)
        expanded = secret
    }

    /// A new key from the kernel's random source.
    package static func generate() -> SigningKey {
        // 32 bytes are given, so this cannot throw.
        guard let key = try? SigningKey(seed: SecureRandom.bytes(32)) else {
            preconditionFailure("a seed of 32 bytes was refused")
        }
        return key
    }

    /// A detached signature over the message as it is (RFC 8032 section 5.1.6; deterministic).
    package func sign(_ message: [UInt8]) -> Signature {
        var out = [UInt8](repeating: 0, count: 64)
        crypto_sign_detached(&out, nil, message, UInt64(message.count), expanded)
        guard let signature = try? Signature(bytes: out) else {
            preconditionFailure("libsodium made a signature that is not 64 bytes")
        }
        return signature
    }
}

/// Bytes nobody can foresee: keys, nonces, salts.
package enum SecureRandom {
    package static func bytes(_ count: Int) -> [UInt8] {
        Sodium.start()
        var out = [UInt8](repeating: 0, count: count)
        randombytes_buf(&out, count)
        return out
    }
}

/// Equality of secrets in a time that does not depend on where they differ.
package func constantTimeEqual(_ first: [UInt8], _ second: [UInt8]) -> Bool {
    Sodium.start()
    return first.count == second.count && sodium_memcmp(first, second, first.count) == 0
}
