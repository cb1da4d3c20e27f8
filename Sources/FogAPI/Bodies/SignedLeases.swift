package import FogCore
package import FogJobs

/// Leases that were granted together, as one document that the coordinator signed: the worker's proof of what it was
/// granted, whoever asks and whenever.
///
/// One signature for all leases of an answer, so that a node of short tasks costs the coordinator no more than one of
/// long ones. The text is signed as it stands; nobody has to write it again to check it.
package struct SignedLeases: Hashable, Sendable, Codable {
    /// The leases, as a JSON array.
    package var document: String
    package var grantedAt: Timestamp
    package var signature: Signature

    private static let domain = "fog-leases-v1"

    enum CodingKeys: String, CodingKey {
        case document, signature
        case grantedAt = "granted_at"
    }

    package init(
        _ leases: [Lease], to worker: PublicKey, at time: Timestamp, signedBy key: SigningKey
    ) throws {
        document = String(decoding: try Wire.encode(leases), as: UTF8.self)
        grantedAt = time
        signature = key.sign(
            Self.signedBytes(of: document, to: worker, at: time, from: key.publicKey))
    }

    /// - Throws: `bad_lease` unless this coordinator granted them to this worker.
    package func leases(of worker: PublicKey, from coordinator: PublicKey) throws -> [Lease] {
        let signed = Self.signedBytes(of: document, to: worker, at: grantedAt, from: coordinator)
        guard coordinator.verifies(signature, of: signed) else {
            throw CoreFailure(
                "bad_lease", "the leases are not signed by the coordinator \(coordinator.id) for the key \(worker.id)")
        }
        return try Wire.decode([Lease].self, from: Array(document.utf8))
    }

    private static func signedBytes(
        of document: String, to worker: PublicKey, at time: Timestamp, from coordinator: PublicKey
    ) -> [UInt8] {
        var writer = CanonicalWriter(reserving: document.utf8.count + 128)
        writer.write(domain)
        writer.write(raw: coordinator.bytes)
        writer.write(raw: worker.bytes)
        writer.write(time)
        writer.write(document)
        return writer.bytes
    }
}

/// What a poll is answered with from protocol 2 on.
package struct LeaseAnswer: Hashable, Sendable, Codable {
    /// Nil = no work.
    package var granted: SignedLeases?

    package init(granted: SignedLeases?) { self.granted = granted }
}
