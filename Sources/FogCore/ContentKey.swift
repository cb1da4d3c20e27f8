/// 32 bytes under which content is sealed, and from which other keys follow.
package struct ContentKey: Sendable, Hashable {
    package static let byteCount = 32

    /// Only ever written to a file of mode 0600, or wrapped.
    package let bytes: [UInt8]

    /// - Throws: `bad_key` unless there are 32 bytes.
    package init(bytes: some Collection<UInt8>) throws(CoreFailure) {
        guard bytes.count == Self.byteCount else {
            throw CoreFailure("bad_key", "a content key has \(Self.byteCount) bytes, found \(bytes.count)")
        }
        self.bytes = Array(bytes)
    }

    private init(digest: Digest) { bytes = digest.bytes }

    package static func generate() -> ContentKey { ContentKey(digest: SecureRandom.digest()) }

    /// The key for one purpose: BLAKE2b-256 of purpose and context, keyed with this one.
    package func derived(for purpose: String, _ context: [UInt8]) -> ContentKey {
        ContentKey(digest: tag(purpose, context))
    }

    /// A code of the bytes that only holders of the key can compute: BLAKE2b-256, keyed.
    package func tag(_ purpose: String, _ bytes: [UInt8]) -> Digest {
        var writer = CanonicalWriter(reserving: bytes.count + 64)
        writer.write(purpose)
        writer.write(bytes)
        return Digest.blake2b(writer.bytes, key: self.bytes)
    }
}

extension SecureRandom {
    /// 32 of them.
    static func digest() -> Digest {
        guard let digest = try? Digest(bytes: bytes(32)) else { preconditionFailure("32 bytes make a digest") }
        return digest
    }
}
