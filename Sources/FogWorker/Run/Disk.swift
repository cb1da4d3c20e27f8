import Dispatch
import FogCore
import Glibc

/// Files and folders of the worker's own, by system calls: short enough for any thread unless said otherwise.
enum Disk {
    static let pieceBytes = 1 << 20
    /// Folders within folders that are removed or measured; a task's file system allows no more in one path.
    static let maxDepth = 2048

    static func failure(_ words: String, _ path: String) -> WorkerFailure {
        WorkerFailure("disk_failed", "\(path) \(words): \(String(cString: strerror(errno)))")
    }

    /// Makes the folder unless it is there.
    static func makeFolder(_ path: String, mode: mode_t = 0o700) throws(WorkerFailure) {
        guard mkdir(path, mode) == 0 || errno == EEXIST else { throw failure("could not be made", path) }
    }

    static func makeFolders(_ path: String) throws(WorkerFailure) {
        var parent = ""
        for part in path.split(separator: "/") {
            parent += (parent.isEmpty && !path.hasPrefix("/") ? "" : "/") + part
            try makeFolder(parent)
        }
    }

    static func size(_ path: String) -> Int64? {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int64(status.st_size)
    }

    /// Bytes free to us on the file system of a folder; nil when the kernel does not say.
    static func free(_ path: String) -> Int64? {
        var system = statvfs()
        return statvfs(path, &system) == 0 ? Int64(system.f_bavail) * Int64(system.f_frsize) : nil
    }

    /// Names in a folder but `.` and `..`; none when it is not there.
    static func names(_ path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = name(of: entry)
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    private static func name(of entry: UnsafeMutablePointer<dirent>) -> String {
        withUnsafePointer(to: &entry.pointee.d_name) { tuple in
            tuple.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
        }
    }

    // MARK: - Removing

    /// Removes a folder and all in it, following no link; what a task closed to everybody as well. Slow for large trees.
    static func removeTree(_ path: String) {
        if rmdir(path) == 0 || errno == ENOENT { return }
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard folder >= 0 else {
            unlink(path)
            return
        }
        empty(folder, depth: 0)
        rmdir(path)
    }

    /// Takes the descriptor over. Names are bytes that need not be UTF-8, so they stay C strings.
    private static func empty(_ folder: Int32, depth: Int) {
        fchmod(folder, 0o700)
        guard let stream = fdopendir(folder) else {
            close(folder)
            return
        }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { name in
                    if strcmp(name, ".") == 0 || strcmp(name, "..") == 0 { return }
                    if unlinkat(folder, name, 0) == 0 { return }
                    guard depth < maxDepth else { return }
                    var child = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                    if child < 0, errno == EACCES, fchmodat(folder, name, 0o700, 0) == 0 {
                        child = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                    }
                    if child >= 0 { empty(child, depth: depth + 1) }
                    unlinkat(folder, name, AT_REMOVEDIR)
                }
            }
        }
    }

    // MARK: - Reading

    /// Nil when it cannot be read or is longer than `limit`.
    static func read(_ path: String, limit: Int) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes: [UInt8] = []
        while let piece = try? read(file, at: Int64(bytes.count), count: min(pieceBytes, limit + 1 - bytes.count)),
            !piece.isEmpty
        {
            bytes += piece
        }
        return bytes.count <= limit ? bytes : nil
    }

    static func text(_ path: String, limit: Int = 1 << 20) -> String? {
        // /proc and /sys say a size of 0, so reading goes to the end.
        read(path, limit: limit).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Fewer bytes only at the end.
    static func read(_ file: Int32, at offset: Int64, count: Int) throws(WorkerFailure) -> [UInt8] {
        var problem: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: max(0, count)) { buffer, filled in
            while filled < count, let base = buffer.baseAddress {
                let length = pread(file, base + filled, count - filled, off_t(offset) + off_t(filled))
                if length < 0, errno == EINTR { continue }
                if length < 0 { problem = errno }
                if length <= 0 { return }
                filled += length
            }
        }
        guard problem == 0 else {
            throw WorkerFailure("disk_failed", "a file could not be read: \(String(cString: strerror(problem)))")
        }
        return bytes
    }

    static func digest(_ file: Int32) throws(WorkerFailure) -> (digest: Digest, size: Int64) {
        var stream = DigestStream()
        var offset: Int64 = 0
        while true {
            let piece = try read(file, at: offset, count: pieceBytes)
            if piece.isEmpty { return (stream.finish(), offset) }
            stream.update(piece)
            offset += Int64(piece.count)
        }
    }

    static func digest(path: String) throws(WorkerFailure) -> (digest: Digest, size: Int64) {
        let file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard file >= 0 else { throw failure("could not be read", path) }
        defer { close(file) }
        return try digest(file)
    }

    // MARK: - Writing

    static func write(_ bytes: ArraySlice<UInt8>, to file: Int32, path: String) throws(WorkerFailure) {
        var rest = bytes
        while !rest.isEmpty {
            let length = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if length < 0, errno == EINTR { continue }
            guard length > 0 else { throw failure("could not be written", path) }
            rest = rest.dropFirst(length)
        }
    }

    /// Copies into a new file of the mode; `limit` bounds what is copied.
    static func copy(from source: Int32, to path: String, mode: mode_t, limit: Int64 = .max) throws(WorkerFailure) {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw failure("could not be made", path) }
        defer { close(file) }
        var offset: Int64 = 0
        while offset < limit {
            let piece = try read(source, at: offset, count: Int(min(Int64(pieceBytes), limit - offset)))
            if piece.isEmpty { break }
            try write(piece[...], to: file, path: path)
            offset += Int64(piece.count)
        }
        guard fchmod(file, mode) == 0 else { throw failure("could not be given its mode", path) }
    }

    /// Writes a whole file so that after a crash it is there complete, or not at all.
    static func writeDurably(_ bytes: [UInt8], to path: String, in folder: String) throws(WorkerFailure) {
        let draft = path + ".draft"
        let file = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw failure("could not be made", draft) }
        do throws(WorkerFailure) {
            try write(bytes[...], to: file, path: draft)
            guard fsync(file) == 0 else { throw failure("could not be flushed", draft) }
        } catch {
            close(file)
            unlink(draft)
            throw error
        }
        close(file)
        guard rename(draft, path) == 0 else { throw failure("could not be put in place", path) }
        try flush(folder)
    }

    /// Flushes a file or the names of a folder.
    static func flush(_ path: String) throws(WorkerFailure) {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw failure("could not be opened", path) }
        defer { close(file) }
        guard fsync(file) == 0 else { throw failure("could not be flushed", path) }
    }

    // MARK: - Elsewhere

    private static let queue = DispatchQueue(label: "fog.worker.files", attributes: .concurrent)

    /// Removes a folder on a thread of its own. Nobody waits for it; the next start removes what is left.
    static func removeLater(_ path: String) { queue.async { removeTree(path) } }

    /// Runs file work that may take long on a thread of its own: Swift has only as many threads as the machine has
    /// cores, and a copy that waits for a disk must not stop the heartbeats.
    static func offload<Value: Sendable>(
        _ body: @escaping @Sendable () throws(WorkerFailure) -> Value
    ) async throws(WorkerFailure) -> Value {
        let result: Result<Value, WorkerFailure> = await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: Result { () throws(WorkerFailure) in try body() }) }
        }
        return try result.get()
    }
}
