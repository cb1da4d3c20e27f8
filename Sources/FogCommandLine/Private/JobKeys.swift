internal import FogAPI
package import FogCore
package import FogJobs
internal import Glibc

/// What a submitter keeps of a private job: the key that opens its results, and the manifest that nobody else has.
package struct JobKeyRecord: Sendable, Hashable {
    package var seal: JobSeal
    package var coordinator: PublicKey
    /// The head of the bundle, without the values of secrets.
    package var bundle: JSON
    /// What the coordinator was given.
    package var standIn: String
    /// The digest of what was submitted, and the key under which: a repeated submit is the same job.
    package var submission: Digest
    package var idempotencyKey: String

    package init(
        seal: JobSeal, coordinator: PublicKey, bundle: JSON, standIn: String, submission: Digest,
        idempotencyKey: String
    ) {
        self.seal = seal
        self.coordinator = coordinator
        self.bundle = bundle
        self.standIn = standIn
        self.submission = submission
        self.idempotencyKey = idempotencyKey
    }

    /// The manifest, canonical.
    package var document: JSON { bundle["document"] ?? .null }
    package var name: String { document["name"]?.string ?? "" }

    /// By their numbers (``StandIn``).
    package var stepNames: [String] { StandIn.numbered((document["steps"]?.members ?? []).map(\.name)) }

    private static let format = "fog-job-key-1"

    var json: JSON {
        .object([
            "format": .string(Self.format), "seal": .string(seal.id.description),
            "key": .string(Hex.encode(seal.key.bytes)), "coordinator": .string(coordinator.description),
            "submission": .string(submission.description), "idempotency_key": .string(idempotencyKey),
            "stand_in": .string(standIn), "bundle": bundle,
        ])
    }

    init(json: JSON) throws(CoreFailure) {
        guard json["format"]?.string == Self.format, let bundle = json["bundle"],
            let standIn = json["stand_in"]?.string
        else { throw CoreFailure("bad_job_key", "it does not say `\(Self.format)`") }
        seal = JobSeal(
            id: try SealID(json["seal"]?.string ?? ""),
            key: try ContentKey(bytes: Hex.decode(json["key"]?.string ?? "") ?? []))
        coordinator = try PublicKey(json["coordinator"]?.string ?? "")
        submission = try Digest(json["submission"]?.string ?? "")
        idempotencyKey = json["idempotency_key"]?.string ?? ""
        (self.bundle, self.standIn) = (bundle, standIn)
    }
}

/// The keys of this user's private jobs, a file of mode 0600 each. Its name is the seal's and the job's, so that a job is
/// found without opening all of them.
package struct JobKeyShelf: Sendable, JobNaming {
    package let folder: String

    /// - Parameter state: where Fog writes for itself.
    package init(state: String) { folder = "\(state)/private" }

    private static let suffix = ".json"
    /// Of one file, in bytes: a manifest, its stand-in and the list of all that it reads.
    private static let limit = 256 << 20

    private struct Entry {
        let seal: String
        let name: String
        let file: String
    }

    private var entries: [Entry] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var entries: [Entry] = []
        while let item = readdir(stream) {
            let file = withUnsafePointer(to: &item.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
            }
            let parts = file.split(separator: ".", maxSplits: 1).map(String.init)
            guard parts.count == 2, parts[1].hasSuffix(Self.suffix), (try? SealID(parts[0])) != nil else { continue }
            entries.append(Entry(seal: parts[0], name: String(parts[1].dropLast(Self.suffix.count)), file: file))
        }
        return entries
    }

    private func path(_ entry: Entry) -> String { "\(folder)/\(entry.file)" }

    private func age(_ entry: Entry) -> (Int, Int) {
        let time = Disk.status(path(entry))?.st_mtim
        return (time?.tv_sec ?? 0, time?.tv_nsec ?? 0)
    }

    // MARK: - Names

    package func told(_ reference: String) -> String {
        let found = entries.filter { $0.name == reference }.max { age($0) < age($1) }
        return found.flatMap { try? SealID($0.seal) }.map { StandIn.name(of: $0) } ?? reference
    }

    package func own(_ standIn: String) -> String? {
        StandIn.id(inName: standIn).flatMap { id in entries.first { $0.seal == id.description }?.name }
    }

    // MARK: - Keys

    /// - Throws: `lost_key` when it is not on this machine, `key_exposed`, `bad_job_key`.
    package func record(of id: SealID) throws -> JobKeyRecord {
        guard let entry = entries.first(where: { $0.seal == id.description }) else {
            throw CommandLineFailure(
                "lost_key", "the key of this private job is not on this machine: \(folder) has none for \(id)",
                help: "nobody else has it: use the machine that submitted the job, or copy its file from there",
                status: .denied)
        }
        return try read(entry)
    }

    private func read(_ entry: Entry) throws -> JobKeyRecord {
        if let complaint = KeyFile.complaint(about: path(entry)) {
            throw CommandLineFailure("key_exposed", complaint.words, help: complaint.help, status: .denied)
        }
        do {
            guard let size = Disk.status(path(entry))?.st_size, size <= Self.limit else {
                throw CoreFailure("bad_job_key", "it is larger than \(Self.limit) bytes")
            }
            let descriptor = open(path(entry), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
            guard descriptor >= 0 else {
                throw CommandLineFailure("unreadable", "\(path(entry)) cannot be read: \(Disk.words())")
            }
            defer { close(descriptor) }
            var bytes: [UInt8] = []
            try Disk.readPieces(of: descriptor, name: path(entry)) { bytes += $0 }
            return try JobKeyRecord(json: JSON(parsing: bytes))
        } catch let failure as CoreFailure {
            throw CommandLineFailure("bad_job_key", "\(path(entry)): \(failure.message)", status: .denied)
        }
    }

    /// The record of an earlier submit of the same under the same key; nil = there was none.
    package func record(submitted digest: Digest, under key: String, to coordinator: PublicKey) throws -> JobKeyRecord?
    {
        for entry in entries {
            guard let record = try? read(entry) else { continue }
            if record.submission == digest, record.idempotencyKey == key, record.coordinator == coordinator {
                return record
            }
        }
        return nil
    }

    package func keep(_ record: JobKeyRecord) throws {
        try Disk.makeFolder(folder, mode: 0o700)
        try Disk.write(
            Array((record.json.pretty + "\n").utf8), to: "\(folder)/\(record.seal.id).\(record.name)\(Self.suffix)",
            mode: 0o600)
    }
}
