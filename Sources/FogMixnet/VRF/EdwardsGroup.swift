internal import CSodium

/// Edwards25519 with try-and-increment (RFC 9381 sections 5.4.1.1 and 5.5).
///
/// Stricter than the RFC in one thing: a public key or a Gamma outside the prime-order group is refused, since libsodium
/// multiplies no such point. No honest holder makes one.
enum EdwardsGroup: VRFGroup {
    static let suiteString: [UInt8] = [0x03]

    static func expand(_ secret: [UInt8]) -> (scalar: [UInt8], nonceKey: [UInt8], publicKey: [UInt8])? {
        let expanded = SHA512.hash(secret)
        let scalar = Curve25519.clamped(Array(expanded.prefix(32)))
        guard let key = base(scalar) else { return nil }
        return (scalar, Array(expanded.suffix(32)), key)
    }

    static func isKey(_ point: [UInt8]) -> Bool { crypto_core_ed25519_is_valid_point(point) == 1 }

    static func point(for input: [UInt8], key: [UInt8]) -> [UInt8]? {
        // Each try fails with one half; 2^-256 for all of them.
        for counter in UInt8.min...UInt8.max {
            let candidate = Array(hash(0x01, key + input + [counter, 0]).prefix(32))
            // Doubling refuses what is not on the curve, and takes points outside the prime-order group.
            if let point = cleared(candidate), point != neutral { return point }
        }
        return nil
    }

    private static let neutral: [UInt8] = [1] + [UInt8](repeating: 0, count: 31)

    static func nonce(_ nonceKey: [UInt8], _ point: [UInt8]) -> [UInt8] { SHA512.hash(nonceKey + point) }

    static func base(_ scalar: [UInt8]) -> [UInt8]? {
        var out = [UInt8](repeating: 0, count: 32)
        return crypto_scalarmult_ed25519_base_noclamp(&out, scalar) == 0 ? out : nil
    }

    static func times(_ scalar: [UInt8], _ point: [UInt8]) -> [UInt8]? {
        var out = [UInt8](repeating: 0, count: 32)
        return crypto_scalarmult_ed25519_noclamp(&out, scalar, point) == 0 ? out : nil
    }

    static func minus(_ first: [UInt8], _ second: [UInt8]) -> [UInt8]? {
        var out = [UInt8](repeating: 0, count: 32)
        return crypto_core_ed25519_sub(&out, first, second) == 0 ? out : nil
    }

    /// Eight times the point.
    static func cleared(_ point: [UInt8]) -> [UInt8]? {
        var current = point
        for _ in 0..<3 {
            var double = [UInt8](repeating: 0, count: 32)
            guard crypto_core_ed25519_add(&double, current, current) == 0 else { return nil }
            current = double
        }
        return current
    }
}
