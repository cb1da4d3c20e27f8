internal import CSodium

/// Authenticated encryption under one key (XSalsa20-Poly1305, `crypto_secretbox` of libsodium): for what lies on a disk.
package enum SecretBox {
    package static let keyBytes = 32
    private static let nonceBytes = 24
    private static let tagBytes = 16

    /// The nonce, then the sealed bytes.
    package static func seal(_ bytes: [UInt8], key: [UInt8]) -> [UInt8] {
        precondition(key.count == keyBytes, "a secretbox key has 32 bytes")
        Sodium.start()
        let nonce = SecureRandom.bytes(nonceBytes)
        var sealed = [UInt8](repeating: 0, count: bytes.count + tagBytes)
        crypto_secretbox_easy(&sealed, bytes, UInt64(bytes.count), nonce, key)
        return nonce + sealed
    }

    /// - Throws: `bad_box` for bytes that were not sealed under this key, or were changed since.
    package static func open(_ box: [UInt8], key: [UInt8]) throws(CoreFailure) -> [UInt8] {
        precondition(key.count == keyBytes, "a secretbox key has 32 bytes")
        Sodium.start()
        guard box.count >= nonceBytes + tagBytes else {
            throw CoreFailure("bad_box", "\(box.count) bytes are too few for what was sealed")
        }
        let sealed = Array(box[nonceBytes...])
        var bytes = [UInt8](repeating: 0, count: sealed.count - tagBytes)
        guard crypto_secretbox_open_easy(&bytes, sealed, UInt64(sealed.count), Array(box[..<nonceBytes]), key) == 0
        else {
            throw CoreFailure("bad_box", "what was sealed was changed, or is under another key")
        }
        return bytes
    }
}
