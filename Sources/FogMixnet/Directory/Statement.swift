package import FogCore

/// What an authority puts its name under: in this epoch, my document of this kind is the one with this digest.
///
/// Documents are signed by their digest alone. So two statements are enough to prove that an authority said two things,
/// whatever the documents were.
package struct Statement: Hashable, Sendable {
    package enum Kind: UInt8, Sendable, CaseIterable { case vote = 1, echo, consensus }

    package static let byteCount = 1 + 32 + 8 + 32 + 32 + 64

    package let kind: Kind
    package let network: Digest
    package let epoch: UInt64
    package let digest: Digest
    package let authority: PublicKey
    package let signature: Signature

    package init(_ kind: Kind, network: Digest, epoch: UInt64, digest: Digest, signedWith key: SigningKey) {
        self.kind = kind
        self.network = network
        self.epoch = epoch
        self.digest = digest
        authority = key.publicKey
        signature = key.sign(Self.message(kind, network, epoch, digest))
    }

    package var bytes: [UInt8] {
        var writer = CanonicalWriter(reserving: Self.byteCount)
        writer.write(kind.rawValue)
        writer.write(network)
        writer.write(epoch)
        writer.write(digest)
        writer.write(raw: authority.bytes)
        writer.write(raw: signature.bytes)
        return writer.bytes
    }

    /// - Throws: `bad_statement` unless the authority signed it.
    init(from reader: inout CanonicalReader) throws(MixnetFailure) {
        do {
            let kindByte: UInt8 = try reader.read()
            guard let kind = Kind(rawValue: kindByte) else {
                throw MixnetFailure("bad_statement", "kind \(kindByte) is not known")
            }
            self.kind = kind
            network = try reader.readDigest()
            epoch = try reader.read()
            digest = try reader.readDigest()
            authority = try PublicKey(bytes: reader.read(raw: 32))
            signature = try Signature(bytes: reader.read(raw: 64))
        } catch {
            throw MixnetFailure.wrapping(error)
        }
        guard authority.verifies(signature, of: Self.message(kind, network, epoch, digest)) else {
            throw MixnetFailure("bad_statement", "the statement is not signed by \(authority)")
        }
    }

    private static func message(_ kind: Kind, _ network: Digest, _ epoch: UInt64, _ digest: Digest) -> [UInt8] {
        var writer = CanonicalWriter()
        writer.write("fog-directory-statement-v1")
        writer.write(kind.rawValue)
        writer.write(network)
        writer.write(epoch)
        writer.write(digest)
        return writer.bytes
    }
}

/// The proof that an authority said two different things in one epoch. It convinces everybody who knows the key.
package struct Equivocation: Hashable, Sendable {
    package let first: Statement
    package let second: Statement

    /// In one order, whoever finds it; nil when the two do not contradict each other.
    package init?(_ one: Statement, _ other: Statement) {
        guard one.authority == other.authority, one.kind == other.kind, one.network == other.network,
            one.epoch == other.epoch, one.digest != other.digest
        else { return nil }
        (first, second) = one.digest < other.digest ? (one, other) : (other, one)
    }

    package var authority: PublicKey { first.authority }
    package var bytes: [UInt8] { first.bytes + second.bytes }

    /// - Throws: `bad_statement` for what proves nothing.
    package init(bytes: [UInt8]) throws(MixnetFailure) {
        var reader = CanonicalReader(bytes)
        let (one, other) = (try Statement(from: &reader), try Statement(from: &reader))
        guard let proof = Self(one, other), proof.first == one, reader.remaining == 0 else {
            throw MixnetFailure("bad_statement", "the two statements do not contradict each other")
        }
        self = proof
    }
}
