internal import CSodium

/// A key for HMAC with SHA-256 (RFC 2104, FIPS 180-4), with the work that depends on the key alone done once.
package struct MACKey: Sendable {
    /// Of a code, in bytes.
    package static let codeLength = 32

    private let prepared: crypto_auth_hmacsha256_state

    /// Any length; 32 bytes are as strong as the hash.
    package init(_ bytes: [UInt8]) {
        Sodium.start()
        var state = crypto_auth_hmacsha256_state()
        crypto_auth_hmacsha256_init(&state, bytes, bytes.count)
        prepared = state
    }

    package func code(of message: [UInt8]) -> [UInt8] {
        var state = prepared
        var out = [UInt8](repeating: 0, count: Self.codeLength)
        crypto_auth_hmacsha256_update(&state, message, UInt64(message.count))
        crypto_auth_hmacsha256_final(&state, &out)
        return out
    }

    /// Compares in a time that does not depend on where the codes differ.
    package func matches(_ code: [UInt8], of message: [UInt8]) -> Bool {
        constantTimeEqual(code, self.code(of: message))
    }
}
