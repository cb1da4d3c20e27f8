package import FogCore

/// What a machine says of itself to those who may seal a job to it, signed with the key that it works under.
///
/// A submitter who knows that key needs nobody's word for the rest: neither the coordinator's that hands it on, nor that of
/// whoever watches.
package struct CandidateStatement: Hashable, Sendable {
    package var machine: PublicKey
    /// Where it takes work.
    package var coordinator: PublicKey
    /// Its half of X25519, to which keys are sealed.
    package var receiver: [UInt8]
    package var capability: Capability
    package var region: String
    package var issuedAt: Timestamp
    package var expiresAt: Timestamp

    package enum Capability: String, Sendable, CaseIterable { case cpu, gpu }

    /// From its signing on; a machine signs a new one whenever it starts.
    package static let validity = TimeSpan.days(90)
    /// Clocks may differ by so much.
    package static let skew = TimeSpan.minutes(10)
    private static let domain = "fog-candidate-v1"
    private static let regionLimit = 256
    /// Of the whole, in bytes.
    package static let limit = 1024

    package init(
        machine: PublicKey, coordinator: PublicKey, receiver: [UInt8], capability: Capability, region: String,
        at now: Timestamp
    ) {
        self.machine = machine
        self.coordinator = coordinator
        self.receiver = receiver
        self.capability = capability
        self.region = region
        issuedAt = now
        expiresAt = now + Self.validity
    }

    private var canonicalBytes: [UInt8] {
        var writer = CanonicalWriter()
        writer.write(Self.domain)
        writer.write(raw: machine.bytes)
        writer.write(raw: coordinator.bytes)
        writer.write(receiver)
        writer.write(capability.rawValue)
        writer.write(region)
        writer.write(issuedAt)
        writer.write(expiresAt)
        return writer.bytes
    }

    /// The statement and its signature.
    package func signed(with key: SigningKey) -> Base64Bytes {
        let bytes = canonicalBytes
        return Base64Bytes(bytes + key.sign(bytes).bytes)
    }

    /// Reads a statement and checks its signature, not whether it is still good.
    /// - Throws: `bad_statement`.
    package init(signed: Base64Bytes) throws(JobsFailure) {
        do throws(CoreFailure) {
            guard signed.bytes.count <= Self.limit, signed.bytes.count > 64 else {
                throw CoreFailure("bad_statement", "it has \(signed.bytes.count) bytes")
            }
            let bytes = Array(signed.bytes.dropLast(64))
            var reader = CanonicalReader(bytes)
            guard try reader.readString(limit: 64) == Self.domain else {
                throw CoreFailure("bad_statement", "it is no `\(Self.domain)`")
            }
            machine = try PublicKey(bytes: reader.read(raw: 32))
            coordinator = try PublicKey(bytes: reader.read(raw: 32))
            receiver = try reader.readBytes(limit: ReceivingKey.byteCount)
            let word = try reader.readString(limit: 16)
            guard receiver.count == ReceivingKey.byteCount, let capability = Capability(rawValue: word) else {
                throw CoreFailure("bad_statement", "its key or class cannot be one")
            }
            self.capability = capability
            region = try reader.readString(limit: Self.regionLimit)
            issuedAt = try reader.readTimestamp()
            expiresAt = try reader.readTimestamp()
            try reader.end()
            guard machine.verifies(try Signature(bytes: signed.bytes.suffix(64)), of: bytes) else {
                throw CoreFailure("bad_statement", "the machine's key did not sign it")
            }
        } catch {
            throw JobsFailure("bad_statement", "a machine's statement does not hold: \(error.message)")
        }
    }

    /// What is wrong with it now, at this coordinator, or nil.
    package func mistake(at now: Timestamp, coordinator: PublicKey) -> String? {
        if self.coordinator != coordinator { return "it was made for another coordinator" }
        if issuedAt > now + Self.skew { return "it was signed ahead of time, at \(issuedAt.plain)" }
        if expiresAt <= now { return "it was good until \(expiresAt.plain)" }
        if expiresAt > issuedAt + Self.validity { return "it is good for longer than \(Self.validity.brief)" }
        return nil
    }
}
