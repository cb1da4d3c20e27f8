internal import CSodium

/// 32 bytes of a cryptographic hash; which hash is said by where it stands.
///
/// Ids and content are BLAKE2b-256 (RFC 7693); the ledger's log and HTTP digests are SHA-256 (FIPS 180-4).
package struct Digest: Hashable, Sendable, Comparable, CustomStringConvertible, Codable {
    // Four words in place, not an array: a log has as many digests as records, and each array is an allocation.
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    /// The 32 bytes.
    package var bytes: [UInt8] { withUnsafeBytes { Array($0) } }

    /// - Throws: `bad_digest` unless there are 32 bytes.
    package init(bytes: some Collection<UInt8>) throws(CoreFailure) {
        guard bytes.count == 32 else {
            throw CoreFailure("bad_digest", "a digest has 32 bytes, found \(bytes.count)")
        }
        self.init { $0.copyBytes(from: bytes) }
    }

    /// - Parameter fill: writes all 32 bytes.
    fileprivate init(filledBy fill: (UnsafeMutableRawBufferPointer) -> Void) {
        withUnsafeMutableBytes(of: &words, fill)
    }

    /// - Parameter body: is lent the 32 bytes.
    package func withUnsafeBytes<Value>(_ body: (UnsafeRawBufferPointer) throws -> Value) rethrows -> Value {
        try Swift.withUnsafeBytes(of: words, body)
    }

    package static func == (one: Digest, other: Digest) -> Bool { one.words == other.words }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
        hasher.combine(words.2)
        hasher.combine(words.3)
    }

    /// - Throws: `bad_digest` unless the text is 64 lower-case hexadecimal digits.
    package init(_ text: some StringProtocol) throws(CoreFailure) {
        guard let decoded = Hex.decode(text), decoded.count == 32 else {
            throw CoreFailure("bad_digest", "a digest is 64 hexadecimal digits, found `\(text.prefix(80))`")
        }
        self.init { $0.copyBytes(from: decoded) }
    }

    package static let zero = Digest { _ in }

    package var description: String { Hex.encode(bytes) }

    package static func < (first: Digest, second: Digest) -> Bool {
        func parts(_ words: (UInt64, UInt64, UInt64, UInt64)) -> (UInt64, UInt64, UInt64, UInt64) {
            (words.0.bigEndian, words.1.bigEndian, words.2.bigEndian, words.3.bigEndian)
        }
        return parts(first.words) < parts(second.words)
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
        return Digest { out in
            crypto_generichash(out.bytes, 32, data, UInt64(data.count), key, key.count)
        }
    }

    package static func blake2b(_ data: UnsafeRawBufferPointer) -> Digest {
        Sodium.start()
        let base = data.baseAddress?.assumingMemoryBound(to: UInt8.self)
        return Digest { crypto_generichash($0.bytes, 32, base, UInt64(data.count), nil, 0) }
    }

    package static func sha256(_ data: [UInt8]) -> Digest {
        Sodium.start()
        return Digest { crypto_hash_sha256($0.bytes, data, UInt64(data.count)) }
    }

    package static func sha256(_ data: UnsafeRawBufferPointer) -> Digest {
        Sodium.start()
        let base = data.baseAddress?.assumingMemoryBound(to: UInt8.self)
        return Digest { crypto_hash_sha256($0.bytes, base, UInt64(data.count)) }
    }
}

extension UnsafeMutableRawBufferPointer {
    /// As libsodium takes it.
    fileprivate var bytes: UnsafeMutablePointer<UInt8> {
        guard let baseAddress else { preconditionFailure("a digest has a place") }
        return baseAddress.assumingMemoryBound(to: UInt8.self)
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
        let state = OpaquePointer(state)
        return Digest { crypto_generichash_final(state, $0.bytes, 32) }
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
        var state = state
        return Digest { crypto_hash_sha256_final(&state, $0.bytes) }
    }
}

/// Starts libsodium once; every use of it passes here first.
package enum Sodium {
    private static let started: Bool = sodium_init() >= 0

    package static func start() {
        precondition(started, "libsodium could not be initialised")
    }
}
