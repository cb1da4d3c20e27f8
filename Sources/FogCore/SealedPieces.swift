internal import CSodium

/// Content of any length under one key, piece by piece: XChaCha20-Poly1305, each piece under the number of its place.
///
/// The form is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: Online authenticated-encryption, CRYPTO 2015): a piece that is
/// changed, left out, repeated or moved does not open, and neither does a content that ends early, since the last piece
/// says that it is. Each content has a key of its own, from the key it is sealed under, its purpose and context, and the
/// salt at its head; so a nonce is only a number.
package enum SealedPieces {
    /// Of what is sealed, in each piece but the last.
    package static let pieceBytes = 64 << 10
    package static let tagBytes = 16
    /// `fogseal1`, then the salt.
    package static let headBytes = 40
    package static let saltBytes = 32
    static let magic = Array("fogseal1".utf8)

    /// Bytes that so many become.
    package static func sealedSize(of plain: Int64) -> Int64 {
        let pieces = max(1, (plain + Int64(pieceBytes) - 1) / Int64(pieceBytes))
        return Int64(headBytes) + plain + pieces * Int64(tagBytes)
    }

    static func key(_ key: ContentKey, _ purpose: String, _ context: [UInt8], salt: [UInt8]) -> [UInt8] {
        var writer = CanonicalWriter()
        writer.write(context)
        writer.write(raw: salt)
        return key.derived(for: "fog-sealed-v1 \(purpose)", writer.bytes).bytes
    }

    /// The place's number, and whether nothing follows.
    static func nonce(_ number: UInt64, isLast: Bool) -> [UInt8] {
        var nonce = [UInt8](repeating: 0, count: Int(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES))
        nonce[15] = isLast ? 1 : 0
        for place in 0..<8 { nonce[23 - place] = UInt8(truncatingIfNeeded: number >> (8 * UInt64(place))) }
        return nonce
    }
}

/// Seals pieces in their order.
package struct PieceSealer: Sendable {
    /// Comes before the first piece.
    package let head: [UInt8]
    private let key: [UInt8]
    private var number: UInt64 = 0

    /// - Parameter salt: 32 bytes, never the same for two contents of one purpose and context.
    package init(key: ContentKey, purpose: String, context: [UInt8], salt: [UInt8] = SecureRandom.bytes(32)) {
        precondition(salt.count == SealedPieces.saltBytes, "a salt has 32 bytes")
        Sodium.start()
        head = SealedPieces.magic + salt
        self.key = SealedPieces.key(key, purpose, context, salt: salt)
    }

    package mutating func seal(_ piece: [UInt8], isLast: Bool) -> [UInt8] {
        precondition(piece.count == SealedPieces.pieceBytes || isLast, "only the last piece may be short")
        precondition(piece.count <= SealedPieces.pieceBytes, "a piece has at most 64 KiB")
        var out = [UInt8](repeating: 0, count: piece.count + SealedPieces.tagBytes)
        var written: UInt64 = 0
        crypto_aead_xchacha20poly1305_ietf_encrypt(
            &out, &written, piece, UInt64(piece.count), nil, 0, nil, SealedPieces.nonce(number, isLast: isLast), key)
        number += 1
        return out
    }
}

/// Opens pieces in their order.
package struct PieceOpener: Sendable {
    private let key: [UInt8]
    private var number: UInt64 = 0

    /// - Throws: `bad_seal` for a head that is none.
    package init(key: ContentKey, purpose: String, context: [UInt8], head: [UInt8]) throws(CoreFailure) {
        Sodium.start()
        guard head.count == SealedPieces.headBytes, Array(head.prefix(8)) == SealedPieces.magic else {
            throw CoreFailure("bad_seal", "this is no sealed content: it does not begin with `fogseal1`")
        }
        self.key = SealedPieces.key(key, purpose, context, salt: Array(head.dropFirst(8)))
    }

    /// - Throws: `bad_seal` for a piece that was changed, is in the wrong place, or was sealed under another key or for
    ///   another purpose or context.
    package mutating func open(_ piece: [UInt8], isLast: Bool) throws(CoreFailure) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: max(0, piece.count - SealedPieces.tagBytes))
        var written: UInt64 = 0
        guard piece.count >= SealedPieces.tagBytes,
            crypto_aead_xchacha20poly1305_ietf_decrypt(
                &out, &written, nil, piece, UInt64(piece.count), nil, 0,
                SealedPieces.nonce(number, isLast: isLast), key) == 0
        else {
            throw CoreFailure(
                "bad_seal", "sealed content was changed, or is under another key or of another job, in piece \(number)")
        }
        number += 1
        return out
    }
}
