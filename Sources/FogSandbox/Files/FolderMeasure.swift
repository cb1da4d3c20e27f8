import Glibc

/// What a folder takes on disk. Follows no links, counts allocated blocks.
struct FolderMeasure: Hashable, Sendable {
    static let maxDepth = 64

    private(set) var bytes: Int64 = 0
    private(set) var entries: Int64 = 0

    private let limit: Int64
    private let maxEntries: Int64

    /// Stops counting once it has seen more than `limit` bytes or `maxEntries` files and folders.
    init(_ path: String, limit: Int64, maxEntries: Int64) {
        (self.limit, self.maxEntries) = (limit, maxEntries)
        var descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if descriptor < 0, errno == EACCES { descriptor = Folder.openClosed(AT_FDCWD, Array(path.utf8)) }
        if descriptor >= 0 { add(descriptor, depth: 0) }
    }

    var exceeds: Bool { bytes > limit || entries > maxEntries }

    private mutating func add(_ descriptor: Int32, depth: Int) {
        guard let stream = fdopendir(descriptor) else {
            close(descriptor)
            return
        }
        defer { closedir(stream) }
        for name in Folder.names(stream, max: Int(maxEntries) + 1) {
            guard !exceeds else { return }
            entries += 1
            var status = stat()
            guard Folder.withName(name, { fstatat(descriptor, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0 else {
                continue
            }
            bytes += Int64(status.st_blocks) * 512
            guard status.st_mode & S_IFMT == S_IFDIR else { continue }
            // Deeper than any honest result: counted as too much, for it cannot be measured.
            guard depth < Self.maxDepth else {
                entries = maxEntries + 1
                return
            }
            var child = Folder.open(descriptor, name)
            if child < 0, errno == EACCES { child = Folder.openClosed(descriptor, name) }
            if child >= 0 { add(child, depth: depth + 1) }
        }
    }
}
