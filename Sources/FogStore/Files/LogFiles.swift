package import FogCore
internal import Glibc
internal import Synchronization

/// What running tasks print, while it comes: one file an attempt and stream, `logs/<job>/<number>.<token>.stdout`.
///
/// A log has no gaps, so a reader can follow it by its offset. Chunks may come twice (a worker repeats what was not
/// answered): what is there already is passed over. Not flushed: the end of an attempt vouches for the digest.
package final class LogFiles: Sendable {
    /// The most bytes that a stream keeps; the rest is dropped.
    package let sizeLimit: Int64
    private let folder: String
    private let writing = Mutex(())
    /// Bytes read at a time.
    package static let readLimit = 4 << 20

    /// - Parameter folder: is made when there is none; its parent must be there.
    package init(folder: String, sizeLimit: ByteCount = .mebibytes(16)) throws(StoreFailure) {
        self.folder = folder + "/logs"
        self.sizeLimit = sizeLimit.bytes
        try Folder.make(folder)
        try Folder.make(self.folder)
    }

    private func path(_ attempt: AttemptID, _ stream: LogStream) -> String {
        "\(folder)/\(attempt.task.job)/\(attempt.task.number).\(attempt.token).\(stream.rawValue)"
    }

    /// Adds a chunk that begins at an offset of the stream.
    ///
    /// - Returns: the size now, which is where the next chunk belongs. It stops growing at ``sizeLimit``.
    /// - Throws: `wrong_offset` naming the true size when bytes between are missing.
    @discardableResult
    package func append(
        _ bytes: [UInt8], to attempt: AttemptID, stream: LogStream, at offset: Int64
    ) throws(StoreFailure) -> Int64 {
        // One lock for all: a write is a copy into the page cache.
        let result = writing.withLock { _ in
            Result { () throws(StoreFailure) in try self.add(bytes, to: attempt, stream, at: offset) }
        }
        return try result.get()
    }

    private func add(
        _ bytes: [UInt8], to attempt: AttemptID, _ stream: LogStream, at offset: Int64
    ) throws(StoreFailure) -> Int64 {
        let path = path(attempt, stream)
        try Folder.make(Folder.parent(of: path))
        let file = try File(path, O_RDWR | O_CREAT)
        let size = try file.size
        guard offset >= 0, offset <= size else {
            throw StoreFailure(
                "wrong_offset",
                "\(stream.rawValue) of attempt \(attempt) has \(size) bytes; the chunk began at \(offset)")
        }
        let fresh = bytes.dropFirst(Int(size - offset)).prefix(Int(max(0, sizeLimit - size)))
        guard !fresh.isEmpty else { return size }
        do throws(StoreFailure) {
            try file.write(fresh, at: size)
        } catch {
            try? file.truncate(to: size)
            throw error
        }
        return size + Int64(fresh.count)
    }

    /// 0 when nothing came yet.
    package func size(_ attempt: AttemptID, stream: LogStream) throws(StoreFailure) -> Int64 {
        do throws(StoreFailure) {
            return try File(path(attempt, stream), O_RDONLY).size
        } catch {
            if error.code == "not_found" { return 0 }
            throw error
        }
    }

    /// At most `count` bytes (and at most ``readLimit``) from an offset; fewer, or none, at the end so far.
    package func read(
        _ attempt: AttemptID, stream: LogStream, at offset: Int64, count: Int
    ) throws(StoreFailure) -> [UInt8] {
        guard offset >= 0, count > 0 else { return [] }
        do throws(StoreFailure) {
            let file = try File(path(attempt, stream), O_RDONLY)
            let left = max(0, try file.size - offset)
            return try file.read(at: offset, count: Int(min(left, Int64(min(count, Self.readLimit)))))
        } catch {
            if error.code == "not_found" { return [] }
            throw error
        }
    }

    /// Jobs that have logs here.
    package func jobs() throws(StoreFailure) -> [JobID] { try Folder.names(in: folder).compactMap { try? JobID($0) } }

    /// Bytes of all logs of a job.
    package func size(job: JobID) throws(StoreFailure) -> Int64 {
        let path = "\(folder)/\(job)"
        var sum: Int64 = 0
        for name in try Folder.names(in: path) { sum += try Folder.status("\(path)/\(name)")?.size ?? 0 }
        return sum
    }

    /// Removes all logs of a job; one that has none is no failure.
    package func delete(job: JobID) throws(StoreFailure) {
        let path = "\(folder)/\(job)"
        for name in try Folder.names(in: path) { try Folder.remove("\(path)/\(name)") }
        guard rmdir(path) == 0 || errno == ENOENT else { throw Folder.failure("could not be removed", path) }
    }
}
