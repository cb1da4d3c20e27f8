internal import CSodium

/// 32 bytes of a cryptographic hash; which hash is said by where it stands.
///
/// Ids and content are BLAKE2b-256 (RFC 7693); the ledger's log and HTTP digests are SHA-256 (FIPS 180-4).
package struct Digest: Hashable, Sendable, Comparable, CustomStringConvertible, Codable {
    package let bytes: [UInt8]

    /// - Throws: `bad_digest` unless there are 32 bytes.
    package init(bytes: some Collection<UInt8>) throws(CoreFailure) {
        guard bytes.count == 32 else {
            throw CoreFailure("bad_digest", "a digest has 32 bytes, found \(bytes.count)")
        }
        self.bytes = Array(bytes)
    }

    fileprivate init(unchecked: [UInt8]) { bytes = unchecked }

    /// - Throws: `bad_digest` unless the text is 64 lower-case hexadecimal digits.
    package init(_ text: some StringProtocol) throws(CoreFailure) {
        guard let decoded = Hex.decode(text), decoded.count == 32 else {
            throw CoreFailure("bad_digest", "a digest is 64 hexadecimal digits, found `\(text.prefix(80))`")
        }
        bytes = decoded
    }

    package static let zero = Digest(unchecked: [UInt8](repeating: 0, count: 32))

    package var description: String { Hex.encode(bytes) }

    package static func < (first: Digest, second: Digest) -> Bool {
        first.bytes.lexicographicallyPrecedes(second.bytes)
    }

    package init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    /// BLAKE2b with 32 bytes of output, keyed when a key of 16 to 64 bytes is given.
    package static func blake2b(_ data: [UInt8], key: [UInt8] = []) -> Digest {
        Sodium.start()
        var out = [UInt8](repeating: 0, count: 32)
        crypto_generichash(&out, 32, data, UInt64(data.count), key, key.count)
        return Digest(unchecked: out)
    }

    package static func blake2b(_ data: UnsafeRawBufferPointer) -> Digest {
        Sodium.start()
        var out = [UInt8](repeating: 0, count: 32)
        let base = data.baseAddress?.assumingMemoryBound(to: UInt8.self)
        crypto_generichash(&out, 32, base, UInt64(data.count), nil, 0)
        return Digest(unchecked: out)
    }

    package static func sha256(_ data: [UInt8]) -> Digest {
        Sodium.start()
        var out = [UInt8](repeating: 0, count: 32)
        crypto_hash_sha256(&out, data, UInt64(data.count))
        return Digest(unchecked: out)
    }

    package static func sha256(_ data: UnsafeRawBufferPointer) -> Digest {
        Sodium.start()
        var out = [UInt8](repeating: 0, count: 32)
        let base = data.baseAddress?.assumingMemoryBound(to: UInt8.self)
        crypto_hash_sha256(&out, base, UInt64(data.count))
        return Digest(unchecked: out)
    }
}

/// BLAKE2b-256 of a stream, for content that does not fit in memory.
package struct DigestStream: ~Copyable {
    private let state: UnsafeMutableRawPointer

    package init() {
        Sodium.start()
        // libsodium asks for 64-byte alignment and keeps the size to itself.
        state = .allocate(byteCount: crypto_generichash_statebytes(), alignment: 64)
        crypto_generichash_init(OpaquePointer(state), nil, 0, 32)
    }

    deinit { state.deallocate() }

    package mutating func update(_ data: UnsafeRawBufferPointer) {
        let base = data.baseAddress?.assumingMemoryBound(to: UInt8.self)
        crypto_generichash_update(OpaquePointer(state), base, UInt64(data.count))
    }

    package mutating func update(_ data: [UInt8]) {
        data.withUnsafeBytes { update($0) }
    }

    package consuming func finish() -> Digest {
        var out = [UInt8](repeating: 0, count: 32)
        crypto_generichash_final(OpaquePointer(state), &out, 32)
        return Digest(unchecked: out)
    }
}

/// SHA-256 of a stream.
package struct SHA256Stream: ~Copyable {
    private var state = crypto_hash_sha256_state()

    package init() {
        Sodium.start()
        crypto_hash_sha256_init(&state)
    }

    package mutating func update(_ data: [UInt8]) { crypto_hash_sha256_update(&state, data, UInt64(data.count)) }

    package consuming func finish() -> Digest {
        var out = [UInt8](repeating: 0, count: 32)
        crypto_hash_sha256_final(&state, &out)
        return Digest(unchecked: out)
    }
}

/// Starts libsodium once; every use of it passes here first.
package enum Sodium {
    private static let started: Bool = sodium_init() >= 0

    package static func start() {
        precondition(started, "libsodium could not be initialised")
    }
}
