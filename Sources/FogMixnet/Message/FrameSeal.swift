internal import CSodium
package import FogCore

/// Closes a frame to all but the service that it is for: the node where its route ends sees a body and nothing of it, not
/// even how long the message is or which frames belong together.
///
///     id of the service's key 4 | element 32 | frame 956 | tag 16
///
/// ChaCha20-Poly1305 (RFC 8439) under BLAKE2b-256("fog-mix-seal-v1" | id | X25519 | element | the service's key). Each frame
/// has an element of its own, so a key is used once and its nonce is zero. A reply needs no seal: it travels under the key of
/// a SURB that came in a sealed frame.
package enum FrameSeal {
    static let idBytes = 4
    static let tagBytes = 16
    package static let overhead = idBytes + PacketSuite.elementBytes + tagBytes
    private static let headBytes = idBytes + PacketSuite.elementBytes

    /// The body of a packet.
    /// - Throws: `bad_key` for a key of small order.
    package static func seal(_ frame: MessageFrame, to key: ServiceKey) throws(MixnetFailure) -> [UInt8] {
        let secret = SecureRandom.bytes(32)
        let element = Curve25519.base(secret)
        let shared = try Curve25519.shared(secret, key.publicKey)
        let frameKey = Self.key(id: key.id, shared: shared, element: element, publicKey: key.publicKey)
        let plain = frame.bytes
        var sealed = [UInt8](repeating: 0, count: plain.count + tagBytes)
        let nonce = [UInt8](repeating: 0, count: Int(crypto_aead_chacha20poly1305_ietf_NPUBBYTES))
        crypto_aead_chacha20poly1305_ietf_encrypt(
            &sealed, nil, plain, UInt64(plain.count), nil, 0, nil, nonce, frameKey)
        var writer = CanonicalWriter(reserving: PacketSuite.bodyBytes)
        writer.write(key.id)
        writer.write(raw: element)
        writer.write(raw: sealed)
        return writer.bytes
    }

    /// By which the service finds its key; nil for a body of another length.
    package static func keyID(of body: [UInt8]) -> UInt32? {
        guard body.count == PacketSuite.bodyBytes else { return nil }
        return body.prefix(idBytes).reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// The frame; nil for a body that was not sealed to this key, or was changed since, or holds no frame.
    package static func open(_ body: [UInt8], id: UInt32, with key: MixKey) -> MessageFrame? {
        guard keyID(of: body) == id else { return nil }
        let element = Array(body[idBytes..<headBytes])
        var shared = [UInt8](repeating: 0, count: 32)
        guard crypto_scalarmult_curve25519(&shared, key.secret, element) == 0 else { return nil }
        let frameKey = Self.key(id: id, shared: shared, element: element, publicKey: key.publicKey)
        let sealed = Array(body[headBytes...])
        var plain = [UInt8](repeating: 0, count: sealed.count - tagBytes)
        let nonce = [UInt8](repeating: 0, count: Int(crypto_aead_chacha20poly1305_ietf_NPUBBYTES))
        guard
            crypto_aead_chacha20poly1305_ietf_decrypt(
                &plain, nil, nil, sealed, UInt64(sealed.count), nil, 0, nonce, frameKey) == 0
        else { return nil }
        return try? MessageFrame(bytes: plain)
    }

    private static func key(id: UInt32, shared: [UInt8], element: [UInt8], publicKey: [UInt8]) -> [UInt8] {
        var writer = CanonicalWriter()
        writer.write(raw: "fog-mix-seal-v1".utf8)
        writer.write(id)
        writer.write(raw: shared)
        writer.write(raw: element)
        writer.write(raw: publicKey)
        return Digest.blake2b(writer.bytes).bytes
    }
}

/// A service's key as clients have it: the lasting one, by which it is known, or one of those that it makes and erases.
package struct ServiceKey: Hashable, Sendable {
    /// The id of the lasting key. Only the question for another key is sealed to it.
    package static let lastingID: UInt32 = 0

    package let id: UInt32
    package let publicKey: [UInt8]
    /// Until when frames may be sealed to it.
    package let until: Timestamp

    /// - Throws: `bad_key` unless the key has 32 bytes.
    package init(id: UInt32, publicKey: [UInt8], until: Timestamp) throws(MixnetFailure) {
        guard publicKey.count == MixKey.byteCount else {
            throw MixnetFailure("bad_key", "a service's key has \(MixKey.byteCount) bytes, found \(publicKey.count)")
        }
        self.id = id
        self.publicKey = publicKey
        self.until = until
    }

    package static func lasting(_ publicKey: [UInt8]) throws(MixnetFailure) -> ServiceKey {
        try ServiceKey(id: lastingID, publicKey: publicKey, until: Timestamp(microseconds: .max))
    }
}
