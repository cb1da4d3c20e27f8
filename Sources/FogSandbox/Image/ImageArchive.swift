import FogCore
import Glibc

/// What an image may be.
package struct ImageLimits: Sendable, Hashable {
    /// Files, folders and links of all layers together.
    package var entries = 500_000
    /// Of all files of all layers together, unpacked.
    package var bytes: Int64 = 64 << 30
    package var layers = 128

    package init() {}
}

/// The file of an image: a tar of a root file system, plain or by gzip; or a tar of an OCI image layout (image-spec 1.0),
/// whose layers are such archives.
package struct ImageArchive: ~Copyable {
    private let file: Int32
    private let size: Int64
    let limits: ImageLimits

    private static let pieceBytes = 1 << 20
    /// How much more than its files an archive may unpack to: headers, padding, zeros at the end.
    private static let overheadBytes: Int64 = 1 << 30

    /// - Throws: `bad_image`.
    package init(path: String, limits: ImageLimits = ImageLimits()) throws(SandboxFailure) {
        file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        self.limits = limits
        var status = stat()
        guard file >= 0, fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw TarReader.refused("\(path) cannot be read: \(Files.words(errno))")
        }
        size = Int64(status.st_size)
    }

    deinit { if file >= 0 { close(file) } }

    /// A stretch of the file that is an archive by itself: the whole, or a layer.
    struct Part: Hashable, Sendable {
        var offset: Int64
        var size: Int64
    }

    var whole: Part { Part(offset: 0, size: size) }

    func bytes(of part: Part, at offset: Int64, count: Int) throws(SandboxFailure) -> [UInt8] {
        var problem: Int32 = 0
        let wanted = Int(min(Int64(count), part.size - offset))
        let bytes = [UInt8](unsafeUninitializedCapacity: max(0, wanted)) { buffer, filled in
            while filled < wanted, let base = buffer.baseAddress {
                let got = pread(file, base + filled, wanted - filled, off_t(part.offset + offset) + off_t(filled))
                if got < 0, errno == EINTR { continue }
                if got < 0 { problem = errno }
                if got <= 0 { return }
                filled += got
            }
        }
        guard problem == 0, bytes.count == wanted else {
            throw TarReader.refused("the image's file cannot be read: \(Files.words(problem))")
        }
        return bytes
    }

    /// Whether a part is compressed, by its first bytes.
    /// - Throws: `bad_image` for a compression that is not taken.
    func isCompressed(_ part: Part) throws(SandboxFailure) -> Bool {
        let magic = try bytes(of: part, at: 0, count: 6)
        if magic.starts(with: [0x1f, 0x8b]) { return true }
        let others: [(String, [UInt8])] = [
            ("zstd", [0x28, 0xb5, 0x2f, 0xfd]), ("xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a]), ("bzip2", [0x42, 0x5a, 0x68]),
        ]
        for (name, start) in others where magic.starts(with: start) {
            throw TarReader.refused("it is compressed by \(name); only gzip is taken")
        }
        return false
    }

    /// Reads a part as a tar archive, to its end.
    func read(
        _ part: Part, _ emit: (TarEvent) throws(SandboxFailure) -> Void
    ) throws(SandboxFailure) {
        var tar = TarReader()
        var made: Int64 = 0
        let bound = limits.bytes + Self.overheadBytes
        func feed(_ piece: ArraySlice<UInt8>) throws(SandboxFailure) -> Bool {
            made += Int64(piece.count)
            guard made <= bound else { throw TarReader.refused("it unpacks to more than \(ByteCount(bound).brief)") }
            try tar.read(piece, emit)
            return !tar.hasEnded
        }
        let gunzip = try isCompressed(part) ? Gunzip() : nil
        var offset: Int64 = 0
        var goesOn = true
        while goesOn, offset < part.size {
            let piece = try bytes(of: part, at: offset, count: Self.pieceBytes)
            offset += Int64(piece.count)
            if let gunzip {
                goesOn = try gunzip.read(piece[...], feed)
            } else {
                goesOn = try feed(piece[...])
            }
        }
        if goesOn, let gunzip { try gunzip.finish() }
        try tar.finish()
    }

    /// The SHA-256 of a part, as OCI names its blobs.
    func sha256(of part: Part) throws(SandboxFailure) -> Digest {
        var stream = SHA256Stream()
        var offset: Int64 = 0
        while offset < part.size {
            let piece = try bytes(of: part, at: offset, count: Self.pieceBytes)
            stream.update(piece)
            offset += Int64(piece.count)
        }
        return stream.finish()
    }
}
