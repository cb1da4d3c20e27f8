package import FogCore

/// Names one private job to everybody who has a part in it, and tells nothing of it: 16 random bytes.
///
/// The submitter makes it before the coordinator knows of the job, so that what is sealed can say what it is for.
package struct SealID: Hashable, Sendable, Codable, CustomStringConvertible {
    package let bytes: [UInt8]

    /// - Throws: `bad_id` unless there are 16 bytes.
    package init(bytes: some Collection<UInt8>) throws(CoreFailure) {
        guard bytes.count == 16 else { throw CoreFailure("bad_id", "a seal has 16 bytes, found \(bytes.count)") }
        self.bytes = Array(bytes)
    }

    package init(_ text: some StringProtocol) throws(CoreFailure) {
        guard let raw = Base32.decode(text), raw.count == 16 else {
            throw CoreFailure("bad_id", "a seal is 26 base32 characters, found `\(text.prefix(80))`")
        }
        bytes = raw
    }

    package static func random() -> SealID {
        guard let id = try? SealID(bytes: SecureRandom.bytes(16)) else { preconditionFailure("16 bytes were refused") }
        return id
    }

    package var description: String { Base32.encode(bytes) }

    package init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// Which task of a private job, as its submitter counts: a step of the manifest, and an element of the step.
package struct SealedPlace: Hashable, Sendable {
    package var step: Int
    /// From 0, in the order of the step's elements; not the label that a manifest may give it.
    package var element: Int

    package init(step: Int, element: Int) {
        self.step = step
        self.element = element
    }
}

/// A private job's key, and what is made with it. Only the submitter and the machines that were given the key have one.
package struct JobSeal: Sendable, Hashable {
    package let id: SealID
    package let key: ContentKey

    package init(id: SealID, key: ContentKey) {
        self.id = id
        self.key = key
    }

    package static func generate() -> JobSeal { JobSeal(id: .random(), key: .generate()) }

    /// What is sealed under the key. No two parts share a key, so that none can stand in another's place.
    package enum Part: Hashable, Sendable {
        /// Everything that the submitter sends.
        case bundle
        /// The files that a task left.
        case result(SealedPlace)
        /// What one attempt wrote.
        case log(SealedPlace, token: UInt32)
        /// What an attempt that left leaves to the next.
        case checkpoint(SealedPlace)
    }

    func purpose(_ part: Part) -> (String, context: [UInt8]) {
        var writer = CanonicalWriter()
        writer.write(raw: id.bytes)
        let place: SealedPlace?, name: String
        switch part {
        case .bundle: (name, place) = ("bundle", nil)
        case .result(let task): (name, place) = ("result", task)
        case .log(let task, let token):
            (name, place) = ("log", task)
            writer.write(token)
        case .checkpoint(let task): (name, place) = ("checkpoint", task)
        }
        if let place {
            writer.write(UInt32(place.step))
            writer.write(UInt32(place.element))
        }
        return (name, writer.bytes)
    }

    /// BLAKE2b keyed by the job's key and the task, over the list of a result's files: equal for equal results, and
    /// without the key like random bytes. It is the salt under which the result is sealed, so equal results are equal
    /// bytes when sealed, and the digests that a coordinator compares are those of the tags.
    package func tag(of files: [OutputFile], at place: SealedPlace) -> Digest {
        let (name, context) = purpose(.result(place))
        return key.derived(for: "fog-result-tag-v1 \(name)", context).tag("files", manifestBytes(files))
    }

    /// Stands for the digest of what only the parties of the job are to know.
    package func commitment(to digest: Digest, at place: SealedPlace) -> Digest {
        let (name, context) = purpose(.result(place))
        return key.derived(for: "fog-commitment-v1 \(name)", context).tag("digest", digest.bytes)
    }

    // MARK: - Giving the key away

    /// All that a wrapped key is for: the job with its content, the machine, and where both were introduced.
    private func binding(bundle: Digest, to machine: PublicKey, through coordinator: PublicKey) -> [UInt8] {
        Self.binding(id, bundle: bundle, to: machine, through: coordinator)
    }

    private static func binding(
        _ id: SealID, bundle: Digest, to machine: PublicKey, through coordinator: PublicKey
    ) -> [UInt8] {
        var writer = CanonicalWriter()
        writer.write("fog-job-key-v1")
        writer.write(raw: id.bytes)
        writer.write(bundle)
        writer.write(raw: machine.bytes)
        writer.write(raw: coordinator.bytes)
        return writer.bytes
    }

    /// The key, sealed to one machine.
    /// - Throws: `bad_key`.
    package func wrapped(to candidate: CandidateStatement, bundle: Digest) throws(CoreFailure) -> Base64Bytes {
        Base64Bytes(
            try KeyWrap.wrap(
                key, to: candidate.receiver,
                binding: binding(bundle: bundle, to: candidate.machine, through: candidate.coordinator)))
    }

    /// What was sealed to this machine.
    /// - Throws: `bad_wrap` for what was sealed to another, for another job or bundle, or was changed; `bad_key`.
    package init(
        unwrapping box: Base64Bytes, of id: SealID, bundle: Digest, with receiver: ReceivingKey, machine: PublicKey,
        coordinator: PublicKey
    ) throws(CoreFailure) {
        key = try KeyWrap.unwrap(
            box.bytes, with: receiver,
            binding: Self.binding(id, bundle: bundle, to: machine, through: coordinator))
        self.id = id
    }
}

/// A job's key as the coordinator keeps it: sealed to each machine that may have it, by the key id of the machine.
package struct SealedKeys: Hashable, Sendable, Codable {
    /// Machines that one job may be sealed to.
    package static let limit = 64

    package private(set) var boxes: [String: Base64Bytes]

    package init() { boxes = [:] }

    /// - Throws: `bad_keys` for too many, for none, and for what cannot be a sealed key.
    package init(_ boxes: [String: Base64Bytes]) throws(JobsFailure) {
        guard (1...Self.limit).contains(boxes.count) else {
            throw JobsFailure(
                "bad_keys", "a private job comes with 1 to \(Self.limit) sealed keys, found \(boxes.count)")
        }
        for (name, box) in boxes {
            guard (try? KeyID(name)) != nil, box.bytes.count == KeyWrap.byteCount else {
                throw JobsFailure(
                    "bad_keys",
                    "`keys.\(clipped(name))` must be a sealed key of \(KeyWrap.byteCount) bytes under a key id, found \(box.bytes.count) bytes"
                )
            }
        }
        self.boxes = boxes
    }

    /// What came over a wire, by the rules of ``init(_:)``.
    package func checked() throws(JobsFailure) -> SealedKeys { try SealedKeys(boxes) }

    package subscript(_ machine: KeyID) -> Base64Bytes? { boxes[machine.description] }

    /// Key ids of the machines, as text.
    package var machines: Set<String> { Set(boxes.keys) }

    /// With those of another submit; of one machine's the newer counts.
    /// - Throws: `bad_keys` for more than ``limit`` together.
    package func merging(_ more: SealedKeys) throws(JobsFailure) -> SealedKeys {
        try SealedKeys(boxes.merging(more.boxes) { $1 })
    }

    package init(from decoder: any Decoder) throws {
        boxes = try decoder.singleValueContainer().decode([String: Base64Bytes].self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(boxes)
    }
}
