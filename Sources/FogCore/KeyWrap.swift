internal import CSodium

/// One's half of X25519 (RFC 7748) to which others seal keys; it lasts, unlike an ``ExchangeKey``.
package struct ReceivingKey: Sendable {
    package static let byteCount = 32

    package let publicBytes: [UInt8]
    /// Only ever written to a file of mode 0600.
    package let secret: [UInt8]

    /// - Throws: `bad_key` unless there are 32 bytes.
    package init(secret: some Collection<UInt8>) throws(CoreFailure) {
        Sodium.start()
        guard secret.count == Self.byteCount else {
            throw CoreFailure("bad_key", "a receiving key has \(Self.byteCount) bytes, found \(secret.count)")
        }
        self.secret = Array(secret)
        var out = [UInt8](repeating: 0, count: Self.byteCount)
        crypto_scalarmult_base(&out, self.secret)
        publicBytes = out
    }

    package static func generate() -> ReceivingKey {
        guard let key = try? ReceivingKey(secret: SecureRandom.bytes(byteCount)) else {
            preconditionFailure("a secret of 32 bytes was refused")
        }
        return key
    }
}

/// A content key sealed to one receiver: X25519 with a key made for it alone, BLAKE2b-256, XChaCha20-Poly1305.
///
/// As libsodium's sealed boxes (`crypto_box_seal`), with what the key is for bound into it: it opens only for the
/// receiver that it was made for and together with the same words.
package enum KeyWrap {
    /// The public half of the key that was made for it, the sealed key, the tag.
    package static let byteCount = 32 + ContentKey.byteCount + 16

    /// - Parameter binding: all that the key is for, in canonical bytes.
    /// - Throws: `bad_key` for a receiver that is a point of small order.
    package static func wrap(
        _ key: ContentKey, to receiver: [UInt8], binding: [UInt8]
    ) throws(CoreFailure) -> [UInt8] {
        let own = ReceivingKey.generate()
        let wrapping = try wrappingKey(own.secret, with: receiver, sender: own.publicBytes, receiver: receiver)
        var sealed = [UInt8](repeating: 0, count: ContentKey.byteCount + 16)
        var written: UInt64 = 0
        crypto_aead_xchacha20poly1305_ietf_encrypt(
            &sealed, &written, key.bytes, UInt64(ContentKey.byteCount), binding, UInt64(binding.count), nil, nonce,
            wrapping)
        return own.publicBytes + sealed
    }

    /// - Throws: `bad_wrap` for a key that was sealed to somebody else, for something else, or was changed.
    package static func unwrap(
        _ box: [UInt8], with key: ReceivingKey, binding: [UInt8]
    ) throws(CoreFailure) -> ContentKey {
        guard box.count == byteCount else {
            throw CoreFailure("bad_wrap", "a sealed key has \(byteCount) bytes, found \(box.count)")
        }
        let sender = Array(box.prefix(32)), sealed = Array(box.dropFirst(32))
        let wrapping = try wrappingKey(key.secret, with: sender, sender: sender, receiver: key.publicBytes)
        var out = [UInt8](repeating: 0, count: ContentKey.byteCount)
        var written: UInt64 = 0
        guard
            crypto_aead_xchacha20poly1305_ietf_decrypt(
                &out, &written, nil, sealed, UInt64(sealed.count), binding, UInt64(binding.count), nonce, wrapping) == 0
        else {
            throw CoreFailure("bad_wrap", "the key was sealed to another machine or for another job, or was changed")
        }
        return try ContentKey(bytes: out)
    }

    /// Each wrapping key seals one key: its nonce need not differ.
    private static let nonce = [UInt8](repeating: 0, count: Int(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES))

    private static func wrappingKey(
        _ secret: [UInt8], with other: [UInt8], sender: [UInt8], receiver: [UInt8]
    ) throws(CoreFailure) -> [UInt8] {
        guard other.count == ReceivingKey.byteCount else {
            throw CoreFailure("bad_key", "a receiving key has \(ReceivingKey.byteCount) bytes, found \(other.count)")
        }
        var shared = [UInt8](repeating: 0, count: 32)
        guard crypto_scalarmult(&shared, secret, other) == 0 else {
            throw CoreFailure("bad_key", "the receiving key is a point of small order")
        }
        return try ContentKey(bytes: shared).derived(for: "fog-wrap-v1", sender + receiver).bytes
    }
}
