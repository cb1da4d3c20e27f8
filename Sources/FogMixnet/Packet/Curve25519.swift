internal import CSodium
internal import FogCore

/// X25519 (RFC 7748) and the scalars of its group, by libsodium.
enum Curve25519 {
    static func base(_ secret: [UInt8]) -> [UInt8] {
        Sodium.start()
        var out = [UInt8](repeating: 0, count: 32)
        crypto_scalarmult_curve25519_base(&out, secret)
        return out
    }

    /// - Throws: `bad_key` for a point of small order.
    static func shared(_ secret: [UInt8], _ point: [UInt8]) throws(MixnetFailure) -> [UInt8] {
        Sodium.start()
        var out = [UInt8](repeating: 0, count: 32)
        guard point.count == 32, crypto_scalarmult_curve25519(&out, secret, point) == 0 else {
            throw MixnetFailure("bad_key", "a public key of X25519 is a point of small order")
        }
        return out
    }

    /// The number that X25519 takes a secret for.
    static func clamped(_ secret: [UInt8]) -> [UInt8] {
        var scalar = secret
        scalar[0] &= 248
        scalar[31] = scalar[31] & 127 | 64
        return scalar
    }

    /// Of two scalars, modulo the order L of the group.
    static func product(_ first: [UInt8], _ second: [UInt8]) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: 32)
        crypto_core_ed25519_scalar_mul(&out, first, second)
        return out
    }

    /// A secret that X25519 leaves as it is and that gives the scalar's result.
    ///
    /// X25519 clamps, and a product of blinds is not clamped. But it sees only x-coordinates, of points of order L: so
    /// c = 8 (scalar / 8 mod L) does the same, and -c as well, one of which has bit 254 set.
    static func representative(_ scalar: [UInt8]) -> [UInt8] {
        var eighth = product(scalar, inverseOfEight)
        // Bit 254 of the result is bit 251 here.
        if eighth[31] & 0x08 == 0 {
            var negative = [UInt8](repeating: 0, count: 32)
            crypto_core_ed25519_scalar_negate(&negative, eighth)
            eighth = negative
        }
        var out = [UInt8](repeating: 0, count: 32)
        for index in (0..<32) { out[index] = eighth[index] << 3 | (index > 0 ? eighth[index - 1] >> 5 : 0) }
        return out
    }

    private static let inverseOfEight: [UInt8] = {
        let eight = [8] + [UInt8](repeating: 0, count: 31)
        var out = [UInt8](repeating: 0, count: 32)
        crypto_core_ed25519_scalar_invert(&out, eight)
        return out
    }()
}
