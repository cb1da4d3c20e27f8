internal import CSodium

/// One side of an X25519 exchange (RFC 7748; libsodium's `crypto_kx`): made for one exchange and thrown away, so that
/// what was agreed cannot be found out later from keys that last.
///
/// The exchange alone tells nobody who the other side is: whoever uses it has both halves signed.
package struct ExchangeKey: Sendable {
    /// Of a public half.
    package static let byteCount = 32

    package let publicBytes: [UInt8]
    private let secret: [UInt8]

    private init(publicBytes: [UInt8], secret: [UInt8]) {
        self.publicBytes = publicBytes
        self.secret = secret
    }

    package static func generate() -> ExchangeKey {
        Sodium.start()
        var publicBytes = [UInt8](repeating: 0, count: byteCount)
        var secret = [UInt8](repeating: 0, count: 32)
        crypto_kx_keypair(&publicBytes, &secret)
        return ExchangeKey(publicBytes: publicBytes, secret: secret)
    }

    /// What the side that asked shares with the one that answers.
    /// - Throws: `bad_key` for a half that is not 32 bytes, or a point of small order, with which anybody would agree
    ///   on the same keys.
    package func keys(withAnswerer other: [UInt8]) throws(CoreFailure) -> SharedKeys {
        try Self.agree(with: other) { crypto_kx_client_session_keys(&$0, &$1, publicBytes, secret, other) }
    }

    /// What the side that answers shares with the one that asked.
    /// - Throws: `bad_key`, as above.
    package func keys(withAsker other: [UInt8]) throws(CoreFailure) -> SharedKeys {
        try Self.agree(with: other) { crypto_kx_server_session_keys(&$0, &$1, publicBytes, secret, other) }
    }

    private static func agree(
        with other: [UInt8], _ derive: (_ receive: inout [UInt8], _ send: inout [UInt8]) -> Int32
    ) throws(CoreFailure) -> SharedKeys {
        guard other.count == byteCount else {
            throw CoreFailure("bad_key", "an exchange key has \(byteCount) bytes, found \(other.count)")
        }
        var receive = [UInt8](repeating: 0, count: 32)
        var send = [UInt8](repeating: 0, count: 32)
        guard derive(&receive, &send) == 0 else {
            throw CoreFailure("bad_key", "the exchange key is a point of small order")
        }
        return SharedKeys(receive: receive, send: send)
    }
}

/// What both sides of an exchange know, a key of 32 bytes for each direction: what one side sends with, the other
/// receives with.
package struct SharedKeys: Hashable, Sendable {
    package let receive: [UInt8]
    package let send: [UInt8]
}
