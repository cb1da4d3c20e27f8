package import FogCore
internal import Glibc
internal import Synchronization

/// Content too large for the database, one file a digest: `blobs/ab/ab12…`.
///
/// A file is there whole or not at all: it is written as an upload, hashed, flushed, and only then given its name, so
/// that the transaction which names the digest never points at half a file. Uploads go on where they stopped.
package final class BlobFiles: Sendable {
    /// The largest content, in bytes.
    package let sizeLimit: Int64
    private let blobs: String
    private let uploads: String
    /// Names of uploads that somebody is writing to.
    private let busy = Mutex(Set<String>())
    /// Bytes hashed at a time.
    private static let pieceBytes = 1 << 20
    /// Bytes read at a time.
    package static let readLimit = 4 << 20

    /// - Parameter folder: is made when there is none; its parent must be there.
    package init(folder: String, sizeLimit: Int64 = 64 << 30) throws(StoreFailure) {
        self.sizeLimit = sizeLimit
        blobs = folder + "/blobs"
        uploads = folder + "/uploads"
        for path in [folder, blobs, uploads] { try Folder.make(path) }
    }

    private func path(_ digest: Digest) -> String {
        let name = digest.description
        return "\(blobs)/\(name.prefix(2))/\(name)"
    }

    // MARK: - Uploads

    /// Bytes that an upload has so far: where its next chunk belongs. 0 when there is none of that name.
    package func uploaded(_ name: String) throws(StoreFailure) -> Int64 {
        do throws(StoreFailure) {
            return try File(uploadPath(name), O_RDONLY).size
        } catch {
            if error.code == "not_found" { return 0 }
            throw error
        }
    }

    /// Appends a chunk. The bytes are durable only after ``finish(_:digest:size:)``.
    ///
    /// - Parameter offset: must be the upload's size.
    /// - Returns: the new size.
    /// - Throws: `wrong_offset` naming the true size, `too_large`, `busy` while another caller writes the same upload.
    @discardableResult
    package func append(_ bytes: [UInt8], to name: String, at offset: Int64) throws(StoreFailure) -> Int64 {
        let path = try uploadPath(name)
        return try alone(name) { () throws(StoreFailure) in
            let file = try File(path, O_RDWR | O_CREAT)
            let size = try file.size
            guard offset == size else {
                throw StoreFailure("wrong_offset", "upload \(name) has \(size) bytes; the chunk began at \(offset)")
            }
            guard size + Int64(bytes.count) <= sizeLimit else {
                throw StoreFailure(
                    "too_large", "upload \(name) would have \(size + Int64(bytes.count)) bytes, at most \(sizeLimit)")
            }
            do throws(StoreFailure) {
                try file.write(bytes, at: size)
            } catch {
                // Half a chunk would move the offset at which the sender goes on.
                try? file.truncate(to: size)
                throw error
            }
            return size + Int64(bytes.count)
        }
    }

    /// Checks an upload's content and gives it its place.
    ///
    /// - Throws: `wrong_size` while bytes are missing (the upload stays), `bad_digest` when the content is another (the
    ///   upload is removed: no further byte can mend it).
    package func finish(_ name: String, digest: Digest, size: Int64) throws(StoreFailure) {
        let source = try uploadPath(name)
        try alone(name) { () throws(StoreFailure) in
            let file = try File(source, O_RDONLY)
            let found = try file.size
            guard found == size else {
                throw StoreFailure("wrong_size", "upload \(name) has \(found) bytes, wanted \(size)")
            }
            let content = try Self.hash(file, size: size)
            guard content == digest else {
                try Folder.remove(source)
                throw StoreFailure("bad_digest", "upload \(name) holds \(content), wanted \(digest)")
            }
            try file.sync()
            try place(source, digest)
        }
    }

    private static func hash(_ file: borrowing File, size: Int64) throws(StoreFailure) -> Digest {
        var stream = DigestStream()
        var offset: Int64 = 0
        while offset < size {
            let piece = try file.read(at: offset, count: Int(min(Int64(pieceBytes), size - offset)))
            guard !piece.isEmpty else { break }
            stream.update(piece)
            offset += Int64(piece.count)
        }
        return stream.finish()
    }

    private func place(_ source: String, _ digest: Digest) throws(StoreFailure) {
        let target = path(digest)
        try Folder.make(Folder.parent(of: target))
        guard rename(source, target) == 0 else { throw Folder.failure("could not be renamed", source) }
        try Folder.sync(Folder.parent(of: target))
    }

    /// Drops an upload; one that is not there is no failure.
    package func cancel(_ name: String) throws(StoreFailure) {
        let path = try uploadPath(name)
        try alone(name) { () throws(StoreFailure) in try Folder.remove(path) }
    }

    /// Uploads that nobody has added to since a time: name and bytes so far.
    package func uploads(untouchedSince time: Timestamp) throws(StoreFailure) -> [(name: String, size: Int64)] {
        var found: [(name: String, size: Int64)] = []
        for name in try Folder.names(in: uploads) {
            guard let status = try Folder.status("\(uploads)/\(name)"), status.modified < time.seconds else { continue }
            found.append((name, status.size))
        }
        return found
    }

    private func uploadPath(_ name: String) throws(StoreFailure) -> String {
        guard Folder.isPlain(name) else {
            throw StoreFailure("bad_name", "an upload is named by 1 to 128 letters, digits, `-`, `_` or `.`")
        }
        return "\(uploads)/\(name)"
    }

    private func alone<Value>(_ name: String, _ body: () throws(StoreFailure) -> Value) throws(StoreFailure) -> Value {
        guard busy.withLock({ $0.insert(name).inserted }) else {
            throw StoreFailure("busy", "upload \(name) is being written by another request; try again")
        }
        defer { busy.withLock { _ = $0.remove(name) } }
        return try body()
    }

    // MARK: - Content

    /// Stores content that is in memory, durably.
    package func put(_ bytes: [UInt8], digest: Digest) throws(StoreFailure) {
        let name = "put-\(digest)"
        try cancel(name)
        try append(bytes, to: name, at: 0)
        try finish(name, digest: digest, size: Int64(bytes.count))
    }

    /// Nil when there is no such content.
    package func size(_ digest: Digest) throws(StoreFailure) -> Int64? {
        do throws(StoreFailure) {
            return try File(path(digest), O_RDONLY).size
        } catch {
            if error.code == "not_found" { return nil }
            throw error
        }
    }

    /// At most `count` bytes (and at most ``readLimit``) from an offset; fewer only at the end.
    /// - Throws: `not_found`.
    package func read(_ digest: Digest, at offset: Int64, count: Int) throws(StoreFailure) -> [UInt8] {
        guard offset >= 0, count > 0 else { return [] }
        let file = try File(path(digest), O_RDONLY)
        let left = max(0, try file.size - offset)
        return try file.read(at: offset, count: Int(min(left, Int64(min(count, Self.readLimit)))))
    }

    /// Removes content; one that is not there is no failure. The caller must have removed its row first.
    package func delete(_ digest: Digest) throws(StoreFailure) { try Folder.remove(path(digest)) }

    /// All content older than a time, for finding what no row names.
    package func content(olderThan time: Timestamp) throws(StoreFailure) -> [(digest: Digest, size: Int64)] {
        var found: [(digest: Digest, size: Int64)] = []
        for part in try Folder.names(in: blobs) {
            for name in try Folder.names(in: "\(blobs)/\(part)") {
                guard let digest = try? Digest(name), let status = try Folder.status("\(blobs)/\(part)/\(name)"),
                    status.modified < time.seconds
                else { continue }
                found.append((digest, status.size))
            }
        }
        return found
    }
}
