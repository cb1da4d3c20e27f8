import Glibc

/// What a folder takes on disk. Follows no links, counts allocated blocks.
struct FolderMeasure: Hashable, Sendable {
    /// Files and folders of one task's work folder.
    static let maxEntries: Int64 = 200_000
    static let maxDepth = 64

    private(set) var bytes: Int64 = 0
    private(set) var entries: Int64 = 0

    /// Stops counting once it has seen more than `limit` bytes or ``maxEntries``.
    init(_ path: String, limit: Int64) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if descriptor >= 0 { add(descriptor, limit: limit, depth: 0) }
    }

    func exceeds(_ limit: Int64) -> Bool { bytes > limit || entries > Self.maxEntries }

    private mutating func add(_ descriptor: Int32, limit: Int64, depth: Int) {
        guard let stream = fdopendir(descriptor) else {
            close(descriptor)
            return
        }
        defer { closedir(stream) }
        for name in Folder.names(stream, max: Int(Self.maxEntries) + 1) {
            guard !exceeds(limit) else { return }
            entries += 1
            var status = stat()
            guard Folder.withName(name, { fstatat(descriptor, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0 else {
                continue
            }
            bytes += Int64(status.st_blocks) * 512
            guard status.st_mode & S_IFMT == S_IFDIR else { continue }
            // Deeper than any honest result: counted as too much, for it cannot be measured.
            guard depth < Self.maxDepth else {
                entries = Self.maxEntries + 1
                return
            }
            let child = Folder.open(descriptor, name)
            if child >= 0 { add(child, limit: limit, depth: depth + 1) }
        }
    }
}
