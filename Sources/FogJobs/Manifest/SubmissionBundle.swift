package import FogCore

/// Everything a submit consists of: the resolved document and the table of its local inputs.
///
/// The client builds it and uploads ``blobs`` (beside the contents of the files); the coordinator reads it back with
/// ``spec(document:files:readTable:)``.
package struct SubmissionBundle: Hashable, Sendable {
    package let document: ManifestDocument
    /// Nil when the job reads nothing local.
    package let files: FileTable?

    package init(spec: JobSpec, files: FileTable?) {
        document = ManifestDocument(of: spec)
        self.files = files.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The hash of idempotent submission: what is asked for and what its inputs hold.
    package var digest: Digest {
        let json: JSON = .object([
            "document": .string(document.digest.description), "files": files.map { .string($0.digest.description) },
        ])
        return .blake2b(Array(json.canonical.utf8))
    }

    /// Blobs that must be there before the submit: sweep tables and the file table.
    package var blobs: [Digest: [UInt8]] {
        var out = document.tables.mapValues(\.csv)
        if let files { out[files.digest] = files.bytes }
        return out
    }

    /// A document that came in, read as a job. A local input that the file table does not hold is a problem.
    /// - Parameter readTable: the bytes of a blob that the submitter has a right to, or nil.
    /// - Throws: `manifest_too_deep`.
    package static func spec(
        document: JSON, files: FileTable?, readTable: @escaping (Digest) -> [UInt8]?
    ) throws(JobsFailure) -> ManifestOutcome {
        let node = try ManifestNode(document)
        let resolver = ManifestResolver { path throws(JobsFailure) in
            guard case .blob(let digest) = try InputSource(path) else {
                throw JobsFailure("bad_path", "`\(clipped(path))` must be blob:<digest> in a submitted document")
            }
            guard let bytes = readTable(digest) else {
                throw JobsFailure("not_found", "no blob `\(digest)` for the sweep")
            }
            return try SweepTable(csv: bytes)
        } presence: { path in
            files?.presence(of: path) ?? .missing(nearest: nil)
        }
        return ManifestParser.parse(node, resolver: resolver)
    }
}
