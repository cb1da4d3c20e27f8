internal import CSodium
internal import FogCore

/// ChaCha20-Poly1305 (RFC 8439) with a counter for a nonce, as Noise has it: one direction of a link.
package struct LinkCipher: Sendable {
    package static let tagBytes = 16

    private let key: [UInt8]
    /// Messages so far. Noise forbids the last value, and both ends stop long before.
    private var counter: UInt64 = 0
    private static let last = UInt64.max - 1

    init(key: [UInt8]) { self.key = key }

    mutating func seal(_ plain: [UInt8], with context: [UInt8] = []) throws(MixnetFailure) -> [UInt8] {
        guard counter < Self.last else { throw MixnetFailure("link_worn", "the link's keys were used 2^64 times") }
        var out = [UInt8](repeating: 0, count: plain.count + Self.tagBytes)
        withNonce { nonce in
            _ = crypto_aead_chacha20poly1305_ietf_encrypt(
                &out, nil, plain, UInt64(plain.count), context, UInt64(context.count), nil, nonce, key)
        }
        counter += 1
        return out
    }

    /// Nil for a message that was changed, repeated or left out: then the link is to be closed.
    mutating func open(_ sealed: [UInt8], with context: [UInt8] = []) throws(MixnetFailure) -> [UInt8]? {
        guard counter < Self.last else { throw MixnetFailure("link_worn", "the link's keys were used 2^64 times") }
        guard sealed.count >= Self.tagBytes else { return nil }
        var out = [UInt8](repeating: 0, count: sealed.count - Self.tagBytes)
        let verdict = withNonce { nonce in
            crypto_aead_chacha20poly1305_ietf_decrypt(
                &out, nil, nil, sealed, UInt64(sealed.count), context, UInt64(context.count), nonce, key)
        }
        guard verdict == 0 else { return nil }
        counter += 1
        return out
    }

    /// In place: so many bytes of plain text, the tag behind them. False when the keys are worn.
    mutating func seal(_ bytes: UnsafeMutablePointer<UInt8>, count: Int) -> Bool {
        guard counter < Self.last else { return false }
        withNonce { nonce in
            _ = crypto_aead_chacha20poly1305_ietf_encrypt_detached(
                bytes, bytes + count, nil, bytes, UInt64(count), nil, 0, nil, nonce, key)
        }
        counter += 1
        return true
    }

    /// In place; false for bytes that the other end did not send next.
    package mutating func open(_ bytes: UnsafeMutablePointer<UInt8>, count: Int) -> Bool {
        guard counter < Self.last else { return false }
        let verdict = withNonce { nonce in
            crypto_aead_chacha20poly1305_ietf_decrypt_detached(
                bytes, nil, bytes, UInt64(count), bytes + count, nil, 0, nonce, key)
        }
        guard verdict == 0 else { return false }
        counter += 1
        return true
    }

    /// Leaves out a message that is not wanted, without computing anything for it.
    mutating func skip() { counter += 1 }

    /// Four zero bytes, then the counter, little-endian.
    private func withNonce<Result>(_ body: (UnsafePointer<UInt8>) -> Result) -> Result {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 12) { nonce in
            for index in 0..<4 { nonce[index] = 0 }
            for index in 0..<8 { nonce[4 + index] = UInt8(truncatingIfNeeded: counter >> UInt64(8 * index)) }
            guard let start = nonce.baseAddress else { preconditionFailure("a nonce has room") }
            return body(start)
        }
    }
}
