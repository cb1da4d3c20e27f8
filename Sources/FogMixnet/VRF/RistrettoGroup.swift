internal import CSodium

/// ristretto255 (RFC 9496), as C2SP vrf-r255 uses it.
enum RistrettoGroup: VRFGroup {
    static let suiteString: [UInt8] = [0xFF] + Array("c2sp.org/vrf-r255".utf8)

    static func expand(_ secret: [UInt8]) -> (scalar: [UInt8], nonceKey: [UInt8], publicKey: [UInt8])? {
        guard Scalar.isReduced(secret), let key = base(secret) else { return nil }
        return (secret, secret, key)
    }

    static func isKey(_ point: [UInt8]) -> Bool {
        crypto_core_ristretto255_is_valid_point(point) == 1 && sodium_is_zero(point, point.count) == 0
    }

    static func point(for input: [UInt8], key: [UInt8]) -> [UInt8]? {
        var out = [UInt8](repeating: 0, count: 32)
        return crypto_core_ristretto255_from_hash(&out, hash(0x82, key + input)) == 0 ? out : nil
    }

    static func nonce(_ nonceKey: [UInt8], _ point: [UInt8]) -> [UInt8] { hash(0x81, nonceKey + point) }

    static func base(_ scalar: [UInt8]) -> [UInt8]? {
        var out = [UInt8](repeating: 0, count: 32)
        return crypto_scalarmult_ristretto255_base(&out, scalar) == 0 ? out : nil
    }

    static func times(_ scalar: [UInt8], _ point: [UInt8]) -> [UInt8]? {
        var out = [UInt8](repeating: 0, count: 32)
        return crypto_scalarmult_ristretto255(&out, scalar, point) == 0 ? out : nil
    }

    static func minus(_ first: [UInt8], _ second: [UInt8]) -> [UInt8]? {
        var out = [UInt8](repeating: 0, count: 32)
        return crypto_core_ristretto255_sub(&out, first, second) == 0 ? out : nil
    }

    /// The group has no other part.
    static func cleared(_ point: [UInt8]) -> [UInt8]? { point }
}
