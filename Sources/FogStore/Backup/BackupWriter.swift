package import FogCore
internal import Glibc

/// Copies a coordinator's folder into one archive while the coordinator may be at work.
///
/// The database goes first, as one snapshot; then every other file of the folder: keys, content, logs. Content is on
/// the disk before a row names it and goes only after its row went, so whatever the snapshot names is there, but for
/// what retention removed in between. The last entry holds the digest of every other one.
package struct BackupWriter: Sendable {
    /// What a backup came to.
    package struct Summary: Sendable, Hashable {
        package var files = 0
        package var bytes: Int64 = 0
        /// Content that the database names and the folder does not have.
        package var missing: [Digest] = []
        /// Content whose bytes are not what its name says.
        package var damaged: [Digest] = []
    }

    private static let pieceBytes = 1 << 20

    /// Of SQLite and of uploads that are not whole; they mean nothing elsewhere.
    private static let left: Set<String> = ["fog.db", "fog.db-wal", "fog.db-shm", "fog.db.lock", "content/uploads"]

    private let folder: String
    private let software: String

    package init(folder: String, software: String) {
        self.folder = folder
        self.software = software
    }

    /// - Throws: `exists` when there is a file at the path, `not_found` when the folder holds no database.
    package func write(to path: String, at now: Timestamp) async throws(StoreFailure) -> Summary {
        guard access(path, F_OK) != 0 else {
            throw StoreFailure("exists", "\(path): is there already; name a new file")
        }
        guard access("\(folder)/\(BackupForm.databaseName)", F_OK) == 0 else {
            throw StoreFailure("not_found", "\(folder) holds no coordinator: there is no \(BackupForm.databaseName)")
        }
        let (part, copy) = (path + ".part", path + ".db")
        for old in [part, copy] { try Folder.remove(old) }
        defer {
            unlink(part)
            unlink(copy)
        }
        let store = try SQLiteStore(path: "\(folder)/\(BackupForm.databaseName)", readOnly: true)
        try await store.backup(to: copy)
        try store.close()
        let summary = try await archive(copy, into: part, at: now)
        // A name that came meanwhile is not written over.
        guard link(part, path) == 0 else { throw Folder.failure("could not be named", path) }
        try Folder.sync(Folder.parent(of: path))
        return summary
    }

    private func archive(_ copy: String, into part: String, at now: Timestamp) async throws(StoreFailure) -> Summary {
        var summary = Summary()
        var archive = Archive(file: try File(part, O_RDWR | O_CREAT | O_EXCL))
        var digests: [String] = []
        let about = JSON.object([
            "format": .integer(BackupForm.version), "made_at": .string(now.description), "software": .string(software),
        ])
        try archive.add(BackupForm.aboutName, Array((about.pretty + "\n").utf8), at: now)
        var content: Set<Digest> = []
        for (name, source) in [(BackupForm.databaseName, copy)] + (try files("")).map({ ($0, "\(folder)/\($0)") }) {
            guard let digest = try archive.add(name, from: source, at: now) else { continue }
            digests.append("\(digest)  \(name)\n")
            summary.files += 1
            guard name.hasPrefix("content/blobs/"), let named = try? Digest(name.suffix(64)) else { continue }
            content.insert(named)
            if named != digest { summary.damaged.append(named) }
        }
        try archive.add(BackupForm.digestsName, Array(digests.joined().utf8), at: now)
        try archive.finish()
        summary.bytes = archive.size
        let database = try SQLiteStore(path: copy, readOnly: true)
        summary.missing = try await database.contentInFiles().filter { !content.contains($0) }
        try database.close()
        for suffix in ["-wal", "-shm"] { try Folder.remove(copy + suffix) }
        return summary
    }

    /// Regular files below a part of the folder, by name.
    private func files(_ below: String) throws(StoreFailure) -> [String] {
        var found: [String] = []
        for name in try Folder.names(in: "\(folder)/\(below)").sorted() {
            let path = below.isEmpty ? name : "\(below)/\(name)"
            guard !Self.left.contains(path), TarHeader.isName(path) else { continue }
            var status = stat()
            guard lstat("\(folder)/\(path)", &status) == 0 else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFDIR: found += try files(path)
            case S_IFREG: found.append(path)
            default: continue
            }
        }
        return found
    }

    // MARK: -

    /// A tar file that is being written.
    private struct Archive: ~Copyable {
        let file: File
        private(set) var size: Int64 = 0

        init(file: consuming File) { self.file = file }

        mutating func add(_ name: String, _ bytes: [UInt8], at now: Timestamp) throws(StoreFailure) {
            let header = TarHeader(name: name, size: Int64(bytes.count), modified: now.seconds)
            try put(header.bytes + bytes + [UInt8](repeating: 0, count: header.padding))
        }

        /// - Returns: the digest of what was copied; nil when the file is gone.
        mutating func add(_ name: String, from path: String, at now: Timestamp) throws(StoreFailure) -> Digest? {
            guard let source = try Self.opened(path) else { return nil }
            // A log may grow meanwhile: what it is now is what is copied.
            let header = TarHeader(name: name, size: try source.size, modified: now.seconds)
            try put(header.bytes)
            var stream = DigestStream()
            var offset: Int64 = 0
            while offset < header.size {
                let piece = try source.read(at: offset, count: Int(min(Int64(pieceBytes), header.size - offset)))
                guard !piece.isEmpty else {
                    throw StoreFailure("io", "\(path): has \(offset) bytes now, \(header.size) a moment ago")
                }
                stream.update(piece)
                try put(piece)
                offset += Int64(piece.count)
            }
            try put([UInt8](repeating: 0, count: header.padding))
            return stream.finish()
        }

        private static func opened(_ path: String) throws(StoreFailure) -> File? {
            do throws(StoreFailure) {
                return try File(path, O_RDONLY)
            } catch {
                if error.code == "not_found" { return nil }
                throw error
            }
        }

        mutating func finish() throws(StoreFailure) {
            try put([UInt8](repeating: 0, count: 2 * TarHeader.blockSize))
            try file.sync()
        }

        private mutating func put(_ bytes: [UInt8]) throws(StoreFailure) {
            try file.write(bytes, at: size)
            size += Int64(bytes.count)
        }
    }
}
