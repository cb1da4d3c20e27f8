package import FogCore

/// A worker's right to run a task until it expires, and all it needs to do so.
package struct Lease: Hashable, Sendable, Codable {
    package var attempt: AttemptID
    package var jobName: String
    /// The element's own number, as `{index}`.
    package var index: Int
    package var arguments: [String]
    package var environment: [String: String]
    package var inputs: [LeaseInput]
    /// Folders that the machine's owner shares, and where the task wants them; nil = none.
    package var volumes: [LeaseVolume]?
    /// The archive of the root file system; nil = the machine's own programs.
    package var image: LeaseInput?
    /// What the task is told that nobody else is; nil = nothing.
    package var secrets: [LeaseSecret]?
    package var outputs: [String]
    package var resources: ResourceRequest
    package var profile: String
    /// What the task may reach through the worker's proxy; nil = nothing.
    package var allowHosts: [AllowedHost]?
    package var checkpoint: CheckpointPolicy
    /// Files of the newest checkpoint, to be laid into FOG_CHECKPOINT_DIR.
    package var checkpointFiles: [LeaseInput]
    package var priceBound: Credits
    /// By the coordinator's clock; renewed by every heartbeat.
    package var expiresAt: Timestamp
    package var disconnectGrace: TimeSpan
    package var exclusive: Bool
    package var killGrace: TimeSpan
    /// Of a private job: its key, sealed to this machine; nil for any other. Then everything else here is the stand-in's.
    package var seal: LeaseSeal?
    /// Becomes the task's `TRACEPARENT`; nil when the job was submitted without one.
    package var trace: TraceParent?
    /// Digest over the sorted inputs, repeated in the receipt.
    package var inputDigest: Digest

    package init(
        attempt: AttemptID, jobName: String, index: Int, arguments: [String], environment: [String: String],
        inputs: [LeaseInput], volumes: [LeaseVolume]? = nil, image: LeaseInput? = nil, secrets: [LeaseSecret]? = nil,
        outputs: [String], resources: ResourceRequest,
        profile: String,
        checkpoint: CheckpointPolicy, checkpointFiles: [LeaseInput] = [], priceBound: Credits, expiresAt: Timestamp,
        disconnectGrace: TimeSpan, exclusive: Bool, killGrace: TimeSpan = .seconds(10)
    ) {
        self.attempt = attempt
        self.jobName = jobName
        self.index = index
        self.arguments = arguments
        self.environment = environment
        self.inputs = inputs
        self.volumes = volumes
        self.image = image
        self.secrets = secrets
        self.outputs = outputs
        self.resources = resources
        self.profile = profile
        self.checkpoint = checkpoint
        self.checkpointFiles = checkpointFiles
        self.priceBound = priceBound
        self.expiresAt = expiresAt
        self.disconnectGrace = disconnectGrace
        self.exclusive = exclusive
        self.killGrace = killGrace
        inputDigest = LeaseInput.digest(of: inputs + (image.map { [$0] } ?? []))
    }

    /// All content that the task reads: its inputs and its image.
    package var content: [LeaseInput] { inputs + (image.map { [$0] } ?? []) }
}

/// What a machine needs to open a private job's bundle.
package struct LeaseSeal: Hashable, Sendable, Codable {
    package var id: SealID
    package var key: Base64Bytes

    package init(id: SealID, key: Base64Bytes) {
        self.id = id
        self.key = key
    }
}

/// A place below the work folder where something of a volume is bound, read-only.
package struct LeaseVolume: Hashable, Sendable, Codable {
    package var name: String
    package var volume: String
    /// Below the volume; "" = the whole of it.
    package var path: String

    package init(name: String, volume: String, path: String) {
        self.name = name
        self.volume = volume
        self.path = path
    }
}

/// A secret with its value. Only a lease on its way to its worker holds one; it is never written or logged.
package struct LeaseSecret: Hashable, Sendable, Codable, CustomStringConvertible {
    package var use: SecretUse
    /// Nil until the lease is sent.
    package var value: String?

    package init(use: SecretUse, value: String? = nil) {
        self.use = use
        self.value = value
    }

    /// Without the value, wherever a lease may be printed.
    package var description: String { "secret \(use.name)" }
}

/// One file to be laid, read-only, below the work folder.
package struct LeaseInput: Hashable, Sendable, Codable {
    /// A name that ends in `/` is an empty folder, without content.
    package var name: String
    package var digest: Digest
    package var size: Int64
    package var executable: Bool

    package init(name: String, digest: Digest, size: Int64, executable: Bool) {
        self.name = name
        self.digest = digest
        self.size = size
        self.executable = executable
    }

    package static func emptyFolder(_ name: String) -> LeaseInput {
        LeaseInput(name: name + "/", digest: .zero, size: 0, executable: false)
    }

    /// No input has such a name: none ends in a colon.
    package static let imageName = "image:"

    package var isFolder: Bool { name.hasSuffix("/") }

    /// BLAKE2b-256 over the sorted list: what the receipt calls the input-manifest digest.
    package static func digest(of inputs: [LeaseInput]) -> Digest {
        manifestDigest(
            inputs.map { OutputFile(name: $0.name, size: $0.size, executable: $0.executable, digest: $0.digest) })
    }
}

/// BLAKE2b-256 over a sorted list of files: name, size, execute bit and content. Equal folders give equal digests.
package func manifestDigest(_ files: [OutputFile]) -> Digest { Digest.blake2b(manifestBytes(files)) }

/// What ``manifestDigest(_:)`` is taken over.
package func manifestBytes(_ files: [OutputFile]) -> [UInt8] {
    var writer = CanonicalWriter()
    writer.write(UInt32(files.count))
    for file in files.sorted() {
        writer.write(file.name)
        writer.write(file.size)
        writer.write(UInt8(file.executable ? 1 : 0))
        writer.write(file.digest)
    }
    return writer.bytes
}
