internal import CSodium
internal import FogCore

/// A verifiable random function (RFC 9381): for a key and an input there is one output, which only the key's holder can
/// compute, and a proof by which everybody can check it.
package enum VRFSuite: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// ECVRF-RISTRETTO255-SHA512 (C2SP vrf-r255): what networks use.
    case ristretto = 1
    /// ECVRF-EDWARDS25519-SHA512-TAI (RFC 9381 section 5.5), for keys of Ed25519.
    case edwards = 2

    package static let secretBytes = 32
    package static let publicBytes = 32
    /// Gamma 32 | c 16 | s 32.
    package static let proofBytes = 80
    package static let outputBytes = 64

    package var description: String {
        self == .ristretto ? "ECVRF-RISTRETTO255-SHA512" : "ECVRF-EDWARDS25519-SHA512-TAI"
    }

    var group: any VRFGroup.Type { self == .ristretto ? RistrettoGroup.self : EdwardsGroup.self }
}

/// The key of a VRF's holder.
package struct VRFKey: Sendable {
    package let suite: VRFSuite
    package let publicKey: VRFPublicKey
    /// Only ever written to a file of mode 0600.
    package let secret: [UInt8]

    /// - Parameter secret: in `ristretto` a scalar other than zero, in `edwards` the seed of an Ed25519 key.
    /// - Throws: `bad_key` for another length, or a number that is no scalar.
    package init(secret: [UInt8], suite: VRFSuite = .ristretto) throws(MixnetFailure) {
        Sodium.start()
        guard secret.count == VRFSuite.secretBytes else {
            throw MixnetFailure("bad_key", "a VRF key has \(VRFSuite.secretBytes) bytes, found \(secret.count)")
        }
        guard let expanded = suite.group.expand(secret) else {
            throw MixnetFailure("bad_key", "a VRF key of \(suite) is a scalar from 1, below the order of the group")
        }
        self.suite = suite
        self.secret = secret
        publicKey = VRFPublicKey(trusted: expanded.publicKey, suite: suite)
    }

    package static func generate(_ suite: VRFSuite = .ristretto) throws(MixnetFailure) -> VRFKey {
        Sodium.start()
        var secret = SecureRandom.bytes(VRFSuite.secretBytes)
        if suite == .ristretto { crypto_core_ristretto255_scalar_random(&secret) }
        return try VRFKey(secret: secret, suite: suite)
    }

    /// The output for an input, and its proof.
    package func prove(_ input: [UInt8]) -> (output: [UInt8], proof: [UInt8]) {
        // The key was expanded when it was made, and a point of the group times a scalar of it is one of the group.
        guard let proof = suite.group.prove(input, secret), let output = suite.group.output(of: proof) else {
            preconditionFailure("a VRF key that was taken made no proof")
        }
        return (output, proof)
    }
}

/// The key by which everybody checks a VRF's outputs.
package struct VRFPublicKey: Hashable, Sendable {
    package let suite: VRFSuite
    package let bytes: [UInt8]

    /// - Throws: `bad_key` for bytes that are no point of the group, or the neutral one: with such a key (RFC 9381 section
    ///   5.4.5) outputs would not be unique.
    package init(bytes: [UInt8], suite: VRFSuite = .ristretto) throws(MixnetFailure) {
        Sodium.start()
        guard bytes.count == VRFSuite.publicBytes, suite.group.isKey(bytes) else {
            throw MixnetFailure("bad_key", "a public VRF key of \(suite) is a point of its group")
        }
        self.bytes = bytes
        self.suite = suite
    }

    fileprivate init(trusted: [UInt8], suite: VRFSuite) {
        bytes = trusted
        self.suite = suite
    }

    /// The output that the proof is of; nil when it is not this key's proof for this input.
    package func output(for input: [UInt8], proof: [UInt8]) -> [UInt8]? {
        guard proof.count == VRFSuite.proofBytes, suite.group.verify(input, proof, bytes) else { return nil }
        return suite.group.output(of: proof)
    }
}

// MARK: - What both suites share

/// A group, its hash to points, and the numbers that keep the suites' hashes apart.
protocol VRFGroup {
    static var suiteString: [UInt8] { get }
    /// The scalar, what its nonces are made of, and the public key; nil for a secret that is none.
    static func expand(_ secret: [UInt8]) -> (scalar: [UInt8], nonceKey: [UInt8], publicKey: [UInt8])?
    static func isKey(_ point: [UInt8]) -> Bool
    static func point(for input: [UInt8], key: [UInt8]) -> [UInt8]?
    /// The 64 bytes that a nonce is reduced from.
    static func nonce(_ nonceKey: [UInt8], _ point: [UInt8]) -> [UInt8]
    static func base(_ scalar: [UInt8]) -> [UInt8]?
    static func times(_ scalar: [UInt8], _ point: [UInt8]) -> [UInt8]?
    static func minus(_ first: [UInt8], _ second: [UInt8]) -> [UInt8]?
    /// The point that outputs are hashed from, without what lies outside the prime-order group.
    static func cleared(_ point: [UInt8]) -> [UInt8]?
}

extension VRFGroup {
    /// RFC 9381 section 5.1.
    static func prove(_ input: [UInt8], _ secret: [UInt8]) -> [UInt8]? {
        guard let (scalar, nonceKey, key) = expand(secret), let point = point(for: input, key: key),
            let gamma = times(scalar, point)
        else { return nil }
        let nonce = Scalar.reduced(self.nonce(nonceKey, point))
        guard let first = base(nonce), let second = times(nonce, point) else { return nil }
        let challenge = challenge([key, point, gamma, first, second])
        let response = Scalar.sum(nonce, Scalar.product(Scalar.padded(challenge), scalar))
        return gamma + challenge + response
    }

    /// RFC 9381 section 5.3.
    static func verify(_ input: [UInt8], _ proof: [UInt8], _ key: [UInt8]) -> Bool {
        let (gamma, challenge) = (Array(proof[0..<32]), Array(proof[32..<48]))
        let (response, padded) = (Array(proof[48..<80]), Scalar.padded(challenge))
        guard isKey(key), Scalar.isReduced(response), let point = point(for: input, key: key),
            let firstPart = base(response), let firstRest = times(padded, key),
            let first = minus(firstPart, firstRest), let secondPart = times(response, point),
            let secondRest = times(padded, gamma), let second = minus(secondPart, secondRest)
        else { return false }
        return constantTimeEqual(self.challenge([key, point, gamma, first, second]), challenge)
    }

    /// RFC 9381 section 5.2.
    static func output(of proof: [UInt8]) -> [UInt8]? {
        guard let gamma = cleared(Array(proof[0..<32])) else { return nil }
        return hash(0x03, gamma + [0])
    }

    private static func challenge(_ points: [[UInt8]]) -> [UInt8] {
        Array(hash(0x02, Array(points.joined()) + [0]).prefix(16))
    }

    static func hash(_ domain: UInt8, _ bytes: [UInt8]) -> [UInt8] { SHA512.hash(suiteString + [domain] + bytes) }
}

enum SHA512 {
    static func hash(_ bytes: [UInt8]) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: 64)
        crypto_hash_sha512(&out, bytes, UInt64(bytes.count))
        return out
    }
}

/// Scalars modulo the order that both groups share.
enum Scalar {
    static func reduced(_ bytes: [UInt8]) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: 32)
        crypto_core_ed25519_scalar_reduce(&out, bytes)
        return out
    }

    static func isReduced(_ scalar: [UInt8]) -> Bool { reduced(scalar + [UInt8](repeating: 0, count: 32)) == scalar }

    static func padded(_ challenge: [UInt8]) -> [UInt8] {
        challenge + [UInt8](repeating: 0, count: 32 - challenge.count)
    }

    static func product(_ first: [UInt8], _ second: [UInt8]) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: 32)
        crypto_core_ed25519_scalar_mul(&out, first, second)
        return out
    }

    static func sum(_ first: [UInt8], _ second: [UInt8]) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: 32)
        crypto_core_ed25519_scalar_add(&out, first, second)
        return out
    }
}
