package import FogCore

/// What a newcomer is given: where the coordinator is, which key it must have, and the secret that lets one in.
///
/// Text: `fog1` and, in base32, the canonical bytes: URL, public key, secret, and a 1 when the coordinator serves TLS
/// itself: then nobody else's certificate will do. Whoever holds it may join as long as it
/// has uses left; the coordinator stores the secret's hash only.
package struct JoinToken: Hashable, Sendable, CustomStringConvertible {
    package static let secretBytes = 16
    /// The longest URL, in bytes.
    package static let urlLimit = 512

    private static let prefix = "fog1"
    private static let keyBytes = 32

    package let url: String
    package let coordinator: PublicKey
    package let secret: [UInt8]
    /// The connection is good only under a certificate that the coordinator's own key signed.
    package let isPinned: Bool

    /// - Throws: `bad_token` for a URL that is empty or too long, or a secret that has not 16 bytes.
    package init(url: String, coordinator: PublicKey, secret: [UInt8], isPinned: Bool = false) throws(CoreFailure) {
        guard (1...Self.urlLimit).contains(url.utf8.count), url.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw CoreFailure("bad_token", "a token's URL has 1 to \(Self.urlLimit) printable characters")
        }
        guard secret.count == Self.secretBytes else {
            throw CoreFailure("bad_token", "a token's secret has \(Self.secretBytes) bytes, found \(secret.count)")
        }
        self.url = url
        self.coordinator = coordinator
        self.secret = secret
        self.isPinned = isPinned
    }

    /// - Throws: `bad_token` for text that is no token, or was not copied whole; the message never repeats it.
    package init(_ text: some StringProtocol) throws(CoreFailure) {
        guard text.hasPrefix(Self.prefix) else {
            throw CoreFailure("bad_token", "a token begins with `\(Self.prefix)`")
        }
        guard let bytes = Base32.decode(text.dropFirst(Self.prefix.count)) else {
            throw CoreFailure("bad_token", "the token was not copied whole, or was changed on the way")
        }
        do throws(CoreFailure) {
            var reader = CanonicalReader(bytes)
            let url = try reader.readString(limit: Self.urlLimit)
            let key = try PublicKey(bytes: reader.read(raw: Self.keyBytes))
            let secret = try reader.read(raw: Self.secretBytes)
            var isPinned = false
            if reader.remaining > 0 {
                let mark: UInt8 = try reader.read()
                guard mark == 1 else { throw CoreFailure("bad_token", "a newer Fog made it") }
                isPinned = true
            }
            try reader.end()
            try self.init(url: url, coordinator: key, secret: secret, isPinned: isPinned)
        } catch {
            throw CoreFailure(
                "bad_token", "the token was not copied whole, or was changed on the way: \(error.message)")
        }
    }

    package var description: String {
        var writer = CanonicalWriter()
        writer.write(url)
        writer.write(raw: coordinator.bytes)
        writer.write(raw: secret)
        if isPinned { writer.write(UInt8(1)) }
        return Self.prefix + Base32.encode(writer.bytes)
    }
}
