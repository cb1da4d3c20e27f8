package import FogCore

/// The files of a task, or of a checkpoint, as the head of their archive; the contents follow in the same order.
package struct SealedFiles: Hashable, Sendable {
    package let files: [OutputFile]

    private static let format = "fog-files-1"
    /// As many as a worker collects of a task.
    package static let limit = 10_000

    /// - Parameter files: in any order.
    package init(_ files: [OutputFile]) { self.files = files.sorted() }

    package var bytes: Int64 { files.reduce(0) { $0 + $1.size } }

    package var head: JSON {
        .object([
            "format": .string(Self.format),
            "files": .array(
                files.map {
                    .object([
                        "name": .string($0.name), "size": .integer($0.size),
                        "executable": $0.executable ? true : nil, "digest": .string($0.digest.description),
                    ])
                }),
        ])
    }

    /// - Throws: `bad_archive`.
    package init(head: JSON) throws(JobsFailure) {
        guard head["format"]?.string == Self.format, let list = head["files"]?.array, list.count <= Self.limit else {
            throw JobsFailure("bad_archive", "what was sealed does not say `\(Self.format)`, or holds too many files")
        }
        var files: [OutputFile] = []
        var seen: Set<String> = []
        for item in list {
            guard let name = item["name"]?.string, seen.insert(name).inserted, let size = item["size"]?.integer,
                size >= 0, let digest = try? Digest(item["digest"]?.string ?? "")
            else {
                throw JobsFailure(
                    "bad_archive", "a file that was sealed lacks its name, size or digest, or stands twice")
            }
            files.append(
                OutputFile(name: name, size: size, executable: item["executable"]?.bool ?? false, digest: digest))
        }
        self.files = files
    }
}

/// What an attempt wrote, and why it ended as it did: sealed as its standard output, so that a coordinator keeps and hands
/// on one log that it cannot read.
package struct SealedLog: Hashable, Sendable {
    package var stdout: [UInt8]
    package var stderr: [UInt8]
    /// For people, as a public job's attempt says it in clear.
    package var detail: String?

    private static let format = "fog-log-1"
    /// Of each stream: both together fit into what a coordinator keeps of one.
    package static let streamLimit = 7 << 20
    /// Of each stream of an attempt that failed: what a coordinator hands on of a stranger's unpaid log (64 KiB) holds both,
    /// and a sealed log that is cut off does not open.
    package static let failedStreamLimit = 15 << 10
    private static let cut = Array(
        "\n[fog: the rest was not kept; a private task's log holds 7MiB of each stream]\n".utf8)

    /// - Parameter failed: then the ends of the streams are kept, which say why.
    package init(stdout: [UInt8], stderr: [UInt8], detail: String?, failed: Bool = false) {
        self.stdout = failed ? Array(stdout.suffix(Self.failedStreamLimit)) : Self.clipped(stdout)
        self.stderr = failed ? Array(stderr.suffix(Self.failedStreamLimit)) : Self.clipped(stderr)
        self.detail = detail.map { String($0.prefix(1000)) }
    }

    private static func clipped(_ bytes: [UInt8]) -> [UInt8] {
        bytes.count <= streamLimit ? bytes : Array(bytes.prefix(streamLimit - cut.count)) + cut
    }

    package func sealed(_ seal: JobSeal, at place: SealedPlace, token: UInt32) -> [UInt8] {
        let head: JSON = .object([
            "format": .string(Self.format), "stdout": .integer(Int64(stdout.count)),
            "stderr": .integer(Int64(stderr.count)), "detail": detail.map { .string($0) },
        ])
        return ArchiveWriter.seal(seal, .log(place, token: token), head: head, contents: [stdout, stderr])
    }

    /// - Throws: `bad_seal`, `bad_archive`.
    package init(opening bytes: [UInt8], _ seal: JobSeal, at place: SealedPlace, token: UInt32) throws {
        let (head, contents) = try ArchiveReader.open(bytes, seal, .log(place, token: token)) { head in
            guard head["format"]?.string == Self.format, let out = head["stdout"]?.integer,
                let errors = head["stderr"]?.integer, (0...Int64(Self.streamLimit)).contains(out),
                (0...Int64(Self.streamLimit)).contains(errors)
            else { throw JobsFailure("bad_archive", "what was sealed does not say `\(Self.format)`") }
            return [out, errors]
        }
        (stdout, stderr, detail) = (contents[0], contents[1], head["detail"]?.string)
    }
}
