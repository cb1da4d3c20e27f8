package import FogCore
package import FogJobs
internal import Glibc

/// A sealed bundle on this machine's disk, until it was uploaded.
package struct BundleFile: Sendable {
    package let path: String
    package let digest: Digest
    package let size: Int64

    /// Seals what a private job is and reads.
    ///
    /// The salt follows from key and content: the same sealed again is the same bytes, so that an upload goes on where it
    /// stopped and a repeated submit is the same job.
    /// - Parameter places: where each content lies.
    /// - Throws: `unreadable`, `unwritable`, `input_changed` for a file that was changed since it was read first.
    package init(_ bundle: PrivateBundle, seal: JobSeal, places: [Digest: String], path: String) throws {
        let head = bundle.head
        let salt = seal.key.tag("fog-bundle-salt-v1", Array(head.canonical.utf8))
        var writer = ArchiveWriter(seal, .bundle, head: head, contentBytes: bundle.contentBytes, salt: salt)
        size = writer.sealedSize
        unlink(path)
        let target = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard target >= 0 else { throw CommandLineFailure("unwritable", "\(path) cannot be made: \(Disk.words())") }
        defer { close(target) }
        var sink = Sink(descriptor: target, path: path)
        try sink.put(writer.add([]))
        for content in bundle.contents {
            let source = places[content.digest] ?? ""
            let file = open(source, O_RDONLY | O_CLOEXEC)
            guard file >= 0 else { throw CommandLineFailure("unreadable", "\(source) cannot be read: \(Disk.words())") }
            defer { close(file) }
            var check = DigestStream()
            var left = content.size
            try Disk.readPieces(of: file, name: source) { piece in
                left -= Int64(piece.count)
                guard left >= 0 else { return }
                check.update(piece)
                try sink.put(writer.add(Array(piece)))
            }
            guard left == 0, check.finish() == content.digest else {
                throw CommandLineFailure("input_changed", "\(source) was changed while it was being sealed")
            }
        }
        while let more = writer.finish() { try sink.put(more) }
        digest = sink.finish()
        self.path = path
    }

    package func remove() { unlink(path) }
}

/// A file in the making, and the digest of what went into it.
private struct Sink: ~Copyable {
    let descriptor: Int32
    let path: String
    private var stream = DigestStream()

    init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    mutating func put(_ bytes: [UInt8]) throws {
        stream.update(bytes)
        try Disk.writeAll(bytes, to: descriptor, name: path)
    }

    consuming func finish() -> Digest { stream.finish() }
}
