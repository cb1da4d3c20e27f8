package import FogCore
internal import Glibc

/// The certificates of a coordinator that serves TLS itself (RFC 5280, Ed25519 by RFC 8410).
///
/// The root is the coordinator's own key as a certificate authority; whoever knows the key can write the root down, for
/// nobody checks the signature of an authority on itself. The connection runs under a key of its own, made anew at each
/// start and vouched for by the root. So a token needs no fingerprint beside the key, nothing expires, and no
/// secret of TLS lies on a disk.
package enum CoordinatorCertificate {
    private static let ed25519: [UInt8] = [0x2b, 0x65, 0x70]
    private static let commonName: [UInt8] = [0x55, 0x04, 0x03]
    private static let keyUsage: [UInt8] = [0x55, 0x1d, 0x0f]
    private static let alternativeName: [UInt8] = [0x55, 0x1d, 0x11]
    private static let basicConstraints: [UInt8] = [0x55, 0x1d, 0x13]
    private static let extendedKeyUsage: [UInt8] = [0x55, 0x1d, 0x25]
    private static let serverAuthentication: [UInt8] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01]

    /// What clients trust: equal but for the signature, whoever writes it.
    package static func root(of key: PublicKey) -> [UInt8] {
        certificate(rootBody(of: key), signature: [UInt8](repeating: 0, count: 64))
    }

    /// The same with a signature, for programs that look at it.
    package static func root(signedBy key: SigningKey) -> [UInt8] {
        let body = rootBody(of: key.publicKey)
        return certificate(body, signature: key.sign(body).bytes)
    }

    /// A certificate for connections to the coordinator.
    ///
    /// - Parameter names: hosts and addresses by which others may reach it; Fog's own clients do not look at them.
    package static func leaf(for key: PublicKey, names: [String], signedBy authority: SigningKey) -> [UInt8] {
        let serial = [0x40 | (SecureRandom.bytes(1)[0] & 0x3f)] + SecureRandom.bytes(15)
        var extensions = [
            wrapped(basicConstraints, DER.sequence(), critical: true),
            wrapped(keyUsage, DER.bits([0x80], unused: 7), critical: true),
            wrapped(extendedKeyUsage, DER.sequence(DER.identifier(serverAuthentication))),
        ]
        let places = names.compactMap(place)
        if !places.isEmpty {
            extensions.append(wrapped(alternativeName, DER.tagged(0x30, places.flatMap { $0 })))
        }
        let body = body(
            serial: serial, issuer: rootName(authority.publicKey), subject: "fog coordinator", key: key,
            extensions: extensions)
        return certificate(body, signature: authority.sign(body).bytes)
    }

    /// PKCS #8 (RFC 8410 section 7).
    package static func privateKey(_ key: SigningKey) -> [UInt8] {
        DER.sequence(
            DER.integer([0]), DER.sequence(DER.identifier(ed25519)), DER.octets(DER.octets(Array(key.seed))))
    }

    /// For files: what `curl --cacert` reads.
    package static func pem(_ certificate: [UInt8]) -> String {
        let text = Base64.encode(certificate)
        var lines = ["-----BEGIN CERTIFICATE-----"]
        var rest = text[...]
        while !rest.isEmpty {
            lines.append(String(rest.prefix(64)))
            rest = rest.dropFirst(64)
        }
        return (lines + ["-----END CERTIFICATE-----", ""]).joined(separator: "\n")
    }

    // MARK: - Parts

    private static func rootName(_ key: PublicKey) -> String { "fog \(key.id)" }

    private static func rootBody(of key: PublicKey) -> [UInt8] {
        body(
            serial: [1], issuer: rootName(key), subject: rootName(key), key: key,
            extensions: [
                wrapped(basicConstraints, DER.sequence(DER.yes, DER.integer([0])), critical: true),
                wrapped(keyUsage, DER.bits([0x04], unused: 2), critical: true),
            ])
    }

    /// Valid from 2000 and without an end (RFC 5280 section 4.1.2.5): a wrong clock is told by a word of its own, not by
    /// a certificate that seems not to be valid.
    private static func body(
        serial: [UInt8], issuer: String, subject: String, key: PublicKey, extensions: [[UInt8]]
    ) -> [UInt8] {
        DER.sequence(
            DER.tagged(0xa0, DER.integer([2])), DER.integer(serial), DER.sequence(DER.identifier(ed25519)),
            name(issuer),
            DER.sequence(DER.utcTime("000101000000Z"), DER.generalizedTime("99991231235959Z")), name(subject),
            DER.sequence(DER.sequence(DER.identifier(ed25519)), DER.bits(Array(key.bytes))),
            DER.tagged(0xa3, DER.tagged(0x30, extensions.flatMap { $0 })))
    }

    private static func certificate(_ body: [UInt8], signature: [UInt8]) -> [UInt8] {
        DER.sequence(body, DER.sequence(DER.identifier(ed25519)), DER.bits(signature))
    }

    private static func name(_ text: String) -> [UInt8] {
        DER.sequence(DER.set(DER.sequence(DER.identifier(commonName), DER.text(text))))
    }

    private static func wrapped(_ id: [UInt8], _ value: [UInt8], critical: Bool = false) -> [UInt8] {
        critical
            ? DER.sequence(DER.identifier(id), DER.yes, DER.octets(value))
            : DER.sequence(DER.identifier(id), DER.octets(value))
    }

    /// A name or an address as RFC 5280 section 4.2.1.6 writes them; nil for what is neither.
    private static func place(_ text: String) -> [UInt8]? {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 { return DER.tagged(0x87, withUnsafeBytes(of: &four) { Array($0) }) }
        var six = in6_addr()
        if inet_pton(AF_INET6, text, &six) == 1 { return DER.tagged(0x87, withUnsafeBytes(of: &six) { Array($0) }) }
        let isName = text.utf8.allSatisfy {
            (0x61...0x7a).contains($0) || (0x41...0x5a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d
                || $0 == 0x2e
        }
        return isName && (1...253).contains(text.utf8.count) ? DER.tagged(0x82, Array(text.utf8)) : nil
    }
}
