internal import Glibc

/// System calls on files and folders, with failures in the store's words.
enum Folder {
    /// What the last failed call on a path means.
    static func failure(_ what: String, _ path: String) -> StoreFailure {
        let number = errno
        let reason = String(cString: strerror(number))
        return switch number {
        case EACCES, EPERM, EROFS: StoreFailure("read_only", "\(path): \(what): \(reason)")
        case ENOSPC, EDQUOT: StoreFailure("disk_full", "\(path): \(what): \(reason)")
        case ENOENT: StoreFailure("not_found", "\(path): \(what): \(reason)")
        default: StoreFailure("io", "\(path): \(what): \(reason)")
        }
    }

    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Makes the folder when there is none; its parent must be there.
    static func make(_ path: String) throws(StoreFailure) {
        guard mkdir(path, 0o700) != 0 else { return try sync(parent(of: path)) }
        guard errno == EEXIST else { throw failure("could not be made", path) }
    }

    /// Makes the names in a folder durable: a file's own sync does not cover the entry that names it (fsync(2)).
    static func sync(_ path: String) throws(StoreFailure) {
        let file = try File(path, O_RDONLY | O_DIRECTORY)
        try file.sync()
    }

    static func sync(file path: String) throws(StoreFailure) {
        let file = try File(path, O_RDONLY)
        try file.sync()
    }

    /// What lies in a folder, but for names that begin with a dot or are otherwise not ours; nothing when there is none.
    static func names(in path: String) throws(StoreFailure) -> [String] {
        guard let stream = opendir(path) else {
            if errno == ENOENT { return [] }
            throw failure("could not be opened", path)
        }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
            }
            if isPlain(name) { names.append(name) }
        }
        closedir(stream)
        return names
    }

    /// Size in bytes and last change in seconds since 1970; nil when there is nothing. Links are not followed.
    static func status(_ path: String) throws(StoreFailure) -> (size: Int64, modified: Int64)? {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return nil }
            throw failure("could not be looked at", path)
        }
        return (Int64(status.st_size), Int64(status.st_mtim.tv_sec))
    }

    /// Removes a file; one that is not there is no failure.
    static func remove(_ path: String) throws(StoreFailure) {
        guard unlink(path) == 0 || errno == ENOENT else { throw failure("could not be removed", path) }
    }

    /// A name that is one entry of a folder: letters, digits, `-`, `_`, and `.` but not first.
    static func isPlain(_ name: String) -> Bool {
        let bytes = name.utf8
        return (1...128).contains(bytes.count) && bytes.first != UInt8(ascii: ".")
            && bytes.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
    }
}

/// An open file that closes itself.
struct File: ~Copyable {
    let path: String
    private let descriptor: Int32

    init(_ path: String, _ flags: Int32) throws(StoreFailure) {
        self.path = path
        // Never through a link: nothing in these folders is one unless somebody else put it there.
        descriptor = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Folder.failure("could not be opened", path) }
    }

    deinit { close(descriptor) }

    var size: Int64 {
        get throws(StoreFailure) {
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw Folder.failure("could not be looked at", path) }
            return Int64(status.st_size)
        }
    }

    func write(_ bytes: some Sequence<UInt8>, at offset: Int64) throws(StoreFailure) {
        let whole = Array(bytes)
        var written = 0
        while written < whole.count {
            let count = whole.withUnsafeBytes { buffer in
                pwrite(
                    descriptor, buffer.baseAddress.map { $0 + written }, whole.count - written, Int(offset) + written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Folder.failure("could not be written", path) }
            written += count
        }
    }

    /// At most `count` bytes; fewer only at the end of the file.
    func read(at offset: Int64, count: Int) throws(StoreFailure) -> [UInt8] {
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let target = buffer.baseAddress.map { UnsafeMutableRawPointer($0 + filled) }
                let got = pread(descriptor, target, count - filled, Int(offset) + filled)
                if got < 0, errno == EINTR { continue }
                failed = got < 0
                guard got > 0 else { return }
                filled += got
            }
        }
        guard !failed else { throw Folder.failure("could not be read", path) }
        return bytes
    }

    func truncate(to size: Int64) throws(StoreFailure) {
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw Folder.failure("could not be cut", path) }
    }

    func sync() throws(StoreFailure) {
        guard fsync(descriptor) == 0 else { throw Folder.failure("could not be made durable", path) }
    }
}
